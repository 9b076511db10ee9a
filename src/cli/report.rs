//! `onebit report`.

use crate::console::text::{percent, say};
use crate::experiments::compared;
use crate::files::{create_dir, unasked, write_atomic};
use crate::report::{Comparison, Drawn, Format, Piece, curves_svg, groups, page, title, weights_svg};
use crate::sweep::runs_of;
use crate::train::checkpoint::Checkpoint;
use crate::train::layer_stats::LayerStats;
use crate::train::run::{Metric, RunDir};
use anyhow::bail;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Draws runs: curves over their training, and of a single run the latent weights of its binary layers against the Laplacian that
/// fits them.
///
/// Runs that differ only by their seed are one line, with a band from the least to the greatest. Writes curves.svg, weights.svg and
/// report.html, which holds everything, into the folder (the run's own; of several runs: report). Of a single run it prints the
/// statistics of the binary layers after the last epoch.
///
/// Examples:
///
///     onebit report runs/small-siman
///     onebit report runs/small-siman* runs/small-sign* --out figures
///     onebit report sweeps/fashion-binary
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Run directories, and folders of them.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// The folder [default: the run directory, of several runs: report].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut paths = Vec::new();
    for path in &args.runs {
        paths.extend(runs_of(path)?);
    }
    let (mut runs, mut left_out) = (Vec::<Drawn>::new(), Vec::new());
    for path in &paths {
        match Drawn::open(path) {
            Ok(run) => match runs.iter().find(|r| r.seed == run.seed && r.is_of_one_group_with(&run)) {
                Some(there) => left_out.push(format!(
                    "{}: it has the settings, images and seed ({}) of {}, and a seed counts once",
                    run.path.display(),
                    run.seed,
                    there.path.display()
                )),
                None => runs.push(run),
            },
            Err(e) => left_out.push(e.to_string()),
        }
    }
    if runs.is_empty() {
        bail!("there is nothing to draw: {}", left_out.join("; "));
    }
    let groups = groups(&runs);
    let title = title(&groups);
    let curves = curves_svg(&groups)?;
    let table = Comparison::of(&runs.iter().map(|r| r.path.clone()).collect::<Vec<_>>(), compared);
    let mut pieces = Vec::new();
    if !table.is_empty() {
        pieces.push(Piece::Html(table.write(Format::Html, None)?));
    }
    pieces.extend([Piece::Heading("Curves".into()), Piece::Svg(curves.clone())]);
    let single = if let [one] = &runs[..] { Some(one) } else { None };
    let out = match (&args.out, single) {
        (Some(out), _) => out.clone(),
        (None, Some(one)) => one.path.clone(),
        (None, None) => PathBuf::from("report"),
    };
    let in_place = |written| unasked(written, args.out.is_some(), "--out DIR");
    in_place(create_dir(&out))?;
    let write = |name: &str, text: &str| -> anyhow::Result<()> {
        let path = out.join(name);
        in_place(write_atomic(&path, text.as_bytes()))?;
        Ok(say(format!("written to {}", path.display()))?)
    };
    say(&title)?;
    if let Some(one) = single {
        match layers(one)? {
            None => say("no epoch with binary layers is done: there are no weights to draw")?,
            Some((layers, weights)) => {
                let picture = weights_svg(&title, &weights)?;
                table_of(layers)?;
                write("weights.svg", &picture)?;
                let names: Vec<String> =
                    layers.iter().enumerate().map(|(i, l)| format!("{} is {}", i + 1, l.name)).collect();
                pieces.extend([
                    Piece::Heading("Latent weights of the binary layers".into()),
                    Piece::Svg(picture),
                    Piece::Text(format!("Binary layers: {}.", names.join(", "))),
                ]);
            }
        }
        pieces.extend(evaluated(&one.path)?);
    }
    write("curves.svg", &curves)?;
    write("report.html", &page(&title, &pieces))?;
    for why in left_out {
        say(format!("left out: {why}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The statistics of the binary layers after the last epoch, and their weights by what pictures call them.
type Layers<'a> = (&'a [LayerStats], Vec<(String, Vec<f32>)>);

fn layers(run: &Drawn) -> anyhow::Result<Option<Layers<'_>>> {
    let last = run.metrics.iter().rev().find_map(|m| match m {
        Metric::Layers { layers, .. } => Some(layers.as_slice()),
        _ => None,
    });
    let Some(layers) = last else { return Ok(None) };
    let checkpoint = Checkpoint::load(&RunDir::at(&run.path).last())?;
    let weights = layers.iter().enumerate().filter_map(|(i, l)| {
        let t = checkpoint.tensors.get(&format!("{}.weight", l.name))?;
        Some((format!("binary layer {}", i + 1), t.f32s().to_vec()))
    });
    let weights = weights.collect();
    Ok(Some((layers, weights)))
}

/// The pictures that `eval` and `embed` left in a run.
fn evaluated(run: &Path) -> anyhow::Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let confusion = run.join("confusion.svg");
    if confusion.is_file() {
        pieces.extend([Piece::Heading("Confusion matrix".into()), Piece::Svg(crate::files::read_text(&confusion)?)]);
    }
    let map = run.join("embed/map.png");
    if map.is_file() {
        let bytes = std::fs::read(&map).map_err(crate::error::Error::io(&map, "read"))?;
        pieces.extend([Piece::Heading("Map of the features".into()), Piece::Png(bytes)]);
    }
    Ok(pieces)
}

fn table_of(layers: &[LayerStats]) -> anyhow::Result<()> {
    let width = layers.iter().map(|l| l.name.len()).max().unwrap_or(0).max(5);
    say(format!(
        "{:>3}  {:width$}  {:>9}  {:>7}  {:>7}  {:>7}  {:>8}  {:>5}  {:>8}  {:>10}  {:>8}",
        "no",
        "layer",
        "weights",
        "ones",
        "entropy",
        "flipped",
        "kurtosis",
        "k*/n",
        "cos best",
        "cos median",
        "cos sign"
    ))?;
    for (i, l) in layers.iter().enumerate() {
        say(format!(
            "{:>3}  {:width$}  {:>9}  {:>7}  {:>7.4}  {:>7}  {:>8.2}  {:>5.3}  {:>8.4}  {:>10.4}  {:>8.4}",
            i + 1,
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
