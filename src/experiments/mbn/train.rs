//! A fit, from the command to the summary.

use super::summary::Summary;
use super::{Agreement, LayerBar, fitted_parts, fitted_points, not_one};
use crate::console::stop::on_ctrl_c;
use crate::console::text::{duration, go_on_unheard, grouped, mib, say};
use crate::data::{Part, Split};
use crate::error::{Error, Result};
use crate::experiments::{Ending, Start, TrainOptions};
use crate::mbn::{FitTo, MbnRecipe, Model, Output, Watch, Work};
use crate::recipe::{RunInfo, absolute};
use crate::train::choose::{Choice, choose};
use crate::train::lock::RunLock;
use crate::train::own_images::changed;
use crate::train::run::RunDir;
use serde_json::json;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// What is fitted.
struct Wanted {
    name: String,
    recipe: MbnRecipe,
    select: String,
    old: Option<(RunDir, RunLock, RunInfo)>,
}

/// A fit that has its directory.
struct Fit {
    name: String,
    recipe: MbnRecipe,
    data: Split,
    choice: Choice,
    model: Model,
    planned_bytes: usize,
    run: RunDir,
    /// Held until the fit ends.
    _lock: RunLock,
}

/// Fits the model, and keeps a run directory.
pub(super) fn run(start: Start, options: &TrainOptions) -> Result<Ending> {
    let wanted = wanted(start, options)?;
    if let Some((run, ..)) = &wanted.old
        && run.path().join("summary.json").is_file()
    {
        say(format!("{} is finished; there is nothing to resume", run.path().display()))?;
        return Ok(Ending::Done);
    }
    let began = Instant::now();
    let stop = on_ctrl_c()?;
    let Some(mut fit) = begin(wanted, options, &stop)? else { return Ok(Ending::Stopped) };
    // Of layers that an earlier process fitted their own time counts.
    let before: f64 = fit.model.work.iter().map(|work| work.seconds).sum();
    go_on_unheard();
    if !options.quiet {
        announce(options.json, &fit)?;
    }
    if !layers(&mut fit, options, &stop)? {
        return stopped(options.json, &fit.run, fit.model.codes.len());
    }
    let output_began = Instant::now();
    let missing = || Error::Config("a model has layers".into());
    let k = *fit.model.spec.layers.last().ok_or_else(missing)?;
    let codes = fit.model.codes.last().ok_or_else(missing)?;
    let output = Output::fit(&fit.model.spec, codes, k, fit.model.seed)?;
    let agreement = Agreement::of(&output.clusters, &fitted_parts(fit.recipe.fit_to, &fit.data));
    let (train, all) = match fit.recipe.fit_to {
        FitTo::Train => (agreement, None),
        FitTo::All => (None, agreement),
    };
    fit.model.output = Some(output);
    fit.model.save(&fit.run.last())?;
    let summary = Summary {
        recipe: fit.name.clone(),
        data: fit.data.name().to_string(),
        device: fit.choice.device.name(),
        seed: fit.recipe.seed,
        points: [fit.model.points.n(), fit.model.points.d()],
        clusterings: fit.model.spec.clusterings,
        layers: fit.model.work.clone(),
        output_seconds: output_began.elapsed().as_secs_f64(),
        seconds: before + began.elapsed().as_secs_f64(),
        planned_bytes: fit.planned_bytes,
        train,
        all,
        version: env!("CARGO_PKG_VERSION").into(),
    };
    fit.run.write_json("summary.json", &summary)?;
    finish(options.json, &fit, &summary)
}

