//! VGG-small: six 3x3 layers of 128, 128, 256, 256, 512, 512 channels, pooling after every second,
//! then one linear layer on the flattened map.

use super::builder::Builder;
use super::spec::Activation;
use crate::error::Result;
use crate::graph::Value;

/// `x` `[n, h, w, c]` to logits `[n, classes]`.
pub(super) fn build(b: &mut Builder<'_>, x: Value, classes: usize) -> Result<Value> {
    let widths = b.spec.widths(&[128, 128, 256, 256, 512, 512])?;
    let mut x = x;
    for (i, &width) in widths.iter().enumerate() {
        let y = match i {
            0 => b.conv("conv0", x, width, 3, 1)?,
            _ => b.inner_conv(&format!("conv{i}"), x, width, 3, 1)?,
        };
        let y = if i % 2 == 1 { b.pooled(y)? } else { y };
        let y = b.batch_norm(&format!("bn{i}"), y)?;
        b.stage(y, i % 2 == 1);
        x = match (i, b.spec.binary, b.spec.activation()) {
            (0, true, Activation::Relu) => y,
            _ => b.activate(&format!("act{i}"), y)?,
        };
    }
    let (n, features) = (b.g.shape(x)[0], b.g.shape(x)[1..].iter().product::<usize>());
    let x = b.g.reshape(x, [n, features])?;
    b.head(x, classes)
}
