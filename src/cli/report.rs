//! `onebit report`.

use crate::console::text::{percent, say};
use crate::report::{curves_svg, weights_svg};
use crate::train::checkpoint::Checkpoint;
use crate::train::layer_stats::LayerStats;
use crate::train::run::{Metric, MetricsFile, RunDir};
use std::path::PathBuf;
use std::process::ExitCode;

/// Draws a run: curves over its epochs, and the latent weights of its binary layers against the Laplacian that fits them.
///
/// Writes curves.svg and weights.svg into the run directory, and prints the statistics of the layers after the last epoch.
///
/// Example:
///
///     onebit report runs/small-siman
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The run directory.
    run: PathBuf,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (run, recipe, info) = RunDir::open(&args.run)?;
    let metrics = MetricsFile::read(&run)?;
    let checkpoint = Checkpoint::load(&run.last())?;
    let title = format!("{}, seed {}, after {} epochs", info.recipe, recipe.seed, checkpoint.position.epoch);
    let curves = run.write_text("curves.svg", &curves_svg(&title, &metrics)?)?;
    let last = metrics.iter().rev().find_map(|m| match m {
        Metric::Layers { layers, .. } => Some(layers.as_slice()),
        _ => None,
    });
    say(&title)?;
    match last {
        None => say("no epoch with binary layers is done: there are no weights to draw")?,
        Some(layers) => {
            let weights = layers.iter().filter_map(|l| {
                let t = checkpoint.tensors.get(&format!("{}.weight", l.name))?;
                Some((l.name.clone(), t.f32s().to_vec()))
            });
            let weights: Vec<_> = weights.collect();
            let picture = run.write_text("weights.svg", &weights_svg(&title, &weights)?)?;
            table(layers)?;
            say(format!("weights: {}", picture.display()))?;
        }
    }
    say(format!("curves: {}", curves.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn table(layers: &[LayerStats]) -> anyhow::Result<()> {
    let width = layers.iter().map(|l| l.name.len()).max().unwrap_or(0).max(5);
    say(format!(
        "{:width$}  {:>9}  {:>7}  {:>7}  {:>7}  {:>8}  {:>5}  {:>8}  {:>10}  {:>8}",
        "layer", "weights", "ones", "entropy", "flipped", "kurtosis", "k*/n", "cos best", "cos median", "cos sign"
    ))?;
    for l in layers {
        say(format!(
            "{:width$}  {:>9}  {:>7}  {:>7.4}  {:>7}  {:>8.2}  {:>5.3}  {:>8.4}  {:>10.4}  {:>8.4}",
            l.name,
            l.weights,
            percent(l.ones),
            l.entropy,
            l.flip_rate.map_or("-".into(), percent),
            l.kurtosis,
            l.best_share,
            l.cos_best,
            l.cos_median,
            l.cos_sign
        ))?;
    }
    Ok(())
}
