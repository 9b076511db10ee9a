//! How features are evaluated that were learned without labels.
//!
//! | protocol | what |
//! | --- | --- |
//! | `knn` | nearest neighbours among the training images: cosine, k = 200, votes `exp(similarity / 0.1)` |
//! | `linear` | logistic regression on the features of training images, penalty `0.01 / N` |
//! | `finetune` | the whole network and a new last layer, 20 epochs of SGD (specification of SwAV, section 5) |
//!
//! Features are the pooled outputs of the backbone in evaluation, of images that are not augmented. With few labels, the
//! images that have some are the same for every network and seed.

use super::evaluate::{Evaluation, Tally, for_each_output};
use super::neighbours;
use super::programs::{Programs, Runner};
use crate::data::augment::{Flip, RandomResizedCrop};
use crate::data::{AugmentSpec, Dataset, Part, Split};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::features::{Probe, Rows, low_shot};
use crate::graph::Graph;
use crate::methods::finetune::{Finetune, FinetuneSpec};
use crate::methods::{Method, Task, feature_graph};
use crate::optim::{OptimSpec, Rule, Schedule, Warmup};
use crate::recipe::Recipe;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A way to evaluate features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// k nearest neighbours.
    Knn,
    /// A linear probe.
    Linear,
    /// Fine-tuning.
    Finetune,
}

impl Protocol {
    /// The name in commands and tables.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Knn => "knn",
            Protocol::Linear => "linear",
            Protocol::Finetune => "finetune",
        }
    }
}

/// What a protocol found: an entry of `protocols.json` in a run directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProtocolResult {
    /// Which.
    pub protocol: Protocol,
    /// The share of the training images that had labels.
    pub labels: f64,
    /// The images.
    pub data: String,
    /// Training images with labels.
    pub training_images: usize,
    /// The part that was tested on: test, val or train.
    #[serde(default = "test_part")]
    pub part: String,
    /// Images tested on.
    pub test_images: usize,
    /// Share of them that were recognised.
    pub accuracy: f64,
}

/// What protocols of earlier versions were tested on.
fn test_part() -> String {
    Part::Test.word().into()
}

impl ProtocolResult {
    /// What a table calls it: `linear (10% of the labels)`; with the images where they are not `own`.
    pub fn column(&self, own: &str) -> String {
        let share =
            if self.labels < 1.0 { format!(" ({}% of the labels)", 100.0 * self.labels) } else { String::new() };
        let data = if self.data == own { String::new() } else { format!(" on {}", self.data) };
        let part = if self.part == Part::Test.word() { String::new() } else { format!(" on {}", self.part) };
        format!("{}{share}{data}{part}", self.protocol.name())
    }
}

/// Features `[images, d]` of all images of a set, in order; `None` if `stop` was set meanwhile. The runner's test is a
/// [`feature_graph`].
pub fn features(runner: &mut Runner, set: &Arc<Dataset>, batch: usize, stop: &AtomicBool) -> Result<Option<Rows>> {
    let (mut data, mut d) = (Vec::new(), 1);
    let whole = for_each_output(runner, set, batch, stop, |b, made| {
        d = made.shape().columns();
        data.extend_from_slice(&made.f32s()[..d * b.valid]);
        Ok(())
    })?;
    whole.then(|| Rows::new(data, d)).transpose()
}

/// A run's network as what makes features.
pub fn feature_programs(task: &Task<'_>, device: &Device) -> Result<(Programs, usize)> {
    super::limits::fitting_test(task, device, |batch| -> Result<Graph> { feature_graph(task, batch) })
}

/// Features of the training part, those of them that have labels, and of the test part.
pub struct LabelledFeatures<'a> {
    /// Features of training images with labels.
    pub train: Cow<'a, Rows>,
    /// Their labels.
    pub train_labels: Vec<u32>,
    /// Features of test images.
    pub test: &'a Rows,
    /// Their labels.
    pub test_labels: Vec<u32>,
    /// Names of the classes.
    pub classes: Vec<String>,
}

