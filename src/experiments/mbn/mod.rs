//! Multilayer bootstrap networks: fitted layer by layer, without gradients and without labels.

mod agreement;
mod bar;
mod eval;
mod features;
mod predict;
mod summary;
mod train;

pub use agreement::Agreement;
pub use bar::LayerBar;
pub use predict::{Found, Pace, assigned, fitted_parts, fitted_points, points, predicted};

use super::{Described, Ending, EvalOptions, Experiment, ExportOptions, FeatureOptions, Start, TrainOptions};
use crate::console::stop::NEVER;
use crate::console::text::pretty_json;
use crate::data::{Part, Split};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::features::Rows;
use crate::mbn::{METHOD, MbnRecipe, Model};
use crate::recipe::keys::{Key, keys_of};
use crate::recipe::{RunInfo, Text};
use crate::report::Compared;
use crate::train::own_images::check_of;
use crate::train::run::RunDir;
use std::path::Path;

/// Multilayer bootstrap networks.
#[derive(Clone, Copy, Debug)]
pub struct Mbn;

impl Experiment for Mbn {
    fn name(&self) -> &'static str {
        METHOD
    }

    fn describe(&self, text: &Text) -> Result<Described> {
        let recipe = MbnRecipe::parse(&text.text, &text.origin)?;
        let json = pretty_json(&recipe)?;
        let toml = recipe.to_toml()?;
        Ok(Described {
            description: recipe.description,
            layers: toml.clone(),
            toml,
            json,
            of_run: recipe.run.is_some(),
        })
    }

    fn keys(&self) -> Vec<Key> {
        let mut keys = keys_of::<MbnRecipe>("");
        keys.retain(|k| k.name != "run" && !k.name.starts_with("run."));
        for key in &mut keys {
            key.of = vec![METHOD.into()];
        }
        keys
    }

    fn train(&self, start: Start, options: &TrainOptions) -> Result<Ending> {
        train::run(start, options)
    }

    fn compared(&self, run: &Path) -> Result<Compared> {
        summary::compared(run)
    }

    fn eval(&self, options: &EvalOptions) -> Result<Ending> {
        if options.protocol.is_some() {
            return Err(Error::Config(
                "--protocol evaluates networks; a multilayer bootstrap network is evaluated by its clusters".into(),
            ));
        }
        if options.part.is_some() {
            return Err(Error::Config(
                "--part: a multilayer bootstrap network is tested on all parts of the images side by side; leave it out".into(),
            ));
        }
        eval::run(options, FittedRun::open(&options.run, options.data.as_deref())?)?;
        Ok(Ending::Done)
    }

    fn features(&self, options: &FeatureOptions) -> Result<()> {
        features::run(options, &FittedRun::open(&options.run, options.data.as_deref())?)
    }

    fn export(&self, options: &ExportOptions) -> Result<()> {
        Err(Error::Config(format!(
            "{}: a multilayer bootstrap network does not ship as it is: train a network that compresses it (onebit train \
             mbn-compress --set teacher.run={}), and export that",
            options.run.display(),
            options.run.display()
        )))
    }
}

/// A fitted model with its images.
struct FittedRun {
    run: RunDir,
    recipe: MbnRecipe,
    info: RunInfo,
    model: Model,
    data: Split,
}

impl FittedRun {
    /// `data` in place of its own images, if given.
    fn open(path: &Path, data: Option<&Path>) -> Result<FittedRun> {
        let (mut recipe, info) = MbnRecipe::of_run(path)?.ok_or_else(|| not_one(path))?;
        let run = RunDir::at(path);
        let model = Model::load(&run.last())?;
        check_settings(&run, &recipe, &info, &model)?;
        if let Some(data) = data {
            recipe.data.path = data.display().to_string();
        }
        let images = recipe.data.open()?;
        if data.is_none() {
            // All of it is tested, side by side.
            check_of(&run, &recipe.data.path, &info, &images, &Part::ALL, true)?;
            let same = |points: Option<Rows>| points.as_ref() == Some(&model.points);
            if recipe.features.is_empty() && !same(fitted_points(&recipe, &images, &Device::Cpu, &NEVER)?) {
                let what = "its [data] says other pixels than the model was fitted to: put it back as it was";
                return Err(Error::data(run.config_path(), what));
            }
        }
        let data = images;
        Ok(FittedRun { run, recipe, info, model, data })
    }
}

/// # Errors
/// If the run's `config.toml` says other settings than its model was fitted with.
pub(super) fn check_settings(run: &RunDir, recipe: &MbnRecipe, info: &RunInfo, model: &Model) -> Result<()> {
    let of_recipe = recipe.mbn.resolved(model.points.n(), info.classes.len());
    if of_recipe.is_ok_and(|spec| spec == model.spec) && recipe.seed == model.seed {
        return Ok(());
    }
    let what = "its [mbn] or its seed is not what the model was fitted with: put it back as it was";
    Err(Error::data(run.config_path(), what))
}

fn not_one(path: &Path) -> Error {
    Error::data(path, "this is no run of a multilayer bootstrap network")
}
