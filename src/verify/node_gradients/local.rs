//! One node by itself: its gradients by the nodes that its op appended, and by differences of what its op computes.

use super::walk::{Walk, Walked};
use crate::graph::{Def, GradientOf, Leaf, Meta, Node, Value};
use crate::rng::Philox;
use crate::tensor::bits::WeightCode;
use crate::tensor::{DType, RefTensor};
use std::collections::BTreeMap;

/// How far a difference may be from the gradient, as a share of them: where nothing bends, differences are good to 1e-6.
pub(super) const TOLERANCE: f64 = 1e-4;
/// Steps of differences, as a share of the numbers: the smaller ones for where a larger one would reach across a bend.
const STEPS: [f64; 3] = [1e-4, 1e-6, 1e-8];
/// Random directions for an input.
const DIRECTIONS: u64 = 2;
/// Bits of an input that are turned over.
const BITS: u64 = 6;
/// Roundings of f64, of all that is summed, that a difference may be off by.
const ROUNDINGS: f64 = 64.0;

/// A gradient of one input along a direction, or of one of its bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Difference {
    /// By the nodes that the op appended.
    pub derived: f64,
    /// By differences.
    pub numeric: f64,
    /// How far apart they are, as a fraction of what they may be.
    pub fraction: f64,
}

/// `Σ r y` of the outputs, and of their magnitudes.
struct Loss {
    sum: f64,
    magnitude: f64,
}

/// A node, its gradients, and what its inputs are.
pub(super) struct Local<'a> {
    walk: &'a Walk,
    walked: &'a Walked,
    node: &'a Node,
    /// What every value of the graph itself is.
    at: &'a [RefTensor],
    /// Constants that the appended nodes read.
    constants: BTreeMap<usize, RefTensor>,
    /// The node's inputs, moved a little off what they are where that does no harm.
    inputs: Vec<RefTensor>,
    /// Nodes that make other inputs of the first one, where its gradient takes the way through them along.
    between: Vec<usize>,
    /// What the loss multiplies each output by.
    factors: Vec<Option<Vec<f64>>>,
    random: Philox,
}

