//! A program loaded on a device: buffers, bind groups, and the replay of its dispatches.

use super::device::GpuDevice;
use super::memory::Memory;
use super::pace::Pace;
use super::readback::Readback;
use crate::error::{Error, Result};
use crate::graph::{Def, Leaf, Value};
use crate::program::{BufferKind, Command, Dispatch, Kernel, Program, SCALAR_SLOTS};
use crate::tensor::HostTensor;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// A device buffer. Clones share it.
#[derive(Clone)]
pub(crate) struct GpuBuffer {
    pub(super) buffer: Memory,
    /// What it holds, without a guard behind it.
    pub(super) words: usize,
}

/// Words of known content behind every buffer of a guarded executable: as far as a workgroup of 64 invocations reaches that
/// is one too many.
const GUARD_WORDS: usize = 64;
const GUARD: u32 = 0x5EA1_5EA1;

pub(super) enum Recorded {
    Dispatch {
        step: usize,
        pipeline: Arc<wgpu::ComputePipeline>,
        bind: wgpu::BindGroup,
        scalars: Option<wgpu::BindGroup>,
        workgroups: [u32; 3],
    },
    Copy {
        step: usize,
        from: Memory,
        to: Memory,
        bytes: u64,
    },
}

impl Recorded {
    pub(super) fn step(&self) -> usize {
        match self {
            Recorded::Dispatch { step, .. } | Recorded::Copy { step, .. } => *step,
        }
    }
}

/// A program with everything that its replay needs.
pub struct GpuExecutable {
    pub(super) device: GpuDevice,
    pub(super) program: Arc<Program>,
    buffers: Vec<GpuBuffer>,
    pub(super) commands: Vec<Recorded>,
    pub(super) scalars: Memory,
    pub(super) pace: Mutex<Pace>,
    guarded: bool,
}

impl GpuDevice {
    /// A zeroed buffer of `words` words.
    pub(crate) fn allocate(&self, words: usize, what: &str) -> Result<GpuBuffer> {
        Ok(GpuBuffer { buffer: self.buffer(words.max(1), 0, what)?, words: words.max(1) })
    }

    /// Replaces a buffer's content from its start.
    ///
    /// # Errors
    /// If the device was lost, or refuses what was asked of it until now.
    pub(crate) fn write(&self, to: &GpuBuffer, words: &[u32]) -> Result<()> {
        self.0.queue.write_buffer(&to.buffer, 0, bytemuck::cast_slice(words));
        self.check()
    }

    /// Reads a buffer's first `words` words, after all work before.
    pub(crate) fn read_words(&self, from: &GpuBuffer, words: usize) -> Result<Vec<u32>> {
        self.read(&from.buffer, 0, words)
    }

    /// Reads several buffers back, each so many words, in as few waits as memory allows.
    pub(crate) fn read_all_words(&self, from: &[(&GpuBuffer, usize)]) -> Result<Vec<Vec<u32>>> {
        let from: Vec<_> = from.iter().map(|(b, words)| (&*b.buffer, 0, *words)).collect();
        self.read_all(&from)
    }

    /// Loads a program. `leaf` gives the buffer of a parameter, state or input; with `guarded`, words
    /// of known content stand behind every other buffer and [`GpuExecutable::check_guards`] tells
    /// whether they still do.
    pub(crate) fn load(
        &self,
        program: Arc<Program>,
        mut leaf: impl FnMut(&str, usize) -> Result<GpuBuffer>,
        guarded: bool,
    ) -> Result<GpuExecutable> {
        let slack = if guarded { GUARD_WORDS } else { 0 };
        let mut buffers = Vec::with_capacity(program.buffers.len());
        for (i, plan) in program.buffers.iter().enumerate() {
            let own = |what: &str| -> Result<GpuBuffer> {
                let buffer = self.buffer(plan.words, slack, what)?;
                if guarded {
                    self.0.queue.write_buffer(
                        &buffer,
                        4 * plan.words as u64,
                        bytemuck::cast_slice(&[GUARD; GUARD_WORDS]),
                    );
                }
                Ok(GpuBuffer { buffer, words: plan.words })
            };
            buffers.push(match plan.kind {
                BufferKind::Persistent(v) | BufferKind::Input(v) => leaf(program.graph.name(v), plan.words)?,
                BufferKind::Constant(v) => {
                    let b = own(program.graph.name(v))?;
                    if let Def::Leaf(Leaf::Const(t)) = program.graph.def(v) {
                        self.write(&b, t.words())?;
                    }
                    b
                }
                BufferKind::Output | BufferKind::Transient => own(&largest_tenant(&program, i))?,
            });
        }
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let scalars = self.create(4 * SCALAR_SLOTS as u64, usage, "the scalars")?;
        if program.graph.scalars().len() > SCALAR_SLOTS {
            return Err(Error::Config(format!(
                "a program has at most {SCALAR_SLOTS} scalars, this one has {}",
                program.graph.scalars().len()
            )));
        }
        let commands = self.record(&program, &buffers, &scalars)?;
        let pace = Mutex::new(Pace::new(commands.len()));
        let exe = GpuExecutable { device: self.clone(), program, buffers, commands, scalars, pace, guarded };
        self.check()?;
        Ok(exe)
    }

