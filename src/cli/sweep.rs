//! `onebit sweep`.

use crate::console::runs::Runs;
use crate::console::stop::{INTERRUPTED, on_ctrl_c};
use crate::console::text::{go_on_unheard, grouped, percent, say};
use crate::device::Device;
use crate::experiments::EXPERIMENTS;
use crate::experiments::compared;
use crate::files::create_dir;
use crate::hash::fnv1a;
use crate::recipe::settings::given_once;
use crate::recipe::{DEFAULT, Recipe, Text, absolute};
use crate::report::Comparison;
use crate::sweep::{Event, Folder, Grid, Job, Setting, State, Workers, run as run_all, seeds};
use crate::train::choose::choose;
use crate::train::lock::RunLock;
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Trains recipes with every combination of some settings and seeds, and puts the runs side by side.
///
/// The folder (sweeps/RECIPE, or --out) holds a run directory for each, and sweep.json. The same command again goes on where
/// the sweep was stopped or killed, and makes again what had failed; one that asks for more makes what is missing. Runs go side
/// by side as far as processors and memory allow, each on its share of the processors (so that their times are not those of runs
/// that were alone). A run that fails ends no other: it is named at the end, and the exit code is 1.
///
/// Examples:
///
///     onebit sweep small-siman --seeds 0..3
///     onebit sweep fashion-binary --set lr=1e-3,3e-3 --seeds 0..3 --epochs 10
///     onebit sweep small-sign small-xnor --set net.widths=[16,32,64,64],[32,64,128,128] --dry-run
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Built-in recipes (see `onebit recipes`) or TOML files.
    recipes: Vec<String>,
    /// A setting and the values that it takes; may be repeated.
    #[arg(long = "set", value_name = "KEY=V,V,...")]
    settings: Vec<String>,
    /// Seeds of each: 0..3 for 0, 1 and 2; 0..=3 for 0 to 3; 0,4,7.
    #[arg(long, value_name = "SEEDS")]
    seeds: Option<String>,
    /// The images: a file or folder; what is in it is recognised.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Passes over the training images.
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// auto, cpu, vulkan, metal, dx12, gl, the number of an adapter, or part of its name.
    #[arg(long, value_name = "SEL", default_value = "auto")]
    device: String,
    /// The folder [default: sweeps/RECIPE].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Runs side by side at most [default: one a processor on the CPU, one on a GPU].
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Lists the runs, and makes none.
    #[arg(long)]
    dry_run: bool,
    /// Prints one JSON object a line for programs.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.jobs == Some(0) {
        bail!("--jobs 0: give at least 1");
    }
    let (grid, out) = asked(args)?;
    let folder = Folder::open(&out)?;
    if args.dry_run {
        return list(args.json, &folder, &folder.named(grid.jobs()?));
    }
    go_on_unheard();
    create_dir(&out)?;
    let _lock = RunLock::of(&out, "the runs of this sweep are being made")?;
    // Only now does nobody change it any more.
    let mut folder = Folder::open(&out)?;
    let jobs = folder.named(grid.jobs()?);
    folder.keep(&jobs)?;
    let left: Vec<&Job> = jobs.iter().filter(|j| folder.state(j) != State::Finished).collect();
    let mut ended = Ended::default();
    if !left.is_empty() {
        let stop = on_ctrl_c()?;
        let workers = workers(args, left.len())?;
        let names: Vec<&str> = left.iter().map(|j| j.name.as_str()).collect();
        let mut runs = Runs::new(&names, jobs.len() - left.len());
        run_all(&folder, &jobs, &workers, &stop, &mut |job, event| tell(args.json, job, event, &mut runs, &mut ended))?;
    }
    finish(args, &folder, &jobs, &ended)
}

