//! Recipes of multilayer bootstrap networks, and the points that they are fitted to.

use super::checkpoint::Checkpoint;
use super::method::{ImageInfo, Task};
use super::protocol::{feature_plan, features};
use super::recipe::{DataSpec, RunInfo};
use super::run::RunDir;
use super::scheduler::Scheduler;
use super::settings::changed;
use crate::data::Dataset;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::features::Rows;
use crate::files::read_text;
use crate::mbn::MbnSpec;
use crate::suggest::toml_message;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Everything that decides what a multilayer bootstrap network becomes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MbnRecipe {
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// `mbn`: by this word the kind of recipe is known.
    pub method: MbnName,
    /// Decides everything that is drawn.
    #[serde(default)]
    pub seed: u64,
    /// A run whose network makes the points of images; empty for their pixels.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub features: String,
    /// The settings.
    #[serde(default)]
    pub mbn: MbnSpec,
    /// The images.
    #[serde(default)]
    pub data: DataSpec,
    /// Where it was fitted: written to a run's `config.toml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunInfo>,
}

/// The one method of these recipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MbnName {
    /// Multilayer bootstrap networks.
    Mbn,
}

/// Whether a recipe's text is one of a multilayer bootstrap network.
pub fn is_mbn(text: &str) -> bool {
    // What is no TOML at all is told by whoever reads it as a recipe, with its line.
    let table: Option<toml::Table> = toml::from_str(text).ok();
    table.is_some_and(|t| t.get("method").and_then(toml::Value::as_str) == Some("mbn"))
}

impl MbnRecipe {
    /// Reads a recipe; `origin` is the file that errors name.
    pub fn parse(text: &str, origin: &Path) -> Result<MbnRecipe> {
        let recipe: MbnRecipe = toml::from_str(text).map_err(|e| Error::data(origin, toml_message(text, &e)))?;
        recipe.validate().map_err(|e| Error::data(origin, e.to_string()))?;
        Ok(recipe)
    }

    /// The recipe of a run directory, and where it ran. `None` if it is a run of another kind.
    pub fn of_run(path: &Path) -> Result<Option<(MbnRecipe, RunInfo)>> {
        let config = path.join("config.toml");
        if !config.is_file() {
            return Ok(None);
        }
        let text = read_text(&config)?;
        if !is_mbn(&text) {
            return Ok(None);
        }
        let mut recipe = Self::parse(&text, &config)?;
        let info = recipe.run.take().ok_or_else(|| {
            Error::data(&config, "the table [run] is missing: this is a recipe, not the record of a run")
        })?;
        Ok(Some((recipe, info)))
    }

    /// The recipe with `key=value` settings.
    pub fn with(&self, settings: &[String]) -> Result<MbnRecipe> {
        changed(self, settings, MbnRecipe::validate)
    }

    /// Checks the numbers that types cannot.
    pub fn validate(&self) -> Result<()> {
        self.mbn.validate()?;
        self.data.validate()
    }

    /// The recipe as TOML.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::Config(format!("the recipe cannot be written as TOML: {e}")))
    }

    /// What a model sees of images: pixels in 0..1, or what a run's network makes of them. `None` if it was stopped.
    ///
    /// # Errors
    /// If the run is not there, or its images are of another kind.
    pub fn points(&self, set: &Arc<Dataset>, device: &Device, stop: &AtomicBool) -> Result<Option<Rows>> {
        if self.features.is_empty() {
            let pixels = set.images.iter().map(|b| *b as f32 / 255.0).collect();
            return Rows::new(pixels, set.image_bytes()).map(Some);
        }
        let (run, recipe, info) = RunDir::open(Path::new(&self.features))?;
        if set.c != info.mean.len() {
            return Err(Error::Config(format!(
                "features = {:?}: its network sees images of {} channels, these have {}; set data.channels",
                self.features,
                info.mean.len(),
                set.c
            )));
        }
        let images = ImageInfo {
            extents: [set.h, set.w, set.c],
            classes: set.classes.len(),
            mean: info.mean.clone(),
            std: info.std.clone(),
        };
        let task = Task { recipe: &recipe, images: &images, teacher: None, targets: None };
        let (plan, batch) = feature_plan(&task, device)?;
        let mut scheduler = Scheduler::load(plan, device, recipe.seed)?;
        let path = run.last();
        scheduler.restore(&Checkpoint::load(&path)?, &path)?;
        features(&mut scheduler, set, batch, stop)
    }
}
