//! One face for both kinds of device: load programs, share parameters between them, run them.

use crate::cpu::{CpuExecutable, SharedTensors};
use crate::error::{Error, Result};
use crate::gpu::{GpuBuffer, GpuDevice, GpuExecutable, Readback};
use crate::graph::{Graph, Meta, Value};
use crate::kernels::Isa;
use crate::program::{Backend, BufferKind, Options, Program};
use crate::tensor::HostTensor;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Where programs run.
#[derive(Clone)]
pub enum Device {
    /// The CPU, with fast kernels for the heavy ops.
    Cpu,
    /// A wgpu device.
    Gpu(GpuDevice),
}

enum Memory {
    /// Number in the store's shared tensors.
    Cpu(usize),
    Gpu(GpuBuffer),
}

/// Tensors that live as long as training: parameters, state and inputs, by name. Programs that are
/// loaded from one store share them.
pub struct Store {
    device: Device,
    /// What the CPU's kernels take, if not what the process chose.
    isa: Option<Isa>,
    tensors: HashMap<String, (Meta, Memory)>,
    /// What the tensors hold if the device is the CPU.
    host: SharedTensors,
}

/// A program on a device.
pub enum Executable {
    /// On the CPU.
    Cpu(CpuExecutable),
    /// On a wgpu device.
    Gpu(GpuExecutable),
}

/// A tensor as it was when it was asked for.
pub enum Reading {
    /// Here.
    Done(HostTensor),
    /// On its way from a GPU.
    Coming(Meta, Readback),
}

impl Device {
    /// What programs for this device are compiled for.
    pub fn backend(&self) -> Backend {
        match self {
            Device::Cpu => Backend::Cpu,
            Device::Gpu(d) => Backend::Gpu(d.target()),
        }
    }

    /// Name for people.
    pub fn name(&self) -> String {
        match self {
            Device::Cpu => format!("cpu ({} threads)", rayon::current_num_threads()),
            Device::Gpu(d) => format!("{} ({:?})", d.info().name, d.info().backend),
        }
    }

    /// Name and driver, or the instruction set, for reports.
    pub fn describe(&self) -> String {
        match self {
            Device::Cpu => {
                let isa = Isa::chosen().map_or_else(|e| e.to_string(), |isa| isa.to_string());
                format!("{}, {isa}", self.name())
            }
            Device::Gpu(d) => d.describe(),
        }
    }

    /// Waits until all submitted work is done.
    pub fn wait(&self) -> Result<()> {
        match self {
            Device::Cpu => Ok(()),
            Device::Gpu(d) => d.wait(),
        }
    }
}

impl Store {
    /// An empty store.
    pub fn new(device: Device) -> Self {
        Store { device, isa: None, tensors: HashMap::new(), host: SharedTensors::default() }
    }

