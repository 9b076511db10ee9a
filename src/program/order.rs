//! The order of the work: as the graph was built, but updates run as soon as they can, weights become bits before all
//! else, and nothing overwrites a leaf before its last reader.

use super::bundle::{Waiting, bundle};
use super::fuse::{Access, Fused, Group};
use super::{Step, Work};
use crate::graph::{Def, Graph, Leaf, Phase, Value};
use crate::tensor::DType;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Orders groups into steps. Assignments become in-place stores where they can, copies at the end
/// where they cannot. With a `limit` of buffers a kernel, small kernels that do not wait for each other become one.
pub(super) fn order(graph: &Graph, groups: Vec<Group>, limit: Option<usize>) -> Vec<Step> {
    let mut group_of: HashMap<usize, usize> = HashMap::new();
    for (g, group) in groups.iter().enumerate() {
        group_of.extend(group.nodes.iter().map(|n| (*n, g)));
    }
    let made_by = |v: Value| match graph.def(v) {
        Def::Node { node, .. } => group_of.get(node).copied(),
        Def::Leaf(_) => None,
    };
    let mut after: Vec<HashSet<usize>> = groups.iter().map(|_| HashSet::new()).collect();
    for (g, group) in groups.iter().enumerate() {
        let inputs = group.nodes.iter().flat_map(|n| &graph.nodes()[*n].inputs);
        after[g].extend(inputs.filter_map(|v| made_by(*v)).filter(|p| *p != g));
    }
    let copies = assign(graph, &groups, &made_by, &mut after);
    let copied: HashSet<Value> = copies.iter().map(|(l, _)| *l).collect();

    let order = topological(graph, &groups, &after);
    let mut groups: Vec<Option<Group>> = groups.into_iter().map(Some).collect();
    let mut steps: Vec<Waiting> = Vec::new();
    // What waits for a view waits for what that waits for.
    let mut views: HashMap<usize, HashSet<usize>> = HashMap::new();
    for g in order {
        let after = std::mem::take(&mut after[g]).into_iter();
        let after = after.flat_map(|a| views.get(&a).cloned().unwrap_or_else(|| HashSet::from([a]))).collect();
        match step(graph, groups[g].take().expect("each group runs once"), &copied) {
            Some(step) => steps.push(Waiting { step, group: g, after }),
            None => drop(views.insert(g, after)),
        }
    }
    let mut steps: Vec<Step> = match limit {
        Some(limit) => bundle(graph, steps, limit),
        None => steps.into_iter().map(|waiting| waiting.step).collect(),
    };
    steps.extend(copies.into_iter().map(|(to, from)| Step {
        work: Work::Copy { from, to },
        inputs: vec![from],
        outputs: vec![],
        phase: Phase::Update,
    }));
    steps
}

/// Makes groups that store an assigned value over its leaf wait for the leaf's readers; leaves and values for which that
/// cannot be, to be copied at the end.
fn assign(
    graph: &Graph,
    groups: &[Group],
    made_by: &impl Fn(Value) -> Option<usize>,
    after: &mut [HashSet<usize>],
) -> Vec<(Value, Value)> {
    let leaf_readers = leaf_readers(graph, groups, made_by);
    let mut copies = Vec::new();
    for &(leaf, value) in graph.assigns() {
        match made_by(value) {
            Some(g) if stores_in_place(graph, &groups[g], leaf, value) => {
                let before: Vec<usize> =
                    leaf_readers.get(&leaf).into_iter().flatten().copied().filter(|r| *r != g).collect();
                // A reader that itself needs the new value would wait for ever: then copy at the end.
                if before.iter().any(|&r| reaches(after, r, g)) {
                    copies.push((leaf, value));
                } else {
                    after[g].extend(before);
                }
            }
            _ => copies.push((leaf, value)),
        }
    }
    copies
}

/// Whether the kernel of a group may store `value` over `leaf`: nobody else wants the value or needs the old content at
/// another element.
fn stores_in_place(graph: &Graph, group: &Group, leaf: Value, value: Value) -> bool {
    group.fused.as_ref().is_some_and(|f| {
        let reads_only_here = f.loads.iter().all(|(v, a)| super::memory::root(graph, *v) != leaf || *a == Access::Full);
        let once = graph.assigns().iter().filter(|(_, v)| *v == value).count() == 1;
        let is_output = graph.outputs().iter().any(|(_, v)| *v == value);
        reads_only_here && once && !is_output
    })
}

