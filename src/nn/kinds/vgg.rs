//! VGG-small: six 3x3 layers of 128, 128, 256, 256, 512, 512 channels, pooling after every second,
//! then one linear layer on the flattened map.

use super::{activation, batch_norm, conv, inner_conv};
use crate::error::Result;
use crate::nn::layer::{Layer, LayerKind};
use crate::nn::spec::{Activation, NetSpec};

pub(super) fn layers(spec: &NetSpec) -> Result<Vec<Layer>> {
    let widths = spec.widths(&[128, 128, 256, 256, 512, 512])?;
    let mut layers = Vec::new();
    for (i, &width) in widths.iter().enumerate() {
        layers.push(match i {
            0 => conv("conv0", width, 3, 1),
            _ => inner_conv(&format!("conv{i}"), width, 3, 1),
        });
        let pools = i % 2 == 1;
        if pools {
            layers.push(Layer::new(LayerKind::MaxPool { kernel: 2, stride: None, padding: 0 }));
        }
        layers.push(Layer { stage: pools, ..batch_norm(&format!("bn{i}")) });
        let constant = i == 0 && spec.is_binary() && spec.activation() == Activation::Relu;
        // The sign of a ReLU is constant.
        if !constant {
            layers.extend(activation(spec.activation(), &format!("act{i}")));
        }
    }
    layers.push(Layer::new(LayerKind::Flatten {}));
    Ok(layers)
}
