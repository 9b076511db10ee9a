//! `onebit inspect`.

use crate::console::text::{grouped, say, size};
use crate::deploy::{Kind, Meta, Net, file, masked};
use crate::error;
use anyhow::Context;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Says what is in a packed model: layers, bits, bytes, operations of one image, the ratio to f32.
///
///     onebit inspect model.1bit
///     onebit inspect task.1bit --base base.1bit
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The packed model.
    model: PathBuf,
    /// Of a model of masks: the base that they are on.
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// Prints JSON for programs.
    #[arg(long)]
    json: bool,
}

/// A packed model, on its base if it needs one.
pub(super) fn load(model: &Path, base: Option<&Path>) -> error::Result<Net> {
    // A pipe would be waited for.
    for path in [Some(model), base].into_iter().flatten() {
        if std::fs::metadata(path).is_ok_and(|m| !m.is_file()) {
            return Err(error::Error::data(
                path,
                "is not a file: give the packed model (onebit export RUN -o model.1bit)",
            ));
        }
    }
    base.map_or_else(|| file::load(model), |base| masked::load(model, base))
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let net = load(&args.model, args.base.as_deref())?;
    let bytes = std::fs::metadata(&args.model).with_context(|| args.model.display().to_string())?.len() as usize;
    let metas = net.infer()?;
    let ((bits, numbers), (binary, real)) = (net.parameters()?, net.multiply_adds()?);
    // 64 of one bit count as one (Bi-Real Net).
    let operations = real as f64 + binary as f64 / 64.0;
    let ratio = 4.0 * (bits + numbers) as f64 / bytes as f64;
    let layers: Vec<_> = net
        .nodes
        .iter()
        .enumerate()
        .map(|(i, node)| {
            let meta = metas[i + 1];
            (i + 1, node, meta, node.op.bits() + node.op.numbers())
        })
        .collect();
    if args.json {
        let layers: Vec<_> = layers
            .iter()
            .map(|(i, node, meta, weights)| {
                json!({ "value": i, "op": node.op.name(), "of": node.inputs, "shape": meta.shape,
                    "kind": format!("{:?}", meta.kind).to_lowercase(), "weights": weights,
                    "bits_each": if node.op.bits() > 0 { 1 } else { 32 } })
            })
            .collect();
        say(serde_json::to_string_pretty(&json!({
            "input": net.input, "classes": net.classes, "bytes": bytes, "binary_weights": bits, "other_numbers": numbers,
            "binary_multiply_adds": binary, "real_multiply_adds": real, "operations": operations, "ratio_to_f32": ratio,
            "layers": layers,
        }))?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let [h, w, c] = net.input;
    let gives = match net.classes.len() {
        0 => format!("{} features", metas.last().map_or(0, Meta::len)),
        n => format!("{n} classes"),
    };
    say(format!("{}: {}, images {h}x{w}x{c}, {gives}", args.model.display(), size(bytes)))?;
    for (i, node, meta, weights) in layers {
        let [h, w, c] = meta.shape;
        let kind = match meta.kind {
            Kind::Bits => "bits",
            Kind::Int => "i16",
            _ => "f32",
        };
        let of: Vec<String> = node.inputs.iter().map(|v| v.to_string()).collect();
        let weights = if weights > 0 { grouped(weights as u64) } else { String::new() };
        let one = if node.op.bits() > 0 { " bits" } else { "" };
        say(format!(
            "{i:4}  {:13} of {:8} {h:4}x{w:<4}x{c:<5} {kind:4} {weights:>12}{one}",
            node.op.name(),
            of.join(", ")
        ))?;
    }
    say(format!(
        "{} weights of one bit, {} other numbers; as f32 they are {}, {ratio:.1} times as much",
        grouped(bits as u64),
        grouped(numbers as u64),
        size(4 * (bits + numbers))
    ))?;
    say(format!(
        "{:.1} M multiply-adds of bits, {:.1} M of floats an image; {:.1} M operations where 64 of bits count as one",
        binary as f64 / 1e6,
        real as f64 / 1e6,
        operations / 1e6
    ))?;
    Ok(ExitCode::SUCCESS)
}
