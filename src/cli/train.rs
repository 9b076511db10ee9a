//! `onebit train`.

use super::bootstrap;
use super::given::{normalised_as, start_from};
use super::mask::saved;
use super::progress::{judged_by, observer};
use super::stop::{INTERRUPTED, on_ctrl_c};
use super::text::{duration, grouped, mib, percent, say};
use super::tune::{before_training, say_tuned};
use crate::data::Split;
use crate::device::Device;
use crate::methods::method;
use crate::nn::Adapted;
use crate::train::choose::{Choice, choose};
use crate::train::fit::{Job, Outcome, fit};
use crate::train::limits::fitting_plan;
use crate::train::method::{ImageInfo, Task};
use crate::train::recipe::{DEFAULT, EMBEDDED, MethodName, Recipe, RunInfo};
use crate::train::run::{RunDir, Summary};
use crate::train::scheduler::Plan;
use crate::train::steps::loader;
use crate::train::targets::Targets;
use crate::train::teacher::Teacher;
use anyhow::bail;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Trains a network by a recipe, and keeps a run directory.
///
/// The run directory (runs/RECIPE, or --out) holds config.toml (train it again and the same comes out), metrics.jsonl,
/// summary.json and checkpoints. An existing one is never overwritten: the next free number is taken. Ctrl-C finishes the
/// step, saves, and says how to go on.
///
/// Examples:
///
///     onebit train                                      the default 1-bit network on the images that come along
///     onebit train fashion-float                        its full-precision twin
///     onebit train fashion-binary --data ~/mnist        another data set: IDX, CIFAR, or folders of images
///     onebit train mine.toml --device vulkan --seed 3   your own recipe
///     onebit train --set epochs=5 --set lr=0.01
///     onebit train --resume --out runs/fashion-binary   go on where it was stopped or killed
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A built-in recipe (see `onebit recipes`) or a TOML file.
    pub(super) recipe: Option<String>,
    /// The images: a file or folder; what is in it is recognised.
    #[arg(long, value_name = "PATH")]
    pub(super) data: Option<PathBuf>,
    /// For multilayer bootstrap networks: the run whose features of the images are the points, instead of pixels.
    #[arg(long, value_name = "RUN", conflicts_with = "resume")]
    pub(super) features: Option<PathBuf>,
    /// The run directory [default: runs/RECIPE].
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// auto, cpu, vulkan, metal, dx12, gl, the number of an adapter, or part of its name [default: auto].
    #[arg(long, value_name = "SEL")]
    pub(super) device: Option<String>,
    /// Decides initial weights, order and augmentation.
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    pub(super) seed: Option<u64>,
    /// Passes over the training images.
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    pub(super) epochs: Option<u64>,
    /// Changes one setting of the recipe; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", conflicts_with = "resume")]
    pub(super) settings: Vec<String>,
    /// Goes on from the last checkpoint of --out, or of the newest runs/RECIPE.
    #[arg(long)]
    pub(super) resume: bool,
    /// Takes kernels by the rule, instead of measuring on a GPU which ones are the fastest. Results are the same.
    #[arg(long)]
    no_tune: bool,
    /// Lets kernels compete that add in another order: the last bits of results then depend on what was measured.
    #[arg(long, conflicts_with = "no_tune")]
    allow_reorder: bool,
    /// Prints one JSON object a line for programs.
    #[arg(long)]
    pub(super) json: bool,
}

