//! Sum, mean, variance, max and min over neighbouring axes.
//!
//! `[outer, r, inner] -> [outer, inner]`: every axis range is that, seen as three axes. Ranges that
//! do not touch are reduced one after the other. The order of summation is fixed: r is cut into
//! chunks by a rule that looks at the shape only, each chunk is reduced in a fixed order, then the
//! chunks likewise. The order is that of the device, never that of the threads.

use crate::error::{Error, Result};
use crate::graph::{CpuIo, EPS, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand, fold_groups};
use crate::ops::inputs::exactly;
use crate::tensor::{DType, RefTensor, Shape};
use rayon::prelude::*;
use std::ops::Range;

/// What is computed of the elements along the reduced axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReduceKind {
    /// Sum.
    Sum,
    /// Largest element.
    Max,
    /// Smallest element.
    Min,
    /// Sum of squares, which are not stored.
    SumSquares,
    /// Sum of magnitudes, which are not stored.
    SumAbs,
}

/// Reduces the axes `axes` of its input to extent 1, and multiplies the result by a factor.
#[derive(Clone, Debug)]
pub struct Reduce {
    /// What is computed.
    pub kind: ReduceKind,
    /// Which axes.
    pub axes: Range<usize>,
    /// By what the result is multiplied: 1, or of a mean one over the number of elements.
    pub factor: f32,
}

/// Elements of r that one invocation reduces in the first stage.
const CHUNK: usize = 128;
/// Rows of neighbouring elements from this length on are reduced by a workgroup each, on real GPUs.
const ROW: usize = 128;
/// Elements of a row that one workgroup reduces when the row takes several.
const ROW_CHUNK: usize = 8192;
/// Elements that one task of the CPU device reduces: 256 KiB, some tens of microseconds, so that handing it out is cheap.
const CPU_CHUNK: usize = 64 * 1024;

impl ReduceKind {
    /// What reducing nothing gives.
    fn identity(self) -> f32 {
        match self {
            ReduceKind::Sum | ReduceKind::SumSquares | ReduceKind::SumAbs => 0.0,
            ReduceKind::Max => f32::NEG_INFINITY,
            ReduceKind::Min => f32::INFINITY,
        }
    }

    /// How partial results are joined.
    fn joined(self) -> Self {
        match self {
            ReduceKind::SumSquares | ReduceKind::SumAbs => ReduceKind::Sum,
            other => other,
        }
    }

    /// Number of the kind in the shaders.
    fn number(self) -> f64 {
        self as u8 as f64
    }

    /// Reduces rows `x [r, inner]` to `y [inner]`, first row to last. A single column goes in 16
    /// interleaved lanes, whose results are then reduced in order.
    fn cpu(self, x: &[f32], y: &mut [f32]) {
        match self {
            ReduceKind::Sum => fold_rows(x, y, self.identity(), |a, b| a + b),
            ReduceKind::Max => fold_rows(x, y, self.identity(), f32::max),
            ReduceKind::Min => fold_rows(x, y, self.identity(), f32::min),
            ReduceKind::SumSquares => fold_rows_of(x, y, 0.0, |a, x| a + x * x, |a, b| a + b),
            ReduceKind::SumAbs => fold_rows_of(x, y, 0.0, |a, x| a + x.abs(), |a, b| a + b),
        }
    }
}

#[inline(always)]
fn fold_rows(x: &[f32], y: &mut [f32], identity: f32, f: impl Fn(f32, f32) -> f32) {
    fold_rows_of(x, y, identity, &f, &f);
}

/// `f` takes an element into a partial result, `join` joins two of them.
#[inline(always)]
fn fold_rows_of(x: &[f32], y: &mut [f32], identity: f32, f: impl Fn(f32, f32) -> f32, join: impl Fn(f32, f32) -> f32) {
    if let [y] = y {
        let mut lanes = [identity; 16];
        let whole = x.chunks_exact(16);
        let tail = whole.remainder();
        for sixteen in whole {
            lanes.iter_mut().zip(sixteen).for_each(|(l, &x)| *l = f(*l, x));
        }
        lanes.iter_mut().zip(tail).for_each(|(l, &x)| *l = f(*l, x));
        *y = lanes.into_iter().fold(identity, join);
    } else {
        y.fill(identity);
        for row in x.chunks_exact(y.len()) {
            y.iter_mut().zip(row).for_each(|(y, &x)| *y = f(*y, x));
        }
    }
}

impl Reduce {
    /// Extents (outer, r, inner) of the input.
    fn extents(&self, shape: &Shape) -> (usize, usize, usize) {
        let product = |r: &[usize]| r.iter().product::<usize>();
        (product(&shape[..self.axes.start]), product(&shape[self.axes.clone()]), product(&shape[self.axes.end..]))
    }

