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
    let parts = Parts {
        small: blocks.len() == 3,
        downsample: has(&|n| n.contains(".downsample.")),
        binary_downsample: has(&|n| n.ends_with(".downsample.0.alpha")),
        head_norm: shape("bn_head.weight").is_some(),
        sets: has(&|n| n.ends_with(".alpha_a")),
        alpha: has(&|n| n.ends_with(".alpha")),
        halves: named.tensors.values().any(|t| t.theirs.contains(".binary_conv.")),
        shifts: has(&|n| n.ends_with(".threshold")),
        betas: !named.betas.is_empty(),
    };
    let mut net = parts.network(kind);
    (net.widths, net.stem) = (widths, Some(stem));
    Ok(Detected { net, classes, channels })
}

/// What the tensors of a file have, by which releases are told apart.
struct Parts {
    /// Three stages, for 32 pixels.
    small: bool,
    downsample: bool,
    binary_downsample: bool,
    head_norm: bool,
    sets: bool,
    alpha: bool,
    halves: bool,
    shifts: bool,
    betas: bool,
}

impl Parts {
    /// The network, but for its widths and its first layer.
    fn network(&self, kind: NetKind) -> NetSpec {
        use Activation as A;
        let plain = Binarization { activation_ste: SteKind::ApproxSign, scale: Scale::None, ..Binarization::default() };
        let of = |activation: A, stem: A, skip: Skip, shortcut: Shortcut, binarization: Binarization| NetSpec {
            activation: Some(activation),
            stem_activation: Some(stem),
            skip: Some(skip),
            shortcut: Some(shortcut),
            head_norm: self.head_norm,
            binarization,
            ..NetSpec::new(kind, true)
        };
        // For 32 pixels a shortcut around each convolution, and a nonlinearity behind the first layer; with four stages neither.
        let (skip, stem) = if self.small { (Skip::Double, A::Hardtanh) } else { (Skip::Single, A::None) };
        let without = if self.small { Shortcut::OptionA } else { Shortcut::PooledOptionA };
        match self {
            Parts { sets: true, .. } => {
                let adaptive =
                    Binarization { weights: WeightRule::Adaptive, weight_ste: SteKind::Ede, ede_start: 1e-3, ..plain };
                let shortcut = if self.downsample { Shortcut::Float } else { Shortcut::OptionA };
                of(A::Maxout, A::Maxout, Skip::Double, shortcut, adaptive)
            }
            Parts { halves: true, .. } => {
                let of_channels = Binarization { scale: Scale::Channel, rsign: self.shifts, ..plain };
                let (activation, scale_in_gradient) = if self.shifts { (A::Rprelu, true) } else { (A::None, false) };
                let signs = Binarization { scale_in_gradient, ..of_channels };
                of(activation, A::None, Skip::Double, Shortcut::PooledFloat, signs)
            }
            Parts { alpha: true, .. } => {
                let weights = if self.betas { WeightRule::SquareWave } else { WeightRule::Rectified };
                let learned = Binarization { weights, divide_by_deviation: true, scale: Scale::Learned, ..plain };
                let shortcut = if self.binary_downsample { Shortcut::Binary } else { Shortcut::PooledOptionA };
                of(A::Hardtanh, stem, skip, shortcut, learned)
            }
            Parts { head_norm: true, .. } => {
                let balanced = Binarization {
                    activation_ste: SteKind::Ede,
                    weights: WeightRule::Standardised,
                    weight_ste: SteKind::Ede,
                    scale: Scale::PowerOfTwo,
                    ede_start: 1e-3,
                    ..plain
                };
                let shortcut = if self.downsample { Shortcut::Float } else { without };
                of(A::Hardtanh, stem, skip, shortcut, balanced)
            }
            _ => {
                // The shortcuts of the networks for CIFAR have no weights.
                let shortcut = if self.small && !self.downsample { Shortcut::OptionA } else { Shortcut::Float };
                NetSpec { shortcut: Some(shortcut), ..NetSpec::new(kind, false) }
            }
        }
    }
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
