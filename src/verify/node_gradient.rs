//! The gradient of every node of a step's forward pass, at the numbers that it meets there, against finite differences, all in
//! f64: the node that is wrong is named, and with it its layer. A chain of right nodes is right.
//!
//! A node `y = f(x)` with a random loss `r · y` has the gradient `d` that its op appends; along a random direction `v`,
//! `(r · f(x + h v) - r · f(x - h v)) / 2h` must be `d · v`. Numbers are moved a little off what they are, so that no `max`
//! stands on its edge. Bits have no neighbours: one is turned over, and the loss must change by what the gradient of its value
//! says, which is exact for what is linear in it. Nodes that turn floats into bits or integers have gradients by definition
//! (straight-through), not by differences; the tests hold those against their definitions.

use super::compare::Finding;
use super::expect::Worst;
use super::reference::{of, run_reference};
use crate::error::Result;
use crate::graph::{Graph, Meta, Node, Phase, Value};
use crate::ops::conv::XnorConv2d;
use crate::rng::Philox;
use crate::tensor::bits::WeightCode;
use crate::tensor::{DType, HostTensor, RefTensor};
use std::any::Any;
use std::collections::BTreeMap;

/// How far a difference may be from the gradient, as a share of either: the differences themselves are good to 1e-6 where
/// nothing bends.
const TOLERANCE: f64 = 1e-4;
/// Steps of differences, as a share of the numbers; the smaller ones where the larger reach across a bend.
const STEPS: [f64; 3] = [1e-4, 1e-6, 1e-8];
/// Directions for an input, and bits that are turned over.
const DIRECTIONS: u64 = 3;

/// What could be checked of a node.
#[derive(Clone, Debug)]
pub enum Checked {
    /// Its inputs, each with its worst direction.
    Differences(Vec<Finding>),
    /// Nothing: its gradient is defined, not derived.
    Defined,
    /// Nothing: no input has a gradient.
    None,
}

/// Checks the forward nodes of `graph`, at the numbers that they meet with these leaves and scalars; `each` is told of every node, in order, until
/// it answers false.
///
/// # Errors
/// If an op cannot append its gradient.
pub fn check_node_gradients(
    graph: &Graph,
    leaves: &BTreeMap<String, RefTensor>,
    scalars: &[f64],
    mut each: impl FnMut(&Node, Checked) -> bool,
) -> Result<()> {
    let at = run_reference(graph, leaves, scalars);
    for (index, node) in graph.nodes().iter().enumerate().filter(|(_, n)| n.phase == Phase::Forward) {
        let checked = check(graph, index, node, &at)?;
        if !each(node, checked) {
            break;
        }
    }
    Ok(())
}

/// A node alone, in a graph with a random loss.
struct Alone<'a> {
    graph: &'a Graph,
    node: &'a Node,
    /// Its inputs, moved off their edges.
    inputs: Vec<RefTensor>,
    /// What the loss multiplies each output by.
    factors: Vec<Option<Vec<f64>>>,
}

