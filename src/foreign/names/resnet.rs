//! Residual networks of torchvision and timm, the CIFAR ResNets of Idelbayev, and the releases of binary ones.
//!
//! Bi-Real Net's release and ReActNet's on its network number each convolution with its shortcut as a block (`of_halves`), keep binary
//! weights as a flat list, and add shifts where ours are subtracted.

use super::{Taken, block_number, of_norm, same};

/// Our name for a tensor that a residual network or SwAV's head may have.
pub(super) fn our_name(name: &str) -> Option<(String, Taken)> {
    in_block(name, |block, rest| {
        let (our, taken) = of_block(rest)?;
        Some((block, our, taken))
    })
}

/// As [`our_name`], where a shortcut begins with an average of pixels, which has no numbers.
pub(super) fn of_pooled(name: &str) -> Option<(String, Taken)> {
    in_block(name, |block, rest| {
        let (our, taken) = match rest.strip_prefix("downsample.") {
            Some("1.weight") => same("downsample.0.weight")?,
            Some(rest) => {
                let leaf = rest.strip_prefix("2.").filter(|leaf| of_norm(leaf))?;
                same(format!("downsample.1.{leaf}"))?
            }
            None => of_block(rest)?,
        };
        Some((block, our, taken))
    })
}

/// As [`our_name`], where each convolution with its shortcut is a block.
pub(super) fn of_halves(name: &str) -> Option<(String, Taken)> {
    in_block(name, |block, rest| {
        let (our, taken) = of_half(rest, block % 2 + 1)?;
        Some((block / 2, our, taken))
    })
}

/// What a tensor of a block is: its block's number and name here.
type OfBlock = Option<(usize, String, Taken)>;

fn in_block(name: &str, of_block: impl Fn(usize, &str) -> OfBlock) -> Option<(String, Taken)> {
    if let Some(layer) = name.strip_prefix("projection_head.") {
        let known = match layer {
            // Without a hidden layer the head is a linear layer alone.
            "weight" | "bias" => return same(format!("head.0.{layer}")),
            "0.weight" | "0.bias" | "3.weight" | "3.bias" => true,
            _ => layer.strip_prefix("1.").is_some_and(of_norm),
        };
        return known.then(|| (format!("head.{layer}"), Taken::AsIs));
    }
    if matches!(name, "conv1.weight" | "fc.weight" | "fc.bias" | "prototypes.weight") {
        return same(name);
    }
    match name.split_once('.')? {
        ("linear", rest @ ("weight" | "bias")) => same(format!("fc.{rest}")),
        ("bn1", rest) if of_norm(rest) => same(name),
        // The normalisation before the linear layer.
        ("bn2", rest) if of_norm(rest) => same(format!("bn_head.{rest}")),
        ("nonlinear1", rest) => same(format!("act1.{}", slopes(rest)?)),
        (stage @ ("layer1" | "layer2" | "layer3" | "layer4"), rest) => {
            let (block, rest) = rest.split_once('.')?;
            let (block, rest, taken) = of_block(block_number(block)?, rest)?;
            Some((format!("{stage}.{block}.{rest}"), taken))
        }
        _ => None,
    }
}

fn of_block(rest: &str) -> Option<(String, Taken)> {
    let (part, leaf) = rest.split_once('.')?;
    match (part, leaf) {
        ("conv1" | "conv2" | "conv3", "weight") | ("conv1" | "conv2", "alpha") => same(rest),
        ("conv1" | "conv2", "B") => Some((format!("{part}.bits"), Taken::Bits)),
        ("conv1" | "conv2", "binary_a.alpha_a") => same(format!("{part}.alpha_a")),
        ("conv1" | "conv2", "binary_a.beta_a") => same(format!("{part}.beta_a")),
        ("nonlinear1", leaf) => same(format!("act1.{}", slopes(leaf)?)),
        ("nonlinear2", leaf) => same(format!("act2.{}", slopes(leaf)?)),
        ("bn1" | "bn2" | "bn3", leaf) if of_norm(leaf) => same(rest),
        ("downsample" | "shortcut", "0.weight" | "0.alpha") => same(format!("downsample.{leaf}")),
        ("downsample" | "shortcut", "0.B") => Some(("downsample.0.bits".into(), Taken::Bits)),
        ("downsample" | "shortcut", leaf) if leaf.strip_prefix("1.").is_some_and(of_norm) => {
            same(format!("downsample.{leaf}"))
        }
        _ => None,
    }
}

