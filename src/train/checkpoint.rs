//! Checkpoints: every parameter and state of a run in one safetensors file, and where it stood.
//!
//! The same weights give the same bytes: tensors are stored in the order of the format, and all metadata is one
//! entry, because the order of several would be that of a hash map.

use crate::device::Store;
use crate::error::{Error, Result};
use crate::files::write_atomic;
use crate::graph::{Graph, Meta, Value};
use crate::tensor::{DType, HostTensor};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, Metadata, SafeTensorError, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// Leaves of this prefix are about a run's course and are not saved.
pub const TRANSIENT: &str = "metrics.";

/// Leaves that carry something from one part of a step to the next are not saved either.
pub const PASSED_ON: &str = "passed.";

/// Name of the metadata of all that is written here.
pub(crate) const ENTRY: &str = "onebit";

/// Where a run stood. With the recipe this is all that going on needs: the order of the images and all random numbers
/// follow from (seed, epoch, step).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// [`Recipe::hash`](super::recipe::Recipe::hash), in hexadecimal.
    pub recipe: String,
    /// Seed of the run.
    pub seed: u64,
    /// Epoch of the next step, from 0.
    pub epoch: u64,
    /// Number of the next step within its epoch, from 0; the number of steps of an epoch if its test is still to do.
    pub step: usize,
    /// Steps done since the start.
    pub steps: u64,
    /// Best test accuracy so far and the epochs done then.
    pub best: Option<(f64, u64)>,
}

/// What a checkpoint holds.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Where the run stood.
    pub position: Position,
    /// Tensors by name.
    pub tensors: HashMap<String, HostTensor>,
}

/// The leaves of a graph that a checkpoint holds.
pub fn leaves(graph: &Graph) -> Vec<Value> {
    let all = graph.params().into_iter().chain(graph.states());
    // A teacher's leaves come from its own run.
    let foreign = [TRANSIENT, PASSED_ON, "teacher."];
    all.filter(|v| !foreign.iter().any(|prefix| graph.name(*v).starts_with(prefix))).collect()
}

/// Copies the leaves of `graphs` from a device.
pub fn gather(store: &Store, graphs: &[&Graph]) -> Result<HashMap<String, HostTensor>> {
    let mut tensors = HashMap::new();
    for graph in graphs {
        for name in leaves(graph).into_iter().map(|v| graph.name(v)) {
            if !tensors.contains_key(name) {
                tensors.insert(name.to_string(), store.read(name)?);
            }
        }
    }
    Ok(tensors)
}

