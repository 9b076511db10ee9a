//! A whole training step of the CIFAR networks, as the peer benchmarks define it: forward, mean
//! cross-entropy, backward, SGD with momentum 0.9, one batch used again and again.
//!
//!     cargo bench --bench step -- [--device cpu|vulkan|gl|INDEX] [--seconds S] [NAME...]
//!
//! Prints milliseconds (least of n), images/s, planned and kept memory, the steps of the program and
//! where the time goes when it is run kernel by kernel (`--by-op`); for a GPU also what recording and
//! submitting costs a dispatch. `--memory` prints only the plan, at batch 128; with
//! `--recompute` blocks of the forward pass are made again for the gradients (`memory.recompute`).

#[path = "shared/mod.rs"]
mod shared;

use onebit::device::{Executable, Store};
use onebit::error::Result;
use onebit::gpu::GpuExecutable;
use onebit::graph::{Graph, Meta};
use onebit::nn::{Mode, NetKind, NetSpec, Skip};
use onebit::optim::{OptimSpec, Rule};
use onebit::program::{Backend, Program};
use onebit::tensor::{DType, HostTensor};
use shared::{Args, time};
use std::collections::BTreeMap;
use std::time::Instant;

fn graph(kind: NetKind, binary: bool, batch: usize) -> Graph {
    let mut spec = NetSpec::new(kind, binary);
    // The peers' network: one shortcut a block, 1x1 convolutions where the shape changes.
    spec.skip = Some(Skip::Single);
    spec.shortcut = Some(onebit::nn::Shortcut::Float);
    let build = |g: &mut Graph| {
        let x = g.input("x", Meta::f32([batch, 32, 32, 3]))?;
        let labels = g.input("labels", Meta::new([batch], DType::U32))?;
        let logits = spec.build(g, x, 10, Mode::Train, None)?;
        let loss = g.cross_entropy(logits, labels, 0.0)?;
        g.output("loss", loss);
        let params = g.params();
        let grads = g.backward(loss, &params)?;
        let sgd = OptimSpec::new(Rule::Sgd { momentum: 0.9, nesterov: false });
        sgd.step(g, &params, &grads, None)
    };
    let mut g = Graph::new();
    build(&mut g).unwrap_or_else(|e| panic!("{kind:?}: {e}"));
    g
}

fn prepare(store: &mut Store, exe: &Executable) {
    let program = exe.program().clone();
    store.initialise(program.graph(), 1).unwrap();
    for name in ["x", "labels"] {
        let meta = store.meta(name).unwrap().clone();
        let words = (0..meta.words() as u32).map(|i| match meta.dtype {
            DType::U32 => i % 10,
            _ => ((i.wrapping_mul(0x9E37_79B9) >> 8) as f32 / (1 << 23) as f32 - 1.0).to_bits(),
        });
        store.write(name, &HostTensor::from_words(meta.shape.clone(), meta.dtype, words.collect())).unwrap();
    }
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / (1 << 20) as f64
}

/// What a step of each keeps, and with `list` all of it.
fn memory(cases: &[(&str, NetKind, bool, usize)], list: bool, compile: fn(Graph, Backend) -> Result<Program>) {
    for (name, kind, binary, _) in cases.iter().copied() {
        let program = compile(graph(kind, binary, 128), Backend::Cpu).unwrap();
        println!(
            "{name:14} batch 128: kept {:.1} MiB, planned {:.1} MiB, transient {:.1} MiB",
            mib(program.kept_bytes()),
            mib(program.planned_bytes()),
            mib(program.transient_bytes())
        );
        if list {
            for v in program.kept() {
                println!(
                    "    {:8.2} MiB {} {}",
                    mib(program.graph().meta(v).bytes()),
                    program.graph().meta(v),
                    program.graph().name(v)
                );
            }
        }
    }
}

/// What a dispatch costs the host.
fn recording(e: &GpuExecutable, args: &Args) {
    let least = (0..5)
        .map(|_| {
            args.device.wait().unwrap();
            let t = Instant::now();
            e.run(&[0.01]).unwrap();
            t.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    println!(
        "    recording and submitting: {:.2} us a dispatch ({} dispatches)",
        least * 1e6 / e.command_count() as f64,
        e.command_count()
    );
}

/// The time of each step of a program, by what it is.
fn by_op(exe: &mut Executable, args: &Args) {
    let mut by_op: BTreeMap<String, (f64, usize)> = BTreeMap::new();
    for i in 0..exe.program().steps().len() {
        let t = Instant::now();
        exe.run_steps(&[0.01], i..i + 1).unwrap();
        args.device.wait().unwrap();
        let e = by_op.entry(exe.program().step_name(i)).or_default();
        *e = (e.0 + t.elapsed().as_secs_f64() * 1e3, e.1 + 1);
    }
    let mut rows: Vec<_> = by_op.into_iter().collect();
    rows.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
    for (op, (ms, n)) in rows.iter().take(20) {
        println!("    {ms:9.2} ms {n:4} x {op}");
    }
}

fn main() {
    let flag = |f: &str| std::env::args().any(|a| a == f);
    let args = Args::parse();
    let cases = [
        ("resnet18", NetKind::Resnet18, false, 32),
        ("resnet20", NetKind::Resnet20, false, 64),
        ("bin-resnet18", NetKind::Resnet18, true, 32),
        ("bin-resnet20", NetKind::Resnet20, true, 64),
    ];
    let compile = if flag("--recompute") { Program::compile_recomputing } else { Program::compile };
    if flag("--memory") {
        return memory(&cases, flag("--list"), compile);
    }
    println!("{}", args.device.name());
    for (name, kind, binary, batch) in cases {
        if !args.wants(name) {
            continue;
        }
        let mut store = Store::new(args.device.clone());
        let started = Instant::now();
        let program = compile(graph(kind, binary, batch), args.device.backend());
        let loaded = program.and_then(|program| store.load_program(program, false));
        let mut exe = loaded.unwrap_or_else(|e| panic!("{name}: {e}"));
        let load = started.elapsed().as_secs_f64();
        prepare(&mut store, &exe);
        let ms = time(&args, || {
            exe.run(&[0.01]).unwrap();
            args.device.wait().unwrap();
        });
        let program = exe.program().clone();
        println!(
            "{name:14} batch {batch}: {ms:9.2} ms, {:8.1} images/s, load {load:.2} s, {} steps, planned {:.1} MiB, kept {:.1} MiB, loss {:.4}",
            batch as f64 / ms * 1e3,
            program.steps().len(),
            mib(program.planned_bytes()),
            mib(program.kept_bytes()),
            exe.read("loss").unwrap().f32s()[0]
        );
        if let Executable::Gpu(e) = &exe {
            recording(e, &args);
        }
        if flag("--by-op") {
            by_op(&mut exe, &args);
        }
    }
}
