//! Runs a packed model on a CPU, one image at a time. What does not depend on the image is done once, when it is loaded
//! (`plan.rs`).

use super::net::Net;
use super::ops::{Op, Sums};
use super::plan::Planner;
use super::pointwise::{Chain, Slots, Thresholds};
use super::pool::Pool;
use super::value::Meta;
use crate::error::{Error, Result};
use crate::kernels::Isa;
use crate::kernels::dense::Dense;
use crate::kernels::lines::Lines;
use crate::kernels::xnor::panel::{Padded, Panel};
use std::ops::Range;
use std::time::{Duration, Instant};

/// A packed model, ready to run.
pub struct Runtime {
    input: [usize; 3],
    background: u8,
    classes: Vec<String>,
    works: Vec<Work>,
    /// Memory of the values.
    slots: Vec<Lines<u32>>,
    output: (usize, usize),
    pool: Pool,
}

/// One thing after another.
pub(super) enum Work {
    Chain(Chain),
    Thresholds(Thresholds),
    Binary {
        panel: Box<Panel>,
        padded: Padded,
        from: usize,
        to: usize,
        words: usize,
        pixels: usize,
        row: usize,
    },
    Sets {
        panel: Box<Panel>,
        padded: Padded,
        sums: Box<Sums>,
        of_pixels: Vec<i32>,
        from: usize,
        to: usize,
        words: usize,
        pixels: usize,
        o: usize,
    },
    Dense {
        dense: Box<Dense>,
        padded: Option<Lines<f32>>,
        from: usize,
        to: usize,
        floats: usize,
        pixels: usize,
        o: usize,
    },
    /// A convolution and what follows it pixel by pixel, on a few pixels at a time: they are still in the nearest cache then.
    Joined(Box<Work>, Box<Work>),
    Plain {
        op: Op,
        isa: Isa,
        inputs: Vec<(usize, Meta)>,
        to: usize,
        made: Meta,
    },
}

impl Runtime {
    /// Of a network, on `threads` threads, by the instruction set that [`Isa::chosen`] gives.
    ///
    /// # Errors
    /// If the network does not fit together, or `ONEBIT_ISA` names what this machine lacks.
    pub fn new(net: &Net, threads: usize) -> Result<Runtime> {
        Runtime::with_isa(net, threads, Isa::chosen()?)
    }

    /// As [`Runtime::new`], by an instruction set of [`Isa::all`].
    pub fn with_isa(net: &Net, threads: usize, isa: Isa) -> Result<Runtime> {
        let metas = net.infer()?;
        let (works, sizes, last) = Planner::new(net, &metas, isa).works();
        Ok(Runtime {
            input: net.input,
            background: net.background,
            classes: net.classes.clone(),
            works,
            slots: sizes.into_iter().map(Lines::zeros).collect(),
            output: (last, metas[metas.len() - 1].len()),
            pool: Pool::new(threads),
        })
    }

    /// Reads a packed model from a file.
    ///
    /// # Errors
    /// As [`super::file::load`].
    pub fn load(path: &std::path::Path, threads: usize) -> Result<Runtime> {
        Runtime::new(&super::file::load(path)?, threads)
    }

    /// Reads a model of masks and the base that they are on.
    ///
    /// # Errors
    /// As [`super::masked::load`].
    pub fn load_masked(path: &std::path::Path, base: &std::path::Path, threads: usize) -> Result<Runtime> {
        Runtime::new(&super::masked::load(path, base)?, threads)
    }

    /// Rows, columns and channels of the images that it takes.
    pub fn input(&self) -> [usize; 3] {
        self.input
    }

    /// The level, 255 or 0, that transparent pixels of pictures are laid on before they become its images.
    pub fn background(&self) -> u8 {
        self.background
    }

    /// Names of the classes, or none.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Numbers that it gives for an image.
    pub fn outputs(&self) -> usize {
        self.output.1
    }

    /// Bytes that values take.
    pub fn memory(&self) -> usize {
        self.slots.iter().map(|slot| 4 * slot.len()).sum()
    }

