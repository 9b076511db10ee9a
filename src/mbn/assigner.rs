//! A layer's kernel on a device: points in blocks, clusterings in groups.

use crate::device::{Device, Executable, Store};
use crate::error::{Error, Result};
use crate::graph::{Graph, Meta};
use crate::ops::cluster::MostShared;
use crate::program::Program;
use crate::tensor::{DType, HostTensor};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Operations of one run of the kernel, at most: some tenths of a second on a slow GPU, so that its driver does not take it
/// for dead, and Ctrl-C does not wait long.
const RUN: f64 = 2e10;
/// Bytes of the centres of a group.
const GROUP_BYTES: usize = 64 << 20;
/// Blocks are multiples of this.
const TILE: usize = 128;

/// What a layer compares.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Coordinates.
    Nearest,
    /// Codes.
    MostShared(MostShared),
}

/// A layer's kernel, compiled; nothing is allocated yet.
pub struct LayerProgram {
    program: Program,
    kind: Kind,
    /// Points of a block.
    block: usize,
    /// Clusterings of a group.
    group: usize,
    row: usize,
    m: usize,
    k: usize,
}

/// A layer's kernel, loaded.
pub struct Assigner {
    layer: LayerProgram,
    store: Store,
    exe: Executable,
    /// Time in which the device worked.
    pub spent: Duration,
}

impl LayerProgram {
    /// For `n` points of `row` numbers each, of which clusterings look at `m`, `clusterings` of them with `k` centres each.
    ///
    /// # Errors
    /// If the centres of a single clustering do not fit the device.
    pub fn new(
        device: &Device,
        kind: Kind,
        n: usize,
        row: usize,
        m: usize,
        k: usize,
        clusterings: usize,
    ) -> Result<Self> {
        let per_word = if matches!(kind, Kind::Nearest) { 1 } else { 2 };
        let point_bytes = 4 * row.div_ceil(per_word);
        let centre_bytes = 4 * k * (m + 1).div_ceil(per_word);
        let binding = match device {
            Device::Cpu => usize::MAX,
            Device::Gpu(gpu) => gpu.target().max_binding_bytes as usize,
        };
        if centre_bytes > binding || TILE * point_bytes > binding {
            return Err(Error::Limit(format!(
                "{k} centres of {m} numbers are {centre_bytes} bytes, but {} binds at most {binding} at once: give fewer \
                 centres (mbn.layers) or a smaller share of the variables (mbn.share)",
                device.name()
            )));
        }
        let each = 2.0 * k as f64 * m as f64;
        let most = ((RUN / each) as usize).min(binding / point_bytes).max(TILE) / TILE * TILE;
        let n = n.max(1);
        let block = n.div_ceil(n.div_ceil(most)).next_multiple_of(TILE);
        let fits = |g: usize| {
            g * centre_bytes <= GROUP_BYTES.min(binding)
                && g * 4 * block <= binding
                && g as f64 * block as f64 * each <= 2.0 * RUN
        };
        let group = (1..=clusterings).rev().find(|g| clusterings.is_multiple_of(*g) && fits(*g)).unwrap_or(1);
        let mut g = Graph::new();
        let columns = Meta::new([group, m], DType::U32);
        let assigned = match &kind {
            Kind::Nearest => {
                let x = g.input("points", Meta::f32([block, row]))?;
                let columns = g.input("columns", columns)?;
                let centres = g.input("centres", Meta::f32([group, k, m + 1]))?;
                g.nearest(x, columns, centres)?
            }
            Kind::MostShared(op) => {
                let x = g.input("points", Meta::new([block, row], DType::I16))?;
                let columns = g.input("columns", columns)?;
                let centres = g.input("centres", Meta::new([group, k, m], DType::I16))?;
                g.most_shared(op.clone(), x, columns, centres)?
            }
        };
        g.output("assigned", assigned);
        Ok(LayerProgram { program: Program::compile(g, device.backend())?, kind, block, group, row, m, k })
    }

    /// Bytes of the buffers on the device.
    pub fn bytes(&self) -> usize {
        self.program.planned_bytes()
    }

    /// Makes the buffers.
    pub fn load(self, device: &Device) -> Result<Assigner> {
        let mut store = Store::new(device.clone());
        let exe = store.load_program(self.program.clone(), false)?;
        Ok(Assigner { layer: self, store, exe, spent: Duration::ZERO })
    }
}

impl Assigner {
    /// Runs all clusterings over `n` points. `points(range)` gives the words of points, `centres(clustering)` its places
    /// and the words of its centres; `found(clustering, first point, numbers)` is told what became of them. False if `stop`
    /// was set meanwhile.
    pub fn run(
        &mut self,
        n: usize,
        clusterings: usize,
        points: &(dyn Fn(Range<usize>) -> Vec<u32> + Sync),
        centres: &(dyn Fn(usize) -> (Vec<u32>, Vec<u32>) + Sync),
        stop: &AtomicBool,
        found: &mut dyn FnMut(usize, usize, &[u32]),
    ) -> Result<bool> {
        let layer = &self.layer;
        let (dtype, numbers) = match layer.kind {
            Kind::Nearest => (DType::F32, layer.m + 1),
            Kind::MostShared(_) => (DType::I16, layer.m),
        };
        let mut held = None;
        for first_set in (0..clusterings).step_by(layer.group) {
            let (mut columns, mut words) = (Vec::new(), Vec::new());
            for (places, made) in parallel(first_set..first_set + layer.group, centres) {
                columns.extend(places);
                words.extend(made);
            }
            self.store.write("columns", &HostTensor::from_u32([layer.group, layer.m], columns))?;
            self.store.write("centres", &HostTensor::from_words([layer.group, layer.k, numbers], dtype, words))?;
            for first in (0..n).step_by(layer.block) {
                if stop.load(Ordering::Relaxed) {
                    return Ok(false);
                }
                if held != Some(first) {
                    let mut words = points(first..n.min(first + layer.block));
                    words.resize(layer.block * dtype.row_words(layer.row), 0);
                    self.store.write("points", &HostTensor::from_words([layer.block, layer.row], dtype, words))?;
                    held = Some(first);
                }
                let start = Instant::now();
                self.exe.run(&[])?;
                self.store.device().wait()?;
                self.spent += start.elapsed();
                let assigned = self.exe.read("assigned")?;
                for (set, row) in assigned.words().chunks_exact(layer.block).enumerate() {
                    found(first_set + set, first, &row[..layer.block.min(n - first)]);
                }
            }
        }
        Ok(true)
    }
}

fn parallel<T: Send>(range: Range<usize>, make: &(dyn Fn(usize) -> T + Sync)) -> Vec<T> {
    use rayon::prelude::*;
    range.into_par_iter().map(make).collect()
}