impl<'a> Local<'a> {
    pub fn new(walk: &'a Walk, walked: &'a Walked, at: &'a [RefTensor]) -> Local<'a> {
        let node = &walk.graph.nodes()[walked.node];
        let random = Philox::new(0x9AD, walked.node as u64);
        let read = || walk.graph.nodes()[walked.appended.clone()].iter().flat_map(|n| n.inputs.iter().copied());
        let constant = |v: Value| match walk.graph.def(v) {
            Def::Leaf(Leaf::Const(t)) => Some(RefTensor::from(t.as_ref())),
            _ => None,
        };
        let constants = read().filter(|v| v.index() >= walk.values).filter_map(|v| Some((v.index(), constant(v)?)));
        let is_detached = node.op.gradient_of() == GradientOf::Detached;
        // A gradient that reads more than the node does is right at what all of that was made of together.
        let is_beside = |v: &Value| {
            let is_fixed = matches!(walk.graph.def(*v), Def::Leaf(Leaf::Const(_) | Leaf::Scalar(_)));
            v.index() < walk.values && !is_fixed && !node.inputs.contains(v) && !node.outputs.contains(v)
        };
        let stays = is_detached || read().any(|v| is_beside(&v));
        let inputs = node.inputs.iter().zip(&walked.needed).map(|(v, needed)| match &at[v.index()] {
            x if stays || !needed || x.dtype == DType::Bits => x.clone(),
            x => moved(x, &random, v.index() as u64),
        });
        let inputs = inputs.collect();
        let from_bits = node.inputs.iter().all(|v| walk.graph.dtype(*v) == DType::Bits);
        let factors = node.outputs.iter().zip(&walked.dy).enumerate().map(|(port, (v, dy))| {
            let n = dy.map(|_| walk.graph.shape(*v).elements())?;
            Some(match walk.graph.dtype(*v) {
                // They jump where an input that is no bit moves.
                DType::Bits if !from_bits => vec![0.0; n],
                _ => (0..n as u64).map(|k| f64::from(random.normal(port as u64, k))).collect(),
            })
        });
        let factors = factors.collect();
        let others: Vec<Value> = node.inputs.iter().skip(1).filter(|v| **v != node.inputs[0]).copied().collect();
        let between = if is_detached { nodes_between(walk, node.inputs[0], &others) } else { Vec::new() };
        Local { walk, walked, node, at, constants: constants.collect(), inputs, between, factors, random }
    }

    /// The gradients that the op appends, by the reference; none where it has none.
    pub fn gradients(&self) -> Vec<Option<Vec<f64>>> {
        let own = self.node.inputs.iter().map(|v| v.index());
        let mut made: BTreeMap<usize, RefTensor> = own.zip(self.inputs.iter().cloned()).collect();
        // The node too, as its inputs have moved.
        self.evaluate(self.node, &mut made);
        for (v, r) in self.walked.dy.iter().zip(&self.factors) {
            if let (Some(v), Some(r)) = (v, r) {
                made.insert(v.index(), RefTensor::f32(self.walk.graph.shape(*v).clone(), r.clone()));
            }
        }
        self.walk.graph.nodes()[self.walked.appended.clone()].iter().for_each(|n| self.evaluate(n, &mut made));
        self.walked.gradients.iter().map(|d| d.map(|d| self.value(&made, d).data.clone())).collect()
    }

    /// The worst of the gradients of input `i`, which are `d` by the op.
    pub fn differences(&self, i: usize, d: &[f64]) -> Option<Difference> {
        let worst = |all: Vec<Difference>| all.into_iter().max_by(|a, b| a.fraction.total_cmp(&b.fraction));
        match self.inputs[i].dtype {
            _ if d.is_empty() => None,
            DType::Bits => {
                let before = self.loss(i, &self.inputs[i]);
                worst((0..BITS).map(|k| self.turned(i, d, k, &before)).collect())
            }
            _ => worst((0..DIRECTIONS).map(|k| self.along(i, d, k)).collect()),
        }
    }

    /// The gradient along a random direction, and the difference that is nearest to it.
    fn along(&self, i: usize, d: &[f64], k: u64) -> Difference {
        let stream = 1000 + 100 * i as u64 + k;
        let v: Vec<f64> = (0..d.len()).map(|e| f64::from(self.random.normal(stream, e as u64))).collect();
        let derived = d.iter().zip(&v).map(|(d, v)| d * v).sum::<f64>();
        let norm = d.iter().map(|d| d * d).sum::<f64>().sqrt();
        let x = &self.inputs[i];
        let is_positive = x.data.iter().all(|x| *x > 0.0);
        let mut nearest: Option<Difference> = None;
        for step in STEPS.map(|s| s * size(x)) {
            let shifted = |sign: f64| {
                let shift = |(x, v): (&f64, &f64)| {
                    let by = step * v.abs();
                    // Positive numbers stay positive.
                    x + sign * v.signum() * if is_positive { by.min(0.5 * x) } else { by }
                };
                RefTensor { data: x.data.iter().zip(&v).map(shift).collect(), ..x.clone() }
            };
            let (up, down) = (shifted(1.0), shifted(-1.0));
            // What the gradient says of the way that was gone, which rounding and limits make another than the direction.
            let way: f64 = up.data.iter().zip(&down.data).zip(d).map(|((up, down), d)| (up - down) * d).sum();
            let (up, down) = (self.loss(i, &up), self.loss(i, &down));
            let numeric = derived + (up.sum - down.sum - way) / (2.0 * step);
            let rounding = ROUNDINGS * f64::EPSILON * (up.magnitude + down.magnitude) / (2.0 * step);
            let made = difference(derived, numeric, 0.05 * norm, rounding);
            if nearest.is_none_or(|n| made.fraction < n.fraction) {
                nearest = Some(made);
            }
            if made.fraction < 0.1 {
                break;
            }
        }
        nearest.expect("there are steps")
    }

    /// What the loss changes by when a bit is turned over: exactly what its gradient says, as what is made of bits is linear in
    /// each of them.
    fn turned(&self, i: usize, d: &[f64], k: u64, before: &Loss) -> Difference {
        let mut draws = self.random.draws(1_000_000 + 100 * i as u64 + k, 0);
        let e = draws.below(u32::try_from(d.len()).unwrap_or(u32::MAX)) as usize;
        let mut x = self.inputs[i].clone();
        let sign = if x.data[e] == 0.0 { 1.0 } else { -1.0 };
        x.data[e] = 1.0 - x.data[e];
        let after = self.loss(i, &x);
        // What stays bits passes gradients on as they are.
        let stays_bits = self.node.outputs.iter().all(|v| self.walk.graph.dtype(*v) == DType::Bits);
        let apart = match self.node.op.bits_are(i) {
            WeightCode::PlusMinus if !stays_bits => 2.0,
            _ => 1.0,
        };
        let numeric = sign * (after.sum - before.sum) / apart;
        difference(d[e], numeric, 0.0, ROUNDINGS * f64::EPSILON * (after.magnitude + before.magnitude))
    }

    /// The loss where input `i` is `x`.
    fn loss(&self, i: usize, x: &RefTensor) -> Loss {
        let mut made = BTreeMap::new();
        if i == 0 && !self.between.is_empty() {
            made.insert(self.node.inputs[0].index(), x.clone());
            self.between.iter().for_each(|n| self.evaluate(&self.walk.graph.nodes()[*n], &mut made));
        }
        let own = self.node.inputs.iter().zip(&self.inputs).enumerate();
        let inputs: Vec<&RefTensor> =
            own.map(|(k, (v, own))| if k == i { x } else { made.get(&v.index()).unwrap_or(own) }).collect();
        let mut loss = Loss { sum: 0.0, magnitude: 0.0 };
        for (y, r) in self.node.op.reference(&inputs, &self.metas(self.node)).iter().zip(&self.factors) {
            for (y, r) in y.data.iter().zip(r.iter().flatten()) {
                loss.sum += y * r;
                loss.magnitude += (y * r).abs();
            }
        }
        loss
    }

    fn metas(&self, node: &Node) -> Vec<Meta> {
        node.outputs.iter().map(|v| self.walk.graph.meta(*v).clone()).collect()
    }

    fn value<'b>(&'b self, made: &'b BTreeMap<usize, RefTensor>, v: Value) -> &'b RefTensor {
        let i = v.index();
        let known = made.get(&i).or_else(|| self.at.get(i)).or_else(|| self.constants.get(&i));
        known.expect("behind the graph's own there are constants, and what appended nodes make")
    }

    fn evaluate(&self, node: &Node, made: &mut BTreeMap<usize, RefTensor>) {
        let inputs: Vec<&RefTensor> = node.inputs.iter().map(|v| self.value(made, *v)).collect();
        let outputs = node.op.reference(&inputs, &self.metas(node));
        made.extend(node.outputs.iter().map(|v| v.index()).zip(outputs));
    }
}

fn difference(derived: f64, numeric: f64, scale: f64, rounding: f64) -> Difference {
    let error = (derived - numeric).abs();
    let fraction = match error <= rounding {
        true => 0.0,
        false => (error - rounding) / derived.abs().max(numeric.abs()).max(scale) / TOLERANCE,
    };
    Difference { derived, numeric, fraction: if fraction.is_nan() { f64::INFINITY } else { fraction } }
}

/// The quadratic mean of numbers; 1 if all are 0.
fn size(x: &RefTensor) -> f64 {
    let square = x.data.iter().map(|v| v * v).sum::<f64>() / x.data.len().max(1) as f64;
    if square > 0.0 { square.sqrt() } else { 1.0 }
}

/// Numbers a little off what they are, so that no maximum stands on its edge and nothing on the bend of an activation. Where
/// none is negative, all become positive: what takes their root or logarithm can.
fn moved(x: &RefTensor, random: &Philox, stream: u64) -> RefTensor {
    let (size, is_positive) = (size(x), x.data.iter().all(|v| *v >= 0.0));
    let moved = x.data.iter().enumerate().map(|(k, v)| {
        let by = 1e-3 * (f64::from(random.uniform(500_000 + stream, k as u64)) - 0.5);
        v * (1.0 + by) + size * if is_positive { by.abs() } else { by }
    });
    RefTensor { data: moved.collect(), ..x.clone() }
}

/// The nodes between one value and others: they depend on the one and are needed for the others.
fn nodes_between(walk: &Walk, from: Value, to: &[Value]) -> Vec<usize> {
    let nodes = &walk.graph.nodes()[..walk.nodes];
    let (mut depends, mut needed) = (vec![false; walk.values], vec![false; walk.values]);
    depends[from.index()] = true;
    to.iter().for_each(|v| needed[v.index()] = true);
    for node in nodes {
        if node.inputs.iter().any(|v| depends[v.index()]) {
            node.outputs.iter().for_each(|v| depends[v.index()] = true);
        }
    }
    for node in nodes.iter().rev() {
        if node.outputs.iter().any(|v| needed[v.index()]) {
            node.inputs.iter().for_each(|v| needed[v.index()] = true);
        }
    }
    let lies = |n: &Node| n.outputs.iter().any(|v| *v != from && depends[v.index()] && needed[v.index()]);
    (0..walk.nodes).filter(|i| lies(&nodes[*i])).collect()
}
