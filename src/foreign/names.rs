//! Names and layouts of torchvision and timm, of the CIFAR ResNets of Idelbayev and of the releases of binary networks, made ours. Ours
//! are torchvision's but for what wrappers put before them, for SwAV's projection head and for what binary layers have.
//!
//! Bi-Real Net's release and ReActNet's on its network number each convolution with its shortcut as a block (`halves`), keep binary
//! weights as a flat list, and add shifts where ours are subtracted.

use super::floats::Numbers;
use super::{Checked, Info};
use crate::tensor::HostTensor;
use std::collections::BTreeMap;

/// What wrappers put before all names: data parallelism, compilers, and classes that hold a network as a member.
const WRAPPERS: [&str; 8] = ["module.", "_orig_mod.", "model.", "backbone.", "encoder.", "network.", "net.", "resnet."];

/// Share of the names that must have a prefix for it to be a wrapper's: the rest may be heads beside the network.
const NEARLY_ALL: f64 = 0.9;

/// A tensor under one of our names.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Its place in the file's list.
    pub(super) index: usize,
    /// Its name in the file.
    pub(super) theirs: String,
    /// Its shape in our layout.
    pub(super) shape: Vec<usize>,
    /// Whether its numbers have the other sign here.
    pub(super) negated: bool,
}

/// The tensors of a file by our names.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) tensors: BTreeMap<String, Found>,
    /// Those that no residual network has, by their names in the file.
    pub(super) unmatched: Vec<String>,
    /// What the file says of its method and no network needs, by places in the file's list: BiPer's `beta`.
    pub(super) betas: Vec<usize>,
}

/// Gives the tensors of a file our names. How often a batch normalisation was updated is of no interest and left out.
///
/// # Errors
/// If two get the same name, or one that a network needs is no array of floats with at least one number.
pub(super) fn ours(infos: &[Info]) -> Checked<Named> {
    let kept = |i: &&Info| !i.name.ends_with("num_batches_tracked");
    let mut names: Vec<&str> = infos.iter().filter(kept).map(|i| i.name.as_str()).collect();
    strip_wrappers(&mut names);
    let mut named = Named::default();
    let halves = names.iter().any(|n| n.contains(".binary_conv."));
    let infos = infos.iter().enumerate().filter(|(_, i)| kept(i));
    for ((index, info), name) in infos.zip(names) {
        let of_conv = |leaf: &str| name.starts_with("layer") && name.ends_with(leaf);
        // How far a schedule was; and what BiPer's release sets when its second stage starts, and never uses.
        if of_conv(".tau") || of_conv(".beta") {
            named.betas.extend(of_conv(".beta").then_some(index));
            continue;
        }
        let Some((our, negated)) = our_name(name, halves) else {
            named.unmatched.push(info.name.clone());
            continue;
        };
        if let Numbers::Other(kind) = &info.numbers {
            return Err(format!(
                "{} is of type {kind}: weights are float16, bfloat16, float32 or float64 (call .float() on it, or on the \
                 network before it is quantised)",
                info.name
            ));
        }
        if info.shape.contains(&0) {
            return Err(format!("{} is empty (its shape is {:?})", info.name, info.shape));
        }
        let found = Found { index, theirs: info.name.clone(), shape: our_shape(&our, &info.shape), negated };
        if let Some(other) = named.tensors.insert(our.clone(), found) {
            return Err(format!("{} and {} both stand for {our}: save one network alone", other.theirs, info.name));
        }
    }
    unflatten(&mut named);
    Ok(named)
}

/// Flat lists `[n, 1]` of the weights of 3x3 convolutions get the extents that their normalisation says.
fn unflatten(named: &mut Named) {
    let filters = |name: &str| {
        let norm = format!("{}.weight", name.strip_suffix(".weight")?.replace(".conv", ".bn"));
        named.tensors.get(&norm)?.shape.first().copied()
    };
    let flat = |(name, t): (&String, &Found)| match t.shape[..] {
        [n, 1] if name.starts_with("layer") && name.contains(".conv") => {
            let o = filters(name).filter(|o| n % (9 * o) == 0)?;
            Some((name.clone(), vec![o, 3, 3, n / (9 * o)]))
        }
        _ => None,
    };
    let shapes: Vec<(String, Vec<usize>)> = named.tensors.iter().filter_map(flat).collect();
    for (name, shape) in shapes {
        named.tensors.entry(name).and_modify(|t| t.shape = shape);
    }
}

fn strip_wrappers(names: &mut [&str]) {
    let shared = |names: &[&str], prefix: &str| {
        let with = names.iter().filter(|n| n.starts_with(prefix)).count();
        with > 0 && with as f64 >= NEARLY_ALL * names.len() as f64
    };
    // Wrappers may hold each other ("module.backbone.conv1.weight").
    while let Some(prefix) = WRAPPERS.iter().find(|p| shared(names, p)) {
        for name in names.iter_mut() {
            *name = name.strip_prefix(prefix).unwrap_or(name);
        }
    }
}