    /// An empty store on the CPU device, whose kernels take an instruction set.
    pub fn on_cpu(isa: Isa) -> Self {
        Store { isa: Some(isa), ..Store::new(Device::Cpu) }
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Compiles a graph and loads it; leaves that the store does not have yet are made, zeroed.
    pub fn load(&mut self, graph: Graph) -> Result<Executable> {
        let program = Program::compile(graph, self.device.backend())?;
        self.load_program(program, false)
    }

    /// Compiles with switches and loads, with guards behind the buffers of a GPU.
    pub fn load_guarded(&mut self, graph: Graph, options: Options) -> Result<Executable> {
        let program = Program::compile_with(graph, self.device.backend(), options)?;
        self.load_program(program, true)
    }

    /// Loads a compiled program.
    ///
    /// # Errors
    /// If a tensor of the store has another shape, the program is not for a GPU and the store is on one, or the device has
    /// not the memory.
    pub fn load_program(&mut self, program: Program, guarded: bool) -> Result<Executable> {
        if matches!((&self.device, &program.backend), (Device::Gpu(_), Backend::Cpu)) {
            return Err(Error::Config("a program that was compiled for the CPU has no kernels for a GPU".into()));
        }
        for plan in &program.buffers {
            if let BufferKind::Persistent(v) | BufferKind::Input(v) = plan.kind {
                self.ensure(program.graph.name(v), program.graph.meta(v))?;
            }
        }
        let program = Arc::new(program);
        let tensors = &self.tensors;
        Ok(match &self.device {
            Device::Cpu => {
                let leaf = |name: &str| match &tensors[name].1 {
                    Memory::Cpu(number) => *number,
                    Memory::Gpu(_) => unreachable!("a CPU store holds CPU memory"),
                };
                Executable::Cpu(CpuExecutable::load(
                    self.isa.map_or_else(Isa::chosen, Ok)?,
                    program,
                    self.host.clone(),
                    leaf,
                )?)
            }
            Device::Gpu(d) => {
                let leaf = |name: &str, _: usize| match &tensors[name].1 {
                    Memory::Gpu(b) => Ok(b.clone()),
                    Memory::Cpu(_) => unreachable!("a GPU store holds GPU memory"),
                };
                Executable::Gpu(d.load(program, leaf, guarded)?)
            }
        })
    }

    fn ensure(&mut self, name: &str, meta: &Meta) -> Result<()> {
        match self.tensors.get(name) {
            Some((known, _)) if known == meta => Ok(()),
            Some((known, _)) => {
                Err(Error::Config(format!("{name} is {known} in one program and {meta} in another that share it")))
            }
            None => {
                let memory = match &self.device {
                    Device::Cpu => Memory::Cpu(self.host.add(meta.words())?),
                    Device::Gpu(d) => Memory::Gpu(d.allocate(meta.words(), name)?),
                };
                self.tensors.insert(name.to_string(), (meta.clone(), memory));
                Ok(())
            }
        }
    }

    /// Gives the parameters and states of a graph what they hold at first, under `seed` ([`Graph::initial`]).
    pub fn initialise(&mut self, graph: &Graph, seed: u64) -> Result<()> {
        graph
            .params()
            .into_iter()
            .chain(graph.states())
            .try_for_each(|v| self.write(graph.name(v), &graph.initial(v, seed)))
    }

    /// Replaces a tensor, or makes it.
    ///
    /// # Errors
    /// If it has another shape or type in the store, or the device was lost or has not the memory.
    pub fn write(&mut self, name: &str, t: &HostTensor) -> Result<()> {
        self.write_words(name, &Meta::new(t.shape().clone(), t.dtype()), t.words())
    }

    /// As [`Store::write`], of the words of a tensor of that shape and type.
    ///
    /// # Errors
    /// As [`Store::write`].
    ///
    /// # Panics
    /// If there are not as many words as that takes.
    pub fn write_words(&mut self, name: &str, meta: &Meta, words: &[u32]) -> Result<()> {
        assert_eq!(words.len(), meta.words(), "words of {name}");
        self.ensure(name, meta)?;
        match (&self.device, &self.tensors[name].1) {
            (Device::Gpu(d), Memory::Gpu(b)) => d.write(b, words),
            (_, Memory::Cpu(number)) => self.host.write(*number, words),
            _ => unreachable!("a store's memory is its device's"),
        }
    }

    /// A copy of a tensor, after all work submitted before.
    pub fn read(&self, name: &str) -> Result<HostTensor> {
        let (meta, memory) =
            self.tensors.get(name).ok_or_else(|| Error::Config(format!("no program has a tensor called {name}")))?;
        let words = match (&self.device, memory) {
            (Device::Gpu(d), Memory::Gpu(b)) => d.read_words(b, meta.words())?,
            (_, Memory::Cpu(number)) => self.host.read(*number, meta.words())?,
            _ => unreachable!("a store's memory is its device's"),
        };
        Ok(HostTensor::from_words(meta.shape.clone(), meta.dtype, words))
    }

    /// Reads several tensors, by as few waits for the device as memory allows.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read_all(&self, names: &[&str]) -> Result<Vec<HostTensor>> {
        let Device::Gpu(device) = &self.device else { return names.iter().map(|name| self.read(name)).collect() };
        let mut from = Vec::with_capacity(names.len());
        for name in names {
            match self.tensors.get(*name) {
                Some((meta, Memory::Gpu(buffer))) => from.push((meta, buffer)),
                Some(_) => unreachable!("a store's memory is its device's"),
                None => return Err(Error::Config(format!("no program has a tensor called {name}"))),
            }
        }
        let buffers: Vec<_> = from.iter().map(|(meta, buffer)| (*buffer, meta.words())).collect();
        let words = device.read_all_words(&buffers)?;
        let tensors = from.iter().zip(words);
        Ok(tensors.map(|((meta, _), words)| HostTensor::from_words(meta.shape.clone(), meta.dtype, words)).collect())
    }

