//! What a run logs, for other programs: `metrics.csv` for tables and TensorBoard's event files, written beside `metrics.jsonl`.
//!
//! All three hold the same lines. A run that goes on cuts what was logged after its checkpoint from each, so that nothing stands
//! in them twice.

mod csv;
mod events;
mod protobuf;
mod scalars;

pub use events::EVENTS;

use super::run::Metric;
use crate::error::Result;
use csv::Table;
use events::Events;
use std::path::Path;

/// The logs of a run that are made from its metrics, being written.
pub struct Logs {
    table: Table,
    events: Events,
}

impl Logs {
    /// Opens the logs of the run in `folder`, which goes on after `steps` steps and has `kept` lines until then.
    ///
    /// # Errors
    /// If they cannot be read or written.
    pub fn open(folder: &Path, kept: &[Metric], steps: u64) -> Result<Logs> {
        Ok(Logs {
            table: Table::create(&folder.join("metrics.csv"), kept)?,
            events: Events::open(folder, kept, steps)?,
        })
    }

    /// Appends a line.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn push(&mut self, metric: &Metric) -> Result<()> {
        self.table.push(metric)?;
        self.events.push(metric)
    }
}
