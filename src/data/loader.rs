//! Makes batches in a thread of its own, ahead of the device.

use super::augment::{self, Place, Sampler};
use super::batch::{Batch, BatchPlan, row_bytes, write_row};
use super::images::{Encoded, Images};
use super::{AugmentSpec, Dataset};
use crate::error::{Error, Result};
use crate::tensor::columns::COUNT;
use crate::tensor::{DType, HostTensor};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
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
    /// With `drop_last`: how many batches make a step together, so that an epoch has whole steps only; at least 1.
    pub together: usize,
    /// One entry for each augmented view of an image; each gets its own parameters in [`Batch::augment`]. None for
    /// plain images.
    pub views: Vec<AugmentSpec>,
}

impl LoaderOptions {
    /// For training: shuffled, whole batches only, one view.
    pub fn train(batch: usize, seed: u64, augment: AugmentSpec) -> Self {
        LoaderOptions { batch, seed, shuffle: true, drop_last: true, together: 1, views: vec![augment] }
    }

    /// For evaluation: in order, every image once, not augmented.
    pub fn eval(batch: usize) -> Self {
        LoaderOptions { batch, seed: 0, shuffle: false, drop_last: false, together: 1, views: Vec::new() }
    }
}

/// Batches that are ready for the device.
const AHEAD: usize = 2;

/// Batches that are in memory at once: one being used, those that are ready, one in the making.
pub const BATCHES_AT_ONCE: usize = AHEAD + 2;

/// Reads a set batch by batch. Every batch is a function of (seed, epoch, step); nothing depends on what was read
/// before or on threads.
#[derive(Clone, Debug)]
pub struct Loader {
    dataset: Arc<Dataset>,
    plan: BatchPlan,
    /// The first batch that is read ahead, and how many are gone on by: others are read elsewhere.
    share: (usize, usize),
    views: Vec<Sampler>,
    /// Decodes image files, beside the threads that compute. `None` for images that are decoded.
    decoders: Option<Arc<ThreadPool>>,
}

