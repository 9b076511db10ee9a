//! How good features are that were learned without labels: `onebit eval --protocol`.

use super::{TrainedRun, device_of, extractor};
use crate::cache::note;
use crate::console::progress::observer;
use crate::console::stop::{NEVER, on_ctrl_c};
use crate::console::text::{grouped, percent, say, say_json};
use crate::data::{Part, Split};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::experiments::{Ending, EvalOptions};
use crate::features::{Rows, low_shot};
use crate::train::evaluate::Evaluation;
use crate::train::job::Outcome;
use crate::train::origin::is_file;
use crate::train::prepare::{Place, Request};
use crate::train::protocol::{LabelledFeatures, Protocol, ProtocolResult, features, finetune_recipe};
use serde_json::json;

/// Evaluates a run's features, notes the result in its protocols.json, and says it.
pub(super) fn run(options: &EvalOptions, how: Protocol, t: &TrainedRun) -> Result<Ending> {
    for part in [&t.data.train, &t.data.test] {
        if part.is_empty() || part.labels.is_none() {
            return Err(Error::Config(format!(
                "{}: --protocol {} needs training and test images with labels",
                part.name,
                how.name()
            )));
        }
    }
    let extracted = match how {
        Protocol::Finetune => None,
        Protocol::Knn | Protocol::Linear => Some(Extracted::of(options, t)?),
    };
    for labels in options.labels.iter().copied() {
        let (result, more) = match &extracted {
            Some(features) => features.evaluated(how, labels, t)?,
            None => match finetuned(options, labels, t)? {
                Some(accuracy) => accuracy,
                None => return Ok(Ending::Stopped),
            },
        };
        tell(options, how, labels, t, result, &more)?;
    }
    Ok(Ending::Done)
}

/// Says a result and keeps it.
fn tell(options: &EvalOptions, how: Protocol, labels: f64, t: &TrainedRun, result: f64, more: &str) -> Result<()> {
    let word = t.part.map_or("all", Part::word);
    let found = ProtocolResult {
        protocol: how,
        labels,
        data: t.data.name().to_string(),
        training_images: low_shot(t.data.train.len(), labels).len(),
        part: word.into(),
        test_images: t.data.test.len(),
        accuracy: result,
    };
    if options.json {
        say_json(&found)?;
        note_result(t, &found);
        return Ok(());
    }
    say(format!(
        "{}: {} {}, labels of {} of {} training images, {} {word} images of {}{more}",
        t.run.path().display(),
        found.column(&found.data),
        percent(found.accuracy),
        grouped(found.training_images as u64),
        grouped(t.data.train.len() as u64),
        grouped(found.test_images as u64),
        found.data
    ))?;
    note_result(t, &found);
    Ok(())
}

/// Keeps a result that was said already.
fn note_result(t: &TrainedRun, found: &ProtocolResult) {
    // What was made elsewhere has no directory to keep it in.
    if is_file(t.run.path()) {
        return;
    }
    if let Err(e) = t.run.note_protocol_result(found) {
        note(format!("the result stands above, but could not be written into the run: {e}"));
    }
}

/// Features of the training and the test images, the same whatever the share of labels.
struct Extracted {
    device: Device,
    train: Rows,
    test: Rows,
}

impl Extracted {
    fn of(options: &EvalOptions, t: &TrainedRun) -> Result<Extracted> {
        let device = device_of(options.device.as_deref(), &t.info)?;
        let (mut runner, batch) = extractor(t, &device)?;
        let mut of = |set| features(&mut runner, set, batch, &NEVER);
        let train = of(&t.data.train)?.expect("nobody stops this");
        let test = of(&t.data.test)?.expect("nobody stops this");
        drop(runner);
        Ok(Extracted { device, train, test })
    }

    /// The accuracy with a share of the labels, and what is to be said of it.
    fn evaluated(&self, how: Protocol, labels: f64, t: &TrainedRun) -> Result<(f64, String)> {
        let labelled = LabelledFeatures::new(&t.data, labels, &self.train, &self.test)?;
        let (result, more): (Evaluation, String) = match how {
            Protocol::Linear => {
                let (result, probe) = labelled.by_probe()?;
                let end = if probe.converged { "" } else { ", which did not converge" };
                (result, format!("; {} iterations{end}", probe.iterations))
            }
            _ => (labelled.by_neighbours(&self.device)?, String::new()),
        };
        Ok((result.accuracy, more))
    }
}

/// Trains a copy of the network on the labels, in a run directory below the run's. The accuracy and what is to be said of
/// it; nothing if it was stopped.
fn finetuned(options: &EvalOptions, labels: f64, t: &TrainedRun) -> Result<Option<(f64, String)>> {
    let with = low_shot(t.data.train.len(), labels);
    let mut recipe = finetune_recipe(&t.recipe, &t.run.path().display().to_string(), labels, with.len())?;
    recipe.data.label_share = labels;
    let request = Request {
        name: format!("{}-finetune", t.info.recipe),
        recipe,
        data: Split { train: t.data.train.select(&with).into(), ..t.data.clone() },
        normalization: Some((t.images.mean.clone(), t.images.std.clone())),
        device: device_of(options.device.as_deref(), &t.info)?,
        select: options.device.clone().unwrap_or(t.info.select.clone()),
        targets: None,
        exchange: None,
    };
    let place = Place::New(t.run.path().join(format!("finetune-{}%", 100.0 * labels)));
    let started = request.prepare()?.start(place)?;
    let run = started.run().clone();
    let stop = on_ctrl_c()?;
    let mut observer = observer(options.json, &started);
    let outcome = started.fit(&stop, &mut *observer);
    drop(observer);
    match outcome? {
        Outcome::Finished(summary) => {
            // Where the part that is tested on is the validation part, the network was chosen by it.
            let accuracy = summary.test_accuracy.or(summary.best_val_accuracy);
            let nothing = || Error::Config(format!("{}: there were no images to test on", run.path().display()));
            let accuracy = accuracy.ok_or_else(nothing)?;
            Ok(Some((accuracy, format!("; the fine-tuned network is in {}", run.path().display()))))
        }
        Outcome::Stopped { saved, .. } => {
            let again = format!("onebit train --resume --out {}", run.path().display());
            match options.json {
                true => say(json!({ "event": "stopped", "saved": saved, "resume": again }))?,
                false => say(format!("stopped, saved to {}; to go on:  {again}", saved.display()))?,
            }
            Ok(None)
        }
    }
}
