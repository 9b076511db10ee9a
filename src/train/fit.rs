//! The training loop.

use super::checkpoint::{BestVal, Checkpoint, Position};
use super::evaluate::{Evaluation, evaluate};
use super::job::{Job, Observer, Outcome, Status};
use super::layer_stats::{Before, layer_stats};
use super::metrics::{EpochSums, Sums};
use super::non_finite::NonFinite;
use super::orders::Order;
use super::parts::Parts;
use super::programs::Programs;
use super::ranks::{Ranks, compare_weights, share_state};
use super::right::Right;
use super::run::{At, Metric, MetricsFile, Summary, check_recipe, record};
use super::steps::Steps;
use super::time::{Clock, Time};
use super::way_on::too_long;
use super::writer::Writer;
use crate::data::{Batch, Dataset, Images, Part, Split, Stats};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::methods::{EvaluatedBy, ImageInfo};
use crate::recipe::Recipe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Lines of training in `metrics.jsonl` an epoch, and the fewest and the most steps between two of them.
const LINES: usize = 10;
const LINE_STEPS: (usize, usize) = (10, 100);
/// How long the device works until its sums are read again. Also what may be in flight at once.
const REPORT_INTERVAL: Duration = Duration::from_millis(250);

/// Trains until the recipe's last epoch is done or `job.stop` is set. `plan` is what it runs, from
/// [`super::limits::fitting_programs`].
pub fn fit(job: Job<'_>, programs: Programs, observer: &mut dyn Observer) -> Result<Outcome> {
    let (planned_bytes, kept_bytes) = (programs.planned_bytes(), programs.kept_bytes());
    let (parameters, binary_parameters) = programs.parameters();
    let mut fit = Fit::new(job, programs, observer)?;
    let tested = match fit.run()? {
        true => fit.test_chosen()?,
        false => None,
    };
    if let Some(ranks) = fit.steps.runner.ranks() {
        ranks.order(Order::End)?;
    }
    let Some(test) = tested else {
        let saved = fit.job.run.last();
        return Ok(Outcome::Stopped { saved, position: Box::new(fit.position) });
    };
    let time = fit.keep_time()?;
    let (job, position) = (&fit.job, &fit.position);
    let images = ImageInfo::normalised(&job.data, &Stats::neutral(job.data.train.c));
    // Features alone need no classes.
    let classes = if job.recipe.method().evaluated_by(&job.recipe) == EvaluatedBy::Logits { images.classes } else { 0 };
    let summary = Summary {
        recipe: job.name.clone(),
        data: job.data.name().to_string(),
        device: job.device.name(),
        seed: job.recipe.seed,
        epochs: position.epoch,
        steps: position.steps,
        train_images: job.data.train.len(),
        val_images: fit.parts.val().map_or(0, |set| set.len()),
        val_accuracy: fit.last_val,
        best_val_accuracy: position.best_val.map(|b| b.accuracy),
        best_val_epoch: position.best_val.map(|b| b.epoch),
        test_images: test.as_ref().map_or(0, |t| t.images),
        test_accuracy: test.as_ref().map(|t| t.accuracy),
        test_top5: test.as_ref().map(|t| t.top5),
        test_loss: test.as_ref().map(|t| t.loss),
        chosen_epoch: Some(fit.chosen_epoch()),
        stopped_early: position.epoch < job.recipe.epochs,
        images_per_second: time.training.rate(job.recipe.images_a_step()),
        seconds: time.seconds,
        seconds_since: Some(time.since),
        planned_bytes,
        kept_bytes,
        parameters,
        binary_parameters,
        count: job.recipe.network().count(images.eval_extents(&job.recipe.augment), classes)?,
        ships: None,
        recipe_hash: Some(position.recipe.clone()),
        version: env!("CARGO_PKG_VERSION").into(),
    };
    job.run.write_summary(&summary)?;
    Ok(Outcome::Finished(Box::new(summary)))
}

