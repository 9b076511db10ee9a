//! What a compressed model learns: what a multilayer bootstrap network and its application make of images.

use crate::data::{Dataset, Split};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::experiments::mbn::{Pace, assigned, check_settings};
use crate::hash::fnv1a;
use crate::mbn::{MbnRecipe, Model, Watch};
use crate::methods::Targets;
use crate::methods::compress::{CompressTarget, target};
use crate::recipe::Recipe;
use crate::train::run::RunDir;
use std::path::Path;
use std::sync::Arc;

/// A fitted model, as the teacher of a network.
pub struct ModelTeacher {
    /// It.
    pub model: Model,
    /// What it makes of the training images, as a network learns it.
    pub targets: Targets,
    /// Its clusters of the training and of the test images.
    pub clusters: [Vec<u32>; 2],
    /// How long it took for the test images.
    pub pace: Option<Pace>,
}

impl ModelTeacher {
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
        let Some((of, info)) = MbnRecipe::of_run(path)? else {
            return Err(fail("that is no run of a multilayer bootstrap network"));
        };
        let file = RunDir::at(path).last();
        if !file.is_file() {
            return Err(fail("that run has no model yet"));
        }
        let model = Model::load(&file)?;
        check_settings(&RunDir::at(path), &of, &info, &model)?;
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
    ) -> Result<Option<(ModelTeacher, Split)>> {
        let (of, model) = Self::open(recipe)?;
        let Some(train) = assigned(&of, &model, &data.train, device, watch)? else { return Ok(None) };
        let Some(test) = assigned(&of, &model, &data.test, device, watch)? else { return Ok(None) };
        let only_val = Arc::ptr_eq(&data.val, &data.test);
        let val = if only_val { &data.test.select(&[]).into() } else { &data.val };
        let Some(val) = assigned(&of, &model, val, device, watch)? else { return Ok(None) };
        let output = model.output.as_ref().expect("checked by open");
        let deviation = output.pca.variance.iter().map(|v| v.sqrt().max(f64::MIN_POSITIVE) as f32).collect();
        let classes: Vec<String> = (0..model.spec.clusters).map(|c| format!("cluster {c}")).collect();
        let clusters = [train.clusters.clone(), test.clusters.clone()];
        let labels = match target(recipe) {
            CompressTarget::Clusters => train.clusters.clone(),
            CompressTarget::Coordinates => (0..train.clusters.len() as u32).collect(),
        };
        let with = |set: &Dataset, labels| Dataset { labels: Some(labels), classes: classes.clone(), ..set.clone() };
        let test_part = Arc::new(with(&data.test, test.clusters));
        let split = Split {
            train: Arc::new(with(&data.train, labels)),
            val: if only_val { test_part.clone() } else { Arc::new(with(&data.val, val.clusters)) },
            test: test_part,
            ..data.clone()
        };
        let targets = Targets { coordinates: train.coordinates, deviation, centres: output.centres.centres.clone() };
        Ok(Some((ModelTeacher { model, targets, clusters, pace: test.pace }, split)))
    }

    /// A number that changes with the model's clusters and centres (FNV-1a), to notice that a run goes on with another.
    pub fn hash(&self) -> String {
        let output = self.model.output.as_ref().expect("checked by open");
        let numbers = output.clusters.iter().map(|c| *c as u64);
        let numbers = numbers.chain(output.centres.centres.iter().map(|c| c.to_bits()));
        format!("{:016x}", fnv1a(numbers))
    }
}
