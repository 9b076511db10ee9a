//! Which images keep their labels when only a share of them may.

use crate::rng::{Philox, streams};

/// The choice is part of the protocol: every method and every run sees the same labels.
const SEED: u64 = 0;

/// The numbers of the images, of `n`, that are labelled at `share` (0.01 is one percent): `round(share * n)` of them, at
/// least one, uniformly at random and not balanced by class; ascending. A function of `n` and `share` alone. A smaller
/// share's are among a larger one's: both are the first of one permutation.
///
/// # Panics
/// If there are 2^32 images or more.
pub fn low_shot(n: usize, share: f64) -> Vec<u32> {
    let images = u32::try_from(n).expect("fewer than 2^32 images");
    let mut order = Philox::new(SEED, streams::LOW_SHOT).permutation(0, images);
    order.truncate(((share * n as f64).round() as usize).max(1));
    order.sort_unstable();
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_nested_and_spread() {
        let (one, ten) = (low_shot(50_000, 0.01), low_shot(50_000, 0.1));
        assert_eq!((one.len(), ten.len()), (500, 5000));
        assert!(one.is_sorted() && one.iter().all(|i| ten.binary_search(i).is_ok()));
        assert_eq!(one, low_shot(50_000, 0.01));
        // Uniform: within five standard deviations of 500 in each tenth of the set.
        for tenth in 0..10 {
            let count = ten.iter().filter(|i| **i / 5000 == tenth).count() as f64;
            assert!((count - 500.0).abs() < 5.0 * 450f64.sqrt(), "{tenth}: {count}");
        }
    }

    #[test]
    fn the_ends() {
        assert_eq!(low_shot(7, 1.0), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(low_shot(7, 0.001).len(), 1);
        assert!(low_shot(0, 0.5).is_empty());
    }
}
