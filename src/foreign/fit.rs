//! Compares the tensors of a file with those of the network that they seem to be of.

use super::Checked;
use super::detect::{Detected, detect};
use super::names::Named;
use crate::graph::{Graph, Meta};
use crate::nn::{Activation, Mode, NetSpec, Vit};
use std::collections::BTreeMap;

/// Names that a message gives of each kind of fault.
const NAMED: usize = 20;

const SUPPORTED: &str = "Read are the plain ResNet-18, -34 and -50 of torchvision and of timm (resnet18, resnet34, \
                         resnet50) and of Hugging Face's transformers, of any width, with a first layer of 7x7 or 3x3, with fc or \
                         without, SwAV's and MoCo's checkpoints of them, the ResNet-20, -32, -44 and -56 for CIFAR (option A), the \
                         binary ResNets of the releases of IR-Net, ReCU, BiPer, AdaBin, SiMaN, Bi-Real Net and ReActNet, VGG-small of \
                         IR-Net, ReCU and SiMaN, ReActNet-A of ReActNet, S2-BNN and BURN, and vision transformers as \
                         timm, torchvision, DINO, OpenAI, open_clip and transformers (CLIP) name them; not their relatives (resnet18d, ResNeXt, wide, \
                         squeeze-excite, ...) nor other networks";

/// The network and its classes, if the tensors are its, all of them and no others.
///
/// # Errors
/// With every tensor that has no place in it, is missing or has another shape, up to 20 of each.
pub(super) fn fit(named: &Named) -> Checked<Detected> {
    let mut unmatched = named.unmatched.clone();
    let (mut missing, mut misshapen) = (Vec::new(), Vec::new());
    let detected = detect(named);
    if let Ok(d) = &detected {
        let wanted = wanted(d)?;
        for (name, shape) in &wanted {
            match named.tensors.get(name) {
                None => missing.push(format!("{name} {shape:?}")),
                Some(t) if t.shape != *shape => {
                    misshapen.push(format!("{} is {:?} instead of {:?}", t.theirs, theirs(&t.shape), theirs(shape)));
                }
                Some(_) => {}
            }
        }
        // Weights to train on from, where a test reads their bits.
        let latent =
            |name: &str| name.strip_suffix(".weight").is_some_and(|n| wanted.contains_key(&format!("{n}.bits")));
        let beside = |name: &str| name.starts_with("head.") || name == "prototypes.weight" || latent(name);
        let extra = named.tensors.iter().filter(|(name, _)| !wanted.contains_key(*name) && !beside(name));
        unmatched.extend(extra.map(|(_, t)| t.theirs.clone()));
    }
    let faults: Vec<String> = [
        ("these tensors have no place in it", unmatched),
        ("these are missing", missing),
        ("these have another shape", misshapen),
    ]
    .into_iter()
    .filter(|(_, names)| !names.is_empty())
    .map(|(what, names)| format!("{what}: {}", listed(&names)))
    .collect();
    match detected {
        Ok(d) if faults.is_empty() => Ok(d),
        Ok(d) => Err(format!("as a {:?} it does not add up; {}. {SUPPORTED}", d.net.kind, faults.join("; "))),
        Err(why) => {
            Err(format!("this is no network that is read: {}. {SUPPORTED}", [&[why][..], &faults].concat().join("; ")))
        }
    }
}

/// Parameters and running statistics of the network, by name.
fn wanted(d: &Detected) -> Checked<BTreeMap<String, Vec<usize>>> {
    let mut g = Graph::new();
    let side = d.side.unwrap_or(64);
    let x = g.input("x", Meta::f32([1, side, side, d.channels]));
    // Whichever it is, the tensors are the same.
    let net = NetSpec { activation: d.net.activation.or(Some(Activation::Gelu)), ..d.net.clone() };
    let net = if Vit::of(d.net.kind).is_some() { net } else { d.net.clone() };
    let built = x.and_then(|x| net.network(&mut g, x, d.classes, Mode::Eval, None));
    built.map_err(|e| format!("its network cannot be built: {e}"))?;
    let leaves = g.params().into_iter().chain(g.states());
    Ok(leaves.map(|v| (g.name(v).to_string(), g.shape(v).to_vec())).collect())
}

/// A shape in the layout of the file.
fn theirs(shape: &[usize]) -> Vec<usize> {
    match *shape {
        [o, h, w, c] => vec![o, c, h, w],
        _ => shape.to_vec(),
    }
}

