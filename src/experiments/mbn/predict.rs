//! The points of images, and what a fitted model makes of them.

use crate::data::{Dataset, Split};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::features::Rows;
use crate::mbn::{FitTo, MbnRecipe, Model, Watch};
use crate::methods::{ImageInfo, Task};
use crate::train::programs::Runner;
use crate::train::protocol::{feature_programs, features};
use crate::train::run::RunDir;
use serde::{Deserialize, Serialize};
use std::ops::Range;
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

/// The parts of a set that a model is fitted to, in the order of its points.
pub fn fitted_parts(fit_to: FitTo, data: &Split) -> Vec<&Arc<Dataset>> {
    let mut parts = vec![&data.train];
    if fit_to == FitTo::All {
        // Where a set has no part of its own for it, one stands for the other.
        let others = [&data.val, &data.test].into_iter().filter(|part| !part.is_empty());
        for part in others {
            if !parts.iter().any(|known| Arc::ptr_eq(known, part)) {
                parts.push(part);
            }
        }
    }
    parts
}

/// As [`points`], of all that a model is fitted to.
///
/// # Errors
/// As [`points`].
pub fn fitted_points(recipe: &MbnRecipe, data: &Split, device: &Device, stop: &AtomicBool) -> Result<Option<Rows>> {
    let mut parts = Vec::new();
    for part in fitted_parts(recipe.fit_to, data) {
        let Some(points) = points(recipe, part, device, stop)? else { return Ok(None) };
        parts.push(points);
    }
    match parts.len() {
        1 => Ok(parts.pop()),
        _ => Rows::joined(&parts).map(Some),
    }
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

/// Where some points stand among those that a model was fitted to: parts of a set that was fitted as a whole.
fn place(points: &Rows, fitted: &Rows) -> Option<Range<usize>> {
    if points.d() != fitted.d() || points.n() == 0 || points.n() > fitted.n() {
        return None;
    }
    let found = fitted.data().windows(points.data().len()).step_by(points.d()).position(|w| w == points.data());
    found.map(|first| first..first + points.n())
}

/// As [`assigned`], of points.
pub fn predicted(model: &Model, points: &Rows, device: &Device, watch: &mut Watch<'_>) -> Result<Option<Found>> {
    let output = model.output.as_ref().ok_or_else(|| {
        Error::Config("the model is not fitted to its end: onebit train --resume --out RUN goes on".into())
    })?;
    if let Some(which) = place(points, &model.points) {
        let numbers: Vec<u32> = (which.start as u32..which.end as u32).collect();
        let (clusters, coordinates) = (output.clusters[which].to_vec(), output.coordinates.select(&numbers));
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
