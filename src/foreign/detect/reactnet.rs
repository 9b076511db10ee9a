//! ReActNet-A of any widths.

use super::{Detected, check_widths, plain};
use crate::foreign::Checked;
use crate::foreign::names::Named;
use crate::nn::{Activation, Binarization, NetKind, NetSpec, Scale};

pub(super) fn detect(named: &Named) -> Checked<Detected> {
    let (first, channels) = match named.shape("conv0.weight") {
        Some(&[o, 3, 3, c]) => (o, c),
        other => return Err(format!("its first layer (in our layout {other:?}) is not [channels, 3, 3, colours]")),
    };
    let width = |i: usize| named.shape(&format!("block{i}.act1.weight")).and_then(|s| s.first().copied());
    let blocks: Vec<usize> = (1..).map_while(width).collect();
    let widths = [&[first][..], &blocks].concat();
    check_widths(&widths, channels)?;
    let net = NetSpec {
        widths,
        activation: Some(Activation::Rprelu),
        feature_layer: named.shape("features.weight").is_some(),
        binarization: Binarization { rsign: true, scale: Scale::Channel, ..plain() },
        ..NetSpec::new(NetKind::ReactnetA, true)
    };
    Ok(Detected { net, classes: named.classes(), channels, side: None, clip: None })
}
