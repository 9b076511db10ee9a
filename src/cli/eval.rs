//! `onebit eval`.

use crate::experiments::{EXPERIMENTS, EvalOptions};
use std::process::ExitCode;

/// Tests the network of a run: accuracy (top-1 and top-5), a table by class, and the confusion matrix as a picture.
///
/// Writes eval.json and confusion.svg into the run directory. A multilayer bootstrap network, and a network that compresses
/// one, are tested by their clusters: accuracy under the best map of clusters to classes, normalised mutual information
/// (arithmetic), and seconds for 10,000 predictions.
///
/// Examples:
///
///     onebit eval runs/fashion-binary
///     onebit eval runs/fashion-binary --checkpoint best --device cpu
///     onebit eval runs/small-swav --protocol linear --labels 1% 10% 100%
///     onebit eval runs/fashion-binary --data ~/fashion-mnist --json
///     onebit eval resnet20.th --data ~/cifar-10
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    options: EvalOptions,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    Ok(super::code(EXPERIMENTS.of_run(&args.options.run)?.eval(&args.options)?))
}