    /// The outputs for an image: bytes in the order of rows, columns and channels.
    ///
    /// # Errors
    /// If the image has another number of bytes.
    pub fn run(&mut self, image: &[u8]) -> Result<&[f32]> {
        let wanted: usize = self.input.iter().product();
        if image.len() != wanted {
            let [h, w, c] = self.input;
            return Err(Error::Config(format!(
                "an image of {} bytes; this model takes {h}x{w}x{c} = {wanted}",
                image.len()
            )));
        }
        self.each_work(|work, slots, pool| work.run(image, slots, pool));
        Ok(bytemuck::cast_slice(&self.slots[self.output.0][..self.output.1]))
    }

    /// How long each of the works takes that the network was made into, in their order, with what they are.
    ///
    /// # Errors
    /// As [`Runtime::run`].
    pub fn times(&mut self, image: &[u8]) -> Result<Vec<(&'static str, Duration)>> {
        self.run(image)?;
        let mut times = Vec::new();
        self.each_work(|work, slots, pool| {
            let start = Instant::now();
            work.run(image, slots, pool);
            times.push((work.name(), start.elapsed()));
        });
        Ok(times)
    }

    fn each_work(&mut self, mut f: impl FnMut(&mut Work, Slots<'_>, &mut Pool)) {
        let pointers: Vec<*mut u32> = self.slots.iter_mut().map(|s| s.as_mut_ptr()).collect();
        let lengths: Vec<usize> = self.slots.iter().map(|slot| slot.len()).collect();
        let slots = Slots::new(&pointers, &lengths);
        self.works.iter_mut().for_each(|work| f(work, slots, &mut self.pool));
    }

    /// The classes by probability (the softmax of the outputs), the likeliest first.
    ///
    /// # Errors
    /// As [`Runtime::run`].
    pub fn classify(&mut self, image: &[u8]) -> Result<Vec<(usize, f32)>> {
        Ok(by_probability(self.run(image)?))
    }
}

/// Classes and their probabilities (the softmax of the outputs), the likeliest first.
pub fn by_probability(outputs: &[f32]) -> Vec<(usize, f32)> {
    let largest = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max) as f64;
    let sum: f64 = outputs.iter().map(|y| (*y as f64 - largest).exp()).sum();
    let mut all: Vec<(usize, f32)> =
        outputs.iter().map(|y| ((*y as f64 - largest).exp() / sum) as f32).enumerate().collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all
}

/// Pixels that joined works take at a time: 16 KiB of 64 floats each.
const TOGETHER: usize = 64;

