//! SwAV's settings, as they stand in a recipe's `[swav]` table.

use crate::data::AugmentSpec;
use crate::data::augment::RandomResizedCrop;
use crate::error::{Error, Result};
use crate::methods::projector::Projector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How codes are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Codes {
    /// By Sinkhorn-Knopp, which uses all prototypes.
    #[default]
    Sinkhorn,
    /// By a softmax of each sample alone: collapses, and shows what the balance is for.
    Softmax,
}

/// SwAV's settings, as they stand in a recipe's `[swav]` table. The defaults are those for images of 32 pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SwavSpec {
    /// Views of an image, as the recipe augments it.
    pub views: usize,
    /// How many of them, the first ones, have codes.
    pub with_codes: usize,
    /// Further views, cut smaller, which are only predicted from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub small: Option<SmallViews>,
    /// K.
    pub prototypes: usize,
    /// Numbers of a feature behind the head.
    pub dimension: usize,
    /// Units of the head's hidden layer; 0 for a head of one linear layer.
    pub hidden: usize,
    /// τ of the predictions.
    pub temperature: f32,
    /// How codes are made.
    pub codes: Codes,
    /// ε of the codes: smaller is harder.
    pub epsilon: f32,
    /// Iterations of Sinkhorn-Knopp.
    pub iterations: usize,
    /// Epochs in which the prototypes stay as they start.
    pub freeze_epochs: u64,
    /// Features of earlier batches that are balanced along with a batch, for each view with codes: for batches that are
    /// small beside the prototypes. Cut to whole batches; 0 for none.
    pub queue: usize,
    /// Epochs before they are gathered.
    pub queue_after: u64,
}

/// Small views of an image: the `6 x 96` of `2 x 224 + 6 x 96`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmallViews {
    /// How many.
    pub views: usize,
    /// Height and width.
    pub size: [usize; 2],
    /// Least and greatest share of the image's area.
    pub scale: [f32; 2],
}

impl Default for SwavSpec {
    fn default() -> Self {
        SwavSpec {
            views: 2,
            with_codes: 2,
            small: None,
            prototypes: 100,
            dimension: 128,
            hidden: 512,
            temperature: 0.1,
            codes: Codes::Sinkhorn,
            epsilon: 0.05,
            iterations: 3,
            freeze_epochs: 1,
            queue: 0,
            queue_after: 0,
        }
    }
}

impl SwavSpec {
    /// Checks all values.
    ///
    /// # Errors
    /// [`Error::Config`] naming the setting and its value.
    pub fn validate(&self) -> Result<()> {
        let fail = |m: String| Err(Error::Config(m));
        if self.views < 2 || self.with_codes == 0 || self.with_codes > self.views {
            return fail(format!(
                "swav.views = {} and swav.with_codes = {}: give at least 2 views, of which 1 or more have codes",
                self.views, self.with_codes
            ));
        }
        if self.prototypes < 2 || self.dimension == 0 || self.iterations == 0 {
            return fail(format!(
                "swav.prototypes = {}, swav.dimension = {}, swav.iterations = {}: give at least 2, 1 and 1",
                self.prototypes, self.dimension, self.iterations
            ));
        }
        if let Some(small) = self.small.filter(|s| s.views == 0 || s.size.contains(&0)) {
            return fail(format!(
                "swav.small.views = {} and swav.small.size = {:?}: give at least 1 view of at least 1 pixel",
                small.views, small.size
            ));
        }
        if let Some(SmallViews { scale: [least, most], .. }) = self.small
            && !(0.0 < least && least <= most && most.is_finite())
        {
            return fail(format!(
                "swav.small.scale = [{least}, {most}]: give two numbers over 0, the smaller one first"
            ));
        }
        for (name, v) in [("temperature", self.temperature), ("epsilon", self.epsilon)] {
            if !(v > 0.0 && v.is_finite()) {
                return fail(format!("swav.{name} = {v}: give a number over 0"));
            }
        }
        Ok(())
    }

    /// The head that turns features into points.
    pub(super) fn head(&self) -> Projector {
        Projector { hidden: self.hidden, norm: true, out: self.dimension }
    }

    /// How the views are made, small ones last.
    pub(in crate::methods) fn augmentations(&self, augment: &AugmentSpec) -> Vec<AugmentSpec> {
        let mut all = vec![augment.clone(); self.views];
        if let Some(SmallViews { views, size, scale }) = self.small {
            let ratio = augment.random_resized_crop.unwrap_or_default().ratio;
            let crop = RandomResizedCrop { scale, ratio, size: Some(size) };
            let small = AugmentSpec { random_resized_crop: Some(crop), pad_crop: None, ..augment.clone() };
            all.extend(vec![small; views]);
        }
        all
    }

    /// Rows of the queue of a view: whole batches.
    pub(super) fn queue_rows(&self, batch: usize) -> usize {
        self.queue / batch * batch
    }
}
