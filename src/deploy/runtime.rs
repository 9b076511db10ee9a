//! Runs a packed model on a CPU, one image at a time. What does not depend on the image is done once, when it is loaded:
//! weights laid out for the vectors of the machine, memory shared by values that do not live at once, neighbouring
//! operations on single numbers joined.

use super::net::{Kind, Meta, Net, Op, Window};
use super::pointwise::{Chain, Slots, Source, Step, Thresholds};
use super::pool::Pool;
use crate::error::{Error, Result};
use crate::kernels::dense::Dense;
use crate::kernels::xnor::panel::{Isa, Padded, Panel};
use std::time::{Duration, Instant};

/// A packed model, ready to run.
pub struct Runtime {
    input: [usize; 3],
    classes: Vec<String>,
    works: Vec<Work>,
    /// Memory of the values.
    slots: Vec<Vec<u32>>,
    output: (usize, usize),
    pool: Pool,
}

/// One thing after another.
enum Work {
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
    Dense {
        dense: Box<Dense>,
        padded: Option<Vec<f32>>,
        from: usize,
        to: usize,
        floats: usize,
        pixels: usize,
        o: usize,
    },
    Plain {
        op: Op,
        inputs: Vec<(usize, Meta)>,
        to: usize,
        made: Meta,
    },
}

impl Runtime {
    /// Of a network, on `threads` threads, by the best instructions of this machine.
    ///
    /// # Errors
    /// If the network does not fit together.
    pub fn new(net: &Net, threads: usize) -> Result<Runtime> {
        Runtime::with_isa(net, threads, Isa::best())
    }

