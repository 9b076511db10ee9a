//! Training in several ranks: rank 0 runs the loop, writes and tells; the others do what it says ([`follow`]), and all make the
//! same of the same batches.

use super::evaluate::give_outputs;
use super::orders::Order;
use super::parts::Parts;
use super::steps::Steps;
use crate::data::{Batch, Batches, Dataset, Split};
use crate::error::{Error, Result};
use crate::exchange::Exchange;
use crate::hash::fnv1a;
use crate::tensor::HostTensor;
use std::collections::HashMap;
use std::sync::Arc;

/// The ranks that a program is one of.
#[derive(Clone)]
pub struct Ranks {
    /// The way to the others.
    pub exchange: Arc<dyn Exchange>,
    /// The sets that are evaluated together, the same in all ranks.
    pub sets: Vec<Arc<Dataset>>,
    /// Images in a test batch.
    pub eval_batch: usize,
}

impl Ranks {
    /// Of a run on some images, validated and tested on `parts`.
    pub fn new(exchange: Arc<dyn Exchange>, data: &Split, parts: &Parts, eval_batch: usize) -> Ranks {
        let sets = [Some(&data.train), parts.val(), parts.test()];
        Ranks { exchange, sets: sets.into_iter().map(|set| set.unwrap_or(&data.train).clone()).collect(), eval_batch }
    }

    /// Says in rank 0 what comes next. Every rank but it waits for that in [`follow`].
    pub(super) fn order(&self, order: Order) -> Result<()> {
        self.exchange.broadcast(&order.words()).map(|_| ())
    }

    /// The number of a set among those that are evaluated together.
    pub(super) fn number_of(&self, set: &Arc<Dataset>) -> Option<usize> {
        self.sets.iter().position(|own| Arc::ptr_eq(own, set))
    }
}

/// Gives all ranks what the leaves of rank 0 hold, as a checkpoint has them.
///
/// # Errors
/// If the device or the exchange fails.
pub(super) fn share_state(steps: &mut Steps) -> Result<()> {
    let Some(ranks) = steps.runner.ranks().cloned() else { return Ok(()) };
    let gathered = steps.runner.gather()?;
    let tensors = sorted(&gathered);
    let own: Vec<u32> = match ranks.exchange.leads() {
        true => tensors.iter().flat_map(|(_, t)| t.words()).copied().collect(),
        false => Vec::new(),
    };
    let all = ranks.exchange.broadcast(&own)?;
    if ranks.exchange.leads() {
        return Ok(());
    }
    let wanted: usize = tensors.iter().map(|(_, t)| t.words().len()).sum();
    if wanted != all.len() {
        return Err(Error::Config(format!(
            "rank 0 has {} words of weights and state, and this rank {wanted}: start the same program with the same recipe in all",
            all.len()
        )));
    }
    let mut from = &all[..];
    for (name, t) in tensors {
        let (own, rest) = from.split_at(t.words().len());
        from = rest;
        steps.runner.store().write(name, &HostTensor::from_words(t.shape().clone(), t.dtype(), own.to_vec()))?;
    }
    Ok(())
}

fn sorted(tensors: &HashMap<String, HostTensor>) -> Vec<(&String, &HostTensor)> {
    let mut all: Vec<_> = tensors.iter().collect();
    all.sort_by_key(|(name, _)| *name);
    all
}

/// Fails if a rank has other weights than rank 0, of which they are `own`. All ranks take part.
fn compare(exchange: &dyn Exchange, tensors: &HashMap<String, HostTensor>) -> Result<()> {
    let hashes = sorted(tensors).into_iter().map(|(_, t)| fnv1a(t.words().iter().copied()));
    let remedy = "the devices or their drivers do not compute alike, or one of them is faulty: train with devices of one kind, or leave that \
                  rank out; the run goes on from its last checkpoint with --resume";
    exchange.agree("weights after the same steps", &format!("{:016x}", fnv1a(hashes)), remedy)
}

/// Checks that all ranks have the weights that rank 0 has.
pub(super) fn compare_weights(ranks: &Ranks, tensors: &HashMap<String, HostTensor>) -> Result<()> {
    ranks.order(Order::Weights)?;
    compare(&*ranks.exchange, tensors)
}

/// Does what rank 0 says, until it says that this is all.
///
/// # Errors
/// If the device or the exchange fails, or an image cannot be read.
pub fn follow(mut steps: Steps) -> Result<()> {
    let ranks = steps.runner.ranks().cloned().ok_or_else(|| Error::Config("one rank has nobody to follow".into()))?;
    let exchange = &*ranks.exchange;
    share_state(&mut steps)?;
    let mut reader: Option<(u64, Batches)> = None;
    loop {
        match Order::of(&exchange.broadcast(&[])?)? {
            Order::Step(step) => {
                let mut batches = match reader.take() {
                    Some((next, batches)) if next == step => batches,
                    _ => steps.start_at(step),
                };
                let own: Vec<Batch> = batches.by_ref().take(steps.own().len()).collect::<Result<_>>()?;
                steps.run(step, &own)?;
                own.into_iter().for_each(|batch| batches.recycle(batch));
                reader = Some((step + 1, batches));
            }
            Order::Outputs(set) => {
                let set = ranks.sets.get(set).cloned();
                let set = set.ok_or_else(|| Error::Config("rank 0 evaluates images that this rank has not".into()))?;
                give_outputs(&mut steps.runner, &set, &ranks)?;
            }
            Order::State => share_state(&mut steps)?,
            Order::Weights => compare(exchange, &steps.runner.gather()?)?,
            Order::End => return Ok(()),
        }
    }
}
