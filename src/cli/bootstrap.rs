//! `onebit train`, `eval` and `embed` of multilayer bootstrap networks.

use super::stop::{INTERRUPTED, on_ctrl_c};
use super::text::{duration, grouped, mib, percent, say};
use super::train::{Args, absolute};
use crate::data::{Dataset, Split};
use crate::device::Device;
use crate::features::{KMeans, Map, Rows, clustering_accuracy, normalized_mutual_information, npy};
use crate::files::{create_dir, write_atomic};
use crate::mbn::{Model, Output, Progress, Watch, Work};
use crate::train::bootstrap::{MbnRecipe, is_mbn};
use crate::train::choose::choose;
use crate::train::recipe::{DEFAULT, Recipe, RunInfo, Text};
use crate::train::run::RunDir;
use crate::train::targets::{NEVER, Targets, assigned, predicted};
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// What is fitted.
pub(super) struct Wanted {
    name: String,
    recipe: MbnRecipe,
    select: String,
    old: Option<RunDir>,
}

/// The result of a fit: `summary.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Summary {
    recipe: String,
    data: String,
    device: String,
    seed: u64,
    /// Points, and numbers of each.
    points: [usize; 2],
    clusterings: usize,
    layers: Vec<Work>,
    /// Seconds of components and clusters.
    output_seconds: f64,
    seconds: f64,
    planned_bytes: usize,
    /// Against the labels of the points, if they have some.
    train: Option<Agreement>,
    version: String,
}

/// Agreement of clusters with classes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Agreement {
    /// Images.
    pub images: usize,
    /// Share that is right under the best one-to-one map of clusters to classes.
    pub accuracy: f64,
    /// Normalised mutual information, arithmetic normalisation.
    pub nmi: f64,
}

impl Agreement {
    pub fn of(clusters: &[u32], set: &Dataset) -> Option<Agreement> {
        let labels = set.labels.as_ref().filter(|l| l.len() == clusters.len() && !l.is_empty())?;
        Some(Agreement {
            images: labels.len(),
            accuracy: clustering_accuracy(clusters, labels),
            nmi: normalized_mutual_information(clusters, labels),
        })
    }

    pub fn say(&self) -> String {
        format!("accuracy {}  NMI {:.4}", percent(self.accuracy), self.nmi)
    }
}

/// What `onebit train` is asked for, if that is a multilayer bootstrap network.
pub(super) fn wanted(args: &Args) -> anyhow::Result<Option<Wanted>> {
    let name = args.recipe.as_deref().unwrap_or(DEFAULT);
    if args.resume {
        let path = match (&args.out, &args.recipe) {
            (Some(out), _) => Some(out.clone()),
            (None, Some(run)) if Path::new(run).join("config.toml").is_file() => Some(PathBuf::from(run)),
            _ => RunDir::newest(&Path::new("runs").join(name)),
        };
        let Some(path) = path else { return Ok(None) };
        let Some((mut recipe, info)) = MbnRecipe::of_run(&path)? else { return Ok(None) };
        if let Some(data) = &args.data {
            recipe.data.path = absolute(data);
        }
        let select = args.device.clone().unwrap_or(info.select);
        return Ok(Some(Wanted { name: info.recipe, recipe, select, old: Some(RunDir::at(&path)) }));
    }
    let Text { name, text, origin } = Text::find(name)?;
    if !is_mbn(&text) {
        return Ok(None);
    }
    let recipe = MbnRecipe::parse(&text, &origin)?;
    let name = recipe.run.as_ref().map_or(name, |run| run.recipe.clone());
    let mut recipe = MbnRecipe { run: None, ..recipe.with(&args.settings)? };
    if args.epochs.is_some() {
        bail!("--epochs: a multilayer bootstrap network has layers, not epochs (--set mbn.layers=[...])");
    }
    if let Some(data) = &args.data {
        recipe.data.path = absolute(data);
    }
    if let Some(run) = &args.features {
        recipe.features = run.display().to_string();
    }
    if !recipe.features.is_empty() {
        recipe.features = absolute(Path::new(&recipe.features));
    }
    recipe.seed = args.seed.unwrap_or(recipe.seed);
    Ok(Some(Wanted { name, recipe, select: args.device.clone().unwrap_or("auto".into()), old: None }))
}