    /// Shape and type of a tensor.
    pub fn meta(&self, name: &str) -> Option<&Meta> {
        self.tensors.get(name).map(|(m, _)| m)
    }
}

impl Executable {
    /// The program.
    pub fn program(&self) -> &Arc<Program> {
        match self {
            Executable::Cpu(e) => e.program(),
            Executable::Gpu(e) => e.program(),
        }
    }

    /// Runs the whole program. `scalars` in the order of [`Graph::scalars`]. On a GPU it returns
    /// when the work is submitted.
    pub fn run(&mut self, scalars: &[f32]) -> Result<()> {
        let all = 0..self.program().steps.len();
        self.run_steps(scalars, all)
    }

    /// Runs some of the program's steps.
    ///
    /// # Errors
    /// If there are not as many scalars as the graph has, or no such steps, or the device failed.
    pub fn run_steps(&mut self, scalars: &[f32], steps: Range<usize>) -> Result<()> {
        match self {
            Executable::Cpu(e) => e.run(scalars, steps),
            Executable::Gpu(e) => e.submit(scalars, steps),
        }
    }

    /// Reads any value that has a buffer of its own now: an output after a run, or a value between
    /// the steps that make and last use it.
    pub fn read_value(&self, v: Value) -> Result<HostTensor> {
        match self {
            Executable::Cpu(e) => e.read(v),
            Executable::Gpu(e) => e.read(v),
        }
    }

    /// Replaces a value, for a step that reads it to be run alone.
    pub fn write_value(&mut self, v: Value, t: &HostTensor) -> Result<()> {
        match self {
            Executable::Cpu(e) => e.write(v, t),
            Executable::Gpu(e) => e.write(v, t),
        }
    }

    /// Reads a named output of the last run.
    pub fn read(&self, output: &str) -> Result<HostTensor> {
        self.read_value(self.output(output)?)
    }

    /// Starts to read a named output of the last run, and does not wait for a GPU: more runs can be submitted meanwhile.
    pub fn start_read(&self, output: &str) -> Result<Reading> {
        let v = self.output(output)?;
        Ok(match self {
            Executable::Cpu(e) => Reading::Done(e.read(v)?),
            Executable::Gpu(e) => Reading::Coming(self.program().graph.meta(v).clone(), e.start_read(v)?),
        })
    }

    fn output(&self, name: &str) -> Result<Value> {
        let found = self.program().graph.outputs().iter().find(|(n, _)| n == name).map(|(_, v)| *v);
        found.ok_or_else(|| Error::Config(format!("the program has no output called {name}")))
    }
}

impl Reading {
    /// The tensor, once it is here.
    pub fn wait(self) -> Result<HostTensor> {
        Ok(match self {
            Reading::Done(tensor) => tensor,
            Reading::Coming(meta, words) => {
                let words = words.wait()?.pop().expect("one was asked for");
                HostTensor::from_words(meta.shape, meta.dtype, words)
            }
        })
    }
}
