//! A small network for small images: a float 3x3 stem, then inner 3x3 layers, each second one of
//! which halves the map, with a shortcut wherever the shape stays. Global pooling and a linear layer.

use super::{activation, batch_norm, conv, global_avg_pool, inner_conv, residual};
use crate::error::Result;
use crate::nn::layer::{Layer, LayerKind};
use crate::nn::spec::NetSpec;

pub(super) fn layers(spec: &NetSpec) -> Result<Vec<Layer>> {
    let widths = spec.widths(&[32, 32, 64, 64, 128])?;
    let mut layers = vec![conv("conv0", widths[0], 3, 1), batch_norm("bn0")];
    layers.extend(activation(spec.stem_activation(), "act0"));
    for (i, pair) in (1..).zip(widths.windows(2)) {
        let (stride, width) = (if i % 2 == 1 { 2 } else { 1 }, pair[1]);
        let body = vec![inner_conv(&format!("conv{i}"), width, 3, stride), batch_norm(&format!("bn{i}"))];
        let stage = i % 2 == 0;
        layers.push(match (stride, pair[0] == width) {
            (1, true) => residual(body, vec![], stage),
            _ => Layer { stage, ..Layer::new(LayerKind::Block { body }).named("") },
        });
        layers.extend(activation(spec.activation(), &format!("act{i}")));
    }
    layers.push(global_avg_pool());
    Ok(layers)
}
