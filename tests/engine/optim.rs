//! Optimisers against PyTorch's numbers (`tests/golden/optim.py`) and the formulas of their papers, on
//! every device; and that an update is one kernel that works in place.

use crate::devices::devices;
use crate::near::near;
use onebit::device::{Device, Store};
use onebit::graph::{Graph, Init, Meta, Role, Value};
use onebit::launch::Target;
use onebit::optim::{OptimSpec, Rule};
use onebit::program::{Backend, Options, Program, Work};
use onebit::tensor::HostTensor;

const START: [f32; 5] = [0.5, -1.25, 0.0, 2.0, -0.03125];
const GRADS: [[f32; 5]; 4] = [
    [0.25, -0.5, 1.0, -2.0, 0.125],
    [0.5, 0.25, -1.0, 0.0, 0.125],
    [-1.5, 0.0, 0.75, 1.0, -0.25],
    [0.0, 0.5, 0.5, -1.0, 3.0],
];

const SGD: Rule = Rule::Sgd { momentum: 0.0, nesterov: false };
const MOMENTUM: Rule = Rule::Sgd { momentum: 0.9, nesterov: false };
const NESTEROV: Rule = Rule::Sgd { momentum: 0.9, nesterov: true };
const ADAM: Rule = Rule::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8 };
const ADAMW: Rule = Rule::AdamW { beta1: 0.8, beta2: 0.99, eps: 1e-6 };
const LARS: Rule = Rule::Lars { momentum: 0.9, trust: 0.01, eps: 1e-8 };
const LARC: Rule = Rule::Larc { momentum: 0.9, trust: 0.02, eps: 1e-8, clip: true };

fn with_decay(rule: Rule, weight_decay: f32) -> OptimSpec {
    OptimSpec { weight_decay, ..OptimSpec::new(rule) }
}

/// A graph that updates one parameter `w` by the input `d`, gated by the input `halted` if asked for.
fn graph(spec: &OptimSpec, shape: &[usize], role: Role, gated: bool) -> Graph {
    let g = &mut Graph::new();
    let p = g.param("w", shape, Init::Zeros, role).unwrap();
    let d = g.input("d", Meta::f32(shape)).unwrap();
    let gate: Option<Value> = gated.then(|| g.input("halted", Meta::f32([1])).unwrap());
    spec.step(g, &[p], &[d], gate).unwrap();
    std::mem::take(g)
}

/// The parameter after each step.
fn trajectory(device: &Device, spec: &OptimSpec, role: Role, lr: f32) -> Vec<Vec<f32>> {
    let mut store = Store::new(device.clone());
    let mut exe = store.load(graph(spec, &[5], role, false)).unwrap();
    store.write("w", &HostTensor::from_f32([5], START.to_vec())).unwrap();
    let mut all = Vec::new();
    for (step, grad) in GRADS.iter().enumerate() {
        store.write("d", &HostTensor::from_f32([5], grad.to_vec())).unwrap();
        exe.run(&scalars(exe.program(), spec, step as u64, lr)).unwrap();
        all.push(store.read("w").unwrap().f32s().to_vec());
    }
    all
}

fn scalars(program: &Program, spec: &OptimSpec, step: u64, lr: f32) -> Vec<f32> {
    let known = spec.scalars(step, lr);
    let find = |name: &String| known.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no scalar {name}")).1;
    program.graph().scalars().iter().map(find).collect()
}

fn assert_near(label: &str, got: &[Vec<f32>], expected: &[[f64; 5]]) {
    assert!(got.len() == expected.len() && got.iter().all(|g| g.len() == 5), "{label}: {got:?}");
    for (step, (got, expected)) in got.iter().zip(expected).enumerate() {
        let got: Vec<f64> = got.iter().map(|g| *g as f64).collect();
        // Four steps of some ten roundings each, of numbers up to 2.7.
        near(&format!("{label}, step {step}"), &got, expected, |_| 2e-6);
    }
}