fn wanted(start: Start, options: &TrainOptions) -> Result<Wanted> {
    match start {
        Start::New(text) => {
            let recipe = MbnRecipe::parse(&text.text, &text.origin)?;
            let mut recipe = MbnRecipe { run: None, ..recipe.with(&options.settings)? };
            if options.epochs.is_some() {
                return Err(no_epochs());
            }
            if options.from.is_some() {
                return Err(Error::Config(
                    "--from: a multilayer bootstrap network starts from nothing; leave it out".into(),
                ));
            }
            if let Some(data) = &options.data {
                recipe.data.path = absolute(data);
            }
            if let Some(run) = &options.features {
                recipe.features = run.display().to_string();
            }
            if !recipe.features.is_empty() {
                recipe.features = absolute(Path::new(&recipe.features));
            }
            recipe.seed = options.seed.unwrap_or(recipe.seed);
            let select = options.device.clone().unwrap_or("auto".into());
            Ok(Wanted { name: text.run_name(), recipe, select, old: None })
        }
        Start::Resumed(path) => {
            let (mut recipe, info) = MbnRecipe::of_run(&path)?.ok_or_else(|| not_one(&path))?;
            if let Some(data) = &options.data {
                recipe.data.path = absolute(data);
            }
            let select = options.device.clone().unwrap_or(info.select.clone());
            if options.epochs.is_some() {
                return Err(no_epochs());
            }
            let run = RunDir::at(&path);
            let lock = RunLock::take(&run)?;
            Ok(Wanted { name: info.recipe.clone(), recipe, select, old: Some((run, lock, info)) })
        }
    }
}

fn no_epochs() -> Error {
    Error::Config("--epochs: a multilayer bootstrap network has layers, not epochs (--set mbn.layers=[...])".into())
}

/// The model as far as it is fitted, in its directory; `None` if it was stopped.
fn begin(wanted: Wanted, options: &TrainOptions, stop: &AtomicBool) -> Result<Option<Fit>> {
    let Wanted { name, recipe, select, old } = wanted;
    let data = recipe.data.open()?;
    if data.train.is_empty() {
        return Err(Error::Config(format!("{}: there are no images to fit to", recipe.data.path)));
    }
    let choice = choose(&select)?;
    let Some(points) = fitted_points(&recipe, &data, &choice.device, stop)? else { return Ok(None) };
    let mut model = Model::new(&recipe.mbn, recipe.seed, points, data.train.classes.len())?;
    let planned_bytes = model.planned_bytes(&choice.device)?;
    let manifest = data.manifest();
    let resumed = old.is_some();
    let (run, lock) = match old {
        Some((run, lock, info)) => {
            if let Some(what) = changed(&run, &info, &manifest, &Part::ALL, true)? {
                return Err(Error::data(
                    &recipe.data.path,
                    format!(
                        "these are not the images that the run {} began with: {what}; put them back as they were, or start a new run",
                        run.path().display()
                    ),
                ));
            }
            (run, lock)
        }
        None => {
            let info = RunInfo {
                recipe: name.clone(),
                device: choice.device.name(),
                select: choice.select.clone(),
                version: env!("CARGO_PKG_VERSION").into(),
                mean: Vec::new(),
                std: Vec::new(),
                data: Some(manifest.fingerprint().into()),
                classes: data.train.classes.clone(),
                train_images: Some(data.train.len()),
                ..RunInfo::default()
            };
            let record = MbnRecipe { run: Some(info), ..recipe.clone() };
            let run = RunDir::create_with(&options.out(&name), &record.to_toml()?)?;
            let lock = RunLock::take(&run)?;
            run.list_images(&manifest, &data.skipped)?;
            (run, lock)
        }
    };
    let file = run.last();
    if resumed && file.is_file() {
        let saved = Model::load(&file)?;
        if saved.spec != model.spec || saved.seed != model.seed || saved.points != model.points {
            return Err(Error::data(file, "the layers there are of other points or settings: start a new run"));
        }
        model = saved;
    } else if resumed && !options.json {
        say(format!("note: no layer was saved in {}: fitting begins anew", file.display()))?;
    }
    Ok(Some(Fit { name, recipe, data, choice, model, planned_bytes, run, _lock: lock }))
}

