//! What came out of a run: `summary.json`.

use super::super::ships::Ships;
use super::RunDir;
use crate::error::{Error, Result};
use crate::nn::Count;
use crate::recipe::Recipe;
use serde::{Deserialize, Serialize};

/// The result of a run: `summary.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the recipe.
    pub recipe: String,
    /// What the images are.
    pub data: String,
    /// The device as people call it.
    pub device: String,
    /// Seed.
    pub seed: u64,
    /// Epochs done.
    pub epochs: u64,
    /// Steps done.
    pub steps: u64,
    /// Training images.
    #[serde(default)]
    pub train_images: usize,
    /// Validation images: those that the checkpoint was chosen by. 0 if there were none, or if the run is of an earlier
    /// version, which chose on test images.
    #[serde(default)]
    pub val_images: usize,
    /// Share of validation images whose class is right after the last epoch; `null` without validation images.
    #[serde(default)]
    pub val_accuracy: Option<f64>,
    /// The best one after any epoch.
    #[serde(default)]
    pub best_val_accuracy: Option<f64>,
    /// Epochs done then.
    #[serde(default)]
    pub best_val_epoch: Option<u64>,
    /// Test images; 0 in runs of earlier versions, which did not say.
    #[serde(default)]
    pub test_images: usize,
    /// Share of test images whose class is right, by the chosen checkpoint: the best one on validation images, without those
    /// the last one. `null` without test images.
    pub test_accuracy: Option<f64>,
    /// The same among the five most likely classes.
    pub test_top5: Option<f64>,
    /// Mean cross-entropy of the test images.
    pub test_loss: Option<f64>,
    /// Epochs done when the chosen checkpoint was written.
    #[serde(default)]
    pub chosen_epoch: Option<u64>,
    /// Whether training ended because validation did not get better any more (`patience`).
    #[serde(default)]
    pub stopped_early: bool,
    /// Images trained on per second of training, tests and saving left out.
    pub images_per_second: f64,
    /// Seconds, of all processes that trained the run together.
    pub seconds: f64,
    /// Steps that were done when these seconds began to count: 0 if they are those of the whole run. None in runs of earlier
    /// versions, which counted from when a run was last resumed.
    #[serde(default)]
    pub seconds_since: Option<u64>,
    /// Bytes of all buffers of all programs.
    pub planned_bytes: usize,
    /// Bytes kept from forward to backward.
    pub kept_bytes: usize,
    /// Trained numbers.
    pub parameters: usize,
    /// Those of them of which the network uses one bit.
    pub binary_parameters: usize,
    /// What one image costs by the field's counting convention.
    pub count: Count,
    /// What ships of it; none of runs of earlier versions, and of what cannot ship.
    #[serde(default)]
    pub ships: Option<Ships>,
    /// [`Recipe::hash`](crate::recipe::Recipe::hash) of the recipe that it is of, in hexadecimal; none of runs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe_hash: Option<String>,
    /// Version of the program.
    pub version: String,
}

impl Summary {
    /// Checks that it is of the recipe that stands beside it: both may have been edited.
    ///
    /// # Errors
    /// If it is of another one.
    pub fn check_recipe(&self, run: &RunDir, recipe: &Recipe) -> Result<()> {
        let hash = format!("{:016x}", recipe.hash()?);
        match self.recipe_hash.as_ref().filter(|of| **of != hash) {
            None => Ok(()),
            Some(of) => Err(Error::data(
                run.path().join("summary.json"),
                format!(
                    "the result is of another recipe (hash {of}) than config.toml has now ({hash}): put that back as it was"
                ),
            )),
        }
    }
}
