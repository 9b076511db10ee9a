//! Checkpoints: every parameter and state of a run in one safetensors file, and where it stood.

use super::metrics::EpochSums;
use crate::device::Store;
use crate::error::{Error, Result};
use crate::graph::{Graph, Meta, Value};
use crate::memory;
use crate::methods::{PASSED_ON, TEACHER, TRANSIENT};
use crate::tensor::{DType, HostTensor};
use crate::tensor_file;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Where a run stood. With the recipe this is all that going on needs: the order of the images and all random numbers
/// follow from (seed, epoch, step).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// [`Recipe::hash`](crate::recipe::Recipe::hash), in hexadecimal.
    pub recipe: String,
    /// Seed of the run.
    pub seed: u64,
    /// Epoch of the next step, from 0.
    pub epoch: u64,
    /// Number of the next step within its epoch, from 0; the number of steps of an epoch if its test is still to do.
    pub step: usize,
    /// Steps done since the start.
    pub steps: u64,
    /// The best validation so far. (Of checkpoints of earlier versions there is none: theirs were on test images.)
    #[serde(default)]
    pub best_val: Option<BestVal>,
    /// What was summed up of the epoch and not logged yet.
    #[serde(default, skip_serializing_if = "EpochSums::is_empty")]
    pub sums: EpochSums,
    /// Fingerprint of the list of images; none of checkpoints that are older than it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// What of the run's `config.toml` decides what the weights mean; none of checkpoints that are older than it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<toml::Table>,
}

/// The best of a run's validations.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestVal {
    /// Share of the validation images whose class was right.
    pub accuracy: f64,
    /// Validation images.
    pub images: usize,
    /// Epochs done then.
    pub epoch: u64,
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
    let foreign = [TRANSIENT, PASSED_ON, TEACHER];
    all.filter(|v| !foreign.iter().any(|prefix| graph.name(*v).starts_with(prefix))).collect()
}

/// Copies the leaves of `graphs` from a device.
pub fn gather(store: &Store, graphs: &[&Graph]) -> Result<HashMap<String, HostTensor>> {
    let mut names: Vec<&str> = graphs.iter().flat_map(|g| leaves(g).into_iter().map(|v| g.name(v))).collect();
    names.sort_unstable();
    names.dedup();
    let bytes: u64 = names.iter().filter_map(|name| store.meta(name)).map(|meta| meta.bytes() as u64).sum();
    memory::check(bytes).map_err(|e| {
        Error::Limit(format!("a copy of the weights for a checkpoint takes {e}: end other programs, or take a smaller batch (--set batch=N)"))
    })?;
    let tensors = store.read_all(&names)?;
    Ok(names.into_iter().map(String::from).zip(tensors).collect())
}

impl Checkpoint {
    /// The run directory that a file of this kind lies in, if it is one of its checkpoints.
    pub fn run_of(path: &Path) -> Option<PathBuf> {
        let folder = path.parent().filter(|p| p.file_name().is_some_and(|name| name == "checkpoints"))?;
        let run = folder.parent()?;
        run.join("config.toml").is_file().then(|| run.to_path_buf())
    }

    /// Writes the file, whole or not at all; an earlier one of that name stays until then.
    pub fn save(&self, path: &Path) -> Result<()> {
        tensor_file::save(path, &self.tensors, &self.position)
    }

    /// Reads a file and checks that it is whole.
    pub fn load(path: &Path) -> Result<Checkpoint> {
        let (position, tensors) = tensor_file::load(path)?;
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
            // As a file keeps it, or as it is.
            let kept = t.shape()[..] == tensor_file::stored_extents(&meta.shape, meta.dtype)[..];
            if !kept && (t.shape(), t.dtype()) != (&meta.shape, meta.dtype) {
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
        let position = Position {
            recipe: "ab".into(),
            seed: 1,
            epoch: 2,
            step: 3,
            steps: 9,
            best_val: Some(BestVal { accuracy: 0.5, images: 7, epoch: 2 }),
            ..Position::default()
        };
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
    fn a_bit_that_turned_is_refused_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.safetensors");
        let saved = checkpoint().0;
        saved.save(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        let whole = Checkpoint::load(&path).unwrap();
        let header = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        // What is read all the same is what was written: a space that pads the header, or the checksum's own key, differs.
        let taken = |turned: &[u8]| {
            fs::write(&path, turned).unwrap();
            Checkpoint::load(&path).ok()
        };
        for bit in 0..8 * bytes.len() {
            let mut turned = bytes.clone();
            turned[bit / 8] ^= 1 << (bit % 8);
            if let Some(read) = taken(&turned) {
                let within = bit / 8 < 8 + header;
                assert!(within && read.position == saved.position && read.tensors == whole.tensors, "bit {bit}");
            }
        }
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