/// Fits the layers that are missing, and saves each; false if it was stopped.
fn layers(fit: &mut Fit, options: &TrainOptions, stop: &AtomicBool) -> Result<bool> {
    while fit.model.missing() > 0 {
        let layer = fit.model.codes.len() + 1;
        let mut bar = LayerBar::new("fitting", !options.talks());
        let grown = fit.model.grow(&fit.choice.device, &mut Watch { stop, told: &mut |p| bar.progress(p) })?;
        drop(bar);
        if !grown {
            return Ok(false);
        }
        fit.model.save(&fit.run.last())?;
        let work = fit.model.work[layer - 1];
        if options.json {
            say(json!({ "event": "layer", "layer": layer, "work": work }))?;
        } else if options.talks() {
            say(said_of(layer, &fit.model, &work))?;
        }
    }
    Ok(true)
}

fn finish(as_json: bool, fit: &Fit, summary: &Summary) -> Result<Ending> {
    let run = fit.run.path();
    if as_json {
        say(json!({ "event": "finished", "run": run, "summary": summary }))?;
        return Ok(Ending::Done);
    }
    say(format!(
        "{} components and {} clusters of {} points, {}",
        fit.model.spec.components,
        fit.model.spec.clusters,
        grouped(fit.model.points.n() as u64),
        duration(summary.seconds)
    ))?;
    if let Some(agreement) = summary.train.or(summary.all) {
        say(format!("clusters against the labels, which fitting did not see: {}", agreement.say()))?;
    }
    say(format!("look closer:  onebit eval {0}   onebit embed {0}", run.display()))?;
    Ok(Ending::Done)
}

fn stopped(as_json: bool, run: &RunDir, layers: usize) -> Result<Ending> {
    let again = format!("onebit train --resume --out {}", run.path().display());
    match as_json {
        true => say(json!({ "event": "stopped", "layers": layers, "resume": again }))?,
        false => {
            say(match layers {
                0 => "stopped before the first layer was done: nothing is saved yet".into(),
                _ => format!("stopped; {layers} layers are saved in {}", run.last().display()),
            })?;
            say(format!("to go on:  {again}"))?;
        }
    }
    Ok(Ending::Stopped)
}

fn announce(as_json: bool, fit: &Fit) -> Result<()> {
    let Fit { name, recipe, data, choice, model, planned_bytes, run, .. } = fit;
    let (n, d) = (model.points.n(), model.points.d());
    let (device, why) = (choice.device.name(), &choice.why);
    if as_json {
        return say(json!({
            "event": "plan", "recipe": name, "data": data.to_string(), "device": device, "why": why, "points": n,
            "numbers": d, "layers": model.spec.layers, "clusterings": model.spec.clusterings,
            "planned_bytes": planned_bytes, "run": run.path(),
        }));
    }
    let seen = if recipe.features.is_empty() { "pixels".into() } else { format!("features of {}", recipe.features) };
    say(format!("recipe  {name}: {}", recipe.description))?;
    say(format!("data    {data}"))?;
    say(format!("points  {} of {d} numbers each, {seen}", grouped(n as u64)))?;
    say(format!("device  {device}: {why}"))?;
    say(format!("memory  {} planned", mib(*planned_bytes)))?;
    let layers: Vec<String> = model.spec.layers.iter().map(|k| k.to_string()).collect();
    say(format!(
        "plan    {} layers of {} clusterings with {} centres, seed {}",
        layers.len(),
        model.spec.clusterings,
        layers.join(", "),
        model.seed
    ))?;
    if model.missing() < layers.len() {
        say(format!("resumed after {} layers", model.codes.len()))?;
    }
    say(format!("run     {}", run.path().display()))
}

fn said_of(layer: usize, model: &Model, work: &Work) -> String {
    let layers = model.spec.layers.len();
    let assignments = (model.points.n() * model.spec.clusterings) as f64;
    let rate = work.operations / work.device_seconds.max(1e-9) / 1e9;
    let what = if layer == 1 { "GFLOP/s" } else { "G comparisons/s" };
    let near = match work.near_ties {
        0 => String::new(),
        n => format!("  {} near-ties ({:.2} %)", grouped(n), 100.0 * n as f64 / assignments),
    };
    format!("layer {layer:2}/{layers}  {:6} centres  {:8.2} s  {rate:8.0} {what}{near}", work.k, work.seconds)
}
