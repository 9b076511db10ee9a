//! A program loaded on a device: buffers, bind groups, and the replay of its dispatches.

use super::device::GpuDevice;
use super::pipeline::Kernel;
use crate::error::{Error, Result};
use crate::graph::{Def, Leaf, Value};
use crate::program::{BufferKind, Program, Work};
use crate::shader::assemble::assemble;
use crate::shader::fused::{SCALAR_SLOTS, generate};
use crate::shader::launch::Operand;
use crate::tensor::HostTensor;
use std::collections::HashMap;
use std::sync::Arc;

/// A device buffer. Clones share it.
#[derive(Clone)]
pub struct GpuBuffer {
    pub(super) buffer: wgpu::Buffer,
    pub(super) words: usize,
}

/// Words of known content behind every buffer of a guarded executable.
const GUARD_WORDS: usize = 64;
const GUARD: u32 = 0x5EA1_5EA1;

/// A shader and the defines that it was assembled with.
type Variant = (&'static str, Vec<(&'static str, u32)>);

struct Dispatch {
    step: usize,
    pipeline: Arc<wgpu::ComputePipeline>,
    bind: wgpu::BindGroup,
    scalars: Option<wgpu::BindGroup>,
    workgroups: [u32; 3],
}

enum Command {
    Dispatch(Dispatch),
    Copy { step: usize, from: wgpu::Buffer, to: wgpu::Buffer, bytes: u64 },
}

/// A program with everything that its replay needs.
pub struct GpuExecutable {
    device: GpuDevice,
    program: Arc<Program>,
    buffers: Vec<GpuBuffer>,
    commands: Vec<Command>,
    scalars: wgpu::Buffer,
    guarded: bool,
}

impl GpuDevice {
    /// A zeroed buffer of `words` words.
    pub fn allocate(&self, words: usize, what: &str) -> Result<GpuBuffer> {
        Ok(GpuBuffer { buffer: self.buffer(words.max(1), 0, what)?, words: words.max(1) })
    }

    /// Replaces a buffer's content from its start.
    pub fn write(&self, to: &GpuBuffer, words: &[u32]) {
        self.0.queue.write_buffer(&to.buffer, 0, bytemuck::cast_slice(words));
    }

    /// Reads a buffer's first `words` words, after all work before.
    pub fn read_words(&self, from: &GpuBuffer, words: usize) -> Result<Vec<u32>> {
        self.read(&from.buffer, 0, words)
    }

    /// Loads a program. `leaf` gives the buffer of a parameter, state or input; with `guarded`, words
    /// of known content stand behind every other buffer and [`GpuExecutable::check_guards`] tells
    /// whether they still do.
    pub fn load(
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
                        self.write(&b, t.words());
                    }
                    b
                }
                BufferKind::Output | BufferKind::Transient => own(&largest_tenant(&program, i))?,
            });
        }
        let scalars = self.0.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("scalars"),
            size: 4 * SCALAR_SLOTS as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        if program.graph.scalars().len() > SCALAR_SLOTS {
            return Err(Error::Config(format!(
                "a program has at most {SCALAR_SLOTS} scalars, this one has {}",
                program.graph.scalars().len()
            )));
        }
        let commands = self.record(&program, &buffers, &scalars)?;
        let exe = GpuExecutable { device: self.clone(), program, buffers, commands, scalars, guarded };
        self.check()?;
        Ok(exe)
    }

    /// Compiles the kernels of a program and makes its bind groups.
    fn record(&self, program: &Program, buffers: &[GpuBuffer], scalars: &wgpu::Buffer) -> Result<Vec<Command>> {
        struct Pending {
            step: usize,
            kernel: Kernel,
            bound: Vec<usize>,
            uses_scalars: bool,
            workgroups: [u32; 3],
        }
        enum Item {
            Kernel(Pending),
            Copy { step: usize, from: usize, to: usize },
        }
        let mut items = Vec::new();
        let mut sources: HashMap<Variant, Arc<str>> = HashMap::new();
        let mut texts: HashMap<String, Arc<str>> = HashMap::new();
        let at = |v: Value| program.place[v.index()].expect("what a step touches has a buffer");
        for (i, step) in program.steps.iter().enumerate() {
            match &step.work {
                Work::Fused(fused) => {
                    let shader = generate(&program.graph, fused, &program.place)?;
                    let source: Arc<str> = shader.source.into();
                    let source = texts.entry(source.to_string()).or_insert(source).clone();
                    items.push(Item::Kernel(Pending {
                        step: i,
                        kernel: Kernel { name: program.step_name(i), source, constants: shader.constants },
                        bound: shader.buffers,
                        uses_scalars: shader.uses_scalars,
                        workgroups: shader.workgroups,
                    }));
                }
                Work::Node { lowering, temps, .. } => {
                    for launch in &lowering.launches {
                        let key = (launch.shader, launch.defines.clone());
                        let source = match sources.get(&key) {
                            Some(s) => s.clone(),
                            None => {
                                let text = assemble(launch.shader, &launch.defines)?.into();
                                sources.entry(key).or_insert(text).clone()
                            }
                        };
                        let bound = launch
                            .operands
                            .iter()
                            .map(|o| match o {
                                Operand::In(k) => at(step.inputs[*k]),
                                Operand::Out(k) => at(step.outputs[*k]),
                                Operand::Temp(k) => temps[*k],
                            })
                            .collect();
                        items.push(Item::Kernel(Pending {
                            step: i,
                            kernel: Kernel {
                                name: launch.shader.to_string(),
                                source,
                                constants: launch.constants.clone(),
                            },
                            bound,
                            uses_scalars: false,
                            workgroups: launch.workgroups,
                        }));
                    }
                }
                Work::Copy { from, to } => items.push(Item::Copy { step: i, from: at(*from), to: at(*to) }),
            }
        }
        let kernels: Vec<Kernel> =
            items.iter().filter_map(|i| if let Item::Kernel(p) = i { Some(p.kernel.clone()) } else { None }).collect();
        let mut pipelines = self.pipelines(&kernels)?.into_iter();
        let mut scalar_groups: HashMap<usize, wgpu::BindGroup> = HashMap::new();
        let commands = items
            .into_iter()
            .map(|item| match item {
                Item::Kernel(p) => {
                    let pipeline = pipelines.next().expect("one pipeline a kernel");
                    let entries: Vec<wgpu::BindGroupEntry<'_>> = p
                        .bound
                        .iter()
                        .enumerate()
                        .map(|(i, b)| wgpu::BindGroupEntry {
                            binding: i as u32,
                            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                                buffer: &buffers[*b].buffer,
                                offset: 0,
                                size: wgpu::BufferSize::new(4 * buffers[*b].words as u64),
                            }),
                        })
                        .collect();
                    let bind = self.0.device.create_bind_group(&wgpu::BindGroupDescriptor {
                        label: Some(&p.kernel.name),
                        layout: &pipeline.get_bind_group_layout(0),
                        entries: &entries,
                    });
                    let scalars = p.uses_scalars.then(|| {
                        let key = Arc::as_ptr(&pipeline) as usize;
                        scalar_groups
                            .entry(key)
                            .or_insert_with(|| {
                                self.0.device.create_bind_group(&wgpu::BindGroupDescriptor {
                                    label: Some("scalars"),
                                    layout: &pipeline.get_bind_group_layout(1),
                                    entries: &[wgpu::BindGroupEntry {
                                        binding: 0,
                                        resource: scalars.as_entire_binding(),
                                    }],
                                })
                            })
                            .clone()
                    });
                    Command::Dispatch(Dispatch { step: p.step, pipeline, bind, scalars, workgroups: p.workgroups })
                }
                Item::Copy { step, from, to } => Command::Copy {
                    step,
                    from: buffers[from].buffer.clone(),
                    to: buffers[to].buffer.clone(),
                    bytes: 4 * buffers[to].words as u64,
                },
            })
            .collect();
        Ok(commands)
    }
}