fn check(graph: &Graph, index: usize, node: &Node, at: &[RefTensor]) -> Result<Checked> {
    let dtype = |v: &Value| graph.dtype(*v);
    let is_float = |v: &Value| dtype(v) == DType::F32;
    let from_floats = node.inputs.iter().any(is_float);
    if from_floats && node.outputs.iter().all(|v| !is_float(v)) || is_defined(node) {
        return Ok(Checked::Defined);
    }
    let random = Philox::new(0x9AD, index as u64);
    let inputs = node.inputs.iter().enumerate().map(|(i, v)| moved(of(at, *v), &random, i as u64)).collect();
    let factors = node.outputs.iter().enumerate().map(|(i, v)| {
        let n = graph.shape(*v).elements();
        matches!(dtype(v), DType::F32 | DType::I16 | DType::I32)
            .then(|| (0..n).map(|k| random.normal(100 + i as u64, k as u64) as f64).collect())
    });
    let alone = Alone { graph, node, inputs, factors: factors.collect() };
    let gradients = alone.gradients()?;
    let mut findings = Vec::new();
    for (i, d) in gradients.iter().enumerate() {
        let Some(d) = d else { continue };
        let pairs: Vec<(f64, f64)> = match dtype(&node.inputs[i]) {
            DType::F32 => (0..DIRECTIONS).map(|k| alone.along(i, d, &random, k)).collect(),
            DType::Bits => (0..DIRECTIONS).map(|k| alone.turned(i, d, &random, k)).collect(),
            _ => continue,
        };
        let norm = d.iter().map(|x| x * x).sum::<f64>().sqrt();
        let (derived, numeric, fraction) = pairs
            .into_iter()
            .map(|(a, b)| {
                let scale = a.abs().max(b.abs()).max(0.05 * norm).max(1e-12);
                let share = (a - b).abs() / scale / TOLERANCE;
                (a, b, if share.is_nan() { f64::INFINITY } else { share })
            })
            .max_by(|x, y| x.2.total_cmp(&y.2))
            .expect("there are directions");
        let worst = Worst { fraction, at: i, got: derived, expected: numeric, ties: 0 };
        let (step, scope) = (node.op.name().to_string(), node.scope.clone());
        findings.push(Finding { index, step, scope, value: node.inputs[i], worst });
    }
    Ok(if findings.is_empty() { Checked::None } else { Checked::Differences(findings) })
}

/// Whether the op passes another gradient on than that of what it computes, on purpose: one value stands in for another.
fn is_defined(node: &Node) -> bool {
    node.op.name() == "stand_in"
}

/// Numbers a little off: of positive ones by a share of each, so that they stay positive.
fn moved(x: &RefTensor, random: &Philox, stream: u64) -> RefTensor {
    let mut x = x.clone();
    if x.dtype != DType::F32 {
        return x;
    }
    let rms = (x.data.iter().map(|v| v * v).sum::<f64>() / x.data.len().max(1) as f64).sqrt();
    let positive = x.data.iter().all(|v| *v > 0.0);
    for (k, v) in x.data.iter_mut().enumerate() {
        let by = 1e-3 * (random.uniform(stream, k as u64) as f64 - 0.5);
        *v = if positive { *v * (1.0 + by) } else { *v * (1.0 + by) + by * rms };
    }
    x
}

