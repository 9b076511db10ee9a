//! The memory plan: which buffer holds which value, from the lifetimes of the values.

use super::fuse::Access;
use super::{Step, Work};
use crate::graph::{Def, Graph, Leaf, Value};
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

/// A buffer of the plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Buffer {
    /// Size in 32-bit words.
    pub words: usize,
    /// What it is for.
    pub kind: BufferKind,
}

pub(super) struct Plan {
    pub buffers: Vec<Buffer>,
    pub place: Vec<Option<usize>>,
}

/// The value whose buffer `v` shares: itself, or what it is a view of.
pub(super) fn root(graph: &Graph, mut v: Value) -> Value {
    while let Def::Node { node, .. } = graph.def(v) {
        let n = &graph.nodes()[*node];
        if !n.op.is_view() {
            break;
        }
        v = n.inputs[0];
    }
    v
}

struct Life {
    value: Value,
    words: usize,
    first: usize,
    last: usize,
}

/// Plans the buffers of `steps`, sets their temporaries, and marks stores that may overwrite a dying input.
pub(super) fn plan(graph: &Graph, steps: &mut [Step], reuse: bool) -> Plan {
    let mut buffers: Vec<Buffer> = Vec::new();
    let mut place: Vec<Option<usize>> = vec![None; graph.values().len()];
    let mut own = |place: &mut Vec<Option<usize>>, v: Value, kind: BufferKind| {
        buffers.push(Buffer { words: graph.meta(v).words().max(1), kind });
        place[v.index()] = Some(buffers.len() - 1);
    };

    let mut used: Vec<Value> = steps.iter().flat_map(|s| s.inputs.iter().chain(&s.outputs)).copied().collect();
    used.extend(graph.outputs().iter().map(|(_, v)| *v));
    used.extend(graph.assigns().iter().flat_map(|(l, v)| [*l, *v]));
    for v in used.iter().map(|v| root(graph, *v)) {
        if place[v.index()].is_some() {
            continue;
        }
        match graph.def(v) {
            Def::Leaf(Leaf::Param | Leaf::State) => own(&mut place, v, BufferKind::Persistent(v)),
            Def::Leaf(Leaf::Input) => own(&mut place, v, BufferKind::Input(v)),
            Def::Leaf(Leaf::Const(_)) => own(&mut place, v, BufferKind::Constant(v)),
            Def::Leaf(Leaf::Scalar(_)) | Def::Node { .. } => {}
        }
    }
    for (_, v) in graph.outputs() {
        let v = root(graph, *v);
        if place[v.index()].is_none() {
            own(&mut place, v, BufferKind::Output);
        }
    }
    // An assigned value that is stored in place lives in its leaf's buffer.
    let copied: Vec<Value> =
        steps.iter().filter_map(|s| if let Work::Copy { to, .. } = s.work { Some(to) } else { None }).collect();
    for (leaf, v) in graph.assigns() {
        if !copied.contains(leaf) && place[v.index()].is_none() {
            place[v.index()] = place[leaf.index()];
        }
    }

    // Lifetimes, in steps, of everything else.
    let mut lives: HashMap<Value, Life> = HashMap::new();
    for (i, step) in steps.iter().enumerate() {
        for v in step.inputs.iter().chain(&step.outputs).map(|v| root(graph, *v)) {
            if place[v.index()].is_none() {
                let life =
                    lives.entry(v).or_insert(Life { value: v, words: graph.meta(v).words().max(1), first: i, last: i });
                life.last = i;
            }
        }
    }

    // A fused kernel may write over an input that dies with it, element by element.
    let mut shared: HashMap<Value, Value> = HashMap::new();
    if reuse {
        for (i, step) in steps.iter_mut().enumerate() {
            let Work::Fused(fused) = &mut step.work else { continue };
            let mut taken: Vec<usize> = fused.in_place.iter().flatten().copied().collect();
            for s in 0..fused.stores.len() {
                let out = fused.stores[s].0;
                if fused.in_place[s].is_some() || !lives.contains_key(&out) {
                    continue;
                }
                let fit = (0..fused.loads.len()).find(|&l| {
                    let (v, access) = &fused.loads[l];
                    let r = root(graph, *v);
                    // The load must be the only one of that buffer in this kernel.
                    let alone = fused.loads.iter().filter(|(u, _)| root(graph, *u) == r).count() == 1;
                    *access == Access::Full
                        && alone
                        && !taken.contains(&l)
                        && graph.dtype(*v) == graph.dtype(out)
                        && lives
                            .get(&r)
                            .is_some_and(|life| life.last == i && life.words == graph.meta(out).words().max(1))
                });
                if let Some(l) = fit {
                    let r = root(graph, fused.loads[l].0);
                    taken.push(l);
                    fused.in_place[s] = Some(l);
                    let end = lives.remove(&out).expect("checked above").last;
                    let mut owner = r;
                    while let Some(&o) = shared.get(&owner) {
                        owner = o;
                    }
                    // The dying input's storage lives on as the output's, under the owner's name.
                    let mut life = lives.remove(&r).expect("checked above");
                    life.last = end;
                    life.value = owner;
                    shared.insert(out, owner);
                    lives.insert(out, life);
                }
            }
        }
    }

    // Scratch buffers of lowerings live for one step.
    let mut temps: Vec<(usize, usize, Life)> = Vec::new();
    for (i, step) in steps.iter_mut().enumerate() {
        if let Work::Node { lowering, temps: places, .. } = &mut step.work {
            *places = vec![usize::MAX; lowering.temps.len()];
            for (t, &words) in lowering.temps.iter().enumerate() {
                temps.push((i, t, Life { value: Value(u32::MAX), words: words.max(1), first: i, last: i }));
            }
        }
    }

    // Largest first, each into the smallest buffer that is free while it lives.
    let mut slots: Vec<(usize, Vec<(usize, usize)>)> = Vec::new();
    let mut all: Vec<(Life, Option<(usize, usize)>)> = lives.into_values().map(|l| (l, None)).collect();
    all.extend(temps.into_iter().map(|(i, t, l)| (l, Some((i, t)))));
    all.sort_by_key(|(l, t)| (std::cmp::Reverse(l.words), l.first, l.value, *t));
    let base = buffers.len();
    for (life, temp) in all {
        let free = |busy: &[(usize, usize)]| busy.iter().all(|(a, b)| life.last < *a || life.first > *b);
        let slot = (0..slots.len()).rev().find(|&s| reuse && free(&slots[s].1));
        let slot = slot.unwrap_or_else(|| {
            slots.push((life.words, Vec::new()));
            buffers.push(Buffer { words: life.words, kind: BufferKind::Transient });
            slots.len() - 1
        });
        slots[slot].1.push((life.first, life.last));
        match temp {
            Some((i, t)) => {
                if let Work::Node { temps, .. } = &mut steps[i].work {
                    temps[t] = base + slot;
                }
            }
            None => place[life.value.index()] = Some(base + slot),
        }
    }
    for (v, owner) in shared {
        place[v.index()] = place[owner.index()];
    }
    for v in (0..graph.values().len() as u32).map(Value) {
        let r = root(graph, v);
        if r != v {
            place[v.index()] = place[r.index()];
        }
    }
    Plan { buffers, place }
}