/// Of a convolution with its shortcut: the first or the second one of a block here.
fn of_half(rest: &str, which: usize) -> Option<(String, Taken)> {
    match rest {
        "binary_conv.weight" | "binary_conv.weights" => same(format!("conv{which}.weight")),
        "move0.bias" => Some((format!("conv{which}.threshold"), Taken::Negated)),
        "move1.bias" => Some((format!("act{which}.shift_in"), Taken::Negated)),
        "prelu.weight" => same(format!("act{which}.weight")),
        "move2.bias" => same(format!("act{which}.shift_out")),
        // Its first part, an average of pixels, has no numbers.
        "downsample.1.weight" => same("downsample.0.weight"),
        _ => match rest.split_once('.')? {
            ("bn1", leaf) if of_norm(leaf) => same(format!("bn{which}.{leaf}")),
            ("downsample", leaf) => {
                let leaf = leaf.strip_prefix("2.").filter(|leaf| of_norm(leaf))?;
                same(format!("downsample.1.{leaf}"))
            }
            _ => None,
        },
    }
}

/// Slopes: AdaBin's two a channel, SiMaN's one.
fn slopes(leaf: &str) -> Option<&'static str> {
    match leaf {
        "pos_scale" => Some("positive"),
        "neg_scale" => Some("negative"),
        "weight" => Some("weight"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_heads_and_binary_layers_become_ours() {
        for (theirs, our) in [
            ("projection_head.0.weight", Some("head.0.weight")),
            ("projection_head.1.running_var", Some("head.1.running_var")),
            ("projection_head.3.bias", Some("head.3.bias")),
            ("projection_head.weight", Some("head.0.weight")),
            ("prototypes.weight", Some("prototypes.weight")),
            ("projection_head.2.weight", None),
            ("linear.bias", Some("fc.bias")),
            ("bn2.running_mean", Some("bn_head.running_mean")),
            ("nonlinear1.pos_scale", Some("act1.positive")),
            ("layer2.1.nonlinear2.neg_scale", Some("layer2.1.act2.negative")),
            ("layer2.1.nonlinear2.weight", Some("layer2.1.act2.weight")),
            ("layer3.0.conv1.binary_a.alpha_a", Some("layer3.0.conv1.alpha_a")),
            ("layer3.0.conv1.binary_a.gamma_a", None),
            ("nonlinear2.pos_scale", None),
            ("layer2.0.shortcut.0.alpha", Some("layer2.0.downsample.0.alpha")),
            ("layer2.0.shortcut.0.B", Some("layer2.0.downsample.0.bits")),
            ("layer2.0.conv2.alpha", Some("layer2.0.conv2.alpha")),
            ("layer2.0.conv2.B", Some("layer2.0.conv2.bits")),
            ("prototypes.prototypes0.weight", None),
            ("layer5.0.conv1.weight", None),
            ("layer1.00.conv1.weight", None),
            ("layer1.99999999999999999999.conv1.weight", None),
            ("layer1.0.se.fc1.weight", None),
            ("layer1.0.downsample.2.weight", None),
            ("conv1.0.weight", None),
            ("conv1.bias", None),
        ] {
            let made = our_name(theirs);
            assert_eq!(made.as_ref().map(|(name, _)| name.as_str()), our, "{theirs}");
        }
    }

    #[test]
    fn shortcuts_of_averaged_pixels_have_no_first_part() {
        for (theirs, our) in [
            ("layer2.0.downsample.1.weight", Some("layer2.0.downsample.0.weight")),
            ("layer2.0.downsample.2.weight", Some("layer2.0.downsample.1.weight")),
            ("layer2.0.downsample.0.weight", None),
            ("layer2.0.downsample.3.weight", None),
            ("layer2.1.conv1.binary_a.beta_a", Some("layer2.1.conv1.beta_a")),
            ("nonlinear1.neg_scale", Some("act1.negative")),
        ] {
            assert_eq!(of_pooled(theirs).map(|(name, _)| name).as_deref(), our, "{theirs}");
        }
    }

    #[test]
    fn halves_of_blocks_are_put_together_and_shifts_turned() {
        use Taken::{AsIs, Negated};
        for (theirs, our) in [
            ("layer3.5.binary_conv.weights", Some(("layer3.2.conv2.weight", AsIs))),
            ("layer3.4.bn1.bias", Some(("layer3.2.bn1.bias", AsIs))),
            ("layer3.5.bn1.running_var", Some(("layer3.2.bn2.running_var", AsIs))),
            ("layer2.0.downsample.1.weight", Some(("layer2.0.downsample.0.weight", AsIs))),
            ("layer2.0.downsample.2.weight", Some(("layer2.0.downsample.1.weight", AsIs))),
            ("layer1.3.move0.bias", Some(("layer1.1.conv2.threshold", Negated))),
            ("layer1.2.move1.bias", Some(("layer1.1.act1.shift_in", Negated))),
            ("layer1.2.move2.bias", Some(("layer1.1.act1.shift_out", AsIs))),
            ("layer1.2.bn2.bias", None),
        ] {
            let made = of_halves(theirs);
            assert_eq!(made.as_ref().map(|(name, taken)| (name.as_str(), *taken)), our, "{theirs}");
        }
    }
}
