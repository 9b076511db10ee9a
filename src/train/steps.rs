//! The steps of a recipe on a device: which images and which scalars each of them has.

use super::programs::{Programs, Runner};
use crate::data::{Batch, Loader, LoaderOptions, Split};
use crate::device::Device;
use crate::error::Result;
use crate::methods::{AUGMENT, IMAGES, LABELS, Method, Progress, scalars};
use crate::recipe::Recipe;

/// A recipe, its images and its programs on a device.
pub struct Steps {
    /// How it trains.
    pub method: &'static dyn Method,
    /// The recipe.
    pub recipe: Recipe,
    /// Reads batches.
    pub loader: Loader,
    /// The programs.
    pub runner: Runner,
}

/// What reads the training images; an error if the recipe and the images do not go together.
pub fn loader(recipe: &Recipe, data: &Split) -> Result<Loader> {
    let views = recipe.method().views(recipe);
    let options = LoaderOptions { batch: recipe.batch, seed: recipe.seed, shuffle: true, drop_last: true, views };
    Loader::new(data.train.clone(), options)
}

impl Steps {
    /// Loads the programs, with parameters and state as they start.
    pub fn new(recipe: Recipe, data: &Split, programs: Programs, device: &Device) -> Result<Steps> {
        let loader = loader(&recipe, data)?;
        let method = recipe.method();
        let runner = Runner::load(programs, device, recipe.seed)?;
        Ok(Steps { method, recipe, loader, runner })
    }

    /// Passes over the images in an epoch.
    pub fn passes(&self) -> u64 {
        1 + self.runner.has_refresh() as u64
    }

    /// Steps of an epoch, those of the second pass included.
    pub fn per_epoch(&self) -> usize {
        self.loader.steps() * self.passes() as usize
    }

    /// Whether step `step`, counted from 0 since the start, belongs to a second pass.
    pub fn is_refresh(&self, step: u64) -> bool {
        step % self.per_epoch() as u64 >= self.loader.steps() as u64
    }

    /// Where training stands after `steps` steps of all passes.
    pub fn progress(&self, steps: u64) -> Progress {
        let (all, first) = (self.per_epoch() as u64, self.loader.steps() as u64);
        let steps = steps / all * first + (steps % all).min(first);
        Progress { steps, per_epoch: first, total: first * self.recipe.epochs }
    }

    /// The images of step `step`, counted from 0 since the start. Each pass has its own order.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn batch(&self, step: u64) -> Result<Batch> {
        let per_pass = self.loader.steps() as u64;
        self.loader.batch(step / per_pass, (step % per_pass) as usize)
    }

    /// Writes a batch to the device.
    pub fn upload(&mut self, batch: &Batch) -> Result<()> {
        if self.loader.dataset().crops_originals() {
            for (view, images) in batch.images.iter().enumerate() {
                self.runner.input(&format!("{IMAGES}.{view}"), images)?;
            }
        } else {
            self.runner.input(IMAGES, &batch.images[0])?;
        }
        if let Some(labels) = &batch.labels {
            self.runner.input(LABELS, labels)?;
        }
        for (view, parameters) in batch.augment.iter().enumerate() {
            self.runner.input(&format!("{AUGMENT}.{view}"), parameters)?;
        }
        Ok(())
    }

    /// The scalars of part `part` in step `step`.
    pub fn scalars(&self, part: usize, step: u64) -> Result<Vec<f32>> {
        let graph = &self.runner.parts()[part].program().graph;
        scalars(self.method, &self.recipe, self.progress(step), graph)
    }

    /// Runs every part of step `step` once, on the images that were uploaded.
    pub fn run_parts(&mut self, step: u64) -> Result<()> {
        for part in self.runner.parts_of(self.is_refresh(step)) {
            let values = self.scalars(part, step)?;
            self.runner.run(part, &values)?;
        }
        Ok(())
    }
}
