//! Runs training steps plain and with a timer around every command.

use super::report::{Clock, Host, InTraining, Node, Profile};
use crate::device::{Device, Executable};
use crate::error::Result;
use crate::gpu::{Span, Timed};
use crate::program::{Command, Program};
use crate::train::steps::Steps;
use std::time::{Duration, Instant};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Runs {
    /// Steps before the first that counts: drivers finish kernels when they are first used.
    pub warm: u64,
    /// Steps of each kind.
    pub steps: u64,
    /// Time nodes by waiting for each even where timestamps are.
    pub waits: bool,
}

impl Default for Runs {
    fn default() -> Self {
        Runs { warm: 2, steps: 10, waits: false }
    }
}

const MICRO: f64 = 1e6;

/// A step that was timed node by node.
#[derive(Clone, Debug, Default)]
struct Timing {
    /// The whole step on the host's clock, without data, in seconds.
    wall: f64,
    /// Begin and duration of each node, in seconds.
    nodes: Vec<(f64, f64)>,
}

impl Timing {
    fn sum(&self) -> f64 {
        self.nodes.iter().map(|n| n.1).sum()
    }
}

/// Profiles the training step of a recipe that is loaded on a device.
pub fn measure(steps: &mut Steps, name: &str, device: &Device, runs: Runs) -> Result<Profile> {
    let mut at = 0;
    for _ in 0..runs.warm.max(1) {
        upload(steps, at)?;
        steps.run_parts(at)?;
        at += 1;
    }
    device.wait()?;
    let mut nodes: Vec<Node> = describe(steps)?;
    let mut clock = if runs.waits || matches!(device, Device::Cpu) { Clock::Waits } else { Clock::Timestamps };
    let (mut plain, mut timed) = (Vec::new(), Vec::new());
    // In turn, so that what else the machine does slows both.
    for _ in 0..runs.steps {
        plain.push(plain_step(steps, device, at)?);
        let stamped = if clock == Clock::Timestamps { timed_step(steps, at + 1)? } else { None };
        timed.push(match stamped {
            Some(t) => t,
            None => {
                clock = Clock::Waits;
                waited_step(steps, device, at + 1)?
            }
        });
        at += 2;
    }
    let training = Some(in_training(steps, device, at, runs.steps)?);
    let wall = MICRO * least(timed.iter().map(|t| t.wall));
    // Of one step, so that sums are those of something that ran: the one that nothing else slowed.
    let best = timed.into_iter().min_by(|a, b| a.sum().total_cmp(&b.sum())).unwrap_or_default();
    for (node, (start, seconds)) in nodes.iter_mut().zip(best.nodes) {
        (node.start_us, node.us) = (MICRO * start, MICRO * seconds);
    }
    let of = |f: fn(&Plain) -> Duration| MICRO * median(plain.iter().map(|p| f(p).as_secs_f64()).collect());
    let host = Host {
        data_us: of(|p| p.data),
        encode_us: of(|p| p.encode),
        submit_us: of(|p| p.submit),
        wait_us: of(|p| p.wait),
    };
    let device_us = plain.iter().map(|p| p.device).collect::<Option<Vec<f64>>>().map(|d| MICRO * least(d.into_iter()));
    Ok(Profile {
        version: env!("CARGO_PKG_VERSION").into(),
        device: device.describe(),
        recipe: name.to_string(),
        batch: steps.recipe.batch,
        steps: runs.steps as usize,
        clock,
        ceilings: None,
        note: (clock == Clock::Waits).then(|| why_waits(device, runs.waits).to_string()),
        nodes,
        host,
        training,
        device_us,
        plain_us: MICRO * least(plain.iter().map(|p| (p.encode + p.submit + p.wait).as_secs_f64())),
        profiled_us: wall,
    })
}

/// Runs `n` steps from step `at` on as training does.
fn in_training(steps: &mut Steps, device: &Device, at: u64, n: u64) -> Result<InTraining> {
    let per_pass = steps.per_pass() as u64;
    let mut batches = steps.loader.start_at(at / per_pass, (at % per_pass) as usize * steps.together());
    let (mut start, mut waited) = (Instant::now(), Duration::ZERO);
    // Ahead of the first step nothing was made yet: it is left out.
    for i in 0..=n {
        let asked = Instant::now();
        let batch = batches.next().expect("batches go on without end")?;
        waited += asked.elapsed();
        steps.upload(&batch)?;
        steps.run_parts(at + i)?;
        batches.recycle(batch);
        if i == 0 {
            device.wait()?;
            (start, waited) = (Instant::now(), Duration::ZERO);
        }
    }
    device.wait()?;
    let mean = |t: Duration| MICRO * t.as_secs_f64() / n as f64;
    Ok(InTraining { step_us: mean(start.elapsed()), images_us: mean(waited) })
}