/// Our name for a tensor that a residual network or SwAV's head may have, and whether its numbers have the other sign here.
fn our_name(name: &str, halves: bool) -> Option<(String, bool)> {
    let same = |our: String| Some((our, false));
    if let Some(layer) = name.strip_prefix("projection_head.") {
        let known = match layer {
            // Without a hidden layer the head is a linear layer alone.
            "weight" | "bias" => return same(format!("head.0.{layer}")),
            "0.weight" | "0.bias" | "3.weight" | "3.bias" => true,
            _ => layer.strip_prefix("1.").is_some_and(of_norm),
        };
        return known.then(|| (format!("head.{layer}"), false));
    }
    if matches!(name, "conv1.weight" | "fc.weight" | "fc.bias" | "prototypes.weight") {
        return same(name.to_string());
    }
    match name.split_once('.')? {
        ("linear", rest @ ("weight" | "bias")) => same(format!("fc.{rest}")),
        ("bn1", rest) => of_norm(rest).then(|| (name.to_string(), false)),
        // The normalisation before the linear layer.
        ("bn2", rest) => of_norm(rest).then(|| (format!("bn_head.{rest}"), false)),
        ("nonlinear1", rest) => same(format!("act1.{}", maxout(rest)?)),
        (stage @ ("layer1" | "layer2" | "layer3" | "layer4"), rest) => {
            let (block, rest) = rest.split_once('.')?;
            let block = block_number(block)?;
            let (block, (rest, negated)) = match halves {
                true => (block / 2, of_half(rest, block % 2 + 1)?),
                false => (block, (of_block(rest)?, false)),
            };
            Some((format!("{stage}.{block}.{rest}"), negated))
        }
        _ => None,
    }
}

fn of_block(rest: &str) -> Option<String> {
    let (part, leaf) = rest.split_once('.')?;
    match (part, leaf) {
        ("conv1" | "conv2" | "conv3", "weight") => Some(rest.to_string()),
        ("conv1" | "conv2", "alpha") => Some(rest.to_string()),
        ("conv1" | "conv2", "binary_a.alpha_a") => Some(format!("{part}.alpha_a")),
        ("conv1" | "conv2", "binary_a.beta_a") => Some(format!("{part}.beta_a")),
        ("nonlinear1", leaf) => Some(format!("act1.{}", maxout(leaf)?)),
        ("nonlinear2", leaf) => Some(format!("act2.{}", maxout(leaf)?)),
        ("bn1" | "bn2" | "bn3", leaf) => of_norm(leaf).then(|| rest.to_string()),
        ("downsample" | "shortcut", "0.weight" | "0.alpha") => Some(format!("downsample.{leaf}")),
        ("downsample" | "shortcut", leaf) => {
            leaf.strip_prefix("1.").is_some_and(of_norm).then(|| format!("downsample.{leaf}"))
        }
        _ => None,
    }
}

/// Of a convolution with its shortcut: the first or the second one of a block here.
fn of_half(rest: &str, which: usize) -> Option<(String, bool)> {
    let same = |our: String| Some((our, false));
    match rest {
        "binary_conv.weight" | "binary_conv.weights" => same(format!("conv{which}.weight")),
        "move0.bias" => Some((format!("conv{which}.threshold"), true)),
        "move1.bias" => Some((format!("act{which}.shift_in"), true)),
        "prelu.weight" => same(format!("act{which}.weight")),
        "move2.bias" => same(format!("act{which}.shift_out")),
        // Its first part, an average of pixels, has no numbers.
        "downsample.1.weight" => same("downsample.0.weight".into()),
        _ => match rest.split_once('.')? {
            ("bn1", leaf) => of_norm(leaf).then(|| (format!("bn{which}.{leaf}"), false)),
            ("downsample", leaf) => {
                let leaf = leaf.strip_prefix("2.").filter(|leaf| of_norm(leaf))?;
                same(format!("downsample.1.{leaf}"))
            }
            _ => None,
        },
    }
}

/// The two slopes as AdaBin's release calls them.
fn maxout(leaf: &str) -> Option<&'static str> {
    match leaf {
        "pos_scale" => Some("positive"),
        "neg_scale" => Some("negative"),
        _ => None,
    }
}

fn of_norm(rest: &str) -> bool {
    matches!(rest, "weight" | "bias" | "running_mean" | "running_var")
}

/// The number of a block as it is written in names.
pub(super) fn block_number(text: &str) -> Option<usize> {
    text.parse().ok().filter(|n: &usize| n.to_string() == text)
}

/// Convolutions `[o, c, k, k]` become `[o, k, k, c]`, a layer's number a list of one, numbers a channel lists.
fn our_shape(our: &str, shape: &[usize]) -> Vec<usize> {
    match *shape {
        [] if our.ends_with(".alpha_a") || our.ends_with(".beta_a") => vec![1],
        // Numbers a channel, with axes for pixels.
        [o, 1, 1] if our.ends_with(".alpha") => vec![o],
        [1, c, 1, 1] if [".threshold", ".shift_in", ".shift_out"].iter().any(|leaf| our.ends_with(leaf)) => vec![c],
        [o, c, h, w] => vec![o, h, w, c],
        _ => shape.to_vec(),
    }
}

