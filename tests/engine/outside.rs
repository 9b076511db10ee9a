//! What is added from outside of the crate: ops with their own WGSL, and the programs of `tests/examples`, which say what they
//! show.

use crate::devices::devices;
use onebit::device::{Device, Store};
use onebit::error::Result;
use onebit::graph::{Grads, Graph, LowerCx, Meta, Op, Pointwise, Value};
use onebit::launch::{Launch, Lowering, Operand, fold_groups};
use onebit::ops::pointwise::{Sign, Ste};
use onebit::ops::rows::{Extent, RowOp, Rows};
use onebit::program::{Backend, Command, Kernel, Options, Program};
use onebit::shader::sources::Sources;
use onebit::tensor::{DType, HostTensor, RefTensor};
use onebit::verify::compare;
use std::collections::BTreeMap;

#[path = "../examples/own_estimator.rs"]
mod own_estimator;
#[expect(dead_code, reason = "its main is the program's")]
#[path = "../examples/own_experiment.rs"]
mod own_experiment;
#[expect(dead_code, reason = "its main is the program's")]
#[path = "../examples/own_layer.rs"]
mod own_layer;
#[path = "../examples/own_method.rs"]
mod own_method;
#[path = "../examples/own_network.rs"]
mod own_network;

#[test]
fn an_own_estimator_equals_its_formula_on_every_device() {
    assert_eq!(own_estimator::devices().unwrap().len(), devices().len());
    own_estimator::main().unwrap();
}

#[test]
fn an_own_layer_is_in_a_network_of_text_and_equals_its_formula_on_every_device() {
    onebit::nn::LAYERS.add(own_layer::LAYER).unwrap();
    own_layer::check().unwrap();
    assert!(onebit::nn::LAYERS.add(own_layer::LAYER).is_err(), "twice");
}

#[test]
fn an_own_experiment_is_fitted_and_tested_from_its_run() {
    onebit::experiments::EXPERIMENTS.add(&own_experiment::NearestMean).unwrap();
    own_experiment::check().unwrap();
    assert!(onebit::experiments::EXPERIMENTS.add(&own_experiment::NearestMean).is_err(), "twice");
}

#[test]
fn an_own_network_learns() {
    own_network::main().unwrap();
}

#[test]
fn an_own_method_trains_by_its_recipe_and_is_tested_from_its_run() {
    own_method::main().unwrap();
}

/// Its input backwards, by a kernel of that path and text.
#[derive(Clone, Debug)]
struct Reverse {
    path: &'static str,
    text: &'static str,
}

const TEXT: &str = "
    override COUNT: u32;
    @group(0) @binding(0) var<storage, read> x: array<f32>;
    @group(0) @binding(1) var<storage, read_write> y: array<f32>;
    @compute @workgroup_size(64)
    fn main(@builtin(global_invocation_id) id: vec3<u32>) {
        if id.x < COUNT {
            y[id.x] = x[COUNT - 1u - id.x];
        }
    }";

impl Op for Reverse {
    fn name(&self) -> &'static str {
        "reverse"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        Ok(vec![inputs[0].clone()])
    }

    fn grad(&self, g: &mut Graph, _: &[Value], _: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        dy.iter().map(|dy| dy.map(|dy| g.apply1(self.clone(), &[dy])).transpose()).collect()
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let data = inputs[0].data.iter().rev().copied().collect();
        vec![RefTensor::new(outputs[0].shape.clone(), outputs[0].dtype, data)]
    }

    fn bound(&self, inputs: &[&RefTensor], _: &[RefTensor]) -> Vec<Vec<f64>> {
        vec![vec![0.0; inputs[0].data.len()]]
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let n = cx.inputs[0].shape.elements();
        Ok(Launch {
            shader: self.path,
            defines: vec![],
            constants: vec![("COUNT", n as f64)],
            workgroups: fold_groups(n.div_ceil(64)),
            operands: vec![Operand::In(0), Operand::Out(0)],
        }
        .into())
    }

    fn shaders(&self) -> Vec<(String, String)> {
        vec![(self.path.into(), self.text.into())]
    }
}

/// `reverse` of what each of `ops` makes of 100 numbers.
fn reversed(ops: &[Reverse]) -> Graph {
    let mut g = Graph::new();
    let mut x = g.param("x", [100], onebit::graph::Init::Zeros, onebit::graph::Role::Other).unwrap();
    for op in ops {
        x = g.apply1(op.clone(), &[x]).unwrap();
    }
    g.output("y", x);
    g
}