    /// As [`Runtime::new`], by chosen instructions for bits (one of [`Isa::all`]).
    pub fn with_isa(net: &Net, threads: usize, isa: Isa) -> Result<Runtime> {
        let metas = net.infer()?;
        let mut plan = Plan::new(net, &metas, isa);
        plan.works();
        let Plan { works, sizes, slot_of, .. } = plan;
        let last = metas.len() - 1;
        Ok(Runtime {
            input: net.input,
            classes: net.classes.clone(),
            works,
            slots: sizes.into_iter().map(|words| vec![0; words]).collect(),
            output: (slot_of[last].expect("the last value is stored"), metas[last].len()),
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
        self.slots.iter().map(|s| 4 * s.len()).sum()
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
        let lengths: Vec<usize> = self.slots.iter().map(Vec::len).collect();
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

impl Work {
    fn name(&self) -> &'static str {
        match self {
            Work::Chain(_) => "pointwise",
            Work::Thresholds(_) => "threshold",
            Work::Binary { .. } => "binary conv",
            Work::Dense { .. } => "conv",
            Work::Plain { op, .. } => op.name(),
        }
    }

    fn run(&mut self, image: &[u8], slots: Slots<'_>, pool: &mut Pool) {
        match self {
            Work::Chain(chain) => pool.parts(chain.pixels, 1, |part| chain.run(image, slots, part)),
            Work::Thresholds(t) => pool.parts(t.pixels, 1, |part| t.run(slots, part)),
            Work::Binary { panel, padded, from, to, words, pixels, row } => {
                panel.fill(slots.read(*from, 0..*words), padded);
                let (panel, padded, to, row) = (&**panel, &*padded, *to, *row);
                pool.parts(*pixels, 8, |part| {
                    // SAFETY: these pixels are this thread's, and nothing reads the slot.
                    let y = unsafe { slots.write(to, part.start * row..part.end * row) };
                    panel.rows(padded, bytemuck::cast_slice_mut(y), part);
                });
            }
            Work::Dense { dense, padded, from, to, floats, pixels, o } => {
                let x: &[f32] = bytemuck::cast_slice(slots.read(*from, 0..*floats));
                if let Some(padded) = padded {
                    dense.grid().fill(x, padded);
                }
                let (x, dense, to, o) = (padded.as_deref().unwrap_or(x), &**dense, *to, *o);
                pool.parts(*pixels, 6, |part| {
                    // SAFETY: as above.
                    let y = unsafe { slots.write(to, part.start * o..part.end * o) };
                    dense.rows(x, bytemuck::cast_slice_mut(y), part);
                });
            }
            Work::Plain { op, inputs, to, made } => {
                let x: Vec<&[f32]> =
                    inputs.iter().map(|(slot, meta)| bytemuck::cast_slice(slots.read(*slot, 0..meta.len()))).collect();
                let (op, from, [_, ow, oc]) = (&*op, inputs[0].1.shape, made.shape);
                if let Op::MaxPool(window) | Op::AvgPool(window) = op {
                    let (largest, to) = (matches!(op, Op::MaxPool(_)), *to);
                    return pool.parts(made.pixels(), ow, |part| {
                        // SAFETY: these pixels are this thread's.
                        let y = unsafe { slots.write(to, part.start * oc..part.end * oc) };
                        pooled(window, largest, x[0], from, (bytemuck::cast_slice_mut(y), part.start, ow));
                    });
                }
                // SAFETY: one thread, and no slot of an input is written to.
                let y: &mut [f32] = bytemuck::cast_slice_mut(unsafe { slots.write(*to, 0..made.len()) });
                plain(op, &x, from, y, made.shape);
            }
        }
    }
}

/// The largest or the mean of windows over pixels from number `first` on, rows of `ow` of them.
fn pooled(
    window: &Window,
    largest: bool,
    x: &[f32],
    [h, w, c]: [usize; 3],
    (y, first, ow): (&mut [f32], usize, usize),
) {
    let [kh, kw] = window.size;
    let inside =
        |out: usize, k: usize, size: usize| (out * window.stride + k).checked_sub(window.padding).filter(|i| *i < size);
    let share = 1.0 / (kh * kw) as f32;
    for (p, y) in y.chunks_exact_mut(c).enumerate() {
        let (oy, ox) = ((first + p) / ow, (first + p) % ow);
        y.fill(if largest { f32::NEG_INFINITY } else { 0.0 });
        for row in (0..kh).filter_map(|k| inside(oy, k, h)) {
            for column in (0..kw).filter_map(|k| inside(ox, k, w)) {
                let from = y.iter_mut().zip(&x[(row * w + column) * c..][..c]);
                match largest {
                    true => from.for_each(|(y, x)| *y = if *x > *y { *x } else { *y }),
                    false => from.for_each(|(y, x)| *y += x),
                }
            }
        }
        if !largest {
            y.iter_mut().for_each(|y| *y *= share);
        }
    }
}

/// Operations that take little time.
fn plain(op: &Op, x: &[&[f32]], [_, w, c]: [usize; 3], y: &mut [f32], [oh, ow, oc]: [usize; 3]) {
    let pixel = |row: usize, column: usize| &x[0][(row * w + column) * c..][..c];
    match op {
        Op::PixelSum => {
            y.fill(0.0);
            for from in x[0].chunks_exact(c) {
                y.iter_mut().zip(from).for_each(|(y, x)| *y += x);
            }
        }
        Op::Slice { start, step, .. } => {
            for (p, y) in y.chunks_exact_mut(c).enumerate() {
                y.copy_from_slice(pixel(start[0] + p / ow * step[0], start[1] + p % ow * step[1]));
            }
        }
        Op::PadChannels { before, .. } => {
            for (y, x) in y.chunks_exact_mut(oc).zip(x[0].chunks_exact(c)) {
                y.fill(0.0);
                y[*before..*before + c].copy_from_slice(x);
            }
        }
        Op::Concat => {
            for (p, y) in y.chunks_exact_mut(oc).enumerate() {
                let (a, b) = y.split_at_mut(c);
                a.copy_from_slice(&x[0][p * c..][..c]);
                b.copy_from_slice(&x[1][p * (oc - c)..][..oc - c]);
            }
        }
        Op::Standardise { eps } => {
            let n = (oh * ow * oc) as f64;
            let mean = x[0].iter().map(|x| *x as f64).sum::<f64>() / n;
            let variance = x[0].iter().map(|x| (*x as f64 - mean).powi(2)).sum::<f64>() / (n - 1.0);
            let factor = 1.0 / (variance + *eps as f64).sqrt();
            y.iter_mut().zip(x[0]).for_each(|(y, x)| *y = ((*x as f64 - mean) * factor) as f32);
        }
        other => unreachable!("{} is done elsewhere", other.name()),
    }
}

/// How a network becomes works.
struct Plan<'a> {
    net: &'a Net,
    metas: &'a [Meta],
    isa: Isa,
    /// Nodes that read each value.
    uses: Vec<Vec<usize>>,
    /// Reads of each value's memory that are still to come, by the value that owns it.
    left: Vec<usize>,
    /// The value whose memory a value is: another one's after flattening.
    owner: Vec<usize>,
    done: Vec<bool>,
    /// Slots of values, once they have one.
    slot_of: Vec<Option<usize>>,
    /// Words of each slot, and whether it is free.
    sizes: Vec<usize>,
    free: Vec<bool>,
    works: Vec<Work>,
}

impl<'a> Plan<'a> {
    fn new(net: &'a Net, metas: &'a [Meta], isa: Isa) -> Self {
        let n = metas.len();
        let mut uses = vec![Vec::new(); n];
        let mut owner: Vec<usize> = (0..n).collect();
        for (i, node) in net.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|v| uses[*v].push(i));
            if node.op == Op::Flatten {
                owner[i + 1] = owner[node.inputs[0]];
            }
        }
        let mut left = vec![0; n];
        for (v, uses) in uses.iter().enumerate() {
            left[owner[v]] += uses.iter().filter(|j| net.nodes[**j].op != Op::Flatten).count();
        }
        // The result is read by whoever asked.
        left[owner[n - 1]] += 1;
        let (done, slot_of) = (vec![false; net.nodes.len()], vec![None; n]);
        Plan { net, metas, isa, uses, left, owner, done, slot_of, sizes: vec![], free: vec![], works: vec![] }
    }

