//! Variants of kernels: every one is right, choosing among those of the same order changes no bit, and one that is wrong
//! or does not compile is never chosen.

use crate::devices;
use onebit::cache;
use onebit::device::{Device, Store};
use onebit::gpu::{GpuDevice, GpuOptions};
use onebit::graph::{Graph, Init, Meta, Role};
use onebit::launch::{Choices, Target};
use onebit::nn::{Mode, NetKind, NetSpec};
use onebit::optim::{OptimSpec, Rule};
use onebit::program::{Backend, Options, Program};
use onebit::rng::Philox;
use onebit::shader::sources::Sources;
use onebit::tensor::{DType, HostTensor};
use onebit::tune::{Class, Standing, TuneOptions, classes, remembered, try_variants, tune};
use onebit::verify::{ReferenceCache, cases, compare_program};
use std::collections::BTreeSet;
use std::sync::Arc;

fn gpus() -> Vec<(String, GpuDevice)> {
    let only_gpu = |(name, d): (String, Device)| match d {
        Device::Gpu(d) => (name, d),
        Device::Cpu => panic!("{name} is no GPU"),
    };
    devices::gpus(GpuOptions::default()).into_iter().map(only_gpu).collect()
}

/// Cases of the ops that have variants, with another variant each time, against the reference. The adapters share the cases
/// out among themselves: together they run all of them, however many adapters there are. Kernels of the kind of adapter
/// that one is and is not take turns.
#[test]
fn variants_are_right() {
    let (mut possible, mut tried) = (BTreeSet::new(), BTreeSet::new());
    let (mut wrong, mut turn, mut ran) = (Vec::new(), 0, 0);
    let ops = ["conv2d", "matmul", "linear"];
    let specs: Vec<_> =
        cases::all().into_iter().filter(|c| !c.large && ops.iter().any(|op| c.op.contains(op))).collect();
    let gpus = gpus();
    for (nth, (name, device)) in gpus.iter().enumerate() {
        for case in specs.iter().skip(nth).step_by(gpus.len()).map(|c| c.build(cases::SEED)) {
            ran += 1;
            // Once, and again while it has a variant that no case had yet.
            for pass in 0.. {
                let target = Target { software: turn % 2 == 0, busy_workgroups: 16, ..device.target() };
                let by_rule = Program::compile(case.graph.clone(), Backend::Gpu(target.clone())).unwrap();
                let mut found_new = false;
                let choose = |c: Class| {
                    turn += 1;
                    let kind = |v: &str| (c.op.name(), v.to_string());
                    possible.extend(c.variants.iter().map(|v| kind(&v.name)));
                    let names: Vec<&str> = c.variants.iter().map(|v| v.name.as_str()).collect();
                    let new = names.iter().find(|v| !tried.contains(&kind(v)));
                    let variant = new.copied().unwrap_or(names[turn % names.len()]);
                    found_new |= tried.insert(kind(variant));
                    (c.key.clone(), variant.to_string())
                };
                let choices: Choices = classes([&by_rule], &target).into_iter().map(choose).collect();
                if pass > 0 && !found_new {
                    break;
                }
                let target = Target { choices: Arc::new(choices), ..target };
                let program = Program::compile(case.graph.clone(), Backend::Gpu(target)).unwrap();
                let mut store = Store::new(Device::Gpu(device.clone()));
                let title = format!("{name}: {} {}", case.op, case.name);
                match compare_program(&mut store, program, &case.leaves, &case.scalars, &ReferenceCache::default()) {
                    Err(e) => wrong.push(format!("{title}: {e}")),
                    Ok(f) => wrong.extend(f.iter().filter(|f| f.is_wrong()).map(|f| format!("{title}: {f:?}"))),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
    println!("{ran} cases on {} adapters tried {} of {} variants", gpus.len(), tried.len(), possible.len());
    assert_eq!(ran, specs.len(), "every case ran");
    let left: Vec<_> = possible.difference(&tried).collect();
    assert!(left.is_empty() && tried.len() > 30, "tried {tried:?}, but not {left:?}");
}

/// A training step of a small network, its parameters filled.
fn step(binary: bool) -> Graph {
    let mut spec = NetSpec::new(NetKind::Convnet, binary);
    spec.widths = vec![16, 16, 32, 32];
    let mut g = Graph::new();
    let build = |g: &mut Graph| {
        let x = g.input("x", Meta::f32([6, 12, 12, 3]))?;
        let labels = g.input("labels", Meta::new([6], DType::U32))?;
        let logits = spec.build(g, x, 10, Mode::Train, None)?;
        let loss = g.cross_entropy(logits, labels, 0.0)?;
        g.output("loss", loss);
        let params = g.params();
        let grads = g.backward(loss, &params)?;
        let rule = Rule::Sgd { momentum: 0.9, nesterov: false };
        OptimSpec::new(rule).step(g, &params, &grads, None)
    };
    build(&mut g).unwrap();
    g
}

/// The words of all parameters after a few steps.
fn train(device: &GpuDevice, program: Program) -> Vec<(String, Vec<u32>)> {
    let mut store = Store::new(Device::Gpu(device.clone()));
    let mut exe = store.load_program(program, true).unwrap();
    let graph = exe.program().graph().clone();
    store.initialise(&graph, 1).unwrap();
    let p = Philox::new(3, 0);
    let n = 6 * 12 * 12 * 3;
    let images = (0..n).map(|i| p.normal(0, i as u64)).collect();
    store.write("x", &HostTensor::from_f32([6, 12, 12, 3], images)).unwrap();
    store.write("labels", &HostTensor::from_u32([6], vec![0, 3, 1, 7, 9, 3])).unwrap();
    for _ in 0..4 {
        exe.run(&[0.05]).unwrap();
    }
    let read = |v| (graph.name(v).to_string(), store.read(graph.name(v)).unwrap().words().to_vec());
    graph.params().into_iter().map(read).collect()
}

#[test]
fn choices_of_the_same_order_train_to_the_same_bits() {
    for (name, device) in gpus() {
        for binary in [false, true] {
            let by_rule = Program::compile(step(binary), Backend::Gpu(device.target())).unwrap();
            let mut changed = 0;
            let mut choices = Vec::new();
            // Of each op one class for each kernel that its rule takes: other extents have the same variants.
            let mut kinds = BTreeSet::new();
            let classes = classes([&by_rule], &device.target()).into_iter();
            for class in classes.filter(|c| kinds.insert((c.op.name(), c.variants[0].name.clone()))) {
                let trials = try_variants(&device, &class, &Sources::default()).unwrap();
                let dropped: Vec<_> = trials.iter().filter_map(|t| t.dropped()).collect();
                assert!(dropped.is_empty(), "{name}: {}: {dropped:?}", class.key);
                // The furthest from the rule's that may be chosen, whether it is faster or not.
                let last = trials.iter().rposition(|t| t.standing == Standing::Same).unwrap();
                changed += (last > 0) as usize;
                choices.push((class.key, trials[last].name.clone()));
            }
            assert!(changed > 2, "{name}: {choices:?}");
            let tuned = device.with_choices(choices.into_iter().collect());
            let program = Program::compile(step(binary), Backend::Gpu(tuned.target())).unwrap();
            assert_ne!(program.commands().unwrap(), by_rule.commands().unwrap(), "{name}");
            assert!(train(&device, program) == train(&device, by_rule), "{name}, binary {binary}");
        }
    }
}

/// A convolution and a product, both large enough for the kernels that rules prefer.
fn two_ops() -> Graph {
    let mut g = Graph::new();
    let mut leaf = |name: &str, shape: &[usize]| g.param(name, shape.to_vec(), Init::Zeros, Role::Other).unwrap();
    let (x, w) = (leaf("x", &[4, 8, 8, 16]), leaf("w", &[32, 3, 3, 16]));
    let (a, b) = (leaf("a", &[64, 64]), leaf("b", &[64, 64]));
    let y = g.conv2d(x, w, 1, 1, 1).unwrap();
    let c = g.matmul(a, b, false, false).unwrap();
    g.output("y", y);
    g.output("c", c);
    g
}

#[test]
fn a_wrong_kernel_and_one_that_does_not_compile_are_dropped_and_named() {
    let folder = tempfile::tempdir().unwrap();
    cache::use_folder(folder.path());
    let right = Sources::default();
    let wrong = right.text("conv/conv2d").unwrap().replace("] = sum;", "] = sum + select(0.0, 1.0, i == 77u);");
    assert_ne!(wrong, right.text("conv/conv2d").unwrap());
    let sources = right.with("conv/conv2d", wrong).with("linalg/matmul", "this is no WGSL".to_string());
    for (name, device) in gpus() {
        let by_rule = Program::compile(two_ops(), Backend::Gpu(device.target())).unwrap();
        let options = TuneOptions { sources: sources.clone(), allow_reorder: true, ..TuneOptions::default() };
        let mut log = Vec::new();
        let tuned = tune(&device, [&by_rule], &options, &mut |line| log.push(line)).unwrap();
        assert_eq!((tuned.measured.len(), tuned.known, tuned.left), (2, 0, 0), "{name}");
        let told = |parts: &[&str]| log.iter().filter(|l| parts.iter().all(|p| l.contains(p))).count();
        assert_eq!(told(&["plain is left out of conv2d of 4x8x8x16 to 32", "number 77 is", "must be"]), 1, "{log:?}");
        assert_eq!(told(&["plain is left out of matmul", "linalg/matmul"]), 1, "{log:?}");
        assert_eq!(log.len(), 2, "{log:?}");
        assert!(tuned.measured.iter().all(|(_, v)| v.taken != "plain" && v.any.as_deref() != Some("plain")), "{name}");

        // Work goes on with the choices, and they are remembered, but not for other shaders.
        let options = Options { sources: sources.clone(), ..Options::default() };
        let backend = Backend::Gpu(tuned.device.target());
        let mut store = Store::new(Device::Gpu(device.clone()));
        let mut exe = store.load_program(Program::compile_with(two_ops(), backend, options).unwrap(), true).unwrap();
        exe.run(&[]).unwrap();
        let again = TuneOptions { sources: sources.clone(), allow_reorder: true, ..TuneOptions::default() };
        let known = tune(&device, [&by_rule], &again, &mut |line| panic!("{line}")).unwrap();
        assert_eq!((known.measured.len(), known.known), (0, 2), "{name}");
        assert!(remembered(&device, true).target().choices.is_empty(), "{name}");
    }
}

#[test]
fn where_the_rule_is_wrong_the_first_that_is_right_is_taken() {
    let right = Sources::default();
    for (name, device) in gpus() {
        let by_rule = Program::compile(two_ops(), Backend::Gpu(device.target())).unwrap();
        let class = classes([&by_rule], &device.target()).into_iter().find(|c| c.key.starts_with("conv2d")).unwrap();
        let shader = class.variants[0].lowering.launches[0].shader;
        // Whatever the rule takes makes nothing at all.
        let text = "@group(0) @binding(0) var<storage, read> x: array<u32>;
            @group(0) @binding(1) var<storage, read> w: array<u32>;
            @group(0) @binding(2) var<storage, read_write> y: array<u32>;
            @compute @workgroup_size(1) fn main() { y[0] = x[0] + w[0]; }";
        let mut constants = String::new();
        for (constant, _) in &class.variants[0].lowering.launches[0].constants {
            constants += &format!("override {constant}: u32;\n");
        }
        let sources = right.with(shader, constants + text);
        let trials = try_variants(&device, &class, &sources).unwrap();
        assert!(trials[0].dropped().is_some_and(|(_, why)| why.contains("wrong")), "{name}");
        let first = trials.iter().find(|t| t.dropped().is_none()).expect("another shader is right");
        assert_eq!(first.standing, Standing::Same, "{name}: {}", first.name);
    }
}
