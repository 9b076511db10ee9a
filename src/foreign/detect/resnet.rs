//! Residual networks: torchvision's, those for CIFAR, and the binary ones of releases.

use super::{Detected, balanced, check_widths, learned, magnitude, plain};
use crate::foreign::Checked;
use crate::foreign::names::{Named, block_number};
use crate::nn::{Activation, Binarization, NetKind, NetSpec, Scale, Shortcut, Skip, SteKind, Stem, WeightRule};

pub(super) fn detect(named: &Named) -> Checked<Detected> {
    let (stem, first, channels) = match named.shape("conv1.weight") {
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
        let of_block = |i| named.shape(&format!("layer{stage}.{i}.conv1.weight"));
        let width = (0..blocks[stage - 1]).find_map(of_block).and_then(|s| s.first().copied());
        widths.push(width.ok_or_else(|| format!("no block of layer{stage} has a conv1.weight with channels"))?);
    }
    check_widths(&widths, channels)?;
    let parts = Parts {
        single: blocks.len() == 4 && stem == Stem::Cifar,
        small: blocks.len() == 3,
        downsample: has(&|n| n.contains(".downsample.")),
        pooled: named.tensors.values().any(|t| t.theirs.contains(".downsample.2.")),
        binary_downsample: has(&|n| n.ends_with(".downsample.0.alpha")),
        head_norm: named.shape("bn_head.weight").is_some(),
        bits: has(&|n| n.ends_with(".bits")),
        slopes: has(&|n| n.ends_with(".act1.weight")),
        sets: has(&|n| n.ends_with(".alpha_a")),
        alpha: has(&|n| n.ends_with(".alpha")),
        halves: named.tensors.values().any(|t| t.theirs.contains(".binary_conv.")),
        shifts: has(&|n| n.ends_with(".threshold")),
    };
    let mut net = parts.network(kind, named);
    (net.widths, net.stem) = (widths, Some(stem));
    Ok(Detected { net, classes: named.classes(), channels, side: None, clip: None })
}

/// What the tensors of a file have, by which releases are told apart.
struct Parts {
    /// Four stages for 32 pixels, whose blocks have one shortcut in all releases; the others have one around each convolution.
    single: bool,
    /// Three stages, for 32 pixels.
    small: bool,
    downsample: bool,
    /// Whether shortcuts begin with an average of pixels.
    pooled: bool,
    binary_downsample: bool,
    head_norm: bool,
    bits: bool,
    slopes: bool,
    sets: bool,
    alpha: bool,
    halves: bool,
    shifts: bool,
}

impl Parts {
    /// The network, but for its widths and its first layer.
    fn network(&self, kind: NetKind, named: &Named) -> NetSpec {
        use Activation as A;
        let of = |activation: A, stem: A, skip: Skip, shortcut: Shortcut, binarization: Binarization| NetSpec {
            activation: Some(activation),
            stem_activation: Some(stem),
            skip: Some(skip),
            shortcut: Some(shortcut),
            head_norm: self.head_norm,
            binarization,
            ..NetSpec::new(kind, true)
        };
        // Where each convolution has a shortcut, there is a nonlinearity behind the first layer.
        let (skip, stem) = if self.single { (Skip::Single, A::None) } else { (Skip::Double, A::Hardtanh) };
        let without = if self.small { Shortcut::OptionA } else { Shortcut::PooledOptionA };
        let with_weights = |without: Shortcut| match self {
            Parts { binary_downsample: true, .. } => Shortcut::Binary,
            Parts { pooled: true, .. } => Shortcut::PooledFloat,
            Parts { downsample: true, .. } => Shortcut::Float,
            _ => without,
        };
        match self {
            Parts { sets: true, .. } => {
                let adaptive = Binarization {
                    weights: WeightRule::Adaptive,
                    weight_ste: SteKind::Ede,
                    ede_start: 1e-3,
                    ..plain()
                };
                of(A::Maxout, A::Maxout, Skip::Double, with_weights(Shortcut::OptionA), adaptive)
            }
            Parts { halves: true, .. } => {
                let of_channels = Binarization { scale: Scale::Channel, rsign: self.shifts, ..plain() };
                let activation = if self.shifts { A::Rprelu } else { A::None };
                // Both releases leave the scale out of the gradient.
                let signs = Binarization { scale_in_gradient: false, ..of_channels };
                of(activation, A::None, Skip::Double, Shortcut::PooledFloat, signs)
            }
            Parts { bits: true, .. } => {
                let (activation, stem) = if self.slopes { (A::Prelu, A::Relu) } else { (A::Hardtanh, A::None) };
                let skip = if self.slopes { Skip::Double } else { Skip::Single };
                of(activation, stem, skip, with_weights(Shortcut::OptionA), magnitude())
            }
            Parts { alpha: true, .. } => {
                of(A::Hardtanh, stem, skip, with_weights(Shortcut::PooledOptionA), learned(named))
            }
            Parts { head_norm: true, .. } => of(A::Hardtanh, stem, skip, with_weights(without), balanced(1e-3)),
            _ => {
                // The shortcuts of the networks for CIFAR have no weights.
                let shortcut = with_weights(if self.small { Shortcut::OptionA } else { Shortcut::Float });
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
