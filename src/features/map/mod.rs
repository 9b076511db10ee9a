//! A map of features: where images lie that the network finds alike, on two axes.

mod canvas;
mod draw;
mod tsne;

use super::pca::Pca;
use super::rows::Rows;
use crate::error::{Error, Result};
pub use draw::COLOURS;

/// More points than this would hide each other, and t-SNE takes minutes.
const MOST: usize = 5000;
/// Fewer have no neighbours to speak of.
const FEWEST: usize = 5;
/// What t-SNE sees of the features; the rest is mostly noise (van der Maaten and Hinton 2008, section 4.2).
const DIMENSIONS: usize = 50;

/// Points on two maps of the same features.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Number of the feature that each point stands for; 5000 at most, evenly taken.
    pub taken: Vec<u32>,
    /// Number of features there were.
    pub of: usize,
    /// Where t-SNE puts them.
    pub tsne: Vec<[f64; 2]>,
    /// The perplexity it had: 30, or a third of the number of neighbours if that is less.
    pub perplexity: f64,
    /// Their first two principal components.
    pub pca: Vec<[f64; 2]>,
    /// The share of the spread that these two have.
    pub share: f64,
    seed: u64,
}

impl Map {
    /// Both maps of `features` `[n, d]`.
    ///
    /// # Errors
    /// If there are fewer than 5 features.
    pub fn make(features: &Rows, seed: u64) -> Result<Map> {
        let n = features.n();
        if n < FEWEST {
            return Err(Error::Config(format!("map: {n} features; a map takes {FEWEST} or more")));
        }
        let taken = evenly(n);
        let features = features.select(&taken);
        let pca = Pca::fit(&features, features.d().min(DIMENSIONS))?;
        let reduced = pca.project(&features)?;
        // Features of length 1 have no second axis.
        let two = |row: &[f32]| [row[0] as f64, row.get(1).copied().unwrap_or_default() as f64];
        let flat: Vec<[f64; 2]> = reduced.rows().map(two).collect();
        let seen: f64 = pca.singular.iter().take(2).map(|s| s * s).sum();
        let share = if pca.spread > 0.0 { seen / pca.spread } else { 1.0 };
        let perplexity = tsne::perplexity(taken.len());
        let tsne = tsne::embed(&reduced, &flat, seed)?;
        Ok(Map { taken, of: n, tsne, perplexity, pca: flat, share, seed })
    }

    /// Both maps side by side, as the bytes of a PNG file. `labels` `[n]` has the class of every feature, those not on the
    /// map included, and the names of the classes; without it all points have one colour.
    ///
    /// # Errors
    /// If there are not as many labels as there were features, or one has no class.
    pub fn png(&self, title: &str, labels: Option<(&[u32], &[String])>) -> Result<Vec<u8>> {
        if let Some((labels, classes)) = labels {
            if labels.len() != self.of {
                let (found, of) = (labels.len(), self.of);
                return Err(Error::Config(format!("map: {found} labels for {of} features; give one for each")));
            }
            if let Some(label) = labels.iter().find(|l| **l as usize >= classes.len()) {
                let k = classes.len();
                return Err(Error::Config(format!("map: label {label}, but there are {k} classes; labels go from 0")));
            }
        }
        draw::png(self, title, labels)
    }
}

/// At most [`MOST`] of `n`, at equal distances.
fn evenly(n: usize) -> Vec<u32> {
    let points = n.min(MOST);
    (0..points).map(|i| (i * n / points) as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::super::kmeans::tests::clusters;
    use super::*;

    /// The share of points whose nearest one has the same label.
    fn kept(points: &[[f64; 2]], labels: &[u32]) -> f64 {
        let distance = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
        let same = |i: &usize| {
            let others = (0..points.len()).filter(|j| j != i);
            let near =
                others.min_by(|a, b| distance(points[*i], points[*a]).total_cmp(&distance(points[*i], points[*b])));
            near.is_some_and(|j| labels[j] == labels[*i])
        };
        (0..points.len()).filter(same).count() as f64 / points.len() as f64
    }

    fn three(n: usize) -> (Rows, Vec<u32>) {
        let mut centres = vec![vec![0.0; 60]; 3];
        centres.iter_mut().enumerate().for_each(|(i, c)| c[7 * i] = 12.0);
        let centres: Vec<&[f32]> = centres.iter().map(Vec::as_slice).collect();
        clusters(&centres, &[1.0; 60], n, 6)
    }

    #[test]
    fn neighbours_stay_together_and_every_class_is_seen() {
        let (rows, labels) = three(100);
        let map = Map::make(&rows, 1).unwrap();
        assert_eq!((map.tsne.len(), map.pca.len(), map.perplexity), (300, 300, 30.0));
        assert!(kept(&map.tsne, &labels) > 0.95, "{}", kept(&map.tsne, &labels));
        let classes = ["cat", "dog", "Löwe"].map(String::from);
        let png = map.png("features", Some((&labels, &classes))).unwrap();
        let image = image::load_from_memory_with_format(&png, image::ImageFormat::Png).unwrap().to_rgb8();
        for (class, colour) in COLOURS[..3].iter().enumerate() {
            // In the legend alone there would be a few of them.
            let count = image.pixels().filter(|p| p.0 == *colour).count();
            assert!(count > 500, "{class}: {count}");
        }
        assert!(!image.pixels().any(|p| p.0 == COLOURS[3]));
        // The same seed gives the same bytes, with any number of threads.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let again = pool.install(|| Map::make(&rows, 1).unwrap());
        assert_eq!(again.png("features", Some((&labels, &classes))).unwrap(), png);
        assert_ne!(Map::make(&rows, 2).unwrap().tsne, map.tsne);
    }

    #[test]
    fn few_and_equal_points_have_a_map() {
        let few = Map::make(&Rows::new(vec![1.0, 2.0, 3.0, 3.0, 3.0], 1).unwrap(), 0).unwrap();
        assert!(few.tsne.iter().flatten().all(|v| v.is_finite()) && few.perplexity < 2.0, "{few:?}");
        let equal = Map::make(&Rows::new(vec![1.0; 80], 2).unwrap(), 0).unwrap();
        assert!(equal.tsne.iter().flatten().all(|v| v.is_finite()));
        assert!(!equal.png("equal", None).unwrap().is_empty());
        let message = Map::make(&Rows::new(vec![1.0; 4], 1).unwrap(), 0).unwrap_err().to_string();
        assert!(message.contains("4 features; a map takes 5"), "{message}");
    }

    #[test]
    fn many_points_are_thinned_evenly_and_labels_are_checked() {
        assert_eq!(evenly(12), (0..12).collect::<Vec<_>>());
        let some = evenly(12_345);
        assert_eq!((some.len(), some[0], some[4999]), (5000, 0, 12_342));
        assert!(some.windows(2).all(|w| (2..=3).contains(&(w[1] - w[0]))));
        let map = Map::make(&three(4).0, 0).unwrap();
        let classes = ["a".to_string()];
        assert!(map.png("", Some((&[0; 3], &classes))).unwrap_err().to_string().contains("3 labels for 12 features"));
        let labels = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        assert!(map.png("", Some((&labels, &classes))).unwrap_err().to_string().contains("label 1, but there are 1"));
    }
}
