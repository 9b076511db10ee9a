//! `onebit inspect`.

use crate::console::text::{grouped, say, say_json, size};
use crate::deploy::{Kind, Layer, Summary, open};
use anyhow::Context;
use std::path::PathBuf;
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

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let net = open(&args.model, args.base.as_deref())?;
    let bytes = std::fs::metadata(&args.model).with_context(|| args.model.display().to_string())?.len() as usize;
    let summary = Summary::of(&net, bytes)?;
    if args.json {
        say_json(&summary)?;
        return Ok(ExitCode::SUCCESS);
    }
    let [h, w, c] = summary.input;
    let gives = match summary.classes.len() {
        0 => format!("{} features", summary.outputs()),
        n => format!("{n} classes"),
    };
    say(format!("{}: {}, images {h}x{w}x{c}, {gives}", args.model.display(), size(bytes)))?;
    for Layer { value, op, of, shape: [h, w, c], kind, weights, bits_each } in &summary.layers {
        let kind = match kind {
            Kind::Bits => "bits",
            Kind::Int => "i16",
            _ => "f32",
        };
        let of: Vec<String> = of.iter().map(|v| v.to_string()).collect();
        let weights = if *weights > 0 { grouped(*weights as u64) } else { String::new() };
        let one = if *bits_each == 1 { " bits" } else { "" };
        say(format!("{value:4}  {op:13} of {:8} {h:4}x{w:<4}x{c:<5} {kind:4} {weights:>12}{one}", of.join(", ")))?;
    }
    say(format!(
        "{} weights of one bit, {} other numbers; as f32 they are {}, {:.1} times as much",
        grouped(summary.binary_weights as u64),
        grouped(summary.other_numbers as u64),
        size(4 * (summary.binary_weights + summary.other_numbers)),
        summary.ratio_to_f32
    ))?;
    say(format!(
        "{:.1} M multiply-adds of bits, {:.1} M of floats an image; {:.1} M operations where 64 of bits count as one",
        summary.binary_multiply_adds as f64 / 1e6,
        summary.real_multiply_adds as f64 / 1e6,
        summary.operations / 1e6
    ))?;
    Ok(ExitCode::SUCCESS)
}
