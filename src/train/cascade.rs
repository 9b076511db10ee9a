//! The model cascade of Self-Masking Networks (section 3.4 of its paper, and its release): a mask for all images, the
//! *dispatcher*; a *router* that sorts images into clusters by the dispatcher's features; a mask for each cluster, an
//! *expert*; and the features of all of them fused into as many numbers as the dispatcher alone has.

use super::nearest::unit;
use crate::error::Result;
use crate::features::{Mixture, Pca, Rows};
use crate::methods::swav::SwavSpec;
use crate::recipe::Recipe;
use serde::{Deserialize, Serialize};

/// Components by which images are sorted.
const COMPONENTS: usize = 20;
/// Starts of the mixture.
const STARTS: u32 = 5;

/// Sorts images into clusters: principal components of features of length 1, whitened, and a Gaussian mixture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Router {
    pca: Pca,
    /// What brings whitened numbers to variance 1, which the mixture's regularisation is for: the root of the number of
    /// training images.
    factor: f32,
    mixture: Mixture,
}

impl Router {
    /// Of the dispatcher's features of training images.
    ///
    /// # Errors
    /// If there are fewer images than clusters.
    pub fn fit(features: &Rows, clusters: usize, seed: u64) -> Result<Router> {
        let unit = Rows::new(unit(features), features.d())?;
        let pca = Pca::fit(&unit, COMPONENTS.min(unit.d()))?;
        let factor = (unit.n() as f32).sqrt();
        let mixture = Mixture::fit(&spread(&pca, factor, &unit)?, clusters, STARTS, seed)?;
        Ok(Router { pca, factor, mixture })
    }

    /// The cluster of each image.
    ///
    /// # Errors
    /// If the features are not of the dispatcher's kind.
    pub fn route(&self, features: &Rows) -> Result<Vec<u32>> {
        let unit = Rows::new(unit(features), features.d())?;
        self.mixture.assign(&spread(&self.pca, self.factor, &unit)?)
    }
}

fn spread(pca: &Pca, factor: f32, unit: &Rows) -> Result<Rows> {
    let white = pca.whiten(unit)?;
    Rows::new(white.data().iter().map(|x| factor * x).collect(), white.d())
}

/// Features of the dispatcher and of all experts side by side; with `routed`, zeros in place of those of experts that an
/// image was not routed to (conditional fusion).
///
/// # Errors
/// If a feature is not finite.
pub fn side_by_side(dispatcher: &Rows, experts: &[Rows], routed: Option<&[u32]>) -> Result<Rows> {
    let d = dispatcher.d() + experts.iter().map(Rows::d).sum::<usize>();
    let mut data = Vec::with_capacity(dispatcher.n() * d);
    for (i, own) in dispatcher.rows().enumerate() {
        data.extend_from_slice(own);
        for (k, expert) in experts.iter().enumerate() {
            match routed.is_none_or(|r| r[i] as usize == k) {
                true => data.extend_from_slice(expert.row(i)),
                false => data.resize(data.len() + expert.d(), 0.0),
            }
        }
    }
    Rows::new(data, d)
}

/// Training and test features brought to `d` whitened components, which are those of the training images.
///
/// # Errors
/// If there are no features.
pub fn fused(train: &Rows, test: &Rows, d: usize) -> Result<(Rows, Rows)> {
    let pca = Pca::fit(train, d)?;
    Ok((pca.whiten(train)?, pca.whiten(test)?))
}

/// The recipe of an expert: the dispatcher's, from its scores, on the images of a cluster, with as many steps.
pub fn expert_recipe(dispatcher: &Recipe, run: &str, cluster: usize, images: usize, all: usize) -> Result<Recipe> {
    let epochs = ((dispatcher.epochs as f64 * all as f64 / images as f64).round() as u64).max(1);
    let mut recipe = Recipe {
        description: format!("expert {cluster} of the cascade of {run}"),
        epochs,
        batch: dispatcher.batch.min(images),
        start_from: run.to_string(),
        run: None,
        ..dispatcher.clone()
    };
    if let Some(swav) = recipe.own::<SwavSpec>("swav").filter(|s| s.queue > 0) {
        recipe.set_own("swav", &SwavSpec { queue_after: epochs / 5, ..swav })?;
    }
    Ok(recipe)
}
