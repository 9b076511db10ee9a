//! Sum, mean and max over neighbouring axes.
//!
//! `[outer, r, inner] -> [outer, inner]`: every axis range is that, seen as three axes. Ranges that
//! do not touch are reduced one after the other. The order of summation is fixed: r is cut into
//! chunks, each summed from first to last, then the chunks likewise.

use crate::error::{Error, Result};
use crate::graph::{CpuIo, EPS, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::shader::launch::{Launch, Lowering, Operand, fold_groups};
use crate::tensor::{DType, RefTensor, Shape};
use std::ops::Range;

/// What is computed of the elements along the reduced axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReduceKind {
    /// Sum.
    Sum,
    /// Largest element.
    Max,
}

/// Reduces the axes `axes` of its input to extent 1.
#[derive(Clone, Debug)]
pub struct Reduce {
    /// What is computed.
    pub kind: ReduceKind,
    /// Which axes.
    pub axes: Range<usize>,
}

/// Elements of r that one invocation reduces in the first stage.
const CHUNK: usize = 128;

impl Reduce {
    /// Extents (outer, r, inner) of the input.
    fn extents(&self, shape: &Shape) -> (usize, usize, usize) {
        let product = |r: &[usize]| r.iter().product::<usize>();
        (product(&shape[..self.axes.start]), product(&shape[self.axes.clone()]), product(&shape[self.axes.end..]))
    }

    fn fold(&self, values: impl Iterator<Item = f64>) -> f64 {
        match self.kind {
            ReduceKind::Sum => values.sum(),
            ReduceKind::Max => values.fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

impl Op for Reduce {
    fn name(&self) -> &'static str {
        match self.kind {
            ReduceKind::Sum => "sum",
            ReduceKind::Max => "max",
        }
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let shape = &inputs[0].shape;
        if self.axes.end > shape.len() || self.axes.is_empty() || inputs[0].dtype != DType::F32 {
            let m = format!("cannot reduce axes {:?} of {}", self.axes, inputs[0]);
            return Err(Error::shape(self.name(), m));
        }
        let dims: Vec<usize> =
            shape.iter().enumerate().map(|(i, &d)| if self.axes.contains(&i) { 1 } else { d }).collect();
        Ok(vec![Meta::f32(dims)])
    }

    fn grad(&self, g: &mut Graph, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let Some(dy) = dy[0] else { return Ok(vec![None]) };
        Ok(vec![Some(match self.kind {
            ReduceKind::Sum => {
                let shape = g.shape(x[0]).clone();
                g.broadcast_to(dy, shape)?
            }
            // Ties share nothing: every maximal element gets the gradient, as a subgradient may.
            ReduceKind::Max => g.equal_then(x[0], y[0], dy)?,
        })])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let (outer, r, inner) = self.extents(&inputs[0].shape);
        let x = &inputs[0].data;
        let data =
            (0..outer * inner).map(|i| self.fold((0..r).map(|k| x[(i / inner * r + k) * inner + i % inner]))).collect();
        vec![RefTensor::new(outputs[0].shape.clone(), DType::F32, data)]
    }

    /// Sum: r roundings of partial sums, each at most sum |x|. Max: exact.
    fn bound(&self, inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let (_, r, _) = self.extents(&inputs[0].shape);
        match self.kind {
            ReduceKind::Max => vec![vec![0.0; outputs[0].data.len()]],
            ReduceKind::Sum => {
                let meta = Meta::f32(outputs[0].shape.clone());
                let magnitude = self.reference(&[&inputs[0].abs()], &[meta]);
                vec![magnitude[0].data.iter().map(|m| r as f64 * EPS * m).collect()]
            }
        }
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let (outer, r, inner) = self.extents(&io.meta(0).shape);
        let x = io.f32(0);
        let y = io.out(0);
        for o in 0..outer {
            let y = &mut y[o * inner..(o + 1) * inner];
            y.fill(if self.kind == ReduceKind::Sum { 0.0 } else { f32::NEG_INFINITY });
            for k in 0..r {
                let row = &x[(o * r + k) * inner..][..inner];
                for (y, &x) in y.iter_mut().zip(row) {
                    *y = match self.kind {
                        ReduceKind::Sum => *y + x,
                        ReduceKind::Max => y.max(x),
                    };
                }
            }
        }
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let (outer, r, inner) = self.extents(&cx.inputs[0].shape);
        let kind = if self.kind == ReduceKind::Sum { 0.0 } else { 1.0 };
        let stage = |r: usize, chunk: usize, from: Operand, to: Operand| {
            let chunks = r.div_ceil(chunk);
            Launch {
                shader: "reduce/reduce",
                defines: vec![],
                constants: vec![
                    ("KIND", kind),
                    ("OUTER", outer as f64),
                    ("R", r as f64),
                    ("INNER", inner as f64),
                    ("CHUNK", chunk as f64),
                    ("CHUNKS", chunks as f64),
                ],
                workgroups: fold_groups((outer * chunks * inner).div_ceil(64)),
                operands: vec![from, to],
            }
        };
        if r <= 2 * CHUNK || outer * inner >= 4096 {
            return Ok(Lowering { temps: vec![], launches: vec![stage(r, r, Operand::In(0), Operand::Out(0))] });
        }
        let chunk = CHUNK.max(r.div_ceil(512));
        let chunks = r.div_ceil(chunk);
        Ok(Lowering {
            temps: vec![outer * chunks * inner],
            launches: vec![
                stage(r, chunk, Operand::In(0), Operand::Temp(0)),
                stage(chunks, chunks, Operand::Temp(0), Operand::Out(0)),
            ],
        })
    }
}

impl Graph {
    /// Reduces `axes` to extent 1, one run of neighbouring axes after the other.
    fn reduce(&mut self, x: Value, kind: ReduceKind, axes: &[usize]) -> Result<Value> {
        let mut axes = axes.to_vec();
        axes.sort_unstable();
        axes.dedup();
        let mut x = x;
        while let Some(end) = axes.pop() {
            let mut start = end;
            while axes.last().is_some_and(|&a| a + 1 == start) {
                start = axes.pop().expect("just seen");
            }
            x = self.apply1(Reduce { kind, axes: start..end + 1 }, &[x])?;
        }
        Ok(x)
    }

    /// Sum over axes, which stay with extent 1.
    pub fn sum(&mut self, x: Value, axes: &[usize]) -> Result<Value> {
        self.reduce(x, ReduceKind::Sum, axes)
    }

    /// Mean over axes, which stay with extent 1.
    pub fn mean(&mut self, x: Value, axes: &[usize]) -> Result<Value> {
        let n: usize = axes.iter().map(|&a| self.shape(x)[a]).product();
        let sum = self.sum(x, axes)?;
        self.scale(sum, 1.0 / n as f32)
    }

    /// Maximum over axes, which stay with extent 1.
    pub fn max(&mut self, x: Value, axes: &[usize]) -> Result<Value> {
        self.reduce(x, ReduceKind::Max, axes)
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