    /// Compiles the kernels of a program and makes its bind groups.
    fn record(&self, program: &Program, buffers: &[GpuBuffer], scalars: &wgpu::Buffer) -> Result<Vec<Recorded>> {
        let commands = program.commands()?;
        let kernels: Vec<&Kernel> =
            commands.iter().filter_map(|c| if let Command::Dispatch(d) = c { Some(&d.kernel) } else { None }).collect();
        let mut pipelines = self.pipelines(&kernels)?.into_iter();
        let mut scalar_groups: HashMap<usize, wgpu::BindGroup> = HashMap::new();
        let mut recorded = Vec::with_capacity(commands.len());
        for command in &commands {
            recorded.push(match command {
                Command::Dispatch(d) => {
                    let pipeline = pipelines.next().expect("one pipeline a kernel");
                    let bind = self.bind(d, &pipeline, buffers);
                    let scalars = d.uses_scalars.then(|| {
                        let key = Arc::as_ptr(&pipeline) as usize;
                        let group = || self.bind_scalars(&pipeline, scalars);
                        scalar_groups.entry(key).or_insert_with(group).clone()
                    });
                    Recorded::Dispatch { step: d.step, pipeline, bind, scalars, workgroups: d.workgroups }
                }
                Command::Copy { step, from, to } => Recorded::Copy {
                    step: *step,
                    from: buffers[*from].buffer.clone(),
                    to: buffers[*to].buffer.clone(),
                    bytes: 4 * buffers[*to].words as u64,
                },
            });
        }
        Ok(recorded)
    }

    fn bind(&self, d: &Dispatch, pipeline: &wgpu::ComputePipeline, buffers: &[GpuBuffer]) -> wgpu::BindGroup {
        let entries: Vec<wgpu::BindGroupEntry<'_>> = (0..)
            .zip(&d.buffers)
            .map(|(binding, b)| wgpu::BindGroupEntry {
                binding,
                resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: &buffers[*b].buffer,
                    offset: 0,
                    // With the guard: a driver drops what is written past a binding, and nobody would know.
                    size: None,
                }),
            })
            .collect();
        self.0.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(&d.kernel.name),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        })
    }

    fn bind_scalars(&self, pipeline: &wgpu::ComputePipeline, scalars: &wgpu::Buffer) -> wgpu::BindGroup {
        self.0.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("scalars"),
            layout: &pipeline.get_bind_group_layout(1),
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: scalars.as_entire_binding() }],
        })
    }
}

/// The value that decided the size of a buffer, for messages.
fn largest_tenant(program: &Program, buffer: usize) -> String {
    program
        .graph
        .all()
        .filter(|v| program.place[v.index()] == Some(buffer))
        .max_by_key(|v| program.graph.meta(*v).words())
        .map_or("scratch".to_string(), |v| format!("{} {}", program.graph.name(v), program.graph.meta(v)))
}

impl GpuExecutable {
    /// The program.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Dispatches and copies of a run.
    pub fn command_count(&self) -> usize {
        self.commands.len()
    }

    /// The program's step of every command, in order.
    pub fn command_steps(&self) -> impl Iterator<Item = usize> {
        self.commands.iter().map(Recorded::step)
    }

    /// What takes longest without a break, and its seconds: the name of a step, and where in the network it is. `None` before
    /// anything ran.
    pub fn longest(&self) -> Option<(String, f64)> {
        let (command, seconds) = self.pace.lock().expect("no panic holds this lock").longest()?;
        let step = self.commands[command].step();
        let (name, place) = (self.program.step_name(step), self.program.step_scope(step));
        Some((if place.is_empty() { name } else { format!("{name} of {place}") }, seconds))
    }

    /// Reads a value that has a buffer of its own now: an output, or any value right after its step.
    pub fn read(&self, v: Value) -> Result<HostTensor> {
        let words = self.start_read(v)?.wait()?.pop().expect("one was asked for");
        let meta = self.program.graph.meta(v);
        Ok(HostTensor::from_words(meta.shape.clone(), meta.dtype, words))
    }

    /// Starts to read a value as [`GpuExecutable::read`] would now, without waiting for the device.
    pub fn start_read(&self, v: Value) -> Result<Readback> {
        let place = self.program.stored(v)?;
        let words = self.program.graph.meta(v).words();
        self.device.start_read(&[(&self.buffers[place].buffer, 0, words)])
    }

    /// Replaces a value.
    pub fn write(&mut self, v: Value, t: &HostTensor) -> Result<()> {
        let place = self.program.stored(v)?;
        self.device.write(&self.buffers[place], t.words())
    }

    /// Whether all that stands behind the program's own buffers is still there.
    ///
    /// # Errors
    /// If a kernel wrote behind a buffer, or the program was loaded without guards.
    pub fn check_guards(&self) -> Result<()> {
        if !self.guarded {
            return Err(Error::Config("the program was loaded without guards behind its buffers".into()));
        }
        for (i, (plan, b)) in self.program.buffers.iter().zip(&self.buffers).enumerate() {
            if matches!(plan.kind, BufferKind::Persistent(_) | BufferKind::Input(_)) {
                continue;
            }
            let guard = self.device.read(&b.buffer, plan.words, GUARD_WORDS)?;
            if let Some(at) = guard.iter().position(|w| *w != GUARD) {
                return Err(Error::Device(format!(
                    "a kernel wrote {at} words behind the end of {}",
                    largest_tenant(&self.program, i)
                )));
            }
        }
        Ok(())
    }
}
