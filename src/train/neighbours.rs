//! k nearest neighbours (Wu et al. 2018; specification of SwAV, section 5): how good features are, without training anything.
//! The bank is the training part; similarity is the cosine, and each of the k = 200 nearest votes for its class with
//! `exp(similarity / 0.1)`.

use super::evaluate::Evaluation;
use super::nearest::Search;
use super::programs::Runner;
use super::protocol::{LabelledFeatures, features};
use crate::data::Split;
use crate::device::Device;
use crate::error::Result;
use crate::features::Rows;
use std::sync::atomic::AtomicBool;

/// Neighbours that are asked.
pub(super) const K: usize = 200;
/// What similarities are divided by before they count as votes: 0.1 as in the evaluations of SwAV and of self-masking networks,
/// whose figures runs are compared with (Wu et al. themselves have 0.07). Less hears the nearest alone, more all of them alike.
const TEMPERATURE: f32 = 0.1;

/// Evaluates the features that the test program gives by the neighbours of each test image among the training images; `None` if
/// `stop` was set meanwhile. Its loss is the cross-entropy of the shares of votes, none of which counts as less than 1e-6.
pub fn by_neighbours(runner: &mut Runner, data: &Split, batch: usize, stop: &AtomicBool) -> Result<Option<Evaluation>> {
    let Some(train) = features(runner, &data.train, batch, stop)? else { return Ok(None) };
    let Some(test) = features(runner, &data.test, batch, stop)? else { return Ok(None) };
    let device = runner.store().device().clone();
    LabelledFeatures::new(data, 1.0, &train, &test)?.by_neighbours(&device).map(Some)
}

/// Calls `each`, row by row of `queries`, with the logarithm of the share of votes that each class has among the `k` nearest of
/// `bank`, `[classes]`.
pub(super) fn votes(
    device: &Device,
    bank: &Rows,
    labels: &[u32],
    queries: &Rows,
    classes: usize,
    k: usize,
    mut each: impl FnMut(&[f32]) -> Result<()>,
) -> Result<()> {
    let k = k.min(bank.n());
    let mut votes = vec![0.0; classes];
    Search::new(device, bank, queries, k)?.run(|similarities, places| {
        votes.fill(0.0);
        // By ascending places, so that sums have a fixed order.
        for (similarity, place) in similarities.iter().zip(places) {
            votes[labels[*place as usize] as usize] += (similarity / TEMPERATURE).exp();
        }
        let sum: f32 = votes.iter().sum();
        votes.iter_mut().for_each(|v| *v = (*v / sum).max(1e-6).ln());
        each(&votes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn votes(bank: &Rows, labels: &[u32], queries: &Rows, classes: usize, k: usize) -> Vec<Vec<f32>> {
        let mut all = Vec::new();
        let each = |votes: &[f32]| {
            all.push(votes.to_vec());
            Ok(())
        };
        super::votes(&Device::Cpu, bank, labels, queries, classes, k, each).unwrap();
        all
    }

    #[test]
    fn the_nearest_of_the_bank_is_itself() {
        let data = (0..100).flat_map(|i| [(i as f32).sin(), (i as f32).cos(), 0.1 * i as f32]).collect();
        let bank = Rows::new(data, 3).unwrap();
        let labels: Vec<u32> = (0..100).map(|i| i % 7).collect();
        let votes = votes(&bank, &labels, &bank, 7, 1);
        assert_eq!(votes.len(), 100);
        for (votes, label) in votes.iter().zip(&labels) {
            assert!(votes[*label as usize] == 0.0, "{votes:?}");
        }
    }

    #[test]
    fn votes_weigh_by_similarity() {
        let bank = Rows::new(vec![2.0, 0.0, 0.8, 0.6, 0.0, 1.0, -1.0, 0.0], 2).unwrap();
        let queries = Rows::new(vec![3.0, 0.0], 2).unwrap();
        let votes = votes(&bank, &[0, 1, 1, 2], &queries, 3, 3);
        let weight = |s: f64| (s / 0.1).exp();
        let sum = weight(1.0) + weight(0.8) + weight(0.0);
        let expected = [weight(1.0) / sum, (weight(0.8) + weight(0.0)) / sum, 1e-6];
        votes[0].iter().zip(expected).for_each(|(v, e)| assert!((v.exp() as f64 - e).abs() < 1e-6, "{v} {e}"));
    }
}