impl Loader {
    /// A reader of `dataset`.
    ///
    /// # Errors
    /// [`Error::Config`] if the set is empty, the batch is 0 or larger than a set of which only whole batches are
    /// taken, or an augmentation makes no sense.
    pub fn new(dataset: Arc<Dataset>, options: LoaderOptions) -> Result<Loader> {
        let LoaderOptions { batch, seed, shuffle, drop_last, together, views } = options;
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
                 {len} (--set batch={len})"
            ));
        }
        if together == 0 {
            return fail("0 batches a step: give at least 1".into());
        }
        if drop_last && together > len / batch {
            return fail(format!(
                "{together} batches of {batch} images are more than the {len} of {name}, so there is no whole step: give at most {} \
                 (--set accumulate={})",
                len / batch,
                len / batch
            ));
        }
        views.iter().try_for_each(|spec| spec.validate(dataset.c))?;
        let decoders = match &dataset.images {
            Images::Decoded(_) => None,
            Images::Encoded(_) => {
                let pool = ThreadPoolBuilder::new().thread_name(|i| format!("decode {i}")).build();
                let fail = |e| Error::Config(format!("{name}: cannot start the threads that decode images: {e}"));
                Some(Arc::new(pool.map_err(fail)?))
            }
        };
        let views = views.iter().zip(0..).map(|(spec, view)| Sampler::new(spec, seed, view)).collect();
        let plan = BatchPlan { len, batch, seed, shuffle, drop_last, together };
        Ok(Loader { plan, share: (0, 1), dataset, views, decoders })
    }

    /// The same, of which [`Loader::start_at`] and [`Loader::epoch`] read one batch in `of` alone: those whose number in the epoch
    /// leaves `first` when divided by that.
    ///
    /// # Panics
    /// If `first` is not less than `of`.
    pub fn sharing(self, first: usize, of: usize) -> Loader {
        assert!(first < of, "share {first} of {of}");
        Loader { share: (first, of), ..self }
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
    /// # Errors
    /// If an image of it cannot be read.
    ///
    /// # Panics
    /// If the epoch has no such step.
    pub fn batch(&self, epoch: u64, step: usize) -> Result<Batch> {
        assert!(step < self.steps(), "step {step} of an epoch of {}", self.steps());
        let mut batch = self.blank();
        self.fill(&mut batch, &self.plan.order(epoch), epoch, step)?;
        Ok(batch)
    }

    /// A batch without its images: labels, and which of it counts.
    ///
    /// # Panics
    /// If the epoch has no such step.
    pub fn outline(&self, epoch: u64, step: usize) -> Batch {
        assert!(step < self.steps(), "step {step} of an epoch of {}", self.steps());
        let (indices, valid) = self.plan.indices(&self.plan.order(epoch), step);
        let labels = self.dataset.labels.as_ref().map(|labels| {
            let of_batch = indices.iter().map(|i| labels[*i as usize]).collect();
            HostTensor::from_u32([indices.len()], of_batch)
        });
        Batch { epoch, step, images: Vec::new(), labels, indices, valid, augment: Vec::new() }
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
    fn produce(
        &self,
        epoch: u64,
        mut step: usize,
        last_epoch: u64,
        full: &SyncSender<Result<Batch>>,
        empty: &Receiver<Batch>,
    ) {
        for epoch in epoch..=last_epoch {
            let order = self.plan.order(epoch);
            let (first, of) = self.share;
            for step in (std::mem::take(&mut step)..self.steps()).filter(|step| step % of == first) {
                let mut batch = empty.try_recv().unwrap_or_else(|_| self.blank());
                let filled = self.fill(&mut batch, &order, epoch, step);
                let failed = filled.is_err();
                if full.send(filled.map(|()| batch)).is_err() || failed {
                    return;
                }
            }
        }
    }

    fn blank(&self) -> Batch {
        let (n, d) = (self.plan.batch, &self.dataset);
        let bytes = |[h, w]: [usize; 2]| HostTensor::zeros([n, h * w * d.c], DType::U8);
        Batch {
            epoch: 0,
            step: 0,
            images: match d.crops_originals() && !self.views.is_empty() {
                true => self.views.iter().map(|view| bytes(view.spec().output_size(d.h, d.w))).collect(),
                false => vec![bytes([d.h, d.w])],
            },
            labels: d.labels.as_ref().map(|_| HostTensor::zeros([n], DType::U32)),
            indices: Vec::new(),
            valid: 0,
            augment: self.views.iter().map(|_| HostTensor::zeros([n, COUNT], DType::F32)).collect(),
        }
    }

    fn fill(&self, batch: &mut Batch, order: &[u32], epoch: u64, step: usize) -> Result<()> {
        (batch.indices, batch.valid) = self.plan.indices(order, step);
        (batch.epoch, batch.step) = (epoch, step);
        let d = &self.dataset;
        let first = (step * self.plan.batch) as u64;
        for (view, out) in self.views.iter().zip(&mut batch.augment) {
            view.batch(epoch, first, [d.h, d.w], out.f32s_mut());
        }
        match &d.images {
            Images::Decoded(pixels) => {
                for (row, &i) in batch.indices.iter().enumerate() {
                    let bytes = d.image_bytes();
                    write_row(&mut batch.images[0], row, &pixels[i as usize * bytes..][..bytes]);
                }
            }
            Images::Encoded(files) => self.decode(files, batch, first)?,
        }
        if let (Some(out), Some(labels)) = (&mut batch.labels, &d.labels) {
            out.words_mut().iter_mut().zip(&batch.indices).for_each(|(o, &i)| *o = labels[i as usize]);
        }
        Ok(())
    }

    /// Decodes the images of a batch, all at once, into its rows; `first` is the number of the first one in the epoch.
    fn decode(&self, files: &Encoded, batch: &mut Batch, first: u64) -> Result<()> {
        let (d, epoch) = (&self.dataset, batch.epoch);
        let cropped = files.crops() && !self.views.is_empty();
        let row = |index| Row { index, pixels: Vec::new(), parameters: Vec::new() };
        let mut rows: Vec<Row<'_>> = batch.indices.iter_mut().map(row).collect();
        for tensor in &mut batch.images {
            let words = DType::U8.row_words(tensor.shape()[1]);
            rows.iter_mut().zip(tensor.words_mut().chunks_exact_mut(words)).for_each(|(row, p)| row.pixels.push(p));
        }
        for tensor in &mut batch.augment {
            rows.iter_mut().zip(tensor.f32s_mut().chunks_exact_mut(COUNT)).for_each(|(row, p)| row.parameters.push(p));
        }
        let one = |(at, Row { index, pixels, parameters }): (usize, Row<'_>)| {
            let (found, original) = match self.plan.drop_last {
                true => files.original(*index as usize)?,
                // A test counts each image once.
                false => (*index as usize, files.exactly(*index as usize)?),
            };
            *index = found as u32;
            if !cropped {
                return pixels.into_iter().try_for_each(|out| files.cover_into(found, &original, [d.h, d.w], out));
            }
            for (view, (out, row)) in self.views.iter().zip(pixels.into_iter().zip(parameters)) {
                let size = view.spec().output_size(d.h, d.w);
                if view.spec().random_resized_crop.is_none() {
                    files.cover_into(found, &original, size, out)?;
                    continue;
                }
                let place = Place { epoch, number: first + at as u64, batch: first };
                view.row(place, [original.h, original.w], size, row);
                let crop = augment::take_crop(row, size);
                original.crop_into(crop, size, &mut row_bytes(out)[..size[0] * size[1] * original.c]);
            }
            Ok(())
        };
        let decoders = self.decoders.as_ref().expect("image files have threads that decode them");
        // Collected, so that of several bad files the first one is named, every time.
        let done: Vec<Result<()>> = decoders.install(|| rows.into_par_iter().enumerate().map(one).collect());
        done.into_iter().collect()
    }
}

/// What belongs to one image of a batch: a row of each view's pixels and of its parameters.
struct Row<'a> {
    index: &'a mut u32,
    pixels: Vec<&'a mut [u32]>,
    parameters: Vec<&'a mut [f32]>,
}