    fn fold(&self, values: impl Iterator<Item = f64>) -> f64 {
        match self.kind {
            ReduceKind::Sum => values.sum(),
            ReduceKind::SumSquares => values.map(|v| v * v).sum(),
            ReduceKind::SumAbs => values.map(f64::abs).sum(),
            ReduceKind::Max => values.fold(f64::NEG_INFINITY, f64::max),
            ReduceKind::Min => values.fold(f64::INFINITY, f64::min),
        }
    }
}

impl Op for Reduce {
    fn name(&self) -> &'static str {
        match self.kind {
            ReduceKind::Sum => "sum",
            ReduceKind::Max => "max",
            ReduceKind::Min => "min",
            ReduceKind::SumSquares => "sum_squares",
            ReduceKind::SumAbs => "sum_abs",
        }
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x] = exactly(self.name(), inputs)?;
        let shape = &x.shape;
        if self.axes.end > shape.len() || self.axes.is_empty() || x.dtype != DType::F32 {
            let m = format!("cannot reduce axes {:?} of {x}", self.axes);
            return Err(Error::shape(self.name(), m));
        }
        let dims: Vec<usize> =
            shape.iter().enumerate().map(|(i, &d)| if self.axes.contains(&i) { 1 } else { d }).collect();
        Ok(vec![Meta::f32(dims)])
    }

    fn grad(&self, g: &mut Graph, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let Some(mut dy) = dy[0] else { return Ok(vec![None]) };
        if self.factor != 1.0 {
            dy = g.scale(dy, self.factor)?;
        }
        Ok(vec![Some(match self.kind {
            ReduceKind::Sum => {
                let shape = g.shape(x[0]).clone();
                g.broadcast_to(dy, shape)?
            }
            ReduceKind::SumSquares => {
                let twice = g.scale(x[0], 2.0)?;
                g.mul(twice, dy)?
            }
            ReduceKind::SumAbs => g.abs_grad(x[0], dy)?,
            // Ties share nothing: every extreme element gets the gradient, as a subgradient may.
            ReduceKind::Max | ReduceKind::Min => g.equal_then(x[0], y[0], dy)?,
        })])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let (outer, r, inner) = self.extents(&inputs[0].shape);
        let x = &inputs[0].data;
        let one = |i: usize| self.fold((0..r).map(|k| x[(i / inner * r + k) * inner + i % inner]));
        let data = (0..outer * inner).map(|i| one(i) * self.factor as f64).collect();
        vec![RefTensor::new(outputs[0].shape.clone(), DType::F32, data)]
    }

    /// Sums: r roundings of partial sums, each at most sum |x|, and those of squares, which may also vanish
    /// where they are too small. Max and min: exact. The factor rounds once more.
    fn bound(&self, inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let (_, r, _) = self.extents(&inputs[0].shape);
        match self.kind {
            ReduceKind::Max | ReduceKind::Min => {
                let rounds = if self.factor == 1.0 { 0.0 } else { EPS };
                vec![outputs[0].data.iter().map(|y| rounds * y.abs()).collect()]
            }
            ReduceKind::Sum | ReduceKind::SumSquares | ReduceKind::SumAbs => {
                let meta = Meta::f32(outputs[0].shape.clone());
                let whole = Reduce { factor: self.factor.abs(), ..self.clone() };
                let magnitude = whole.reference(&[&inputs[0].abs()], &[meta]);
                // Each element rounds its square, and what is lost near zero is multiplied too.
                let tiny = (r as f64 * self.factor.abs() as f64).max(1.0) * f32::MIN_POSITIVE as f64;
                let roundings = (r + 1 + usize::from(self.factor != 1.0)) as f64;
                vec![magnitude[0].data.iter().map(|m| roundings * EPS * m + tiny).collect()]
            }
        }
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let (outer, r, inner) = self.extents(&io.meta(0).shape);
        let (x, y, kind) = (io.f32(0), io.out(0), self.kind);
        let rows = (CPU_CHUNK / inner.max(1)).max(1);
        if r * inner == 0 {
            y.fill(kind.identity());
        } else if rows >= r {
            let tasks = (CPU_CHUNK / (r * inner)).max(1);
            y.par_chunks_mut(inner).zip(x.par_chunks(r * inner)).with_min_len(tasks).for_each(|(y, x)| kind.cpu(x, y));
        } else {
            let chunks = r.div_ceil(rows);
            let mut partial = vec![0.0; outer * chunks * inner];
            partial.par_chunks_mut(inner).enumerate().for_each(|(i, y)| {
                let (o, first) = (i / chunks, i % chunks * rows);
                kind.cpu(&x[(o * r + first) * inner..(o * r + (first + rows).min(r)) * inner], y);
            });
            let parts = partial.chunks_exact(chunks * inner);
            y.chunks_exact_mut(inner).zip(parts).for_each(|(y, x)| kind.joined().cpu(x, y));
        }
        if self.factor != 1.0 {
            y.iter_mut().for_each(|y| *y *= self.factor);
        }
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let (outer, r, inner) = self.extents(&cx.inputs[0].shape);
        let (kind, joined) = (self.kind.number(), self.kind.joined().number());
        if inner == 1 && r >= ROW && !cx.target.software {
            return Ok(self.by_rows(outer, r));
        }
        let factor = |to: &Operand| if matches!(to, Operand::Out(_)) { self.factor as f64 } else { 1.0 };
        let stage = |kind: f64, r: usize, chunk: usize, from: Operand, to: Operand| {
            let chunks = r.div_ceil(chunk);
            Launch::each(
                outer * chunks * inner,
                "reduce/reduce",
                vec![
                    ("KIND", kind),
                    ("OUTER", outer as f64),
                    ("R", r as f64),
                    ("INNER", inner as f64),
                    ("CHUNK", chunk as f64),
                    ("CHUNKS", chunks as f64),
                    ("FACTOR", factor(&to)),
                ],
                vec![from, to],
            )
        };
        if r <= 2 * CHUNK || outer * inner >= 4096 {
            return Ok(Lowering { temps: vec![], launches: vec![stage(kind, r, r, Operand::In(0), Operand::Out(0))] });
        }
        let chunk = CHUNK.max(r.div_ceil(512));
        let chunks = r.div_ceil(chunk);
        Ok(Lowering {
            temps: vec![outer * chunks * inner],
            launches: vec![
                stage(kind, r, chunk, Operand::In(0), Operand::Temp(0)),
                stage(joined, chunks, chunks, Operand::Temp(0), Operand::Out(0)),
            ],
        })
    }
}

