//! k nearest neighbours (Wu et al. 2018; specification of SwAV, section 5): how good features are, without training anything.
//! The bank is the training part; similarity is the cosine, and each of the k = 200 nearest votes for its class with
//! `exp(similarity / 0.1)`.

use super::evaluate::Evaluation;
use super::programs::Runner;
use super::protocol::{LabelledFeatures, features};
use crate::data::Split;
use crate::error::Result;
use crate::features::Rows;
use crate::kernels::{Isa, matmul};
use crate::tensor::MatMulExtents;
use rayon::prelude::*;
use std::sync::atomic::AtomicBool;

/// Neighbours that are asked.
pub(super) const K: usize = 200;
const TEMPERATURE: f32 = 0.1;
/// Test images whose similarities to the bank are held at a time.
const BLOCK: usize = 64;

/// Evaluates the features that the test program gives by the neighbours of each test image among the training images; `None` if
/// `stop` was set meanwhile. Its loss is the cross-entropy of the shares of votes, none of which counts as less than 1e-6.
pub fn by_neighbours(runner: &mut Runner, data: &Split, batch: usize, stop: &AtomicBool) -> Result<Option<Evaluation>> {
    let Some(train) = features(runner, &data.train, batch, stop)? else { return Ok(None) };
    let Some(test) = features(runner, &data.test, batch, stop)? else { return Ok(None) };
    LabelledFeatures::new(data, 1.0, train, test)?.by_neighbours().map(Some)
}

/// The logarithm of the share of votes that each class has among the `k` nearest of `bank` to each row of `tested`,
/// `[tested, classes]`.
pub(super) fn votes(bank: &Rows, labels: &[u32], tested: &Rows, classes: usize, k: usize) -> Result<Vec<f32>> {
    let (isa, n, d) = (Isa::chosen()?, bank.n(), bank.d());
    let mut out = vec![0.0; tested.n() * classes];
    let (bank, tested) = (unit(bank), unit(tested));
    let mut similarities = vec![0.0; BLOCK * n];
    for (block, out) in tested.chunks(BLOCK * d).zip(out.chunks_mut(BLOCK * classes)) {
        let m = block.len() / d;
        let e = MatMulExtents {
            batch: 1,
            m,
            n,
            k: d,
            transpose_a: false,
            transpose_b: true,
            batched_a: false,
            batched_b: false,
        };
        matmul(isa, &e, block, &bank, &mut similarities[..m * n]);
        let rows = similarities.par_chunks(n).zip(out.par_chunks_mut(classes));
        rows.for_each(|(row, votes)| vote(row, labels, k, votes));
    }
    Ok(out)
}

/// The numbers of rows of length 1.
pub(super) fn unit(rows: &Rows) -> Vec<f32> {
    let one = |row: &[f32]| {
        let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
        row.iter().map(|x| x / norm).collect::<Vec<f32>>()
    };
    rows.rows().flat_map(one).collect()
}

/// The votes of the `k` most similar.
fn vote(similarities: &[f32], labels: &[u32], k: usize, votes: &mut [f32]) {
    // Of equally similar ones the first counts as nearer, so that nothing depends on how they are selected.
    let mut near: Vec<(f32, u32)> = similarities.iter().copied().zip(0..).collect();
    let k = k.min(near.len());
    if k < near.len() {
        near.select_nth_unstable_by(k, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    }
    let near = &mut near[..k];
    near.sort_unstable_by_key(|(_, i)| *i);
    for (similarity, i) in near.iter() {
        votes[labels[*i as usize] as usize] += (similarity / TEMPERATURE).exp();
    }
    let sum: f32 = votes.iter().sum();
    votes.iter_mut().for_each(|v| *v = (*v / sum).max(1e-6).ln());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_of_the_bank_is_itself() {
        let data = (0..100).flat_map(|i| [(i as f32).sin(), (i as f32).cos(), 0.1 * i as f32]).collect();
        let bank = Rows::new(data, 3).unwrap();
        let labels: Vec<u32> = (0..100).map(|i| i % 7).collect();
        let votes = votes(&bank, &labels, &bank, 7, 1).unwrap();
        for (votes, label) in votes.chunks(7).zip(&labels) {
            assert!(votes[*label as usize] == 0.0, "{votes:?}");
        }
    }

    #[test]
    fn votes_weigh_by_similarity() {
        let bank = Rows::new(vec![2.0, 0.0, 0.8, 0.6, 0.0, 1.0, -1.0, 0.0], 2).unwrap();
        let tested = Rows::new(vec![3.0, 0.0], 2).unwrap();
        let votes = votes(&bank, &[0, 1, 1, 2], &tested, 3, 3).unwrap();
        let weight = |s: f64| (s / 0.1).exp();
        let sum = weight(1.0) + weight(0.8) + weight(0.0);
        let expected = [weight(1.0) / sum, (weight(0.8) + weight(0.0)) / sum, 1e-6];
        votes.iter().zip(expected).for_each(|(v, e)| assert!((v.exp() as f64 - e).abs() < 1e-6, "{v} {e}"));
    }
}
