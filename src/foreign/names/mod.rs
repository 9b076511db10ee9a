//! Names and layouts of what is published, made ours. Ours are torchvision's but for what wrappers put before them, for SwAV's
//! projection head and for what binary layers have. One file for each way to name a network.

mod layout;
mod members;
mod reactnet;
mod resnet;
mod transformers;
mod vgg;
mod vit;

pub(super) use vit::resampling;

pub(super) use layout::{ours_laid_out, tensor};

use super::floats::Numbers;
use super::{Checked, Info};
use std::collections::BTreeMap;

/// A tensor under one of our names.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Its place in the file's list.
    pub(super) index: usize,
    /// Its name in the file.
    pub(super) theirs: String,
    /// Its shape in our layout.
    pub(super) shape: Vec<usize>,
    /// What becomes of its numbers.
    pub(super) taken: Taken,
}

/// What becomes of the numbers of a tensor, beside their order in convolutions.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Taken {
    AsIs,
    /// They are added there and subtracted here.
    Negated,
    /// Zeros and ones are packed as bits.
    Bits,
    /// Zeros in place of what a layer does not have.
    Zeros,
    /// Rows and columns change places.
    Transposed,
    /// One of the three parts of its rows, from 0.
    Third(usize),
    /// Columns of a matrix that are the numbers of a square map.
    OfMap {
        /// Its height and width.
        side: usize,
    },
}

/// The tensors of a file by our names.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) tensors: BTreeMap<String, Found>,
    /// Those that no network has that is read, by their names in the file.
    pub(super) unmatched: Vec<String>,
    /// What the file says of its method and no network needs, by places in the file's list: BiPer's `beta`.
    pub(super) betas: Vec<usize>,
    /// What belongs to other networks of the same file, or never runs.
    pub(super) left: Vec<String>,
}

/// Who named the tensors.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Family {
    Resnet,
    /// A residual network whose shortcuts begin with an average of pixels.
    Pooled,
    /// A residual network with each convolution and its shortcut as a block.
    Halves,
    Reactnet,
    Vgg,
    Transformers,
    Vit,
}

impl Family {
    fn of(names: &[(usize, &str)]) -> Family {
        let any = |test: &dyn Fn(&str) -> bool| names.iter().any(|(_, n)| test(n));
        match () {
            () if any(&|n| n.contains(".binary_conv.")) => Family::Halves,
            () if any(&vit::is_vit) => Family::Vit,
            () if any(&|n| n.ends_with(".downsample.2.running_mean")) => Family::Pooled,
            () if any(&|n| n.starts_with("feature.0.")) => Family::Reactnet,
            () if any(&|n| n == "conv0.weight") => Family::Vgg,
            () if any(&|n| n.starts_with("embedder.embedder.")) => Family::Transformers,
            () => Family::Resnet,
        }
    }

    fn our_name(self, name: &str) -> Option<(String, Taken)> {
        match self {
            Family::Resnet => resnet::our_name(name),
            Family::Pooled => resnet::of_pooled(name),
            Family::Halves => resnet::of_halves(name),
            Family::Reactnet => reactnet::our_name(name),
            Family::Vgg => vgg::our_name(name),
            Family::Transformers => transformers::our_name(name),
            Family::Vit => vit::our_name(name),
        }
    }

    fn complete(self, named: &mut Named) {
        match self {
            Family::Reactnet => reactnet::complete(named),
            Family::Vgg => vgg::complete(named),
            Family::Vit => vit::complete(named),
            Family::Resnet | Family::Pooled | Family::Halves | Family::Transformers => {}
        }
    }
}

