//! The steps of a recipe on a device: which images and which scalars each of them has.

use super::programs::{Programs, Runner};
use super::ranks::Ranks;
use super::updates::Round;
use crate::data::{Batch, Batches, Loader, LoaderOptions, Split};
use crate::device::Device;
use crate::error::Result;
use crate::exchange::Exchange;
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
    let options = LoaderOptions {
        batch: recipe.batch,
        seed: recipe.seed,
        shuffle: true,
        drop_last: true,
        together: recipe.accumulate,
        views,
    };
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

    /// Makes it one of several ranks, for which its programs were compiled: of the batches of each step it reads and runs its own.
    pub fn join(&mut self, ranks: Ranks) {
        let exchange = &ranks.exchange;
        self.loader = self.loader.clone().sharing(exchange.rank(), exchange.ranks());
        self.runner.join(ranks);
    }

    /// Batches of a step.
    pub fn together(&self) -> usize {
        self.recipe.accumulate
    }

    /// Of the batches of a step, the numbers of those that this program runs: all, or those of its rank.
    pub fn own(&self) -> Vec<usize> {
        let (rank, ranks) = self.runner.ranks().map_or((0, 1), |r| (r.exchange.rank(), r.exchange.ranks()));
        (rank..self.together()).step_by(ranks).collect()
    }

    /// Steps of a pass.
    pub fn per_pass(&self) -> usize {
        self.loader.steps() / self.together()
    }

    /// Steps of an epoch, those of the second pass included.
    pub fn per_epoch(&self) -> usize {
        self.per_pass() * self.passes() as usize
    }

    /// Whether step `step`, counted from 0 since the start, belongs to a second pass.
    pub fn is_refresh(&self, step: u64) -> bool {
        step % self.per_epoch() as u64 >= self.per_pass() as u64
    }

    /// Where training stands after `steps` steps of all passes.
    pub fn progress(&self, steps: u64) -> Progress {
        let (all, first) = (self.per_epoch() as u64, self.per_pass() as u64);
        let steps = steps / all * first + (steps % all).min(first);
        let batch = (0, self.together() as u64);
        Progress { batch, ..Progress::new(steps, first, first * self.recipe.epochs) }
    }

    /// The images of batch `batch` of step `step`, counted from 0 since the start. Each pass has its own order.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn batch_of(&self, step: u64, batch: usize) -> Result<Batch> {
        let per_pass = self.per_pass() as u64;
        self.loader.batch(step / per_pass, (step % per_pass) as usize * self.together() + batch)
    }

    /// The images of the first batch of a step.
    ///
    /// # Errors
    /// As [`Steps::batch_of`].
    pub fn batch(&self, step: u64) -> Result<Batch> {
        self.batch_of(step, 0)
    }

    /// All batches of a step.
    ///
    /// # Errors
    /// As [`Steps::batch_of`].
    pub fn batches(&self, step: u64) -> Result<Vec<Batch>> {
        (0..self.together()).map(|batch| self.batch_of(step, batch)).collect()
    }

    /// Reads the batches of [`Steps::own`] of step `step`, counted from 0 since the start, and of those after it.
    pub fn start_at(&self, step: u64) -> Batches {
        let per_pass = self.per_pass() as u64;
        self.loader.start_at(step / per_pass, (step % per_pass) as usize * self.together())
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

    /// The scalars of part `part` in step `step`, for its batch `batch`.
    pub fn scalars_of(&self, part: usize, step: u64, batch: usize) -> Result<Vec<f32>> {
        let graph = &self.runner.parts()[part].program().graph;
        let progress = self.progress(step);
        let progress = Progress { batch: (batch as u64, progress.batch.1), ..progress };
        scalars(self.method, &self.recipe, progress, graph)
    }

    /// The scalars of part `part` in step `step`, for the batch that ends the step.
    pub fn scalars(&self, part: usize, step: u64) -> Result<Vec<f32>> {
        self.scalars_of(part, step, self.together() - 1)
    }

    /// What step `step` runs, in its order: parts, and the number of the batch for each. A part goes through all batches before
    /// the next one begins, which sees what it made of all; one that reads no images runs once.
    pub fn runs(&self, step: u64) -> Vec<(usize, usize)> {
        let last = self.together() - 1;
        let reads = |part: usize| !self.runner.parts()[part].program().graph.inputs().is_empty();
        let parts = self.runner.parts_of(self.is_refresh(step));
        parts.flat_map(|part| (if reads(part) { 0 } else { last }..=last).map(move |batch| (part, batch))).collect()
    }

    /// Runs step `step` on its batches: those of [`Steps::own`].
    pub fn run(&mut self, step: u64, batches: &[Batch]) -> Result<()> {
        if let Some(ranks) = self.runner.ranks() {
            let exchange = ranks.exchange.clone();
            return self.run_shared(step, batches, &*exchange);
        }
        let mut uploaded = None;
        for (part, batch) in self.runs(step) {
            if uploaded != Some(batch) {
                self.upload(&batches[batch])?;
                uploaded = Some(batch);
            }
            let values = self.scalars_of(part, step, batch)?;
            self.runner.run(part, &values)?;
        }
        Ok(())
    }

    /// As [`Steps::run`], of one of several ranks: each part goes through its own batches, and what it makes of those of all
    /// ranks is made in all, batch by batch, as one program would make it.
    fn run_shared(&mut self, step: u64, batches: &[Batch], exchange: &dyn Exchange) -> Result<()> {
        let (own, together) = (self.own(), self.together());
        for part in self.runner.parts_of(self.is_refresh(step)) {
            if self.runner.shared(part).is_none() {
                let values = self.scalars(part, step)?;
                self.runner.run(part, &values)?;
                continue;
            }
            let scalars = (0..together).map(|batch| self.scalars_of(part, step, batch)).collect::<Result<Vec<_>>>()?;
            for (number, batch) in own.iter().zip(batches) {
                self.upload(batch)?;
                let (compute, updates, store) = self.runner.shared(part).expect("it was there");
                let round = number - exchange.rank()..number - exchange.rank() + exchange.ranks();
                let round = Round { scalars: &scalars[round.clone()], last: round.end == together };
                updates.run(compute, store, exchange, round)?;
            }
        }
        Ok(())
    }

    /// Runs every part of step `step` once, on the images that were uploaded, as on the batch that ends it.
    pub fn run_parts(&mut self, step: u64) -> Result<()> {
        for part in self.runner.parts_of(self.is_refresh(step)) {
            let values = self.scalars(part, step)?;
            self.runner.run(part, &values)?;
        }
        Ok(())
    }
}
