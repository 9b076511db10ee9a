//! The built-in kinds of networks, as lists of layers.

mod convnet;
mod mlp;
mod reactnet;
mod resnet;
mod vgg;
mod vit;

pub use vit::Vit;

use super::layer::{Layer, LayerKind};
use super::spec::{Activation, NetKind, NetSpec};
use crate::error::Result;

impl NetSpec {
    /// The network as a list of layers: its own, or those that its kind stands for.
    ///
    /// # Errors
    /// If there are no such widths.
    pub fn layers(&self) -> Result<Vec<Layer>> {
        let vit = Vit::of(self.kind);
        let mut layers = match self.kind {
            NetKind::Layers => return Ok(self.layer.clone()),
            NetKind::Convnet => convnet::layers(self),
            NetKind::Mlp => mlp::layers(self),
            NetKind::VggSmall => vgg::layers(self),
            NetKind::ReactnetA | NetKind::Minireact => reactnet::layers(self),
            _ => vit.map_or_else(|| resnet::layers(self), |vit| vit::layers(self, vit)),
        }?;
        layers.extend(head(self));
        Ok(layers)
    }
}

/// Pooled features to classes: normalised first, or through a layer of their own, if the network says so.
fn head(spec: &NetSpec) -> Vec<Layer> {
    let mut layers = Vec::new();
    if spec.head_norm {
        layers.push(Layer::new(LayerKind::BatchNorm { gain: Some(1.0), affine: true }).named("bn_head"));
    }
    if spec.feature_layer {
        layers.push(Layer::new(LayerKind::Linear { width: "c".into(), bias: true }).named("features"));
        layers.push(Layer::new(LayerKind::Relu {}));
    }
    layers.push(Layer::new(LayerKind::Classifier {}).named("fc"));
    layers
}

/// A float convolution padded by half of its kernel.
fn conv(name: &str, width: usize, kernel: usize, stride: usize) -> Layer {
    let (stride, groups, dilation) = (stride.into(), 1.into(), 1.into());
    Layer::new(LayerKind::Conv { width: width.into(), kernel, stride, padding: None, dilation, groups, bias: false })
        .named(name)
}

/// A convolution that is binary if the network is.
fn inner_conv(name: &str, width: usize, kernel: usize, stride: usize) -> Layer {
    binary_conv(name, width, kernel, stride, false)
}

fn binary_conv(name: &str, width: usize, kernel: usize, stride: usize, shortcut: bool) -> Layer {
    let (stride, groups, dilation) = (stride.into(), 1.into(), 1.into());
    Layer::new(LayerKind::BinaryConv { width: width.into(), kernel, stride, padding: None, dilation, groups, shortcut })
        .named(name)
}

fn batch_norm(name: &str) -> Layer {
    Layer::new(LayerKind::BatchNorm { gain: None, affine: true }).named(name)
}

/// A nonlinearity, if there is one.
fn activation(activation: Activation, name: &str) -> Option<Layer> {
    let op = match activation {
        Activation::None => return None,
        Activation::Relu => LayerKind::Relu {},
        Activation::Prelu => LayerKind::Prelu {},
        Activation::Hardtanh => LayerKind::Hardtanh {},
        Activation::Rprelu => LayerKind::Rprelu {},
        Activation::Maxout => LayerKind::Maxout {},
        Activation::Gelu => LayerKind::Gelu {},
        Activation::QuickGelu => LayerKind::QuickGelu {},
    };
    Some(Layer::new(op).named(name))
}

/// Layers under a name.
fn block(name: impl Into<String>, body: Vec<Layer>) -> Layer {
    Layer::new(LayerKind::Block { body }).named(name)
}

/// Layers and a shortcut around them, whose names stand beside each other.
fn residual(body: Vec<Layer>, shortcut: Vec<Layer>, stage: bool) -> Layer {
    Layer { stage, ..Layer::new(LayerKind::Residual { body, shortcut }).named("") }
}

fn global_avg_pool() -> Layer {
    Layer::new(LayerKind::GlobalAvgPool {})
}