fn why_waits(device: &Device, asked: bool) -> &'static str {
    match device {
        Device::Cpu => "the CPU device runs node by node: the host's clock is read between them",
        _ if asked => "each node runs alone and is waited for, as asked: that costs a submission each",
        _ => {
            "this device has no timestamps, or they tell nothing: each node runs alone and is waited for, which costs \
             a submission each"
        }
    }
}

fn upload(steps: &mut Steps, at: u64) -> Result<()> {
    let batch = steps.batch(at)?;
    steps.upload(&batch)
}

/// One plain step.
#[derive(Clone, Copy, Default)]
struct Plain {
    data: Duration,
    encode: Duration,
    submit: Duration,
    wait: Duration,
    /// Seconds of the device's clock.
    device: Option<f64>,
}

fn plain_step(steps: &mut Steps, device: &Device, at: u64) -> Result<Plain> {
    let start = Instant::now();
    upload(steps, at)?;
    device.wait()?;
    let mut plain = Plain { data: start.elapsed(), device: Some(0.0), ..Plain::default() };
    for part in 0..steps.runner.parts().len() {
        let scalars = steps.scalars(part, at)?;
        match steps.runner.part(part) {
            Executable::Gpu(e) => {
                let run = e.run_timed(&scalars, Timed::Whole)?;
                plain.encode += run.encode;
                plain.submit += run.submit;
                plain.wait += run.wait;
                let spans = run.spans.map(|s| s.iter().map(Span::seconds).sum::<f64>());
                plain.device = plain.device.zip(spans).map(|(a, b)| a + b);
            }
            cpu => {
                let start = Instant::now();
                cpu.run(&scalars)?;
                plain.wait += start.elapsed();
                plain.device = None;
            }
        }
    }
    Ok(plain)
}

/// A step with a timer around every command; `None` without timestamps.
fn timed_step(steps: &mut Steps, at: u64) -> Result<Option<Timing>> {
    upload(steps, at)?;
    let (mut timing, mut offset) = (Timing::default(), 0.0);
    for part in 0..steps.runner.parts().len() {
        let scalars = steps.scalars(part, at)?;
        let Executable::Gpu(e) = steps.runner.part(part) else { return Ok(None) };
        let run = e.run_timed(&scalars, Timed::Each)?;
        timing.wall += (run.encode + run.submit + run.wait).as_secs_f64();
        let Some(spans) = run.spans else { return Ok(None) };
        let mut nodes = vec![(f64::INFINITY, 0.0); e.program().steps.len()];
        for (step, span) in e.command_steps().zip(&spans) {
            nodes[step].0 = f64::min(nodes[step].0, offset + span.start);
            nodes[step].1 += span.seconds();
        }
        offset += spans.iter().map(|s| s.end).fold(0.0, f64::max);
        timing.nodes.extend(nodes);
    }
    Ok(Some(timing))
}

/// A step that runs node by node, each waited for, timed by the host.
fn waited_step(steps: &mut Steps, device: &Device, at: u64) -> Result<Timing> {
    upload(steps, at)?;
    device.wait()?;
    let begin = Instant::now();
    let mut nodes = Vec::new();
    for part in 0..steps.runner.parts().len() {
        let scalars = steps.scalars(part, at)?;
        let exe = steps.runner.part(part);
        for i in 0..exe.program().steps.len() {
            let start = begin.elapsed();
            exe.run_steps(&scalars, i..i + 1)?;
            device.wait()?;
            nodes.push((start.as_secs_f64(), (begin.elapsed() - start).as_secs_f64()));
        }
    }
    Ok(Timing { wall: begin.elapsed().as_secs_f64(), nodes })
}

/// Every node of every part, without times.
fn describe(steps: &Steps) -> Result<Vec<Node>> {
    let mut nodes = Vec::new();
    for (part, exe) in steps.runner.parts().iter().enumerate() {
        let program: &Program = exe.program();
        let commands = match exe {
            Executable::Gpu(_) => program.commands()?,
            Executable::Cpu(_) => Vec::new(),
        };
        for (index, step) in program.steps.iter().enumerate() {
            let amount = program.amount(index);
            let own: Vec<&Command> = commands.iter().filter(|c| c.step() == index).collect();
            let kernel = |c: &&Command| match c {
                Command::Dispatch(d) => d.kernel.name.clone(),
                Command::Copy { .. } => "copy".to_string(),
            };
            nodes.push(Node {
                part,
                index,
                ops: program.step_name(index),
                layer: program.step_scope(index).to_string(),
                pass: format!("{:?}", step.phase).to_lowercase(),
                commands: own.len(),
                kernels: own.iter().map(kernel).collect(),
                us: 0.0,
                start_us: 0.0,
                operations: amount.operations,
                operands: amount.operands,
                bytes: amount.bytes,
                reached: None,
            });
        }
    }
    Ok(nodes)
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    match all.len() {
        0 => 0.0,
        n if n % 2 == 1 => all[n / 2],
        n => 0.5 * (all[n / 2 - 1] + all[n / 2]),
    }
}

fn least(all: impl Iterator<Item = f64>) -> f64 {
    all.fold(f64::INFINITY, f64::min)
}
