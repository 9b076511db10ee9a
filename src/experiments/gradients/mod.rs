//! Networks that are trained by gradients, with the method that the recipe names.

mod eval;
mod export;
mod features;
mod mask;
mod protocol;
mod ranks;
mod train;
mod trained;
mod tuning;

pub use mask::{images_of, save_mask};
pub use trained::{Opening, Own, TrainedRun, counted, device_of, extractor};
pub use tuning::{before_training, say_tuned, taken_another};

pub(super) use export::write as write_export;
pub(super) use ranks::follow;
pub(super) use train::{Lesson, run as train_by};

use super::{Described, Ending, EvalOptions, Experiment, ExportOptions, FeatureOptions, Start, TrainOptions};
use crate::console::text::{pretty_json, say};
use crate::data::Part;
use crate::error::{Error, Result};
use crate::methods::METHODS;
use crate::recipe::keys::Key;
use crate::recipe::{Recipe, Text};
use crate::report::Compared;
use std::path::Path;

/// Training by gradients.
#[derive(Clone, Copy, Debug)]
pub struct Gradients;

impl Experiment for Gradients {
    fn name(&self) -> &'static str {
        "gradients"
    }

    fn has(&self, method: &str) -> bool {
        METHODS.get(method).is_ok()
    }

    fn describe(&self, text: &Text) -> Result<Described> {
        let recipe = Recipe::parse(&text.text, &text.origin)?;
        let json = pretty_json(&recipe)?;
        let toml = recipe.to_toml()?;
        let layers = Recipe { net: recipe.net.as_layers()?, ..recipe.clone() }.to_toml()?;
        Ok(Described { description: recipe.description, toml, layers, json, of_run: recipe.run.is_some() })
    }

    fn keys(&self) -> Vec<Key> {
        Recipe::keys()
    }

    fn train(&self, start: Start, options: &TrainOptions) -> Result<Ending> {
        train::run(start, options, &|_, data, _, _, _| Ok(Some(Lesson { targets: None, data })))
    }

    fn compared(&self, run: &Path) -> Result<Compared> {
        Compared::open(run)
    }

    fn eval(&self, options: &EvalOptions) -> Result<Ending> {
        if options.baseline {
            return Err(Error::Config("--baseline goes with a multilayer bootstrap network".into()));
        }
        let by_class = options.protocol.is_none();
        let run = Opening {
            run: &options.run,
            which: options.checkpoint,
            data: options.data.as_deref(),
            part: options.part.map(Part::from),
            by_class,
            whole: by_class,
            settings: &options.settings,
            own: if by_class { Own::Part } else { Own::AndTraining },
        }
        .open()?;
        match options.protocol {
            Some(how) => protocol::run(options, how, &run),
            None => eval::run(options, run),
        }
    }

    fn features(&self, options: &FeatureOptions) -> Result<()> {
        features::run(options)
    }

    fn export(&self, options: &ExportOptions) -> Result<()> {
        let run = Opening {
            run: &options.run,
            which: options.checkpoint,
            data: options.data.as_deref(),
            part: None,
            by_class: true,
            whole: true,
            settings: &options.settings,
            own: Own::Part,
        }
        .open()?;
        run.notes.iter().try_for_each(|n| say(format!("note: {n}")))?;
        let (images, data) = (run.images.clone(), run.data.clone());
        export::write(options, &run, &images, &data, None)
    }
}
