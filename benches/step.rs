//! A whole training step of the CIFAR networks, as the peer benchmarks define it: forward, mean
//! cross-entropy, backward, SGD with momentum 0.9, one batch used again and again. And of a vision transformer for images of 224
//! pixels and 1000 classes.
//!
//!     cargo bench --bench step -- [--device cpu|vulkan|gl|INDEX] [--seconds S] [--batch N,N...] [--json] [NAME...]
//!
//! Prints milliseconds (least of n), images/s, planned and kept memory, the steps of the program and where the time goes when
//! it is run kernel by kernel (`--by-op`); for a GPU also what recording and submitting costs a dispatch. With `--json` it is a
//! line of JSON for each network and batch; one that does not fit the device says so. `--memory` prints only the plan, at batch
//! 128; with `--recompute` blocks of the forward pass are made again for the gradients (`memory.recompute`), with
//! `--recompute-pointwise` activations and the like.

#[path = "shared/mod.rs"]
mod shared;

use onebit::device::{Device, Executable, Store};
use onebit::error::Result;
use onebit::gpu::GpuExecutable;
use onebit::graph::{Graph, Meta};
use onebit::nn::{Mode, NetKind, NetSpec, Skip};
use onebit::optim::{OptimSpec, Rule};
use onebit::program::{Backend, Program};
use onebit::tensor::{DType, HostTensor};
use serde_json::{Value, json};
use shared::{Args, time};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

fn graph(kind: NetKind, binary: bool, batch: usize) -> Graph {
    let mut spec = NetSpec::new(kind, binary);
    // The peers' network: one shortcut a block, 1x1 convolutions where the shape changes.
    spec.skip = Some(Skip::Single);
    spec.shortcut = Some(onebit::nn::Shortcut::Float);
    let (side, classes) = if kind == NetKind::VitS16 { (224, 1000) } else { (32, 10) };
    let build = |g: &mut Graph| {
        let x = g.input("x", Meta::f32([batch, side, side, 3]))?;
        let labels = g.input("labels", Meta::new([batch], DType::U32))?;
        let logits = spec.build(g, x, classes, Mode::Train, None)?;
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

/// How a step is compiled.
type Compile = fn(Graph, Backend) -> Result<Program>;

/// What a step of each keeps, and with `list` all of it.
fn memory(cases: &[(&str, NetKind, bool, usize)], list: bool, compile: Compile) {
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

/// Least microseconds that the host spends on a run: recording and submitting, while the device is idle.
fn recording(e: &GpuExecutable, args: &Args) -> f64 {
    let once = |_| {
        args.device.wait().unwrap();
        let t = Instant::now();
        e.run(&[0.01]).unwrap();
        1e6 * t.elapsed().as_secs_f64()
    };
    (0..5).map(once).fold(f64::INFINITY, f64::min)
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
        ("vit-s16", NetKind::VitS16, false, 16),
    ];
    let compile: Compile = match (flag("--recompute"), flag("--recompute-pointwise")) {
        (true, _) => Program::compile_recomputing,
        (_, true) => Program::compile_recomputing_pointwise,
        _ => Program::compile,
    };
    if flag("--memory") {
        return memory(&cases, flag("--list"), compile);
    }
    let json = flag("--json");
    if !json {
        println!("{}", args.device.name());
    }
    for (name, kind, binary, batch) in cases.into_iter().filter(|c| args.wants(c.0)) {
        let batches = if args.batches.is_empty() { vec![batch] } else { args.batches.clone() };
        for batch in batches {
            match measure(&args, graph(kind, binary, batch), compile, flag("--by-op") && !json) {
                Ok(found) if json => println!("{}", found.json(name, batch)),
                Ok(found) => {
                    let rate = batch as f64 / found.ms * 1e3;
                    println!("{name:14} batch {batch}: {:9.2} ms, {rate:8.1} images/s, {found}", found.ms);
                }
                Err(e) if json => println!("{}", json!({ "case": name, "batch": batch, "error": e.to_string() })),
                Err(e) => println!("{name:14} batch {batch}: {e}"),
            }
        }
    }
}

/// What was found of a step.
struct Found {
    ms: f64,
    load: f64,
    steps: usize,
    planned: usize,
    kept: usize,
    loss: f32,
    /// Of a GPU: commands, microseconds of the host for all of them, bytes of all buffers at most.
    gpu: Option<(usize, f64, u64)>,
}

fn measure(args: &Args, graph: Graph, compile: Compile, list: bool) -> Result<Found> {
    let mut store = Store::new(args.device.clone());
    let started = Instant::now();
    let program = compile(graph, args.device.backend())?;
    let mut exe = store.load_program(program, false)?;
    let load = started.elapsed().as_secs_f64();
    prepare(&mut store, &exe);
    let mut failed = None;
    let ms = time(args, || {
        let run = exe.run(&[0.01]).and_then(|()| args.device.wait());
        failed = failed.take().or(run.err());
    });
    if let Some(e) = failed {
        return Err(e);
    }
    let gpu = match (&exe, &args.device) {
        (Executable::Gpu(e), Device::Gpu(d)) => Some((e.command_count(), recording(e, args), d.memory().0)),
        _ => None,
    };
    if list {
        by_op(&mut exe, args);
    }
    let program = exe.program().clone();
    Ok(Found {
        ms,
        load,
        steps: program.steps().len(),
        planned: program.planned_bytes(),
        kept: program.kept_bytes(),
        loss: exe.read("loss")?.f32s()[0],
        gpu,
    })
}

impl Found {
    fn json(&self, case: &str, batch: usize) -> Value {
        json!({
            "case": case, "batch": batch, "ms": self.ms, "images_per_second": batch as f64 / self.ms * 1e3, "load_s": self.load,
            "planned_mib": mib(self.planned), "kept_mib": mib(self.kept), "loss": self.loss,
            "commands": self.gpu.map(|g| g.0), "host_us": self.gpu.map(|g| g.1),
            "device_mib": self.gpu.map(|g| mib(g.2 as usize)),
        })
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found { load, steps, loss, .. } = self;
        let (planned, kept) = (mib(self.planned), mib(self.kept));
        write!(
            f,
            "load {load:.2} s, {steps} steps, planned {planned:.1} MiB, kept {kept:.1} \
             MiB, loss {loss:.4}"
        )?;
        self.gpu.map_or(Ok(()), |(commands, us, _)| {
            let each = us / commands as f64;
            write!(f, "\n    recording and submitting: {each:.2} us a dispatch ({commands} dispatches)")
        })
    }
}
