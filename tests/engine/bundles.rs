//! Small kernels that do not wait for each other run as one on a GPU: how many are left, that each part of one equals the
//! reference, and that a step which is bundled computes what it computes op by op.

use crate::devices::{devices, gpus};
use crate::near::near;
use onebit::device::Store;
use onebit::gpu::GpuOptions;
use onebit::graph::{Def, Graph, Init, Meta, Role, Value};
use onebit::launch::Target;
use onebit::nn::{Mode, NetKind, NetSpec};
use onebit::ops::pointwise::Ste;
use onebit::optim::{OptimSpec, Rule};
use onebit::program::{Backend, Options, Program, Work};
use onebit::tensor::{DType, HostTensor};
use onebit::verify::compare;
use std::collections::{BTreeMap, HashMap};

const SGD: Rule = Rule::Sgd { momentum: 0.9, nesterov: false };
/// Of bits, of rows of 32 and others, vectors of four and others, one element.
const SHAPES: [&[usize]; 7] = [&[64, 33], &[7], &[2, 3, 5, 8], &[1], &[130], &[40, 64], &[3, 32]];

/// Parameters of several shapes, updated by inputs: an update each, and none waits for another.
fn updates() -> Graph {
    let mut g = Graph::new();
    let spec = OptimSpec { weight_decay: 0.01, ..OptimSpec::new(SGD) };
    let (mut params, mut gradients) = (Vec::new(), Vec::new());
    for (i, shape) in SHAPES.iter().enumerate() {
        params.push(g.param(&format!("w{i}"), *shape, Init::Zeros, Role::Weight).unwrap());
        gradients.push(g.input(&format!("d{i}"), Meta::f32(*shape)).unwrap());
    }
    spec.step(&mut g, &params, &gradients, None).unwrap();
    g
}

/// Beside the updates: weights that become bits, numbers by channel, strides and one number for all, in two phases, some
/// waiting for a reduction between them.
fn mixed() -> Graph {
    let mut g = updates();
    let param = |g: &Graph, i: usize| g.params().into_iter().find(|p| g.name(*p) == format!("w{i}")).unwrap();
    let (channel, one) = (param(&g, 1), param(&g, 3));
    for (i, shape) in SHAPES.iter().enumerate() {
        let w = param(&g, i);
        let bits = g.sign(w, Ste::Identity).unwrap();
        g.output(format!("bits{i}"), bits);
        let moved = g.add(w, one).unwrap();
        let last = shape.len() - 1;
        let sum = g.sum(moved, &[last]).unwrap();
        let centred = g.sub(moved, sum).unwrap();
        let centred = g.scale(centred, 0.5).unwrap();
        g.output(format!("centred{i}"), centred);
    }
    let x = g.input("x", Meta::f32([3, 5, 7])).unwrap();
    let by_channel = g.mul(x, channel).unwrap();
    g.output("by channel", by_channel);
    let seen = g.state("seen", Meta::f32([7]), Init::Zeros).unwrap();
    let next = g.add(seen, channel).unwrap();
    g.assign(seen, next).unwrap();
    g
}

fn leaves() -> BTreeMap<String, HostTensor> {
    let numbers = |shape: &[usize], shift: u32| {
        let n = shape.iter().product::<usize>() as u32;
        let one = |i: u32| ((i + shift).wrapping_mul(0x9E37_79B9) >> 8) as f32 / (1 << 23) as f32 - 1.0;
        HostTensor::from_f32(shape, (0..n).map(one).collect())
    };
    let mut all = BTreeMap::from([("x".to_string(), numbers(&[3, 5, 7], 5)), ("seen".to_string(), numbers(&[7], 6))]);
    for (i, shape) in SHAPES.iter().enumerate() {
        all.insert(format!("w{i}"), numbers(shape, 10 * i as u32));
        all.insert(format!("d{i}"), numbers(shape, 10 * i as u32 + 3));
        all.insert(format!("optim.w{i}.momentum"), numbers(shape, 10 * i as u32 + 7));
    }
    all
}

fn compiled(graph: Graph, max_storage_buffers: u32) -> Program {
    let target = Target { max_storage_buffers, ..Target::default() };
    Program::compile(graph, Backend::Gpu(target)).unwrap()
}

#[test]
fn updates_that_do_not_wait_run_as_one() {
    // Each binds its parameter, the gradient and the momentum.
    for (buffers, kernels) in [(8, 4), (21, 1), (1000, 1)] {
        let program = compiled(updates(), buffers);
        assert_eq!(program.steps().len(), kernels, "{buffers} buffers\n{program}");
        assert_eq!(program.commands().unwrap().len(), kernels);
        assert_eq!(program.transient_bytes(), 0, "{program}");
    }
    assert_eq!(Program::compile(updates(), Backend::Cpu).unwrap().steps().len(), SHAPES.len());
}

#[test]
fn weights_become_bits_in_one_kernel() {
    let program = compiled(mixed(), 64);
    let names: Vec<String> = (0..program.steps().len()).map(|i| program.step_name(i)).collect();
    assert!(names[0].starts_with(&format!("{} x sign", SHAPES.len())), "{program}");
}

