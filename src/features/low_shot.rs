//! Which training images have labels when few have.

use crate::rng::{Philox, streams};

/// The images among `n` that have labels when a share of all has, ascending: at least one, drawn at random and not by class,
/// the same ones for every network and seed; those of a smaller share are among those of a larger one.
///
/// # Panics
/// If there are no images, or 2^32 of them.
pub fn low_shot(n: usize, share: f64) -> Vec<u32> {
    let images = u32::try_from(n).ok().filter(|n| *n > 0).expect("there are images, fewer than 2^32");
    if share >= 1.0 {
        return (0..images).collect();
    }
    let mut all = Philox::new(0, streams::LABELS).permutation(0, images);
    all.truncate(((share * n as f64).round() as usize).clamp(1, n));
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_nested_and_always_the_same() {
        let (one, ten) = (low_shot(5000, 0.01), low_shot(5000, 0.1));
        assert_eq!((one.len(), ten.len(), low_shot(5000, 1.0).len(), low_shot(7, 1e-6).len()), (50, 500, 5000, 1));
        assert!(one.iter().all(|i| ten.contains(i)) && ten.is_sorted());
        assert_eq!(ten, low_shot(5000, 0.1));
        // Spread over the set.
        assert!(ten[0] < 100 && ten[499] > 4900);
    }
}
