//! Whether the variants of a class are right on a device.

use super::class::Class;
use crate::device::{Device, Executable, Store};
use crate::error::{Error, Result};
use crate::gpu::GpuDevice;
use crate::graph::{Graph, Meta};
use crate::launch::Target;
use crate::program::{Backend, Options, Program};
use crate::rng::Philox;
use crate::shader::sources::Sources;
use crate::tensor::{DType, HostTensor};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a variant has shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// It is right, and equals the rule's bit for bit.
    Same,
    /// It is right, but adds in another order.
    Reordered,
    /// It cannot run, or is wrong; why.
    Dropped(String),
}

/// A variant that was tried.
pub struct Trial {
    /// Its name.
    pub name: String,
    /// What it has shown.
    pub standing: Standing,
    /// It, loaded, unless it was dropped.
    pub(super) exe: Option<Executable>,
}

impl Trial {
    /// Name and reason of a variant that was dropped.
    pub fn dropped(&self) -> Option<(&str, &str)> {
        match &self.standing {
            Standing::Dropped(why) => Some((&self.name, why)),
            _ => None,
        }
    }
}

/// A variant that takes longer to be compiled and checked is the last one of its class. There are drivers that need
/// minutes and gigabytes for long kernels, and the variants that follow are longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tries every variant of a class, the rule's first, then from small to large tiles, until one takes too long.
///
/// # Errors
/// If the CPU device fails.
pub fn try_variants(device: &GpuDevice, class: &Class, sources: &Sources) -> Result<Vec<Trial>> {
    let graph = class.graph()?;
    let integers = content(class, &graph, true);
    let floats = content(class, &graph, false);
    let mut cpu = Store::new(Device::Cpu);
    let mut exe = cpu.load(graph.clone())?;
    let expected = run(&mut cpu, &mut exe, &integers)?;
    let mut store = Store::new(Device::Gpu(device.clone()));
    let mut rule: Option<Vec<HostTensor>> = None;
    let mut trials = Vec::new();
    for variant in &class.variants {
        let start = Instant::now();
        let mut attempt = || -> Result<(Executable, Vec<HostTensor>)> {
            let choices = [(class.key.clone(), variant.name.clone())].into_iter().collect();
            let target = Target { choices: Arc::new(choices), ..device.target() };
            let options = Options { sources: sources.clone(), ..Options::default() };
            let program = Program::compile_with(graph.clone(), Backend::Gpu(target), options)?;
            let mut exe = store.load_program(program, true)?;
            let got = run(&mut store, &mut exe, &integers)?;
            if let Some(wrong) = expected.iter().zip(&got).find_map(|(e, g)| difference(e, g)) {
                return Err(Error::Device(format!("it is wrong on this device: {wrong}")));
            }
            let made = run(&mut store, &mut exe, &floats)?;
            if let Executable::Gpu(e) = &exe {
                e.check_guards()?;
            }
            Ok((exe, made))
        };
        let name = variant.name.clone();
        trials.push(match attempt() {
            Ok((exe, made)) => {
                // Where the rule's own variant is wrong, the first that is right takes its place.
                let same =
                    made.iter().zip(rule.get_or_insert_with(|| made.clone())).all(|(a, b)| a.words() == b.words());
                let standing = if same { Standing::Same } else { Standing::Reordered };
                Trial { name, standing, exe: Some(exe) }
            }
            Err(e) => Trial { name, standing: Standing::Dropped(one_line(&e.to_string())), exe: None },
        });
        if start.elapsed() > PATIENCE {
            break;
        }
    }
    Ok(trials)
}

/// Writes the inputs, runs, reads the outputs.
fn run(store: &mut Store, exe: &mut Executable, inputs: &[HostTensor]) -> Result<Vec<HostTensor>> {
    for (i, t) in inputs.iter().enumerate() {
        store.write(&format!("in{i}"), t)?;
    }
    exe.run(&[])?;
    let outputs: Vec<_> = exe.program().graph.outputs().iter().map(|(_, v)| *v).collect();
    outputs.into_iter().map(|v| exe.read_value(v)).collect()
}

/// Random content of the inputs. Integers are so small that every sum of their products is exact in f32.
fn content(class: &Class, graph: &Graph, integers: bool) -> Vec<HostTensor> {
    let outputs: Vec<Meta> = graph.outputs().iter().map(|(_, v)| graph.meta(*v).clone()).collect();
    let elements: usize = outputs.iter().map(|m| m.shape.elements()).sum();
    // At most as many products as operations meet in an element, which is twice their mean number: padding makes some
    // sums shorter than others.
    let products = class.op.operations(&class.inputs, &outputs).0 / elements.max(1) as f64;
    let largest = if 4.0 * products < (1 << 24) as f64 { 2.0 } else { 1.0 };
    let tensor = |(i, m): (usize, &Meta)| {
        let p = Philox::new(SEED, i as u64);
        let uniform = (0..m.shape.elements()).map(|e| p.uniform(0, e as u64));
        match (m.dtype, integers) {
            (DType::F32, true) => {
                let span = 2.0 * largest + 1.0;
                HostTensor::from_f32(m.shape.clone(), uniform.map(|u| (u * span).floor() - largest).collect())
            }
            (DType::F32, false) => HostTensor::from_f32(m.shape.clone(), uniform.map(|u| 2.0 * u - 1.0).collect()),
            _ => {
                let bits: Vec<f64> = uniform.map(|u| (u < 0.5) as u8 as f64).collect();
                HostTensor::from_f64(m.shape.clone(), m.dtype, &bits)
            }
        }
    };
    class.inputs.iter().enumerate().map(tensor).collect()
}

/// Any number: the same content every time.
const SEED: u64 = 0x7E57;

/// Where a result differs from what it must be, if it does. Zeros of both signs are equal.
fn difference(expected: &HostTensor, got: &HostTensor) -> Option<String> {
    let found = match expected.dtype() {
        DType::F32 => {
            let (e, g) = (expected.f32s(), got.f32s());
            e.iter().zip(g.iter()).position(|(e, g)| e != g).map(|at| (at, e[at].to_string(), g[at].to_string()))
        }
        _ => {
            let (e, g) = (expected.words(), got.words());
            let show = |w: u32| format!("{w:#010x}");
            e.iter().zip(g).position(|(e, g)| e != g).map(|at| (at, show(e[at]), show(g[at])))
        }
    };
    found.map(|(at, e, g)| format!("number {at} is {g} and must be {e}"))
}

/// An error of a shader compiler is many lines; the first ones that say something are enough for a log.
fn one_line(message: &str) -> String {
    let words: Vec<&str> = message.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(300) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line,
    }
}