#[test]
fn as_pytorch() {
    let golden: [(&str, OptimSpec, [[f64; 5]; 4]); 5] = [
        (
            "sgd",
            with_decay(SGD, 0.0),
            [
                [0.475000000, -1.200000000, -0.100000000, 2.200000000, -0.043750000],
                [0.425000000, -1.225000000, 0.000000000, 2.200000000, -0.056250000],
                [0.575000000, -1.225000000, -0.075000000, 2.100000000, -0.031250000],
                [0.575000000, -1.275000000, -0.125000000, 2.200000000, -0.331250000],
            ],
        ),
        (
            "momentum",
            with_decay(MOMENTUM, 0.01),
            [
                [0.474500000, -1.198750000, -0.100000000, 2.198000000, -0.043718750],
                [0.401075500, -1.176426250, -0.089900000, 2.374002000, -0.067396906],
                [0.484592374, -1.155158449, -0.155720100, 2.430029798, -0.063639850],
                [0.559272969, -1.184862269, -0.264802470, 2.578024786, -0.360194859],
            ],
        ),
        (
            "nesterov",
            with_decay(NESTEROV, 0.01),
            [
                [0.451550000, -1.152625000, -0.190000000, 2.376200000, -0.054940625],
                [0.335037055, -1.156422513, -0.080639000, 2.532065220, -0.088685925],
                [0.559945229, -1.136180433, -0.214731886, 2.479671574, -0.060187639],
                [0.626600223, -1.211844600, -0.362580068, 2.710084775, -0.627004642],
            ],
        ),
        (
            "adam",
            with_decay(ADAM, 0.01),
            [
                [0.400000004, -1.150000002, -0.099999999, 2.099999999, -0.131249992],
                [0.303356222, -1.120664909, -0.094686868, 2.166212466, -0.231228185],
                [0.336769665, -1.096725904, -0.120963777, 2.182373361, -0.222914907],
                [0.364017475, -1.119951131, -0.158814993, 2.217877592, -0.280030832],
            ],
        ),
        (
            "adamw",
            with_decay(ADAMW, 0.1),
            [
                [0.395000400, -1.137500200, -0.099999900, 2.079999950, -0.130936700],
                [0.292816652, -1.105011547, -0.087888801, 2.122212364, -0.229626533],
                [0.331394271, -1.078661934, -0.113195599, 2.109905894, -0.211142369],
                [0.359851922, -1.104379724, -0.151425858, 2.122774956, -0.274683736],
            ],
        ),
    ];
    for (device, d) in devices() {
        for (name, spec, expected) in &golden {
            assert_near(&format!("{name} on {device}"), &trajectory(&d, spec, Role::Weight, 0.1), expected);
        }
    }
}

/// The layer-wise rules, from their papers, in f64.
fn layerwise(spec: &OptimSpec, lr: f64) -> Vec<[f64; 5]> {
    let decay = spec.weight_decay as f64;
    let (mut p, mut b) = (START.map(f64::from), [0.0; 5]);
    let norm = |v: &[f64; 5]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    GRADS
        .iter()
        .map(|g| {
            let g = g.map(f64::from);
            let ratio = |trust: f32, eps: f32| trust as f64 * norm(&p) / (norm(&g) + decay * norm(&p) + eps as f64);
            for i in 0..5 {
                let d = g[i] + decay * p[i];
                b[i] = match spec.rule {
                    Rule::Lars { momentum, trust, eps } => momentum as f64 * b[i] + lr * ratio(trust, eps) * d,
                    Rule::Larc { momentum, trust, eps, clip } => {
                        let r = ratio(trust, eps);
                        momentum as f64 * b[i] + d * if clip { (r / lr).min(1.0) } else { r }
                    }
                    _ => unreachable!("a layer-wise rule"),
                };
            }
            let scale = if matches!(spec.rule, Rule::Lars { .. }) { 1.0 } else { lr };
            p.iter_mut().zip(b).for_each(|(p, b)| *p -= scale * b);
            p
        })
        .collect()
}

#[test]
fn layerwise_rules_as_their_papers() {
    let unclipped = Rule::Larc { momentum: 0.9, trust: 0.001, eps: 1e-8, clip: false };
    for (device, d) in devices() {
        for rule in [LARS, LARC, unclipped] {
            // At lr 0.1 LARC adapts (ratio below lr), at 1e-3 it is clipped to the plain step.
            for lr in [0.1, 1e-3] {
                let spec = with_decay(rule, 0.01);
                let got = trajectory(&d, &spec, Role::Weight, lr);
                assert_near(&format!("{rule:?} at {lr} on {device}"), &got, &layerwise(&spec, lr as f64));
            }
        }
    }
}

#[test]
fn decay_follows_the_role() {
    let spec = OptimSpec { binary_weight_decay: 0.25, other_weight_decay: 0.0, ..with_decay(SGD, 0.5) };
    let after = |role| trajectory(&Device::Cpu, &spec, role, 1.0)[0][3];
    assert_eq!(after(Role::Weight), 2.0 - (-2.0 + 0.5 * 2.0));
    assert_eq!(after(Role::BinaryWeight), 2.0 - (-2.0 + 0.25 * 2.0));
    assert_eq!(after(Role::Other), 4.0);
    let plain = with_decay(SGD, 0.5);
    assert_eq!(trajectory(&Device::Cpu, &plain, Role::BinaryWeight, 1.0)[0][3], 4.0);
    // LARS leaves scales and biases alone: plain momentum.
    let (lars, momentum) = (OptimSpec::new(LARS), OptimSpec::new(MOMENTUM));
    let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-5, "{a} {b}");
    let (a, b) =
        (trajectory(&Device::Cpu, &lars, Role::Other, 0.1), trajectory(&Device::Cpu, &momentum, Role::Other, 0.1));
    assert!(a.len() == GRADS.len() && a.len() == b.len());
    a.iter().flatten().zip(b.iter().flatten()).for_each(|(a, b)| near(*a, *b));
}

