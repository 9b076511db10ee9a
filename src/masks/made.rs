//! The mask of a run, and which base it is for.

use super::file::{MaskFile, MaskTensor, Statistics};
use crate::device::{Device, Store};
use crate::error::{Error, Result};
use crate::graph::{Graph, Meta};
use crate::methods::ImageInfo;
use crate::nn::{Adapt, Adapted, Mode, NetSpec, Network};
use crate::recipe::Recipe;
use crate::tensor::HostTensor;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// A network without a last layer, in evaluation.
pub(super) fn network(net: &NetSpec, images: &ImageInfo) -> Result<(Graph, Network)> {
    let mut g = Graph::new();
    let [h, w, c] = images.extents;
    let x = g.input("x", Meta::f32([1, h, w, c]))?;
    let made = net.network(&mut g, x, 0, Mode::Eval, None)?;
    Ok((g, made))
}

/// SHA-256 of the weights, factors and offsets of a network (its running statistics left out, which a mask replaces): names,
/// extents and numbers in the order of the names.
///
/// # Errors
/// If `tensors` lacks one.
pub fn base_hash(net: &NetSpec, images: &ImageInfo, tensors: &HashMap<String, HostTensor>) -> Result<String> {
    let (g, _) = network(&NetSpec { adapt: None, ..net.clone() }, images)?;
    let mut names: Vec<&str> = g.params().into_iter().map(|v| g.name(v)).collect();
    names.sort_unstable();
    let mut hash = Sha256::new();
    for name in names {
        let t = tensors.get(name).ok_or_else(|| Error::Config(format!("the network's {name} is missing")))?;
        hash.update(name.as_bytes());
        hash.update(t.shape().to_string().as_bytes());
        t.words().iter().for_each(|w| hash.update(w.to_le_bytes()));
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

/// The mask that a run of method smn has learned, from its checkpoint's tensors.
///
/// # Errors
/// If the run has learned no mask, or a tensor is missing.
pub fn from_run(recipe: &Recipe, images: &ImageInfo, tensors: &HashMap<String, HostTensor>) -> Result<MaskFile> {
    let net = recipe.network();
    if !matches!(net.adapt, Some(Adapt { what: Adapted::Masks, .. })) {
        return Err(Error::Config(
            "this run has no mask: masks are learned by method = \"smn\" with smn.adapt = \"masks\"".into(),
        ));
    }
    // The bits are what the network in evaluation makes of the scores.
    let (mut g, made) = network(&net, images)?;
    for mask in &made.masks {
        g.output(mask.name.clone(), mask.mask);
    }
    let statistics = g.states().into_iter().filter(|v| g.name(*v).contains(".running_"));
    let statistics = statistics
        .map(|v| {
            let found = tensors.get(g.name(v)).ok_or_else(|| missing(g.name(v)))?;
            Ok(Statistics { name: g.name(v).into(), values: found.f32s().to_vec() })
        })
        .collect::<Result<_>>()?;
    let mut store = Store::new(Device::Cpu);
    let leaves = g.clone();
    let mut exe = store.load(g)?;
    for name in leaves.params().into_iter().chain(leaves.states()).map(|v| leaves.name(v)) {
        store.write(name, tensors.get(name).ok_or_else(|| missing(name))?)?;
    }
    exe.run(&[])?;
    let mut masks = Vec::new();
    for mask in &made.masks {
        let read = exe.read(&mask.name)?;
        masks.push(MaskTensor::new(&mask.name, read.shape(), read.f32s().iter().map(|m| *m == 1.0)));
    }
    Ok(MaskFile { base: base_hash(&net, images, tensors)?, tensors: masks, statistics })
}

fn missing(name: &str) -> Error {
    Error::Config(format!("the checkpoint lacks {name}: it is not of this run"))
}
