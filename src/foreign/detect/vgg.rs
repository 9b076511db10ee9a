//! VGG-small of any widths. Its last layer reads a map of an eighth of the images' height and width, which so are told.

use super::{Detected, balanced, check_widths, learned, magnitude};
use crate::foreign::Checked;
use crate::foreign::names::{Named, Taken};
use crate::nn::{Activation, NetKind, NetSpec};

/// Pixels of the last map in a row: images of up to 1024.
const LARGEST: usize = 128;

pub(super) fn detect(named: &Named) -> Checked<Detected> {
    let conv = |i: usize| named.shape(&format!("conv{i}.weight"));
    let channels = match conv(0) {
        Some(&[_, 3, 3, c]) => c,
        other => return Err(format!("conv0.weight (in our layout {other:?}) is not [channels, 3, 3, colours]")),
    };
    let widths: Vec<usize> = (0..).map_while(|i| conv(i)?.first().copied()).collect();
    if widths.len() != 6 {
        return Err(format!("it has {} convolutions in a row; VGG-small has 6", widths.len()));
    }
    check_widths(&widths, channels)?;
    let side = match named.tensors.get("fc.weight").map(|fc| fc.taken) {
        None => None,
        Some(Taken::OfMap { side: side @ 1..=LARGEST }) => Some(8 * side),
        Some(_) => return Err(format!("its last layer reads no square map of up to {LARGEST}x{LARGEST} pixels")),
    };
    let has = |leaf: &str| named.tensors.keys().any(|name| name.ends_with(leaf));
    let (activation, binarization) = match () {
        () if has(".bits") => (Activation::Prelu, magnitude()),
        () if has(".alpha") => (Activation::Hardtanh, learned(named)),
        () => (Activation::Hardtanh, balanced(0.1)),
    };
    let net = NetSpec {
        widths,
        activation: Some(activation),
        stem_activation: Some(activation),
        binarization,
        ..NetSpec::new(NetKind::VggSmall, true)
    };
    Ok(Detected { net, classes: named.classes(), channels, side, clip: None })
}
