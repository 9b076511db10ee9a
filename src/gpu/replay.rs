//! Replays the commands of a program: one encoder a submission ([`super::pace`] says how many they are), and one pass for
//! all dispatches between two copies; or a pass for each of them, to time it.

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
    /// Submits one run. Returns before the device is done, but for runs that tell how long it takes: the first two, and
    /// one now and then. `scalars` in the order of the graph's.
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
        let mut pace = self.pace.lock().expect("no panic holds this lock");
        self.write_scalars(scalars);
        let commands = self.commands_of(&steps);
        let measures = !commands.is_empty() && pace.is_due(&commands);
        if measures {
            self.device.wait()?;
        }
        for piece in pace.pieces(commands, self.device.0.options.submission.as_secs_f64()) {
            let mut encoder = self.encoder();
            self.encode(&mut encoder, &self.commands[piece.clone()]);
            let start = Instant::now();
            let submission = self.device.submit(encoder)?;
            if measures {
                self.device.wait_for(Some(submission))?;
                pace.took(piece, start.elapsed().as_secs_f64());
            }
        }
        Ok(())
    }

    /// The commands of steps: they lie in their order.
    fn commands_of(&self, steps: &Range<usize>) -> Range<usize> {
        let before = |step: usize| self.commands.partition_point(|c| c.step() < step);
        before(steps.start)..before(steps.end)
    }

    fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.0.device.create_command_encoder(&Default::default())
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
        let timer = Timer::new(&self.device, spans)?;
        let pace = self.pace.lock().expect("no panic holds this lock");
        let pieces = pace.pieces(0..self.commands.len(), self.device.0.options.submission.as_secs_f64());
        let (mut encode, mut submit) = (start.elapsed(), Duration::ZERO);
        let last = pieces.len().saturating_sub(1);
        for (n, piece) in pieces.into_iter().enumerate() {
            let start = Instant::now();
            let mut encoder = self.encoder();
            match timed {
                Timed::Each => {
                    for i in piece {
                        self.encode_alone(&mut encoder, &self.commands[i], timer.as_ref(), i);
                    }
                }
                Timed::Whole => {
                    let edge = |is: bool| timer.as_ref().filter(|_| is);
                    mark(&mut encoder, edge(n == 0), 0, Edge::Start);
                    self.encode(&mut encoder, &self.commands[piece]);
                    mark(&mut encoder, edge(n == last), 0, Edge::End);
                }
            }
            if let Some(t) = timer.as_ref().filter(|_| n == last) {
                t.resolve(&mut encoder);
            }
            encode += start.elapsed();
            let start = Instant::now();
            self.device.submit(encoder)?;
            submit += start.elapsed();
        }
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

    /// Records commands.
    fn encode(&self, encoder: &mut wgpu::CommandEncoder, commands: &[Recorded]) {
        let mut commands = commands.iter().peekable();
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
