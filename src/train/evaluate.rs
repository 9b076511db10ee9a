//! How good a network is on images that it was not trained on.

use super::neighbours::by_neighbours;
use super::orders::Order;
use super::programs::Runner;
use super::ranks::Ranks;
use crate::data::{Batch, Batches, Dataset, Loader, LoaderOptions, Split};
use crate::device::Reading;
use crate::error::{Error, Result};
use crate::methods::{EvaluatedBy, LOGITS};
use crate::recipe::Recipe;
use crate::tensor::{DType, HostTensor, Shape};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a test found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Images tested.
    pub images: usize,
    /// Share of images whose class is the most likely one.
    pub accuracy: f64,
    /// Share of images whose class is among the five most likely ones.
    pub top5: f64,
    /// Mean cross-entropy.
    pub loss: f64,
    /// Balanced accuracy: the mean recall of the classes that have images.
    pub balanced_accuracy: f64,
    /// Macro-F1: the mean F1 of the classes that have images or that an image was taken for.
    pub macro_f1: f64,
    /// By class.
    pub classes: Vec<ClassResult>,
    /// `confusion[is][said]`: images of class `is` that were taken for class `said`.
    pub confusion: Vec<Vec<u64>>,
}

/// One class of a test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassResult {
    /// Name.
    pub name: String,
    /// Images of the class.
    pub images: u64,
    /// Share of them that were recognised; `null` if there are none.
    pub recall: Option<f64>,
    /// Share of the images taken for the class that are of it; `null` if none was.
    pub precision: Option<f64>,
    /// F1, the harmonic mean of both: `2 TP / (2 TP + FP + FN)`; `null` where there is nothing to count.
    pub f1: Option<f64>,
}

/// Evaluates the network of a run as its method has it; `None` if `stop` was set meanwhile.
pub fn evaluate(
    recipe: &Recipe,
    runner: &mut Runner,
    data: &Split,
    batch: usize,
    stop: &AtomicBool,
) -> Result<Option<Evaluation>> {
    match recipe.method().evaluated_by(recipe) {
        EvaluatedBy::Logits => by_logits(runner, &data.test, batch, stop),
        EvaluatedBy::Neighbours => by_neighbours(runner, data, batch, stop),
    }
}

/// Tests the network of a run on a labelled set by its logits; `None` if `stop` was set meanwhile.
fn by_logits(runner: &mut Runner, set: &Arc<Dataset>, batch: usize, stop: &AtomicBool) -> Result<Option<Evaluation>> {
    if set.labels.is_none() {
        return Err(Error::Config(format!("{}: a set without labels cannot be tested on", set.name)));
    }
    let classes = set.classes.len();
    let mut tally = Tally::new(classes);
    let whole = for_each_output(runner, set, batch, stop, |b, logits| {
        let labels = b.labels.as_ref().expect("a labelled set gives labels");
        // Rows past `valid` only fill up the last batch.
        let mut rows = logits.f32s().chunks(classes).zip(labels.words()).take(b.valid);
        rows.try_for_each(|(row, &label)| tally.add(row, label as usize))
    })?;
    Ok(whole.then(|| tally.finish(&set.classes)))
}

/// Calls `each` with every batch of a set and what the test program makes of it, in order; false if `stop` was set meanwhile.
/// The device is given a batch before what it made of the one before is read back.
pub(super) fn for_each_output(
    runner: &mut Runner,
    set: &Arc<Dataset>,
    batch: usize,
    stop: &AtomicBool,
    mut each: impl FnMut(&Batch, &HostTensor) -> Result<()>,
) -> Result<bool> {
    if let Some(ranks) = runner.ranks().cloned()
        && let Some(number) = ranks.number_of(set)
        && ranks.eval_batch == batch
    {
        return for_each_of_all(runner, set, number, &ranks, stop, each);
    }
    let loader = Loader::new(set.clone(), LoaderOptions::eval(batch))?;
    let mut batches = loader.epoch(0);
    let mut started: Option<(Batch, Reading)> = None;
    loop {
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let next = match batches.next().transpose()? {
            Some(b) => {
                let reading = runner.start_logits(&b.images[0])?;
                Some((b, reading))
            }
            None => None,
        };
        let last = next.is_none();
        if let Some((b, reading)) = std::mem::replace(&mut started, next) {
            each(&b, &reading.wait()?)?;
            batches.recycle(b);
        }
        if last {
            return Ok(true);
        }
    }
}

