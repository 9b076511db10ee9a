//! `onebit verify`.

mod gradients;

use super::look::teacher_for_a_look;
use crate::console::text::{duration, say};
use crate::console::wait::Waiting;
use crate::device::Device;
use crate::error::Result;
use crate::files::{check_writable, numbered_folder, write_atomic};
use crate::gpu::{GpuDevice, GpuOptions, adapters};
use crate::methods::{ImageInfo, Task};
use crate::recipe::settings::given_once;
use crate::recipe::{DEFAULT, Recipe};
use crate::shader::sources::Sources;
use crate::train::choose::choose_with;
use crate::train::limits::fitting_programs;
use crate::train::node_check::{Wrong, check};
use crate::train::saved_node::SavedNode;
use crate::train::steps::Steps;
use crate::verify::{DeviceReport, OpReport, Report, Request, cases};
use crate::web::{OpsExport, StepExport, Summary, find_chromium, run_in_browser};
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Checks this machine's devices: every op, forward and gradients, against a textbook reference in f64.
///
/// Bits and integers must be exact; floats are given as a fraction of a bound derived for each op, 1 being the bound.
/// A case runs with the kernels that the device takes by itself, op by op, and with those for other kinds of devices.
/// The exit code is 0 if all is right, 1 if something is wrong, 2 if the check could not be made.
///
/// Examples:
///
///     onebit verify                                     every op on the device that training would take
///     onebit verify --device all --json report.json     on the CPU and every adapter; for a bug report or a paper
///     onebit verify --filter conv2d --seed 7            ops and cases whose name holds "conv2d", other numbers
///     onebit verify --recipe fashion-binary --steps 2   two training steps of a recipe, node by node
///     onebit verify --recipe mine.toml --gradients      its gradients against finite differences, layer by layer
///     onebit verify --replay verify-fashion-binary      again the node that was wrong there
///     onebit verify --browser                           every op and a training step in Chromium, which compiles shaders
///                                                       with other software
///     onebit verify --shaders DIR                       with the WGSL files in DIR in place of the built-in ones
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// all, auto, cpu, vulkan, metal, dx12, gl, the number of an adapter, or part of its name [default: auto; none with
    /// --browser].
    #[arg(long, value_name = "SEL")]
    device: Option<String>,
    /// Runs in a Chromium without a window, on its own WebGPU. ONEBIT_CHROMIUM names the program.
    #[arg(long, conflicts_with = "replay")]
    browser: bool,
    /// Only ops and cases whose name contains this.
    #[arg(long, value_name = "TEXT", default_value = "", conflicts_with_all = ["recipe", "replay"])]
    filter: String,
    /// Decides the random numbers of the cases, or of the recipe.
    #[arg(long, value_name = "N", conflicts_with = "replay")]
    seed: Option<u64>,
    /// Leaves out large cases, and kernels that the device does not take by itself.
    #[arg(long, conflicts_with_all = ["recipe", "replay"])]
    quick: bool,
    /// Checks real training steps of this recipe, node by node, instead of the table of ops.
    #[arg(long, value_name = "NAME | FILE.toml")]
    recipe: Option<String>,
    /// Checks the recipe's gradients against finite differences in f64 instead: of each node, at the numbers of the first step,
    /// with 4 images. The layer that is wrong is named. What is straight-through by definition is counted, not compared.
    #[arg(long, conflicts_with_all = ["device", "browser", "filter", "quick", "steps", "out", "replay", "shaders"])]
    gradients: bool,
    /// How many training steps of the recipe.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "recipe")]
    steps: u64,
    /// The images for the recipe.
    #[arg(long, value_name = "PATH", requires = "recipe")]
    data: Option<PathBuf>,
    /// Changes one setting of the recipe; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "recipe")]
    settings: Vec<String>,
    /// Where a node of the recipe that is wrong is saved with its inputs [default: verify-RECIPE].
    #[arg(long, value_name = "DIR", requires = "recipe")]
    out: Option<PathBuf>,
    /// Runs a node again that was saved there.
    #[arg(long, value_name = "DIR", conflicts_with = "recipe")]
    replay: Option<PathBuf>,
    /// Takes WGSL files from this folder in place of the built-in ones of the same path, and checks what uses them.
    #[arg(long, value_name = "DIR")]
    shaders: Option<PathBuf>,
    /// Writes the matrix as JSON, with the worst case of every op.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(path) = &args.json {
        check_writable(path)?;
    }
    if args.gradients {
        return gradients::run(args);
    }
    if args.browser {
        find_chromium()?;
        if !args.quick && !adapters().iter().any(|a| a.usable.is_ok() && !a.is_software()) {
            say(
                "note    without a GPU the browser plays one and compiles large kernels for minutes: --quick runs each once",
            )?;
        }
    }
    let sources = match &args.shaders {
        Some(folder) => Sources::with_folder(folder)?,
        None => Sources::default(),
    };
    let mut report = Report { version: env!("CARGO_PKG_VERSION").into(), ..Report::default() };
    match (&args.recipe, &args.replay) {
        (Some(name), _) => check_recipe(args, name, sources, &mut report)?,
        (_, Some(folder)) => replay(args, folder, sources, &mut report)?,
        _ => check_ops(args, sources, &mut report)?,
    }
    say(&report)?;
    if let Some(path) = &args.json {
        write_atomic(path, format!("{}\n", serde_json::to_string_pretty(&report)?).as_bytes())?;
        say(format!("written to {}", path.display()))?;
    }
    Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Devices that are asked for, with their names.