/// Whether training has ended where it stands because validation has not got better for too long.
pub fn has_stopped_early(recipe: &Recipe, position: &Position) -> bool {
    let Position { epoch, step, best_val, .. } = position;
    let waited = |best: &BestVal| recipe.patience.is_some_and(|p| epoch.saturating_sub(best.epoch) >= p);
    *step == 0 && best_val.as_ref().is_some_and(waited)
}

struct Fit<'a> {
    job: Job<'a>,
    observer: &'a mut dyn Observer,
    steps: Steps,
    position: Position,
    lines: MetricsFile,
    /// Steps between two lines of training.
    line_steps: usize,
    /// Steps since the last of them that were timed, and their time.
    line_clock: Clock,
    /// Steps since the device's sums were last read, and how many there should be at most.
    unread: u64,
    unread_limit: u64,
    unread_since: Instant,
    saved_at: Instant,
    writer: Writer,
    /// Whether it was told that a kernel takes long, or seen that none does.
    long_told: bool,
    /// Images that could not be read, and of which it was told.
    skipped: usize,
    /// Time in training steps, of this process.
    clock: Clock,
    /// What earlier processes took, and when this one began.
    before_time: Time,
    started: Instant,
    right: Right,
    /// The bits of an epoch ago.
    before: Before,
    /// What is validated and tested on.
    parts: Parts,
    /// Accuracy of the last validation.
    last_val: Option<f64>,
}

/// Restores the checkpoint of a run that goes on; where it was. `position` is that of a run of this recipe and these images that
/// begins.
fn go_on(job: &Job<'_>, steps: &mut Steps, position: Position, path: &Path) -> Result<Position> {
    let checkpoint = job.run.checkpoint(path, &job.recipe, &job.info)?;
    check_recipe(path, &checkpoint.position, &job.recipe, &job.info)?;
    if checkpoint.position.data.as_ref().is_some_and(|data| *data != job.fingerprint) {
        return Err(Error::data(
            path,
            "the checkpoint was made with other images than these: put them back as they were, or start a new run",
        ));
    }
    steps.runner.restore(&checkpoint, path)?;
    let Position { data, recipe, record, .. } = position;
    Ok(Position { data, recipe, record, ..checkpoint.position })
}

impl<'a> Fit<'a> {
    fn new(job: Job<'a>, programs: Programs, observer: &'a mut dyn Observer) -> Result<Self> {
        let started = Instant::now();
        let mut steps = Steps::new(job.recipe.clone(), &job.data, programs, &job.device)?;
        let mut position = Position {
            recipe: format!("{:016x}", job.recipe.hash()?),
            seed: job.recipe.seed,
            epoch: 0,
            step: 0,
            steps: 0,
            best_val: None,
            sums: EpochSums::default(),
            data: Some(job.fingerprint.clone()),
            record: Some(record(&job.recipe, &job.info)?),
        };
        let path = job.run.last();
        if job.resume {
            job.run.check_last()?;
        }
        let resumed = job.resume && path.exists();
        if resumed {
            position = go_on(&job, &mut steps, position, &path)?;
            observer.resumed(&position);
        } else {
            let checkpoint = Checkpoint { position: position.clone(), tensors: steps.runner.gather()? };
            // From now on there is something to go on from: a run without it has lost it.
            Time::default().keep(&job.run)?;
            checkpoint.save(&path)?;
        }
        let parts = Parts::of(&job.data, &job.recipe);
        if let Some(exchange) = &job.exchange {
            steps.join(Ranks::new(exchange.clone(), &job.data, &parts, job.eval_batch));
            share_state(&mut steps)?;
        }
        let to_be_tested = resumed && position.epoch >= job.recipe.epochs;
        let lines = job.run.metrics(position.steps, position.epoch, to_be_tested)?;
        lines.kept().iter().for_each(|line| observer.logged(line));
        if let Some(lost) = lines.lost() {
            observer.note(lost);
        }
        // A run that begins has not taken any time yet, whatever lies there.
        let before_time = if resumed { Time::of(&job.run, position.steps)? } else { Time::default() };
        let line_steps = steps.per_epoch().div_ceil(LINES).clamp(LINE_STEPS.0, LINE_STEPS.1);
        let mut before = Before::default();
        if position.step == 0 {
            layer_stats(&mut steps.runner, &job.recipe.net.binarization, &mut before)?;
        }
        let of_val = |m: Metric| if let Metric::Val { accuracy, .. } = m { Some(accuracy) } else { None };
        let last_val = MetricsFile::read(&job.run)?.into_iter().rev().find_map(of_val);
        Ok(Fit {
            parts,
            last_val,
            steps,
            position,
            lines,
            line_steps,
            line_clock: Clock::default(),
            unread: 0,
            unread_limit: 1,
            unread_since: Instant::now(),
            saved_at: Instant::now(),
            writer: Writer::default(),
            long_told: false,
            skipped: 0,
            clock: Clock::default(),
            before_time,
            started,
            right: Right::of(&job.recipe),
            before,
            job,
            observer,
        })
    }

