//! Features of earlier batches, which help to balance the codes of a small one. One queue for each view with codes; it takes
//! part once it is full, and its scores are made anew with the prototypes of the day.

use super::head::Prototypes;
use super::spec::SwavSpec;
use crate::error::Result;
use crate::graph::{Graph, Init, Meta, Phase, Value};
use crate::methods::Progress;
use crate::tensor::HostTensor;

/// A queue of `[rows, D]` features of length 1, newest first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    leaf: Value,
    pub rows: usize,
}

impl Queue {
    /// That of view `view`.
    pub fn new(g: &mut Graph, view: usize, rows: usize, dimension: usize) -> Result<Queue> {
        let leaf = g.state(&format!("queue.{view}"), Meta::f32([rows, dimension]), Init::Zeros)?;
        Ok(Queue { leaf, rows })
    }

    /// Scores of the queue and, behind them, of the batch; and which of the rows take no part, `[rows + B, 1]`.
    pub fn before(&self, g: &mut Graph, scores: Value, prototypes: Prototypes) -> Result<(Value, Value)> {
        let own = g.linear(self.leaf, prototypes.unit, None)?;
        let all = g.concat(&[own, scores], 0)?;
        let n = g.shape(all)[0];
        let queued = (0..n).map(|i| (i < self.rows) as u8 as f32).collect();
        let queued = g.constant(HostTensor::from_f32([n, 1], queued));
        let unused = g.scalar("swav.queue_unused")?;
        Ok((all, g.mul(queued, unused)?))
    }

    /// At the end of the step the oldest features make room for those of the batch.
    pub fn push(&self, g: &mut Graph, z: Value, stop: Value) -> Result<()> {
        g.in_phase(Phase::Update, |g| {
            let batch = g.shape(z)[0];
            let z = g.detach(z)?;
            let moved = match self.rows - batch {
                0 => z,
                stay => {
                    let rest = g.slice(self.leaf, 0, 0..stay, 1)?;
                    g.concat(&[z, rest], 0)?
                }
            };
            let closed = g.scalar("swav.queue_closed")?;
            let keep = g.maximum(stop, closed)?;
            let moved = g.gate(keep, moved, self.leaf)?;
            g.assign(self.leaf, moved)
        })
    }
}

/// The scalars that say where the queues are: nothing is gathered yet, and nothing is used yet.
pub(super) fn scalar(spec: &SwavSpec, batch: usize, progress: Progress, name: &str) -> Option<f32> {
    // In batches: each of them is gathered.
    let open = spec.queue_after * progress.per_epoch * progress.batch.1;
    let full = open + (spec.queue_rows(batch) / batch) as u64;
    match name {
        "swav.queue_closed" => Some((progress.batches() < open) as u8 as f32),
        "swav.queue_unused" => Some((progress.batches() < full) as u8 as f32),
        _ => None,
    }
}