fn devices(args: &Args) -> anyhow::Result<Vec<(String, Device)>> {
    let options = GpuOptions::default();
    let select = match &args.device {
        Some(select) => select.as_str(),
        None if args.browser => return Ok(Vec::new()),
        None => "auto",
    };
    if select != "all" {
        let device = choose_with(select, options)?.device;
        return Ok(vec![(device.describe(), device)]);
    }
    let mut all = vec![(Device::Cpu.describe(), Device::Cpu)];
    for a in adapters() {
        match &a.usable {
            Ok(()) => {
                let device = Device::Gpu(GpuDevice::open(&a, options)?);
                all.push((device.describe(), device));
            }
            Err(why) => say(format!("note    {} is left out: {why}", a.describe()))?,
        }
    }
    Ok(all)
}

/// Opened sets of the same devices at most: each may hold the content of a case.
const MOST_SETS: usize = 8;

/// Devices opened once for each core where a core is what they compile on and run on; just as they are where one is a GPU.
fn for_each_core(devices: Vec<(String, Device)>) -> Result<Vec<Vec<(String, Device)>>> {
    let gpus = || devices.iter().filter_map(|(_, d)| if let Device::Gpu(d) = d { Some(d) } else { None });
    let more = match gpus().count() > 0 && gpus().all(|d| d.target().software) {
        true => rayon::current_num_threads().min(MOST_SETS) - 1,
        false => 0,
    };
    let again = |(name, d): &(String, Device)| -> Result<(String, Device)> {
        let d = match d {
            Device::Cpu => Device::Cpu,
            Device::Gpu(d) => Device::Gpu(d.open_again()?),
        };
        Ok((name.clone(), d))
    };
    let mut sets: Vec<Vec<_>> = (0..more).map(|_| devices.iter().map(again).collect()).collect::<Result<_>>()?;
    sets.push(devices);
    Ok(sets)
}

fn check_ops(args: &Args, sources: Sources, report: &mut Report) -> anyhow::Result<()> {
    report.seed = args.seed.unwrap_or(cases::SEED);
    let foreign: Vec<String> = sources.replaced().map(String::from).collect();
    let request =
        Request { filter: args.filter.clone(), seed: report.seed, quick: args.quick, sources, ..Request::default() };
    let specs = request.cases()?;
    let mut devices = devices(args)?;
    if !foreign.is_empty() {
        devices.retain(|(_, d)| !matches!(d, Device::Cpu));
        if devices.is_empty() && !args.browser {
            bail!("--shaders needs an adapter: the CPU device runs no shaders");
        }
    }
    let waiting = Waiting::new(specs.len() * devices.len(), "cases");
    let sets = for_each_core(devices)?;
    if let Some(devices) = sets.first().filter(|d| !d.is_empty()) {
        let expected = duration(request.expected(specs.len(), devices, sets.len()));
        say(format!("time    about {expected} for {} cases on each of the devices ({})", specs.len(), devices.len()))?;
    }
    report.devices = request.run(&sets, &specs, |spec, device| {
        waiting.tick(&format!("{} on {device}", spec.title()));
        true
    });
    drop(waiting);
    if args.browser {
        let Request { filter, seed, sources, quick, .. } = request;
        let mut made = in_browser("ops", &mut |folder| {
            OpsExport { filter: filter.clone(), seed, sources: sources.clone(), quick }.write(folder, |_, _| {})
        })?;
        if args.filter.is_empty() && foreign.is_empty() {
            let (name, recipe) = Recipe::find(DEFAULT)?;
            let recipe = recipe.with(&[format!("batch={BROWSER_BATCH}")])?;
            made.add(browser_steps(name, recipe, 1, sources, quick)?);
        }
        report.devices.push(made);
    }
    if report.devices.iter().all(|d| d.ops.is_empty()) {
        bail!("no case that was asked for uses {} on this device", foreign.join(", "));
    }
    Ok(())
}

/// The recipe that is asked for, with its name.
fn recipe_of(args: &Args, name: &str) -> anyhow::Result<(String, Recipe)> {
    let flags = [("--data", "data.path", args.data.is_some()), ("--seed", "seed", args.seed.is_some())];
    given_once(&args.settings, &flags)?;
    let (name, recipe) = Recipe::find(name)?;
    let mut recipe = Recipe { run: None, ..recipe.with(&args.settings)? };
    recipe.seed = args.seed.unwrap_or(recipe.seed);
    if let Some(path) = &args.data {
        recipe.data.path = std::path::absolute(path).unwrap_or(path.clone()).display().to_string();
    }
    recipe.validate()?;
    Ok((name, recipe))
}