    /// A slot for a value: the smallest free one that is large enough, or else the largest free one, made larger.
    fn slot(&mut self, value: usize) -> usize {
        let Meta { shape: [.., c], kind } = self.metas[value];
        let pixels = self.metas[value].pixels();
        let words = pixels
            * match kind {
                Kind::Bytes | Kind::Float => c,
                Kind::Int => c.div_ceil(2),
                Kind::Bits => c.div_ceil(32),
            };
        let free = || (0..self.sizes.len()).filter(|s| self.free[*s]);
        let fits = free().filter(|s| self.sizes[*s] >= words).min_by_key(|s| self.sizes[*s]);
        let slot = match fits.or(free().max_by_key(|s| self.sizes[*s])) {
            Some(slot) => slot,
            None => {
                self.sizes.push(0);
                self.free.push(false);
                self.sizes.len() - 1
            }
        };
        self.sizes[slot] = self.sizes[slot].max(words);
        self.free[slot] = false;
        self.slot_of[value] = Some(slot);
        slot
    }

    /// The slot that a value lies in.
    fn at(&self, value: usize) -> usize {
        self.slot_of[self.owner[value]].expect("values are made before they are read")
    }

    /// Notes that a value was read; its memory is free after the last time.
    fn read(&mut self, value: usize) {
        let owner = self.owner[value];
        self.left[owner] -= 1;
        if self.left[owner] == 0
            && let Some(slot) = self.slot_of[owner]
        {
            self.free[slot] = true;
        }
    }

    fn works(&mut self) {
        for i in 0..self.net.nodes.len() {
            if self.done[i] {
                continue;
            }
            let node = &self.net.nodes[i];
            let (x, made) = (self.metas[node.inputs[0]], self.metas[i + 1]);
            match &node.op {
                Op::Flatten => {
                    self.done[i] = true;
                    self.slot_of[i + 1] = self.slot_of[self.owner[i + 1]];
                }
                Op::Affine { .. } | Op::Add | Op::Relu | Op::Hardtanh | Op::Prelu { .. } | Op::Sign | Op::Signed => {
                    self.chain(i);
                }
                Op::Threshold { at, down } => {
                    let (from, to) = (self.at(node.inputs[0]), self.slot(i + 1));
                    // `y <= t` is `-y >= -t`; sums are far from the end of the range.
                    let sign: Vec<i16> = down.iter().map(|d| if *d { -1 } else { 1 }).collect();
                    let at = at.iter().zip(&sign).map(|(t, s)| t.saturating_mul(*s)).collect();
                    self.finish(i, Work::Thresholds(Thresholds { sign, at, from, to, pixels: x.pixels() }));
                }
                Op::BinaryConv { outputs, window, code, bits, .. } => {
                    let g = window.geometry(x.shape, *outputs).expect("checked by infer");
                    let panel = Box::new(Panel::new(&g, *code, bits, self.isa));
                    let (from, to) = (self.at(node.inputs[0]), self.slot(i + 1));
                    let padded = panel.padded();
                    let words = x.pixels() * x.shape[2].div_ceil(32);
                    let (pixels, row) = (made.pixels(), outputs.div_ceil(2));
                    self.finish(i, Work::Binary { panel, padded, from, to, words, pixels, row });
                }
                Op::Conv { outputs, window, weights } => {
                    let g = window.geometry(x.shape, *outputs).expect("checked by infer");
                    let dense = Box::new(Dense::new(&g, weights));
                    let (from, to) = (self.at(node.inputs[0]), self.slot(i + 1));
                    let same = *window == Window { size: [1, 1], stride: 1, padding: 0 };
                    let padded = (!same).then(|| vec![0.0; dense.grid().elements()]);
                    let (floats, pixels, o) = (x.len(), made.pixels(), *outputs);
                    self.finish(i, Work::Dense { dense, padded, from, to, floats, pixels, o });
                }
                op => {
                    let inputs = node.inputs.iter().map(|v| (self.at(*v), self.metas[*v])).collect();
                    let to = self.slot(i + 1);
                    self.finish(i, Work::Plain { op: op.clone(), inputs, to, made });
                }
            }
        }
    }

