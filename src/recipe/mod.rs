//! A recipe: everything that decides what a run computes, as a TOML file.
//!
//! Here is what all recipes of networks have in common. What a method adds are tables of its own, which it reads itself:
//! [`crate::methods`] has what needs the method, [`Recipe::parse`] and [`Recipe::find`] among it.

mod data;
pub mod keys;
mod loss;
mod read;
pub mod settings;
mod text;

pub use data::{Crops, DataSpec};
pub use loss::{ClassWeights, LossSpec};
pub use read::{COMMON, OwnTable, Source};
pub use text::{Text, absolute, built_in};

use crate::data::{AugmentSpec, Split};
use crate::error::{Error, Result};
use crate::hash::fnv1a;
use crate::nn::NetSpec;
use crate::optim::{OptimSpec, Schedule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The recipe of `onebit train` without arguments.
pub const DEFAULT: &str = "fashion-binary";

/// The path that means the set inside of the program.
pub const EMBEDDED: &str = "embedded";

/// More epochs than anybody waits for, so that steps of all of them can be counted.
const MOST_EPOCHS: u64 = 1_000_000_000;

/// More images in a batch than any device holds.
const MOST_IMAGES: usize = 1 << 24;

/// Everything that decides what a run computes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recipe {
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// How the network is trained: the name of a [method](crate::methods).
    pub method: String,
    /// Passes over the training images.
    pub epochs: u64,
    /// Images in a batch.
    pub batch: usize,
    /// Batches whose gradients are added up for one step, which is then that of their mean: a step of so many times `batch`
    /// images in the memory of one. Statistics of normalisation are those of each batch, and follow every one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub accumulate: usize,
    /// Learning rate, which the schedule changes over time.
    pub lr: f32,
    /// Decides initial weights, the order of the images, augmentation and dropout.
    #[serde(default)]
    pub seed: u64,
    /// Training ends after so many epochs without a better accuracy on the validation images; without it, after the last
    /// epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<u64>,
    /// Share of the target that is spread over all classes (Szegedy et al. 2016).
    #[serde(default)]
    pub label_smoothing: f32,
    /// A run whose network this one starts from, instead of at random; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub start_from: String,
    /// The network.
    pub net: NetSpec,
    /// The network that it learns from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<TeacherSpec>,
    /// The method's own tables, by their names, with every default filled in.
    #[serde(flatten)]
    #[schemars(skip)]
    pub own: toml::Table,
    /// What the loss multiplies classes by.
    #[serde(default, skip_serializing_if = "LossSpec::is_default")]
    pub loss: LossSpec,
    /// The images.
    #[serde(default)]
    pub data: DataSpec,
    /// What happens to training images.
    #[serde(default)]
    pub augment: AugmentSpec,
    /// The update rule.
    pub optimiser: OptimSpec,
    /// The learning rate over time.
    pub schedule: Schedule,
    /// When and how it is tested.
    #[serde(default)]
    pub eval: EvalSpec,
    /// What a step keeps in memory.
    #[serde(default, skip_serializing_if = "MemorySpec::is_default")]
    pub memory: MemorySpec,
    /// When it is saved.
    #[serde(default)]
    pub checkpoint: CheckpointSpec,
    /// Where it ran: written to a run's `config.toml`, ignored when a recipe is read to train again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunInfo>,
}

fn one() -> usize {
    1
}

fn is_one(n: &usize) -> bool {
    *n == 1
}

/// The network that another one learns from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeacherSpec {
    /// Its run directory.
    pub run: String,
    /// The recipe that makes it, for whoever has none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_by: Option<String>,
}

/// When and how a network is tested on the validation images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvalSpec {
    /// After every so many epochs, and always after the last.
    pub every_epochs: u64,
    /// Images in a test batch; changes memory and speed, not results.
    pub batch: usize,
}

impl Default for EvalSpec {
    fn default() -> Self {
        EvalSpec { every_epochs: 1, batch: 250 }
    }
}

/// What a step keeps in memory; results are the same but for roundings where kernels are fused in another way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MemorySpec {
    /// What the gradients need of the forward pass is kept, or made again.
    pub recompute: Recompute,
}

impl MemorySpec {
    fn is_default(&self) -> bool {
        *self == MemorySpec::default()
    }
}

/// What is made again for the gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Recompute {
    /// All that they need is kept.
    #[default]
    Nothing,
    /// What a number is made of one by one is kept in its place: activations, factors of normalisations. Little more time.
    Pointwise,
    /// The forward pass between some blocks, whose outputs are kept: less memory, and the time of up to one more forward pass.
    Blocks,
}

/// When a run is saved, besides after every epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointSpec {
    /// After so many seconds within an epoch; 0 for never.
    pub every_seconds: u64,
    /// After so many steps within an epoch; 0 for never.
    pub every_steps: u64,
}

impl Default for CheckpointSpec {
    fn default() -> Self {
        CheckpointSpec { every_seconds: 60, every_steps: 0 }
    }
}

/// Where a run ran, and what of its images it must know again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunInfo {
    /// Name of the recipe.
    pub recipe: String,
    /// The device as people call it.
    pub device: String,
    /// The `--device` that chooses it again.
    pub select: String,
    /// Version of the program.
    pub version: String,
    /// Mean of each channel that the images were normalised with.
    pub mean: Vec<f32>,
    /// Standard deviation likewise.
    pub std: Vec<f32>,
    /// Hash of the teacher's weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<String>,
    /// What the teacher is by its settings and images, whatever its seed; none of runs that are older than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher_of: Option<String>,
    /// What it started from, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_of: Option<String>,
    /// Fingerprint of the list of images; none of runs that are older than it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Names of the classes in the order of the network's outputs; none of images without labels, and of runs that are older
    /// than this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Images of the training part; none of runs that are older than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_images: Option<usize>,
    /// Images that the checkpoint is chosen by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_images: Option<usize>,
    /// Images that are tested on at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_images: Option<usize>,
    /// Numbers of epochs that the run was to have before it was given more or fewer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lengthened: Vec<u64>,
    /// Steps that were done each time; none of runs that are older than this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lengthened_at: Vec<u64>,
}

