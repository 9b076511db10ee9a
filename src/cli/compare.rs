//! `onebit compare`.

use crate::console::text::say;
use crate::experiments::compared;
use crate::files::{check_writable, write_atomic};
use crate::report::{Comparison, Format};
use crate::sweep::runs_of;
use anyhow::bail;
use std::path::PathBuf;
use std::process::ExitCode;

/// Puts runs side by side: accuracy over seeds, what tells them apart, time, memory, size and operations of what ships.
///
/// Runs of the same recipe that differ only by their seed are one row. Settings, sets of images and devices get a column where they
/// differ. Accuracies are those of the checkpoint that was chosen on validation images, if there were any, on the test images.
///
/// Examples:
///
///     onebit compare runs/small-*
///     onebit compare sweeps/small-siman                       the runs of a sweep
///     onebit compare runs/small-* --against runs/small-sign   differences by seed, with an interval
///     onebit compare runs/small-* -o table.tex                or .md, .csv, .json, .txt, .html
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Run directories, and folders of them.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// The run that others are compared with, seed by seed.
    #[arg(long, value_name = "RUN")]
    against: Option<PathBuf>,
    /// The form [default: by the ending of -o, else text].
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The file that the table goes to, in place of standard output.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let by_ending = args.out.as_deref().and_then(Format::of);
    let format = match (args.format, by_ending, &args.out) {
        (Some(format), ..) | (None, Some(format), _) => format,
        (None, None, None) => Format::Text,
        (None, None, Some(out)) => {
            bail!(
                "-o {}: its ending says no form (.md, .csv, .tex, .json, .txt, .html); name one with --format",
                out.display()
            )
        }
    };
    args.out.as_deref().map_or(Ok(()), check_writable)?;
    let mut paths = Vec::new();
    for path in &args.runs {
        paths.extend(runs_of(path)?);
    }
    let mut table = Comparison::of(&paths, compared);
    let left_out: Vec<String> =
        table.left_out().iter().map(|(path, why)| format!("left out: {}: {why}", path.display())).collect();
    if table.is_empty() {
        bail!("there is nothing to compare: {}", left_out.join("; ").replace("left out: ", ""));
    }
    let against = args.against.as_deref().map(|run| table.row_of(run)).transpose()?;
    let text = table.write(format, against)?;
    match &args.out {
        Some(out) => {
            write_atomic(out, text.as_bytes())?;
            say(format!("written to {}", out.display()))?;
        }
        None => say(text.trim_end())?,
    }
    // Standard output is the table's, where a program reads it; and JSON has them already.
    let apart = args.out.is_none() && format != Format::Text;
    for line in left_out.iter().filter(|_| !(apart && format == Format::Json)) {
        if apart { eprintln!("{line}") } else { say(line)? }
    }
    Ok(ExitCode::SUCCESS)
}
