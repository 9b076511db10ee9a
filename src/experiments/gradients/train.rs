//! Training, from the command to the summary.

use super::{before_training, ranks, save_mask, say_tuned};
use crate::console::progress::{observer, silent};
use crate::console::stop::on_ctrl_c;
use crate::console::text::{duration, go_on_unheard, grouped, mib, percent, say};
use crate::data::{Part, Split};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::experiments::{Ending, Start, TrainOptions};
use crate::methods::Targets;
use crate::nn::Adapted;
use crate::recipe::{Recipe, RunInfo, absolute};
use crate::train::checkpoint::Position;
use crate::train::fit::has_stopped_early;
use crate::train::job::Outcome;
use crate::train::lock::RunLock;
use crate::train::prepare::{Place, Request, Started};
use crate::train::right::Right;
use crate::train::run::{RunDir, Summary, check_recipe};
use serde_json::json;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// What is trained, before a device is asked.
struct Wanted {
    name: String,
    recipe: Recipe,
    select: String,
    /// The run to go on with.
    old: Option<Old>,
}

/// A run to go on with.
struct Old {
    run: RunDir,
    /// Its record.
    info: RunInfo,
    lock: RunLock,
    /// How many epochs it was to have, if it has more or fewer from now on; and where it stands.
    longer: Option<(u64, Position)>,
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
    if let Some(Old { run, longer: None, .. }) = &old
        && let Some(summary) = run.summary()?
    {
        summary.check_recipe(run, &recipe)?;
        ranks::nothing_to_do(options)?;
        if !options.json {
            say(format!("{} is finished; there is nothing to resume (--epochs N lengthens it)", run.path().display()))?;
        }
        return finish(options, run, &summary);
    }
    let old_normalization = old.as_ref().map(|old| (old.info.mean.clone(), old.info.std.clone()));
    ranks::tell(options, &name, &recipe, &select, &old_normalization)?;
    let data = recipe.open_images()?;
    if data.train.is_empty() {
        let left_out = if data.left_out.is_empty() { String::new() } else { format!("; {}", data.left_out) };
        return Err(Error::Config(format!(
            "{}: there are no training images ({data}{left_out}): put them into a folder train, with a folder for each class, or in a \
             table of classes give them their class and the part train",
            recipe.data.path
        )));
    }
    let choice = ranks::choose_own(options, &select)?;
    let stop = on_ctrl_c()?;
    let Some(Lesson { targets, data }) = teach(options, data, &recipe, &choice.device, &stop)? else {
        return Ok(Ending::Stopped);
    };
    if let Some(old) = &old {
        let config = old.run.config_path();
        old.info.check_normalization(Some(data.train.c)).map_err(|e| Error::data(config, e.to_string()))?;
    }
    let request = Request {
        name,
        recipe,
        data,
        normalization: old_normalization,
        device: choice.device,
        select: choice.select,
        targets,
        exchange: options.exchange.clone(),
    };
    let mut prepared = request.prepare()?;
    if let Some(old) = &old {
        prepared.check_data(&old.run, &old.info)?;
        prepared.check_teacher(&old.run, &old.info)?;
    }
    let mut tuned = None;
    if let (Device::Gpu(gpu), false) = (prepared.device(), options.no_tune) {
        let found = before_training(gpu, prepared.programs(), options.allow_reorder)?;
        prepared = prepared.on(Device::Gpu(found.device.clone()))?;
        tuned = Some(found);
    }
    prepared.agree()?;
    let began_on = old.as_ref().map(|old| old.info.device.clone()).filter(|began| *began != prepared.device().name());
    let mut longer = None;
    let place = match old {
        Some(Old { run, info, lock, longer: asked }) => {
            if let Some((before, position)) = asked {
                let lengthened = [&info.lengthened[..], &[before]].concat();
                // What earlier versions did not keep is not made up: then the places of all are unknown.
                let known = info.lengthened_at.len() == info.lengthened.len();
                let at = if known { [&info.lengthened_at[..], &[position.steps]].concat() } else { Vec::new() };
                run.lengthen(prepared.recipe(), RunInfo { lengthened, lengthened_at: at, ..info }, before)?;
                longer = Some(of_length(prepared.recipe(), before, &position, prepared.steps() as u64));
            }
            Place::Resumed(run, lock)
        }
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
    if let Some(longer) = longer.filter(|_| options.talks()) {
        say(format!("length  {longer}"))?;
    }
    if let Some(began_on) = began_on.filter(|_| options.talks()) {
        say(format!("note    the run began on {began_on}: on another device the last bits of the weights differ"))?;
    }
    fit(started, options, &stop)
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
            if let Some(from) = &options.from {
                recipe.start_from = from.display().to_string();
            }
            if !recipe.start_from.is_empty() {
                recipe.start_from = absolute(Path::new(&recipe.start_from));
            }
            recipe.seed = options.seed.unwrap_or(recipe.seed);
            recipe.epochs = options.epochs.unwrap_or(recipe.epochs);
            recipe.accumulate = recipe.accumulate.saturating_mul(ranks::count(options));
            recipe.validate()?;
            let select = options.device.clone().unwrap_or("auto".into());
            Ok(Wanted { name: text.run_name(), recipe, select, old: None })
        }
        Start::Resumed(path) => {
            RunDir::open(&path)?;
            let lock = RunLock::take(&RunDir::at(&path))?;
            // Only now does nobody change it any more.
            let (run, mut recipe, info) = RunDir::open(&path)?;
            run.check_last()?;
            let position = match run.last().is_file() {
                true => {
                    let position = run.checkpoint(&run.last(), &recipe, &info)?.position;
                    if options.epochs.is_some() {
                        // Before anything of the run is changed.
                        check_recipe(&run.last(), &position, &recipe, &info)?;
                    }
                    position
                }
                false => Position::default(),
            };
            run.check_best(&position)?;
            if let Some(data) = &options.data {
                recipe.data.path = absolute(data);
            }
            ranks::check_batches(options, &recipe, &path)?;
            let before = lengthened(&run, &mut recipe, options.epochs, &position)?;
            let longer = before.map(|before| (before, position));
            let select = options.device.clone().unwrap_or(info.select.clone());
            Ok(Wanted { name: info.recipe.clone(), recipe, select, old: Some(Old { run, info, lock, longer }) })
        }
    }
}

