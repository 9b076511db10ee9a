//! `onebit train`.

use super::ranks;
use crate::console::stop::{at_end_of_input, leave_to_another};
use crate::experiments::{self, TrainOptions};
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
///     mpirun -n 4 onebit train cifar10-resnet18-siman   one network on four devices, of one machine or several
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    options: TrainOptions,
    /// Stops and saves when standard input ends: for a program that makes several runs.
    #[arg(long, hide = true)]
    supervised: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.supervised {
        at_end_of_input();
    }
    let Some(exchange) = ranks::join()? else { return Ok(super::code(experiments::train(&args.options)?)) };
    if !exchange.leads() {
        leave_to_another();
    }
    let options = TrainOptions { exchange: Some(exchange.clone()), ..args.options.clone() };
    match experiments::train(&options) {
        Ok(ending) => {
            exchange.close()?;
            Ok(super::code(ending))
        }
        Err(e) => ranks::fail(&*exchange, &e.into()),
    }
}