impl Reduce {
    /// One workgroup a row, or a chunk of a long row and a second launch.
    fn by_rows(&self, outer: usize, r: usize) -> Lowering {
        let stage = |kind: ReduceKind, r: usize, chunks: usize, from: Operand, to: Operand| Launch {
            shader: "reduce/reduce_row",
            defines: vec![],
            constants: vec![
                ("KIND", kind.number()),
                ("OUTER", outer as f64),
                ("R", r as f64),
                ("CHUNK", r.div_ceil(chunks) as f64),
                ("CHUNKS", chunks as f64),
                ("FACTOR", if matches!(to, Operand::Out(_)) { self.factor as f64 } else { 1.0 }),
            ],
            workgroups: fold_groups(outer * chunks),
            operands: vec![from, to],
        };
        if r <= ROW_CHUNK {
            return Lowering { temps: vec![], launches: vec![stage(self.kind, r, 1, Operand::In(0), Operand::Out(0))] };
        }
        let chunks = r.div_ceil(ROW_CHUNK);
        Lowering {
            temps: vec![outer * chunks],
            launches: vec![
                stage(self.kind, r, chunks, Operand::In(0), Operand::Temp(0)),
                stage(self.kind.joined(), chunks, 1, Operand::Temp(0), Operand::Out(0)),
            ],
        }
    }
}

impl Graph {
    /// Reduces `axes` to extent 1, one run of neighbouring axes after the other, and multiplies by `factor`.
    fn reduce(&mut self, x: Value, kind: ReduceKind, axes: &[usize], factor: f32) -> Result<Value> {
        let mut axes = axes.to_vec();
        axes.sort_unstable();
        axes.dedup();
        let (mut x, mut kind) = (x, kind);
        while let Some(end) = axes.pop() {
            let mut start = end;
            while axes.last().is_some_and(|&a| a + 1 == start) {
                start = axes.pop().expect("just seen");
            }
            let factor = if axes.is_empty() { factor } else { 1.0 };
            x = self.apply1(Reduce { kind, axes: start..end + 1, factor }, &[x])?;
            kind = kind.joined();
        }
        Ok(x)
    }

    /// One over the number of elements along some axes.
    fn share(&self, x: Value, axes: &[usize]) -> f32 {
        1.0 / axes.iter().map(|&a| self.shape(x)[a]).product::<usize>() as f32
    }

    /// Sum over axes, which stay with extent 1.
    pub fn sum(&mut self, x: Value, axes: &[usize]) -> Result<Value> {
        self.reduce(x, ReduceKind::Sum, axes, 1.0)
    }