/// Gives a run another number of epochs, if that is asked for; the number that it had.
fn lengthened(run: &RunDir, recipe: &mut Recipe, epochs: Option<u64>, position: &Position) -> Result<Option<u64>> {
    let Some(epochs) = epochs.filter(|e| *e != recipe.epochs) else { return Ok(None) };
    let (done, path) = (position.epoch, run.path().display());
    if epochs <= done {
        return Err(Error::Config(format!(
            "--epochs {epochs}: {path} has done {done} epochs already: give more to lengthen it"
        )));
    }
    if has_stopped_early(recipe, position) {
        return Err(Error::Config(format!(
            "--epochs {epochs}: training of {path} ended early, after epoch {done}, because validation had got no better for patience = \
             {} epochs (the best was after epoch {}): more epochs would train nothing. Begin a new run with more patience:  onebit \
             train {path} --epochs {epochs} --set patience={}  (--from {path} starts it from these weights)",
            recipe.patience.unwrap_or_default(),
            position.best_val.map_or(0, |best| best.epoch),
            epochs
        )));
    }
    let before = std::mem::replace(&mut recipe.epochs, epochs);
    recipe.validate()?;
    Ok(Some(before))
}

/// What another length does to the learning rate from where the run stands.
fn of_length(recipe: &Recipe, before: u64, at: &Position, steps: u64) -> String {
    let epochs = recipe.epochs;
    // Of a second pass the rate is that of the end of the first one.
    let step = at.epoch * steps + (at.step as u64).min(steps);
    let rate = |of: u64| recipe.schedule.at(recipe.lr, step.min(of * steps), steps, of);
    let what = match recipe.schedule.follows_length() {
        true => format!(
            "the schedule is that of {epochs} epochs from here on; after {} epochs its rate is {:e}, where it had come to {:e}",
            at.epoch,
            rate(epochs),
            rate(before)
        ),
        false => "the schedule does not depend on the length".into(),
    };
    format!("{epochs} epochs in place of {before}: {what}")
}

