//! Which network tensors belong to, by their names and shapes. One file for each kind of network.

mod reactnet;
mod resnet;
mod vgg;
mod vit;

use super::Checked;
use super::names::Named;
use crate::nn::{Binarization, NetSpec, Scale, SteKind, Vit, WeightRule};

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
    /// Height and width of the images, where a layer is of that many numbers.
    pub(super) side: Option<usize>,
    /// CLIP's image tower, of which tensors do not tell the nonlinearity.
    pub(super) clip: Option<Vit>,
}

/// Tells kind and widths. What is told here from single tensors is for [`fit`](super::fit) to find in all of them.
pub(super) fn detect(named: &Named) -> Checked<Detected> {
    let has = |name: &str| named.tensors.contains_key(name);
    if has("patch.weight") {
        return vit::detect(named);
    }
    match (has("conv0.weight"), named.tensors.keys().any(|name| name.starts_with("block1."))) {
        (true, true) => reactnet::detect(named),
        (true, false) => vgg::detect(named),
        (false, _) => resnet::detect(named),
    }
}

impl Named {
    /// A tensor's shape in our layout.
    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|t| &t.shape[..])
    }

    /// How many classes the last layer tells apart; 0 without it.
    fn classes(&self) -> usize {
        self.shape("fc.weight").or(self.shape("fc.bias")).map_or(0, |s| s.first().copied().unwrap_or(1))
    }
}

/// That no layer is wider than any network's.
fn check_widths(widths: &[usize], channels: usize) -> Checked<()> {
    match widths.iter().chain([&channels]).find(|w| **w > WIDEST) {
        Some(w) => Err(format!("a layer has {w} channels; up to {WIDEST} are read")),
        None => Ok(()),
    }
}

/// What rules have in common: Bi-Real Net's estimator, and no scale.
fn plain() -> Binarization {
    Binarization { activation_ste: SteKind::ApproxSign, scale: Scale::None, ..Binarization::default() }
}

/// SiMaN's.
fn magnitude() -> Binarization {
    Binarization { weights: WeightRule::Magnitude, standardise: true, scale: Scale::Learned, ..plain() }
}

/// ReCU's; BiPer's, whose two stages `load` tells apart by its betas.
fn learned(named: &Named) -> Binarization {
    let weights = if named.betas.is_empty() { WeightRule::Rectified } else { WeightRule::SquareWave };
    Binarization { weights, divide_by_deviation: true, scale: Scale::Learned, ..plain() }
}

/// IR-Net's, whose estimator starts that flat.
fn balanced(ede_start: f32) -> Binarization {
    let (activation_ste, weight_ste) = (SteKind::Ede, SteKind::Ede);
    let weights = WeightRule::Standardised;
    Binarization { activation_ste, weights, weight_ste, scale: Scale::PowerOfTwo, ede_start, ..plain() }
}