    /// Trains; false if it was stopped.
    fn run(&mut self) -> Result<bool> {
        let per_epoch = self.steps.per_epoch();
        // An epoch of the loader is one pass.
        let (passes, per_pass, together) = (self.steps.passes(), self.steps.per_pass(), self.steps.together());
        let own = self.steps.own();
        let pass = self.position.epoch * passes + (self.position.step / per_pass) as u64;
        let mut batches = self.steps.loader.start_at(pass, self.position.step % per_pass * together);
        self.unread_since = Instant::now();
        while !self.is_finished() {
            if self.position.step < per_epoch {
                let step: Vec<Batch> = batches.by_ref().take(own.len()).collect::<Result<_>>()?;
                assert_eq!(step.len(), own.len(), "batches go on without end");
                assert_eq!(step[0].epoch, self.position.epoch * passes + (self.position.step / per_pass) as u64);
                assert_eq!(step[0].step, self.position.step % per_pass * together + own[0]);
                self.step(&step)?;
                step.into_iter().for_each(|batch| batches.recycle(batch));
                let within = self.position.step < per_epoch;
                if within && self.position.step == per_pass {
                    self.report()?;
                    self.validate_before_refresh()?;
                }
                let due = self.unread >= self.unread_limit || self.position.step.is_multiple_of(self.line_steps);
                if due || !within || self.stopping() || self.save_due() {
                    self.report()?;
                }
                if within && !self.stopping() {
                    if self.save_due() {
                        self.save()?;
                    }
                    continue;
                }
            }
            if self.position.step == per_epoch && !self.stopping() {
                self.end_epoch()?;
            }
            if self.stopping() && !self.is_finished() {
                self.save()?;
                self.writer.wait()?;
                return Ok(false);
            }
        }
        self.writer.wait()?;
        Ok(true)
    }

    /// Whether all epochs are done, or validation has not got better for too long.
    fn is_finished(&self) -> bool {
        self.position.epoch >= self.job.recipe.epochs || has_stopped_early(&self.job.recipe, &self.position)
    }

    /// Epochs done when the checkpoint was written that stands for the run.
    fn chosen_epoch(&self) -> u64 {
        match (self.parts.val(), self.position.best_val) {
            (Some(_), Some(best)) => best.epoch,
            _ => self.position.epoch,
        }
    }