#[test]
fn every_part_of_a_bundle_equals_the_reference_on_every_device() {
    for (name, device) in devices() {
        let found = compare(&mut Store::new(device), mixed(), &leaves(), &[0.1], Options::default()).unwrap();
        assert!(found.len() >= 5 * SHAPES.len(), "{name}");
        for f in found {
            assert!(f.worst.fraction <= 1.0, "{name}: {f:?}");
        }
    }
    // Few buffers a kernel: other bundles.
    for (name, device) in gpus(GpuOptions { limits: onebit::gpu::LimitSet::Downlevel, ..GpuOptions::default() }) {
        for f in compare(&mut Store::new(device), mixed(), &leaves(), &[0.1], Options::default()).unwrap() {
            assert!(f.worst.fraction <= 1.0, "{name}: {f:?}");
        }
    }
}

#[test]
fn steps_in_bundles_end_where_steps_op_by_op_do() {
    for (name, device) in devices() {
        let run = |options: Options| {
            let mut store = Store::new(device.clone());
            let program = Program::compile_with(mixed(), device.backend(), options).unwrap();
            let mut exe = store.load_program(program, false).unwrap();
            leaves().iter().for_each(|(leaf, t)| store.write(leaf, t).unwrap());
            (0..3).for_each(|_| exe.run(&[0.1]).unwrap());
            let mut made: Vec<HostTensor> = (0..SHAPES.len()).map(|i| store.read(&format!("w{i}")).unwrap()).collect();
            made.push(store.read("seen").unwrap());
            made.extend((0..SHAPES.len()).map(|i| exe.read(&format!("centred{i}")).unwrap()));
            made
        };
        for (a, b) in run(Options::default()).iter().zip(run(Options::op_by_op())) {
            // Kernels may round a product before the sum or not.
            near(&name, &a.to_f64(), &b.to_f64(), |e| 1e-6 * (1.0 + e.abs()));
        }
    }
}

/// A step runs after what it reads was made, and before what it reads is overwritten.
fn check_order(program: &Program) {
    let graph = program.graph();
    // What a view is of: whoever has its buffer, first of all.
    let root = |mut v: Value| {
        while let Def::Node { node, .. } = graph.def(v) {
            let n = &graph.nodes()[*node];
            if !matches!(n.op.name(), "reshape" | "detach") {
                break;
            }
            v = n.inputs[0];
        }
        v
    };
    let mut made: HashMap<Value, usize> = HashMap::new();
    for (i, step) in program.steps().iter().enumerate() {
        step.outputs.iter().for_each(|v| assert!(made.insert(*v, i).is_none(), "twice\n{program}"));
    }
    for (i, step) in program.steps().iter().enumerate() {
        for v in step.inputs.iter().map(|v| root(*v)) {
            if matches!(graph.def(v), Def::Node { .. }) {
                assert!(made[&v] < i, "step {i} reads what is not there\n{program}");
            }
            for (_, value) in graph.assigns().iter().filter(|(leaf, _)| *leaf == v) {
                let Some(&writer) = made.get(value) else { continue };
                let in_place = program.place()[value.index()] == program.place()[v.index()];
                let alone = match &program.steps()[i].work {
                    Work::Fused(chains) => chains.iter().all(|f| {
                        let reads = f.loads.iter().any(|(u, _)| root(*u) == v);
                        !reads || f.stores.iter().any(|(u, _)| u == value)
                    }),
                    _ => false,
                };
                assert!(!in_place || i < writer || (i == writer && alone), "step {i} reads too late\n{program}");
            }
        }
    }
}

#[test]
fn a_step_of_a_network_is_in_order_and_has_fewer_kernels() {
    for (kind, binary) in [(NetKind::Resnet18, true), (NetKind::Resnet18, false), (NetKind::VitSmall, true)] {
        for rule in [SGD, Rule::Lars { momentum: 0.9, trust: 0.01, eps: 1e-8 }] {
            let graph = || {
                let mut g = Graph::new();
                let x = g.input("x", Meta::f32([4, 32, 32, 3])).unwrap();
                let labels = g.input("labels", Meta::new([4], DType::U32)).unwrap();
                let logits = NetSpec::new(kind, binary).build(&mut g, x, 10, Mode::Train, None).unwrap();
                let loss = g.cross_entropy(logits, labels, 0.0).unwrap();
                g.output("loss", loss);
                let params = g.params();
                let gradients = g.backward(loss, &params).unwrap();
                OptimSpec::new(rule).step(&mut g, &params, &gradients, None).unwrap();
                g
            };
            let alone = Program::compile(graph(), Backend::Cpu).unwrap();
            check_order(&alone);
            for buffers in [4, 8, 32, 1000] {
                let program = compiled(graph(), buffers);
                check_order(&program);
                let bundled = program.steps().iter().filter(|s| matches!(&s.work, Work::Fused(f) if f.len() > 1));
                assert!(bundled.count() > 0 || buffers == 4, "{kind:?} {rule:?}");
                assert!(program.steps().len() < alone.steps().len() || buffers < 32, "{kind:?} {rule:?}");
            }
        }
    }
}
