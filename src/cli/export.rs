//! `onebit export`.

use super::eval::{Tested, Which};
use super::text::{grouped, mib, percent, say};
use crate::device::Device;
use crate::methods::method;
use crate::train::checkpoint::save;
use crate::train::evaluate::judge;
use crate::train::inference::{About, inference_tensors, load, with_mean_matrices};
use crate::train::method::Task;
use anyhow::Context;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

/// Writes what inference needs of a trained network, and nothing else, and tests what it wrote.
///
/// That is one bit for each binary weight, and scales, normalisations, nonlinearities and the first and last layer as they
/// are: a safetensors file, bits in 32-bit words. Latent weights, teachers, discriminators and optimisers stay behind.
///
/// Examples:
///
///     onebit export runs/small-rbcn
///     onebit export runs/small-rbcn --mean-matrices --out network.safetensors
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The run directory.
    run: PathBuf,
    /// Which checkpoint.
    #[arg(long, value_enum, default_value_t = Which::Last)]
    checkpoint: Which,
    /// RBCN's scale matrices C each as their mean C*, with which a layer is one popcount and one factor.
    #[arg(long)]
    mean_matrices: bool,
    /// The file [default: network.safetensors in the run directory].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Other images than the run's to test on.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let t = Tested::open(&args.run, args.checkpoint, args.data.as_deref())?;
    let task = Task { recipe: &t.recipe, images: &t.images, teacher: None, targets: None };
    let own = inference_tensors(&task, &t.checkpoint.tensors)?;
    let has_matrices = own.keys().any(|name| name.ends_with(".matrix"));
    if args.mean_matrices && !has_matrices {
        anyhow::bail!(
            "--mean-matrices: the network of {} has no scale matrices (its scale is {:?}); leave the flag out",
            args.run.display(),
            t.recipe.net.binarization.scale
        );
    }
    let mean = with_mean_matrices(&own);
    let shipped = if args.mean_matrices { &mean } else { &own };
    let out = args.out.clone().unwrap_or_else(|| t.run.path().join("network.safetensors"));
    save(&out, shipped, &About { net: &t.recipe.net, images: &t.images, classes: &t.data.test.classes })?;
    let bytes = std::fs::metadata(&out).with_context(|| out.display().to_string())?.len();
    say(format!("{}: {} tensors, {}", out.display(), grouped(shipped.len() as u64), mib(bytes as usize)))?;
    let accuracy = |tensors| -> anyhow::Result<f64> {
        let mut scheduler = load(&task, t.recipe.eval.batch, tensors, &Device::Cpu)?;
        let never = AtomicBool::new(false);
        let (how, batch) = (method(t.recipe.method), t.recipe.eval.batch);
        let result = judge(how, &t.recipe, &mut scheduler, &t.data, batch, &never)?;
        Ok(result.context("nobody stops this test")?.accuracy)
    };
    say(format!("top-1 {} of {} test images", percent(accuracy(shipped.clone())?), grouped(t.data.test.len() as u64)))?;
    if has_matrices {
        let (which, other) =
            if args.mean_matrices { ("with the matrices themselves", own) } else { ("with their means", mean) };
        say(format!("top-1 {} {which}", percent(accuracy(other)?)))?;
    }
    Ok(ExitCode::SUCCESS)
}
