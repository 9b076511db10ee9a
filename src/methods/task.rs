//! What is to be trained, and the names of what goes into its graphs and comes out.

use super::teacher::Teacher;
use crate::data::{AugmentSpec, Split, Stats};
use crate::error::{Error, Result};
use crate::features::Rows;
use crate::recipe::Recipe;
use serde::{Deserialize, Serialize};

/// What a method must know of the images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// Height, width, channels.
    pub extents: [usize; 3],
    /// Number of classes; 0 for an unlabelled set.
    pub classes: usize,
    /// Mean of each channel, of pixels in 0..1.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub std: Vec<f32>,
    /// Whether each view of a training step comes as a tensor of its own, cropped out of whole pictures
    /// ([`Dataset::crops_originals`](crate::data::Dataset::crops_originals)).
    #[serde(default)]
    pub crops: bool,
}

impl ImageInfo {
    /// What is to be known of a set.
    ///
    /// # Errors
    /// If its images are in files, and one that tells their mean cannot be read.
    pub fn of(split: &Split) -> Result<Self> {
        Ok(ImageInfo::normalised(split, &split.normalization()?))
    }

    /// What is to be known of a set of which the mean and the deviation are given.
    pub fn normalised(split: &Split, stats: &Stats) -> Self {
        let part = if split.train.is_empty() { &split.test } else { &split.train };
        ImageInfo {
            extents: [part.h, part.w, part.c],
            classes: part.classes.len(),
            mean: stats.mean.clone(),
            std: stats.std.clone(),
            crops: split.train.crops_originals(),
        }
    }

    /// Height, width and channels of a view.
    pub fn view_extents(&self, augment: &AugmentSpec) -> [usize; 3] {
        let [h, w, c] = self.extents;
        let [h, w] = augment.output_size(h, w);
        [h, w, c]
    }

    /// Height, width and channels of what a network is tested on: where training sees crops that are brought to a smaller
    /// size, the middle of that size.
    pub fn eval_extents(&self, augment: &AugmentSpec) -> [usize; 3] {
        let [h, w, c] = self.extents;
        let [to_h, to_w] = augment.output_size(h, w);
        [h.min(to_h), w.min(to_w), c]
    }

    /// Bytes of one image.
    pub fn bytes(&self) -> usize {
        self.extents.iter().product()
    }
}

/// What a fitted model makes of the training images, where a network learns coordinates.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets {
    /// Coordinates, `[n, q]`.
    pub coordinates: Rows,
    /// Deviation of each coordinate over the points that the model was fitted to.
    pub deviation: Vec<f32>,
    /// Centres of the clusters, `[clusters, q]`.
    pub centres: Vec<f64>,
}

/// What is to be trained: all that a method's graphs depend on besides batch sizes.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// Everything that the user decides.
    pub recipe: &'a Recipe,
    /// The images.
    pub images: &'a ImageInfo,
    /// The network that a method learns from, if the recipe names one.
    pub teacher: Option<&'a Teacher>,
    /// The fitted model that a network is to compress, if it is.
    pub targets: Option<&'a Targets>,
}

impl<'a> Task<'a> {
    /// The teacher of a method that cannot do without.
    ///
    /// # Errors
    /// If there is none.
    pub fn teacher(&self) -> Result<&'a Teacher> {
        let missing = || Error::Config("this method learns from a teacher: name its run with [teacher]".into());
        self.teacher.ok_or_else(missing)
    }

    /// What a fitted model made of the training images, for a method that cannot do without.
    ///
    /// # Errors
    /// If it is not there.
    pub fn targets(&self) -> Result<&'a Targets> {
        let missing = "compress.target = \"coordinates\" needs the fitted model at hand: this command goes with \"clusters\" only";
        self.targets.ok_or_else(|| Error::Config(missing.into()))
    }
}

/// Input of the step: pixels, U8 `[batch, h * w * c]`; of view 0, 1, ... `images.0` where [`ImageInfo::crops`] is set.
pub const IMAGES: &str = "images";
/// Input of the step: classes, U32 `[batch]`.
pub const LABELS: &str = "labels";
/// Input of the step: augmentation parameters of view 0, 1, ...: `augment.0`.
pub const AUGMENT: &str = "augment";
/// Input of the test: pixels, U8 `[eval batch, h * w * c]`.
pub const EVAL_IMAGES: &str = "eval.images";
/// Output of the test, `[eval batch, classes]`.
pub const LOGITS: &str = "logits";

/// Leaves of this prefix are about a run's course: checkpoints leave them out.
pub const TRANSIENT: &str = "metrics.";
/// Leaves that carry something from one part of a step to the next: left out too.
pub const PASSED_ON: &str = "passed.";
/// Leaves of theirs that add up the gradients of the batches of a step.
pub const ADDED_UP: &str = "passed.sum.";
/// Leaves of a teacher, which come from its own run: left out too.
pub const TEACHER: &str = "teacher.";