    /// Tests the chosen checkpoint on the test part, the only time that training looks at it: `None` if it was stopped,
    /// `Some(None)` if there is nothing to test on.
    fn test_chosen(&mut self) -> Result<Option<Option<Evaluation>>> {
        let Some(set) = self.parts.test().cloned() else { return Ok(Some(None)) };
        let epoch = self.chosen_epoch();
        if epoch != self.position.epoch {
            let path = self.job.run.best();
            let best = self.job.run.checkpoint(&path, &self.job.recipe, &self.job.info)?;
            self.steps.runner.restore(&best, &path)?;
            if let Some(ranks) = self.steps.runner.ranks() {
                ranks.order(Order::State)?;
                share_state(&mut self.steps)?;
            }
        }
        let Some(test) = self.evaluate(&set)? else { return Ok(None) };
        self.log(Metric::Test {
            epoch,
            steps: self.position.steps,
            // Those of an epoch are always as many.
            of_steps: Some(epoch * self.steps.per_epoch() as u64),
            images: test.images,
            loss: test.loss,
            accuracy: test.accuracy,
            top5: test.top5,
        })?;
        self.observer.evaluated(epoch, Part::Test, &test);
        Ok(Some(Some(test)))
    }

    fn stopping(&self) -> bool {
        self.job.stop.load(Ordering::Relaxed)
    }

    /// One step: every part, on each of its batches.
    fn step(&mut self, batches: &[Batch]) -> Result<()> {
        if let Some(ranks) = self.steps.runner.ranks() {
            ranks.order(Order::Step(self.position.steps))?;
        }
        self.steps.run(self.position.steps, batches)?;
        self.position.step += 1;
        self.position.steps += 1;
        self.unread += 1;
        Ok(())
    }

    /// Reads the device's sums, tells the observer, writes a line if it is time, and stops if the loss was not finite.
    fn report(&mut self) -> Result<()> {
        if self.unread == 0 {
            return Ok(());
        }
        let sums = Sums::take(self.steps.runner.store())?;
        let spent = self.unread_since.elapsed();
        let together = self.steps.together() as u64;
        if sums.steps != self.unread * together {
            return Err(self.not_finite(self.position.steps - self.unread + sums.steps / together));
        }
        self.clock.add(spent, self.unread);
        self.line_clock.add(spent, self.unread);
        // Only a device that works while the host goes on gains from being asked rarely.
        self.unread_limit = match self.job.device {
            Device::Cpu => 1,
            Device::Gpu(_) => {
                let each = spent.as_secs_f64() / self.unread as f64;
                ((REPORT_INTERVAL.as_secs_f64() / each.max(1e-6)) as u64).clamp(1, LINE_STEPS.1 as u64)
            }
        };
        self.unread = 0;
        self.tell_long();
        self.position.sums.add(sums);
        let batch = self.job.recipe.batch;
        let per_epoch = self.steps.per_epoch();
        let at = self.steps.progress(self.position.steps);
        if self.position.step.is_multiple_of(self.line_steps) || self.position.step == per_epoch {
            let sums = std::mem::take(&mut self.position.sums.line);
            let (loss, accuracy) = sums.means(batch);
            let last = self.steps.progress(self.position.steps - 1);
            let lr = self.steps.method.scalar(&self.job.recipe, last, "lr").unwrap_or(0.0);
            let images_per_second = std::mem::take(&mut self.line_clock).rate(self.job.recipe.images_a_step());
            self.log(Metric::Train {
                at: At::InEpoch(self.position.epoch + 1),
                steps: self.position.steps,
                loss,
                right: self.right.trained(accuracy),
                images: sums.steps * batch as u64,
                lr: lr as f64,
                images_per_second,
            })?;
        }
        let (loss, accuracy) = self.position.sums.epoch.means(batch);
        let images_per_second = self.clock.rate(self.job.recipe.images_a_step());
        self.observer.progressed(&Status {
            epoch: self.position.epoch,
            step: self.position.step,
            per_epoch,
            steps: self.position.steps,
            total: at.total * self.steps.passes(),
            loss,
            right: self.right.trained(accuracy),
            images: self.position.sums.epoch.steps * batch as u64,
            images_per_second,
            seconds_left: ((at.total * self.steps.passes() - self.position.steps)
                * self.job.recipe.images_a_step() as u64) as f64
                / images_per_second,
        });
        self.unread_since = Instant::now();
        Ok(())
    }

