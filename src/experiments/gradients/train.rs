//! Training, from the command to the summary.

use super::{before_training, save_mask, say_tuned};
use crate::console::progress::{accuracy_of, observer, silent};
use crate::console::stop::on_ctrl_c;
use crate::console::text::{duration, go_on_unheard, grouped, mib, percent, say};
use crate::data::Split;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::experiments::{Ending, Start, TrainOptions};
use crate::methods::Targets;
use crate::nn::Adapted;
use crate::recipe::{Recipe, RunInfo, absolute};
use crate::train::choose::choose;
use crate::train::fit::Outcome;
use crate::train::prepare::{Place, Request, Started};
use crate::train::run::{RunDir, Summary};
use serde_json::json;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// What is trained, before a device is asked.
struct Wanted {
    name: String,
    recipe: Recipe,
    select: String,
    /// The run to go on with, and its record.
    old: Option<(RunDir, RunInfo)>,
}

/// What a network learns besides the recipe's images: targets with the hash of what made them, and the images with labels
/// of its making.
pub struct Lesson {
    pub targets: Option<(Targets, String)>,
    pub data: Split,
}

/// Makes of a recipe and its images what is learned; `None` if it was stopped.
type Teach<'a> = &'a dyn Fn(&TrainOptions, Split, &Recipe, &Device, &AtomicBool) -> Result<Option<Lesson>>;

/// Trains what `start` says, on what `teach` makes of it.
pub fn run(start: Start, options: &TrainOptions, teach: Teach<'_>) -> Result<Ending> {
    if options.features.is_some() {
        return Err(Error::Config(
            "--features is for multilayer bootstrap networks (onebit train mbn): a network learns from images".into(),
        ));
    }
    let Wanted { name, recipe, select, old } = wanted(start, options)?;
    if let Some((run, _)) = &old
        && let Some(summary) = run.summary()?
    {
        if !options.json {
            say(format!("{} is finished; there is nothing to resume", run.path().display()))?;
        }
        return finish(options, run, &summary);
    }
    let data = recipe.open_images()?;
    if data.train.is_empty() {
        return Err(Error::Config(format!("{}: there are no training images", recipe.data.path)));
    }
    let choice = choose(&select)?;
    let stop = on_ctrl_c()?;
    let Some(Lesson { targets, data }) = teach(options, data, &recipe, &choice.device, stop)? else {
        return Ok(Ending::Stopped);
    };
    let normalization = old.as_ref().map(|(_, info)| (info.mean.clone(), info.std.clone()));
    let request = Request { name, recipe, data, normalization, device: choice.device, select: choice.select, targets };
    let mut prepared = request.prepare()?;
    if let Some((run, info)) = &old {
        prepared.check_teacher(run, info)?;
        prepared.check_data(run, info)?;
    }
    let mut tuned = None;
    if let (Device::Gpu(gpu), false) = (prepared.device(), options.no_tune) {
        let found = before_training(gpu, prepared.programs(), options.allow_reorder)?;
        prepared = prepared.on(Device::Gpu(found.device.clone()))?;
        tuned = Some(found);
    }
    let began_on = old.as_ref().map(|(_, info)| info.device.clone()).filter(|began| *began != prepared.device().name());
    let place = match old {
        Some((run, _)) => Place::Resumed(run),
        None => Place::New(options.out(prepared.name())),
    };
    let started = prepared.start(place)?;
    go_on_unheard();
    if !options.quiet {
        announce(options.json, &started, &choice.why)?;
    }
    if let Some(tuned) = tuned.filter(|_| !options.quiet) {
        say_tuned(&tuned, options.allow_reorder, options.json)?;
    }
    if let Some(began_on) = began_on.filter(|_| options.talks()) {
        say(format!("note    the run began on {began_on}: on another device the last bits of the weights differ"))?;
    }
    fit(started, options, stop)
}