/// As [`for_each_output`], in rank 0, whose ranks share the batches: each in turn makes outputs of one.
fn for_each_of_all(
    runner: &mut Runner,
    set: &Arc<Dataset>,
    number: usize,
    ranks: &Ranks,
    stop: &AtomicBool,
    mut each: impl FnMut(&Batch, &HostTensor) -> Result<()>,
) -> Result<bool> {
    ranks.order(Order::Outputs(number))?;
    let mut own = OwnOutputs::new(set, ranks)?;
    for first in (0..own.loader.steps()).step_by(ranks.exchange.ranks()) {
        let stopped = stop.load(Ordering::Relaxed);
        ranks.exchange.broadcast(&[u32::from(stopped)])?;
        if stopped {
            return Ok(false);
        }
        let (shape, outputs) = own.next(runner)?;
        let all = ranks.exchange.collect(&outputs)?;
        for (step, words) in (first..own.loader.steps()).zip(all) {
            each(&own.loader.outline(0, step), &HostTensor::from_words(shape.clone(), DType::F32, words))?;
        }
    }
    Ok(true)
}

/// Makes a rank's outputs of a set for rank 0.
///
/// # Errors
/// If an image cannot be read, or the device or the exchange fails.
pub(super) fn give_outputs(runner: &mut Runner, set: &Arc<Dataset>, ranks: &Ranks) -> Result<()> {
    let mut own = OwnOutputs::new(set, ranks)?;
    for _ in (0..own.loader.steps()).step_by(ranks.exchange.ranks()) {
        if ranks.exchange.broadcast(&[])? == [1] {
            return Ok(());
        }
        let (_, outputs) = own.next(runner)?;
        ranks.exchange.collect(&outputs)?;
    }
    Ok(())
}

/// The outputs of a rank's share of the batches of a set.
struct OwnOutputs {
    loader: Loader,
    batches: Batches,
    shape: Shape,
}

impl OwnOutputs {
    fn new(set: &Arc<Dataset>, ranks: &Ranks) -> Result<OwnOutputs> {
        let loader = Loader::new(set.clone(), LoaderOptions::eval(ranks.eval_batch))?;
        let loader = loader.sharing(ranks.exchange.rank(), ranks.exchange.ranks());
        Ok(OwnOutputs { batches: loader.epoch(0), loader, shape: Shape::default() })
    }

    /// Shape and words of the next ones; no words once there are no more.
    fn next(&mut self, runner: &mut Runner) -> Result<(Shape, Vec<u32>)> {
        let Some(batch) = self.batches.next().transpose()? else { return Ok((self.shape.clone(), Vec::new())) };
        let made = runner.start_logits(&batch.images[0])?.wait()?;
        self.batches.recycle(batch);
        self.shape = made.shape().clone();
        Ok((self.shape.clone(), made.words().to_vec()))
    }
}

pub(super) struct Tally {
    confusion: Vec<Vec<u64>>,
    top5: u64,
    loss: f64,
}

impl Tally {
    pub(super) fn new(classes: usize) -> Self {
        Tally { confusion: vec![vec![0; classes]; classes], top5: 0, loss: 0.0 }
    }

    pub(super) fn add(&mut self, logits: &[f32], label: usize) -> Result<()> {
        if let Some(c) = logits.iter().position(|x| !x.is_finite()) {
            return Err(Error::NonFinite(format!(
                "the network's output ({LOGITS}) for a test image is {} at class {c}: the weights are damaged or diverged",
                logits[c]
            )));
        }
        // Of equal logits the first counts as larger, as argmax has it.
        let larger = |a: usize, b: usize| logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
        let said = (1..logits.len()).fold(0, |most, c| if larger(c, most) { c } else { most });
        let rank = (0..logits.len()).filter(|&c| larger(c, label)).count();
        self.confusion[label][said] += 1;
        self.top5 += (rank < 5) as u64;
        let largest = logits[said] as f64;
        let sum: f64 = logits.iter().map(|&x| (x as f64 - largest).exp()).sum();
        self.loss += sum.ln() + largest - logits[label] as f64;
        Ok(())
    }

