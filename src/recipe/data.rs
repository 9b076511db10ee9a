//! The `[data]` table: which images.

use super::EMBEDDED;
use super::settings::changed;
use crate::data::{Background, Dataset, OnError, OpenOptions, PixelRules, Split, Truncated};
use crate::error::{Error, Result};
use crate::features::low_shot;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What random crops are taken from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Crops {
    /// Pictures as they are in their files.
    Originals,
    /// Pictures brought to `data.size`.
    Resized,
}

/// Which images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataSpec {
    /// A file or folder, or "embedded"; empty if it must be given with `--data`.
    pub path: String,
    /// Height and width that the images are brought to; else they stay as they are.
    pub size: Option<[usize; 2]>,
    /// 1 to make them grey, 3 colour; else they stay as they are.
    pub channels: Option<usize>,
    /// What random crops are taken from where images are not of the size that they are brought to: the `originals`, whole and
    /// in the size of their files, or the images once they are `resized`.
    pub crops: Crops,
    /// What transparent pixels of pictures are laid on: "white" or "black". It ships with the model.
    pub background: Background,
    /// What becomes of pictures that are cut short: "stop" names the first of them, "keep" takes what there is of each.
    pub truncated: Truncated,
    /// The share of a set without test and validation part that becomes its test part. Which images it is follows from their
    /// names: it is met on average, and pictures that are added move none of the old ones. (Once called `test_share`.)
    #[serde(alias = "test_share")]
    pub test: f64,
    /// The share of the training images that becomes the validation part of a set without one, likewise: what the best
    /// checkpoint is chosen by, and when training ends early. Without it nothing is chosen.
    pub val: f64,
    /// Decides which images these shares are; not the run's seed, so that runs compare.
    pub split_seed: u64,
    /// CIFAR-100: its 20 coarse classes.
    pub coarse_labels: bool,
    /// Only images of these classes, numbered anew; empty for all.
    pub classes: Vec<usize>,
    /// This share of the training images takes the place of the set's own validation part, and the test images are left alone
    /// in training: to choose settings by.
    pub hold_out: f64,
    /// The share of the training images that have labels, drawn at random, always the same ones; the rest is left out, after
    /// `train_images`.
    pub label_share: f64,
    /// At most this many training images, evenly taken: for trying things out.
    pub train_images: Option<usize>,
    /// At most this many test images.
    pub test_images: Option<usize>,
    /// MiB that decoded images may take; what does not fit is decoded as it is needed. A quarter of the memory if it is not
    /// given. No result depends on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// What happens at an image that cannot be read: `stop`, or `skip`, which leaves it out and lists it.
    pub on_error: OnError,
    /// With `skip`, the share of all images above which reading stops all the same.
    pub most_skipped: f64,
}

impl Default for DataSpec {
    fn default() -> Self {
        let open = OpenOptions::default();
        DataSpec {
            path: EMBEDDED.into(),
            size: None,
            channels: None,
            crops: Crops::Originals,
            background: open.pixels.background,
            truncated: open.pixels.truncated,
            test: open.test_share,
            val: open.val_share,
            split_seed: 0,
            coarse_labels: false,
            classes: Vec::new(),
            hold_out: 0.0,
            label_share: 1.0,
            train_images: None,
            test_images: None,
            memory: None,
            on_error: open.on_error,
            most_skipped: open.most_skipped,
        }
    }
}

impl DataSpec {
    /// Checks the numbers that types cannot.
    pub fn validate(&self) -> Result<()> {
        let fail = |message: String| Err(Error::Config(message));
        if !(self.label_share > 0.0 && self.label_share <= 1.0) {
            return fail(format!(
                "data.label_share = {}: give a share over 0 and at most 1 (0.01 for 1 %)",
                self.label_share
            ));
        }
        // Also of sets that have these parts already: a share that is none says that something else was meant.
        for (name, share) in [("hold_out", self.hold_out), ("test", self.test), ("val", self.val)] {
            if !(0.0..1.0).contains(&share) {
                return fail(format!("data.{name} = {share}: give a share from 0 up to, but not, 1"));
            }
        }
        if !(0.0..=1.0).contains(&self.most_skipped) {
            return fail(format!("data.most_skipped = {}: give a share from 0 to 1", self.most_skipped));
        }
        Ok(())
    }

    /// These settings with `key=value` of the `[data]` table, keys as a recipe has them ("data.size").
    ///
    /// # Errors
    /// As [`changed`].
    pub fn with(&self, settings: &[String]) -> Result<DataSpec> {
        let tables = Tables { data: self.clone() };
        let validate = |t: &Tables| t.data.validate();
        Ok(changed(&tables, settings, |source| source.read(), validate)?.data)
    }

    /// How the images are opened.
    pub fn open_options(&self) -> OpenOptions {
        OpenOptions {
            size: self.size,
            channels: self.channels,
            test_share: self.test,
            val_share: self.val,
            seed: self.split_seed,
            coarse_labels: self.coarse_labels,
            pixels: PixelRules { background: self.background, truncated: self.truncated },
            crops: false,
            memory: self.memory.map(|mib| mib << 20),
            on_error: self.on_error,
            most_skipped: self.most_skipped,
        }
    }

    /// Opens the images.
    pub fn open(&self) -> Result<Split> {
        self.open_for(false)
    }

    /// Opens the images; with `crops`, random crops of those to train on see whole pictures.
    pub(super) fn open_for(&self, crops: bool) -> Result<Split> {
        if self.path.is_empty() {
            return Err(Error::Config(
                "this recipe brings no images of its own: say where they are with --data PATH".into(),
            ));
        }
        let mut split = if self.path == EMBEDDED {
            if self.size.is_some() || self.channels.is_some() {
                return Err(Error::Config(
                    "data.size and data.channels do not apply to the embedded set, which is 28x28 grey; give data.path"
                        .into(),
                ));
            }
            let embedded = Dataset::embedded();
            if self.val > 0.0 { embedded.drawing_val(self.val, self.split_seed) } else { embedded }
        } else {
            Dataset::open(
                &self.path,
                &OpenOptions { crops: crops && self.crops == Crops::Originals, ..self.open_options() },
            )?
        };
        let no_test_part = Arc::ptr_eq(&split.val, &split.test) && self.hold_out == 0.0;
        if !self.classes.is_empty() {
            for part in [&mut split.train, &mut split.val, &mut split.test] {
                *part = part.of_classes(&self.classes)?.into();
            }
        }
        if self.hold_out > 0.0 {
            split = split.holding_out(self.hold_out, self.split_seed);
            split
                .notes
                .push(format!("data.hold_out = {}: val is a share of train, and test is left alone", self.hold_out));
        }
        for (part, limit) in [(&mut split.train, self.train_images), (&mut split.test, self.test_images)] {
            if let Some(n) = limit.filter(|n| *n < part.len()) {
                // Evenly, because folders of images come class by class.
                let some: Vec<u32> = (0..n).map(|i| (i * part.len() / n) as u32).collect();
                *part = part.select(&some).into();
            }
        }
        if no_test_part {
            split.val = split.test.clone();
        }
        if self.label_share < 1.0 {
            let with_labels = low_shot(split.train.len(), self.label_share);
            split.train = split.train.select(&with_labels).into();
        }
        Ok(split)
    }
}

/// A recipe of which only the images count.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    data: DataSpec,
}
