//! `onebit embed`.

use super::bootstrap::Fitted;
use super::eval::{Tested, Which};
use super::judge::{device, extractor};
use super::text::{grouped, say};
use crate::data::{Dataset, Split};
use crate::features::{Map, npy};
use crate::files::{create_dir, write_atomic};
use crate::train::protocol::features;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Writes the features that a run's network makes of images, and draws a map of them.
///
/// In the run directory's folder embed (or --out): features.npy (f32, images by features), labels.npy (u32, if there are
/// labels) and map.png, two maps coloured by label: principal components, and t-SNE. Of a multilayer bootstrap network the
/// features are the components of its last code, and clusters.npy has the clusters.
///
/// Examples:
///
///     onebit embed runs/small-swav
///     onebit embed runs/small-swav --data ~/fashion-mnist --part train --out features
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The run directory.
    run: PathBuf,
    /// Other images than the run's.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Which part of them.
    #[arg(long, value_enum, default_value_t = Part::Test)]
    part: Part,
    /// The folder [default: embed in the run directory].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// auto, cpu, vulkan, metal, dx12, gl, the number of an adapter, or part of its name [default: the run's].
    #[arg(long, value_name = "SEL")]
    device: Option<String>,
    /// Which checkpoint.
    #[arg(long, value_enum, default_value_t = Which::Last)]
    checkpoint: Which,
}

/// A part of a set.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Part {
    /// The test images.
    Test,
    /// The training images.
    Train,
}

impl Part {
    /// Its images.
    fn of(self, data: &Split) -> anyhow::Result<&Arc<Dataset>> {
        let set = match self {
            Part::Test => &data.test,
            Part::Train => &data.train,
        };
        if set.is_empty() {
            bail!("{}: this part has no images", set.name);
        }
        Ok(set)
    }
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let out = |run: &Path| args.out.clone().unwrap_or_else(|| run.join("embed"));
    if let Some(fitted) = Fitted::open(&args.run, args.data.as_deref())? {
        let set = args.part.of(&fitted.data)?;
        return super::bootstrap::embed(&fitted, set, args.device.as_deref(), &out(&args.run));
    }
    let t = Tested::open(&args.run, args.checkpoint, args.data.as_deref())?;
    let set = args.part.of(&t.data)?;
    let (mut scheduler, batch) = extractor(&t, &device(args.device.as_deref(), &t.info)?)?;
    let never = AtomicBool::new(false);
    let rows = features(&mut scheduler, set, batch, &never)?.context("nobody stops this")?;
    let out = out(t.run.path());
    create_dir(&out)?;
    npy::write_f32(&out.join("features.npy"), &rows)?;
    if let Some(labels) = &set.labels {
        npy::write_u32(&out.join("labels.npy"), labels)?;
    }
    let labels = set.labels.as_deref().map(|l| (l, &set.classes[..]));
    let title = format!("{}: {}", t.run.path().display(), set.name);
    write_atomic(&out.join("map.png"), &Map::make(&rows, 0)?.png(&title, labels)?)?;
    say(format!(
        "{}: features of {} images, {} numbers each, in features.npy; the map is map.png",
        out.display(),
        grouped(rows.n() as u64),
        rows.d()
    ))?;
    Ok(ExitCode::SUCCESS)
}