impl RunInfo {
    /// Checks what images are normalised with: one mean and one deviation over 0 for each of `channels`, where their number
    /// is known.
    ///
    /// # Errors
    /// If there are others, with the name of the setting and what the images have.
    pub fn check_normalization(&self, channels: Option<usize>) -> Result<()> {
        let fail = |m: String| Err(Error::Config(m));
        for (name, values) in [("mean", &self.mean), ("std", &self.std)] {
            if let Some(channels) = channels.filter(|c| *c != values.len()) {
                return fail(format!(
                    "run.{name} = {values:?}: {name} has {} numbers, the images have {channels} channels: give one for each",
                    values.len()
                ));
            }
            let good = |x: &f32| x.is_finite() && (name == "mean" || *x > 0.0);
            if let Some(bad) = values.iter().find(|x| !good(x)) {
                let range = if name == "mean" { "finite numbers" } else { "finite numbers over 0" };
                return fail(format!("run.{name} = {values:?}: images cannot be normalised with {bad}: give {range}"));
            }
        }
        Ok(())
    }
}

impl Recipe {
    /// The recipe as TOML.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::Config(format!("the recipe cannot be written as TOML: {e}")))
    }

    /// Opens the images, as the augmentation wants them: random crops see whole pictures.
    ///
    /// # Errors
    /// As [`Dataset::open`](crate::data::Dataset::open).
    pub fn open_images(&self) -> Result<Split> {
        self.data.open_for(self.augment.random_resized_crop.is_some())
    }

    /// Checks the numbers of the common keys that types cannot.
    pub(crate) fn validate_common(&self) -> Result<()> {
        let fail = |message: String| Err(Error::Config(message));
        if self.epochs == 0 {
            return fail("epochs = 0: give at least 1".into());
        }
        if self.batch == 0 || self.eval.batch == 0 {
            return fail("a batch of 0 images: give at least 1".into());
        }
        if self.epochs > MOST_EPOCHS {
            return fail(format!("epochs = {}: give at most {MOST_EPOCHS}", self.epochs));
        }
        if self.accumulate == 0 {
            return fail("accumulate = 0: give at least 1 batch a step".into());
        }
        for (name, batch) in [("batch", self.batch), ("eval.batch", self.eval.batch), ("accumulate", self.accumulate)] {
            if batch > MOST_IMAGES {
                return fail(format!("{name} = {batch}: give at most {MOST_IMAGES}"));
            }
        }
        if self.eval.every_epochs == 0 {
            return fail("eval.every_epochs = 0: give at least 1".into());
        }
        if let Some(patience) = self.patience.filter(|p| *p < self.eval.every_epochs) {
            return fail(format!(
                "patience = {patience}: it counts epochs, and there is a validation every {} (eval.every_epochs): give at \
                 least as many",
                self.eval.every_epochs
            ));
        }
        if !(self.lr.is_finite() && self.lr >= 0.0) {
            return fail(format!("lr = {}: give a number from 0 on", self.lr));
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return fail(format!("label_smoothing = {}: it must be in 0..1", self.label_smoothing));
        }
        if self.seed > i64::MAX as u64 {
            return fail(format!("seed = {}: TOML holds seeds up to {}", self.seed, i64::MAX));
        }
        self.loss.validate()?;
        self.data.validate()?;
        self.net.validate()?;
        self.optimiser.validate()?;
        self.schedule.validate()
    }

    /// Images of a step.
    pub fn images_a_step(&self) -> usize {
        self.batch.saturating_mul(self.accumulate)
    }

    /// A number that changes with whatever changes the weights (FNV-1a of the recipe as TOML).
    pub fn hash(&self) -> Result<u64> {
        Ok(fnv1a(as_it_was(&self.weights_only().to_toml()?).bytes()))
    }

    /// Without what changes no weights.
    pub(crate) fn weights_only(&self) -> Recipe {
        // What is cropped makes no difference without crops, or where images keep their size.
        let matters = self.augment.random_resized_crop.is_some() && self.data.size.is_some();
        let crops = if matters { self.data.crops } else { Crops::Resized };
        Recipe {
            description: String::new(),
            data: DataSpec { path: String::new(), test_images: None, memory: None, crops, ..self.data.clone() },
            eval: EvalSpec::default(),
            memory: MemorySpec::default(),
            checkpoint: CheckpointSpec::default(),
            run: None,
            start_from: String::new(),
            teacher: self.teacher.as_ref().map(|_| TeacherSpec { run: String::new(), trained_by: None }),
            ..self.clone()
        }
    }
}

/// The text of a recipe as it was when hashes were first kept, so that they go on being the same: later settings of images
/// count only where they are not as if they were not there.
fn as_it_was(toml: &str) -> String {
    let mut in_data = false;
    let line = |line: &str| {
        if line.starts_with('[') {
            in_data = line == "[data]";
        }
        match line {
            "val = 0.0" | "on_error = \"stop\"" | "most_skipped = 0.01" if in_data => String::new(),
            "background = \"white\"" | "truncated = \"stop\"" | "crops = \"resized\"" if in_data => String::new(),
            _ if in_data && line.starts_with("test = ") => format!("test_share{}\n", &line["test".len()..]),
            _ => format!("{line}\n"),
        }
    };
    toml.lines().map(line).collect()
}
