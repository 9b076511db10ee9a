//! What a step of a program must make of its inputs, by the textbook, and how far off a device may be.

use crate::graph::{Graph, Meta, Value};
use crate::ops::pointwise::broadcast_offsets;
use crate::program::{Access, Expr, Fused, Program, Work};
use crate::tensor::{DType, HostTensor, RefTensor};
use std::collections::HashMap;

/// What one output of a step must be.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// Which value.
    pub value: Value,
    /// Its content by the reference.
    pub want: RefTensor,
    /// How far each element may be from that. For bits, a bound of 1 marks one that the rounding of the
    /// number behind it may turn: it is not compared.
    pub bound: Vec<f64>,
}

/// The worst element of a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Worst {
    /// Largest error as a fraction of its bound; over 1 is wrong, infinite for a wrong bit or integer.
    pub fraction: f64,
    /// Where that was.
    pub at: usize,
    /// What the device made there.
    pub got: f64,
    /// What the reference made there.
    pub expected: f64,
    /// Bits that were left out.
    pub ties: usize,
}

impl Expectation {
    /// Compares what a device made.
    pub fn compare(&self, got: &HostTensor) -> Worst {
        let n = self.want.data.len();
        assert!(self.bound.len() == n && got.shape().elements() == n, "every number has a bound and is compared");
        let mut worst = Worst::default();
        for (at, ((g, w), b)) in got.to_f64().into_iter().zip(&self.want.data).zip(&self.bound).enumerate() {
            if self.want.dtype == DType::Bits && *b >= 1.0 {
                worst.ties += 1;
                continue;
            }
            let error = if g == *w || (g.is_nan() && w.is_nan()) { 0.0 } else { (g - w).abs() };
            let fraction = if error == 0.0 { 0.0 } else { error / b };
            if fraction > worst.fraction || fraction.is_nan() {
                let fraction = if fraction.is_nan() { f64::INFINITY } else { fraction };
                worst = Worst { fraction, at, got: g, expected: *w, ..worst };
            }
        }
        worst
    }
}

/// What step `i` must make of these inputs.
pub fn expect(program: &Program, i: usize, inputs: &HashMap<Value, RefTensor>, scalars: &[f32]) -> Vec<Expectation> {
    let graph = &program.graph;
    let made = match &program.steps[i].work {
        Work::Fused(chains) => chains.iter().flat_map(|f| expect_fused(graph, f, inputs, scalars)).collect(),
        Work::Node { node, .. } => {
            let node = &graph.nodes()[*node];
            let refs: Vec<&RefTensor> = node.inputs.iter().map(|v| &inputs[v]).collect();
            let metas: Vec<Meta> = node.outputs.iter().map(|v| graph.meta(*v).clone()).collect();
            let outputs = node.op.reference(&refs, &metas);
            let bounds = node.op.bound(&refs, &outputs);
            node.outputs.iter().copied().zip(outputs).zip(bounds).map(|((v, o), b)| (v, o, b)).collect()
        }
        Work::Copy { from, to } => {
            let t = inputs[from].clone();
            let exact = vec![0.0; t.data.len()];
            vec![(*to, t, exact)]
        }
    };
    made.into_iter().map(|(value, want, bound)| Expectation { value, want, bound }).collect()
}

/// The chain in f64, carrying for each number how far the device's may be from it: the rounding of
/// each op plus what an op makes of its inputs' errors, found by moving each input by its error.
fn expect_fused(
    graph: &Graph,
    f: &Fused,
    inputs: &HashMap<Value, RefTensor>,
    scalars: &[f32],
) -> Vec<(Value, RefTensor, Vec<f64>)> {
    let n = f.domain.elements();
    let offsets: Vec<Vec<usize>> = f
        .loads
        .iter()
        .map(|(v, a)| match a {
            Access::Scalar(_) => Vec::new(),
            Access::Full => (0..n).collect(),
            _ => broadcast_offsets(graph.shape(*v), &f.domain),
        })
        .collect();
    let mut made: Vec<(Value, Vec<f64>, Vec<f64>)> =
        f.stores.iter().map(|(v, _)| (*v, vec![0.0; n], vec![0.0; n])).collect();
    let mut values = vec![(0.0f64, 0.0f64); f.exprs.len()];
    let mut element = |e: usize| {
        for (i, expr) in f.exprs.iter().enumerate() {
            values[i] = match expr {
                Expr::Load(l) => match &f.loads[*l] {
                    (_, Access::Scalar(slot)) => (scalars[*slot] as f64, 0.0),
                    (v, _) => (inputs[v].data[offsets[*l][e]], 0.0),
                },
                Expr::Apply { node, port, args } => {
                    let op = graph.nodes()[*node].op.pointwise().expect("only pointwise nodes are fused");
                    let mut x: Vec<f64> = args.iter().map(|a| values[*a].0).collect();
                    let bits = op.dtype(*port) == DType::Bits;
                    let y = op.eval64(*port, e, &x);
                    let mut error = if bits { 0.0 } else { op.bound(*port, &x, y) };
                    for (k, a) in args.iter().enumerate() {
                        let (center, by) = values[*a];
                        if by > 0.0 {
                            let mut moved = 0.0f64;
                            for side in [center - by, center + by] {
                                x[k] = side;
                                moved = moved.max((op.eval64(*port, e, &x) - y).abs());
                            }
                            x[k] = center;
                            error += moved;
                        }
                    }
                    (y, error)
                }
            };
        }
        for (store, (_, x)) in made.iter_mut().zip(&f.stores) {
            (store.1[e], store.2[e]) = values[*x];
        }
    };
    (0..n).for_each(&mut element);
    made.into_iter()
        .map(|(v, data, bound)| (v, RefTensor::new(graph.shape(v).clone(), graph.dtype(v), data), bound))
        .collect()
}