    /// Validates if it is time, and saves; nothing of it if it was stopped before that was done.
    fn end_epoch(&mut self) -> Result<()> {
        let done = self.position.epoch + 1;
        let val = match self.validation_is_due(done) {
            true => match self.validate()? {
                Some(val) => val,
                None => return Ok(()),
            },
            false => None,
        };
        (self.position.epoch, self.position.step) = (done, 0);
        let sums = std::mem::take(&mut self.position.sums.epoch);
        let (loss, accuracy) = sums.means(self.job.recipe.batch);
        let right = self.right.trained(accuracy);
        let images = sums.steps * self.job.recipe.batch as u64;
        if sums.steps > 0 {
            self.log(Metric::Epoch { epoch: done, steps: self.position.steps, loss, right, images })?;
        }
        self.tell_skipped()?;
        self.describe()?;
        if let Some(v) = &val {
            self.log(Metric::Val {
                epoch: done,
                steps: self.position.steps,
                images: v.images,
                loss: v.loss,
                accuracy: v.accuracy,
                top5: v.top5,
            })?;
            self.last_val = Some(v.accuracy);
            self.observer.evaluated(done, Part::Val, v);
            if self.position.best_val.is_none_or(|best| v.accuracy > best.accuracy) {
                self.position.best_val = Some(BestVal { accuracy: v.accuracy, images: v.images, epoch: done });
                // Before the last one: killed in between, the run resumes from before and comes here again.
                self.save_as(self.job.run.best())?;
            }
        }
        if self.parts.val().is_none() {
            self.observer.trained(done, loss, right, images);
            self.save_as(self.job.run.best())?;
        }
        self.save()?;
        if self.is_finished() && done < self.job.recipe.epochs {
            let (best, patience) = (self.position.best_val, self.job.recipe.patience.unwrap_or_default());
            let best = best.map_or(String::new(), |b| format!(" (the best was after epoch {})", b.epoch));
            self.observer.note(&format!("stopped early: no better validation for {patience} epochs{best}"));
        }
        Ok(())
    }

    /// Says once if a kernel takes so long that others who use the GPU notice, or the system ends it.
    fn tell_long(&mut self) {
        // In the first step drivers finish kernels.
        let Device::Gpu(device) = &self.job.device else { return };
        if self.long_told || self.clock.steps < 2 || device.target().software {
            return;
        }
        self.long_told = true;
        if let Some((what, seconds)) = self.steps.runner.longest()
            && let Some(told) = too_long(&what, seconds, self.job.recipe.batch)
        {
            self.observer.note(&told);
        }
    }

    fn log(&mut self, line: Metric) -> Result<()> {
        self.lines.push(&line)?;
        self.observer.logged(&line);
        Ok(())
    }

    /// Says which training images could not be read since it was last said, and writes them down.
    fn tell_skipped(&mut self) -> Result<()> {
        let Images::Encoded(files) = &self.job.data.train.images else { return Ok(()) };
        let skipped = files.skipped();
        if skipped.len() > self.skipped {
            self.job.run.list_skipped(&[&self.job.data.skipped[..], &skipped].concat())?;
        }
        if let Some((path, reason)) = skipped.get(self.skipped..).and_then(<[_]>::last) {
            self.observer.note(&format!(
                "{} images could not be read until now, and the next one took the place of each ({path}: {reason})",
                skipped.len()
            ));
        }
        self.skipped = skipped.len();
        Ok(())
    }

    /// Between the passes of an epoch: what the second one starts from.
    fn validate_before_refresh(&mut self) -> Result<()> {
        let done = self.position.epoch + 1;
        if !self.validation_is_due(done) {
            return Ok(());
        }
        let Some(Some(v)) = self.validate()? else { return Ok(()) };
        let (at, steps) = (At::InEpoch(done), self.position.steps);
        self.log(Metric::BeforeRefresh { at, steps, images: v.images, loss: v.loss, accuracy: v.accuracy })
    }