#[test]
fn a_raised_gate_keeps_every_bit() {
    for (device, d) in devices() {
        for rule in [SGD, MOMENTUM, NESTEROV, ADAM, ADAMW, LARS, LARC] {
            for shape in [vec![33], vec![]] {
                let spec = with_decay(rule, 0.01);
                let mut store = Store::new(d.clone());
                let g = graph(&spec, &shape, Role::Weight, true);
                let state: Vec<String> = g.states().iter().map(|v| g.name(*v).to_string()).collect();
                let mut exe = store.load(g).unwrap();
                let n: usize = shape.iter().product();
                let fill = |f: &dyn Fn(usize) -> f32| HostTensor::from_f32(shape.clone(), (0..n).map(f).collect());
                store.write("w", &fill(&|i| i as f32 - 7.25)).unwrap();
                store.write("d", &fill(&|i| 0.5 - i as f32)).unwrap();
                store.write("halted", &HostTensor::from_f32([1], vec![0.0])).unwrap();
                exe.run(&scalars(exe.program(), &spec, 0, 0.1)).unwrap();
                let read = |store: &Store| -> Vec<HostTensor> {
                    state.iter().map(String::as_str).chain(["w"]).map(|n| store.read(n).unwrap()).collect()
                };
                let before = read(&store);
                assert_ne!(before.last().unwrap(), &fill(&|i| i as f32 - 7.25), "{rule:?} on {device} did nothing");
                assert!(before.iter().all(|t| t.f32s().iter().all(|v| v.is_finite())), "{rule:?} on {device}");
                store.write("d", &fill(&|i| if i % 2 == 0 { f32::NAN } else { f32::INFINITY })).unwrap();
                store.write("halted", &HostTensor::from_f32([1], vec![1.0])).unwrap();
                exe.run(&scalars(exe.program(), &spec, 1, 0.1)).unwrap();
                assert_eq!(read(&store), before, "{rule:?} of {shape:?} on {device}");
            }
        }
    }
}

fn compiled(spec: &OptimSpec, gated: bool, max_storage_buffers: u32) -> Program {
    let target = Target { max_storage_buffers, ..Target::default() };
    let g = graph(spec, &[64, 33], Role::Weight, gated);
    Program::compile_with(g, Backend::Gpu(target), Options::default()).unwrap()
}

#[test]
fn an_update_is_one_kernel_in_place() {
    for rule in [SGD, MOMENTUM, NESTEROV, ADAM, ADAMW] {
        for gated in [false, true] {
            let program = compiled(&with_decay(rule, 0.01), gated, 8);
            assert_eq!(program.steps().len(), 1, "{program}");
            assert_eq!(program.transient_bytes(), 0, "{program}");
            let Work::Fused(chains) = &program.steps()[0].work else { panic!("{program}") };
            assert!(chains.iter().flat_map(|f| &f.in_place).all(Option::is_some), "{program}");
        }
    }
    // The layer-wise rules need two norms first, of which only some numbers are stored.
    for rule in [LARS, LARC] {
        let program = compiled(&with_decay(rule, 0.01), true, 8);
        assert_eq!(program.steps().len(), 4, "{program}");
        assert!(program.transient_bytes() < 1024, "{program}");
    }
}

#[test]
fn four_buffers_are_enough() {
    for rule in [SGD, MOMENTUM, NESTEROV, ADAM, ADAMW, LARS, LARC] {
        let program = compiled(&with_decay(rule, 0.01), true, 4);
        for step in program.steps() {
            let mut bound: Vec<_> =
                step.inputs.iter().chain(&step.outputs).map(|v| program.place()[v.index()]).collect();
            bound.sort_unstable();
            bound.dedup();
            assert!(bound.len() <= 4, "{rule:?}\n{program}");
        }
    }
}

#[test]
fn settings_are_read_and_checked() {
    let spec: OptimSpec =
        toml::from_str("kind = \"sgd\"\nmomentum = 0.9\nnesterov = true\nweight_decay = 5e-4").unwrap();
    assert_eq!(spec, with_decay(NESTEROV, 5e-4));
    for rule in [SGD, NESTEROV, ADAM, ADAMW, LARS, LARC] {
        let spec = with_decay(rule, 0.125);
        let text = toml::to_string(&spec).unwrap();
        assert_eq!(toml::from_str::<OptimSpec>(&text).unwrap(), spec, "{text}");
    }
    for (text, expected) in [
        ("kind = \"sdg\"", "\"sdg\" is not known"),
        ("kind = \"sgd\"\nbeta1 = 0.9", "beta1 is no setting of the optimiser sgd"),
        ("kind = \"sgd\"\nmomentun = 0.9", "momentun"),
        ("kind = \"sgd\"\nmomentum = 1.5", "momentum = 1.5"),
        ("kind = \"sgd\"\nnesterov = true", "nesterov"),
        ("kind = \"adam\"\neps = 0.0", "eps = 0"),
        ("kind = \"sgd\"\nweight_decay = -1.0", "weight_decay = -1"),
    ] {
        let message = toml::from_str::<OptimSpec>(text).unwrap_err().to_string();
        assert!(message.contains(expected), "{text}: {message}");
    }
}