fn listed(names: &[String]) -> String {
    let first = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::{Found, Taken};
    use super::*;
    use crate::nn::{NetKind, NetSpec, Shortcut, Stem};

    fn detected(kind: NetKind, widths: &[usize], stem: Stem, classes: usize) -> Detected {
        let mut net = NetSpec::new(kind, false);
        (net.widths, net.stem, net.shortcut) = (widths.to_vec(), Some(stem), Some(Shortcut::Float));
        Detected { net, classes, channels: 3, side: None, clip: None }
    }

    fn tensors(d: &Detected) -> Named {
        let found = |(name, shape): (String, Vec<usize>)| {
            (name.clone(), Found { index: 0, theirs: name, shape, taken: Taken::AsIs })
        };
        Named { tensors: wanted(d).unwrap().into_iter().map(found).collect(), ..Named::default() }
    }

    #[test]
    fn networks_are_told_from_their_shapes() {
        for d in [
            detected(NetKind::Resnet18, &[64, 64, 128, 256, 512], Stem::Imagenet, 1000),
            detected(NetKind::Resnet18, &[8, 8, 16, 16, 16], Stem::Cifar, 0),
            detected(NetKind::Resnet34, &[64, 64, 128, 256, 512], Stem::Imagenet, 10),
            detected(NetKind::Resnet50, &[64, 64, 128, 256, 512], Stem::Imagenet, 1000),
            detected(NetKind::Resnet50, &[16, 4, 4, 4, 4], Stem::Cifar, 0),
        ] {
            let named = tensors(&d);
            assert_eq!(detect(&named), Ok(detected(d.net.kind, &d.net.widths, d.net.stem.unwrap(), d.classes)));
            assert_eq!(fit(&named), Ok(d));
        }
    }

    #[test]
    fn relatives_are_refused_by_what_they_have() {
        // ResNeXt: grouped convolutions. Wide: the inner width is not a quarter of the outer.
        let d = detected(NetKind::Resnet50, &[64, 64, 128, 256, 512], Stem::Imagenet, 1000);
        let mut grouped = tensors(&d);
        grouped.tensors.get_mut("layer2.1.conv2.weight").unwrap().shape[3] = 4;
        let m = fit(&grouped).unwrap_err();
        assert!(m.contains("layer2.1.conv2.weight is [128, 4, 3, 3] instead of [128, 128, 3, 3]"), "{m}");
        let mut wide = tensors(&d);
        for (name, t) in &mut wide.tensors {
            match name.rsplit_once('.') {
                Some((layer, _))
                    if layer.starts_with("layer") && (layer.ends_with("1") && !layer.contains("downsample")) =>
                {
                    t.shape[0] *= 2;
                }
                _ => {}
            }
        }
        let m = fit(&wide).unwrap_err();
        assert!(m.contains("layer1.0.conv3.weight is [256, 64, 1, 1] instead of [512, 128, 1, 1]"), "{m}");

        // Another depth; none at all.
        let mut shallow = tensors(&detected(NetKind::Resnet18, &[8; 5], Stem::Cifar, 0));
        shallow.tensors.retain(|name, _| !name.starts_with("layer3.1"));
        assert!(fit(&shallow).unwrap_err().contains("[2, 2, 1, 2] basic blocks"));
        let convnext = Named { unmatched: (0..30).map(|i| format!("stages.{i}.gamma")).collect(), ..Named::default() };
        let m = fit(&convnext).unwrap_err();
        assert!(
            m.contains("no conv1.weight") && m.contains("stages.19.gamma and 10 more") && m.contains("Read are"),
            "{m}"
        );
    }

    #[test]
    fn every_missing_tensor_is_named() {
        let mut named = tensors(&detected(NetKind::Resnet18, &[8; 5], Stem::Cifar, 10));
        for name in ["layer1.0.conv1.weight", "layer4.1.bn2.running_var", "fc.weight"] {
            named.tensors.remove(name);
        }
        let m = fit(&named).unwrap_err();
        for said in ["layer1.0.conv1.weight [8, 3, 3, 8]", "layer4.1.bn2.running_var [8]", "fc.weight [10, 8]"] {
            assert!(m.contains(said), "{m}");
        }
    }

    #[test]
    fn absurd_widths_are_refused_before_anything_is_built() {
        let mut named = tensors(&detected(NetKind::Resnet18, &[8; 5], Stem::Cifar, 10));
        named.tensors.get_mut("layer1.0.conv1.weight").unwrap().shape = vec![1 << 40];
        assert!(fit(&named).unwrap_err().contains("1099511627776 channels"));
        // Shapes without axes, from a file that has numbers where networks have vectors.
        for name in ["fc.weight", "layer2.0.conv1.weight", "conv1.weight"] {
            let mut named = tensors(&detected(NetKind::Resnet18, &[8; 5], Stem::Cifar, 10));
            named.tensors.get_mut(name).unwrap().shape.clear();
            let m = fit(&named).unwrap_err();
            assert!(m.contains(&name[..6]), "{m}");
        }
    }
}