/// What is about to happen, before the first step.
fn announce(as_json: bool, started: &Started, why: &str) -> Result<()> {
    let (prepared, run) = (started.prepared(), started.run());
    let (name, recipe, data, programs) = (prepared.name(), prepared.recipe(), prepared.data(), prepared.programs());
    let (parameters, binary) = programs.parameters();
    let (steps, kernels) = (prepared.steps(), programs.step.iter().map(|(_, p)| p.steps.len()).sum::<usize>());
    let ranks = prepared.ranks();
    let (planned, kept, beside) =
        (programs.planned_bytes(), programs.kept_bytes(), programs.beside_bytes(recipe.accumulate / ranks));
    let device = prepared.device().name();
    let parts = prepared.parts();
    let [val, test] = [parts.val(), parts.test()].map(|set| set.map_or(0, |s| s.len()));
    let rate = recipe.schedule.describe(recipe.lr);
    if as_json {
        return say(json!({
            "event": "plan", "recipe": name, "data": data.to_string(), "device": device, "why": why,
            "steps_an_epoch": steps, "batch": recipe.batch, "accumulate": recipe.accumulate, "ranks": ranks, "epochs": recipe.epochs, "kernels_a_step": kernels, "lr": recipe.lr, "schedule": rate,
            "train_images": data.train.len(), "val_images": val, "test_images": test, "patience": recipe.patience,
            "planned_bytes": planned, "kept_bytes": kept, "beside_bytes": beside, "parameters": parameters, "binary_parameters": binary,
            "run": run.path(),
        }));
    }
    say(format!("recipe  {name}: {}", recipe.description))?;
    say(format!("data    {data}"))?;
    say(format!("device  {device}: {why}"))?;
    say(format!("net     {} parameters, {} of them one bit", grouped(parameters as u64), grouped(binary as u64)))?;
    say(format!(
        "memory  {} planned, of it {} kept from forward to backward; beside it up to {} for checkpoints and batches that wait",
        mib(planned),
        mib(kept),
        mib(beside)
    ))?;
    let (images, of) = match recipe.accumulate {
        1 => (recipe.batch.to_string(), "step"),
        together => (format!("{together} times {}", recipe.batch), "batch"),
    };
    say(format!(
        "plan    {} epochs of {steps} steps of {images} images, {kernels} kernels a {of}, seed {}{}",
        recipe.epochs,
        recipe.seed,
        left_over(recipe, data.train.len(), steps)
    ))?;
    if ranks > 1 {
        let (gradients, rest) = programs.exchanged();
        let turns = match programs.takes_turns() {
            true => {
                "; in the second pass of an epoch ranks take turns, as each batch goes by what those before it left"
            }
            false => "",
        };
        say(format!(
            "ranks   {ranks}, of each step's {} batches {} each; {} gradients of 32 bits are added up in the order of the batches, and {} are \
             exchanged beside them; batch statistics: local, those of each batch{turns}",
            recipe.accumulate,
            recipe.accumulate / ranks,
            grouped(gradients as u64),
            mib(4 * rest * recipe.accumulate)
        ))?;
    }
    say(format!("rate    {rate}"))?;
    say(format!("choice  {}", choice_of(recipe, val, test)))?;
    say(format!("run     {}", run.path().display()))?;
    started.inherited().map_or(Ok(()), |from| say(format!("start   {from}")))
}

/// What an epoch does without, where that is much: images that fill no step.
fn left_over(recipe: &Recipe, images: usize, steps: usize) -> String {
    let left = images.saturating_sub(steps * recipe.images_a_step());
    match 10 * left > images {
        true => format!(
            "; each epoch leaves {left} of {images} images out, others each time, as they fill no step (--set batch={} has smaller ones)",
            (images / 8).clamp(1, recipe.batch)
        ),
        false => String::new(),
    }
}

/// How a checkpoint is chosen, and what is tested.
fn choice_of(recipe: &Recipe, val: usize, test: usize) -> String {
    let chosen = match val {
        0 => {
            "no validation images, so that nothing is chosen (--set data.val=0.1 sets some apart): the last checkpoint"
                .into()
        }
        n => format!("the best checkpoint on {} validation images", grouped(n as u64)),
    };
    let ends =
        recipe.patience.map_or(String::new(), |p| format!(", training ends after {p} epochs without a better one"));
    let tested = match test {
        0 => "; there are no test images for the end".into(),
        n => format!(", tested once at the end on {} test images", grouped(n as u64)),
    };
    format!("{chosen}{ends}{tested}")
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
    let of = |part: Part, share: f64, images: usize, epoch: u64| {
        let of = if images > 0 { format!(" of {} images", grouped(images as u64)) } else { String::new() };
        format!("{} {}{of} after {epoch} epochs", Right::of(&recipe).on(part), percent(share))
    };
    let chosen = s.chosen_epoch.unwrap_or(s.epochs);
    let test = s.test_accuracy.map(|a| of(Part::Test, a, s.test_images, chosen));
    let val = s.best_val_accuracy.zip(s.best_val_epoch).map(|(a, epoch)| of(Part::Val, a, s.val_images, epoch));
    let found: Vec<String> = [val.map(|v| format!("best {v}")), test].into_iter().flatten().collect();
    let found = if found.is_empty() { "no images to test on".into() } else { found.join("; ") };
    // Nothing is timed where only the test was still to be done.
    let rate = if s.images_per_second > 0.0 { format!(", {:.0} images/s", s.images_per_second) } else { String::new() };
    let time = match s.seconds_since {
        Some(step @ 1..) => {
            format!("{} since step {step}, until when an earlier version kept no time", duration(s.seconds))
        }
        _ => duration(s.seconds),
    };
    say(format!("{found} ({} epochs of training, {} steps){rate}, {time}", s.epochs, s.steps))?;
    if let Some(mask) = mask {
        say(mask)?;
    }
    if options.talks() {
        say(format!("look closer:  onebit eval {}", run.path().display()))?;
    }
    Ok(Ending::Done)
}
