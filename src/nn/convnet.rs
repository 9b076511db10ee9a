//! A small network for small images: a float 3x3 stem, then inner 3x3 layers, each second one of
//! which halves the map, with a shortcut wherever the shape stays. Global pooling and a linear layer.

use super::builder::Builder;
use crate::error::Result;
use crate::graph::Value;

/// `x` `[n, h, w, c]` to logits `[n, classes]`.
pub(super) fn build(b: &mut Builder<'_>, x: Value, classes: usize) -> Result<Value> {
    let widths = b.spec.widths(&[32, 32, 64, 64, 128])?;
    let y = b.conv("conv0", x, widths[0], 3, 1)?;
    let y = b.batch_norm("bn0", y)?;
    let mut x = b.activate_by(b.spec.stem_activation(), "act0", y)?;
    for (i, &width) in widths.iter().enumerate().skip(1) {
        let stride = if i % 2 == 1 { 2 } else { 1 };
        let y = b.inner_conv(&format!("conv{i}"), x, width, 3, stride)?;
        let y = b.batch_norm(&format!("bn{i}"), y)?;
        let y = if b.g.shape(y) == b.g.shape(x) { b.g.add(y, x)? } else { y };
        b.stage(y, i % 2 == 0);
        x = b.activate(&format!("act{i}"), y)?;
    }
    let x = b.g.global_avg_pool(x)?;
    b.head(x, classes)
}
