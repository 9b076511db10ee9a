//! From a trained network to what ships: the graph that tests it, without what is known beforehand.

use super::net::{Net, Node};
use super::ops::{Affine, AvgPool, BinaryConv, Conv, Op, Threshold};
use super::value::{Kind, Meta, Window};
use crate::device::{Device, Store};
use crate::error::{Error, Result};
use crate::graph::{self, Def, Graph, Leaf, Value};
use crate::methods::{EVAL_IMAGES, LOGITS, Task, inference_graph};
use crate::tensor::HostTensor;
use std::collections::HashMap;

/// The network of a task, with what [`inference_tensors`](crate::train::inference::inference_tensors) made of its checkpoint.
///
/// # Errors
/// If the network has an operation that does not ship.
pub fn pack(task: &Task<'_>, tensors: &HashMap<String, HostTensor>, classes: &[String]) -> Result<Net> {
    let graph = inference_graph(task, 1)?;
    let images = graph.find(EVAL_IMAGES).ok_or_else(|| Error::Config("the network reads no images".into()))?;
    let known = known(&graph, images, tensors)?;
    let mut p = Packer { graph: &graph, known: &known, values: HashMap::new(), metas: Vec::new(), nodes: Vec::new() };
    p.values.insert(images, 0);
    p.metas.push(Meta { shape: task.images.extents, kind: Kind::Bytes });
    for node in graph.nodes() {
        if !known.contains_key(&node.outputs[0]) {
            p.node(node)?;
        }
    }
    let logits = graph.outputs().iter().find(|(name, _)| name == LOGITS).map(|(_, v)| *v);
    let end = logits.and_then(|v| p.values.get(&v)).copied();
    let end = end.ok_or_else(|| Error::Config("the network has no output".into()))?;
    let Packer { nodes, .. } = p;
    let background = task.recipe.data.background.level();
    let nodes = thresholds(pooled_first(joined(cut(nodes, end))));
    let mut net = Net { input: task.images.extents, background, classes: Vec::new(), nodes };
    let outputs = net.infer()?.last().map_or(0, Meta::len);
    if classes.len() == outputs {
        net.classes = classes.to_vec();
    }
    Ok(net)
}

/// Every value that does not depend on the image.
fn known(graph: &Graph, images: Value, tensors: &HashMap<String, HostTensor>) -> Result<HashMap<Value, HostTensor>> {
    let mut depends = vec![false; graph.values().len()];
    depends[images.index()] = true;
    let mut wanted = Vec::new();
    for node in graph.nodes() {
        let moved = node.inputs.iter().any(|v| depends[v.index()]);
        node.outputs.iter().for_each(|v| depends[v.index()] = moved);
        if moved {
            wanted.extend(node.inputs.iter().copied().filter(|v| !depends[v.index()]));
        }
    }
    let mut g = graph.clone();
    let name = |v: Value| format!("known.{}", v.index());
    let mut known = HashMap::new();
    let mut computed = Vec::new();
    for v in wanted {
        match graph.def(v) {
            Def::Leaf(Leaf::Const(t)) => {
                known.insert(v, t.as_ref().clone());
            }
            Def::Leaf(_) => {
                let leaf = graph.name(v);
                let t = tensors.get(leaf).ok_or_else(|| Error::Config(format!("the network's {leaf} is missing")))?;
                let words = t.words().to_vec();
                known.insert(v, HostTensor::from_words(graph.shape(v).clone(), graph.dtype(v), words));
            }
            Def::Node { .. } if !computed.contains(&v) => {
                g.output(name(v), v);
                computed.push(v);
            }
            Def::Node { .. } => {}
        }
    }
    let leaves: Vec<Value> = g.params().into_iter().chain(g.states()).collect();
    let mut store = Store::new(Device::Cpu);
    let scalars = vec![0.0; g.scalars().len()];
    let (names, mut exe) = (g.clone(), store.load(g)?);
    for v in leaves {
        let leaf = names.name(v);
        let t = tensors.get(leaf).ok_or_else(|| Error::Config(format!("the network's {leaf} is missing")))?;
        let whole = HostTensor::from_words(names.shape(v).clone(), names.dtype(v), t.words().to_vec());
        store.write(leaf, &whole)?;
    }
    exe.run(&scalars)?;
    for v in computed {
        known.insert(v, exe.read(&name(v))?);
    }
    // Outputs of nodes that nothing moving reads are known too, if only by not being needed.
    for node in graph.nodes().iter().filter(|n| !depends[n.outputs[0].index()]) {
        for v in &node.outputs {
            known.entry(*v).or_insert_with(|| HostTensor::zeros([0], crate::tensor::DType::F32));
        }
    }
    Ok(known)
}

