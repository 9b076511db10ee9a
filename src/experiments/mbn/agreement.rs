//! How well clusters agree with classes.

use crate::console::text::{grouped, percent};
use crate::data::Dataset;
use crate::features::{clustering_accuracy, normalized_mutual_information};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Agreement of clusters with classes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Images.
    pub images: usize,
    /// Share that is right under the best one-to-one map of clusters to classes.
    pub accuracy: f64,
    /// Normalised mutual information, arithmetic normalisation.
    pub nmi: f64,
}

impl Agreement {
    /// Against the labels of sets, one after the other; `None` if one has none.
    pub fn of(clusters: &[u32], sets: &[&Arc<Dataset>]) -> Option<Agreement> {
        let labels: Option<Vec<&[u32]>> = sets.iter().map(|set| set.labels.as_deref()).collect();
        let labels = labels?.concat();
        (labels.len() == clusters.len() && !labels.is_empty()).then(|| Agreement {
            images: labels.len(),
            accuracy: clustering_accuracy(clusters, &labels),
            nmi: normalized_mutual_information(clusters, &labels),
        })
    }

    /// For people.
    pub fn say(&self) -> String {
        let images = grouped(self.images as u64);
        format!("accuracy {} of {images} images  NMI {:.4}", percent(self.accuracy), self.nmi)
    }
}
