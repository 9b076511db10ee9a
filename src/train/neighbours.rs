//! k nearest neighbours (Wu et al. 2018; specification of SwAV, section 5): how good features are, without training anything.
//! The bank is the training part; similarity is the cosine, and each of the k = 200 nearest votes for its class with
//! `exp(similarity / 0.1)`.

use super::evaluate::{Evaluation, Tally};
use super::scheduler::Scheduler;
use crate::data::{Dataset, Loader, LoaderOptions, Split};
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const K: usize = 200;
const TEMPERATURE: f32 = 0.1;

/// Judges the features that the test program gives by the neighbours of each test image among the training images; `None` if
/// `stop` was set meanwhile. Its loss is the cross-entropy of the shares of votes, none of which counts as less than 1e-6.
pub fn by_neighbours(
    scheduler: &mut Scheduler,
    data: &Split,
    batch: usize,
    stop: &AtomicBool,
) -> Result<Option<Evaluation>> {
    for part in [&data.train, &data.test] {
        if part.is_empty() || part.labels.is_none() {
            return Err(Error::Config(format!(
                "{}: neighbours are asked for their labels, but there are none",
                part.name
            )));
        }
    }
    let Some(bank) = features(scheduler, &data.train, batch, stop)? else { return Ok(None) };
    let Some(tested) = features(scheduler, &data.test, batch, stop)? else { return Ok(None) };
    let classes = data.test.classes.len();
    let labels = |set: &Dataset| set.labels.clone().unwrap_or_default();
    let (of_bank, of_tested) = (labels(&data.train), labels(&data.test));
    let votes: Vec<Vec<f32>> = tested.par_iter().map(|f| votes(f, &bank, &of_bank, classes, K)).collect();
    let mut tally = Tally::new(classes);
    for (row, label) in votes.iter().zip(of_tested) {
        tally.add(row, label as usize)?;
    }
    Ok(Some(tally.finish(&data.test.classes)))
}

/// Features of length 1 of all images of a set, in order.
fn features(
    scheduler: &mut Scheduler,
    set: &Arc<Dataset>,
    batch: usize,
    stop: &AtomicBool,
) -> Result<Option<Vec<Vec<f32>>>> {
    let loader = Loader::new(set.clone(), LoaderOptions::eval(batch))?;
    let mut all = Vec::with_capacity(set.len());
    let mut batches = loader.epoch(0);
    while let Some(b) = batches.next() {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let made = scheduler.logits(&b.images)?;
        let d = made.shape().columns();
        all.extend(made.f32s().chunks(d).take(b.valid).map(unit));
        batches.recycle(b);
    }
    Ok(Some(all))
}

fn unit(row: &[f32]) -> Vec<f32> {
    let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
    row.iter().map(|x| x / norm).collect()
}

/// The logarithm of the share of votes that each class has among the `k` nearest of `bank`.
fn votes(feature: &[f32], bank: &[Vec<f32>], labels: &[u32], classes: usize, k: usize) -> Vec<f32> {
    let similarity = |b: &Vec<f32>| feature.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let mut near: Vec<(f32, u32)> = bank.iter().zip(labels).map(|(b, l)| (similarity(b), *l)).collect();
    let k = k.min(near.len());
    if k < near.len() {
        near.select_nth_unstable_by(k, |a, b| b.0.total_cmp(&a.0));
    }
    let mut votes = vec![0.0; classes];
    for (similarity, label) in &near[..k] {
        votes[*label as usize] += (similarity / TEMPERATURE).exp();
    }
    let sum: f32 = votes.iter().sum();
    votes.iter().map(|v| (v / sum).max(1e-6).ln()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_of_the_bank_is_itself() {
        let bank: Vec<Vec<f32>> =
            (0..40).map(|i| unit(&[(i as f32).sin(), (i as f32).cos(), 0.1 * i as f32])).collect();
        let labels: Vec<u32> = (0..40).map(|i| i % 7).collect();
        for (feature, label) in bank.iter().zip(&labels) {
            let votes = votes(feature, &bank, &labels, 7, 1);
            assert!(votes[*label as usize] == 0.0, "{votes:?}");
        }
    }

    #[test]
    fn votes_weigh_by_similarity() {
        let bank = vec![vec![1.0, 0.0], vec![0.8, 0.6], vec![0.0, 1.0], vec![-1.0, 0.0]];
        let votes = votes(&[1.0, 0.0], &bank, &[0, 1, 1, 2], 3, 3);
        let weight = |s: f64| (s / 0.1).exp();
        let sum = weight(1.0) + weight(0.8) + weight(0.0);
        let expected = [weight(1.0) / sum, (weight(0.8) + weight(0.0)) / sum, 1e-6];
        votes.iter().zip(expected).for_each(|(v, e)| assert!((v.exp() as f64 - e).abs() < 1e-6, "{v} {e}"));
    }
}
