//! The `[data]` table: which images.

use super::EMBEDDED;
use crate::data::{Dataset, OpenOptions, Split};
use crate::error::{Error, Result};
use crate::features::low_shot;
use serde::{Deserialize, Serialize};

/// Which images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataSpec {
    /// A file or folder, or "embedded"; empty if it must be given with `--data`.
    pub path: String,
    /// Height and width that the images are brought to; else they stay as they are.
    pub size: Option<[usize; 2]>,
    /// 1 to make them grey, 3 colour; else they stay as they are.
    pub channels: Option<usize>,
    /// The share of a set without a test part that becomes one.
    pub test_share: f64,
    /// Decides which images that share is; not the run's seed, so that runs compare.
    pub split_seed: u64,
    /// CIFAR-100: its 20 coarse classes.
    pub coarse_labels: bool,
    /// Only images of these classes, numbered anew; empty for all.
    pub classes: Vec<usize>,
    /// This share of the training images takes the place of the test images, which are left alone: to choose settings by.
    pub hold_out: f64,
    /// The share of the training images that have labels, drawn at random, always the same ones; the rest is left out, after
    /// `train_images`.
    pub label_share: f64,
    /// At most this many training images, evenly taken: for trying things out.
    pub train_images: Option<usize>,
    /// At most this many test images.
    pub test_images: Option<usize>,
}

impl Default for DataSpec {
    fn default() -> Self {
        let open = OpenOptions::default();
        DataSpec {
            path: EMBEDDED.into(),
            size: None,
            channels: None,
            test_share: open.test_share,
            split_seed: 0,
            coarse_labels: false,
            classes: Vec::new(),
            hold_out: 0.0,
            label_share: 1.0,
            train_images: None,
            test_images: None,
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
        if !(0.0..1.0).contains(&self.hold_out) {
            return fail(format!("data.hold_out = {}: give a share from 0 up to, but not, 1", self.hold_out));
        }
        Ok(())
    }

    /// Opens the images.
    pub fn open(&self) -> Result<Split> {
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
            Dataset::embedded()
        } else {
            let options = OpenOptions {
                size: self.size,
                channels: self.channels,
                test_share: self.test_share,
                seed: self.split_seed,
                coarse_labels: self.coarse_labels,
            };
            Dataset::open(&self.path, &options)?
        };
        if !self.classes.is_empty() {
            for part in [&mut split.train, &mut split.test] {
                *part = part.of_classes(&self.classes)?.into();
            }
        }
        if self.hold_out > 0.0 {
            split = split.holding_out(self.hold_out, self.split_seed);
        }
        for (part, limit) in [(&mut split.train, self.train_images), (&mut split.test, self.test_images)] {
            if let Some(n) = limit.filter(|n| *n < part.len()) {
                // Evenly, because folders of images come class by class.
                let some: Vec<u32> = (0..n).map(|i| (i * part.len() / n) as u32).collect();
                *part = part.select(&some).into();
            }
        }
        if self.label_share < 1.0 {
            let with_labels = low_shot(split.train.len(), self.label_share);
            split.train = split.train.select(&with_labels).into();
        }
        Ok(split)
    }
}
