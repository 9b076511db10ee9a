//! `onebit export`.

use crate::experiments::{EXPERIMENTS, ExportOptions};
use std::process::ExitCode;

/// Writes what inference needs of a trained network, and nothing else, and tests what it wrote.
///
/// That is one bit for each binary weight, and scales, normalisations, nonlinearities and the first and last layer as they
/// are. Latent weights, teachers, discriminators and optimisers stay behind. By the ending of the file:
///
///     .1bit          the packed model, which `onebit predict` and the library's runtime run
///     .onnx          a graph of floats for onnxruntime and others (opset 17)
///     .safetensors   the tensors, bits in 32-bit words, names as PyTorch has them
///
/// Examples:
///
///     onebit export runs/fashion-binary -o model.1bit
///     onebit export runs/fashion-binary -o model.onnx
///     onebit export runs/fashion-binary --to web -o page      a folder: open index.html in a browser with WebGPU
///     onebit export runs/small-rbcn --mean-matrices --out network.safetensors
///     onebit export runs/small-smn -o task.1bit --base base.1bit
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(flatten)]
    options: ExportOptions,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    EXPERIMENTS.of_run(&args.options.run)?.export(&args.options)?;
    Ok(ExitCode::SUCCESS)
}
