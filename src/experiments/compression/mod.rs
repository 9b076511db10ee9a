//! Networks that compress a multilayer bootstrap network: trained by gradients on what the fitted model makes of images.

mod eval;
mod targets;

pub use targets::ModelTeacher;

use super::gradients::{Gradients, Lesson, TrainedRun, train_by, write_export};
use super::mbn::LayerBar;
use super::{Described, Ending, EvalOptions, Experiment, ExportOptions, FeatureOptions, Start, TrainOptions};
use crate::console::stop::NEVER;
use crate::data::Split;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::mbn::Watch;
use crate::methods::Method;
use crate::methods::compress::Compress;
use crate::recipe::{Recipe, Text};
use crate::report::Compared;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Compression of a multilayer bootstrap network.
#[derive(Clone, Copy, Debug)]
pub struct Compression;

impl Experiment for Compression {
    fn name(&self) -> &'static str {
        Compress.name()
    }

    fn describe(&self, text: &Text) -> Result<Described> {
        Gradients.describe(text)
    }

    fn train(&self, start: Start, options: &TrainOptions) -> Result<Ending> {
        train_by(start, options, &|options, data, recipe, device, stop| {
            let found = taught(recipe, &data, device, stop, !options.talks())?;
            Ok(found.map(|(of, data)| {
                let hash = of.hash();
                Lesson { targets: Some((of.targets, hash)), data }
            }))
        })
    }

    fn compared(&self, run: &Path) -> Result<Compared> {
        Compared::open(run)
    }

    fn eval(&self, options: &EvalOptions) -> Result<Ending> {
        if options.protocol.is_some() || options.baseline {
            return Gradients.eval(options);
        }
        if options.part.is_some() {
            return Err(Error::Config(
                "--part: a compressed model is tested on all parts of the images side by side; leave it out".into(),
            ));
        }
        eval::run(options, TrainedRun::open(&options.run, options.checkpoint, options.data.as_deref())?)?;
        Ok(Ending::Done)
    }

    fn features(&self, options: &FeatureOptions) -> Result<()> {
        Gradients.features(options)
    }

    fn export(&self, options: &ExportOptions) -> Result<()> {
        let run = TrainedRun::open(&options.run, options.checkpoint, options.data.as_deref())?;
        // A compressed model's classes are clusters, which its teacher counts.
        let (of, data) = taught(&run.recipe, &run.data, &Device::Cpu, &NEVER, false)?.expect("nobody stops this");
        let mut images = run.images.clone();
        images.classes = data.test.classes.len();
        write_export(options, &run, &images, &data, Some(&of.targets))
    }
}

/// What a recipe that compresses a model learns, and the images with it in place of labels. `None` if it was stopped.
fn taught(
    recipe: &Recipe,
    data: &Split,
    device: &Device,
    stop: &AtomicBool,
    quiet: bool,
) -> Result<Option<(ModelTeacher, Split)>> {
    let run = recipe.teacher.as_ref().map_or("the model", |t| t.run.as_str());
    let mut bar = LayerBar::new(format!("codes of the images by {run}"), quiet);
    ModelTeacher::of(recipe, data, device, &mut Watch { stop, told: &mut |p| bar.progress(p) })
}
