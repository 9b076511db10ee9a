//! One step of a program as a page replays it: buffers of its own, the commands, what is in the buffers before and
//! what must be in them after.

use super::pack::Packed;
use crate::graph::Value;
use crate::program::{Command, Program, Work};
use crate::tensor::{DType, RefTensor};
use crate::verify::{StepRun, expect};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What a step does: equal for two programs that do the same by the same kernels.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Size in words of each buffer. As large as this step needs, so that an access beyond is out of bounds, however
    /// large a buffer of the program is.
    pub buffers: Vec<usize>,
    /// What is done.
    pub commands: Vec<Recording>,
    /// Buffers of the step's inputs, in its order.
    pub inputs: Vec<usize>,
    /// Buffers of what it writes, in its order.
    pub outputs: Vec<usize>,
}

/// One thing that is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Recording {
    /// Runs a kernel.
    Dispatch {
        /// Name for messages.
        name: String,
        /// WGSL.
        text: Arc<str>,
        /// Values of its `override` constants.
        constants: Vec<(&'static str, f64)>,
        /// Buffer of each binding of group 0.
        buffers: Vec<usize>,
        /// Whether the scalars are bound to group 1.
        scalars: bool,
        /// Workgroups along x, y, z.
        workgroups: [u32; 3],
    },
    /// Copies the whole of a buffer over another.
    Copy {
        /// Source.
        from: usize,
        /// Buffer that is overwritten.
        to: usize,
    },
}

impl Recorded {
    /// Names and texts of the kernels that run.
    pub fn kernels(&self) -> impl Iterator<Item = (&str, &Arc<str>)> {
        self.commands.iter().filter_map(|r| match r {
            Recording::Dispatch { name, text, .. } => Some((name.as_str(), text)),
            Recording::Copy { .. } => None,
        })
    }
}

/// What goes in and what must come out, whatever kernels are used.
#[derive(Clone, Debug)]
pub struct Data {
    /// The scalars of the run.
    pub scalars: Packed,
    /// Words of each input.
    pub inputs: Vec<Packed>,
    /// What each output must be.
    pub outputs: Vec<Expected>,
}

/// What an output must be.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Element type.
    pub dtype: DType,
    /// Elements of the last axis, whose rows begin with a word each.
    pub columns: usize,
    /// Every element by the reference.
    pub want: Packed,
    /// How far each may be off.
    pub bound: Packed,
}

/// A step to replay.
#[derive(Clone, Debug)]
pub struct Check {
    /// Row of the report.
    pub op: String,
    /// The case.
    pub case: String,
    /// How its kernels were chosen.
    pub kernels: String,
    /// The ops of the step.
    pub step: String,
    /// What is done.
    pub recorded: Recorded,
    /// On what, and with what result.
    pub data: Arc<Data>,
    /// The kernels' texts are compiled, and nothing runs.
    pub compile_only: bool,
}

/// Values that step `i` writes, in the order of [`StepRun::outputs`].
fn written(program: &Program, i: usize) -> Vec<Value> {
    match &program.steps[i].work {
        Work::Copy { to, .. } => vec![*to],
        _ => program.steps[i].outputs.clone(),
    }
}

/// What every step of a program does.
pub fn record(program: &Program, commands: &[Command]) -> Vec<Recorded> {
    let mut of_step: Vec<Vec<&Command>> = vec![Vec::new(); program.steps.len()];
    commands.iter().for_each(|c| of_step[c.step()].push(c));
    of_step.into_iter().enumerate().map(|(i, commands)| record_step(program, i, &commands)).collect()
}

fn record_step(program: &Program, i: usize, commands: &[&Command]) -> Recorded {
    let step = &program.steps[i];
    // Buffers get numbers in the order in which the step names them, and the size of what it keeps there.
    let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
    let mut buffers: Vec<usize> = Vec::new();
    let mut number = |place: usize, words: usize| {
        let n = *numbers.entry(place).or_insert_with(|| {
            buffers.push(0);
            buffers.len() - 1
        });
        buffers[n] = buffers[n].max(words.max(1));
        n
    };
    let mut of = |v: &Value| {
        let place = program.place[v.index()].expect("what a step touches has a buffer");
        number(place, program.graph.meta(*v).words())
    };
    let inputs = step.inputs.iter().map(&mut of).collect();
    let outputs = written(program, i).iter().map(&mut of).collect();
    if let Work::Node { lowering, temps, .. } = &step.work {
        temps.iter().zip(&lowering.temps).for_each(|(place, words)| {
            number(*place, *words);
        });
    }
    let commands = commands
        .iter()
        .map(|c| match c {
            Command::Dispatch(d) => Recording::Dispatch {
                name: d.kernel.name.clone(),
                text: d.kernel.source.shared(),
                constants: d.kernel.constants.clone(),
                buffers: d.buffers.iter().map(|b| numbers[b]).collect(),
                scalars: d.uses_scalars,
                workgroups: d.workgroups,
            },
            Command::Copy { from, to, .. } => Recording::Copy { from: numbers[from], to: numbers[to] },
        })
        .collect();
    Recorded { buffers, commands, inputs, outputs }
}

impl Data {
    /// The inputs of a step that ran somewhere, and what the reference makes of them. What it made there is not looked
    /// at.
    pub fn new(program: &Program, scalars: &[f32], run: &StepRun) -> Data {
        let inputs: HashMap<Value, RefTensor> = run.inputs.iter().map(|(v, t)| (*v, RefTensor::from(t))).collect();
        let expected = expect(program, run.index, &inputs, scalars);
        let outputs = written(program, run.index)
            .iter()
            .map(|v| {
                let e = expected.iter().find(|e| e.value == *v).expect("the reference makes what a step writes");
                Expected {
                    dtype: e.want.dtype,
                    columns: e.want.shape.columns(),
                    want: Packed::numbers(&e.want.data),
                    bound: Packed::numbers(&e.bound),
                }
            })
            .collect();
        Data {
            scalars: Packed::words(bytemuck::cast_slice(scalars)),
            inputs: run.inputs.iter().map(|(_, t)| Packed::words(t.words())).collect(),
            outputs,
        }
    }
}
