//! What a clustering draws: which points are its centres and what it sees of them. A function of (seed, layer, clustering)
//! alone, so that a model need not store it.

use super::spec::Sampling;
use crate::rng::{Draws, Philox, streams};

/// What a clustering has drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Variables of layer 1, or clusterings of the layer below, that it looks at, in ascending order.
    pub places: Vec<u32>,
    /// Points that are its centres.
    pub centres: Vec<u32>,
    /// With single dimensions sampled: for each clustering below and each of its centres whether it is looked at.
    pub dimensions: Option<Vec<bool>>,
}

/// Blocks of a stream that the draws of a choice start at, so far apart that they never meet.
const CENTRES: u64 = 1 << 40;
const DIMENSIONS: u64 = 1 << 41;

/// What clustering `clustering` of layer `layer` (from 0) draws, from `n` points with `places` variables or clusterings
/// below, each of them of `below` centres (0 in layer 1). `share` of the variables, at least one, is looked at.
///
/// # Panics
/// If `k` is over `n`.
pub fn choice(
    seed: u64,
    [layer, clustering]: [usize; 2],
    (n, k): (usize, usize),
    (places, below): (usize, usize),
    (share, sampling): (f64, Sampling),
) -> Choice {
    let rng = Philox::new(seed, streams::BOOTSTRAP);
    let step = (layer as u64) << 32 | clustering as u64;
    let part = |of: usize| share_of(of, share);
    let single = below > 0 && sampling == Sampling::Dimensions;
    let mut seen: Vec<u32> = match single {
        true => (0..places as u32).collect(),
        false => some_of(&mut rng.draws(step, 0), places, part(places)),
    };
    seen.sort_unstable();
    let dimensions = single.then(|| {
        let all = places * below;
        let mut mask = vec![false; all];
        for d in some_of(&mut rng.draws(step, DIMENSIONS), all, part(all)) {
            mask[d as usize] = true;
        }
        mask
    });
    Choice { places: seen, centres: some_of(&mut rng.draws(step, CENTRES), n, k), dimensions }
}

/// A share of `of` things, at least one of them.
pub(super) fn share_of(of: usize, share: f64) -> usize {
    ((of as f64 * share).round() as usize).clamp(1, of)
}

/// `k` different numbers of `0..n`, drawn without replacement (Fisher-Yates, stopped after `k`).
///
/// # Panics
/// If `k` is over `n`, or `n` does not fit 32 bits.
pub fn some_of(draws: &mut Draws, n: usize, k: usize) -> Vec<u32> {
    assert!(k <= n, "{k} of {n}");
    let n = u32::try_from(n).expect("fewer than 2^32");
    let mut all: Vec<u32> = (0..n).collect();
    for i in 0..k as u32 {
        all.swap(i as usize, (i + draws.below(n - i)) as usize);
    }
    all.truncate(k);
    all
}