    /// Sum of squares over axes, which stay with extent 1; the squares are never stored.
    pub fn sum_squares(&mut self, x: Value, axes: &[usize]) -> Result<Value> {
        let mut axes = axes.to_vec();
        axes.sort_unstable();
        axes.dedup();
        let neighbours = axes.windows(2).all(|w| w[0] + 1 == w[1]);
        let (Some(&first), Some(&last), true) = (axes.first(), axes.last(), neighbours) else {
            let m = format!("wants neighbouring axes of {}, got {axes:?}", self.meta(x));
            return Err(Error::shape("sum_squares", m));
        };
        self.apply1(Reduce { kind: ReduceKind::SumSquares, axes: first..last + 1, factor: 1.0 }, &[x])
    }

    /// Mean over axes, which stay with extent 1.
    pub fn mean(&mut self, x: Value, axes: &[usize]) -> Result<Value> {
        let sum = self.sum(x, axes)?;
        self.scale(sum, self.share(x, axes))
    }

    /// Mean of magnitudes over axes, which stay with extent 1; the magnitudes are never stored.
    pub fn mean_abs(&mut self, x: Value, axes: &[usize]) -> Result<Value> {
        self.reduce(x, ReduceKind::SumAbs, axes, self.share(x, axes))
    }

    /// Maximum over axes, which stay with extent 1.
    pub fn max(&mut self, x: Value, axes: &[usize]) -> Result<Value> {
        self.reduce(x, ReduceKind::Max, axes, 1.0)
    }

    /// Minimum over axes, which stay with extent 1.
    pub fn min(&mut self, x: Value, axes: &[usize]) -> Result<Value> {
        self.reduce(x, ReduceKind::Min, axes, 1.0)
    }

    /// Variance over axes, which stay with extent 1: the mean of squared distances from the mean, or
    /// their sum over n - 1 if `unbiased`. Two passes, so that it does not cancel.
    pub fn var(&mut self, x: Value, axes: &[usize], unbiased: bool) -> Result<Value> {
        let mean = self.mean(x, axes)?;
        let n: usize = axes.iter().map(|&a| self.shape(x)[a]).product();
        if unbiased && n < 2 {
            let m = format!("the unbiased variance wants two elements, {} over {axes:?} has {n}", self.meta(x));
            return Err(Error::shape("var", m));
        }
        let centred = self.sub(x, mean)?;
        let squared = self.mul(centred, centred)?;
        let sum = self.sum(squared, axes)?;
        self.scale(sum, 1.0 / (n - unbiased as usize) as f32)
    }

    /// Mean of all elements, as a scalar.
    pub fn mean_all(&mut self, x: Value) -> Result<Value> {
        let n = self.shape(x).elements();
        let flat = self.reshape(x, [n])?;
        let m = self.mean(flat, &[0])?;
        self.reshape(m, [])
    }

    /// Sums `x` over the axes along which `shape` would be broadcast to it.
    pub fn sum_to(&mut self, x: Value, shape: Shape) -> Result<Value> {
        let from = self.shape(x).clone();
        if from == shape {
            return Ok(x);
        }
        let lead = from.len() - shape.len();
        let axes: Vec<usize> =
            (0..from.len()).filter(|&i| i < lead || (shape[i - lead] == 1 && from[i] != 1)).collect();
        let sum = self.sum(x, &axes)?;
        self.reshape(sum, shape)
    }
}

#[cfg(test)]
mod tests {
    use crate::device::{Device, Store};
    use crate::graph::{Graph, Meta};
    use crate::rng::Philox;
    use crate::tensor::HostTensor;

    /// Sums in one task, in several along the reduced axis, and in several beside it.
    #[test]
    fn sums_do_not_depend_on_the_number_of_threads() {
        for (shape, axis) in [([3, 70_001, 1], 1), ([2, 5_003, 37], 1), ([9_001, 40, 3], 1), ([1, 300_000, 1], 1)] {
            let sums = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| {
                    let mut g = Graph::new();
                    let x = g.input("x", Meta::f32(shape)).unwrap();
                    let y = g.sum(x, &[axis]).unwrap();
                    g.output("y", y);
                    let mut store = Store::new(Device::Cpu);
                    let mut exe = store.load(g).unwrap();
                    let p = Philox::new(1, 2);
                    let n: usize = shape.iter().product();
                    let values = (0..n).map(|i| p.uniform(0, i as u64) - 0.3).collect();
                    store.write("x", &HostTensor::from_f32(shape, values)).unwrap();
                    exe.run(&[]).unwrap();
                    exe.read("y").unwrap()
                })
            };
            let one = sums(1);
            assert!(one.f32s().iter().all(|v| *v != 0.0));
            assert_eq!(one, sums(2), "{shape:?}");
            assert_eq!(one, sums(3), "{shape:?}");
        }
    }
}