/// What is asked for, checked as far as it can be before any run begins, and the folder.
fn asked(args: &Args) -> anyhow::Result<(Grid, PathBuf)> {
    let settings = args.settings.iter().map(|s| Setting::parse(s)).collect::<Result<Vec<_>, _>>()?;
    if let Some((_, twice)) = settings.iter().enumerate().find(|(i, s)| settings[..*i].iter().any(|t| t.key == s.key)) {
        bail!("--set {} is there twice: write its values behind each other, with commas", twice.key);
    }
    let options = [
        ("--epochs", "epochs", args.epochs.is_some()),
        ("--data", "data.path", args.data.is_some()),
        ("--seeds", "seed", args.seeds.is_some()),
    ];
    given_once(&args.settings, &options)?;
    let names = if args.recipes.is_empty() { vec![DEFAULT.to_string()] } else { args.recipes.clone() };
    let mut recipes: Vec<(String, String, String)> = Vec::new();
    for name in &names {
        let text = Text::find(name)?;
        check(&text, &settings)?;
        let file = Path::new(name).exists() && text.origin != Path::new(name.as_str()) || text.origin.is_file();
        let trained = if file { absolute(&text.origin) } else { name.clone() };
        let called = text.run_name();
        if recipes.iter().any(|(r, ..)| *r == trained) {
            bail!("the recipe {name} is there twice");
        }
        recipes.push((trained, called, format!("{:016x}", fnv1a(text.text.bytes()))));
    }
    let out = args.out.clone().unwrap_or_else(|| {
        Path::new("sweeps").join(if let [(_, called, _)] = &recipes[..] { called.as_str() } else { "several" })
    });
    let grid = Grid {
        recipes,
        settings,
        seeds: args.seeds.as_deref().map_or(Ok(Vec::new()), seeds)?,
        data: args.data.as_deref().map(absolute),
        epochs: args.epochs,
        device: args.device.clone(),
    };
    Ok((grid, out))
}

/// Reads a recipe with each value of each setting.
fn check(text: &Text, settings: &[Setting]) -> anyhow::Result<()> {
    let experiment = EXPERIMENTS.of_text(&text.text);
    experiment.describe(text)?;
    let Ok(recipe) = Recipe::parse(&text.text, &text.origin) else { return Ok(()) };
    // One value of each at a time, others at their first: some go together only.
    let longest = settings.iter().map(|s| s.values.len()).max().unwrap_or(0);
    for i in 0..longest {
        let chosen: Vec<String> =
            settings.iter().map(|s| format!("{}={}", s.key, s.values[i.min(s.values.len() - 1)])).collect();
        recipe.with(&chosen).with_context(|| text.name.clone())?;
    }
    Ok(())
}

