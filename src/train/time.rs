//! How long a run took, over all processes that trained it.
//!
//! It is kept beside the checkpoints and not in them: these are the same bytes however often a run was stopped.

use super::run::RunDir;
use crate::error::{Error, Result};
use crate::files::read_text;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

const NAME: &str = "time.json";

/// Time until a run was last saved: `time.json`. What a killed process did after that is done again, and counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Time {
    /// Steps that were done when it began to be kept: 0, unless an earlier version began the run.
    pub since: u64,
    /// Seconds of processes.
    pub seconds: f64,
    /// Time in training steps.
    #[serde(flatten)]
    pub training: Clock,
}

impl Time {
    fn path(run: &RunDir) -> PathBuf {
        run.path().join(NAME)
    }

    /// That of a run that goes on after `steps` steps.
    ///
    /// # Errors
    /// If what is kept cannot be read.
    pub fn of(run: &RunDir, steps: u64) -> Result<Time> {
        let path = Self::path(run);
        if !path.exists() {
            return Ok(Time { since: steps, ..Time::default() });
        }
        serde_json::from_str(&read_text(&path)?).map_err(|e| {
            Error::data(&path, format!("this is not a run's time: {e}; remove the file, and time counts from here on"))
        })
    }

    /// Keeps it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&self, run: &RunDir) -> Result<()> {
        run.write_json(NAME, self)
    }
}

/// Time spent in training steps, tests and saving left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// Steps that were timed.
    pub steps: u64,
    /// Their seconds.
    pub step_seconds: f64,
}

impl Clock {
    /// Adds steps.
    pub fn add(&mut self, spent: Duration, steps: u64) {
        self.step_seconds += spent.as_secs_f64();
        self.steps += steps;
    }

    /// Images a second, of batches of so many; 0 of no steps.
    pub fn rate(&self, batch: usize) -> f64 {
        (self.steps * batch as u64) as f64 / self.step_seconds.max(1e-9)
    }
}
