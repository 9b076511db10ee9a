//! `onebit embed`.

use crate::experiments::{EXPERIMENTS, FeatureOptions};
use std::process::ExitCode;

/// Writes the features that a run's network makes of images, and draws a map of them.
///
/// In the run directory's folder embed (or --out): features.npy (f32, images by features), labels.npy (u32, if there are
/// labels) and map.png, two maps coloured by label: principal components, and t-SNE. Of a multilayer bootstrap network the
/// features are the components of its last code, and clusters.npy has the clusters.
///
/// Examples:
///
///     onebit embed runs/small-swav
///     onebit embed runs/small-swav --data ~/fashion-mnist --part train --out features
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    options: FeatureOptions,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    EXPERIMENTS.of_run(&args.options.run)?.features(&args.options)?;
    Ok(ExitCode::SUCCESS)
}
