//! A multilayer perceptron: the numbers of an image as one vector, hidden layers with batch normalisation and a
//! nonlinearity, a linear layer. In a binary network every hidden layer is binary, the first too: it sees which pixels
//! are over a threshold.
//!
//! A hidden layer is a 1x1 convolution of a map of one pixel, so that all that is known of convolutions (binary weights,
//! masks, counts) holds for it; its weights are `[out, 1, 1, in]`.

use super::{activation, batch_norm, inner_conv};
use crate::error::{Error, Result};
use crate::nn::layer::{Layer, LayerKind};
use crate::nn::spec::NetSpec;

pub(super) fn layers(spec: &NetSpec) -> Result<Vec<Layer>> {
    let widths = match spec.widths.as_slice() {
        [] => vec![1024, 1024],
        given if given.contains(&0) => return Err(Error::Config(format!("net.widths {given:?} holds a zero"))),
        given => given.to_vec(),
    };
    let mut layers = vec![Layer::new(LayerKind::Flatten {})];
    for (i, &width) in widths.iter().enumerate() {
        layers.push(inner_conv(&format!("layer{i}"), width, 1, 1));
        layers.push(Layer { stage: true, ..batch_norm(&format!("bn{i}")) });
        layers.extend(activation(spec.activation(), &format!("act{i}")));
        if spec.dropout > 0.0 {
            layers.push(Layer::new(LayerKind::Dropout { share: spec.dropout }));
        }
    }
    Ok(layers)
}
