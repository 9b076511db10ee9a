//! What inference needs of a trained network, and nothing else: bits of binary weights, scales, normalisations,
//! nonlinearities and the real-valued layers. Latent weights, teachers, discriminators and optimisers stay behind.

use super::programs::{Programs, Runner};
use crate::device::{Device, Store};
use crate::error::{Error, Result};
use crate::methods::parts::eval_graph;
use crate::methods::{EVAL_IMAGES, Graphs, ImageInfo, LOGITS, Task, inference_graph};
use crate::nn::{Mode, NetSpec};
use crate::tensor::{DType, HostTensor};
use serde::Serialize;
use std::collections::HashMap;

/// The tensors of [`inference_graph`], from those of a checkpoint.
///
/// # Errors
/// If the checkpoint lacks a tensor of the network, or the network is adapted and not made plain
/// ([`plain`](crate::masks::plain)).
pub fn inference_tensors(
    task: &Task<'_>,
    tensors: &HashMap<String, HostTensor>,
) -> Result<HashMap<String, HostTensor>> {
    if task.recipe.network().adapt.is_some() {
        return Err(Error::Config("a network that is adapted ships as what it was made into".into()));
    }
    // Bits and scales are what the network in evaluation makes of its latent weights.
    let (mut eval, net) = eval_graph(task, 1, Mode::Eval)?;
    for layer in &net.binary {
        for (what, value) in [("bits", layer.bits), ("alpha", layer.scale), ("beta", layer.centre)] {
            if let Some(v) = value {
                eval.output(format!("{}.{what}", layer.name), v);
            }
        }
    }
    let names: Vec<String> = eval.outputs().iter().map(|(n, _)| n.clone()).filter(|n| n != LOGITS).collect();
    let mut store = Store::new(Device::Cpu);
    let leaves = eval.clone();
    let mut exe = store.load(eval)?;
    for v in leaves.params().into_iter().chain(leaves.states()) {
        let name = leaves.name(v);
        let found = tensors.get(name).ok_or_else(|| {
            Error::Config(format!("the checkpoint has no {name}, which inference needs: it is not of this recipe"))
        })?;
        let words = found.words().to_vec();
        store.write(name, &HostTensor::from_words(leaves.shape(v).clone(), leaves.dtype(v), words))?;
    }
    store.write(EVAL_IMAGES, &HostTensor::zeros([1, task.images.bytes()], DType::U8))?;
    exe.run(&vec![0.0; leaves.scalars().len()])?;
    let mut made = HashMap::new();
    for name in names {
        made.insert(name.clone(), exe.read(&name)?);
    }
    let shipped = inference_graph(task, 1)?;
    for v in shipped.params().into_iter().chain(shipped.states()) {
        let name = shipped.name(v);
        if !made.contains_key(name) {
            made.insert(name.to_string(), store.read(name)?);
        }
    }
    Ok(made)
}

/// What a file of shipped tensors says of them.
#[derive(Clone, Debug, Serialize)]
pub struct About<'a> {
    /// The network.
    pub net: &'a NetSpec,
    /// The images that it takes.
    pub images: &'a ImageInfo,
    /// Names of the classes.
    pub classes: &'a [String],
}

/// Loads what is shipped, to be tested. There is no step in it.
pub fn load(task: &Task<'_>, batch: usize, tensors: HashMap<String, HostTensor>, device: &Device) -> Result<Runner> {
    let graphs = Graphs { eval: inference_graph(task, batch)?, given: tensors, ..Graphs::default() };
    Runner::load(Programs::compile(graphs, device)?, device, task.recipe.seed)
}

/// Shipped tensors with RBCN's scale matrices C as C*: each entry becomes the mean of its matrix, which one popcount can do.
pub fn with_mean_matrices(tensors: &HashMap<String, HostTensor>) -> HashMap<String, HostTensor> {
    let mut tensors = tensors.clone();
    for (_, t) in tensors.iter_mut().filter(|(name, _)| name.ends_with(".matrix")) {
        let entries = t.f32s_mut();
        let mean = entries.iter().map(|c| *c as f64).sum::<f64>() / entries.len() as f64;
        entries.fill(mean as f32);
    }
    tensors
}
