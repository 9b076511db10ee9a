//! The points of images, and what a fitted model makes of them.

use crate::data::Dataset;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::features::Rows;
use crate::mbn::{MbnRecipe, Model, Watch};
use crate::methods::{ImageInfo, Task};
use crate::train::programs::Runner;
use crate::train::protocol::{feature_programs, features};
use crate::train::run::RunDir;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// What a model sees of images: pixels in 0..1, or what a run's network makes of them. `None` if it was stopped.
///
/// # Errors
/// If the run is not there, or its images are of another kind.
pub fn points(recipe: &MbnRecipe, set: &Arc<Dataset>, device: &Device, stop: &AtomicBool) -> Result<Option<Rows>> {
    if recipe.features.is_empty() {
        return pixels(set).map(Some);
    }
    let (run, network, info) = RunDir::open(Path::new(&recipe.features))?;
    if set.c != info.mean.len() {
        return Err(Error::Config(format!(
            "features = {:?}: its network sees images of {} channels, these have {}; set data.channels",
            recipe.features,
            info.mean.len(),
            set.c
        )));
    }
    let images = ImageInfo {
        extents: [set.h, set.w, set.c],
        classes: set.classes.len(),
        mean: info.mean.clone(),
        std: info.std.clone(),
        crops: false,
    };
    let task = Task { recipe: &network, images: &images, teacher: None, targets: None };
    let (programs, batch) = feature_programs(&task, device)?;
    let mut runner = Runner::load(programs, device, network.seed)?;
    let path = run.chosen(&info)?;
    runner.restore(&run.checkpoint(&path, &network, &info)?, &path)?;
    features(&mut runner, set, batch, stop)
}

/// Pixels in 0..1.
///
/// # Errors
/// If an image cannot be read.
pub fn pixels(set: &Dataset) -> Result<Rows> {
    let pixels = set.pixels()?.iter().map(|b| *b as f32 / 255.0).collect();
    Rows::new(pixels, set.image_bytes())
}

/// Clusters and coordinates of points.
pub struct Found {
    /// `[n]`.
    pub clusters: Vec<u32>,
    /// `[n, q]`.
    pub coordinates: Rows,
    /// How long that took; nothing where the answer was known.
    pub pace: Option<Pace>,
}

/// How long predictions take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// Seconds for 10,000 images, on the clock.
    pub seconds: f64,
    /// Seconds of them in which the device worked.
    pub device_seconds: f64,
}

impl Pace {
    /// Of `n` images.
    pub fn of(n: usize, seconds: f64, device_seconds: f64) -> Pace {
        let per = 10_000.0 / n.max(1) as f64;
        Pace { seconds: per * seconds, device_seconds: per * device_seconds }
    }
}

/// What a fitted model makes of images; what is known of the points that it was fitted to is not computed again. `None` if
/// it was stopped.
pub fn assigned(
    recipe: &MbnRecipe,
    model: &Model,
    set: &Arc<Dataset>,
    device: &Device,
    watch: &mut Watch<'_>,
) -> Result<Option<Found>> {
    let start = Instant::now();
    let Some(points) = points(recipe, set, device, watch.stop)? else { return Ok(None) };
    let made = start.elapsed().as_secs_f64();
    let found = predicted(model, &points, device, watch)?;
    Ok(found.map(|f| {
        let with_points = |p: Pace| Pace { seconds: p.seconds + Pace::of(points.n(), made, 0.0).seconds, ..p };
        Found { pace: f.pace.map(with_points), ..f }
    }))
}

/// As [`assigned`], of points.
pub fn predicted(model: &Model, points: &Rows, device: &Device, watch: &mut Watch<'_>) -> Result<Option<Found>> {
    let output = model.output.as_ref().ok_or_else(|| {
        Error::Config("the model is not fitted to its end: onebit train --resume --out RUN goes on".into())
    })?;
    if *points == model.points {
        let (clusters, coordinates) = (output.clusters.clone(), output.coordinates.clone());
        return Ok(Some(Found { clusters, coordinates, pace: None }));
    }
    if points.n() == 0 {
        let coordinates = Rows::new(Vec::new(), output.pca.q())?;
        return Ok(Some(Found { clusters: Vec::new(), coordinates, pace: None }));
    }
    let start = Instant::now();
    let Some((codes, work)) = model.codes_of(points, device, watch)? else { return Ok(None) };
    let last = codes.last().ok_or_else(|| Error::Config("the model has no layers".into()))?;
    let (coordinates, clusters) = output.of(last)?;
    let device_seconds = work.iter().map(|w| w.device_seconds).sum();
    let pace = Some(Pace::of(points.n(), start.elapsed().as_secs_f64(), device_seconds));
    Ok(Some(Found { clusters, coordinates, pace }))
}
