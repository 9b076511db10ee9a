//! A recipe: everything that decides what a run computes, as a TOML file.

use super::bootstrap::is_mbn;
use super::settings::changed;
use crate::data::{AugmentSpec, Dataset, OpenOptions, Split};
use crate::error::{Error, Result};
use crate::features::low_shot;
use crate::files::read_text;
use crate::hash::fnv1a;
use crate::methods::{BurnSpec, CompressSpec, FinetuneSpec, RbcnSpec, SmnSpec, SwavSpec};
use crate::nn::NetSpec;
use crate::optim::{OptimSpec, Schedule};
use crate::suggest::{nearest, toml_message};
use include_dir::{Dir, include_dir};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/train/recipes");

/// The recipe of `onebit train` without arguments.
pub const DEFAULT: &str = "fashion-binary";

/// The path that means the set inside of the program.
pub const EMBEDDED: &str = "embedded";

/// Everything that decides what a run computes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// How the network is trained.
    pub method: MethodName,
    /// Passes over the training images.
    pub epochs: u64,
    /// Images in a batch.
    pub batch: usize,
    /// Learning rate, which the schedule changes over time.
    pub lr: f32,
    /// Decides initial weights, the order of the images, augmentation and dropout.
    #[serde(default)]
    pub seed: u64,
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
    /// Settings of the method rbcn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rbcn: Option<RbcnSpec>,
    /// Settings of the method burn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burn: Option<BurnSpec>,
    /// Settings of the method smn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smn: Option<SmnSpec>,
    /// Settings of the method finetune.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finetune: Option<FinetuneSpec>,
    /// Settings of the method compress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compress: Option<CompressSpec>,
    /// Settings of SwAV's loss, in the methods that have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swav: Option<SwavSpec>,
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
    /// When it is saved.
    #[serde(default)]
    pub checkpoint: CheckpointSpec,
    /// Where it ran: written to a run's `config.toml`, ignored when a recipe is read to train again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunInfo>,
}

/// How a network is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MethodName {
    /// Images with labels, cross-entropy.
    Supervised,
    /// The same for weights by magnitude, as SiMaN's release trains.
    Siman,
    /// Class probabilities of a teacher instead of labels (ReActNet).
    Reactnet,
    /// A teacher's feature maps through discriminators, and scale matrices (RBCN).
    Rbcn,
    /// Codes of one view predicted from another, no labels (SwAV).
    Swav,
    /// Outputs and features of a teacher that itself was trained without labels (BURN, S2-BNN).
    Burn,
    /// One bit a weight of a trained network, learned on other images (Self-Masking Networks).
    Smn,
    /// A trained network and a new last layer, few labels.
    Finetune,
    /// What a multilayer bootstrap network makes of images, no labels.
    Compress,
}

/// The network that another one learns from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherSpec {
    /// Its run directory.
    pub run: String,
    /// The recipe that makes it, for whoever has none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_by: Option<String>,
}

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

/// When and how a network is tested.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

/// When a run is saved, besides after every epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

/// Where a run ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
}

/// A recipe as it was found.
pub struct Text {
    /// Its name: the built-in one's, or the file's.
    pub name: String,
    /// The TOML.
    pub text: String,
    /// The file that errors name.
    pub origin: PathBuf,
}

impl Text {
    /// The built-in recipe of that name, or the one in that file or run directory.
    ///
    /// # Errors
    /// If there is none; names the nearest.
    pub fn find(what: &str) -> Result<Text> {
        let built_in = Recipe::built_in();
        if let Some((name, text)) = built_in.iter().find(|(n, _)| *n == what) {
            return Ok(Text { name: name.to_string(), text: text.to_string(), origin: name.into() });
        }
        let mut origin = PathBuf::from(what);
        if origin.join("config.toml").is_file() {
            origin.push("config.toml");
        }
        if origin.extension().is_some_and(|e| e == "toml") || origin.is_file() {
            let name = origin.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            return Ok(Text { name, text: read_text(&origin)?, origin });
        }
        let names = || built_in.iter().map(|(n, _)| *n);
        let near = nearest(what, names()).map_or(String::new(), |n| format!("did you mean {n}? "));
        Err(Error::Config(format!(
            "there is no recipe called {what}: {near}Built in are {}; a file must end in .toml",
            names().collect::<Vec<_>>().join(", ")
        )))
    }
}

impl Recipe {
    /// Names and texts of the built-in recipes.
    pub fn built_in() -> Vec<(&'static str, &'static str)> {
        let mut all: Vec<_> =
            BUILT_IN.files().filter_map(|f| Some((f.path().file_stem()?.to_str()?, f.contents_utf8()?))).collect();
        all.sort_unstable_by_key(|(name, _)| (*name != DEFAULT, *name));
        all
    }

    /// The built-in recipe of that name, or the one in that file; with its name.
    pub fn find(what: &str) -> Result<(String, Recipe)> {
        let Text { name, text, origin } = Text::find(what)?;
        let recipe = Self::parse(&text, &origin)?;
        Ok((recipe.run.as_ref().map_or(name, |run| run.recipe.clone()), recipe))
    }

    /// Reads a recipe; `origin` is the file that errors name.
    pub fn parse(text: &str, origin: &Path) -> Result<Recipe> {
        if is_mbn(text) {
            return Err(Error::data(
                origin,
                "this is a multilayer bootstrap network (method = \"mbn\"), which has no training steps: onebit train, eval and \
                 embed take it",
            ));
        }
        let recipe: Recipe = toml::from_str(text).map_err(|e| Error::data(origin, toml_message(text, &e)))?;
        recipe.validate().map_err(|e| Error::data(origin, e.to_string()))?;
        Ok(recipe)
    }