fn kernels(graph: Graph, sources: Sources) -> Result<Vec<Kernel>> {
    let options = Options { sources, ..Options::default() };
    let commands = Program::compile_with(graph, Backend::Gpu(Default::default()), options)?.commands()?;
    Ok(commands.into_iter().filter_map(|c| if let Command::Dispatch(d) = c { Some(d.kernel) } else { None }).collect())
}

const REVERSE: Reverse = Reverse { path: "outside/reverse", text: TEXT };

#[test]
fn an_op_brings_its_kernel_along() {
    let mut graph = reversed(&[REVERSE]);
    let (x, y) = (graph.find("x").unwrap(), graph.outputs()[0].1);
    let weights = graph.constant(HostTensor::from_f32([100], (0..100).map(|i| i as f32).collect()));
    let weighted = graph.mul(y, weights).unwrap();
    let loss = graph.mean_all(weighted).unwrap();
    let d = graph.backward(loss, &[x]).unwrap()[0];
    graph.output("dx", d);
    let leaves =
        BTreeMap::from([("x".to_string(), HostTensor::from_f32([100], (0..100).map(|i| (i * i) as f32).collect()))]);
    for (name, device) in devices() {
        let found = compare(&mut Store::new(device), graph.clone(), &leaves, &[], Options::default()).unwrap();
        let own = found.iter().filter(|f| f.step == "reverse").count();
        assert!(own == 2 && found.iter().all(|f| !f.is_wrong()), "{name}: {found:?}");
    }
    let mut store = Store::new(Device::Cpu);
    let mut step = store.load(graph).unwrap();
    store.write("x", &leaves["x"]).unwrap();
    step.run(&[]).unwrap();
    assert_eq!(step.read("y").unwrap().f32s()[..2], [9801.0, 9604.0]);
}

#[test]
fn what_comes_from_outside_runs_checked() {
    let own = kernels(reversed(&[REVERSE]), Sources::default()).unwrap();
    assert!(own.len() == 1 && own[0].source.text().contains("COUNT - 1u") && !own[0].source.is_ours());
    // A kernel of the crate, launched by an op that is not of the crate.
    let mut g = Graph::new();
    let x = g.input("x", Meta::f32([100])).unwrap();
    let y = g.apply1(Borrowed, &[x]).unwrap();
    let z = g.sum(y, &[0]).unwrap();
    g.output("z", z);
    let ours: Vec<bool> = kernels(g, Sources::default()).unwrap().iter().map(|k| k.source.is_ours()).collect();
    assert!(ours.len() > 1 && !ours[0] && ours[1..].iter().all(|ours| *ours), "{ours:?}");
    // One that comes as a part of an op of the crate.
    let mut g = Graph::new();
    let x = g.input("x", Meta::f32([100, 3])).unwrap();
    let y = g.apply1(Rows(BorrowedRow), &[x]).unwrap();
    g.output("y", y);
    let borrowed = kernels(g, Sources::default()).unwrap();
    assert!(borrowed.len() == 1 && borrowed[0].name == "softmax/softmax" && !borrowed[0].source.is_ours());
    // One that is fused by the formula of an op of the crate, over extents of its own.
    let mut g = Graph::new();
    let x = g.input("x", Meta::f32([4])).unwrap();
    let y = g.apply1(Widened(Sign { ste: Ste::ClippedIdentity, input_kept: true }), &[x]).unwrap();
    g.output("y", y);
    let fused = kernels(g, Sources::default()).unwrap();
    assert!(fused.len() == 1 && !fused[0].source.is_ours(), "{:?}", fused[0].name);
}

/// Says that it is an op of the crate, and has more to show for it.
#[derive(Debug)]
struct Widened(Sign);

impl Op for Widened {
    fn name(&self) -> &'static str {
        "widened"
    }

    fn infer(&self, _: &[Meta]) -> Result<Vec<Meta>> {
        Ok(vec![Meta::new([1 << 20], DType::Bits)])
    }

    fn grad(&self, _: &mut Graph, x: &[Value], _: &[Value], _: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None; x.len()])
    }

    fn reference(&self, inputs: &[&RefTensor], _: &[Meta]) -> Vec<RefTensor> {
        vec![inputs[0].clone()]
    }

    fn bound(&self, _: &[&RefTensor], _: &[RefTensor]) -> Vec<Vec<f64>> {
        vec![]
    }

    fn lower(&self, _: &LowerCx<'_>) -> Result<Lowering> {
        Ok(Lowering::default())
    }

    fn pointwise(&self) -> Option<&dyn Pointwise> {
        Some(&self.0)
    }
}