/// The step of a group; none for a view, which does nothing.
fn step(graph: &Graph, group: Group, copied: &HashSet<Value>) -> Option<Step> {
    let first = &graph.nodes()[group.nodes[0]];
    let phase = first.phase;
    let Some(mut fused) = group.fused else {
        return (!first.is_view).then(|| Step {
            work: Work::Node { node: group.nodes[0], lowering: Default::default(), temps: Vec::new() },
            inputs: first.inputs.clone(),
            outputs: first.outputs.clone(),
            phase,
        });
    };
    for (i, (v, _)) in fused.stores.iter().enumerate() {
        let leaf = graph.assigns().iter().find(|(l, u)| u == v && !copied.contains(l)).map(|(l, _)| *l);
        fused.in_place[i] =
            leaf.and_then(|l| fused.loads.iter().position(|(u, _)| super::memory::root(graph, *u) == l));
    }
    let inputs = fused.loads.iter().filter(|(_, a)| !matches!(a, Access::Scalar(_))).map(|(v, _)| *v).collect();
    let outputs = fused.stores.iter().map(|(v, _)| *v).collect();
    Some(Step { work: Work::Fused(vec![fused]), inputs, outputs, phase })
}

/// Groups that read each leaf, directly or through views.
fn leaf_readers(
    graph: &Graph,
    groups: &[Group],
    made_by: &impl Fn(Value) -> Option<usize>,
) -> HashMap<Value, HashSet<usize>> {
    let mut readers: HashMap<Value, HashSet<usize>> = HashMap::new();
    for (g, group) in groups.iter().enumerate() {
        for v in group.nodes.iter().flat_map(|n| &graph.nodes()[*n].inputs) {
            let root = super::memory::root(graph, *v);
            if made_by(root).is_none() && !matches!(graph.def(root), Def::Leaf(Leaf::Scalar(_))) {
                readers.entry(root).or_default().insert(g);
            }
        }
    }
    readers
}

/// Whether group `from` waits, directly or not, for group `target`.
fn reaches(after: &[HashSet<usize>], from: usize, target: usize) -> bool {
    let mut stack = vec![from];
    let mut seen = HashSet::new();
    while let Some(g) = stack.pop() {
        if g == target {
            return true;
        }
        if seen.insert(g) {
            stack.extend(&after[g]);
        }
    }
    false
}

/// Whether a kernel packs leaves into bits and does nothing else: then it may as well run at once, beside all others that do
/// so. What it makes is small, and kept for the gradients anyway.
fn packs_leaves(graph: &Graph, group: &Group) -> bool {
    let is_leaf = |v: &Value| matches!(graph.def(super::memory::root(graph, *v)), Def::Leaf(_));
    let bits = |f: &Fused| f.stores.iter().all(|(v, _)| graph.dtype(*v) == DType::Bits);
    group.fused.as_ref().is_some_and(|f| bits(f) && f.loads.iter().all(|(v, _)| is_leaf(v)))
}

/// Kahn's order. Ready updates go first, so that gradients die early, and packed leaves; then the earliest built.
fn topological(graph: &Graph, groups: &[Group], after: &[HashSet<usize>]) -> Vec<usize> {
    let mut waiting: Vec<usize> = after.iter().map(HashSet::len).collect();
    let mut next: Vec<Vec<usize>> = groups.iter().map(|_| Vec::new()).collect();
    for (g, before) in after.iter().enumerate() {
        for b in before {
            next[*b].push(g);
        }
    }
    let key = |g: usize| {
        let first = groups[g].nodes[0];
        let early = graph.nodes()[first].phase == Phase::Update || packs_leaves(graph, &groups[g]);
        (!early, *groups[g].nodes.last().expect("no empty group"), g)
    };
    let mut ready: BTreeSet<_> = (0..groups.len()).filter(|g| waiting[*g] == 0).map(key).collect();
    let mut order = Vec::with_capacity(groups.len());
    while let Some(k) = ready.pop_first() {
        order.push(k.2);
        for &n in &next[k.2] {
            waiting[n] -= 1;
            if waiting[n] == 0 {
                ready.insert(key(n));
            }
        }
    }
    assert_eq!(order.len(), groups.len(), "fusion made a cycle");
    order
}
