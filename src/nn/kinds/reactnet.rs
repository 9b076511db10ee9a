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

use super::resnet::averaged;
use super::{activation, batch_norm, block, conv, global_avg_pool, inner_conv, residual};
use crate::error::{Error, Result};
use crate::nn::layer::{Join, Layer, LayerKind};
use crate::nn::spec::{NetKind, NetSpec};

/// Channels of the stem and of each block.
const A: &[usize] = &[32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024];
const MINI: &[usize] = &[32, 64, 128, 128, 256, 256];

pub(super) fn layers(spec: &NetSpec) -> Result<Vec<Layer>> {
    let (own, stem_stride) = match spec.kind {
        NetKind::ReactnetA => (A, 2),
        _ => (MINI, 1),
    };
    // Any number of blocks will do: the widths say where they double.
    let widths = if spec.widths.is_empty() { own.to_vec() } else { spec.widths.clone() };
    check(&widths)?;
    let mut layers = vec![conv("conv0", widths[0], 3, stem_stride), batch_norm("bn0")];
    layers.extend(activation(spec.stem_activation(), "act0"));
    for (i, pair) in widths.windows(2).enumerate() {
        let (from, to) = (pair[0], pair[1]);
        // The first block doubles the channels at full resolution.
        let stride = if from != to && i > 0 { 2 } else { 1 };
        let last = widths.get(i + 2).is_none_or(|next| *next != to);
        layers.push(block(format!("block{}", i + 1), of_block(spec, from, to / from, stride, last)));
    }
    layers.push(global_avg_pool());
    Ok(layers)
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

/// A block of `a` channels to as many, or to twice as many.
fn of_block(spec: &NetSpec, a: usize, times: usize, stride: usize, stage: bool) -> Vec<Layer> {
    let mut layers = vec![residual(
        vec![inner_conv("conv3", a, 3, stride), batch_norm("bn3")],
        if stride > 1 { vec![averaged(stride)] } else { vec![] },
        false,
    )];
    layers.extend(activation(spec.activation(), "act3"));
    let half = |suffix: &str, stage: bool| {
        let body = vec![inner_conv(&format!("conv1{suffix}"), a, 1, 1), batch_norm(&format!("bn1{suffix}"))];
        residual(body, vec![], stage)
    };
    layers.push(match times {
        1 => half("", stage),
        _ => {
            let branch = (1..=times).map(|i| vec![half(&format!("_{i}"), false)]).collect();
            Layer { stage, ..Layer::new(LayerKind::Branches { branch, join: Join::Concat }).named("") }
        }
    });
    layers.extend(activation(spec.activation(), "act1"));
    layers
}
