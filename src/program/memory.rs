//! Which buffer holds which value, from the lifetimes of the values.

use super::fuse::{Access, Fused};
use super::{Step, Work};
use crate::graph::{Def, Graph, Leaf, Value};
use std::cmp::Reverse;
use std::collections::HashMap;

/// What a buffer is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BufferKind {
    /// Shared with other programs under the leaf's name: parameters and state.
    Persistent(Value),
    /// Written by the host before a step.
    Input(Value),
    /// Filled once when the program is loaded.
    Constant(Value),
    /// Readable after a run.
    Output,
    /// Reused within a step.
    Transient,
}

/// A buffer of a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Buffer {
    /// Size in 32-bit words.
    pub words: usize,
    /// What it is for.
    pub kind: BufferKind,
}

/// The buffers of a program.
pub(super) struct Layout {
    pub buffers: Vec<Buffer>,
    /// Buffer of each value, by value number.
    pub place: Vec<Option<usize>>,
}

/// The value whose buffer `v` shares: itself, or what it is a view of.
pub(super) fn root(graph: &Graph, mut v: Value) -> Value {
    while let Def::Node { node, .. } = graph.def(v) {
        let n = &graph.nodes()[*node];
        if !n.is_view {
            break;
        }
        v = n.inputs[0];
    }
    v
}

/// What lies in a buffer that is reused within a step. Ordered, so that the same graph gives the same layout.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tenant {
    Value(Value),
    /// A scratch buffer of the lowering of a step.
    Temp {
        step: usize,
        number: usize,
    },
}

/// From the step that makes a tenant to the last one that touches it.
struct Life {
    tenant: Tenant,
    words: usize,
    first: usize,
    last: usize,
}

/// Lays out the buffers of `steps`, sets their temporaries, and marks stores that overwrite a dying input. Without
/// `reuse` everything has a buffer of its own.
pub(super) fn lay_out(graph: &Graph, steps: &mut [Step], reuse: bool) -> Layout {
    let mut layout = Layout { buffers: Vec::new(), place: vec![None; graph.values().len()] };
    layout.keep_leaves(graph, steps);
    layout.keep_outputs(graph);
    layout.assign_in_place(graph, steps);
    let mut lives = layout.lives(graph, steps);
    let heirs = if reuse { inherit(graph, steps, &mut lives) } else { HashMap::new() };
    let mut all: Vec<Life> = lives.into_values().collect();
    all.extend(temps(steps));
    layout.share(all, steps, reuse);
    for (v, owner) in heirs {
        layout.place[v.index()] = layout.place[owner.index()];
    }
    for v in graph.all() {
        layout.place[v.index()] = layout.place[root(graph, v).index()];
    }
    layout
}

impl Layout {
    fn own(&mut self, graph: &Graph, v: Value, kind: BufferKind) {
        self.buffers.push(Buffer { words: graph.meta(v).words().max(1), kind });
        self.place[v.index()] = Some(self.buffers.len() - 1);
    }

    /// Leaves that are used live longer than a step, or come from outside.
    fn keep_leaves(&mut self, graph: &Graph, steps: &[Step]) {
        let mut used: Vec<Value> = steps.iter().flat_map(|s| s.inputs.iter().chain(&s.outputs)).copied().collect();
        used.extend(graph.outputs().iter().map(|(_, v)| *v));
        used.extend(graph.assigns().iter().flat_map(|(l, v)| [*l, *v]));
        for v in used.iter().map(|v| root(graph, *v)) {
            if self.place[v.index()].is_some() {
                continue;
            }
            match graph.def(v) {
                Def::Leaf(Leaf::Param | Leaf::State) => self.own(graph, v, BufferKind::Persistent(v)),
                Def::Leaf(Leaf::Input) => self.own(graph, v, BufferKind::Input(v)),
                Def::Leaf(Leaf::Const(_)) => self.own(graph, v, BufferKind::Constant(v)),
                Def::Leaf(Leaf::Scalar(_)) | Def::Node { .. } => {}
            }
        }
    }

    fn keep_outputs(&mut self, graph: &Graph) {
        for (_, v) in graph.outputs() {
            let v = root(graph, *v);
            if self.place[v.index()].is_none() {
                self.own(graph, v, BufferKind::Output);
            }
        }
    }

    /// An assigned value that is stored in place lives in its leaf's buffer.
    fn assign_in_place(&mut self, graph: &Graph, steps: &[Step]) {
        let copied: Vec<Value> =
            steps.iter().filter_map(|s| if let Work::Copy { to, .. } = s.work { Some(to) } else { None }).collect();
        for (leaf, v) in graph.assigns() {
            if !copied.contains(leaf) && self.place[v.index()].is_none() {
                self.place[v.index()] = self.place[leaf.index()];
            }
        }
    }

