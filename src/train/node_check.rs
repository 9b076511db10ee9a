//! Real training steps, node by node: each step of the programs runs on the device and on the reference from the same
//! inputs, so that the first one that is wrong is found where it is wrong; and the gradients of each node are held against
//! differences.

use super::steps::Steps;
use crate::error::Result;
use crate::graph::Value;
use crate::tensor::{HostTensor, RefTensor};
use crate::verify::{DeviceReport, Finding, GradientReport, StepRun, check_node_gradients, compare_steps};

/// The first step that a device got wrong.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// The training step, from 0.
    pub training_step: u64,
    /// Which of the programs of a training step.
    pub part: usize,
    /// The scalars that it ran with.
    pub scalars: Vec<f32>,
    /// What the device was given and what it made.
    pub run: StepRun,
    /// How that compared.
    pub findings: Vec<Finding>,
}

impl Wrong {
    /// The output that is furthest off.
    pub fn worst(&self) -> &Finding {
        let by = |f: &&Finding| f.worst.fraction;
        self.findings.iter().max_by(|a, b| by(a).total_cmp(&by(b))).expect("a wrong step has findings")
    }
}

/// Runs the first `count` training steps and compares every node of them; a row of `report` for each kind of node.
/// Ends with the first that is wrong. `each` is told the training step, the program, and how many of its nodes are
/// compared.
pub fn check(
    steps: &mut Steps,
    count: u64,
    report: &mut DeviceReport,
    mut each: impl FnMut(u64, usize, usize),
) -> Result<Option<Wrong>> {
    for training_step in 0..count {
        let batches = steps.batches(training_step)?;
        // Those of the second pass too.
        let both = (0..steps.runner.parts().len()).flat_map(|part| (0..batches.len()).map(move |batch| (part, batch)));
        for (part, batch) in both {
            steps.upload(&batches[batch])?;
            let scalars = steps.scalars_of(part, training_step, batch)?;
            let mut wrong = None;
            compare_steps(steps.runner.part(part), &scalars, |run, findings| {
                for f in &findings {
                    let row = report.ops.entry(f.step.clone()).or_default();
                    row.push(&format!("training step {training_step}, {}", place(f)), "its own", f);
                }
                if let Some(row) = findings.first().and_then(|f| report.ops.get_mut(&f.step)) {
                    row.cases += 1;
                }
                each(training_step, part, run.index + 1);
                if findings.iter().any(Finding::is_wrong) {
                    let (scalars, run) = (scalars.clone(), run.clone());
                    wrong = Some(Wrong { training_step, part, scalars, run, findings });
                }
                Ok(wrong.is_none())
            })?;
            if wrong.is_some() {
                return Ok(wrong);
            }
        }
    }
    Ok(None)
}

/// Checks the gradients of the nodes of the first training step against finite differences, in f64 ([`check_node_gradients`]);
/// `names` are those of the programs of a step, of both passes. `each` is told the program, how many of its nodes are done, and
/// of how many.
///
/// # Errors
/// If an image cannot be read, or an op cannot append its gradient.
pub fn check_gradients(
    steps: &mut Steps,
    names: &[String],
    report: &mut GradientReport,
    mut each: impl FnMut(usize, usize, usize),
) -> Result<()> {
    let batch = steps.batch(0)?;
    steps.upload(&batch)?;
    for (part, name) in names.iter().enumerate() {
        let scalars = steps.scalars(part, 0)?;
        let graph = steps.runner.part(part).program().graph.clone();
        let store = steps.runner.store();
        let content = |v: Value| {
            let (name, meta) = (graph.name(v), graph.meta(v));
            // What no program keeps, nothing reads that the step needs.
            let none = || HostTensor::zeros(meta.shape.clone(), meta.dtype);
            let content = if store.meta(name).is_some() { store.read(name)? } else { none() };
            Ok((name.to_string(), RefTensor::from(&content)))
        };
        let leaves = graph.params().into_iter().chain(graph.states()).chain(graph.inputs());
        let leaves = leaves.map(content).collect::<Result<_>>()?;
        let in_f64: Vec<f64> = scalars.iter().map(|s| f64::from(*s)).collect();
        let mut nodes = 0;
        check_node_gradients(&graph, &leaves, &in_f64, |made, all| {
            nodes += 1;
            each(part, nodes, all);
            report.add(name, made);
        })?;
        // The next part of the step sees what this one has changed.
        steps.runner.run(part, &scalars)?;
    }
    Ok(())
}

/// Where a node stands: its number and its layer.
fn place(f: &Finding) -> String {
    match f.scope.as_str() {
        "" => format!("node {}", f.index),
        scope => format!("node {} of layer {scope}", f.index),
    }
}