/// Gives the tensors of a file our names. How often a batch normalisation was updated is of no interest and left out.
///
/// # Errors
/// If two get the same name, or one that a network needs is no array of floats with at least one number.
pub(super) fn ours(infos: &[Info]) -> Checked<Named> {
    let kept = |i: &&Info| !i.name.ends_with("num_batches_tracked");
    let names = infos.iter().enumerate().filter(|(_, i)| kept(i)).map(|(at, i)| (at, i.name.as_str())).collect();
    let members::Alone { names, left, projects } = members::alone(names);
    let family = Family::of(&names);
    let two_towers = family == Family::Vit && names.iter().any(|(_, name)| vit::is_of_a_tower(name));
    let mut named = Named { left, ..Named::default() };
    for (index, name) in names {
        let info = &infos[index];
        match of_schedule(name) {
            Some("beta") => {
                named.betas.push(index);
                continue;
            }
            Some(_) => continue,
            None => {}
        }
        if let Some(layer) = idle(name).filter(|_| matches!(family, Family::Resnet | Family::Pooled)) {
            if !named.left.iter().any(|left| left == layer) {
                named.left.push(layer.to_string());
            }
            continue;
        }
        if two_towers && vit::is_of_texts(name) {
            let part = name.split('.').next().unwrap_or(name);
            if !named.left.iter().any(|left| left == part) {
                named.left.push(part.to_string());
            }
            continue;
        }
        let known = if projects && name.starts_with("fc.") { projection(name) } else { family.our_name(name) };
        let Some((our, taken)) = known else {
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
        let found = Found { index, theirs: info.name.clone(), shape: layout::our_shape(&our, &info.shape), taken };
        if let Some(other) = named.tensors.insert(our.clone(), found) {
            return Err(format!("{} and {} both stand for {our}: save one network alone", other.theirs, info.name));
        }
    }
    layout::unflatten(&mut named);
    layout::shape_bits(&mut named)?;
    family.complete(&mut named);
    Ok(named)
}

/// What a convolution keeps of its schedule: how far it was; and what BiPer's release sets when its second stage starts, and
/// never uses.
fn of_schedule(name: &str) -> Option<&str> {
    let (layer, leaf) = name.rsplit_once('.')?;
    let of_conv = layer.starts_with("layer") || layer.starts_with("conv");
    (of_conv && matches!(leaf, "tau" | "percent" | "beta")).then_some(leaf)
}

/// Layers behind the last one that never run: a normalisation of logits (IR-Net's and AdaBin's releases), slopes (AdaBin's).
fn idle(name: &str) -> Option<&str> {
    let (layer, leaf) = name.split_once('.')?;
    let is_idle = match layer {
        "bn3" => of_norm(leaf),
        "nonlinear2" => matches!(leaf, "pos_scale" | "neg_scale"),
        _ => false,
    };
    is_idle.then_some(layer)
}

/// MoCo's projection, which takes the place of the classes.
fn projection(name: &str) -> Option<(String, Taken)> {
    match name.strip_prefix("fc.")? {
        layer @ ("weight" | "bias") => same(format!("head.0.{layer}")),
        layer @ ("0.weight" | "0.bias" | "2.weight" | "2.bias") => same(format!("head.{layer}")),
        _ => None,
    }
}

/// A tensor whose numbers are ours as they are.
fn same(our: impl Into<String>) -> Option<(String, Taken)> {
    Some((our.into(), Taken::AsIs))
}

/// Whether a tensor is one of a batch normalisation.
fn of_norm(leaf: &str) -> bool {
    matches!(leaf, "weight" | "bias" | "running_mean" | "running_var")
}

/// The number of a block as it is written in names.
pub(super) fn block_number(text: &str) -> Option<usize> {
    text.parse().ok().filter(|n: &usize| n.to_string() == text)
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
    fn bits_want_the_weights_that_they_are_of() {
        let alone = ours(&infos(&["layer1.0.conv1.B"])).unwrap_err();
        assert!(alone.contains("layer1.0.conv1.B has bits of weights that are missing"), "{alone}");
        let mut two = infos(&["layer1.0.conv1.B", "layer1.0.conv1.weight", "layer1.0.conv1.percent"]);
        two[0].shape = vec![2, 1, 3];
        let named = ours(&two).unwrap();
        assert_eq!(named.tensors["layer1.0.conv1.bits"].shape, [2, 1, 1, 3]);
        two[0].shape = vec![2, 1, 4];
        assert!(ours(&two).unwrap_err().contains("another number of them"));
        two[0].shape = vec![usize::MAX, 2];
        assert!(ours(&two).unwrap_err().contains("another number of them"));
    }

    #[test]
    fn the_projection_of_moco_is_no_layer_of_classes() {
        let named =
            ours(&infos(&["encoder_q.conv1.weight", "encoder_q.fc.2.weight", "encoder_k.conv1.weight"])).unwrap();
        assert_eq!(named.tensors.keys().collect::<Vec<_>>(), ["conv1.weight", "head.2.weight"]);
        assert_eq!(named.left, ["encoder_k"]);
    }
}