    /// Whether a validation belongs to the end of `epoch` epochs.
    fn validation_is_due(&self, epoch: u64) -> bool {
        epoch.is_multiple_of(self.job.recipe.eval.every_epochs) || epoch == self.job.recipe.epochs
    }

    /// Writes what the method logged in the epoch that ended, and what its binary weights look like.
    fn describe(&mut self) -> Result<()> {
        let (epoch, steps) = (self.position.epoch, self.position.steps);
        let values = self.steps.runner.take_means()?;
        if let Some(warning) = self.steps.method.warning(&self.job.recipe, epoch, &values) {
            self.observer.note(&warning);
        }
        if !values.is_empty() {
            self.log(Metric::Means { epoch, steps, values })?;
        }
        let spec = &self.job.recipe.net.binarization;
        let layers = layer_stats(&mut self.steps.runner, spec, &mut self.before)?;
        if !layers.is_empty() {
            self.log(Metric::Layers { epoch, steps, layers })?;
        }
        self.unread_since = Instant::now();
        Ok(())
    }

    /// Tests on the validation part: `None` if stopped, `Some(None)` if there is none.
    fn validate(&mut self) -> Result<Option<Option<Evaluation>>> {
        match self.parts.val().cloned() {
            Some(set) => Ok(self.evaluate(&set)?.map(Some)),
            None => Ok(Some(None)),
        }
    }

    /// Tests on some images; `None` if it was stopped.
    fn evaluate(&mut self, set: &Arc<Dataset>) -> Result<Option<Evaluation>> {
        let job = &self.job;
        let data = Split { test: set.clone(), ..job.data.clone() };
        let found = evaluate(&job.recipe, &mut self.steps.runner, &data, job.eval_batch, job.stop)?;
        self.unread_since = Instant::now();
        Ok(found)
    }

    fn save_due(&self) -> bool {
        let every = &self.job.recipe.checkpoint;
        let by_time = every.every_seconds > 0 && self.saved_at.elapsed().as_secs() >= every.every_seconds;
        let by_steps = every.every_steps > 0 && self.position.steps.is_multiple_of(every.every_steps);
        by_time || by_steps
    }

    fn save(&mut self) -> Result<()> {
        self.save_as(self.job.run.last())?;
        self.keep_time()?;
        self.saved_at = Instant::now();
        self.unread_since = Instant::now();
        Ok(())
    }

    /// Writes down how long the run took until now, and gives it back.
    fn keep_time(&self) -> Result<Time> {
        let mut time = self.before_time;
        time.seconds += self.started.elapsed().as_secs_f64();
        time.training.steps += self.clock.steps;
        time.training.step_seconds += self.clock.step_seconds;
        time.keep(&self.job.run)?;
        Ok(time)
    }

    fn save_as(&mut self, path: PathBuf) -> Result<()> {
        assert_eq!(self.unread, 0, "a halt would go unseen");
        // What is still being written lies in memory as well.
        self.writer.wait()?;
        let checkpoint = Checkpoint { position: self.position.clone(), tensors: self.steps.runner.gather()? };
        if checkpoint.first_non_finite().is_some() {
            return Err(self.not_finite(self.position.steps));
        }
        if let Some(ranks) = self.steps.runner.ranks() {
            compare_weights(ranks, &checkpoint.tensors)?;
        }
        self.writer.write(checkpoint, path)
    }

    /// The error of a run whose loss was not finite at step `bad`, counted from 0 since the start.
    fn not_finite(&mut self, bad: u64) -> Error {
        let last = self.job.run.last();
        NonFinite {
            steps: &mut self.steps,
            position: &self.position,
            last: &last,
            writer: &mut self.writer,
            observer: &mut *self.observer,
        }
        .error(bad)
    }
}