/// Fits the model, and keeps a run directory.
pub(super) fn fit(args: &Args, wanted: Wanted) -> anyhow::Result<ExitCode> {
    let Wanted { name, recipe, select, old } = wanted;
    if let Some(run) = &old
        && run.path().join("summary.json").is_file()
    {
        say(format!("{} is finished; there is nothing to resume", run.path().display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let start = Instant::now();
    let data = recipe.data.open()?;
    if data.train.is_empty() {
        bail!("{}: there are no images to fit to", recipe.data.path);
    }
    let choice = choose(&select)?;
    let stop = on_ctrl_c()?;
    let Some(points) = recipe.points(&data.train, &choice.device, stop)? else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let mut model = Model::new(&recipe.mbn, recipe.seed, points, data.train.classes.len())?;
    let planned_bytes = model.planned_bytes(&choice.device)?;
    let run = match &old {
        Some(run) => run.clone(),
        None => {
            let info = RunInfo {
                recipe: name.clone(),
                device: choice.device.name(),
                select: choice.select.clone(),
                version: env!("CARGO_PKG_VERSION").into(),
                mean: Vec::new(),
                std: Vec::new(),
                teacher: None,
            };
            let wanted = args.out.clone().unwrap_or_else(|| Path::new("runs").join(&name));
            RunDir::create_with(&wanted, &MbnRecipe { run: Some(info), ..recipe.clone() }.to_toml()?)?
        }
    };
    let file = run.last();
    if old.is_some() && file.is_file() {
        let saved = Model::load(&file)?;
        if saved.spec != model.spec || saved.seed != model.seed || saved.points != model.points {
            bail!("{}: the layers there are of other points or settings: start a new run", file.display());
        }
        model = saved;
    }
    announce(args.json, &name, &recipe, &data, &model, &choice.device, &choice.why, planned_bytes, &run)?;
    while model.missing() > 0 {
        let layer = model.codes.len() + 1;
        let mut shown = Shown::new(args.json);
        let grown = model.grow(&choice.device, &mut Watch { stop, told: &mut |p| shown.progress(p) })?;
        drop(shown);
        if !grown {
            return stopped(args.json, &run, layer - 1);
        }
        model.save(&file)?;
        let work = model.work[layer - 1];
        match args.json {
            true => say(json!({ "event": "layer", "layer": layer, "work": work }))?,
            false => say(said_of(layer, model.spec.layers.len(), &work, points_and_clusterings(&model)))?,
        }
    }
    let output_start = Instant::now();
    let k = *model.spec.layers.last().context("a model has layers")?;
    let codes = model.codes.last().context("a model has layers")?;
    let output = Output::fit(&model.spec, codes, k, model.seed)?;
    let train = Agreement::of(&output.clusters, &data.train);
    model.output = Some(output);
    model.save(&file)?;
    let summary = Summary {
        recipe: name,
        data: data.name().to_string(),
        device: choice.device.name(),
        seed: recipe.seed,
        points: [model.points.n(), model.points.d()],
        clusterings: model.spec.clusterings,
        layers: model.work.clone(),
        output_seconds: output_start.elapsed().as_secs_f64(),
        seconds: start.elapsed().as_secs_f64(),
        planned_bytes,
        train,
        version: env!("CARGO_PKG_VERSION").into(),
    };
    run.write_json("summary.json", &summary)?;
    if args.json {
        say(json!({ "event": "finished", "run": run.path(), "summary": summary }))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format!(
        "{} components and {} clusters of {} points, {}",
        model.spec.components,
        model.spec.clusters,
        grouped(model.points.n() as u64),
        duration(summary.seconds)
    ))?;
    if let Some(train) = train {
        say(format!("clusters against the labels, which fitting did not see: {}", train.say()))?;
    }
    say(format!("look closer:  onebit eval {0}   onebit embed {0}", run.path().display()))?;
    Ok(ExitCode::SUCCESS)
}

fn stopped(as_json: bool, run: &RunDir, layers: usize) -> anyhow::Result<ExitCode> {
    let again = format!("onebit train --resume --out {}", run.path().display());
    match as_json {
        true => say(json!({ "event": "stopped", "layers": layers, "resume": again }))?,
        false => {
            say(format!("stopped; {layers} layers are saved in {}", run.last().display()))?;
            say(format!("to go on:  {again}"))?;
        }
    }
    Ok(ExitCode::from(INTERRUPTED))
}

fn announce(
    as_json: bool,
    name: &str,
    recipe: &MbnRecipe,
    data: &Split,
    model: &Model,
    device: &Device,
    why: &str,
    planned_bytes: usize,
    run: &RunDir,
) -> anyhow::Result<()> {
    let (n, d) = (model.points.n(), model.points.d());
    if as_json {
        return say(json!({
            "event": "plan", "recipe": name, "data": data.to_string(), "device": device.name(), "why": why, "points": n,
            "numbers": d, "layers": model.spec.layers, "clusterings": model.spec.clusterings,
            "planned_bytes": planned_bytes, "run": run.path(),
        }));
    }
    let seen = if recipe.features.is_empty() { "pixels".into() } else { format!("features of {}", recipe.features) };
    say(format!("recipe  {name}: {}", recipe.description))?;
    say(format!("data    {data}"))?;
    say(format!("points  {} of {d} numbers each, {seen}", grouped(n as u64)))?;
    say(format!("device  {}: {why}", device.name()))?;
    say(format!("memory  {} planned", mib(planned_bytes)))?;
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

fn points_and_clusterings(model: &Model) -> f64 {
    (model.points.n() * model.spec.clusterings) as f64
}

fn said_of(layer: usize, layers: usize, work: &Work, assignments: f64) -> String {
    let rate = work.operations / work.device_seconds.max(1e-9) / 1e9;
    let what = if layer == 1 { "GFLOP/s" } else { "G comparisons/s" };
    let near = match work.near_ties {
        0 => String::new(),
        n => format!("  {} near-ties ({:.2} %)", grouped(n), 100.0 * n as f64 / assignments),
    };
    format!("layer {layer:2}/{layers}  {:6} centres  {:8.2} s  {rate:8.0} {what}{near}", work.k, work.seconds)
}

/// A bar on a terminal, a line now and then elsewhere, nothing for programs.
pub(super) struct Shown {
    bar: Option<ProgressBar>,
    last: Instant,
    quiet: bool,
}

impl Shown {
    pub fn new(quiet: bool) -> Shown {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{bar:24} {percent:>3}%  {msg}");
            ProgressBar::no_length().with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Shown { bar, last: Instant::now(), quiet }
    }

    pub fn progress(&mut self, p: Progress) {
        let text = || {
            format!("layer {}/{}: {} centres, {} of {} clusterings", p.layer + 1, p.layers, p.k, p.done, p.clusterings)
        };
        if let Some(bar) = &self.bar {
            bar.set_length(p.clusterings as u64);
            bar.set_position(p.done as u64);
            bar.set_message(text());
        } else if !self.quiet && self.last.elapsed() >= Duration::from_secs(10) {
            self.last = Instant::now();
            // A fit goes on when nobody reads about it any more.
            let _ = say(text());
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What a recipe that compresses a model learns, and the images with it in place of labels. `None` if it was stopped.
pub(super) fn targets(
    as_json: bool,
    recipe: &Recipe,
    data: &Split,
    device: &Device,
    stop: &AtomicBool,
) -> anyhow::Result<Option<(Targets, Split)>> {
    let mut shown = Shown::new(as_json);
    Ok(Targets::of(recipe, data, device, &mut Watch { stop, told: &mut |p| shown.progress(p) })?)
}

/// A fitted model with its images.
pub(super) struct Fitted {
    pub run: RunDir,
    pub recipe: MbnRecipe,
    pub info: RunInfo,
    pub model: Model,
    pub data: Split,
}

impl Fitted {
    /// The run, if it is one of these; `data` in place of its own images.
    pub fn open(path: &Path, data: Option<&Path>) -> anyhow::Result<Option<Fitted>> {
        let Some((mut recipe, info)) = MbnRecipe::of_run(path)? else { return Ok(None) };
        let run = RunDir::at(path);
        let model = Model::load(&run.last())?;
        if let Some(data) = data {
            recipe.data.path = data.display().to_string();
        }
        let data = recipe.data.open()?;
        Ok(Some(Fitted { run, recipe, info, model, data }))
    }
}

/// Clusters of training and test images against their labels.
pub(super) fn eval(args: &super::eval::Args, fitted: Fitted) -> anyhow::Result<ExitCode> {
    let Fitted { run, recipe, info, model, data } = fitted;
    let device = choose(args.device.as_deref().unwrap_or(&info.select))?.device;
    let mut result = serde_json::Map::new();
    let mut said = Vec::new();
    let mut shown = Shown::new(args.json);
    let mut watch = Watch { stop: &NEVER, told: &mut |p| shown.progress(p) };
    let parts = [("train", &data.train), ("test", &data.test)];
    for (name, set) in parts.into_iter().filter(|(_, set)| !set.is_empty()) {
        let found = assigned(&recipe, &model, set, &device, &mut watch)?.context("nobody stops this")?;
        if let Some(pace) = found.pace {
            said.push(format!(
                "{name:5}  10,000 predictions in {:.2} s, the device at work {:.2} s ({})",
                pace.seconds,
                pace.device_seconds,
                device.name()
            ));
            result.insert("pace".into(), json!(pace));
        }
        if let Some(agreement) = Agreement::of(&found.clusters, set) {
            said.push(format!("{name:5}  {:6} images  {}", agreement.images, agreement.say()));
            result.insert(name.into(), json!(agreement));
        }
    }
    if args.baseline {
        let points = recipe.points(&data.train, &device, &NEVER)?.context("nobody stops this")?;
        let centres = KMeans::fit(&points, model.spec.clusters, model.spec.restarts, model.seed)?;
        if let Some(agreement) = Agreement::of(&centres.assign(&points)?, &data.train) {
            said.push(format!("train  k-means on the same points  {}", agreement.say()));
            result.insert("kmeans".into(), json!(agreement));
        }
    }
    let bytes = std::fs::metadata(run.last()).map(|m| m.len()).with_context(|| run.last().display().to_string())?;
    result.insert("model_bytes".into(), json!(bytes));
    said.push(format!("model  {}", mib(bytes as usize)));
    run.write_json("eval.json", &result)?;
    match args.json {
        true => say(serde_json::to_string_pretty(&result)?)?,
        false => said.into_iter().try_for_each(say)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Coordinates and clusters as files, and a map of them.
pub(super) fn embed(fitted: &Fitted, set: &Arc<Dataset>, device: Option<&str>, out: &Path) -> anyhow::Result<ExitCode> {
    let Fitted { run, recipe, info, model, .. } = fitted;
    let device = choose(device.unwrap_or(&info.select))?.device;
    let mut watch = Watch { stop: &NEVER, told: &mut |_| {} };
    let points: Rows = recipe.points(set, &device, &NEVER)?.context("nobody stops this")?;
    let found = predicted(model, &points, &device, &mut watch)?.context("nobody stops this")?;
    create_dir(out)?;
    npy::write_f32(&out.join("features.npy"), &found.coordinates)?;
    npy::write_u32(&out.join("clusters.npy"), &found.clusters)?;
    if let Some(labels) = &set.labels {
        npy::write_u32(&out.join("labels.npy"), labels)?;
    }
    let names: Vec<String> = (0..model.spec.clusters).map(|c| format!("cluster {c}")).collect();
    let coloured = set.labels.as_deref().map_or((&found.clusters[..], &names[..]), |l| (l, &set.classes[..]));
    let title = format!("{}: {}", run.path().display(), set.name);
    write_atomic(&out.join("map.png"), &Map::make(&found.coordinates, 0)?.png(&title, Some(coloured))?)?;
    say(format!(
        "{}: coordinates of {} images in features.npy, their clusters in clusters.npy; the map is map.png",
        out.display(),
        grouped(set.len() as u64)
    ))?;
    Ok(ExitCode::SUCCESS)
}