    /// The network, as the method has it.
    pub fn network(&self) -> NetSpec {
        let adapt = match self.method {
            MethodName::Smn => Some(self.smn.clone().unwrap_or_default().adaptation()),
            _ => None,
        };
        NetSpec { adapt, seed: self.seed, ..self.net.clone() }
    }

    /// The recipe as TOML.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::Config(format!("the recipe cannot be written as TOML: {e}")))
    }

    /// The recipe with `key=value` settings, keys dotted, values as in TOML (a bare word is a string).
    pub fn with(&self, settings: &[String]) -> Result<Recipe> {
        changed(self, settings, Recipe::validate)
    }

    /// Checks the numbers that types cannot.
    pub fn validate(&self) -> Result<()> {
        let fail = |message: String| Err(Error::Config(message));
        if self.epochs == 0 {
            return fail("epochs = 0: give at least 1".into());
        }
        if self.batch == 0 || self.eval.batch == 0 {
            return fail("a batch of 0 images: give at least 1".into());
        }
        if self.eval.every_epochs == 0 {
            return fail("eval.every_epochs = 0: give at least 1".into());
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
        self.data.validate()?;
        self.net.validate()?;
        crate::methods::validate(self)?;
        self.optimiser.validate()?;
        self.schedule.validate()
    }

    /// A number that changes with whatever changes the weights (FNV-1a of the recipe as TOML).
    pub fn hash(&self) -> Result<u64> {
        let weights_only = Recipe {
            description: String::new(),
            data: DataSpec { path: String::new(), test_images: None, ..self.data.clone() },
            eval: EvalSpec::default(),
            checkpoint: CheckpointSpec::default(),
            run: None,
            start_from: String::new(),
            teacher: self.teacher.as_ref().map(|_| TeacherSpec { run: String::new(), trained_by: None }),
            ..self.clone()
        };
        Ok(fnv1a(weights_only.to_toml()?.bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::bootstrap::MbnRecipe;
    use super::*;

    fn default() -> Recipe {
        Recipe::find(DEFAULT).unwrap().1
    }

    #[test]
    fn every_built_in_recipe_is_right_and_writes_back() {
        let all = Recipe::built_in();
        assert_eq!(all[0].0, DEFAULT);
        for (name, text) in all {
            if is_mbn(text) {
                let recipe = MbnRecipe::parse(text, Path::new(name)).unwrap();
                assert!(!recipe.description.is_empty(), "{name} describes itself");
                let again = MbnRecipe::parse(&recipe.to_toml().unwrap(), Path::new("again")).unwrap();
                assert_eq!(recipe, again, "{name}");
                continue;
            }
            let recipe = Recipe::parse(text, Path::new(name)).unwrap();
            assert!(!recipe.description.is_empty(), "{name} describes itself");
            let again = Recipe::parse(&recipe.to_toml().unwrap(), Path::new("again")).unwrap();
            assert_eq!(recipe, again, "{name}");
        }
    }

    #[test]
    fn settings_change_what_they_name() {
        let r = default().with(&["epochs=3".into(), "data.train_images=100".into(), "data.path=some/where".into()]);
        let r = r.unwrap();
        assert_eq!((r.epochs, r.data.train_images, r.data.path.as_str()), (3, Some(100), "some/where"));
        assert_eq!(r.batch, default().batch);
    }

    #[test]
    fn a_wrong_key_or_value_is_named_with_the_nearest() {
        let message = |s: &str| default().with(&["seed=1".into(), s.into()]).unwrap_err().to_string();
        for (setting, near) in [
            ("epoch=3", "`epochs`"),
            ("optimizer.lr=0.1", "`optimiser`"),
            ("data.trian_images=1", "`train_images`"),
            ("method=supervise", "`supervised`"),
        ] {
            let m = message(setting);
            assert!(m.contains(setting) && m.ends_with(&format!("did you mean {near}?")), "{m}");
        }
        assert!(message("epochs=none").contains("epochs=none"));
        assert!(message("epochs=0").contains("at least 1"));
        assert!(message("epochs").contains("key=value"));
        assert!(message("epochs.a=1").contains("nothing below"));
    }

    #[test]
    fn a_typo_in_a_file_is_named_with_file_and_line() {
        let text = default().to_toml().unwrap().replace("batch =", "bach =");
        let m = Recipe::parse(&text, Path::new("my.toml")).unwrap_err().to_string();
        assert!(m.starts_with("my.toml: line ") && m.contains("bach") && m.contains("did you mean `batch`?"), "{m}");
    }

    #[test]
    fn an_unknown_recipe_names_the_nearest() {
        let m = Recipe::find("fashion-binery").unwrap_err().to_string();
        assert!(m.contains("did you mean fashion-binary?"), "{m}");
        assert!(Recipe::find("no/such.toml").unwrap_err().to_string().contains("no/such.toml"));
    }

    #[test]
    fn the_hash_follows_what_decides_the_weights() {
        let r = default();
        let same = r.with(&["description=x".into(), "eval.batch=7".into(), "data.path=elsewhere".into()]).unwrap();
        assert_eq!(r.hash().unwrap(), same.hash().unwrap());
        for setting in ["seed=5", "epochs=77", "batch=9"] {
            assert_ne!(r.hash().unwrap(), r.with(&[setting.into()]).unwrap().hash().unwrap(), "{setting}");
        }
    }
}
