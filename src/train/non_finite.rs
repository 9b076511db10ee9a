//! Why a run stopped at numbers that are not finite: which step, and which op of it, made the first one.

use super::checkpoint::{Checkpoint, Position};
use super::diagnose::first_non_finite;
use super::job::Observer;
use super::steps::Steps;
use super::writer::Writer;
use crate::error::{Error, Result};
use std::path::Path;

/// A run whose loss or weights are no longer finite.
pub(super) struct NonFinite<'a> {
    /// Its programs, as they stand.
    pub steps: &'a mut Steps,
    /// Where it stands.
    pub position: &'a Position,
    /// Its checkpoint to go on from.
    pub last: &'a Path,
    /// What may still be writing that.
    pub writer: &'a mut Writer,
    /// Who is told that it takes a while.
    pub observer: &'a mut dyn Observer,
}

impl NonFinite<'_> {
    /// The error of a run whose loss was not finite at step `bad`, counted from 0 since the start.
    pub fn error(mut self, bad: u64) -> Error {
        // Of several ranks each has but its own images.
        let cause = match self.steps.runner.ranks().is_none().then(|| self.cause(bad)) {
            None => "which op made the first one is found by one program: the same with --resume, without mpirun"
                .to_string(),
            Some(Ok(Some((step, cause)))) => format!("in step {step} {cause}"),
            Some(Ok(None)) => "running the step again gave no such number".to_string(),
            Some(Err(e)) => format!("looking for the cause failed: {e}"),
        };
        let path = self.last;
        // What was still being written counts once it is there.
        let written = self.writer.wait();
        let kept = match written.and_then(|()| Checkpoint::load(path)) {
            Ok(c) if c.position.steps > 0 => {
                format!("{} (after {} steps) is as it was", path.display(), c.position.steps)
            }
            _ => "no checkpoint had been written yet".to_string(),
        };
        let lr = self.steps.method.scalar(&self.steps.recipe, self.steps.progress(bad), "lr");
        let lr = lr.map_or(String::new(), |lr| format!(" (learning rate {lr:e})"));
        Error::NonFinite(format!(
            "training stopped at step {bad}{lr}, where the loss or the weights were no longer finite: {cause}. {kept}. \
             A lower learning rate is the usual cure"
        ))
    }

    /// The step and op that made the first number that is not finite.
    fn cause(&mut self, bad: u64) -> Result<Option<(u64, String)>> {
        if self.steps.runner.first_bad_parameter()?.is_none()
            && let Some(cause) = self.find(bad)?
        {
            return Ok(Some((bad, cause)));
        }
        self.replay(bad)
    }

    /// The damage was done in an earlier step: goes back to what was saved, and looks at every step on the way here.
    fn replay(&mut self, bad: u64) -> Result<Option<(u64, String)>> {
        let (path, seed) = (self.last, self.steps.recipe.seed);
        self.observer.note("the weights are not finite: going back to the last checkpoint to find out why");
        self.writer.wait()?;
        self.steps.runner.initialise(seed)?;
        let mut from = 0;
        if path.exists() {
            let checkpoint = Checkpoint::load(path)?;
            self.steps.runner.restore(&checkpoint, path)?;
            from = checkpoint.position.steps;
        }
        for step in from..=bad {
            let before = Checkpoint { position: self.position.clone(), tensors: self.steps.runner.gather()? };
            let batches = self.steps.batches(step)?;
            self.steps.run(step, &batches)?;
            let after = Checkpoint { position: self.position.clone(), tensors: self.steps.runner.gather()? };
            if after.first_non_finite().is_some() {
                self.steps.runner.initialise(seed)?;
                self.steps.runner.restore(&before, path)?;
                return Ok(self.find(step)?.map(|cause| (step, cause)));
            }
        }
        Ok(None)
    }

    fn find(&mut self, step: u64) -> Result<Option<String>> {
        let batches = self.steps.batches(step)?;
        for (i, batch) in self.steps.runs(step) {
            self.steps.upload(&batches[batch])?;
            let graph = self.steps.runner.parts()[i].program().graph.clone();
            let values = self.steps.scalars_of(i, step, batch)?;
            if let Some(cause) = first_non_finite(self.steps.runner.store(), &graph, &values)? {
                return Ok(Some(cause));
            }
        }
        Ok(None)
    }
}
