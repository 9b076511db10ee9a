//! Runs a program step by step on a device, and each step on the reference from the device's own
//! inputs: the first step that is wrong is found where it is wrong.

use crate::device::{Executable, Store};
use crate::error::Result;
use crate::graph::{Graph, Meta, Value};
use crate::ops::pointwise::broadcast_offsets;
use crate::program::{Expr, Fused, Options, Program, Work};
use crate::tensor::{DType, HostTensor, RefTensor};
use std::collections::{BTreeMap, HashMap};

/// How one output of one step compared.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The ops of the step.
    pub step: String,
    /// Layer of the step.
    pub scope: String,
    /// Which value.
    pub value: Value,
    /// Largest error as a fraction of its bound; over 1 is wrong, infinite for a wrong bit.
    pub worst: f64,
    /// Where that was.
    pub at: usize,
    /// What the device made there.
    pub got: f64,
    /// What the reference made there.
    pub expected: f64,
    /// Bits that were left out because the number behind them lies within its rounding error of the
    /// threshold.
    pub ties: usize,
}

/// Runs the graph with these leaves on the store's device and compares every step.
pub fn compare(
    store: &mut Store,
    graph: Graph,
    leaves: &BTreeMap<String, HostTensor>,
    scalars: &[f32],
    options: Options,
) -> Result<Vec<Finding>> {
    let program = Program::compile_with(graph, store.device().backend(), options)?;
    compare_program(store, program, leaves, scalars)
}

/// As [`compare`], for a program that was compiled before, perhaps for another target than the device
/// itself: a software adapter runs the kernels of real GPUs too.
pub fn compare_program(
    store: &mut Store,
    program: Program,
    leaves: &BTreeMap<String, HostTensor>,
    scalars: &[f32],
) -> Result<Vec<Finding>> {
    let mut exe = store.load_program(program, true)?;
    for (name, t) in leaves {
        if store.meta(name).is_some() {
            store.write(name, t)?;
        }
    }
    let program = exe.program().clone();
    let mut findings = Vec::new();
    for i in 0..program.steps.len() {
        let step = &program.steps[i];
        let mut inputs: HashMap<Value, RefTensor> = HashMap::new();
        for v in &step.inputs {
            inputs.insert(*v, RefTensor::from(&exe.read_value(*v)?));
        }
        exe.run_steps(scalars, i..i + 1)?;
        let expected = expect(&program.graph, &step.work, &inputs, scalars);
        for (v, want, bound) in expected {
            let got = RefTensor::from(&exe.read_value(v)?);
            let mut f = Finding {
                step: program.step_name(i),
                scope: program.step_scope(i).to_string(),
                value: v,
                worst: 0.0,
                at: 0,
                got: 0.0,
                expected: 0.0,
                ties: 0,
            };
            for (k, ((g, w), b)) in got.data.iter().zip(&want.data).zip(&bound).enumerate() {
                if want.dtype == DType::Bits && *b >= 1.0 {
                    f.ties += 1;
                    continue;
                }
                let error = if g == w || (g.is_nan() && w.is_nan()) { 0.0 } else { (g - w).abs() };
                let fraction = if error == 0.0 { 0.0 } else { error / b };
                if fraction > f.worst || fraction.is_nan() {
                    f = Finding {
                        worst: if fraction.is_nan() { f64::INFINITY } else { fraction },
                        at: k,
                        got: *g,
                        expected: *w,
                        ..f
                    };
                }
            }
            findings.push(f);
        }
    }
    if let Executable::Gpu(e) = &exe {
        e.check_guards()?;
    }
    Ok(findings)
}

/// What a step must make of its inputs, with the bound of every element.
fn expect(
    graph: &Graph,
    work: &Work,
    inputs: &HashMap<Value, RefTensor>,
    scalars: &[f32],
) -> Vec<(Value, RefTensor, Vec<f64>)> {
    match work {
        Work::Fused(f) => expect_fused(graph, f, inputs, scalars),
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
    }
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
            crate::program::Access::Scalar(_) => Vec::new(),
            crate::program::Access::Full => (0..n).collect(),
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
                    (_, crate::program::Access::Scalar(slot)) => (scalars[*slot] as f64, 0.0),
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
