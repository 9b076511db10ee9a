//! The steps of a recipe on a device: which images and which scalars each of them has.

use super::method::{AUGMENT, IMAGES, LABELS, Method, Progress, scalars};
use super::recipe::Recipe;
use super::scheduler::{Plan, Scheduler};
use crate::data::{Batch, Loader, LoaderOptions, Split};
use crate::device::Device;
use crate::error::Result;

/// A recipe, its images and its programs on a device.
pub struct Steps<'a> {
    /// How it trains.
    pub method: &'a dyn Method,
    /// The recipe.
    pub recipe: Recipe,
    /// Reads batches.
    pub loader: Loader,
    /// The programs.
    pub scheduler: Scheduler,
}

/// What reads the training images; an error if the recipe and the images do not go together.
pub fn loader(recipe: &Recipe, data: &Split) -> Result<Loader> {
    let options = LoaderOptions::train(recipe.batch, recipe.seed, recipe.augment.clone());
    Loader::new(data.train.clone(), options)
}

impl<'a> Steps<'a> {
    /// Loads the programs, with parameters and state as they start.
    pub fn new(method: &'a dyn Method, recipe: Recipe, data: &Split, plan: Plan, device: &Device) -> Result<Steps<'a>> {
        let loader = loader(&recipe, data)?;
        let scheduler = Scheduler::load(plan, device, recipe.seed)?;
        Ok(Steps { method, recipe, loader, scheduler })
    }

    /// Where training stands after `steps` steps.
    pub fn progress(&self, steps: u64) -> Progress {
        let per_epoch = self.loader.steps() as u64;
        Progress { steps, per_epoch, total: per_epoch * self.recipe.epochs }
    }

    /// The images of step `step`, counted from 0 since the start.
    pub fn batch(&self, step: u64) -> Batch {
        let per_epoch = self.loader.steps() as u64;
        self.loader.batch(step / per_epoch, (step % per_epoch) as usize)
    }

    /// Writes a batch to the device.
    pub fn upload(&mut self, batch: &Batch) -> Result<()> {
        self.scheduler.input(IMAGES, &batch.images)?;
        if let Some(labels) = &batch.labels {
            self.scheduler.input(LABELS, labels)?;
        }
        for (view, parameters) in batch.augment.iter().enumerate() {
            self.scheduler.input(&format!("{AUGMENT}.{view}"), parameters)?;
        }
        Ok(())
    }

    /// The scalars of part `part` in step `step`.
    pub fn scalars(&self, part: usize, step: u64) -> Result<Vec<f32>> {
        let graph = &self.scheduler.parts()[part].program().graph;
        scalars(self.method, &self.recipe, self.progress(step), graph)
    }

    /// Runs every part of step `step` once, on the images that were uploaded.
    pub fn run_parts(&mut self, step: u64) -> Result<()> {
        for part in 0..self.scheduler.parts().len() {
            let values = self.scalars(part, step)?;
            self.scheduler.run(part, &values)?;
        }
        Ok(())
    }
}
