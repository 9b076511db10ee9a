//! Makes batches in a thread of its own, ahead of the device.

use super::batch::{Batch, BatchPlan, write_row};
use super::{AugmentSpec, Dataset, augment};
use crate::error::{Error, Result};
use crate::rng::{Philox, streams};
use crate::tensor::{DType, HostTensor};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::JoinHandle;

/// How a set is read.
#[derive(Clone, PartialEq, Debug)]
pub struct LoaderOptions {
    /// Images in a batch.
    pub batch: usize,
    /// Decides the order and the augmentation.
    pub seed: u64,
    /// Whether each epoch has an order of its own.
    pub shuffle: bool,
    /// Whether an incomplete last batch is left out; else it is filled up, see [`Batch::valid`].
    pub drop_last: bool,
    /// One entry for each augmented view of an image; each gets its own parameters in [`Batch::augment`]. None for
    /// plain images.
    pub views: Vec<AugmentSpec>,
}

impl LoaderOptions {
    /// For training: shuffled, whole batches only, one view.
    pub fn train(batch: usize, seed: u64, augment: AugmentSpec) -> Self {
        LoaderOptions { batch, seed, shuffle: true, drop_last: true, views: vec![augment] }
    }

    /// For evaluation: in order, every image once, not augmented.
    pub fn eval(batch: usize) -> Self {
        LoaderOptions { batch, seed: 0, shuffle: false, drop_last: false, views: Vec::new() }
    }
}

/// Batches that wait for the device: one being used, two ready, one in the making.
const AHEAD: usize = 2;

/// Reads a set batch by batch. Every batch is a function of (seed, epoch, step); nothing depends on what was read
/// before or on threads.
#[derive(Clone, Debug)]
pub struct Loader {
    dataset: Arc<Dataset>,
    plan: BatchPlan,
    views: Vec<AugmentSpec>,
}

impl Loader {
    /// A reader of `dataset`.
    ///
    /// # Errors
    /// [`Error::Config`] if the set is empty, the batch is 0 or larger than a set of which only whole batches are
    /// taken, or an augmentation makes no sense.
    pub fn new(dataset: Arc<Dataset>, options: LoaderOptions) -> Result<Loader> {
        let LoaderOptions { batch, seed, shuffle, drop_last, views } = options;
        let (name, len) = (&dataset.name, dataset.len());
        let fail = |message: String| Err(Error::Config(message));
        if len == 0 {
            return fail(format!("{name}: there are no images to make batches of"));
        }
        if u32::try_from(len).is_err() {
            return fail(format!("{name}: {len} images are more than the 4294967295 that can be numbered"));
        }
        if batch == 0 {
            return fail("batch size 0: give at least 1".into());
        }
        if drop_last && batch > len {
            return fail(format!(
                "batch size {batch} is larger than the {len} images of {name}, so there is no whole batch: give at most \
                 {len}"
            ));
        }
        views.iter().try_for_each(|spec| spec.validate(dataset.c))?;
        Ok(Loader { plan: BatchPlan { len, batch, seed, shuffle, drop_last }, dataset, views })
    }

    /// The set that is read.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// Order and sizes.
    pub fn plan(&self) -> &BatchPlan {
        &self.plan
    }

    /// Batches in an epoch.
    pub fn steps(&self) -> usize {
        self.plan.steps()
    }

    /// Makes one batch here and now. Orders the whole epoch for it: to read on, use [`Loader::start_at`].
    ///
    /// # Panics
    /// If the epoch has no such step.
    pub fn batch(&self, epoch: u64, step: usize) -> Batch {
        assert!(step < self.steps(), "step {step} of an epoch of {}", self.steps());
        let mut batch = self.blank();
        self.fill(&mut batch, &self.plan.order(epoch), epoch, step);
        batch
    }

    /// Batches from (`epoch`, `step`) on, epoch after epoch without end, made in a background thread.
    /// A `step` past the end of its epoch starts at the next one.
    pub fn start_at(&self, epoch: u64, step: usize) -> Batches {
        self.spawn(epoch, step, u64::MAX)
    }