/// The value that decided the size of a buffer, for messages.
fn largest_tenant(program: &Program, buffer: usize) -> String {
    (0..program.graph.values().len() as u32)
        .map(Value)
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

    /// Submits one run: one encoder, one pass. Returns before the device is done.
    pub fn run(&self, scalars: &[f32]) -> Result<()> {
        self.submit(scalars, 0..self.program.steps.len())
    }

    /// Submits the dispatches of some steps only.
    pub fn submit(&self, scalars: &[f32], steps: std::ops::Range<usize>) -> Result<()> {
        if !scalars.is_empty() {
            self.device.0.queue.write_buffer(&self.scalars, 0, bytemuck::cast_slice(scalars));
        }
        let mut encoder = self.device.0.device.create_command_encoder(&Default::default());
        let mut commands = self
            .commands
            .iter()
            .filter(|c| match c {
                Command::Dispatch(d) => steps.contains(&d.step),
                Command::Copy { step, .. } => steps.contains(step),
            })
            .peekable();
        while commands.peek().is_some() {
            {
                let mut pass = encoder.begin_compute_pass(&Default::default());
                while let Some(Command::Dispatch(d)) = commands.next_if(|c| matches!(c, Command::Dispatch(_))) {
                    pass.set_pipeline(&d.pipeline);
                    pass.set_bind_group(0, &d.bind, &[]);
                    if let Some(s) = &d.scalars {
                        pass.set_bind_group(1, s, &[]);
                    }
                    pass.dispatch_workgroups(d.workgroups[0], d.workgroups[1], d.workgroups[2]);
                }
            }
            while let Some(Command::Copy { from, to, bytes, .. }) =
                commands.next_if(|c| matches!(c, Command::Copy { .. }))
            {
                encoder.copy_buffer_to_buffer(from, 0, to, 0, *bytes);
            }
        }
        self.device.0.queue.submit([encoder.finish()]);
        self.device.check()
    }

    /// Reads a value that has a buffer of its own now: an output, or any value right after its step.
    pub fn read(&self, v: Value) -> Result<HostTensor> {
        let meta = self.program.graph.meta(v);
        let place = self.program.place[v.index()]
            .ok_or_else(|| Error::Config(format!("{} is never stored", self.program.graph.name(v))))?;
        let words = self.device.read(&self.buffers[place].buffer, 0, meta.words())?;
        Ok(HostTensor::from_words(meta.shape.clone(), meta.dtype, words))
    }

    /// Fails if a kernel wrote behind one of the program's own buffers.
    pub fn check_guards(&self) -> Result<()> {
        assert!(self.guarded, "the executable was loaded without guards");
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