impl<'a> LabelledFeatures<'a> {
    /// Of a set, a share of whose training images have labels.
    ///
    /// # Errors
    /// If a part has no images or no labels.
    pub fn new(data: &Split, labels: f64, train: &'a Rows, test: &'a Rows) -> Result<LabelledFeatures<'a>> {
        let of = |set: &Dataset, part: Part| {
            set.labels.clone().filter(|l| !l.is_empty()).ok_or_else(|| {
                let m = format!("{}: features are evaluated by labels, and the {part} images have none", set.name);
                Error::Config(format!("{m}: give them some, or --data PATH of images that have"))
            })
        };
        let (all, test_labels) = (of(&data.train, Part::Train)?, of(&data.test, Part::Test)?);
        let with = low_shot(all.len(), labels);
        Ok(LabelledFeatures {
            // Most have all labels: then nothing is copied.
            train: if with.len() == all.len() { Cow::Borrowed(train) } else { Cow::Owned(train.select(&with)) },
            train_labels: with.iter().map(|i| all[*i as usize]).collect(),
            test,
            test_labels,
            classes: data.test.classes.clone(),
        })
    }

    /// By the 200 nearest neighbours, which `device` finds.
    pub fn by_neighbours(&self, device: &Device) -> Result<Evaluation> {
        self.by_neighbours_of(neighbours::K, device)
    }

    /// By another number of them.
    pub fn by_neighbours_of(&self, k: usize, device: &Device) -> Result<Evaluation> {
        let mut tally = Tally::new(self.classes.len());
        let mut labels = self.test_labels.iter();
        neighbours::votes(device, &self.train, &self.train_labels, self.test, self.classes.len(), k, |votes| {
            tally.add(votes, *labels.next().expect("a label for each row") as usize)
        })?;
        Ok(tally.finish(&self.classes))
    }

    /// By a linear probe.
    pub fn by_probe(&self) -> Result<(Evaluation, Probe)> {
        let probe = Probe::fit(&self.train, &self.train_labels, self.classes.len())?;
        let logits = probe.logits(self.test)?;
        Ok((self.tally(logits.rows())?, probe))
    }

    fn tally<'r>(&self, rows: impl Iterator<Item = &'r [f32]>) -> Result<Evaluation> {
        let mut tally = Tally::new(self.classes.len());
        for (row, label) in rows.zip(&self.test_labels) {
            tally.add(row, *label as usize)?;
        }
        Ok(tally.finish(&self.classes))
    }
}

/// The recipe that fine-tunes a run's network on a share of the labels: 20 epochs, batch 256, SGD with momentum 0.9 and no
/// decay, a fifth of the rates from epochs 12 and 16 on. Rates of trunk and last layer: 0.02 and 5 up to 1 % of the labels,
/// 0.01 and 0.2 beyond (published for 1 % and 10 %).
pub fn finetune_recipe(of: &Recipe, run: &str, labels: f64, images: usize) -> Result<Recipe> {
    let (lr, last_lr) = if labels <= 0.01 { (0.02, 5.0) } else { (0.01, 0.2) };
    let size = of.augment.random_resized_crop.and_then(|crop| crop.size);
    let crop = RandomResizedCrop { size, ..RandomResizedCrop::default() };
    let sgd = OptimSpec::new(Rule::Sgd { momentum: 0.9, nesterov: false });
    let mut recipe = Recipe {
        description: format!("fine-tuning of {run} with {} % of the labels", 100.0 * labels),
        method: Finetune.name().into(),
        epochs: 20,
        batch: 256.min(images),
        lr,
        label_smoothing: 0.0,
        start_from: run.to_string(),
        teacher: None,
        own: toml::Table::new(),
        augment: AugmentSpec {
            random_resized_crop: Some(crop),
            flip: Some(Flip::default()),
            normalize: of.augment.normalize.clone(),
            ..AugmentSpec::default()
        },
        optimiser: sgd,
        schedule: Schedule::Step { milestones: vec![12, 16], gamma: 0.2, warmup: Warmup::default() },
        run: None,
        ..of.clone()
    };
    recipe.set_own("finetune", &FinetuneSpec { last_lr })?;
    Ok(recipe)
}