    /// The batches of one epoch, made in a background thread.
    pub fn epoch(&self, epoch: u64) -> Batches {
        self.spawn(epoch, 0, epoch)
    }

    fn spawn(&self, epoch: u64, step: usize, last_epoch: u64) -> Batches {
        let (full_tx, full_rx) = mpsc::sync_channel(AHEAD);
        let (empty_tx, empty_rx) = mpsc::channel();
        let loader = self.clone();
        let thread = std::thread::Builder::new()
            .name("batches".into())
            .spawn(move || loader.produce(epoch, step, last_epoch, &full_tx, &empty_rx))
            .expect("the system can start a thread");
        Batches { full: Some(full_rx), empty: empty_tx, thread: Some(thread) }
    }

    /// Makes batches until nobody wants them.
    fn produce(&self, epoch: u64, mut step: usize, last_epoch: u64, full: &SyncSender<Batch>, empty: &Receiver<Batch>) {
        for epoch in epoch..=last_epoch {
            let order = self.plan.order(epoch);
            for step in std::mem::take(&mut step)..self.steps() {
                let mut batch = empty.try_recv().unwrap_or_else(|_| self.blank());
                self.fill(&mut batch, &order, epoch, step);
                if full.send(batch).is_err() {
                    return;
                }
            }
        }
    }

    fn blank(&self) -> Batch {
        let n = self.plan.batch;
        Batch {
            epoch: 0,
            step: 0,
            images: HostTensor::zeros([n, self.dataset.image_bytes()], DType::U8),
            labels: self.dataset.labels.as_ref().map(|_| HostTensor::zeros([n], DType::U32)),
            indices: Vec::new(),
            valid: 0,
            augment: self
                .views
                .iter()
                .map(|_| HostTensor::zeros([n, crate::tensor::columns::COUNT], DType::F32))
                .collect(),
        }
    }

    fn fill(&self, batch: &mut Batch, order: &[u32], epoch: u64, step: usize) {
        (batch.indices, batch.valid) = self.plan.indices(order, step);
        (batch.epoch, batch.step) = (epoch, step);
        for (row, &i) in batch.indices.iter().enumerate() {
            write_row(&mut batch.images, row, self.dataset.image(i as usize));
        }
        if let (Some(out), Some(labels)) = (&mut batch.labels, &self.dataset.labels) {
            out.words_mut().iter_mut().zip(&batch.indices).for_each(|(o, &i)| *o = labels[i as usize]);
        }
        let first = (step * self.plan.batch) as u64;
        for (v, (spec, out)) in self.views.iter().zip(&mut batch.augment).enumerate() {
            let rng = Philox::new(self.plan.seed, streams::AUGMENT + v as u64);
            augment::sample_into(spec, &rng, epoch, first, self.dataset.h, self.dataset.w, out.f32s_mut());
        }
    }
}

/// Batches from a background thread, in order. Dropping it ends the thread.
pub struct Batches {
    full: Option<Receiver<Batch>>,
    empty: Sender<Batch>,
    thread: Option<JoinHandle<()>>,
}

impl Batches {
    /// Gives a used batch back, so that its memory is used again.
    pub fn recycle(&self, batch: Batch) {
        // The thread may have ended, after the last batch: then the memory is simply freed.
        let _ = self.empty.send(batch);
    }
}

impl Iterator for Batches {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        if let Ok(batch) = self.full.as_ref()?.recv() {
            return Some(batch);
        }
        self.full = None;
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
        None
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        // First nobody listens any more, so that a thread that waits to hand over a batch wakes up.
        self.full = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(n: usize) -> Arc<Dataset> {
        Arc::new(Dataset {
            name: "tiny".into(),
            images: (0..n * 27).map(|i| (i / 27) as u8).collect(),
            h: 3,
            w: 3,
            c: 3,
            labels: Some((0..n as u32).map(|i| i % 3).collect()),
            classes: ["a", "b", "c"].map(String::from).to_vec(),
        })
    }

