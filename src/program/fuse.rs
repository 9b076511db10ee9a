//! Fusion: neighbouring pointwise ops become one kernel, so that what lies between them never
//! reaches memory.

use crate::graph::{Def, Graph, Leaf, Node, Value};
use crate::tensor::{DType, Shape};
use std::collections::{HashMap, HashSet};

/// How a fused kernel reads an input.
#[derive(Clone, Debug, PartialEq)]
pub enum Access {
    /// At the same element.
    Full,
    /// By channel: the input is `[C]` (or `[1, …, C]`) of a `[…, C]` domain.
    Channel,
    /// One element for all.
    Single,
    /// With these strides along the axes of the domain.
    Strided(Vec<usize>),
    /// Slot of the scalars buffer.
    Scalar(usize),
}

/// One number of a fused kernel, in order of evaluation.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// Input `i` of the kernel.
    Load(usize),
    /// Output `port` of a pointwise node, applied to earlier expressions.
    Apply {
        /// Position of the node in the graph.
        node: usize,
        /// Which output.
        port: usize,
        /// Its arguments, as positions of expressions.
        args: Vec<usize>,
    },
}

/// Pointwise nodes as one kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Fused {
    /// Nodes that it computes.
    pub nodes: Vec<usize>,
    /// Extents that it runs over.
    pub domain: Shape,
    /// Values that it reads, scalars included, and how.
    pub loads: Vec<(Value, Access)>,
    /// What is evaluated for each element.
    pub exprs: Vec<Expr>,
    /// Values that it writes, as positions of expressions.
    pub stores: Vec<(Value, usize)>,
    /// For each store, the load whose buffer it overwrites in place.
    pub in_place: Vec<Option<usize>>,
}

/// Nodes that run together: a fused kernel, or one other node.
pub(super) struct Group {
    pub nodes: Vec<usize>,
    pub fused: Option<Fused>,
}

/// Marks the nodes that outputs and assignments need.
fn live_nodes(graph: &Graph) -> Vec<bool> {
    let mut live = vec![false; graph.nodes().len()];
    let mut stack: Vec<Value> =
        graph.outputs().iter().map(|(_, v)| *v).chain(graph.assigns().iter().map(|(_, v)| *v)).collect();
    while let Some(v) = stack.pop() {
        if let Def::Node { node, .. } = graph.def(v)
            && !std::mem::replace(&mut live[*node], true)
        {
            stack.extend(&graph.nodes()[*node].inputs);
        }
    }
    live
}

/// Whether a node may be part of a fused kernel.
fn fusable(node: &Node) -> bool {
    node.op.pointwise().is_some()
}

