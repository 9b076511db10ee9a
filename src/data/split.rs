//! Takes a test part out of a set that has none.

use super::{Dataset, Split};
use crate::rng::{Philox, streams};

/// Splits `all` into (train, test): of every class the share `test_share`, rounded, goes to the test part; at least one
/// image if the class has two and the share is not 0. Which ones depends on `seed` alone; both parts keep the order
/// of the set. An unlabelled set is treated as one class.
pub(super) fn stratified(all: &Dataset, test_share: f64, seed: u64) -> (Dataset, Dataset) {
    let rng = Philox::new(seed, streams::SPLIT);
    let classes = all.classes.len().max(1);
    let mut members = vec![Vec::new(); classes];
    for i in 0..all.len() as u32 {
        members[all.labels.as_ref().map_or(0, |l| l[i as usize] as usize)].push(i);
    }
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (class, of_class) in members.iter_mut().enumerate() {
        rng.shuffle(class as u64, of_class);
        let mut n = (test_share * of_class.len() as f64).round() as usize;
        if test_share > 0.0 && of_class.len() >= 2 {
            n = n.clamp(1, of_class.len() - 1);
        }
        test.extend_from_slice(&of_class[..n]);
        train.extend_from_slice(&of_class[n..]);
    }
    train.sort_unstable();
    test.sort_unstable();
    (all.select(&train), all.select(&test))
}

impl Split {
    /// The training part in two, of which the second stands in for the test part: what settings are chosen by, when the
    /// test images must not decide. Of every class the same share.
    pub fn holding_out(&self, share: f64, seed: u64) -> Split {
        let (train, held_out) = stratified(&self.train, share, seed);
        Split { train: train.into(), test: held_out.into(), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> Dataset {
        // 40 of class 0, 20 of class 1, 2 of class 2, 1 of class 3; the pixel is the index.
        let labels = [vec![0; 40], vec![1; 20], vec![2; 2], vec![3]].concat();
        Dataset {
            name: "s".into(),
            images: (0..63).collect(),
            h: 1,
            w: 1,
            c: 1,
            labels: Some(labels),
            classes: ["a", "b", "c", "d"].map(String::from).to_vec(),
        }
    }

    #[test]
    fn every_class_gives_its_share() {
        let (train, test) = stratified(&set(), 0.25, 3);
        assert_eq!(train.class_counts(), [30, 15, 1, 1]);
        assert_eq!(test.class_counts(), [10, 5, 1, 0]);
        let mut all = [train.images.clone(), test.images.clone()].concat();
        assert!(train.images.is_sorted() && test.images.is_sorted());
        all.sort_unstable();
        assert_eq!(all, set().images);
    }

    #[test]
    fn the_seed_decides() {
        assert_eq!(stratified(&set(), 0.25, 3), stratified(&set(), 0.25, 3));
        assert_ne!(stratified(&set(), 0.25, 3).1.images, stratified(&set(), 0.25, 4).1.images);
        assert!(stratified(&set(), 0.0, 3).1.is_empty());
        let unlabelled = Dataset { labels: None, classes: vec![], ..set() };
        assert_eq!(stratified(&unlabelled, 0.1, 3).1.len(), 6);
    }
}
