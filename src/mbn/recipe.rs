//! Recipes of multilayer bootstrap networks.

use super::MbnSpec;
use crate::error::{Error, Result};
use crate::files::read_text;
use crate::recipe::settings::changed;
use crate::recipe::{DataSpec, RunInfo, Source};
use crate::suggest::toml_message;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The method that recipes name.
pub const METHOD: &str = "mbn";

/// Everything that decides what a multilayer bootstrap network becomes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Which images it is fitted to. Labels are seen neither way.
    #[serde(default, skip_serializing_if = "FitTo::is_default")]
    pub fit_to: FitTo,
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

/// Images that a model is fitted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FitTo {
    /// Those of the training part; others are assigned.
    #[default]
    Train,
    /// Those of all parts, as where a whole set is to be clustered: the paper's 70,000 of MNIST.
    All,
}

impl FitTo {
    fn is_default(&self) -> bool {
        *self == FitTo::default()
    }
}

/// The one method of these recipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MbnName {
    /// Multilayer bootstrap networks.
    Mbn,
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
        // What is no TOML at all is told by whoever reads it as a recipe, with its line.
        if Source::Text(&text).value::<String>("method").ok().flatten().as_deref() != Some(METHOD) {
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
        changed(self, settings, |source| source.read(), MbnRecipe::validate)
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
}
