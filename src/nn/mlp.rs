//! A multilayer perceptron: the numbers of an image as one vector, hidden layers with batch normalisation and a
//! nonlinearity, a linear layer. In a binary network every hidden layer is binary, the first too: it sees which pixels
//! are over a threshold.
//!
//! A hidden layer is a 1x1 convolution of a map of one pixel, so that all that is known of convolutions (binary weights,
//! masks, counts) holds for it; its weights are `[out, 1, 1, in]`.

use super::builder::{Builder, Mode};
use crate::error::{Error, Result};
use crate::graph::Value;
use crate::rng::streams;

/// `x` `[n, h, w, c]` to logits `[n, classes]`.
pub(super) fn build(b: &mut Builder<'_>, x: Value, classes: usize) -> Result<Value> {
    let widths = match b.spec.widths.as_slice() {
        [] => vec![1024, 1024],
        given if given.contains(&0) => return Err(Error::Config(format!("net.widths {given:?} holds a zero"))),
        given => given.to_vec(),
    };
    let n = b.g.shape(x)[0];
    let d = b.g.shape(x).elements() / n;
    let mut x = b.g.reshape(x, [n, 1, 1, d])?;
    for (i, &width) in widths.iter().enumerate() {
        let y = b.inner_conv(&format!("layer{i}"), x, width, 1, 1)?;
        let y = b.batch_norm(&format!("bn{i}"), y)?;
        b.stage(y, true);
        x = b.activate(&format!("act{i}"), y)?;
        if b.spec.dropout > 0.0 && b.mode == Mode::Train {
            let step = b.g.scalar("step")?;
            let stream = streams::DROPOUT + ((i as u64 + 1) << 32);
            x = b.g.dropout(x, b.spec.dropout, b.spec.seed, stream, step)?;
        }
    }
    let d = b.channels(x);
    let x = b.g.reshape(x, [n, d])?;
    b.head(x, classes)
}
