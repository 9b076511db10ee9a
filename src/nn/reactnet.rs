//! ReActNet-A (Liu et al. 2020, as released) and its five-block version for 32-pixel images. With a input channels, stride
//! s, and RSign and RPReLU from the recipe:
//!
//! ```text
//! w = RPReLU( BN(conv3x3(sign(x), stride s)) + r )        r = x, or its 2x2 average where s = 2
//! z = BN(conv1x1(sign(w))) + w                             twice, side by side, where the channels double
//! out = RPReLU(z)
//! ```
//!
//! 3x3 convolutions are full, every binary convolution has a shortcut, the stem is float.

use super::builder::Builder;
use super::spec::NetKind;
use crate::error::{Error, Result};
use crate::graph::Value;

/// Channels of the stem and of each block.
const A: &[usize] = &[32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024];
const MINI: &[usize] = &[32, 64, 128, 128, 256, 256];

/// `x` `[n, h, w, c]` to logits `[n, classes]`.
pub(super) fn build(b: &mut Builder<'_>, x: Value, classes: usize) -> Result<Value> {
    let (own, stem_stride) = match b.spec.kind {
        NetKind::ReactnetA => (A, 2),
        _ => (MINI, 1),
    };
    // Any number of blocks will do: the widths say where they double.
    let widths = if b.spec.widths.is_empty() { own.to_vec() } else { b.spec.widths.clone() };
    check(&widths)?;
    let y = b.conv("conv0", x, widths[0], 3, stem_stride)?;
    let mut x = b.batch_norm("bn0", y)?;
    x = b.activate_by(b.spec.stem_activation(), "act0", x)?;
    for (i, pair) in widths.windows(2).enumerate() {
        let (from, to) = (pair[0], pair[1]);
        // The first block doubles the channels at full resolution.
        let stride = if from != to && i > 0 { 2 } else { 1 };
        let last = widths.get(i + 2).is_none_or(|next| *next != to);
        x = b.scoped(format!("block{}", i + 1), |b| block(b, x, to / from, stride, last))?;
    }
    let x = b.g.global_avg_pool(x)?;
    b.head(x, classes)
}

fn check(widths: &[usize]) -> Result<()> {
    let doubles = |w: &[usize]| w[0] > 0 && (w[1] == w[0] || w[1] == 2 * w[0]);
    match widths.windows(2).find(|w| !doubles(w)) {
        _ if widths.len() < 2 => {
            Err(Error::Config(format!("net.widths {widths:?}: this network wants a stem and at least one block")))
        }
        Some(w) => Err(Error::Config(format!(
            "net.widths {widths:?}: a block of this network keeps or doubles its channels, but {} follows {}",
            w[1], w[0]
        ))),
        None => Ok(()),
    }
}

fn block(b: &mut Builder<'_>, x: Value, times: usize, stride: usize, stage_ends: bool) -> Result<Value> {
    let a = b.channels(x);
    let y = b.inner_conv("conv3", x, a, 3, stride)?;
    let y = b.batch_norm("bn3", y)?;
    let skip = if stride > 1 { super::resnet::averaged(b, x, 2)? } else { x };
    let y = b.g.add(y, skip)?;
    let w = b.activate("act3", y)?;
    let mut halves = Vec::new();
    for half in 0..times {
        let suffix = if times == 1 { String::new() } else { format!("_{}", half + 1) };
        let z = b.inner_conv(&format!("conv1{suffix}"), w, a, 1, 1)?;
        let z = b.batch_norm(&format!("bn1{suffix}"), z)?;
        halves.push(b.g.add(z, w)?);
    }
    let z = if times == 1 { halves[0] } else { b.g.concat(&halves, 3)? };
    b.stage(z, stage_ends);
    b.activate("act1", z)
}