    /// Lifetimes, in steps, of everything that has no place yet.
    fn lives(&self, graph: &Graph, steps: &[Step]) -> HashMap<Value, Life> {
        let mut lives: HashMap<Value, Life> = HashMap::new();
        for (i, step) in steps.iter().enumerate() {
            for v in step.inputs.iter().chain(&step.outputs).map(|v| root(graph, *v)) {
                if self.place[v.index()].is_none() {
                    let words = graph.meta(v).words().max(1);
                    lives.entry(v).or_insert(Life { tenant: Tenant::Value(v), words, first: i, last: i }).last = i;
                }
            }
        }
        lives
    }

    /// Largest first, each into the smallest buffer that is free while it lives.
    fn share(&mut self, mut all: Vec<Life>, steps: &mut [Step], reuse: bool) {
        all.sort_by_key(|life| (Reverse(life.words), life.first, life.tenant));
        let base = self.buffers.len();
        // When each shared buffer is in use, largest buffer first.
        let mut busy: Vec<Vec<(usize, usize)>> = Vec::new();
        for life in all {
            let free = |times: &[(usize, usize)]| times.iter().all(|(a, b)| life.last < *a || life.first > *b);
            let slot = (0..busy.len()).rev().find(|&s| reuse && free(&busy[s])).unwrap_or_else(|| {
                busy.push(Vec::new());
                self.buffers.push(Buffer { words: life.words, kind: BufferKind::Transient });
                busy.len() - 1
            });
            busy[slot].push((life.first, life.last));
            match life.tenant {
                Tenant::Value(v) => self.place[v.index()] = Some(base + slot),
                Tenant::Temp { step, number } => {
                    if let Work::Node { temps, .. } = &mut steps[step].work {
                        temps[number] = base + slot;
                    }
                }
            }
        }
    }
}

/// Lets fused kernels write over an input that dies with them, element by element. Returns whose storage each such
/// output took over.
fn inherit(graph: &Graph, steps: &mut [Step], lives: &mut HashMap<Value, Life>) -> HashMap<Value, Value> {
    let mut heirs: HashMap<Value, Value> = HashMap::new();
    for (i, step) in steps.iter_mut().enumerate() {
        let Work::Fused(chains) = &mut step.work else { continue };
        // How many loads of the kernel read a value: its chains have no order among them.
        let mut readers: HashMap<Value, usize> = HashMap::new();
        for (v, _) in chains.iter().flat_map(|f| &f.loads) {
            *readers.entry(root(graph, *v)).or_default() += 1;
        }
        for fused in chains {
            let mut taken: Vec<usize> = fused.in_place.iter().flatten().copied().collect();
            for s in 0..fused.stores.len() {
                let out = fused.stores[s].0;
                if fused.in_place[s].is_some() || !lives.contains_key(&out) {
                    continue;
                }
                let alone = |l: &usize| readers[&root(graph, fused.loads[*l].0)] == 1;
                let dies = |l: &usize| !taken.contains(l) && alone(l) && dies_here(graph, fused, *l, out, i, lives);
                let Some(l) = (0..fused.loads.len()).find(dies) else { continue };
                taken.push(l);
                fused.in_place[s] = Some(l);
                // The dying input's storage lives on as the output's, under the name of who had it first.
                let input = root(graph, fused.loads[l].0);
                let mut owner = input;
                while let Some(&o) = heirs.get(&owner) {
                    owner = o;
                }
                let last = lives.remove(&out).expect("checked above").last;
                let life = lives.remove(&input).expect("what dies here lives");
                heirs.insert(out, owner);
                lives.insert(out, Life { tenant: Tenant::Value(owner), last, ..life });
            }
        }
    }
    heirs
}

/// Whether load `l` of a kernel of step `i` is the last use of its buffer, and `out` fits there element by element.
fn dies_here(graph: &Graph, fused: &Fused, l: usize, out: Value, i: usize, lives: &HashMap<Value, Life>) -> bool {
    let (v, access) = &fused.loads[l];
    let r = root(graph, *v);
    let fits = |life: &Life| life.last == i && life.words == graph.meta(out).words().max(1);
    *access == Access::Full && graph.dtype(*v) == graph.dtype(out) && lives.get(&r).is_some_and(fits)
}

/// Scratch buffers of lowerings live for one step.
fn temps(steps: &mut [Step]) -> Vec<Life> {
    let mut lives = Vec::new();
    for (i, step) in steps.iter_mut().enumerate() {
        if let Work::Node { lowering, temps, .. } = &mut step.work {
            *temps = vec![usize::MAX; lowering.temps.len()];
            lives.extend(lowering.temps.iter().enumerate().map(|(number, words)| Life {
                tenant: Tenant::Temp { step: i, number },
                words: (*words).max(1),
                first: i,
                last: i,
            }));
        }
    }
    lives
}
