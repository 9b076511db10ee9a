//! `onebit plan`.

use super::look::teacher_for_a_look;
use crate::console::text::{say, say_json};
use crate::exchange::One;
use crate::methods::{ImageInfo, Task};
use crate::recipe::settings::given_once;
use crate::recipe::{DEFAULT, Recipe};
use crate::train::choose::choose;
use crate::train::limits::fitting_programs_for;
use crate::train::plan::{Costs, Link};
use crate::train::programs::Programs;
use crate::train::steps::Steps;
use anyhow::{Result, bail};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Predicts how fast a recipe would train in several ranks (mpirun), from what a rank takes on this device.
///
/// A step is measured here; what the exchange takes follows from the bandwidth and the latency of the network between the
/// machines. Nothing is trained that is kept.
///
/// Examples:
///
///     onebit plan cifar10-resnet18-siman --ranks 8 --bandwidth 1Gbit --latency 50us
///     onebit plan fashion-binary --ranks 64 --bandwidth 100Gbit --latency 2us --device vulkan
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// A built-in recipe (see `onebit recipes`) or a TOML file.
    #[arg(default_value = DEFAULT)]
    recipe: String,
    /// The most ranks; fewer are shown too.
    #[arg(long, value_name = "N", default_value_t = 8)]
    ranks: usize,
    /// What a machine can send a second: 1Gbit, 10Gbit, 500MB.
    #[arg(long, value_name = "RATE", default_value = "1Gbit", value_parser = bandwidth)]
    bandwidth: f64,
    /// How long a message is on its way: 50us, 1ms.
    #[arg(long, value_name = "TIME", default_value = "50us", value_parser = latency)]
    latency: f64,
    /// auto, cpu, vulkan, metal, dx12, gl, the number of an adapter, or part of its name.
    #[arg(long, value_name = "SEL", default_value = "auto")]
    device: String,
    /// The images.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Changes one setting of the recipe; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Steps that are measured.
    #[arg(long, value_name = "N", default_value_t = 5)]
    steps: u64,
    /// Prints JSON for programs.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    if args.ranks < 2 {
        bail!("--ranks {}: give at least 2", args.ranks);
    }
    given_once(&args.settings, &[("--data", "data.path", args.data.is_some())])?;
    let (name, recipe) = Recipe::find(&args.recipe)?;
    let mut recipe = Recipe { run: None, ..recipe.with(&args.settings)? };
    if let Some(path) = &args.data {
        recipe.data.path = path.display().to_string();
    }
    // Any number of ranks has the same programs.
    recipe.accumulate = 2;
    recipe.validate()?;
    let data = recipe.open_images()?;
    let images = ImageInfo::of(&data)?;
    let device = choose(&args.device)?.device;
    let teacher = teacher_for_a_look(&recipe)?;
    let task = Task { recipe: &recipe, images: &images, teacher: teacher.as_ref(), targets: None };
    // Whether one program fits says so of a rank too, but for what it exchanges.
    fitting_programs_for(&task, &device, &One)?;
    let graphs = recipe.method().build(&task, recipe.batch, recipe.eval.batch)?;
    let programs = Programs::compile_for(graphs, &device, 2)?;
    let batch = recipe.batch;
    let mut steps = Steps::new(recipe, &data, programs, &device)?;
    let costs = Costs::measure(&mut steps, &device, args.steps)?;
    let link = Link { bandwidth: args.bandwidth, latency: args.latency };
    let mut counts: Vec<usize> = (0..).map(|k| 1 << k).take_while(|n| *n < args.ranks).collect();
    counts.push(args.ranks);
    // One program has the updates of one batch and exchanges nothing.
    let alone = batch as f64 / (costs.compute + costs.finish);
    let rows = counts.iter().map(|&ranks| {
        let p = costs.with(ranks, link);
        let rate = (ranks * batch) as f64 / p.step();
        (ranks, p, rate, rate / alone)
    });
    if args.json {
        let rows = rows.map(|(ranks, p, rate, times)| {
            json!({ "ranks": ranks, "compute": p.compute, "exchange": p.exchange, "updates": p.updates, "images_per_second": rate,
                    "times_one": times })
        });
        say_json(&json!({
            "recipe": name, "device": device.name(), "batch": batch, "gradients": costs.gradients, "rest_words": costs.rest,
            "bandwidth": link.bandwidth, "latency": link.latency, "ranks": rows.collect::<Vec<_>>(),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format!(
        "{name}, batch {batch} a rank, on {}: {} gradients of 32 bits and {} words beside them a rank and step",
        device.name(),
        costs.gradients,
        costs.rest
    ))?;
    say("ranks  compute ms  exchange ms  updates ms   step ms   images/s  times one")?;
    for (ranks, p, rate, times) in rows {
        let [compute, exchange, updates, step] = [p.compute, p.exchange, p.updates, p.step()].map(|s| 1e3 * s);
        say(format!(
            "{ranks:>5} {compute:>11.2} {exchange:>12.2} {updates:>11.2} {step:>9.2} {rate:>10.1} {times:>10.2}"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Bytes a second.
fn bandwidth(text: &str) -> Result<f64, String> {
    const UNITS: [(&str, f64); 6] =
        [("Gbit", 1e9 / 8.0), ("Mbit", 1e6 / 8.0), ("kbit", 1e3 / 8.0), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    number(text, &UNITS, "give a number with Gbit, Mbit, kbit, GB, MB or kB a second: 1Gbit")
}

/// Seconds.
fn latency(text: &str) -> Result<f64, String> {
    number(text, &[("us", 1e-6), ("ms", 1e-3), ("s", 1.0)], "give a number with us, ms or s: 50us")
}

fn number(text: &str, units: &[(&str, f64)], help: &str) -> Result<f64, String> {
    let found = units.iter().find_map(|(unit, factor)| Some((text.trim().strip_suffix(unit)?, factor)));
    let value = found.and_then(|(number, factor)| Some(number.trim().parse::<f64>().ok()? * factor));
    value.filter(|v| v.is_finite() && *v > 0.0).ok_or_else(|| help.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_times_have_units() {
        assert_eq!((bandwidth("1Gbit"), bandwidth("500 MB")), (Ok(1.25e8), Ok(5e8)));
        assert!((latency("50us").unwrap() - 5e-5).abs() < 1e-12 && latency("2s") == Ok(2.0));
        for wrong in ["1", "Gbit", "-1Gbit", "0MB", "nanMB"] {
            assert!(bandwidth(wrong).is_err(), "{wrong}");
        }
    }
}