/// What is trained, before a device is asked.
struct Wanted {
    name: String,
    recipe: Recipe,
    select: String,
    /// The run to go on with, and its record.
    old: Option<(RunDir, RunInfo)>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(wanted) = bootstrap::wanted(args)? {
        return bootstrap::fit(args, wanted);
    }
    if args.features.is_some() {
        bail!("--features is for multilayer bootstrap networks (onebit train mbn): a network learns from images");
    }
    let wanted = if args.resume { old_run(args)? } else { new_run(args)? };
    if let Some((run, _)) = &wanted.old
        && let Some(summary) = run.summary()?
    {
        if !args.json {
            say(format!("{} is finished; there is nothing to resume", run.path().display()))?;
        }
        return finish(args, run, &summary);
    }
    let Wanted { name, recipe, select, old } = wanted;
    let mut data = recipe.data.open()?;
    if data.train.is_empty() {
        bail!("{}: there are no training images", recipe.data.path);
    }
    let mut choice = choose(&select)?;
    let stop = on_ctrl_c()?;
    let mut targets = None;
    if recipe.method == MethodName::Compress {
        let Some((found, with_clusters)) = bootstrap::targets(args.json, &recipe, &data, &choice.device, stop)? else {
            return Ok(ExitCode::from(INTERRUPTED));
        };
        (targets, data) = (Some(found), with_clusters);
    }
    let mut images = ImageInfo::of(&data);
    if let Some((_, info)) = &old {
        (images.mean, images.std) = (info.mean.clone(), info.std.clone());
    }
    let steps = loader(&recipe, &data)?.steps();
    let method = method(recipe.method);
    let teacher = Teacher::of(&recipe)?;
    if old.is_none() {
        normalised_as(&recipe, teacher.as_ref(), &mut images)?;
    }
    let teacher_hash = teacher.as_ref().map(Teacher::hash).or(targets.as_ref().map(Targets::hash));
    if let Some((run, info)) = &old
        && info.teacher != teacher_hash
    {
        bail!(
            "{}: the run began with another teacher than {} is now (its weights differ): put that one back, or start a \
             new run",
            run.path().display(),
            recipe.teacher.map_or("none".into(), |t| t.run)
        );
    }
    let task = Task { recipe: &recipe, images: &images, teacher: teacher.as_ref(), targets: targets.as_ref() };
    let (mut plan, mut eval_batch) = fitting_plan(method, &task, &choice.device)?;
    let mut tuned = None;
    if let (Device::Gpu(gpu), false) = (&choice.device, args.no_tune) {
        let found = before_training(gpu, &plan, args.allow_reorder)?;
        choice.device = Device::Gpu(found.device.clone());
        tuned = Some(found);
        (plan, eval_batch) = fitting_plan(method, &task, &choice.device)?;
    }
    let start = start_from(&recipe, &mut plan)?;
    let run = match &old {
        Some((run, _)) => run.clone(),
        None => {
            let info = RunInfo {
                recipe: name.clone(),
                device: choice.device.name(),
                select: choice.select.clone(),
                version: env!("CARGO_PKG_VERSION").into(),
                mean: images.mean.clone(),
                std: images.std.clone(),
                teacher: teacher_hash,
            };
            let wanted = args.out.clone().unwrap_or_else(|| Path::new("runs").join(&name));
            RunDir::create(&wanted, &recipe, info)?
        }
    };
    announce(args.json, &name, &recipe, &data, steps, &choice, &plan, &run)?;
    if let Some(start) = start.filter(|_| !args.json) {
        say(format!("start   {start}"))?;
    }
    if let Some(tuned) = tuned {
        say_tuned(&tuned, args.allow_reorder, args.json)?;
    }
    if let Some((_, info)) = old.filter(|(_, i)| i.device != choice.device.name() && !args.json) {
        say(format!(
            "note    the run began on {}: on another device the last bits of the weights differ",
            info.device
        ))?;
    }
    let about = format!("{}  {}", choice.device.name(), mib(plan.planned_bytes()));
    let device = choice.device;
    let mut observer = observer(args.json, &recipe, about);
    let job = Job { name, recipe, method, data, device, eval_batch, run: run.clone(), resume: args.resume, stop };
    let outcome = fit(job, plan, &mut *observer);
    drop(observer);
    match outcome? {
        Outcome::Finished(summary) => finish(args, &run, &summary),
        Outcome::Stopped { saved, position } => {
            let again = format!("onebit train --resume --out {}", run.path().display());
            if args.json {
                say(json!({ "event": "stopped", "steps": position.steps, "saved": saved, "resume": again }))?;
            } else {
                say(format!("stopped after {} steps, saved to {}", position.steps, saved.display()))?;
                say(format!("to go on:  {again}"))?;
            }
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

fn new_run(args: &Args) -> anyhow::Result<Wanted> {
    let (name, recipe) = Recipe::find(args.recipe.as_deref().unwrap_or(DEFAULT))?;
    let mut recipe = Recipe { run: None, ..recipe.with(&args.settings)? };
    if let Some(data) = &args.data {
        recipe.data.path = absolute(data);
    }
    // Paths from the root, so that the run can be repeated from anywhere.
    if let Some(teacher) = &mut recipe.teacher {
        teacher.run = absolute(Path::new(&teacher.run));
    }
    if !recipe.start_from.is_empty() {
        recipe.start_from = absolute(Path::new(&recipe.start_from));
    }
    recipe.seed = args.seed.unwrap_or(recipe.seed);
    recipe.epochs = args.epochs.unwrap_or(recipe.epochs);
    recipe.validate()?;
    Ok(Wanted { name, recipe, select: args.device.clone().unwrap_or("auto".into()), old: None })
}

fn old_run(args: &Args) -> anyhow::Result<Wanted> {
    let path = match (&args.out, &args.recipe) {
        (Some(out), _) => out.clone(),
        (None, Some(run)) if Path::new(run).join("config.toml").is_file() => PathBuf::from(run),
        (None, recipe) => {
            let (name, _) = Recipe::find(recipe.as_deref().unwrap_or(DEFAULT))?;
            let wanted = Path::new("runs").join(name);
            match RunDir::newest(&wanted) {
                Some(path) => path,
                None => {
                    bail!("there is nothing to resume: {} does not exist; name the run with --out", wanted.display())
                }
            }
        }
    };
    let (run, mut recipe, info) = RunDir::open(&path)?;
    if let Some(data) = &args.data {
        recipe.data.path = absolute(data);
    }
    let select = args.device.clone().unwrap_or(info.select.clone());
    Ok(Wanted { name: info.recipe.clone(), recipe, select, old: Some((run, info)) })
}

/// The path from the root, so that a run can be repeated from anywhere.
pub(super) fn absolute(path: &Path) -> String {
    if path == Path::new(EMBEDDED) {
        return EMBEDDED.into();
    }
    std::path::absolute(path).unwrap_or(path.into()).display().to_string()
}

/// What is about to happen, before the first step.
fn announce(
    as_json: bool,
    name: &str,
    recipe: &Recipe,
    data: &Split,
    steps: usize,
    choice: &Choice,
    plan: &Plan,
    run: &RunDir,
) -> anyhow::Result<()> {
    let (parameters, binary) = plan.parameters();
    let kernels: usize = plan.step.iter().map(|(_, p)| p.steps.len()).sum();
    let (planned, kept) = (plan.planned_bytes(), plan.kept_bytes());
    let device = choice.device.name();
    if as_json {
        return say(json!({
            "event": "plan", "recipe": name, "data": data.to_string(), "device": device, "why": choice.why,
            "steps_an_epoch": steps, "epochs": recipe.epochs, "kernels_a_step": kernels,
            "planned_bytes": planned, "kept_bytes": kept, "parameters": parameters, "binary_parameters": binary,
            "run": run.path(),
        }));
    }
    say(format!("recipe  {name}: {}", recipe.description))?;
    say(format!("data    {data}"))?;
    say(format!("device  {device}: {}", choice.why))?;
    say(format!("net     {} parameters, {} of them one bit", grouped(parameters as u64), grouped(binary as u64)))?;
    say(format!("memory  {} planned, of it {} kept from forward to backward", mib(planned), mib(kept)))?;
    say(format!(
        "plan    {} epochs of {steps} steps of {} images, {kernels} kernels a step, seed {}",
        recipe.epochs, recipe.batch, recipe.seed
    ))?;
    say(format!("run     {}", run.path().display()))
}

fn finish(args: &Args, run: &RunDir, s: &Summary) -> anyhow::Result<ExitCode> {
    let (_, recipe, info) = RunDir::open(run.path())?;
    let masked = recipe.network().adapt.is_some_and(|a| a.what == Adapted::Masks);
    let path = run.path().join("mask.1bit");
    let mask = if masked { Some(saved(run, &recipe, &info, &path)?) } else { None };
    if args.json {
        let mut line = serde_json::to_value(s)?;
        line["event"] = "summary".into();
        if masked {
            line["mask"] = path.display().to_string().into();
        }
        say(line)?;
        return Ok(ExitCode::SUCCESS);
    }
    let accuracy =
        s.test_accuracy.map_or("no test images".into(), |a| format!("{} {}", judged_by(&recipe), percent(a)));
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
    say(format!("look closer:  onebit eval {}", run.path().display()))?;
    Ok(ExitCode::SUCCESS)
}
