//! `onebit mask`.

use crate::console::text::{grouped, percent, say};
use crate::experiments::gradients::{images_of, save_mask};
use crate::masks::{MaskFile, MaskTensor, apply};
use crate::recipe::{Recipe, RunInfo};
use crate::train::checkpoint::{Checkpoint, Position};
use crate::train::choose::choose;
use crate::train::origin::{Origin, is_file};
use crate::train::run::RunDir;
use anyhow::{Context, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Masks of one bit a weight: what a run of method smn has learned, as a file, and a base network with one put on.
///
/// Examples:
///
///     onebit mask save runs/small-smn                       the run's mask, in mask.1bit
///     onebit mask info runs/small-smn/mask.1bit
///     onebit mask apply runs/small-swav runs/small-smn/mask.1bit --out runs/adapted
///     onebit eval runs/adapted --data ~/fashion-mnist
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Writes the mask of a run: bits, running statistics, and the hash of the base that they are for.
    Save {
        /// The run directory.
        run: PathBuf,
        /// The file [default: mask.1bit in the run directory].
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Puts a mask on the network that it was learned on; the result is a run directory.
    Apply {
        /// The base: a run directory, or a file of weights (safetensors, or a PyTorch state dict).
        base: PathBuf,
        /// The mask file.
        mask: PathBuf,
        /// The new run directory [default: the base's name with -masked].
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Where the weights are computed; on the device of the training run they are the same to the bit.
        #[arg(long, value_name = "SEL", default_value = "cpu")]
        device: String,
    },
    /// Says what is in a mask file: bits, size beside the weights, entropy, what a compressor makes of it, each layer.
    Info {
        /// The mask file.
        mask: PathBuf,
        /// Prints JSON for programs.
        #[arg(long)]
        json: bool,
    },
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Save { run, out } => {
            let (dir, recipe, info) = RunDir::open(run)?;
            let path = out.clone().unwrap_or_else(|| dir.path().join("mask.1bit"));
            say(save_mask(&dir, &recipe, &info, &path)?)?;
        }
        What::Apply { base, mask, out, device } => put_on(base, mask, out.as_deref(), device)?,
        What::Info { mask, json } => info(mask, *json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn put_on(base: &Path, mask_path: &Path, out: Option<&Path>, device: &str) -> anyhow::Result<()> {
    let origin = Origin::open(base)?;
    let mask = MaskFile::load(mask_path)?;
    let device = choose(device)?.device;
    let tensors = apply(
        &origin.net,
        &images_of(&origin.net, &origin.tensors, origin.mean.len()),
        &origin.tensors,
        &mask,
        &device,
    )
    .with_context(|| format!("{} on {}", mask_path.display(), base.display()))?;
    let default = || {
        let name = base.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        base.with_file_name(format!("{name}-masked"))
    };
    let wanted = out.map_or_else(default, Path::to_path_buf);
    let (recipe, info, position) = record(base, &origin)?;
    let run = RunDir::create(&wanted, &recipe, info)?;
    Checkpoint { position, tensors }.save(&run.last())?;
    say(format!("{}: {} with the mask {}", run.path().display(), base.display(), mask_path.display()))?;
    Ok(say(format!("test it:  onebit eval {} --data PATH", run.path().display()))?)
}

/// What a masked network is recorded as: its base's recipe, evaluated by features; of weights made elsewhere, a recipe for
/// their kind of network.
fn record(base: &Path, origin: &Origin) -> anyhow::Result<(Recipe, RunInfo, Position)> {
    if base.is_dir() && !is_file(base) {
        let (dir, recipe, info) = RunDir::open(base)?;
        // With a mask it is another network: no validation has chosen it.
        let position = Position { best_val: None, ..dir.checkpoint(&dir.chosen(&info)?, &recipe, &info)?.position };
        let info = RunInfo { recipe: format!("{}-masked", info.recipe), ..info };
        return Ok((Recipe { run: None, ..recipe }, info, position));
    }
    let (_, recipe) = Recipe::find("imagenet-resnet50-swav")?;
    let recipe = Recipe { net: origin.net.clone(), description: format!("{} with a mask", base.display()), ..recipe };
    let info = RunInfo {
        recipe: format!("{}-masked", base.file_stem().unwrap_or_default().to_string_lossy()),
        device: "elsewhere".into(),
        select: "auto".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        mean: origin.mean.clone(),
        std: origin.std.clone(),
        ..RunInfo::default()
    };
    let recipe_hash = format!("{:016x}", recipe.hash()?);
    let position = Position { recipe: recipe_hash, ..Position::default() };
    Ok((recipe, info, position))
}

fn info(path: &Path, as_json: bool) -> anyhow::Result<()> {
    let mask = MaskFile::load(path)?;
    let bytes = std::fs::metadata(path)?.len() as usize;
    let bits = mask.bits();
    if bits == 0 {
        bail!("{}: there are no masks in it", path.display());
    }
    let statistics: usize = mask.statistics.iter().map(|s| s.values.len()).sum();
    let bound: f64 = mask.tensors.iter().map(entropy_bits).sum();
    let packed: Vec<u8> = mask.tensors.iter().flat_map(|t| &t.bits).flat_map(|w| w.to_le_bytes()).collect();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&packed)?;
    let gzipped = gzip.finish()?.len();
    let active: usize = mask.tensors.iter().map(MaskTensor::active).sum();
    let share = |t: &MaskTensor| t.active() as f64 / t.weights() as f64;
    if as_json {
        let layers = mask.tensors.iter().map(|t| json!({"name": t.name, "weights": t.weights(), "active": share(t)}));
        return Ok(say(serde_json::to_string_pretty(&json!({
            "bits": bits, "base": mask.base, "file_bytes": bytes, "statistics": statistics,
            "active": active as f64 / bits as f64, "f32_bytes": 4 * bits,
            "entropy_bits_a_weight": bound / bits as f64, "gzip_bytes": gzipped, "mask_bytes": packed.len(),
            "layers": layers.collect::<Vec<_>>(),
        }))?)?);
    }
    let width = mask.tensors.iter().map(|t| t.name.len()).max().unwrap_or(0).max(5);
    say(format!("{:width$}  {:>12}  active", "layer", "weights"))?;
    for t in &mask.tensors {
        say(format!("{:width$}  {:>12}  {}", t.name, grouped(t.weights() as u64), percent(share(t))))?;
    }
    say(format!("\nbase        {}", mask.base))?;
    say(format!(
        "bits        {}, one a weight: 1/32 of the weights in f32; {} active",
        grouped(bits as u64),
        percent(active as f64 / bits as f64)
    ))?;
    say(format!(
        "file        {} bytes: masks {}, statistics {} ({} numbers), the rest is the table",
        grouped(bytes as u64),
        grouped(packed.len() as u64),
        grouped(4 * statistics as u64),
        grouped(statistics as u64)
    ))?;
    say(format!(
        "entropy     {:.4} bits a weight if weights of a layer are independent: {} bytes",
        bound / bits as f64,
        grouped((bound / 8.0).ceil() as u64)
    ))?;
    Ok(say(format!(
        "gzip        {} bytes, {:.1} times smaller than the weights in f32",
        grouped(gzipped as u64),
        4.0 * bits as f64 / gzipped as f64
    ))?)
}

/// `N H(ā)` of a mask, in bits.
fn entropy_bits(t: &MaskTensor) -> f64 {
    let p = t.active() as f64 / t.weights() as f64;
    let part = |p: f64| if p > 0.0 { -p * p.log2() } else { 0.0 };
    t.weights() as f64 * (part(p) + part(1.0 - p))
}