/// A network on its way from a graph to what ships. Operations know themselves in it (`ops`).
pub(super) struct Packer<'a> {
    graph: &'a Graph,
    known: &'a HashMap<Value, HostTensor>,
    /// Which value of the network a value of the graph is.
    values: HashMap<Value, usize>,
    metas: Vec<Meta>,
    nodes: Vec<Node>,
}

impl Packer<'_> {
    /// Appends an operation; the value that it makes.
    pub fn push(&mut self, op: impl Into<Op>, inputs: &[usize]) -> Result<usize> {
        let op = op.into();
        let metas: Vec<Meta> = inputs.iter().map(|v| self.metas[*v]).collect();
        let made = op.checked(&metas).map_err(|e| Error::Config(format!("{} {e}", op.name())))?;
        self.nodes.push(Node { op, inputs: inputs.to_vec() });
        self.metas.push(made);
        Ok(self.nodes.len())
    }

    /// What a value of the graph is here.
    pub fn of(&self, v: Value) -> Result<usize> {
        self.values.get(&v).copied().ok_or_else(|| Error::Config(format!("{} does not ship", self.graph.name(v))))
    }

    /// What makes a value; nothing makes the image.
    pub fn made_by(&self, x: usize) -> Option<&Node> {
        x.checked_sub(1).map(|i| &self.nodes[i])
    }

    /// Extents and kind of a value.
    pub fn meta(&self, x: usize) -> Meta {
        self.metas[x]
    }

    /// Extents of a value of the graph.
    pub fn extents(&self, v: Value) -> &crate::tensor::Shape {
        self.graph.shape(v)
    }

    /// The inputs that depend on the image.
    pub fn moving(&self, node: &graph::Node) -> Vec<Value> {
        node.inputs.iter().copied().filter(|v| self.values.contains_key(v)).collect()
    }

    /// The value as the channels of one pixel.
    pub fn flat(&mut self, x: usize) -> Result<usize> {
        if self.metas[x].pixels() == 1 { Ok(x) } else { self.push(super::ops::Flatten, &[x]) }
    }

    /// A value that does not depend on the image.
    pub fn constant(&self, v: Value) -> Result<&HostTensor> {
        self.known.get(&v).ok_or_else(|| Error::Config(format!("{} depends on the image", self.graph.name(v))))
    }

    /// A number a channel of `x`, of a value that is broadcast to it.
    pub fn channels(&self, v: Value, x: usize) -> Result<Vec<f32>> {
        let t = self.constant(v)?;
        let (Meta { shape: [.., c], .. }, values) = (self.metas[x], t.f32s());
        match values.len() {
            1 => Ok(vec![values[0]; c]),
            n if n == c => Ok(values.to_vec()),
            // Of every number of the image, the same for each pixel.
            n if n == self.metas[x].len() && values.chunks(c).all(|p| p == &values[..c]) => Ok(values[..c].to_vec()),
            n => Err(Error::Config(format!(
                "{} has {n} numbers where there are {c} channels: what ships has one a channel here",
                self.graph.name(v)
            ))),
        }
    }

    fn node(&mut self, node: &graph::Node) -> Result<()> {
        let Some(made) = Op::pack(self, node)? else {
            return Err(Error::Config(format!("the operation {} of {} does not ship", node.op.name(), node.scope)));
        };
        self.values.insert(node.outputs[0], made);
        Ok(())
    }
}

/// What the last value is made of, in order.
fn cut(nodes: Vec<Node>, end: usize) -> Vec<Node> {
    let mut needed = vec![false; nodes.len() + 1];
    needed[end] = true;
    for (i, node) in nodes.iter().enumerate().rev() {
        if needed[i + 1] {
            node.inputs.iter().for_each(|v| needed[*v] = true);
        }
    }
    let keep: Vec<bool> = needed[1..].to_vec();
    renumbered(nodes, &keep, |v| v)
}

/// The nodes that are kept; readers of others read what `instead` names.
fn renumbered(nodes: Vec<Node>, keep: &[bool], instead: impl Fn(usize) -> usize) -> Vec<Node> {
    let mut place = vec![0];
    for keep in keep {
        place.push(place[place.len() - 1] + *keep as usize);
    }
    let moved = |v: usize| if v == 0 { 0 } else { place[instead(v)] };
    let kept = nodes.into_iter().zip(keep).filter(|(_, keep)| **keep);
    kept.map(|(node, _)| Node { inputs: node.inputs.iter().map(|v| moved(*v)).collect(), op: node.op }).collect()
}

