//! `onebit pack`.

use crate::console::stop::{INTERRUPTED, on_ctrl_c};
use crate::console::text::{grouped, percent, say, say_json, size};
use crate::console::wait::Waiting;
use crate::data::{PackOptions, pack};
use crate::error::Error;
use crate::recipe::DataSpec;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

/// Packs a set of images into one file, which trains without a folder of a million files: larger images are made smaller
/// (their shorter side 256 pixels), and every image is decoded once, so that all that is packed can be read.
///
/// Examples:
///
///     onebit pack ~/imagenet imagenet.1img
///     onebit train imagenet-resnet18-bireal --data imagenet.1img
///     onebit pack ~/photos photos.1img --size 160 --set data.on_error=skip
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// What is packed: a folder, an archive, or whatever else --data takes.
    source: PathBuf,
    /// The file to write; its name ends in .1img.
    to: PathBuf,
    /// Length of the shorter side of images that are larger.
    #[arg(long, value_name = "PIXELS", default_value_t = 256)]
    size: usize,
    /// JPEG quality of images that are made smaller.
    #[arg(long, value_name = "1-100", default_value_t = 90)]
    quality: u8,
    /// Leaves all image files as they are, whatever their size.
    #[arg(long, conflicts_with_all = ["size", "quality"])]
    as_is: bool,
    /// How the source is read: a key of a recipe's [data] table, as data.on_error=skip.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Prints a JSON object instead.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.to.extension().is_none_or(|e| e != "1img") {
        anyhow::bail!("{}: a packed set is known by its ending: give it .1img", args.to.display());
    }
    let data = DataSpec { path: args.source.display().to_string(), ..DataSpec::default() }.with(&args.settings)?;
    // The other settings are of what is done with a set once it is opened.
    let read = DataSpec {
        path: data.path.clone(),
        background: data.background,
        truncated: data.truncated,
        coarse_labels: data.coarse_labels,
        on_error: data.on_error,
        most_skipped: data.most_skipped,
        ..DataSpec::default()
    };
    if data != read {
        anyhow::bail!(
            "{}: a set is packed whole, by data.background, truncated, coarse_labels, on_error and most_skipped alone; \
             give the rest when it is used",
            args.settings.join(" ")
        );
    }
    let options =
        PackOptions { size: (!args.as_is).then_some(args.size), quality: args.quality, open: data.open_options() };
    let (mut waiting, stop) = (None, on_ctrl_c()?);
    let packed = pack(&args.source, &args.to, &options, &mut |done, all| {
        waiting.get_or_insert_with(|| Waiting::new(all, "images packed")).at(done, "");
        match stop.load(Ordering::Relaxed) && done < all {
            true => Err(Error::Config("it was stopped".into())),
            false => Ok(()),
        }
    });
    drop(waiting);
    if packed.is_err() && stop.load(Ordering::Relaxed) {
        eprintln!("stopped: {} was not written", args.to.display());
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let summary = packed?;
    if args.json {
        say_json(&json!({
            "file": args.to, "images": summary.images, "scaled": summary.scaled, "bytes": summary.bytes,
            "skipped": summary.skipped, "left_out": summary.left_out,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let n = summary.images;
    say(format!("{}: {} images, {}", args.to.display(), grouped(n as u64), size(summary.bytes as usize)))?;
    if summary.scaled > 0 {
        let (of, side) = (percent(summary.scaled as f64 / n.max(1) as f64), args.size);
        say(format!(
            "{of} of them are made smaller, to {side} pixels on the shorter side, as JPEG of quality {}",
            args.quality
        ))?;
    }
    if !summary.left_out.is_empty() {
        say(&summary.left_out)?;
    }
    for (path, why) in &summary.skipped {
        say(format!("skipped {path}: {why}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