/// A tensor from its values in the file's layout; `shape` is ours.
pub(super) fn ours_laid_out(shape: &[usize], values: Vec<f32>) -> HostTensor {
    let &[o, h, w, c] = shape else { return HostTensor::from_f32(shape, values) };
    let mut out = Vec::with_capacity(values.len());
    for filter in 0..o {
        for pixel in 0..h * w {
            out.extend((0..c).map(|channel| values[(filter * c + channel) * h * w + pixel]));
        }
    }
    HostTensor::from_f32(shape, out)
}

#[cfg(test)]
mod tests {
    use super::super::floats::Float;
    use super::*;

    fn infos(names: &[&str]) -> Vec<Info> {
        let info =
            |n: &&str| Info { name: n.to_string(), shape: vec![2, 3, 1, 1], numbers: Numbers::Float(Float::F32) };
        names.iter().map(info).collect()
    }

    #[test]
    fn wrappers_go_and_the_rest_stays() {
        let named = ours(&infos(&["module.encoder.conv1.weight", "module.encoder.layer1.0.bn1.num_batches_tracked"]));
        let named = named.unwrap();
        assert_eq!(named.tensors.keys().collect::<Vec<_>>(), ["conv1.weight"]);
        assert_eq!(named.tensors["conv1.weight"].theirs, "module.encoder.conv1.weight");
        assert_eq!(named.tensors["conv1.weight"].shape, [2, 1, 1, 3]);

        // Nearly all: a head beside the backbone keeps its name.
        let mut names: Vec<String> = (0..19).map(|i| format!("backbone.layer1.{i}.conv1.weight")).collect();
        names.push("fc.weight".into());
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let named = ours(&infos(&names)).unwrap();
        assert!(named.tensors.contains_key("layer1.7.conv1.weight") && named.tensors.contains_key("fc.weight"));
        // Half of them: two networks.
        let named = ours(&infos(&["encoder.conv1.weight", "conv1.weight"])).unwrap();
        assert_eq!(named.unmatched, ["encoder.conv1.weight"]);
    }

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
            ("layer3.0.conv1.binary_a.alpha_a", Some("layer3.0.conv1.alpha_a")),
            ("layer3.0.conv1.binary_a.gamma_a", None),
            ("nonlinear2.pos_scale", None),
            ("layer2.0.shortcut.0.alpha", Some("layer2.0.downsample.0.alpha")),
            ("layer2.0.conv2.alpha", Some("layer2.0.conv2.alpha")),
            ("prototypes.prototypes0.weight", None),
            ("layer5.0.conv1.weight", None),
            ("layer1.00.conv1.weight", None),
            ("layer1.99999999999999999999.conv1.weight", None),
            ("layer1.0.se.fc1.weight", None),
            ("layer1.0.downsample.2.weight", None),
            ("conv1.0.weight", None),
            ("conv1.bias", None),
        ] {
            let made = our_name(theirs, false);
            assert_eq!(made.as_ref().map(|(name, _)| name.as_str()), our, "{theirs}");
        }
    }

    #[test]
    fn halves_of_blocks_are_put_together_and_shifts_turned() {
        for (theirs, our) in [
            ("layer3.5.binary_conv.weights", Some(("layer3.2.conv2.weight", false))),
            ("layer3.4.bn1.bias", Some(("layer3.2.bn1.bias", false))),
            ("layer3.5.bn1.running_var", Some(("layer3.2.bn2.running_var", false))),
            ("layer2.0.downsample.1.weight", Some(("layer2.0.downsample.0.weight", false))),
            ("layer2.0.downsample.2.weight", Some(("layer2.0.downsample.1.weight", false))),
            ("layer1.3.move0.bias", Some(("layer1.1.conv2.threshold", true))),
            ("layer1.2.move1.bias", Some(("layer1.1.act1.shift_in", true))),
            ("layer1.2.move2.bias", Some(("layer1.1.act1.shift_out", false))),
            ("layer1.2.bn2.bias", None),
        ] {
            let made = our_name(theirs, true);
            assert_eq!(made.as_ref().map(|(name, negated)| (name.as_str(), *negated)), our, "{theirs}");
        }
    }

    #[test]
    fn what_no_network_can_use_is_named() {
        let mut one = infos(&["fc.weight"]);
        one[0].numbers = Numbers::Other("int8".into());
        assert!(ours(&one).unwrap_err().contains("fc.weight is of type int8"));
        let mut one = infos(&["fc.weight"]);
        one[0].shape = vec![1 << 60, 0];
        assert!(ours(&one).unwrap_err().contains("fc.weight is empty"));
        let m = ours(&infos(&["projection_head.weight", "projection_head.0.weight"])).unwrap_err();
        assert!(m.contains("both stand for head.0.weight"), "{m}");
    }

    #[test]
    fn channels_become_the_last_axis() {
        let t = ours_laid_out(&[2, 1, 2, 3], (0..12).map(|i| i as f32).collect());
        // OIHW [2, 3, 1, 2]: filter 0 has the channels (0, 1), (2, 3), (4, 5).
        assert_eq!(t.f32s(), [0., 2., 4., 1., 3., 5., 6., 8., 10., 7., 9., 11.]);
    }
}