/// Readers of each value.
fn uses(nodes: &[Node]) -> Vec<Vec<usize>> {
    let mut uses = vec![Vec::new(); nodes.len() + 1];
    for (i, node) in nodes.iter().enumerate() {
        node.inputs.iter().for_each(|v| uses[*v].push(i));
    }
    uses
}

/// A factor and the sum behind it are one operation, where that changes no rounding.
fn joined(mut nodes: Vec<Node>) -> Vec<Node> {
    loop {
        let uses = uses(&nodes);
        let pair = (0..nodes.len()).find_map(|i| {
            let [j] = uses[i + 1][..] else { return None };
            let (Op::Affine(first), Op::Affine(second)) = (&nodes[i].op, &nodes[j].op) else { return None };
            let (Affine { scale, shift }, Affine { scale: s, shift: t }) = (first, second);
            let all = |v: &[f32], x: f32| v.iter().all(|v| *v == x);
            let same_first = all(scale, 1.0) && all(shift, 0.0);
            let factor_then_sum = all(shift, 0.0) && all(s, 1.0);
            let op = match (same_first, factor_then_sum) {
                (true, _) => Affine { scale: s.clone(), shift: t.clone() },
                (_, true) => Affine { scale: scale.clone(), shift: t.clone() },
                _ => return None,
            };
            Some((i, j, op))
        });
        let Some((i, j, op)) = pair else { return nodes };
        nodes[j] = Node { op: op.into(), inputs: nodes[i].inputs.clone() };
        let keep: Vec<bool> = (0..nodes.len()).map(|n| n != i).collect();
        nodes = renumbered(nodes, &keep, |v| v);
    }
}

/// The mean of a window of what a 1x1 convolution and a normalisation make is what these make of the mean: it is taken first, which
/// leaves them fewer pixels. (Another order of the sums: results differ by rounding.)
fn pooled_first(mut nodes: Vec<Node>) -> Vec<Node> {
    loop {
        let uses = uses(&nodes);
        let is_float = |v: usize| {
            let op = |v: usize| v.checked_sub(1).map(|i| &nodes[i].op);
            !matches!(op(v), None | Some(Op::BinaryConv(_) | Op::Sign(_) | Op::Threshold(_)))
        };
        let chain = (0..nodes.len()).find_map(|i| {
            let Op::Conv(Conv { window: Window { size: [1, 1], stride: 1, padding: 0, .. }, .. }) = &nodes[i].op else {
                return None;
            };
            let mut chain = vec![i];
            while let [next] = uses[chain[chain.len() - 1] + 1][..] {
                chain.push(next);
                match &nodes[next].op {
                    Op::Affine(_) => {}
                    Op::AvgPool(AvgPool(w)) if w.padding == 0 && w.stride > 1 => {
                        return is_float(nodes[i].inputs[0]).then_some(chain);
                    }
                    _ => return None,
                }
            }
            None
        });
        let Some(chain) = chain else { return nodes };
        let before = nodes[chain[0]].inputs.clone();
        let mut ops: Vec<Op> = chain.iter().map(|&i| nodes[i].op.clone()).collect();
        ops.rotate_right(1);
        for (k, op) in ops.into_iter().enumerate() {
            let inputs = if k == 0 { before.clone() } else { vec![chain[k - 1] + 1] };
            nodes[chain[k]] = Node { op, inputs };
        }
    }
}

/// Normalisation and sign of integers that nothing else reads are a comparison of integers. The threshold is found by
/// asking the formula itself, so that the bits are those that it would give.
fn thresholds(mut nodes: Vec<Node>) -> Vec<Node> {
    loop {
        let uses = uses(&nodes);
        let found = (0..nodes.len()).find_map(|i| {
            let Op::Affine(Affine { scale, shift }) = &nodes[i].op else { return None };
            let conv = nodes[i].inputs[0].checked_sub(1)?;
            let (Op::BinaryConv(BinaryConv { bits, outputs, .. }), [sign]) = (&nodes[conv].op, &uses[i + 1][..]) else {
                return None;
            };
            if !matches!(nodes[*sign].op, Op::Sign(_)) {
                return None;
            }
            // No sum is larger than the number of bits of a filter, 32 to a word.
            let most = (32 * bits.len() / outputs).min(i16::MAX as usize - 1) as i16;
            let each = scale.iter().zip(shift).map(|(a, b)| threshold(*a, *b, most));
            let (at, down) = each.unzip();
            Some((i, *sign, Op::from(Threshold { at, down })))
        });
        let Some((i, sign, op)) = found else { return nodes };
        nodes[sign] = Node { op, inputs: nodes[i].inputs.clone() };
        let keep: Vec<bool> = (0..nodes.len()).map(|n| n != i).collect();
        nodes = renumbered(nodes, &keep, |v| v);
    }
}

