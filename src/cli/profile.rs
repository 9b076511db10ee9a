//! `onebit profile`.

use super::look::teacher_for_a_look;
use crate::bench::Ceilings;
use crate::console::text::say;
use crate::files::{check_writable, write_atomic};
use crate::methods::{ImageInfo, Task};
use crate::profile::{Runs, measure, trace};
use crate::recipe::settings::given_once;
use crate::recipe::{DEFAULT, Recipe};
use crate::train::choose::choose;
use crate::train::limits::fitting_programs;
use crate::train::steps::Steps;
use anyhow::bail;
use std::path::PathBuf;
use std::process::ExitCode;

/// Shows where the time of a recipe's training step goes, by the device's own timers.
///
/// Every dispatch is timed and belongs to a node; nodes are summed by pass, op and layer, with the rate that they reach
/// and how near that is to what the device can do (`onebit bench`). Nothing is trained that is kept.
///
/// Examples:
///
///     onebit profile                                      the default recipe on the device that training would take
///     onebit profile cifar10-resnet18-binary --data ~/cifar-10-batches-bin --device vulkan
///     onebit profile fashion-binary --trace step.json     for https://ui.perfetto.dev or chrome://tracing
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A built-in recipe (see `onebit recipes`) or a TOML file.
    #[arg(default_value = DEFAULT)]
    recipe: String,
    /// auto, cpu, vulkan, metal, dx12, gl, the number of an adapter, or part of its name.
    #[arg(long, value_name = "SEL", default_value = "auto")]
    device: String,
    /// The images.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Changes one setting of the recipe; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Steps that are measured, plain and with timers.
    #[arg(long, value_name = "N", default_value_t = 10)]
    steps: u64,
    /// Times nodes by the host's clock, one after the other, even where the device has timers.
    #[arg(long)]
    waits: bool,
    /// Writes one step in the Trace Event Format.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Writes the whole profile as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Seconds for each ceiling of a device that `onebit bench` has not measured yet.
const CEILING_SECONDS: f64 = 0.2;

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    for path in [&args.trace, &args.json].into_iter().flatten() {
        check_writable(path)?;
    }
    if args.steps == 0 {
        bail!("--steps 0: give at least 1");
    }
    given_once(&args.settings, &[("--data", "data.path", args.data.is_some())])?;
    let (name, recipe) = Recipe::find(&args.recipe)?;
    let mut recipe = Recipe { run: None, ..recipe.with(&args.settings)? };
    if let Some(path) = &args.data {
        recipe.data.path = path.display().to_string();
    }
    recipe.validate()?;
    let data = recipe.open_images()?;
    let images = ImageInfo::of(&data)?;
    let device = choose(&args.device)?.device;
    let teacher = teacher_for_a_look(&recipe)?;
    let task = Task { recipe: &recipe, images: &images, teacher: teacher.as_ref(), targets: None };
    let (programs, _) = fitting_programs(&task, &device)?;
    let mut steps = Steps::new(recipe, &data, programs, &device)?;
    let runs = Runs { steps: args.steps, waits: args.waits, ..Runs::default() };
    let mut profile = measure(&mut steps, &name, &device, runs)?;
    let ceilings = match Ceilings::cached(&device) {
        Some(known) => known,
        None => {
            let measured = Ceilings::measure(&device, CEILING_SECONDS)?;
            measured.keep(&device);
            measured
        }
    };
    profile.against(&ceilings);
    say(&profile)?;
    if let Some(path) = &args.trace {
        write_atomic(path, serde_json::to_string(&trace(&profile))?.as_bytes())?;
        say(format!("\ntrace written to {}: open it in https://ui.perfetto.dev or chrome://tracing", path.display()))?;
    }
    if let Some(path) = &args.json {
        write_atomic(path, format!("{}\n", serde_json::to_string_pretty(&profile)?).as_bytes())?;
        say(format!("profile written to {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
