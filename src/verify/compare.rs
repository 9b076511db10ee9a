//! Runs a program step by step on a device, and each step on the reference from the device's own
//! inputs: the first step that is wrong is found where it is wrong.

use super::expect::Worst;
use super::reference_cache::ReferenceCache;
use crate::device::{Executable, Store};
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::program::{Options, Program, Work};
use crate::tensor::HostTensor;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// How one output of one step compared.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Position of the step in the program.
    pub index: usize,
    /// The ops of the step.
    pub step: String,
    /// Layer of the step.
    pub scope: String,
    /// Which value.
    pub value: Value,
    /// Its worst element.
    pub worst: Worst,
}

impl Finding {
    /// Whether the device is wrong.
    pub fn is_wrong(&self) -> bool {
        self.worst.fraction > 1.0
    }
}

/// A step that ran on a device: what it was given there and what it made of it.
#[derive(Clone, Debug)]
pub struct StepRun {
    /// Position of the step in the program.
    pub index: usize,
    /// What it read.
    pub inputs: Vec<(Value, HostTensor)>,
    /// What it wrote.
    pub outputs: Vec<(Value, HostTensor)>,
}

impl StepRun {
    /// Runs one step on the device, on what its inputs hold there.
    pub fn run(exe: &mut Executable, scalars: &[f32], index: usize) -> Result<StepRun> {
        let inputs = exe.program().steps[index].inputs.iter().map(|v| Ok((*v, exe.read_value(*v)?)));
        let inputs = inputs.collect::<Result<_>>()?;
        Self::finish(exe, scalars, index, inputs)
    }

    /// Runs one step on the device, alone, on these inputs.
    pub fn run_on(
        exe: &mut Executable,
        scalars: &[f32],
        index: usize,
        inputs: Vec<(Value, HostTensor)>,
    ) -> Result<StepRun> {
        inputs.iter().try_for_each(|(v, t)| exe.write_value(*v, t))?;
        Self::finish(exe, scalars, index, inputs)
    }

    fn finish(
        exe: &mut Executable,
        scalars: &[f32],
        index: usize,
        inputs: Vec<(Value, HostTensor)>,
    ) -> Result<StepRun> {
        exe.run_steps(scalars, index..index + 1)?;
        let program = exe.program();
        let written = match &program.steps[index].work {
            Work::Copy { to, .. } => std::slice::from_ref(to),
            _ => &program.steps[index].outputs,
        };
        let outputs = written.iter().map(|v| Ok((*v, exe.read_value(*v)?))).collect::<Result<_>>()?;
        Ok(StepRun { index, inputs, outputs })
    }

    /// Compares what the device made with the reference.
    pub fn check(&self, program: &Program, scalars: &[f32]) -> Vec<Finding> {
        self.check_with(program, scalars, &ReferenceCache::default())
    }

    fn check_with(&self, program: &Program, scalars: &[f32], references: &ReferenceCache) -> Vec<Finding> {
        let made = |v: Value| &self.outputs.iter().find(|(o, _)| *o == v).expect("a step's outputs were read").1;
        references
            .expect(program, self.index, &self.inputs, scalars)
            .iter()
            .map(|e| Finding {
                index: self.index,
                step: program.step_name(self.index),
                scope: program.step_scope(self.index).to_string(),
                value: e.value,
                worst: e.compare(made(e.value)),
            })
            .collect()
    }

    fn bytes(&self) -> usize {
        self.inputs.iter().chain(&self.outputs).map(|(_, t)| 4 * t.words().len()).sum()
    }
}

/// What the runs of steps that wait for the reference may hold in memory.
const PENDING_BYTES: usize = 128 << 20;
/// How many of them may wait.
const PENDING_STEPS: usize = 32;

/// Runs the whole program, step by step, and hands every step with its findings to `each`, in order, until it
/// answers false. The reference works on several steps at once.
pub fn compare_steps(
    exe: &mut Executable,
    scalars: &[f32],
    each: impl FnMut(&StepRun, Vec<Finding>) -> Result<bool>,
) -> Result<()> {
    compare_steps_with(exe, scalars, &ReferenceCache::default(), each)
}

/// As [`compare_steps`], with a cache of the program's graph.
fn compare_steps_with(
    exe: &mut Executable,
    scalars: &[f32],
    references: &ReferenceCache,
    mut each: impl FnMut(&StepRun, Vec<Finding>) -> Result<bool>,
) -> Result<()> {
    let program = exe.program().clone();
    let mut pending: Vec<StepRun> = Vec::new();
    for index in 0..program.steps.len() {
        pending.push(StepRun::run(exe, scalars, index)?);
        let full = pending.len() >= PENDING_STEPS || pending.iter().map(StepRun::bytes).sum::<usize>() >= PENDING_BYTES;
        if full || index + 1 == program.steps.len() {
            let checked: Vec<Vec<Finding>> =
                pending.par_iter().map(|run| run.check_with(&program, scalars, references)).collect();
            for (run, findings) in pending.drain(..).zip(checked) {
                if !each(&run, findings)? {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Runs the graph with these leaves on the store's device and compares every step.
pub fn compare(
    store: &mut Store,
    graph: Graph,
    leaves: &BTreeMap<String, HostTensor>,
    scalars: &[f32],
    options: Options,
) -> Result<Vec<Finding>> {
    let program = Program::compile_with(graph, store.device().backend(), options)?;
    compare_program(store, program, leaves, scalars, &ReferenceCache::default())
}

/// As [`compare`], for a program that was compiled before, perhaps for another target than the device
/// itself: a software adapter runs the kernels of real GPUs too. The cache of the graph may be shared by its programs.
pub fn compare_program(
    store: &mut Store,
    program: Program,
    leaves: &BTreeMap<String, HostTensor>,
    scalars: &[f32],
    references: &ReferenceCache,
) -> Result<Vec<Finding>> {
    let mut exe = store.load_program(program, true)?;
    for (name, t) in leaves {
        if store.meta(name).is_some() {
            store.write(name, t)?;
        }
    }
    let mut all = Vec::new();
    compare_steps_with(&mut exe, scalars, references, |_, findings| {
        all.extend(findings);
        Ok(true)
    })?;
    if let Executable::Gpu(e) = &exe {
        e.check_guards()?;
    }
    Ok(all)
}