    fn train() -> Loader {
        let spec = AugmentSpec { flip: Some(augment::Flip::default()), ..Default::default() };
        let options = LoaderOptions { views: vec![spec; 2], ..LoaderOptions::train(4, 9, AugmentSpec::default()) };
        Loader::new(set(22), options).unwrap()
    }

    #[test]
    fn the_thread_makes_what_is_made_on_demand_from_any_start() {
        let loader = train();
        assert_eq!(loader.steps(), 5);
        let mut from_start = loader.start_at(0, 0);
        let mut all = Vec::new();
        for k in 0..12 {
            let batch = from_start.next().unwrap();
            assert_eq!((batch.epoch, batch.step), (k / 5, (k % 5) as usize));
            assert_eq!(batch, loader.batch(k / 5, (k % 5) as usize));
            all.push(batch.clone());
            from_start.recycle(batch);
        }
        for (start, (epoch, step)) in [(3, (0, 3)), (5, (1, 0)), (7, (1, 2)), (5, (0, 5))] {
            let resumed: Vec<Batch> = loader.start_at(epoch, step).take(12 - start).collect();
            assert_eq!(resumed, all[start..]);
        }
        assert_ne!(all[0].indices, all[5].indices);
    }

    #[test]
    fn rows_are_the_images_and_labels_of_the_indices() {
        let batch = train().batch(2, 1);
        let pixels = batch.images.to_f64();
        for (row, &i) in batch.indices.iter().enumerate() {
            assert!(pixels[row * 27..][..27].iter().all(|&p| p == i as f64));
            assert_eq!(batch.labels.as_ref().unwrap().words()[row], i % 3);
        }
        assert_eq!(batch.images.shape()[..], [4, 27]);
        // Views draw from streams of their own.
        let flips: Vec<&[f32]> = batch.augment.iter().map(HostTensor::f32s).collect();
        assert_eq!(flips.len(), 2);
        let different = (0..5).any(|s| {
            let b = train().batch(0, s);
            b.augment[0] != b.augment[1]
        });
        assert!(different);
    }

    #[test]
    fn evaluation_reads_in_order_and_counts_what_is_valid() {
        let loader = Loader::new(set(10), LoaderOptions::eval(4)).unwrap();
        let batches: Vec<Batch> = loader.epoch(0).collect();
        let valid: Vec<usize> = batches.iter().map(|b| b.valid).collect();
        assert_eq!(valid, [4, 4, 2]);
        assert_eq!(batches[2].indices, [8, 9, 0, 1]);
        assert_eq!(batches[2].images.shape()[..], [4, 27]);
        assert!(batches[0].augment.is_empty());
    }

    #[test]
    fn a_reader_that_stops_early_ends_the_thread() {
        let mut batches = train().start_at(0, 0);
        assert!(batches.next().is_some());
        // Returns only once the thread has ended.
        drop(batches);
        let mut done = train().epoch(3);
        assert_eq!(done.by_ref().count(), 5);
        assert!(done.next().is_none());
    }

    #[test]
    fn impossible_batches_are_refused() {
        let message = |set: Arc<Dataset>, options| Loader::new(set, options).unwrap_err().to_string();
        assert!(message(set(0), LoaderOptions::eval(4)).contains("no images"));
        assert!(message(set(3), LoaderOptions::eval(0)).contains("batch size 0"));
        let too_large = message(set(3), LoaderOptions::train(4, 0, AugmentSpec::default()));
        assert!(too_large.contains("4") && too_large.contains("give at most 3"), "{too_large}");
    }

    #[test]
    fn an_unlabelled_set_gives_no_labels() {
        let unlabelled = Arc::new(Dataset { labels: None, ..(*set(5)).clone() });
        let batch = Loader::new(unlabelled, LoaderOptions::eval(5)).unwrap().batch(0, 0);
        assert!(batch.labels.is_none());
    }
}