/// For which integers of `-most..=most` `scale y + shift >= 0` holds, computed in f32: from which on, or up to which.
fn threshold(scale: f32, shift: f32, most: i16) -> (i16, bool) {
    let holds = |y: i16| y as f32 * scale + shift >= 0.0;
    let down = scale < 0.0;
    // The product and the sum are monotonic in y, rounded too: a binary search finds where it turns.
    let (mut no, mut yes) = if down { (most + 1, -most - 1) } else { (-most - 1, most + 1) };
    while no.abs_diff(yes) > 1 {
        let middle = ((no as i32 + yes as i32).div_euclid(2)) as i16;
        if holds(middle) { yes = middle } else { no = middle }
    }
    (yes, down)
}

#[cfg(test)]
mod tests {
    use super::super::ops::{Add, Sign};
    use super::*;

    #[test]
    fn thresholds_ask_the_formula() {
        for (scale, shift) in [
            (0.1f32, -3.0f32),
            (-0.1, 3.0),
            (0.0, 1.0),
            (0.0, -1.0),
            (1e-3, 0.0),
            (-7.0, 1e9),
            (7.0, -1e9),
            (0.3, -0.9),
        ] {
            let (at, down) = threshold(scale, shift, 100);
            for y in -100..=100i16 {
                let bit = if down { y <= at } else { y >= at };
                assert_eq!(bit, y as f32 * scale + shift >= 0.0, "{scale} {shift} {y} {at}");
            }
        }
    }

    #[test]
    fn means_are_taken_before_what_is_linear() {
        let pool = || Op::from(AvgPool(Window { size: [2, 2], stride: 2, ..Window::PIXEL }));
        let conv = |size| {
            let window = Window { size: [size, size], padding: size / 2, ..Window::PIXEL };
            Op::from(Conv { outputs: 1, window, groups: 1, weights: vec![2.0; size * size] })
        };
        let affine = || Op::from(Affine { scale: vec![3.0], shift: vec![1.0] });
        let node = |op: Op, x: usize| Node { op, inputs: vec![x] };
        let made = pooled_first(vec![node(affine(), 0), node(conv(1), 1), node(affine(), 2), node(pool(), 3)]);
        assert_eq!(made, [node(affine(), 0), node(pool(), 1), node(conv(1), 2), node(affine(), 3)]);
        // Windows overlap, something else reads between, or the input is no float.
        for kept in [
            vec![node(affine(), 0), node(conv(3), 1), node(pool(), 2)],
            vec![node(affine(), 0), node(conv(1), 1), node(pool(), 2), node(affine(), 2)],
            vec![node(conv(1), 0), node(pool(), 1)],
            vec![node(affine(), 0), node(Sign.into(), 1), node(conv(1), 2), node(pool(), 3)],
        ] {
            assert_eq!(pooled_first(kept.clone()), kept);
        }
    }

    #[test]
    fn a_factor_and_a_sum_are_joined_where_nothing_else_reads_between() {
        let affine = |a: f32, b: f32, x| Node { op: Affine { scale: vec![a], shift: vec![b] }.into(), inputs: vec![x] };
        let one = joined(vec![affine(1.0, 0.0, 0), affine(3.0, 0.0, 1), affine(1.0, 2.0, 2)]);
        assert_eq!(one, [affine(3.0, 2.0, 0)]);
        let apart = vec![affine(3.0, 1.0, 0), affine(1.0, 2.0, 1)];
        assert_eq!(joined(apart.clone()), apart);
        let read_twice = vec![affine(3.0, 0.0, 0), affine(1.0, 2.0, 1), Node { op: Add.into(), inputs: vec![1, 2] }];
        assert_eq!(joined(read_twice.clone()), read_twice);
        assert_eq!(cut(vec![affine(1.0, 1.0, 0), affine(2.0, 2.0, 0), affine(3.0, 3.0, 1)], 3).len(), 2);
    }
}