/// Writes tensors with one entry of metadata as a safetensors file, whole or not at all; an earlier one of that name stays
/// until then.
pub fn save(path: &Path, tensors: &HashMap<String, HostTensor>, about: &impl Serialize) -> Result<()> {
    let fail = |e: &dyn std::fmt::Display| Error::data(path, format!("it cannot be written: {e}"));
    let about = serde_json::to_string(about).map_err(|e| fail(&e))?;
    let mut names: Vec<&String> = tensors.keys().collect();
    names.sort_unstable();
    let views: Vec<(&str, TensorView<'_>)> = names
        .into_iter()
        .map(|name| {
            let t = &tensors[name];
            let (dtype, shape) = stored_as(&Meta::new(t.shape().clone(), t.dtype()));
            let view = TensorView::new(dtype, shape, bytemuck::cast_slice(t.words())).map_err(|e| fail(&e))?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<_>>()?;
    let metadata = HashMap::from([(ENTRY.to_string(), about)]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| fail(&e))?;
    write_atomic(path, &bytes)
}

impl Checkpoint {
    /// Writes the file, whole or not at all; an earlier one of that name stays until then.
    pub fn save(&self, path: &Path) -> Result<()> {
        save(path, &self.tensors, &self.position)
    }

    /// Reads a file and checks that it is whole.
    pub fn load(path: &Path) -> Result<Checkpoint> {
        let bytes = std::fs::read(path).map_err(Error::io(path, "read the checkpoint"))?;
        let (_, metadata) = header(path, &bytes)?;
        let content = metadata.metadata().as_ref().and_then(|m| m.get(ENTRY));
        let content = content.ok_or_else(|| {
            Error::data(
                path,
                "this safetensors file is not a checkpoint of onebit: its metadata lacks the entry `onebit`",
            )
        })?;
        let position = serde_json::from_str(content)
            .map_err(|e| Error::data(path, format!("the checkpoint's metadata does not parse: {e}")))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(path, &bytes, &e))?;
        let mut tensors = HashMap::new();
        for (name, view) in file.iter() {
            let dtype = match view.dtype() {
                Dtype::F32 => DType::F32,
                Dtype::I32 => DType::I32,
                Dtype::U32 => DType::U32,
                other => return Err(Error::data(path, format!("{name} is {other:?}; checkpoints hold F32, I32, U32"))),
            };
            let words = bytemuck::pod_collect_to_vec(view.data());
            tensors.insert(name.to_string(), HostTensor::from_words(view.shape(), dtype, words));
        }
        Ok(Checkpoint { position, tensors })
    }

    /// Fills the leaves of a graph. Nothing is written to the device unless everything fits.
    pub fn restore(&self, store: &mut Store, graph: &Graph, path: &Path) -> Result<()> {
        let wanted = leaves(graph);
        for &v in &wanted {
            let (name, meta) = (graph.name(v), graph.meta(v));
            let another = |what: String| {
                Error::data(
                    path,
                    format!("this is a checkpoint of another network: {what}; use the recipe that it was made with"),
                )
            };
            let t = self.tensors.get(name).ok_or_else(|| {
                another(format!("the first tensor that differs is {name}: {meta} here, missing in the file"))
            })?;
            let (_, shape) = stored_as(meta);
            if t.shape()[..] != shape[..] {
                let found = Meta::new(t.shape().clone(), t.dtype());
                return Err(another(format!(
                    "the first tensor that differs is {name}: {meta} here, {found} in the file"
                )));
            }
        }
        for &v in &wanted {
            let (name, meta) = (graph.name(v), graph.meta(v));
            let words = self.tensors[name].words().to_vec();
            store.write(name, &HostTensor::from_words(meta.shape.clone(), meta.dtype, words))?;
        }
        Ok(())
    }

    /// The first tensor that holds a number that is not finite.
    pub fn first_non_finite(&self) -> Option<&str> {
        let bad = |t: &HostTensor| t.dtype() == DType::F32 && t.f32s().iter().any(|x| !x.is_finite());
        self.tensors.iter().filter(|(_, t)| bad(t)).map(|(n, _)| n.as_str()).min()
    }
}

/// Type and shape in the file: whole words as they are, narrower types as the words that hold them.
fn stored_as(meta: &Meta) -> (Dtype, Vec<usize>) {
    match meta.dtype {
        DType::F32 => (Dtype::F32, meta.shape.to_vec()),
        DType::I32 => (Dtype::I32, meta.shape.to_vec()),
        DType::U32 => (Dtype::U32, meta.shape.to_vec()),
        DType::I16 | DType::U8 | DType::Bits => (Dtype::U32, vec![meta.words()]),
    }
}

/// The header of a safetensors file, which agrees with the length of the file, and how long it is itself.
pub(crate) fn header(path: &Path, bytes: &[u8]) -> Result<(usize, Metadata)> {
    // Looked at first: the format's own reader adds such numbers up without a check.
    match promised(bytes) {
        Some(whole) if whole > bytes.len() as u64 => {
            Err(Error::data(path, format!("the checkpoint is cut short: it has {} of {whole} bytes", bytes.len())))
        }
        _ => SafeTensors::read_metadata(bytes).map_err(|e| damaged(path, bytes, &e)),
    }
}

fn damaged(path: &Path, bytes: &[u8], e: &SafeTensorError) -> Error {
    let found = bytes.len();
    Error::data(
        path,
        match e {
            SafeTensorError::HeaderTooSmall | SafeTensorError::InvalidHeaderLength => {
                format!("the checkpoint is cut short: it ends within its header, after {found} bytes")
            }
            _ => format!("the checkpoint is damaged, or not a safetensors file ({found} bytes): {e}"),
        },
    )
}

/// Bytes of the file according to its header.
fn promised(bytes: &[u8]) -> Option<u64> {
    let header = u64::from_le_bytes(*bytes.first_chunk()?);
    let text = bytes.get(8..)?.get(..usize::try_from(header).ok()?)?;
    let table: HashMap<String, serde_json::Value> = serde_json::from_slice(text).ok()?;
    let ends = table.values().filter_map(|t| t.get("data_offsets")?.get(1)?.as_u64());
    Some(ends.max()?.saturating_add(8 + header))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;
    use crate::graph::{Init, Role};
    use std::fs;

    fn graph(width: usize) -> Graph {
        let mut g = Graph::new();
        let w = g.param("w", [2, width], Init::Normal(1.0), Role::Weight).unwrap();
        let m = g.state("w.momentum", g.meta(w).clone(), Init::Zeros).unwrap();
        let b = g.state("flags", Meta::new([40], DType::Bits), Init::Zeros).unwrap();
        g.state("metrics.sums", Meta::f32([3]), Init::Zeros).unwrap();
        for v in [w, m, b] {
            g.output(g.name(v).to_string(), v);
        }
        g
    }

    fn filled(width: usize) -> (Store, Graph) {
        let g = graph(width);
        let mut store = Store::new(Device::Cpu);
        store.load(g.clone()).unwrap();
        for v in leaves(&g) {
            let words = (0..g.meta(v).words() as u32).map(|i| (i as f32 + 0.5).to_bits()).collect();
            let t = HostTensor::from_words(g.shape(v).clone(), g.dtype(v), words);
            store.write(g.name(v), &t).unwrap();
        }
        (store, g)
    }

    fn checkpoint() -> (Checkpoint, Graph) {
        let (store, g) = filled(3);
        let position = Position { recipe: "ab".into(), seed: 1, epoch: 2, step: 3, steps: 9, best: Some((0.5, 2)) };
        (Checkpoint { position, tensors: gather(&store, &[&g]).unwrap() }, g)
    }

    #[test]
    fn what_is_saved_comes_back_and_bytes_repeat() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let (saved, g) = checkpoint();
        assert!(!saved.tensors.contains_key("metrics.sums"));
        saved.save(&a).unwrap();
        let loaded = Checkpoint::load(&a).unwrap();
        assert_eq!(loaded.position, saved.position);
        loaded.save(&b).unwrap();
        assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
        let mut store = Store::new(Device::Cpu);
        store.load(g.clone()).unwrap();
        loaded.restore(&mut store, &g, &a).unwrap();
        assert_eq!(gather(&store, &[&g]).unwrap(), saved.tensors);
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.safetensors");
        checkpoint().0.save(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        for cut in [0, 5, 20, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&path, &bytes[..cut]).unwrap();
            let m = Checkpoint::load(&path).unwrap_err().to_string();
            assert!(m.contains("c.safetensors") && m.contains("cut short") && m.contains(&cut.to_string()), "{m}");
        }
        fs::write(&path, b"this is something else, and not short at all").unwrap();
        assert!(Checkpoint::load(&path).unwrap_err().to_string().contains("c.safetensors"));
        // Sixteen tensors of 2^60 bytes: their sum and the header's length are more than 64 bits hold.
        let tensor = |i: u64| {
            let (from, to) = (i << 60, ((i + 1) << 59).wrapping_mul(2).wrapping_sub((i == 15) as u64 * 8));
            format!(
                "\"{i}\": {{\"dtype\": \"U8\", \"shape\": [{}], \"data_offsets\": [{from}, {to}]}}",
                to.wrapping_sub(from)
            )
        };
        let header = format!("{{{}}}", (0..16).map(tensor).collect::<Vec<_>>().join(", "));
        fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()).unwrap();
        let m = Checkpoint::load(&path).unwrap_err().to_string();
        assert!(m.contains("cut short"), "{m}");
    }

    #[test]
    fn another_network_is_named_by_its_first_tensor() {
        let (saved, _) = checkpoint();
        let (mut store, other) = filled(5);
        let before = gather(&store, &[&other]).unwrap();
        let m = saved.restore(&mut store, &other, Path::new("c")).unwrap_err().to_string();
        assert!(m.contains("another network") && m.contains("w: f32[2, 5]") && m.contains("f32[2, 3]"), "{m}");
        assert_eq!(gather(&store, &[&other]).unwrap(), before);
    }

    #[test]
    fn numbers_that_are_not_finite_are_found() {
        let (mut c, _) = checkpoint();
        assert_eq!(c.first_non_finite(), None);
        c.tensors.get_mut("w.momentum").unwrap().f32s_mut()[1] = f32::NAN;
        assert_eq!(c.first_non_finite(), Some("w.momentum"));
    }
}
