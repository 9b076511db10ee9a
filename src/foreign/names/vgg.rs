//! VGG-small as IR-Net's, ReCU's and SiMaN's releases name it: `conv0` to `conv5` with `bn` and, where it has slopes, `nonlinear`,
//! and `fc` on the flattened map, whose numbers PyTorch has channel by channel.

use super::{Named, Taken, block_number, of_norm, same};

pub(super) fn our_name(name: &str) -> Option<(String, Taken)> {
    let (layer, leaf) = name.split_once('.')?;
    if layer == "fc" {
        return matches!(leaf, "weight" | "bias").then(|| (name.to_string(), Taken::AsIs));
    }
    let number = |kind: &str| layer.strip_prefix(kind).and_then(block_number);
    match (number("conv"), number("bn"), number("nonlinear")) {
        (Some(_), ..) if leaf == "weight" => same(name),
        (Some(1..), ..) if leaf == "alpha" => same(name),
        (Some(i @ 1..), ..) if leaf == "B" => Some((format!("conv{i}.bits"), Taken::Bits)),
        (_, Some(_), _) if of_norm(leaf) => same(name),
        (_, _, Some(i)) if leaf == "weight" => same(format!("act{i}.weight")),
        _ => None,
    }
}

/// The last layer reads the map of the one before, a square.
pub(super) fn complete(named: &mut Named) {
    let last = (0..).map_while(|i| named.tensors.get(&format!("conv{i}.weight"))).last();
    let Some(channels) = last.and_then(|t| t.shape.first().copied()).filter(|c| *c > 0) else { return };
    let Some(fc) = named.tensors.get_mut("fc.weight") else { return };
    if let [_, inputs] = fc.shape[..] {
        let side = (inputs / channels).isqrt();
        if side > 0 && side * side * channels == inputs {
            fc.taken = Taken::OfMap { side };
        }
    }
}
