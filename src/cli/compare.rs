//! `onebit compare`.

use crate::console::text::say;
use crate::files::{check_writable, write_atomic};
use crate::report::Comparison;
use crate::train::run::{Metric, MetricsFile, RunDir, Summary};
use anyhow::bail;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// Puts runs side by side: accuracy over seeds, steps, time, memory, model size, operations.
///
/// Runs of the same recipe that differ only by their seed are one row. The table is printed and written as Markdown and
/// CSV.
///
/// Examples:
///
///     onebit compare runs/small-*
///     onebit compare runs/small-siman runs/small-siman-2 runs/small-sign --out table
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Run directories.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Where the table goes: OUT.md and OUT.csv.
    #[arg(long, value_name = "OUT", default_value = "compare")]
    out: PathBuf,
}

/// What else is known of a run: what protocols found, in percent, and the mutual information of a target after the last
/// epoch.
fn more(run: &RunDir, summary: &Summary) -> anyhow::Result<BTreeMap<String, f64>> {
    let evaluated =
        run.protocol_results()?.into_iter().map(|j| (format!("{} %", j.column(&summary.data)), 100.0 * j.accuracy));
    let mut more: BTreeMap<String, f64> = evaluated.collect();
    let means = MetricsFile::read(run)?.into_iter().rev().find_map(|m| match m {
        Metric::Means { values, .. } => Some(values),
        _ => None,
    });
    let information = means.and_then(|m| m.get("target_information").copied());
    more.extend(information.map(|v| ("target MI".to_string(), v)));
    Ok(more)
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let file = |extension: &str| PathBuf::from(format!("{}.{extension}", args.out.display()));
    let (markdown, csv) = (file("md"), file("csv"));
    check_writable(&markdown)?;
    check_writable(&csv)?;
    let mut table = Comparison::default();
    let mut unfinished = Vec::new();
    for path in &args.runs {
        let (run, recipe, _) = RunDir::open(path)?;
        match run.summary()? {
            Some(summary) => table.add(&recipe, &summary, &more(&run, &summary)?)?,
            None => unfinished.push(path),
        }
    }
    if table.rows.is_empty() {
        bail!(
            "none of these runs is finished; go on with one:  onebit train --resume --out {}",
            args.runs[0].display()
        );
    }
    say(table.text().trim_end())?;
    for path in unfinished {
        say(format!("left out: {} is not finished", path.display()))?;
    }
    write_atomic(&markdown, table.markdown().as_bytes())?;
    write_atomic(&csv, table.csv()?.as_bytes())?;
    say(format!("written to {} and {}", markdown.display(), csv.display()))?;
    Ok(ExitCode::SUCCESS)
}
