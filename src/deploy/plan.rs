//! How a network becomes works: once, when it is loaded. Memory is shared by values that do not live at once, neighbouring
//! operations on single numbers are joined.

use super::net::{Net, Node};
use super::ops::{Affine, BinaryConv, Conv, Op, SetConv, Sums, Threshold};
use super::pointwise::{Chain, Source, Step, Thresholds};
use super::runtime::{Work, joined};
use super::value::{Kind, Meta, Window};
use crate::kernels::Isa;
use crate::kernels::dense::Dense;
use crate::kernels::lines::Lines;
use crate::kernels::xnor::panel::Panel;
use crate::tensor::bits::WeightCode;

/// A network on its way to works.
pub(super) struct Planner<'a> {
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

impl<'a> Planner<'a> {
    pub fn new(net: &'a Net, metas: &'a [Meta], isa: Isa) -> Self {
        let n = metas.len();
        let mut uses = vec![Vec::new(); n];
        let mut owner: Vec<usize> = (0..n).collect();
        for (i, node) in net.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|v| uses[*v].push(i));
            if matches!(node.op, Op::Flatten(_)) {
                owner[i + 1] = owner[node.inputs[0]];
            }
        }
        let mut left = vec![0; n];
        for (v, uses) in uses.iter().enumerate() {
            left[owner[v]] += uses.iter().filter(|j| !matches!(net.nodes[**j].op, Op::Flatten(_))).count();
        }
        // The result is read by whoever asked.
        left[owner[n - 1]] += 1;
        let (done, slot_of) = (vec![false; net.nodes.len()], vec![None; n]);
        Planner { net, metas, isa, uses, left, owner, done, slot_of, sizes: vec![], free: vec![], works: vec![] }
    }

    /// A slot for a value: the smallest free one that is large enough, or else the largest free one, made larger.
    fn slot(&mut self, value: usize) -> usize {
        let words = self.metas[value].words();
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

    /// The works, the words of each slot, and the slot of the last value.
    pub fn works(mut self) -> (Vec<Work>, Vec<usize>, usize) {
        for i in 0..self.net.nodes.len() {
            if self.done[i] {
                continue;
            }
            let node = &self.net.nodes[i];
            let (x, made) = (self.metas[node.inputs[0]], self.metas[i + 1]);
            match &node.op {
                Op::Flatten(_) => {
                    self.done[i] = true;
                    self.slot_of[i + 1] = self.slot_of[self.owner[i + 1]];
                }
                op if in_chains(op) => self.chain(i),
                Op::Threshold(Threshold { at, down }) => {
                    let (from, to) = (self.at(node.inputs[0]), self.slot(i + 1));
                    // `y <= t` is `-y >= -t`; sums are far from the end of the range.
                    let sign: Vec<i16> = down.iter().map(|d| if *d { -1 } else { 1 }).collect();
                    let at = at.iter().zip(&sign).map(|(t, s)| t.saturating_mul(*s)).collect();
                    self.finish(
                        i,
                        Work::Thresholds(Thresholds { isa: self.isa, sign, at, from, to, pixels: x.pixels() }),
                    );
                }
                Op::BinaryConv(BinaryConv { outputs, window, code, bits, .. }) => {
                    let g = window.geometry(x.shape, *outputs, 1).expect("checked by infer");
                    let panel = Box::new(Panel::new(&g, *code, bits, self.isa));
                    let (from, to) = (self.at(node.inputs[0]), self.slot(i + 1));
                    let padded = panel.padded();
                    let words = x.pixels() * x.shape[2].div_ceil(32);
                    let (pixels, row) = (made.pixels(), outputs.div_ceil(2));
                    self.finish(i, Work::Binary { panel, padded, from, to, words, pixels, row });
                }
                Op::SetConv(conv @ SetConv { filters, window, bits, .. }) => {
                    let g = window.geometry(x.shape, filters.len(), 1).expect("checked by infer");
                    let panel = Box::new(Panel::new(&g, WeightCode::PlusMinus, bits, self.isa));
                    let sums = Box::new(Sums::new(conv, x, made));
                    let (from, to) = (self.at(node.inputs[0]), self.slot(i + 1));
                    let (padded, of_pixels) = (panel.padded(), Vec::new());
                    let words = x.pixels() * x.shape[2].div_ceil(32);
                    let (pixels, o) = (made.pixels(), filters.len());
                    self.finish(i, Work::Sets { panel, padded, sums, of_pixels, from, to, words, pixels, o });
                }
                Op::Conv(Conv { outputs, window, groups, weights }) => {
                    let g = window.geometry(x.shape, *outputs, *groups).expect("checked by infer");
                    let dense = Box::new(Dense::new(&g, weights, self.isa));
                    let (from, to) = (self.at(node.inputs[0]), self.slot(i + 1));
                    let padded = (*window != Window::PIXEL).then(|| Lines::zeros(dense.grid().elements()));
                    let (floats, pixels, o) = (x.len(), made.pixels(), *outputs);
                    self.finish(i, Work::Dense { dense, padded, from, to, floats, pixels, o });
                }
                op => {
                    let inputs = node.inputs.iter().map(|v| (self.at(*v), self.metas[*v])).collect();
                    let to = self.slot(i + 1);
                    self.finish(i, Work::Plain { op: op.clone(), isa: self.isa, inputs, to, made });
                }
            }
        }
        let last = self.slot_of[self.metas.len() - 1].expect("the last value is stored");
        (joined(self.works), self.sizes, last)
    }

    fn finish(&mut self, i: usize, work: Work) {
        self.done[i] = true;
        self.works.push(work);
        let inputs = self.net.nodes[i].inputs.clone();
        inputs.into_iter().for_each(|v| self.read(v));
    }

    /// Joins what follows node `i` one number at a time.
    fn chain(&mut self, i: usize) {
        let from = self.net.nodes[i].inputs[0];
        let source = match self.metas[from].kind {
            Kind::Bytes => Source::Bytes,
            Kind::Float => Source::Floats(self.at(from)),
            Kind::Int => Source::Ints(self.at(from)),
            Kind::Bits => Source::Bits(self.at(from)),
        };
        let (pixels, c) = (self.metas[from].pixels(), self.metas[from].shape[2]);
        let mut steps = Vec::new();
        // What is read is free after the whole chain only.
        let mut read = vec![from];
        let (mut node, mut current) = (i, from);
        loop {
            self.done[node] = true;
            if matches!(self.net.nodes[node].op, Op::Sign(_)) {
                // A sign with nothing before it.
                let to = self.slot(node + 1);
                steps.push(Step::Bits { scale: vec![1.0; c], shift: vec![0.0; c], to });
                break;
            }
            steps.extend(self.step(node, current, &mut read));
            let made = node + 1;
            let remaining = self.signs_behind(made, &mut steps, &mut read);
            let next = remaining.iter().copied().find(|j| self.may_follow(*j, made));
            let last = made == self.metas.len() - 1;
            if last || remaining.iter().any(|j| Some(*j) != next) {
                let to = self.slot(made);
                steps.push(Step::Store(to));
            }
            let Some(next) = next else { break };
            // Values between the nodes of a chain are read from registers, unless they are stored too.
            read.push(made);
            (node, current) = (next, made);
        }
        self.works.push(Work::Chain(Chain { isa: self.isa, source, steps, pixels, c }));
        read.into_iter().for_each(|v| self.read(v));
    }

    /// What node `node` does to the numbers of `current`, if anything; other values that it reads are noted.
    fn step(&self, node: usize, current: usize, read: &mut Vec<usize>) -> Option<Step> {
        let Node { op, inputs } = &self.net.nodes[node];
        match op {
            Op::Add(_) => {
                let other = if inputs[0] == current { inputs[1] } else { inputs[0] };
                read.push(other);
                Some(Step::Add(self.at(other)))
            }
            Op::Mul(_) => {
                let [x, y] = [self.metas[inputs[0]], self.metas[inputs[1]]];
                let other = if inputs[0] == current { inputs[1] } else { inputs[0] };
                read.push(other);
                Some(if x == y { Step::Mul(self.at(other)) } else { Step::Scale(self.at(other)) })
            }
            // Bits are -1 and +1 when they are loaded.
            op => op.runs().each().map(Step::Each),
        }
    }

    /// Makes the signs that read `made`; returns its other readers that are not done.
    fn signs_behind(&mut self, made: usize, steps: &mut Vec<Step>, read: &mut Vec<usize>) -> Vec<usize> {
        let open: Vec<usize> = self.uses[made].iter().copied().filter(|j| !self.done[*j]).collect();
        let mut remaining = Vec::new();
        for j in open {
            let Some((sign, scale, shift)) = self.sign_of(j) else {
                remaining.push(j);
                continue;
            };
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
        remaining
    }

    /// The sign that node `j` is, or that alone reads the affine that it is; and that affine.
    fn sign_of(&self, j: usize) -> Option<(usize, Vec<f32>, Vec<f32>)> {
        match &self.net.nodes[j].op {
            Op::Sign(_) => {
                let c = self.metas[j + 1].shape[2];
                Some((j, vec![1.0; c], vec![0.0; c]))
            }
            Op::Affine(Affine { scale, shift }) => match self.uses[j + 1][..] {
                [sign] if matches!(self.net.nodes[sign].op, Op::Sign(_)) => Some((sign, scale.clone(), shift.clone())),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether node `j` can go on with `value` as it lies in registers.
    fn may_follow(&self, j: usize, value: usize) -> bool {
        let node = &self.net.nodes[j];
        let is_made = |other: usize| other != value && self.slot_of[self.owner[other]].is_some();
        match &node.op {
            Op::Add(_) => is_made(if node.inputs[0] == value { node.inputs[1] } else { node.inputs[0] }),
            // What is multiplied goes on; its factors are read.
            Op::Mul(_) => node.inputs[0] == value && is_made(node.inputs[1]),
            op => op.runs().each().is_some(),
        }
    }
}

/// Whether an operation is a step of a chain, or begins or ends one.
fn in_chains(op: &Op) -> bool {
    matches!(op, Op::Add(_) | Op::Mul(_) | Op::Sign(_) | Op::Signed(_)) || op.runs().each().is_some()
}