impl Work {
    fn name(&self) -> &'static str {
        match self {
            Work::Chain(_) => "pointwise",
            Work::Thresholds(_) => "threshold",
            Work::Binary { .. } => "binary conv",
            Work::Sets { .. } => "binary set conv",
            Work::Dense { .. } => "conv",
            Work::Joined(first, then) => match (&**first, &**then) {
                (Work::Binary { .. }, Work::Thresholds(_)) => "binary conv + threshold",
                (Work::Binary { .. }, _) => "binary conv + pointwise",
                (Work::Sets { .. }, _) => "binary set conv + pointwise",
                _ => "conv + pointwise",
            },
            Work::Plain { op, .. } => op.name(),
        }
    }

    fn run(&mut self, image: &[u8], slots: Slots<'_>, pool: &mut Pool) {
        self.prepare(slots);
        let (pixels, grain) = self.pixels();
        pool.parts(pixels, grain, |part| self.pixels_of(image, slots, part));
    }

    /// Pixels that it makes, and of how many at least a part may be.
    fn pixels(&self) -> (usize, usize) {
        match self {
            Work::Chain(chain) => (chain.pixels, 1),
            Work::Thresholds(t) => (t.pixels, 1),
            Work::Binary { pixels, .. } | Work::Sets { pixels, .. } => (*pixels, Panel::TILE),
            Work::Dense { pixels, .. } => (*pixels, Dense::TILE),
            Work::Joined(first, _) => first.pixels(),
            // One part where the numbers of a pixel are of all others.
            Work::Plain { op, made, .. } => match op.runs().by_pixels() {
                true => (made.pixels(), made.shape[1]),
                false => (made.pixels(), made.pixels()),
            },
        }
    }

    /// What all pixels need of each other, before the first.
    fn prepare(&mut self, slots: Slots<'_>) {
        match self {
            Work::Binary { panel, padded, from, words, .. } => panel.fill(slots.read(*from, 0..*words), padded),
            Work::Sets { panel, padded, sums, of_pixels, from, words, .. } => {
                let bits = slots.read(*from, 0..*words);
                panel.fill(bits, padded);
                sums.of_pixels(bits, of_pixels);
            }
            Work::Dense { dense, padded: Some(padded), from, floats, .. } => {
                dense.grid().fill(bytemuck::cast_slice(slots.read(*from, 0..*floats)), padded);
            }
            Work::Joined(first, _) => first.prepare(slots),
            Work::Chain(_) | Work::Thresholds(_) | Work::Dense { .. } | Work::Plain { .. } => {}
        }
    }

    /// Makes some pixels, which nobody else makes.
    fn pixels_of(&self, image: &[u8], slots: Slots<'_>, part: Range<usize>) {
        match self {
            Work::Chain(chain) => chain.run(image, slots, part),
            Work::Thresholds(t) => t.run(slots, part),
            Work::Binary { panel, padded, to, row, .. } => {
                // SAFETY: these pixels are this thread's, and nothing reads the slot.
                let y = unsafe { slots.write(*to, part.start * row..part.end * row) };
                panel.rows(padded, bytemuck::cast_slice_mut(y), part);
            }
            Work::Sets { panel, padded, sums, of_pixels, to, o, .. } => {
                // SAFETY: as above.
                let y: &mut [f32] = bytemuck::cast_slice_mut(unsafe { slots.write(*to, part.start * o..part.end * o) });
                let row = o.next_multiple_of(2);
                let mut products = vec![0u16; row * part.len()];
                panel.rows(padded, &mut products, part.clone());
                let products: &[i16] = bytemuck::cast_slice(&products);
                let each = y.chunks_exact_mut(*o).zip(products.chunks_exact(row)).zip(part);
                each.for_each(|((y, products), pixel)| sums.finish(of_pixels, pixel, &products[..*o], y));
            }
            Work::Dense { dense, padded, from, to, floats, o, .. } => {
                let x = match padded {
                    Some(padded) => padded,
                    None => bytemuck::cast_slice(slots.read(*from, 0..*floats)),
                };
                // SAFETY: as above.
                let y = unsafe { slots.write(*to, part.start * o..part.end * o) };
                dense.rows(x, bytemuck::cast_slice_mut(y), part);
            }
            Work::Joined(first, then) => {
                let (_, grain) = first.pixels();
                for start in part.clone().step_by(TOGETHER.next_multiple_of(grain)) {
                    let some = start..part.end.min(start + TOGETHER.next_multiple_of(grain));
                    first.pixels_of(image, slots, some.clone());
                    then.pixels_of(image, slots, some);
                }
            }
            Work::Plain { op, isa, inputs, to, made } => {
                let x: Vec<&[f32]> = inputs
                    .iter()
                    .map(|(slot, meta)| bytemuck::cast_slice(slots.read(*slot, 0..meta.words())))
                    .collect();
                let from: Vec<Meta> = inputs.iter().map(|(_, meta)| *meta).collect();
                let channels = made.shape[2];
                // SAFETY: these pixels are this thread's, and no slot of an input is written to.
                let y = unsafe { slots.write(*to, part.start * channels..part.end * channels) };
                op.runs().run(*isa, &x, &from, bytemuck::cast_slice_mut(y), part, *made);
            }
        }
    }

    /// Whether `next` may run on each few pixels as soon as they are made: it reads no others of what is made here, and what
    /// it writes is not where this still reads.
    fn may_be_joined(&self, next: &Work) -> bool {
        let (Work::Binary { to, .. } | Work::Sets { to, .. } | Work::Dense { to, .. }) = self else { return false };
        // A copy is read, but for windows of one pixel.
        let read = match self {
            Work::Dense { from, padded: None, .. } => Some(*from),
            _ => None,
        };
        let follows = match next {
            Work::Chain(chain) => {
                chain.reads(*to) && !chain.reads_all(*to) && read.is_none_or(|from| !chain.writes(from))
            }
            Work::Thresholds(t) => t.from == *to && read != Some(t.to),
            _ => false,
        };
        follows && self.pixels().0 == next.pixels().0
    }
}

/// Joins neighbours that may be.
pub(super) fn joined(works: Vec<Work>) -> Vec<Work> {
    let mut joined: Vec<Work> = Vec::with_capacity(works.len());
    for work in works {
        match joined.pop_if(|last| last.may_be_joined(&work)) {
            Some(last) => joined.push(Work::Joined(Box::new(last), Box::new(work))),
            None => joined.push(work),
        }
    }
    joined
}
