//! A run with its network.

use crate::data::{Split, Stats};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::experiments::Which;
use crate::methods::{ImageInfo, Task};
use crate::recipe::{EMBEDDED, Recipe, RunInfo};
use crate::train::checkpoint::Checkpoint;
use crate::train::choose::choose;
use crate::train::programs::Runner;
use crate::train::protocol::feature_programs;
use crate::train::run::RunDir;
use crate::tune::remembered;
use std::path::{Path, PathBuf};

/// A run with a checkpoint, and images to test it on.
pub struct TrainedRun {
    /// The directory.
    pub run: RunDir,
    /// What it was trained by.
    pub recipe: Recipe,
    /// Where it ran.
    pub info: RunInfo,
    /// The checkpoint's file.
    pub path: PathBuf,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The images.
    pub data: Split,
    /// What the network must know of them: normalised as in training.
    pub images: ImageInfo,
}

impl TrainedRun {
    /// `data` in place of the run's own images, if given.
    ///
    /// # Errors
    /// If there is no such run, no test images, or they have not the channels of the run's.
    pub fn open(run: &Path, which: Which, data: Option<&Path>) -> Result<TrainedRun> {
        let (run, mut recipe, info) = RunDir::open(run)?;
        let path = match which {
            Which::Last => run.last(),
            Which::Best => run.best(),
        };
        let checkpoint = Checkpoint::load(&path)?;
        if let Some(data) = data {
            recipe.data.path = data.display().to_string();
        }
        let mut data = recipe.open_images()?;
        if data.test.c != info.mean.len() && recipe.data.path != EMBEDDED {
            // Of other images than the run's: grey becomes colour, or colour grey.
            recipe.data.channels = Some(info.mean.len());
            data = recipe.open_images()?;
        }
        let fail = |m: String| Err(Error::Config(format!("{}: {m}", recipe.data.path)));
        if data.test.is_empty() {
            return fail("there are no test images".into());
        }
        let stats = Stats { mean: info.mean.clone(), std: info.std.clone() };
        let images = ImageInfo::normalised(&data, &stats);
        if images.mean.len() != images.extents[2] {
            return fail(format!(
                "the images have {} channels, the run's had {}; set data.channels in {}/config.toml",
                images.extents[2],
                images.mean.len(),
                run.path().display()
            ));
        }
        Ok(TrainedRun { run, recipe, info, path, checkpoint, data, images })
    }
}

/// The device of that selector, else the one that a run ran on, with the kernels that were found to be the fastest there.
pub fn device_of(select: Option<&str>, info: &RunInfo) -> Result<Device> {
    Ok(match choose(select.unwrap_or(&info.select))?.device {
        Device::Gpu(gpu) => Device::Gpu(remembered(&gpu, false)),
        cpu => cpu,
    })
}

/// What makes features, with a run's weights; and its batch.
pub fn extractor(run: &TrainedRun, device: &Device) -> Result<(Runner, usize)> {
    let task = Task { recipe: &run.recipe, images: &run.images, teacher: None, targets: None };
    let (programs, batch) = feature_programs(&task, device)?;
    let mut runner = Runner::load(programs, device, run.recipe.seed)?;
    runner.restore(&run.checkpoint, &run.path)?;
    Ok((runner, batch))
}
