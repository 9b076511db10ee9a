//! What the training loop is given, what it tells meanwhile, and how it ends.

use super::checkpoint::Position;
use super::evaluate::Evaluation;
use super::right::Guessed;
use super::run::{Metric, RunDir, Summary};
use crate::data::{Part, Split};
use crate::device::Device;
use crate::exchange::Exchange;
use crate::recipe::{Recipe, RunInfo};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Everything that a run needs.
pub struct Job<'a> {
    /// Name of the recipe.
    pub name: String,
    /// The recipe.
    pub recipe: Recipe,
    /// The images.
    pub data: Split,
    /// Where it runs.
    pub device: Device,
    /// Images in a test batch.
    pub eval_batch: usize,
    /// Fingerprint of the list of images.
    pub fingerprint: String,
    /// Where results go.
    pub run: RunDir,
    /// Go on from the run's last checkpoint, if it has one.
    pub resume: bool,
    /// The record of the run, as `config.toml` has it.
    pub info: RunInfo,
    /// The ranks that train it together, of which this one is the first.
    pub exchange: Option<Arc<dyn Exchange>>,
    /// Set from outside to end after the step that runs.
    pub stop: &'a AtomicBool,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// All epochs are done.
    Finished(Box<Summary>),
    /// It was stopped and saved.
    Stopped {
        /// The checkpoint.
        saved: PathBuf,
        /// Where it stood.
        position: Box<Position>,
    },
}

/// Where a run is, for people.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Steps done in it.
    pub step: usize,
    /// Steps of an epoch.
    pub per_epoch: usize,
    /// Steps done since the start.
    pub steps: u64,
    /// Steps of the whole run.
    pub total: u64,
    /// Mean loss of this epoch so far.
    pub loss: f64,
    /// Share of right answers of this epoch so far.
    pub right: Guessed,
    /// Training images that both are of.
    pub images: u64,
    /// Images per second.
    pub images_per_second: f64,
    /// Seconds until the last step is done.
    pub seconds_left: f64,
}

/// Who is told what happens.
pub trait Observer {
    /// A run goes on from a checkpoint.
    fn resumed(&mut self, _position: &Position) {}
    /// Steps were done.
    fn progressed(&mut self, _status: &Status) {}
    /// An epoch of a run without validation images is done: the mean loss, the share of right answers, and of how many
    /// training images.
    fn trained(&mut self, _epoch: u64, _loss: f64, _right: Guessed, _images: u64) {}
    /// A part was tested on after `epoch` epochs: the validation part, and at the end the test part.
    fn evaluated(&mut self, _epoch: u64, _part: Part, _result: &Evaluation) {}
    /// A line was logged, now or before the run was resumed.
    fn logged(&mut self, _line: &Metric) {}
    /// A sentence for people.
    fn note(&mut self, _text: &str) {}
}