fn list(as_json: bool, folder: &Folder, jobs: &[Job]) -> anyhow::Result<ExitCode> {
    let state = |job: &Job| match folder.state(job) {
        State::New => "new",
        State::Begun => "begun",
        State::Finished => "finished",
    };
    if as_json {
        for job in jobs {
            say(
                json!({ "event": "run", "name": job.name, "state": state(job), "run": folder.run(job), "of": job.of }),
            )?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let width = jobs.iter().map(|j| j.name.chars().count()).max().unwrap_or(0);
    for job in jobs {
        say(format!("{:8}  {:width$}  {}", state(job), job.name, job.of.settings.join("  ")).trim_end())?;
    }
    let finished = jobs.iter().filter(|j| folder.state(j) == State::Finished).count();
    say(format!("{} runs in {}, {finished} of them finished", jobs.len(), folder.path().display()))?;
    Ok(ExitCode::SUCCESS)
}

/// On what, and how many at once.
fn workers(args: &Args, left: usize) -> anyhow::Result<Workers> {
    let choice = choose(&args.device)?;
    let on_cpu = matches!(choice.device, Device::Cpu);
    let processors = std::thread::available_parallelism().map_or(1, |n| n.get());
    let most = args.jobs.unwrap_or(if on_cpu { processors } else { 1 }).min(left);
    let threads = (on_cpu && most > 1).then(|| (processors / most).max(1));
    if !args.json {
        say(format!("device  {}: {}", choice.device.name(), choice.why))?;
        let share = threads.map_or(String::new(), |n| format!(", each on {n} of {processors} processors"));
        say(format!("plan    {left} runs, up to {most} side by side{share}"))?;
    }
    let program = std::env::current_exe().context("this program does not know where it lies")?;
    Ok(Workers { program, select: choice.select, most, threads })
}

/// How runs ended that did not finish.
#[derive(Default)]
struct Ended {
    failed: Vec<(String, String)>,
    stopped: usize,
}

fn tell(as_json: bool, job: &Job, event: &Event, runs: &mut Runs, ended: &mut Ended) -> crate::error::Result<()> {
    let name = job.name.as_str();
    if as_json {
        let (state, of) = match event {
            Event::Started => ("started", Value::Null),
            Event::Says(line) => ("says", line.clone()),
            Event::Finished => ("finished", Value::Null),
            Event::Stopped => ("stopped", Value::Null),
            Event::Failed(why) => ("failed", why.as_str().into()),
        };
        say(json!({ "event": "run", "name": name, "state": state, "of": of }))?;
    }
    let how = match event {
        Event::Started => {
            runs.begins(name);
            return Ok(());
        }
        Event::Says(line) => {
            let number = |key: &str| line[key].as_f64();
            match line["event"].as_str() {
                Some("train") => {
                    if let (Some(steps), Some(total), Some(loss)) = (number("steps"), number("total"), number("loss")) {
                        runs.at(name, steps as u64, total as u64, loss);
                    }
                }
                Some(part @ ("val" | "test")) => {
                    let of = number("images").map_or(String::new(), |n| format!(" of {} images", grouped(n as u64)));
                    let called = line["of"].as_str().map_or_else(|| format!("{part} accuracy"), String::from);
                    let accuracy = number("accuracy").map(|a| format!("{called} {}{of}", percent(a)));
                    accuracy.into_iter().for_each(|a| runs.tested(name, a));
                }
                _ => {}
            }
            return Ok(());
        }
        Event::Finished => runs.accuracy(name).unwrap_or("finished").to_string(),
        Event::Stopped => {
            ended.stopped += 1;
            "stopped and saved".to_string()
        }
        Event::Failed(why) => {
            ended.failed.push((name.to_string(), why.clone()));
            "failed".to_string()
        }
    };
    let line = runs.ended(name, &how);
    if as_json { Ok(()) } else { runs.say(&line) }
}

/// The table of what is finished, and what is not.
fn finish(args: &Args, folder: &Folder, jobs: &[Job], ended: &Ended) -> anyhow::Result<ExitCode> {
    let finished: Vec<PathBuf> =
        jobs.iter().filter(|j| folder.state(j) == State::Finished).map(|j| folder.run(j)).collect();
    let table = Comparison::of(&finished, compared);
    if args.json {
        say(json!({ "event": "sweep", "finished": finished.len(), "stopped": ended.stopped,
            "failed": ended.failed, "table": table.json(None) }))?;
    } else {
        if !table.is_empty() {
            say(table.text(None)?.trim_end())?;
        }
        for (path, why) in table.left_out() {
            say(format!("left out: {}: {why}", path.display()))?;
        }
        for (name, why) in &ended.failed {
            say(format!("failed: {name}: {why}"))?;
        }
        if !table.is_empty() {
            say(format!("again:  onebit compare {}", folder.path().display()))?;
        }
    }
    let all = finished.len() == jobs.len();
    Ok(match (ended.failed.is_empty(), all) {
        (false, _) => {
            if !args.json {
                say(format!(
                    "{} of {} runs failed; the same command again makes them anew",
                    ended.failed.len(),
                    jobs.len()
                ))?;
            }
            ExitCode::from(1)
        }
        (true, true) => ExitCode::SUCCESS,
        (true, false) => {
            if !args.json {
                say(format!("{} of {} runs are finished; the same command again goes on", finished.len(), jobs.len()))?;
            }
            ExitCode::from(INTERRUPTED)
        }
    })
}