fn wanted(start: Start, options: &TrainOptions) -> Result<Wanted> {
    match start {
        Start::New(text) => {
            let recipe = Recipe::parse(&text.text, &text.origin)?;
            let mut recipe = Recipe { run: None, ..recipe.with(&options.settings)? };
            if let Some(data) = &options.data {
                recipe.data.path = absolute(data);
            }
            // Paths from the root, so that the run can be repeated from anywhere.
            if let Some(teacher) = &mut recipe.teacher {
                teacher.run = absolute(Path::new(&teacher.run));
            }
            if !recipe.start_from.is_empty() {
                recipe.start_from = absolute(Path::new(&recipe.start_from));
            }
            recipe.seed = options.seed.unwrap_or(recipe.seed);
            recipe.epochs = options.epochs.unwrap_or(recipe.epochs);
            recipe.validate()?;
            let select = options.device.clone().unwrap_or("auto".into());
            Ok(Wanted { name: text.run_name(), recipe, select, old: None })
        }
        Start::Resumed(path) => {
            let (run, mut recipe, info) = RunDir::open(&path)?;
            if let Some(data) = &options.data {
                recipe.data.path = absolute(data);
            }
            let select = options.device.clone().unwrap_or(info.select.clone());
            Ok(Wanted { name: info.recipe.clone(), recipe, select, old: Some((run, info)) })
        }
    }
}

/// What is about to happen, before the first step.
fn announce(as_json: bool, started: &Started, why: &str) -> Result<()> {
    let (prepared, run) = (started.prepared(), started.run());
    let (name, recipe, data, programs) = (prepared.name(), prepared.recipe(), prepared.data(), prepared.programs());
    let (parameters, binary) = programs.parameters();
    let (steps, kernels) = (prepared.steps(), programs.step.iter().map(|(_, p)| p.steps.len()).sum::<usize>());
    let (planned, kept) = (programs.planned_bytes(), programs.kept_bytes());
    let device = prepared.device().name();
    if as_json {
        return say(json!({
            "event": "plan", "recipe": name, "data": data.to_string(), "device": device, "why": why,
            "steps_an_epoch": steps, "epochs": recipe.epochs, "kernels_a_step": kernels,
            "planned_bytes": planned, "kept_bytes": kept, "parameters": parameters, "binary_parameters": binary,
            "run": run.path(),
        }));
    }
    say(format!("recipe  {name}: {}", recipe.description))?;
    say(format!("data    {data}"))?;
    say(format!("device  {device}: {why}"))?;
    say(format!("net     {} parameters, {} of them one bit", grouped(parameters as u64), grouped(binary as u64)))?;
    say(format!("memory  {} planned, of it {} kept from forward to backward", mib(planned), mib(kept)))?;
    say(format!(
        "plan    {} epochs of {steps} steps of {} images, {kernels} kernels a step, seed {}",
        recipe.epochs, recipe.batch, recipe.seed
    ))?;
    say(format!("run     {}", run.path().display()))?;
    started.inherited().map_or(Ok(()), |from| say(format!("start   {from}")))
}

fn fit(started: Started, options: &TrainOptions, stop: &AtomicBool) -> Result<Ending> {
    let run = started.run().clone();
    let mut observer = if options.quiet { silent() } else { observer(options.json, &started) };
    let outcome = started.fit(stop, &mut *observer);
    drop(observer);
    match outcome? {
        Outcome::Finished(summary) => finish(options, &run, &summary),
        Outcome::Stopped { saved, position } => {
            let again = format!("onebit train --resume --out {}", run.path().display());
            if options.json {
                say(json!({ "event": "stopped", "steps": position.steps, "saved": saved, "resume": again }))?;
            } else {
                say(format!("stopped after {} steps, saved to {}", position.steps, saved.display()))?;
                say(format!("to go on:  {again}"))?;
            }
            Ok(Ending::Stopped)
        }
    }
}

fn finish(options: &TrainOptions, run: &RunDir, s: &Summary) -> Result<Ending> {
    let (_, recipe, info) = RunDir::open(run.path())?;
    let masked = recipe.network().adapt.is_some_and(|a| a.what == Adapted::Masks);
    let path = run.path().join("mask.1bit");
    let mask = if masked { Some(save_mask(run, &recipe, &info, &path)?) } else { None };
    if options.json {
        let mut line = serde_json::to_value(s).map_err(|e| Error::Config(format!("the summary is no JSON: {e}")))?;
        line["event"] = "summary".into();
        if masked {
            line["mask"] = path.display().to_string().into();
        }
        say(line)?;
        return Ok(Ending::Done);
    }
    let accuracy =
        s.test_accuracy.map_or("no test images".into(), |a| format!("{} {}", accuracy_of(&recipe), percent(a)));
    say(format!(
        "{accuracy} after {} epochs ({} steps), {:.0} images/s, {}",
        s.epochs,
        s.steps,
        s.images_per_second,
        duration(s.seconds)
    ))?;
    if let Some(mask) = mask {
        say(mask)?;
    }
    if options.talks() {
        say(format!("look closer:  onebit eval {}", run.path().display()))?;
    }
    Ok(Ending::Done)
}
