//! Which network tensors belong to, by their names and shapes.

use super::Checked;
use super::names::{Named, block_number};
use crate::nn::{Activation, Binarization, NetKind, NetSpec, Scale, Shortcut, Skip, SteKind, Stem, WeightRule};

/// Channels of a layer; ResNets have up to 2048. Products of a few of them stay far below 64 bits.
const WIDEST: usize = 1 << 16;

/// A network as far as its tensors tell.
#[derive(Debug, PartialEq)]
pub(super) struct Detected {
    pub(super) net: NetSpec,
    /// Outputs of `fc`; 0 without it.
    pub(super) classes: usize,
    /// Channels of the images.
    pub(super) channels: usize,
}

/// Tells kind and widths. What is told here from single tensors is for [`fit`](super::fit) to find in all of them.
pub(super) fn detect(named: &Named) -> Checked<Detected> {
    let shape = |name: &str| named.tensors.get(name).map(|t| &t.shape[..]);
    let (stem, first, channels) = match shape("conv1.weight") {
        Some(&[o, 7, 7, c]) => (Stem::Imagenet, o, c),
        Some(&[o, 3, 3, c]) => (Stem::Cifar, o, c),
        Some(other) => {
            return Err(format!("conv1.weight (in our layout {other:?}) is not [channels, 7 or 3, same, colours]"));
        }
        None => return Err("there is no conv1.weight".into()),
    };
    let blocks = blocks(named)?;
    let has = |test: &dyn Fn(&str) -> bool| named.tensors.keys().any(|n| n.starts_with("layer") && test(n));
    let bottleneck = has(&|n| n.ends_with(".conv3.weight"));
    let kind = match (&blocks[..], bottleneck) {
        ([2, 2, 2, 2], false) => NetKind::Resnet18,
        ([3, 4, 6, 3], false) => NetKind::Resnet34,
        ([3, 4, 6, 3], true) => NetKind::Resnet50,
        ([3, 3, 3], false) => NetKind::Resnet20,
        ([5, 5, 5], false) => NetKind::Resnet32,
        ([7, 7, 7], false) => NetKind::Resnet44,
        ([9, 9, 9], false) => NetKind::Resnet56,
        (blocks, bottleneck) => {
            let kind = if bottleneck { "bottleneck" } else { "basic" };
            return Err(format!("its stages have {blocks:?} {kind} blocks"));
        }
    };
    let mut widths = vec![first];
    for stage in 1..=blocks.len() {
        // Any block's, should the first one's be missing: then that is what is to be said.
        let of_block = |i| shape(&format!("layer{stage}.{i}.conv1.weight"));
        let width = (0..blocks[stage - 1]).find_map(of_block).and_then(|s| s.first().copied());
        widths.push(width.ok_or_else(|| format!("no block of layer{stage} has a conv1.weight with channels"))?);
    }
    if let Some(w) = widths.iter().chain([&channels]).find(|w| **w > WIDEST) {
        return Err(format!("a layer has {w} channels; up to {WIDEST} are read"));
    }
    let classes = shape("fc.weight").or(shape("fc.bias")).map_or(0, |s| s.first().copied().unwrap_or(1));
    let adaptive = has(&|n| n.ends_with(".alpha_a"));
    let mut net = NetSpec::new(kind, adaptive);
    // The shortcuts of the networks for CIFAR have no weights.
    let shortcut =
        if has(&|n| n.contains(".downsample.")) || blocks.len() == 4 { Shortcut::Float } else { Shortcut::OptionA };
    (net.widths, net.stem, net.shortcut) = (widths, Some(stem), Some(shortcut));
    if adaptive {
        // AdaBin's release: two shortcuts a block, maxout everywhere, a normalisation before the linear layer.
        (net.activation, net.stem_activation) = (Some(Activation::Maxout), Some(Activation::Maxout));
        (net.skip, net.head_norm) = (Some(Skip::Double), shape("bn_head.weight").is_some());
        net.binarization = Binarization {
            activation_ste: SteKind::ApproxSign,
            weights: WeightRule::Adaptive,
            weight_ste: SteKind::Ede,
            scale: Scale::None,
            ede_start: 1e-3,
            ..Binarization::default()
        };
    }
    Ok(Detected { net, classes, channels })
}

/// Blocks of each stage, of which there are three or four: the highest number and one.
fn blocks(named: &Named) -> Checked<Vec<usize>> {
    let mut blocks = [0; 4];
    for name in named.tensors.keys() {
        let mut parts = name.split('.');
        let stage = parts.next().and_then(|p| p.strip_prefix("layer")).and_then(block_number);
        if let (Some(stage @ 1..=4), Some(block)) = (stage, parts.next().and_then(block_number)) {
            blocks[stage - 1] = blocks[stage - 1].max(block.saturating_add(1));
        }
    }
    match blocks.iter().position(|b| *b == 0) {
        Some(3) => Ok(blocks[..3].to_vec()),
        Some(i) => Err(format!("there is no layer{}", i + 1)),
        None => Ok(blocks.to_vec()),
    }
}