/// Splits the live nodes into groups. A node joins the group of one of its producers when both run
/// over the same extents in the same phase, no path leaves the group and comes back, and the kernel
/// stays within `limit` storage buffers; the groups of its other producers are then merged under the same
/// conditions.
pub(super) fn group(graph: &Graph, fuse: bool, limit: usize) -> Vec<Group> {
    let live = live_nodes(graph);
    let nodes = graph.nodes();
    let consumers = consumers(graph, &live);
    let keep: HashSet<Value> =
        graph.outputs().iter().map(|(_, v)| *v).chain(graph.assigns().iter().map(|(_, v)| *v)).collect();
    let mut group_of: Vec<Option<usize>> = vec![None; nodes.len()];
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (i, node) in nodes.iter().enumerate().filter(|(i, _)| live[*i]) {
        let mut joined = None;
        let mut candidates: Vec<usize> = Vec::new();
        if fuse && fusable(node) {
            candidates = node
                .inputs
                .iter()
                .filter_map(|&v| producer(graph, v))
                .filter_map(|p| group_of[p])
                .filter(|&g| {
                    let first = &nodes[groups[g][0]];
                    fusable(first)
                        && first.phase == node.phase
                        && graph.shape(first.outputs[0]) == graph.shape(node.outputs[0])
                })
                .collect();
            candidates.sort_unstable();
            candidates.dedup();
            joined = candidates.iter().copied().rev().find(|&g| {
                !path_returns(graph, &group_of, &groups, i, g) && {
                    let mut trial = groups[g].clone();
                    trial.push(i);
                    buffers(graph, &trial, &consumers, &keep) <= limit
                }
            });
        }
        let g = joined.unwrap_or_else(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[g].push(i);
        group_of[i] = Some(g);
        // The node's other producers join too, where nothing has to run between them and the rest: then
        // what they made need not be stored.
        for h in candidates.into_iter().filter(|&h| joined.is_some() && h != g) {
            let apart = !reaches(graph, &group_of, &groups, g, h) && !reaches(graph, &group_of, &groups, h, g);
            let mut both = [&groups[g][..], &groups[h][..]].concat();
            both.sort_unstable();
            if apart && buffers(graph, &both, &consumers, &keep) <= limit {
                groups[h].clear();
                both.iter().for_each(|&n| group_of[n] = Some(g));
                groups[g] = both;
            }
        }
    }
    groups
        .into_iter()
        .filter(|nodes_of| !nodes_of.is_empty())
        .map(|nodes_of| {
            let fused = fusable(&nodes[nodes_of[0]]).then(|| build(graph, &nodes_of, &consumers, &keep));
            Group { nodes: nodes_of, fused }
        })
        .collect()
}

fn producer(graph: &Graph, v: Value) -> Option<usize> {
    match graph.def(v) {
        Def::Node { node, .. } => Some(*node),
        Def::Leaf(_) => None,
    }
}

fn consumers(graph: &Graph, live: &[bool]) -> HashMap<Value, Vec<usize>> {
    let mut map: HashMap<Value, Vec<usize>> = HashMap::new();
    for (i, node) in graph.nodes().iter().enumerate().filter(|(i, _)| live[*i]) {
        for &v in &node.inputs {
            map.entry(v).or_default().push(i);
        }
    }
    map
}

/// Whether some input of node `i` that lies outside group `g` depends on `g`: joining would make a cycle.
fn path_returns(graph: &Graph, group_of: &[Option<usize>], groups: &[Vec<usize>], i: usize, g: usize) -> bool {
    let mut seen: HashSet<usize> = HashSet::new();
    let outside = |n: usize| -> Vec<usize> {
        graph.nodes()[n].inputs.iter().filter_map(|&v| producer(graph, v)).filter_map(|p| group_of[p]).collect()
    };
    let mut stack: Vec<usize> = outside(i).into_iter().filter(|&h| h != g).collect();
    while let Some(h) = stack.pop() {
        if h == g {
            return true;
        }
        if seen.insert(h) {
            stack.extend(groups[h].iter().flat_map(|&n| outside(n)).filter(|k| !seen.contains(k)));
        }
    }
    false
}

/// Whether group `from` depends on group `to` through a third group.
fn reaches(graph: &Graph, group_of: &[Option<usize>], groups: &[Vec<usize>], from: usize, to: usize) -> bool {
    let producers = |h: usize| {
        let inputs = groups[h].iter().flat_map(|&n| &graph.nodes()[n].inputs);
        inputs.filter_map(|&v| producer(graph, v)).filter_map(|p| group_of[p]).collect::<Vec<_>>()
    };
    let mut seen: HashSet<usize> = HashSet::from([from]);
    let mut stack: Vec<usize> = producers(from).into_iter().filter(|&h| h != from && h != to).collect();
    while let Some(h) = stack.pop() {
        if h == to {
            return true;
        }
        if seen.insert(h) {
            stack.extend(producers(h));
        }
    }
    false
}

fn is_stored(v: Value, members: &[usize], consumers: &HashMap<Value, Vec<usize>>, keep: &HashSet<Value>) -> bool {
    keep.contains(&v) || consumers.get(&v).is_some_and(|c| c.iter().any(|n| !members.contains(n)))
}

fn is_scalar(graph: &Graph, v: Value) -> Option<usize> {
    match graph.def(v) {
        Def::Leaf(Leaf::Scalar(slot)) => Some(*slot),
        _ => None,
    }
}

/// Storage buffers that the group would bind.
fn buffers(graph: &Graph, members: &[usize], consumers: &HashMap<Value, Vec<usize>>, keep: &HashSet<Value>) -> usize {
    let mut bound: HashSet<Value> = HashSet::new();
    for &n in members {
        let node = &graph.nodes()[n];
        for &v in &node.inputs {
            let inside = producer(graph, v).is_some_and(|p| members.contains(&p));
            if !inside && is_scalar(graph, v).is_none() {
                bound.insert(v);
            }
        }
        bound.extend(node.outputs.iter().filter(|v| is_stored(**v, members, consumers, keep)));
    }
    bound.len()
}

fn access(graph: &Graph, v: Value, domain: &Shape) -> Access {
    if let Some(slot) = is_scalar(graph, v) {
        return Access::Scalar(slot);
    }
    let shape = graph.shape(v);
    let columns = domain.columns();
    if shape.elements() == domain.elements() && (graph.dtype(v).per_word() == 1 || shape.columns() == columns) {
        Access::Full
    } else if shape.elements() == 1 {
        Access::Single
    } else if shape.elements() == columns && shape.columns() == columns {
        Access::Channel
    } else {
        Access::Strided(shape.broadcast_strides(domain))
    }
}

fn build(graph: &Graph, members: &[usize], consumers: &HashMap<Value, Vec<usize>>, keep: &HashSet<Value>) -> Fused {
    let domain = graph.shape(graph.nodes()[members[0]].outputs[0]).clone();
    let mut loads: Vec<(Value, Access)> = Vec::new();
    let mut exprs: Vec<Expr> = Vec::new();
    let mut at: HashMap<Value, usize> = HashMap::new();
    let mut stores = Vec::new();
    let wanted = |v: &Value| keep.contains(v) || consumers.get(v).is_some_and(|c| !c.is_empty());
    for &n in members {
        let node = &graph.nodes()[n];
        let args: Vec<usize> = node
            .inputs
            .iter()
            .map(|&v| {
                *at.entry(v).or_insert_with(|| {
                    loads.push((v, access(graph, v, &domain)));
                    exprs.push(Expr::Load(loads.len() - 1));
                    exprs.len() - 1
                })
            })
            .collect();
        for (port, v) in node.outputs.iter().enumerate().filter(|(_, v)| wanted(v)) {
            exprs.push(Expr::Apply { node: n, port, args: args.clone() });
            at.insert(*v, exprs.len() - 1);
            if is_stored(*v, members, consumers, keep) {
                stores.push((*v, exprs.len() - 1));
            }
        }
    }
    let in_place = vec![None; stores.len()];
    Fused { nodes: members.to_vec(), domain, loads, exprs, stores, in_place }
}

impl Fused {
    /// Whether any store packs bits, so that one invocation must handle a whole word of a row.
    pub fn packs(&self, graph: &Graph) -> bool {
        self.stores.iter().any(|(v, _)| graph.dtype(*v) == DType::Bits)
    }
}
