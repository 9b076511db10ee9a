//! What a compressed model learns: what a multilayer bootstrap network and its application make of images.

use super::bootstrap::MbnRecipe;
use super::recipe::Recipe;
use super::run::RunDir;
use crate::data::{Dataset, Split};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::features::Rows;
use crate::hash::fnv1a;
use crate::mbn::{Model, Watch};
use crate::methods::CompressTarget;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// A fitted model, as the teacher of a network.
pub struct Targets {
    /// Its recipe.
    pub recipe: MbnRecipe,
    /// It.
    pub model: Model,
    /// Coordinates of the training images, `[n, q]`; only read where the network learns them.
    pub coordinates: Rows,
    /// Deviation of each coordinate over the points that the model was fitted to.
    pub deviation: Vec<f32>,
    /// What the model makes of the training and of the test images.
    pub clusters: [Vec<u32>; 2],
    /// How long it took for the test images.
    pub pace: Option<Pace>,
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

impl Targets {
    /// The model that the recipe's `[teacher]` names.
    ///
    /// # Errors
    /// If it is not there, is none, or is not fitted to its end.
    pub fn open(recipe: &Recipe) -> Result<(MbnRecipe, Model)> {
        let spec = recipe.teacher.as_ref().ok_or_else(|| {
            Error::Config("a compressed model learns from a fitted one: name its run with [teacher]".into())
        })?;
        let fail = |why: &str| {
            let first = spec.trained_by.as_ref().map(|r| format!(": fit it first with  onebit train {r}"));
            Error::Config(format!(
                "the recipe compresses teacher.run = {:?}, but {why}{}; or name another with --set teacher.run=DIR",
                spec.run,
                first.unwrap_or_default()
            ))
        };
        let path = Path::new(&spec.run);
        if !path.is_dir() {
            return Err(fail("there is no such run directory"));
        }
        let Some((of, _)) = MbnRecipe::of_run(path)? else {
            return Err(fail("that is no run of a multilayer bootstrap network"));
        };
        let file = RunDir::at(path).last();
        if !file.is_file() {
            return Err(fail("that run has no model yet"));
        }
        let model = Model::load(&file)?;
        if model.output.is_none() {
            return Err(fail("that model is not fitted to its end (onebit train --resume --out goes on)"));
        }
        Ok((of, model))
    }

    /// The images with what the model makes of them in place of their labels, for the network to be trained and tested
    /// on, and the rest that training needs. `None` if it was stopped.
    ///
    /// Test images have the cluster that the model assigns, so that accuracy is agreement with it. Training images have it
    /// too or, where coordinates are learned, their own number, by which the step finds them.
    pub fn of(
        recipe: &Recipe,
        data: &Split,
        device: &Device,
        watch: &mut Watch<'_>,
    ) -> Result<Option<(Targets, Split)>> {
        let (of, model) = Self::open(recipe)?;
        let Some(train) = assigned(&of, &model, &data.train, device, watch)? else { return Ok(None) };
        let Some(test) = assigned(&of, &model, &data.test, device, watch)? else { return Ok(None) };
        let output = model.output.as_ref().expect("checked by open");
        let deviation = output.pca.variance.iter().map(|v| v.sqrt().max(f64::MIN_POSITIVE) as f32).collect();
        let classes: Vec<String> = (0..model.spec.clusters).map(|c| format!("cluster {c}")).collect();
        let target = recipe.compress.clone().unwrap_or_default().target;
        let clusters = [train.clusters.clone(), test.clusters.clone()];
        let labels = match target {
            CompressTarget::Clusters => train.clusters.clone(),
            CompressTarget::Coordinates => (0..train.clusters.len() as u32).collect(),
        };
        let with = |set: &Dataset, labels| Dataset { labels: Some(labels), classes: classes.clone(), ..set.clone() };
        let split = Split {
            train: Arc::new(with(&data.train, labels)),
            test: Arc::new(with(&data.test, test.clusters)),
            notes: data.notes.clone(),
        };
        let targets =
            Targets { recipe: of, model, coordinates: train.coordinates, deviation, clusters, pace: test.pace };
        Ok(Some((targets, split)))
    }

    /// A number that changes with the model's clusters and centres (FNV-1a), to notice that a run goes on with another.
    pub fn hash(&self) -> String {
        let output = self.model.output.as_ref().expect("checked by open");
        let numbers = output.clusters.iter().map(|c| *c as u64);
        let numbers = numbers.chain(output.centres.centres.iter().map(|c| c.to_bits()));
        format!("{:016x}", fnv1a(numbers))
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
    let Some(points) = recipe.points(set, device, watch.stop)? else { return Ok(None) };
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

/// The flag of what nobody stops.
pub static NEVER: AtomicBool = AtomicBool::new(false);
