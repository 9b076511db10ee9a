//! The settings of a multilayer bootstrap network.

use super::layer_sizes::layer_sizes;
use crate::error::{Error, Result};
use crate::ops::cluster::Ties;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What of a code a clustering looks at, above layer 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// Whole clusterings of the layer below.
    #[default]
    Blocks,
    /// Single dimensions of the one-hot vectors.
    Dimensions,
}

/// How codes are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Similarity {
    /// By what they share: the inner product of the one-hot vectors.
    #[default]
    Shared,
    /// By Euclidean distance, which fails with single dimensions sampled: a centre of few sampled ones is near everything.
    Euclidean,
}

/// How the components become clusters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Application {
    /// k-means, k-means++ and restarts.
    #[default]
    KMeans,
    /// Merging by Ward's rule.
    Agglomerative,
}

/// Settings, as they stand in a recipe's `[mbn]` table. Letters are the paper's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MbnSpec {
    /// V: clusterings of a layer.
    pub clusterings: usize,
    /// k of each layer; empty for `first`, `decay` and `last`.
    pub layers: Vec<usize>,
    /// k of the first layer; 0 for half of the points, at most 10,000.
    pub first: usize,
    /// What k is multiplied with from layer to layer.
    pub decay: f64,
    /// k of the last layer; 0 for one and a half times the clusters.
    pub last: usize,
    /// a: the share of the variables that a clustering looks at.
    pub share: f64,
    /// What of a code a clustering looks at.
    pub sampling: Sampling,
    /// How codes are compared.
    pub similarity: Similarity,
    /// Which of equally similar centres is taken.
    pub ties: Ties,
    /// Principal components of the last code.
    pub components: usize,
    /// How they become clusters.
    pub application: Application,
    /// Clusters; 0 for as many as the images have classes.
    pub clusters: usize,
    /// Starts of k-means, of which the best is kept.
    pub restarts: u32,
}

impl Default for MbnSpec {
    fn default() -> Self {
        MbnSpec {
            clusterings: 400,
            layers: Vec::new(),
            first: 0,
            decay: 0.5,
            last: 0,
            share: 0.5,
            sampling: Sampling::Blocks,
            similarity: Similarity::Shared,
            ties: Ties::Random,
            components: 10,
            application: Application::KMeans,
            clusters: 0,
            restarts: 10,
        }
    }
}

/// Letters of codes have 16 bits, one of which values is taken.
const MOST: usize = u16::MAX as usize;

impl MbnSpec {
    /// Checks what does not depend on the points.
    ///
    /// # Errors
    /// [`Error::Config`] naming the setting.
    pub fn validate(&self) -> Result<()> {
        let fail = |m: String| Err(Error::Config(m));
        if self.clusterings == 0 {
            return fail("mbn.clusterings = 0: give at least 1 (the paper takes 400)".into());
        }
        if !(self.share > 0.0 && self.share <= 1.0) {
            return fail(format!("mbn.share = {}: give a share over 0 and at most 1", self.share));
        }
        if !(self.decay > 0.0 && self.decay < 1.0) {
            return fail(format!("mbn.decay = {}: give a share between 0 and 1", self.decay));
        }
        if self.components == 0 {
            return fail("mbn.components = 0: give at least 1".into());
        }
        if self.restarts == 0 {
            return fail("mbn.restarts = 0: give at least 1".into());
        }
        if self.layers.contains(&0) || !self.layers.is_sorted_by(|a, b| a > b) {
            return fail(format!("mbn.layers = {:?}: numbers of centres must get smaller, and be over 0", self.layers));
        }
        Ok(())
    }

    /// The settings with the numbers that follow from `n` points of `classes` classes (0 if unknown).
    ///
    /// # Errors
    /// If there are fewer points than centres, or no number of clusters.
    pub fn resolved(&self, n: usize, classes: usize) -> Result<MbnSpec> {
        self.validate()?;
        let fail = |m: String| Err(Error::Config(m));
        let clusters = if self.clusters > 0 { self.clusters } else { classes };
        if clusters == 0 {
            return fail(
                "the images have no classes to count: say how many clusters there are with mbn.clusters".into(),
            );
        }
        let layers = match self.layers.as_slice() {
            [] => {
                let first = if self.first > 0 { self.first } else { (n / 2).min(10_000) };
                let last = if self.last > 0 { self.last } else { clusters + clusters / 2 };
                layer_sizes(first, self.decay, last)?
            }
            given => given.to_vec(),
        };
        if layers[0] > n || layers[0] > MOST {
            return fail(format!(
                "the first layer has {} centres, which are drawn from {n} points: give at most {} (mbn.layers or mbn.first)",
                layers[0],
                n.min(MOST)
            ));
        }
        let last = layers[layers.len() - 1];
        if last <= clusters {
            return fail(format!(
                "the last layer has {last} centres for {clusters} clusters: it needs more, so that every class is hit (half \
                 as many more is usual)"
            ));
        }
        Ok(MbnSpec { layers, clusters, ..self.clone() })
    }
}