    pub(super) fn finish(self, names: &[String]) -> Evaluation {
        let images: u64 = self.confusion.iter().flatten().sum();
        let right: u64 = (0..names.len()).map(|c| self.confusion[c][c]).sum();
        let share = |a: u64, b: u64| a as f64 / b.max(1) as f64;
        let classes: Vec<ClassResult> = names
            .iter()
            .enumerate()
            .map(|(c, name)| {
                let of: u64 = self.confusion[c].iter().sum();
                let said: u64 = self.confusion.iter().map(|row| row[c]).sum();
                let right = self.confusion[c][c];
                ClassResult {
                    name: name.clone(),
                    images: of,
                    recall: (of > 0).then(|| share(right, of)),
                    precision: (said > 0).then(|| share(right, said)),
                    f1: (of + said > 0).then(|| share(2 * right, of + said)),
                }
            })
            .collect();
        let mean = |of: fn(&ClassResult) -> Option<f64>| {
            let known: Vec<f64> = classes.iter().filter_map(of).collect();
            known.iter().sum::<f64>() / known.len().max(1) as f64
        };
        Evaluation {
            images: images as usize,
            accuracy: share(right, images),
            top5: share(self.top5, images),
            loss: self.loss / images.max(1) as f64,
            balanced_accuracy: mean(|c| c.recall),
            macro_f1: mean(|c| c.f1),
            classes,
            confusion: self.confusion,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_by_hand() {
        let mut t = Tally::new(2);
        // Right, wrong, and a tie that the first class wins.
        t.add(&[0.0, 1.0], 1).unwrap();
        t.add(&[2.0, 1.0], 1).unwrap();
        t.add(&[1.0, 1.0], 0).unwrap();
        let e = t.finish(&["a".into(), "b".into()]);
        assert_eq!(e.confusion, [[1, 0], [1, 1]]);
        assert_eq!((e.images, e.accuracy, e.top5), (3, 2.0 / 3.0, 1.0));
        assert_eq!((e.classes[1].recall, e.classes[0].precision), (Some(0.5), Some(0.5)));
        // ln(1 + e^-1), ln(1 + e), ln 2
        let loss = ((1.0 + (-1f64).exp()).ln() + (1.0 + 1f64.exp()).ln() + 2f64.ln()) / 3.0;
        assert!((e.loss - loss).abs() < 1e-12);
    }

    /// scikit-learn 1.7 on the same labels: `balanced_accuracy_score` and `f1_score(average="macro")`, which leave out the class
    /// that no image is of and none was taken for; and F1 by class.
    #[test]
    fn imbalanced_classes_count_alike() {
        let mut t = Tally::new(4);
        let said = |class: usize| (0..4).map(|c| (c == class) as u32 as f32).collect::<Vec<_>>();
        for (is, taken) in [(0, 0), (0, 0), (0, 0), (0, 0), (0, 1), (1, 1), (1, 0), (2, 0)] {
            t.add(&said(taken), is).unwrap();
        }
        let e = t.finish(&["a", "b", "c", "d"].map(String::from));
        assert_eq!((e.accuracy, e.classes[3].recall, e.classes[3].f1), (0.625, None, None));
        assert!((e.balanced_accuracy - (0.8 + 0.5 + 0.0) / 3.0).abs() < 1e-15, "{}", e.balanced_accuracy);
        let f1 = [8.0 / 11.0, 0.5, 0.0];
        assert!((e.macro_f1 - f1.iter().sum::<f64>() / 3.0).abs() < 1e-15, "{}", e.macro_f1);
        assert_eq!((e.classes[0].f1, e.classes[2].f1, e.classes[2].precision), (Some(8.0 / 11.0), Some(0.0), None));
    }

    #[test]
    fn the_five_most_likely_count() {
        let mut t = Tally::new(7);
        t.add(&[7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0], 4).unwrap();
        t.add(&[7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0], 5).unwrap();
        let names: Vec<String> = (0..7).map(|c| c.to_string()).collect();
        let e = t.finish(&names);
        assert_eq!((e.accuracy, e.top5), (0.0, 0.5));
    }

    #[test]
    fn an_output_that_is_not_finite_is_an_error() {
        assert!(Tally::new(2).add(&[0.0, f32::NAN], 0).unwrap_err().to_string().contains("NaN at class 1"));
    }
}