    fn finish(&mut self, i: usize, work: Work) {
        self.done[i] = true;
        self.works.push(work);
        let inputs = self.net.nodes[i].inputs.clone();
        inputs.into_iter().for_each(|v| self.read(v));
    }

    /// Joins what follows node `i` one number at a time.
    fn chain(&mut self, i: usize) {
        let first = &self.net.nodes[i];
        let from = first.inputs[0];
        let source = match self.metas[from].kind {
            Kind::Bytes => Source::Bytes,
            Kind::Float => Source::Floats(self.at(from)),
            Kind::Int => Source::Ints(self.at(from)),
            Kind::Bits => Source::Bits(self.at(from)),
        };
        let (pixels, c) = (self.metas[from].pixels(), self.metas[from].shape[2]);
        let mut steps = Vec::new();
        // What is read is free after the whole chain only.
        let mut read = Vec::new();
        let (mut node, mut current) = (i, from);
        loop {
            self.done[node] = true;
            let made = node + 1;
            let from_memory = node == i;
            match &self.net.nodes[node].op {
                Op::Affine { scale, shift } => steps.push(Step::Affine { scale: scale.clone(), shift: shift.clone() }),
                Op::Relu => steps.push(Step::Relu),
                Op::Hardtanh => steps.push(Step::Hardtanh),
                Op::Prelu { slope } => steps.push(Step::Prelu { slope: slope.clone() }),
                Op::Signed => {}
                Op::Add => {
                    let inputs = &self.net.nodes[node].inputs;
                    let other = if inputs[0] == current { inputs[1] } else { inputs[0] };
                    steps.push(Step::Add(self.at(other)));
                    read.push(other);
                }
                // A sign with nothing before it.
                _ => {
                    let to = self.slot(made);
                    steps.push(Step::Bits { scale: vec![1.0; c], shift: vec![0.0; c], to });
                    read.push(from);
                    break;
                }
            }
            // Values between the nodes of a chain are read from registers, unless they are stored too.
            read.push(if from_memory { from } else { current });
            current = made;
            let open: Vec<usize> = self.uses[made].iter().copied().filter(|j| !self.done[*j]).collect();
            let mut remaining = Vec::new();
            for j in open {
                match self.sign_of(j) {
                    Some((sign, scale, shift)) => {
                        let to = self.slot(sign + 1);
                        steps.push(Step::Bits { scale, shift, to });
                        self.done[j] = true;
                        self.done[sign] = true;
                        read.push(made);
                        // The value between an affine and its sign has no memory.
                        if sign != j {
                            self.left[self.owner[j + 1]] = 0;
                        }
                    }
                    None => remaining.push(j),
                }
            }
            let next = remaining.iter().copied().find(|j| self.may_follow(*j, made));
            let last = made == self.metas.len() - 1;
            if last || remaining.iter().any(|j| Some(*j) != next) {
                let to = self.slot(made);
                steps.push(Step::Store(to));
            }
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        self.works.push(Work::Chain(Chain { source, steps, pixels, c }));
        read.into_iter().for_each(|v| self.read(v));
    }

    /// The sign that node `j` is, or that alone reads the affine that it is; and that affine.
    fn sign_of(&self, j: usize) -> Option<(usize, Vec<f32>, Vec<f32>)> {
        match &self.net.nodes[j].op {
            Op::Sign => {
                let c = self.metas[j + 1].shape[2];
                Some((j, vec![1.0; c], vec![0.0; c]))
            }
            Op::Affine { scale, shift } => match self.uses[j + 1][..] {
                [sign] if self.net.nodes[sign].op == Op::Sign => Some((sign, scale.clone(), shift.clone())),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether node `j` can go on with `value` as it lies in registers.
    fn may_follow(&self, j: usize, value: usize) -> bool {
        let node = &self.net.nodes[j];
        match &node.op {
            Op::Affine { .. } | Op::Relu | Op::Hardtanh | Op::Prelu { .. } => true,
            Op::Add => {
                let other = if node.inputs[0] == value { node.inputs[1] } else { node.inputs[0] };
                other != value && self.slot_of[self.owner[other]].is_some()
            }
            _ => false,
        }
    }
}
