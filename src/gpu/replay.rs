//! Replays the commands of a program: one encoder, and one pass for all dispatches between two copies; or a pass for
//! each of them, to time it.

use super::executable::{GpuExecutable, Recorded};
use super::timer::{Span, Timer};
use crate::error::Result;
use std::ops::Range;
use std::time::{Duration, Instant};

/// A run with its times.
#[derive(Clone, Debug, Default)]
pub struct TimedRun {
    /// Recording the commands on the host.
    pub encode: Duration,
    /// Handing them to the driver.
    pub submit: Duration,
    /// Waiting for the device.
    pub wait: Duration,
    /// When the device ran, on its own clock: each command, or the whole. `None` if the device has no timers or they
    /// told nothing.
    pub spans: Option<Vec<Span>>,
}

/// What is timed on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timed {
    /// Every command, in a pass of its own.
    Each,
    /// From the first command to the last.
    Whole,
}

impl GpuExecutable {
    /// Submits one run. Returns before the device is done. `scalars` in the order of the graph's.
    ///
    /// # Errors
    /// If there are not as many scalars as the graph has, or the device failed.
    pub fn run(&self, scalars: &[f32]) -> Result<()> {
        self.submit(scalars, 0..self.program.steps.len())
    }

    /// Submits the commands of some steps only.
    ///
    /// # Errors
    /// As [`GpuExecutable::run`], or if the program has no such steps.
    pub fn submit(&self, scalars: &[f32], steps: Range<usize>) -> Result<()> {
        self.program.check_run(scalars, &steps)?;
        self.write_scalars(scalars);
        let mut encoder = self.device.0.device.create_command_encoder(&Default::default());
        self.encode(&mut encoder, self.commands.iter().filter(|c| steps.contains(&c.step())), None);
        self.device.0.queue.submit([encoder.finish()]);
        self.device.check()
    }

    /// Runs once and waits, with the times of host and device.
    ///
    /// # Errors
    /// As [`GpuExecutable::run`].
    pub fn run_timed(&self, scalars: &[f32], timed: Timed) -> Result<TimedRun> {
        self.program.check_run(scalars, &(0..self.program.steps.len()))?;
        self.device.wait()?;
        let start = Instant::now();
        self.write_scalars(scalars);
        let spans = match timed {
            Timed::Each => self.commands.len(),
            Timed::Whole => 1,
        };
        let timer = Timer::new(&self.device, spans);
        let mut encoder = self.device.0.device.create_command_encoder(&Default::default());
        match timed {
            Timed::Each => {
                for (i, command) in self.commands.iter().enumerate() {
                    self.encode_alone(&mut encoder, command, timer.as_ref(), i);
                }
            }
            Timed::Whole => self.encode(&mut encoder, self.commands.iter(), timer.as_ref()),
        }
        if let Some(t) = &timer {
            t.resolve(&mut encoder);
        }
        let commands = encoder.finish();
        let encode = start.elapsed();
        self.device.0.queue.submit([commands]);
        let submit = start.elapsed() - encode;
        self.device.wait()?;
        let wait = start.elapsed() - encode - submit;
        let spans = match timer {
            Some(t) => t.read(&self.device)?,
            None => None,
        };
        Ok(TimedRun { encode, submit, wait, spans })
    }

    fn write_scalars(&self, scalars: &[f32]) {
        if !scalars.is_empty() {
            self.device.0.queue.write_buffer(&self.scalars, 0, bytemuck::cast_slice(scalars));
        }
    }

    /// Records commands; the timer's span 0 is from before the first to after the last.
    fn encode<'a>(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        commands: impl Iterator<Item = &'a Recorded>,
        timer: Option<&Timer>,
    ) {
        mark(encoder, timer, 0, Edge::Start);
        let mut commands = commands.peekable();
        while commands.peek().is_some() {
            {
                let mut pass = encoder.begin_compute_pass(&Default::default());
                while let Some(c) = commands.next_if(|c| matches!(c, Recorded::Dispatch { .. })) {
                    dispatch(&mut pass, c);
                }
            }
            while let Some(c) = commands.next_if(|c| matches!(c, Recorded::Copy { .. })) {
                copy(encoder, c);
            }
        }
        mark(encoder, timer, 0, Edge::End);
    }

    /// Records one command so that span `i` of the timer is its own.
    fn encode_alone(&self, encoder: &mut wgpu::CommandEncoder, command: &Recorded, timer: Option<&Timer>, i: usize) {
        match command {
            Recorded::Dispatch { .. } => {
                let timestamp_writes = timer.map(|t| t.writes(i, true, true));
                let mut pass =
                    encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
                dispatch(&mut pass, command);
            }
            Recorded::Copy { .. } => {
                mark(encoder, timer, i, Edge::Start);
                copy(encoder, command);
                mark(encoder, timer, i, Edge::End);
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Edge {
    Start,
    End,
}

/// One end of a span outside of passes: by an empty pass, because timestamps exist at their edges only.
fn mark(encoder: &mut wgpu::CommandEncoder, timer: Option<&Timer>, i: usize, edge: Edge) {
    if let Some(t) = timer {
        let timestamp_writes = Some(t.writes(i, edge == Edge::Start, edge == Edge::End));
        encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
    }
}

fn dispatch(pass: &mut wgpu::ComputePass<'_>, command: &Recorded) {
    if let Recorded::Dispatch { pipeline, bind, scalars, workgroups: [x, y, z], .. } = command {
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, bind, &[]);
        if let Some(s) = scalars {
            pass.set_bind_group(1, s, &[]);
        }
        pass.dispatch_workgroups(*x, *y, *z);
    }
}

fn copy(encoder: &mut wgpu::CommandEncoder, command: &Recorded) {
    if let Recorded::Copy { from, to, bytes, .. } = command {
        encoder.copy_buffer_to_buffer(from, 0, to, 0, *bytes);
    }
}
