//! `onebit bench`.

use super::tune::ahead;
use crate::bench::{Bench, Ceilings, Measured, Report, Roof, benches, expected, measure, roofline_svg};
use crate::cache::Identity;
use crate::console::text::{duration, say};
use crate::device::Device;
use crate::files::{check_writable, write_atomic};
use crate::train::choose::choose;
use crate::tune::remembered;
use anyhow::bail;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measures what the device can do at best, and what share of that the program's kernels reach.
///
/// Ceilings are rates of kernels that do nothing else: multiply-adds, xor and popcount, copying. A kernel's share is its
/// rate over the ceiling of its kind: f32 for products and gradients, on the CPU sums for gradients of binary layers, which
/// look up sums of four floats, bits for binary convolutions, copy for what only memory bounds. Ceilings are kept, so that
/// `onebit profile` need not measure them again.
///
/// Examples:
///
///     onebit bench
///     onebit bench --device vulkan --filter xnor --svg roofline.svg
///     onebit bench --json before.json
///     onebit bench --baseline before.json       new rates over old ones
///     onebit bench --tune                       choose kernels by measuring them, and remember the choices
///     onebit bench --tune fashion-binary        those of a recipe, before it is trained
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// auto, cpu, vulkan, metal, dx12, gl, the number of an adapter, or part of its name.
    #[arg(long, value_name = "SEL", default_value = "auto")]
    device: String,
    /// Only kernels whose name holds this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// How long each kernel and each ceiling is measured.
    #[arg(long, value_name = "S", default_value_t = 0.5, value_parser = seconds)]
    seconds: f64,
    /// Measures each for a twentieth of a second: rates are then less certain.
    #[arg(long, conflicts_with = "seconds")]
    quick: bool,
    /// Writes all figures, for programs and for --baseline.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draws the kernels under the device's roofs.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// An earlier --json: prints the ratio of each rate, new over old.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Measures all variants of the kernels of these recipes, or of the bench's own shapes, and remembers the best ones
    /// of this device instead of printing rates. Training does that on its own for kernels that it does not know.
    #[arg(long, value_name = "RECIPE", num_args = 0.., conflicts_with_all = ["json", "svg", "baseline", "no_tune"])]
    tune: Option<Vec<String>>,
    /// The images of the recipes of --tune.
    #[arg(long, value_name = "PATH", requires = "tune")]
    data: Option<PathBuf>,
    /// Takes kernels by the rule, whatever is remembered.
    #[arg(long)]
    no_tune: bool,
    /// Lets kernels compete that add in another order: the last bits of results then depend on what was measured.
    #[arg(long, conflicts_with = "no_tune")]
    allow_reorder: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(s) if s.is_finite() && s > 0.0 => Ok(s),
        _ => Err(format!("`{text}` is no number of seconds over 0")),
    }
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    // All that can be wrong with the arguments, before minutes of measuring.
    let baseline = args.baseline.as_deref().map(Report::read).transpose()?;
    let benches = chosen(args.filter.as_deref())?;
    for path in [&args.json, &args.svg].into_iter().flatten() {
        check_writable(path)?;
    }
    let mut device = choose(&args.device)?.device;
    if let Some(recipes) = &args.tune {
        let Device::Gpu(gpu) = &device else {
            bail!(
                "--tune chooses among the kernels of a GPU; on the CPU each op has one (name an adapter with --device)"
            );
        };
        say(Identity::of(&device))?;
        ahead(gpu, recipes, args.data.as_deref(), &benches, args.allow_reorder)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let (Device::Gpu(gpu), false) = (&device, args.no_tune) {
        device = Device::Gpu(remembered(gpu, args.allow_reorder));
    }
    let seconds = if args.quick { 0.05 } else { args.seconds };
    let identity = Identity::of(&device);
    say(&identity)?;
    if let Some(b) = baseline.as_ref().filter(|b| b.device != identity) {
        say(format!("note    the baseline is of another device or version: {}", b.device))?;
    }
    say(format!("time    about {} for the ceilings", duration(CEILINGS * seconds)))?;
    let ceilings = Ceilings::measure(&device, seconds)?;
    ceilings.keep(&device);
    say_ceilings(&ceilings, baseline.as_ref())?;

    let expected = expected(&device, &benches, &ceilings, seconds)?;
    say(format!("\ntime    about {} for {} kernels", duration(expected), benches.len()))?;
    let width = benches.iter().map(|b| b.name.len()).max().unwrap_or(0);
    let ratio = if baseline.is_some() { "  new/old" } else { "" };
    say(format!("{:width$} {:>10} {:>14} {:>7}  share{ratio}", "kernel", "ms", "rate", "op/B"))?;
    let mut kernels = Vec::new();
    for bench in &benches {
        let m = measure(&device, bench, &ceilings, seconds)?;
        say_kernel(&m, width, baseline.as_ref())?;
        kernels.push(m);
    }
    let report = Report { device: identity, ceilings, kernels };
    if let Some(path) = &args.json {
        write_atomic(path, report.json()?.as_bytes())?;
    }
    if let Some(path) = &args.svg {
        write_atomic(path, roofline_svg(&report)?.as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Ceilings, each measured for as long as a kernel is.
const CEILINGS: f64 = 4.0;

fn chosen(filter: Option<&str>) -> anyhow::Result<Vec<Bench>> {
    let all = benches()?;
    let Some(filter) = filter else { return Ok(all) };
    let found: Vec<Bench> = all.iter().filter(|b| b.name.contains(filter)).cloned().collect();
    if found.is_empty() {
        let ops: BTreeSet<&str> = all.iter().filter_map(|b| b.name.split(' ').next()).collect();
        let ops = Vec::from_iter(ops).join(", ");
        bail!("--filter {filter}: no kernel has that in its name; there are shapes of {ops}");
    }
    Ok(found)
}

fn say_ceilings(c: &Ceilings, baseline: Option<&Report>) -> anyhow::Result<()> {
    say("\nceiling")?;
    let old = baseline.map(|b| b.ceilings.list());
    for (i, (name, value, unit, spread)) in c.list().into_iter().enumerate() {
        let Some(value) = value else {
            say(format!("{name:24} {:>10}", "absent"))?;
            continue;
        };
        let old = old.as_ref().and_then(|l| l[i].1);
        let ratio = old.map_or(String::new(), |old| format!("  new/old {:.3}", value / old));
        let spread = spread.map_or(String::new(), |s| format!("  (tries differ by {:.0} %)", 100.0 * s));
        say(format!("{name:24} {value:10.2} {unit}{ratio}{spread}"))?;
    }
    Ok(())
}

fn say_kernel(m: &Measured, width: usize, baseline: Option<&Report>) -> anyhow::Result<()> {
    let intensity = m.intensity().map_or("-".to_string(), |i| format!("{i:.1}"));
    let unit = if m.roof == Roof::Copy { "GB/s " } else { m.roof.unit() };
    let ratio = baseline.map_or(String::new(), |b| match b.rate(&m.name) {
        Some(old) => format!("  {:7.3}", m.rate / old),
        None => "  is new".to_string(),
    });
    Ok(say(format!(
        "{:width$} {:10.3} {:8.2} {unit} {intensity:>7}  {:5.2} of {:4}{ratio}",
        m.name,
        m.ms,
        m.rate,
        m.share,
        m.roof.name()
    ))?)
}