#[test]
fn one_path_stands_for_one_text() {
    let refused = |ops: &[Reverse]| kernels(reversed(ops), Sources::default()).unwrap_err().to_string();
    let of_crate = Reverse { path: "pointwise/relu", ..REVERSE };
    assert!(refused(&[of_crate]).contains("which this crate has"));
    let other = Reverse { text: "fn main() {}", ..REVERSE };
    assert!(refused(&[REVERSE, other]).contains("which another op has"));
    assert_eq!(kernels(reversed(&[REVERSE, REVERSE]), Sources::default()).unwrap().len(), 2);
    // Whoever replaces a file replaces that of an op too.
    let replaced = Sources::default().with(REVERSE.path, TEXT.replace("COUNT - 1u - id.x", "id.x"));
    assert!(kernels(reversed(&[REVERSE]), replaced).unwrap()[0].source.text().contains("x[id.x]"));
}

/// Its input as it is, by a kernel of the crate.
#[derive(Clone, Debug)]
struct Borrowed;

impl Op for Borrowed {
    fn name(&self) -> &'static str {
        "borrowed"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        Ok(vec![inputs[0].clone()])
    }

    fn grad(&self, _: &mut Graph, x: &[Value], _: &[Value], _: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None; x.len()])
    }

    fn reference(&self, inputs: &[&RefTensor], _: &[Meta]) -> Vec<RefTensor> {
        vec![inputs[0].clone()]
    }

    fn bound(&self, inputs: &[&RefTensor], _: &[RefTensor]) -> Vec<Vec<f64>> {
        vec![vec![0.0; inputs[0].data.len()]]
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let n = cx.inputs[0].shape.elements();
        Ok(onebit::launch::sum_partials(1, n, Operand::In(0), Operand::Out(0)).into())
    }
}

/// Its row as it is, by a kernel of the crate.
#[derive(Clone, Debug)]
struct BorrowedRow;

impl RowOp for BorrowedRow {
    const INPUTS: &'static [Extent] = &[Extent::Row];
    const OUTPUTS: &'static [Extent] = &[Extent::Row];

    fn name(&self) -> &'static str {
        "borrowed_row"
    }

    fn shader(&self) -> &'static str {
        "softmax/softmax"
    }

    fn row(&self, x: &[&[f32]], y: &mut [&mut [f32]]) {
        y[0].copy_from_slice(x[0]);
    }

    fn reference(&self, x: &[&[f64]], y: &mut [&mut [f64]]) {
        y[0].copy_from_slice(x[0]);
    }

    fn bound(&self, x: &[&[f64]], _: &[&[f64]]) -> Vec<Vec<f64>> {
        vec![vec![0.0; x[0].len()]]
    }

    fn grad(&self, _: &mut Graph, x: &[Value], _: &[Value], _: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None; x.len()])
    }
}

#[test]
fn a_view_has_as_many_words_as_its_input() {
    #[derive(Debug)]
    struct Longer;
    impl Op for Longer {
        fn name(&self) -> &'static str {
            "longer"
        }
        fn infer(&self, _: &[Meta]) -> Result<Vec<Meta>> {
            Ok(vec![Meta::f32([200])])
        }
        fn grad(&self, _: &mut Graph, _: &[Value], _: &[Value], _: &[Option<Value>]) -> Result<Grads> {
            Ok(vec![None])
        }
        fn reference(&self, inputs: &[&RefTensor], _: &[Meta]) -> Vec<RefTensor> {
            vec![inputs[0].clone()]
        }
        fn bound(&self, _: &[&RefTensor], _: &[RefTensor]) -> Vec<Vec<f64>> {
            vec![]
        }
        fn lower(&self, _: &LowerCx<'_>) -> Result<Lowering> {
            Ok(Lowering::default())
        }
        fn is_view(&self) -> bool {
            true
        }
    }
    let mut g = Graph::new();
    let x = g.input("x", Meta::f32([100])).unwrap();
    assert!(g.apply1(Longer, &[x]).unwrap_err().to_string().contains("as many words"));
}