fn check_recipe(args: &Args, name: &str, sources: Sources, report: &mut Report) -> anyhow::Result<()> {
    let (name, mut recipe) = recipe_of(args, name)?;
    if args.steps == 0 {
        bail!("--steps 0: give at least 1");
    }
    report.seed = recipe.seed;
    let data = recipe.open_images()?;
    let images = ImageInfo::of(&data)?;
    let teacher = teacher_for_a_look(&recipe)?;
    for (device_name, device) in devices(args)? {
        // The test is not checked: one image is enough of it.
        recipe.eval.batch = 1;
        let task = Task { recipe: &recipe, images: &images, teacher: teacher.as_ref(), targets: None };
        let programs = fitting_programs(&task, &device)?.0.with_sources(&sources);
        let nodes: Vec<usize> = programs.step.iter().map(|(_, p)| p.steps.len()).collect();
        let mut steps = Steps::new(recipe.clone(), &data, programs, &device)?;
        let mut made = DeviceReport { device: device_name.clone(), ..Default::default() };
        let waiting = Waiting::new(args.steps as usize * nodes.iter().sum::<usize>(), &device_name);
        let wrong = check(&mut steps, args.steps, &mut made, |step, part, node| {
            waiting.tick(&format!("training step {step}, part {part}, node {node} of {}", nodes[part]));
        })?;
        drop(waiting);
        report.devices.push(made);
        if let Some(wrong) = wrong {
            let wanted = args.out.clone().unwrap_or_else(|| Path::new(&format!("verify-{name}")).to_path_buf());
            let program = steps.runner.parts()[wrong.part].program().clone();
            let saved = SavedNode::new(device_name.clone(), recipe.clone(), images.clone(), &program, &wrong);
            let folder = numbered_folder(&wanted)?;
            saved.save(&folder, &program, &wrong).with_context(|| describe(&saved, &device_name, &wrong))?;
            say(describe(&saved, &device_name, &wrong))?;
            say(format!("saved with its inputs; to run it again:  onebit verify --replay {}\n", folder.display()))?;
        }
    }
    if args.browser {
        report.devices.push(browser_steps(name, recipe, args.steps, sources, false)?);
    }
    Ok(())
}

/// Images of the training step that a browser checks beside the ops: it may have to play the GPU itself.
const BROWSER_BATCH: usize = 4;
/// How long the page may take for one file of checks. Software adapters compile for long.
const PATIENCE: Duration = Duration::from_secs(600);

/// Training steps in the browser.
fn browser_steps(
    name: String,
    recipe: Recipe,
    steps: u64,
    sources: Sources,
    quick: bool,
) -> anyhow::Result<DeviceReport> {
    let own = recipe.batch;
    let export = StepExport { shrink: true, quick, steps, sources, ..StepExport::new(name, recipe) };
    let mut batch = own;
    let made = in_browser("steps", &mut |folder| {
        let (summary, taken) = export.write(folder, |_, _| {})?;
        batch = taken;
        Ok(summary)
    })?;
    if batch != own {
        say(format!("note    in the browser with a batch of {batch} instead of {own}, to keep the page small"))?;
    }
    Ok(made)
}

/// Writes a folder and runs it in the browser.
fn in_browser(what: &str, write: &mut dyn FnMut(&Path) -> Result<Summary>) -> anyhow::Result<DeviceReport> {
    let place = tempfile::tempdir().context("a temporary folder cannot be made")?;
    let folder = place.path().join(what);
    let summary = write(&folder)?;
    let waiting = Waiting::new(summary.checks, "in the browser");
    let made = run_in_browser(&folder, None, PATIENCE, &mut |p| waiting.at(p.done, what))?;
    Ok(made)
}

/// The first node that is wrong.
fn describe(saved: &SavedNode, device: &str, wrong: &Wrong) -> String {
    let w = &wrong.worst().worst;
    let layer = if saved.scope.is_empty() { String::new() } else { format!(" of layer {}", saved.scope) };
    format!(
        "the first wrong node on {device} is {}{layer} (node {} of training step {}): element {} is {}, expected {}",
        saved.step, saved.index, saved.training_step, w.at, w.got, w.expected
    )
}

fn replay(args: &Args, folder: &Path, sources: Sources, report: &mut Report) -> anyhow::Result<()> {
    let saved = SavedNode::load(folder)?;
    report.seed = saved.recipe.seed;
    let sources = match folder.join("shaders") {
        kept if sources == Sources::default() && kept.is_dir() => {
            say(format!("note    with the shader files in {}", kept.display()))?;
            Sources::with_folder(&kept)?
        }
        _ => sources,
    };
    for (name, device) in devices(args)? {
        let findings = saved.run(folder, &device, sources.clone())?;
        let mut row = OpReport { cases: 1, ..OpReport::default() };
        findings.iter().for_each(|f| row.push(&format!("saved in {}", folder.display()), "its own", f));
        let ops = [(saved.step.clone(), row)].into();
        report.devices.push(DeviceReport { device: name, ops });
    }
    Ok(())
}