/// Batches from a background thread, in order; after an error no more. Dropping it ends the thread.
pub struct Batches {
    full: Option<Receiver<Result<Batch>>>,
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
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
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
            images: (0..n * 27).map(|i| (i / 27) as u8).collect::<Vec<u8>>().into(),
            h: 3,
            w: 3,
            c: 3,
            labels: Some((0..n as u32).map(|i| i % 3).collect()),
            classes: ["a", "b", "c"].map(String::from).to_vec(),
            origins: None,
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
            let batch = from_start.next().unwrap().unwrap();
            assert_eq!((batch.epoch, batch.step), (k / 5, (k % 5) as usize));
            assert_eq!(batch, loader.batch(k / 5, (k % 5) as usize).unwrap());
            all.push(batch.clone());
            from_start.recycle(batch);
        }
        for (start, (epoch, step)) in [(3, (0, 3)), (5, (1, 0)), (7, (1, 2)), (5, (0, 5))] {
            let resumed: Vec<Batch> = loader.start_at(epoch, step).take(12 - start).collect::<Result<_>>().unwrap();
            assert_eq!(resumed, all[start..]);
        }
        assert_ne!(all[0].indices, all[5].indices);
    }

    #[test]
    fn shares_are_all_batches_once() {
        let loader = train();
        for share in 0..2 {
            let own = loader.clone().sharing(share, 2);
            let steps: Vec<usize> = own.epoch(0).map(|b| b.unwrap().step).collect();
            assert_eq!(steps, (0..5).filter(|s| s % 2 == share).collect::<Vec<_>>());
            let batch = own.start_at(1, 2 + share).next().unwrap().unwrap();
            assert_eq!(batch, loader.batch(1, 2 + share).unwrap());
        }
        let (whole, outline) = (loader.batch(1, 3).unwrap(), loader.outline(1, 3));
        assert_eq!((whole.labels, whole.indices, whole.valid), (outline.labels, outline.indices, outline.valid));
    }

    #[test]
    fn rows_are_the_images_and_labels_of_the_indices() {
        let batch = train().batch(2, 1).unwrap();
        let pixels = batch.images[0].to_f64();
        for (row, &i) in batch.indices.iter().enumerate() {
            assert!(pixels[row * 27..][..27].iter().all(|&p| p == i as f64));
            assert_eq!(batch.labels.as_ref().unwrap().words()[row], i % 3);
        }
        assert_eq!(batch.images[0].shape()[..], [4, 27]);
        // Views draw from streams of their own.
        let flips: Vec<&[f32]> = batch.augment.iter().map(HostTensor::f32s).collect();
        assert_eq!(flips.len(), 2);
        let different = (0..5).any(|s| {
            let b = train().batch(0, s).unwrap();
            b.augment[0] != b.augment[1]
        });
        assert!(different);
    }

    #[test]
    fn evaluation_reads_in_order_and_counts_what_is_valid() {
        let loader = Loader::new(set(10), LoaderOptions::eval(4)).unwrap();
        let batches: Vec<Batch> = loader.epoch(0).collect::<Result<_>>().unwrap();
        let valid: Vec<usize> = batches.iter().map(|b| b.valid).collect();
        assert_eq!(valid, [4, 4, 2]);
        assert_eq!(batches[2].indices, [8, 9, 0, 1]);
        assert_eq!(batches[2].images[0].shape()[..], [4, 27]);
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
        let batch = Loader::new(unlabelled, LoaderOptions::eval(5)).unwrap().batch(0, 0).unwrap();
        assert!(batch.labels.is_none());
    }
}
