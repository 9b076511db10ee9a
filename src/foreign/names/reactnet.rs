//! ReActNet-A as its release, S2-BNN's and BURN's name it: `feature.0` is the first layer, `feature.i` a block.
//!
//! A block adds shifts where ours subtracts thresholds. Where channels double it has two 1x1 convolutions behind one shift, which are
//! two with a threshold each here; S2-BNN's blocks have the convolutions of both cases, of which one never runs.

use super::{Named, Taken, block_number, of_norm, same};

/// Our name for a tensor of a block.
pub(super) fn our_name(name: &str) -> Option<(String, Taken)> {
    if let Some(layer) = name.strip_prefix("fc.") {
        return match layer {
            "weight" | "bias" => same(name),
            // BURN's network ends in a layer of features.
            "0.weight" | "0.bias" => same(format!("features{}", &layer[1..])),
            _ => None,
        };
    }
    let (block, rest) = name.strip_prefix("feature.")?.split_once('.')?;
    let block = match block_number(block)? {
        0 => {
            let (part, leaf) = rest.split_once('.')?;
            return match part {
                "conv1" if leaf == "weight" => same("conv0.weight"),
                "bn1" if of_norm(leaf) => same(format!("bn0.{leaf}")),
                _ => None,
            };
        }
        i => format!("block{i}"),
    };
    match rest {
        "move11.bias" => Some((format!("{block}.conv3.threshold"), Taken::Negated)),
        "move12.bias" => Some((format!("{block}.act3.shift_in"), Taken::Negated)),
        "prelu1.weight" => same(format!("{block}.act3.weight")),
        "move13.bias" => same(format!("{block}.act3.shift_out")),
        "move21.bias" => Some((format!("{block}.conv1.threshold"), Taken::Negated)),
        "move22.bias" => Some((format!("{block}.act1.shift_in"), Taken::Negated)),
        "prelu2.weight" => same(format!("{block}.act1.weight")),
        "move23.bias" => same(format!("{block}.act1.shift_out")),
        _ => {
            let (part, leaf) = rest.split_once('.')?;
            let (our, is_conv) = match part {
                "binary_3x3" => ("conv3", true),
                "binary_pw" => ("conv1", true),
                "binary_pw_down1" => ("conv1_1", true),
                "binary_pw_down2" => ("conv1_2", true),
                "bn1" => ("bn3", false),
                "bn2" => ("bn1", false),
                "bn2_1" => ("bn1_1", false),
                "bn2_2" => ("bn1_2", false),
                _ => return None,
            };
            match is_conv {
                true => matches!(leaf, "weight" | "weights").then(|| (format!("{block}.{our}.weight"), Taken::AsIs)),
                false => of_norm(leaf).then(|| (format!("{block}.{our}.{leaf}"), Taken::AsIs)),
            }
        }
    }
}

/// Leaves out what never runs, and gives the shift before two convolutions to both.
pub(super) fn complete(named: &mut Named) {
    let channels = |named: &Named, name: String| named.tensors.get(&name).and_then(|t| t.shape.first().copied());
    for i in 1.. {
        let block = format!("block{i}.");
        let (from, to) =
            (channels(named, format!("{block}act3.weight")), channels(named, format!("{block}act1.weight")));
        let (Some(from), Some(to)) = (from, to) else { break };
        let doubles = from != to;
        let idle = |rest: &str| match doubles {
            true => rest == "conv1.weight" || rest.starts_with("bn1."),
            false => ["conv1_", "bn1_"].iter().any(|part| rest.starts_with(part)),
        };
        let leave: Vec<String> =
            named.tensors.keys().filter(|n| n.strip_prefix(&block).is_some_and(idle)).cloned().collect();
        named.left.extend(leave.iter().filter_map(|name| named.tensors.remove(name)).map(|t| t.theirs));
        if doubles && let Some(threshold) = named.tensors.remove(&format!("{block}conv1.threshold")) {
            for half in 1..=2 {
                named.tensors.insert(format!("{block}conv1_{half}.threshold"), threshold.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Found, Taken};
    use super::*;

    #[test]
    fn blocks_are_numbered_from_one_and_shifts_turned() {
        for (theirs, our) in [
            ("feature.0.conv1.weight", Some(("conv0.weight", Taken::AsIs))),
            ("feature.0.bn1.running_var", Some(("bn0.running_var", Taken::AsIs))),
            ("feature.0.bn1.alpha", None),
            ("feature.4.move11.bias", Some(("block4.conv3.threshold", Taken::Negated))),
            ("feature.4.move21.bias", Some(("block4.conv1.threshold", Taken::Negated))),
            ("feature.4.move23.bias", Some(("block4.act1.shift_out", Taken::AsIs))),
            ("feature.4.binary_3x3.weights", Some(("block4.conv3.weight", Taken::AsIs))),
            ("feature.4.binary_pw_down2.weight", Some(("block4.conv1_2.weight", Taken::AsIs))),
            ("feature.13.bn2_1.bias", Some(("block13.bn1_1.bias", Taken::AsIs))),
            ("feature.13.bn3.bias", None),
            ("feature.01.bn1.bias", None),
            ("fc.0.weight", Some(("features.weight", Taken::AsIs))),
            ("fc.1.weight", None),
        ] {
            let made = our_name(theirs);
            assert_eq!(made, our.map(|(name, taken)| (name.to_string(), taken)), "{theirs}");
        }
    }

    #[test]
    fn what_never_runs_is_left_out() {
        let mut named = Named::default();
        for (name, channels) in [("act3.weight", 4), ("act1.weight", 8), ("conv1.threshold", 4), ("conv1.weight", 8)] {
            let found = Found { index: 0, theirs: name.into(), shape: vec![channels], taken: Taken::AsIs };
            named.tensors.insert(format!("block1.{name}"), found);
        }
        complete(&mut named);
        let names: Vec<&String> = named.tensors.keys().collect();
        assert_eq!(
            names,
            ["block1.act1.weight", "block1.act3.weight", "block1.conv1_1.threshold", "block1.conv1_2.threshold"]
        );
        assert_eq!(named.left, ["conv1.weight"]);
    }
}