impl Alone<'_> {
    /// `Σ r y`
    fn loss(&self, inputs: &[RefTensor]) -> f64 {
        let inputs: Vec<&RefTensor> = inputs.iter().collect();
        let metas: Vec<_> = self.node.outputs.iter().map(|v| self.graph.meta(*v).clone()).collect();
        let outputs = self.node.op.reference(&inputs, &metas);
        let dot = |(y, r): (&RefTensor, &Vec<f64>)| y.data.iter().zip(r).map(|(y, r)| y * r).sum::<f64>();
        outputs.iter().zip(&self.factors).filter_map(|(y, r)| Some(dot((y, r.as_ref()?)))).sum()
    }

    /// The gradients that the op appends, computed by the reference; none where it has none.
    fn gradients(&self) -> Result<Vec<Option<Vec<f64>>>> {
        let mut g = Graph::new();
        let mut leaves = BTreeMap::new();
        let mut inputs = Vec::new();
        for (i, (v, x)) in self.node.inputs.iter().zip(&self.inputs).enumerate() {
            let name = format!("x{i}");
            inputs.push(g.input(&name, self.graph.meta(*v).clone())?);
            leaves.insert(name, x.clone());
        }
        let outputs = g.apply_shared(self.node.op.clone(), self.node.built_in, &inputs)?;
        let mut by_outputs = Vec::new();
        for (i, (y, r)) in outputs.iter().zip(&self.factors).enumerate() {
            let Some(r) = r else {
                by_outputs.push(None);
                continue;
            };
            // A leaf, for its numbers in f64.
            let (name, shape) = (format!("r{i}"), g.shape(*y).clone());
            by_outputs.push(Some(g.input(&name, Meta::f32(shape.clone()))?));
            leaves.insert(name, RefTensor::f32(shape, r.clone()));
        }
        let found = self.node.op.grad(&mut g, &inputs, &outputs, &by_outputs)?;
        let values = run_reference(&g, &leaves, &[]);
        Ok(found.into_iter().map(|d| d.map(|d| of(&values, d).data.clone())).collect())
    }

    /// The gradient along a random direction, and the difference there that is nearest to it.
    fn along(&self, i: usize, d: &[f64], random: &Philox, k: u64) -> (f64, f64) {
        let stream = 1000 + 10 * i as u64 + k;
        let v: Vec<f64> = (0..d.len()).map(|e| random.normal(stream, e as u64) as f64).collect();
        let derived = d.iter().zip(&v).map(|(d, v)| d * v).sum::<f64>();
        let x = &self.inputs[i].data;
        let rms = (x.iter().map(|v| v * v).sum::<f64>() / x.len().max(1) as f64).sqrt();
        let size = if rms > 0.0 { rms } else { 1.0 };
        let positive = x.iter().all(|v| *v > 0.0);
        let numeric = STEPS.iter().map(|step| {
            let shifted = |sign: f64| {
                let mut inputs = self.inputs.clone();
                for ((x, v), own) in inputs[i].data.iter_mut().zip(&v).zip(x) {
                    // By a share of each of positive numbers, which would be none far enough off.
                    let most = if positive { (0.5 * own).min(step * size * v.abs()) } else { step * size * v.abs() };
                    *x += sign * most * v.signum();
                }
                inputs
            };
            // By how much it was really moved, and what the gradient says of that.
            let (up, down) = (shifted(1.0), shifted(-1.0));
            let moved: f64 = up[i].data.iter().zip(&down[i].data).zip(d).map(|((a, b), d)| (a - b) * d).sum();
            let change = self.loss(&up) - self.loss(&down);
            // As if it were along the direction itself.
            derived + (change - moved) / (2.0 * step * size)
        });
        let nearest = numeric.min_by(|a, b| (a - derived).abs().total_cmp(&(b - derived).abs()));
        (derived, nearest.expect("there are steps"))
    }

    /// Whether the bits of an input stand for 0 and 1.
    fn is_zero_one(&self, i: usize) -> bool {
        let op: &dyn Any = self.node.op.as_ref();
        let zero_one = |op: &XnorConv2d| i == 1 && op.code == WeightCode::ZeroOne;
        self.node.op.name() == "to_f32" || op.downcast_ref::<XnorConv2d>().is_some_and(zero_one)
    }

    /// What the loss changes by when a bit is turned over, by the gradient of the bit's value and as it is.
    fn turned(&self, i: usize, d: &[f64], random: &Philox, k: u64) -> (f64, f64) {
        let e = random.draws(5000 + 10 * i as u64 + k, 0).below(d.len().max(1) as u32) as usize;
        let with = |bit: f64| {
            let mut inputs = self.inputs.clone();
            inputs[i].data[e] = bit;
            self.loss(&inputs)
        };
        let change = with(1.0) - with(0.0);
        // A bit stands for -1 and +1, or for 0 and 1.
        (if self.is_zero_one(i) { d[e] } else { 2.0 * d[e] }, change)
    }
}

/// The leaves of a graph in f64.
pub fn leaves_in_f64<E>(
    graph: &Graph,
    mut read: impl FnMut(Value) -> std::result::Result<HostTensor, E>,
) -> std::result::Result<BTreeMap<String, RefTensor>, E> {
    let mut leaves = BTreeMap::new();
    for v in graph.leaves() {
        leaves.insert(graph.name(v).to_string(), RefTensor::from(&read(v)?));
    }
    Ok(leaves)
}
