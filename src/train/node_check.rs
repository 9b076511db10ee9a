//! Real training steps, node by node: each step of the programs runs on the device and on the reference from the same
//! inputs, so that the first one that is wrong is found where it is wrong.

use super::steps::Steps;
use crate::error::Result;
use crate::verify::{DeviceReport, Finding, StepRun, compare_steps};

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
        let batch = steps.batch(training_step)?;
        steps.upload(&batch)?;
        for part in 0..steps.runner.parts().len() {
            let scalars = steps.scalars(part, training_step)?;
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

/// Where a node stands: its number and its layer.
fn place(f: &Finding) -> String {
    match f.scope.as_str() {
        "" => format!("node {}", f.index),
        scope => format!("node {} of layer {scope}", f.index),
    }
}
