//! Ops that make something of every row (last axis) by itself: softmax, layer normalisation,
//! cross-entropy. An op says what it makes of one row, for the CPU device and as the reference; this file does the rest.

use crate::error::{Error, Result};
use crate::graph::{CpuIo, GradientOf, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand, fold_groups};
use crate::ops::inputs::{finite, other_count};
use crate::tensor::{DType, RefTensor, Shape};
use rayon::prelude::*;
use std::fmt::Debug;

/// Part of an operand that belongs to one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The whole row: the operand is `[.., D]`.
    Row,
    /// One number: the operand is `[.., 1]`.
    One,
    /// The number of a class: the operand is u32 `[.., 1]`.
    Class,
}

/// What an op makes of one row.
pub trait RowOp: Debug + Send + Sync + 'static {
    /// What it reads; the first is a [`Extent::Row`], numbers of classes come as floats. At most four operands in all.
    const INPUTS: &'static [Extent];
    /// What it makes, in f32; one or two.
    const OUTPUTS: &'static [Extent];

    /// The field's name of the op.
    fn name(&self) -> &'static str;

    /// Path of the shader.
    fn shader(&self) -> &'static str;

    /// Its constants besides ROWS, COLUMNS and LANES.
    fn constants(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// The formula in f32, as the CPU device runs it.
    fn row(&self, x: &[&[f32]], y: &mut [&mut [f32]]);

    /// The reference in f64: what a textbook says, sharing no text with [`RowOp::row`].
    fn reference(&self, x: &[&[f64]], y: &mut [&mut [f64]]);

    /// For each output, how far a device's row may lie from the reference's `y`.
    fn bound(&self, x: &[&[f64]], y: &[&[f64]]) -> Vec<Vec<f64>>;

    /// As [`Op::grad`].
    fn grad(&self, g: &mut Graph, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Result<Grads>;

    /// As [`Op::gradient_of`].
    fn gradient_of(&self) -> GradientOf {
        GradientOf::Inputs
    }
}

/// A row op as an op.
#[derive(Clone, Debug)]
pub struct Rows<R>(pub R);

/// Sum of `f(0) .. f(n - 1)`, in eight interleaved partial sums that the CPU can keep in one register.
#[inline(always)]
pub fn total(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut s = [0.0; 8];
    let whole = n / 8 * 8;
    for i in (0..whole).step_by(8) {
        for (k, s) in s.iter_mut().enumerate() {
            *s += f(i + k);
        }
    }
    for i in whole..n {
        s[i % 8] += f(i);
    }
    ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]))
}

/// Largest element; NaN if there is one.
#[inline(always)]
pub fn largest<T: Copy + PartialOrd>(x: &[T]) -> T {
    x[1..].iter().fold(x[0], |m, &v| if v <= m { m } else { v })
}

impl Extent {
    fn columns(self, row: usize) -> usize {
        match self {
            Extent::Row => row,
            Extent::One | Extent::Class => 1,
        }
    }

    fn dtype(self) -> DType {
        match self {
            Extent::Row | Extent::One => DType::F32,
            Extent::Class => DType::U32,
        }
    }
}

/// Invocations that share a row. On a real GPU a long row is the work of 64; where barriers are
/// slow only if there are too few rows to occupy the lanes otherwise.
fn lanes(rows: usize, columns: usize, software: bool) -> usize {
    if columns >= 64 && (!software || rows < 64) { 64 } else { 1 }
}

impl<R: RowOp> Op for Rows<R> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        if inputs.len() != R::INPUTS.len() {
            return Err(other_count(self.0.name(), R::INPUTS.len(), inputs.len()));
        }
        finite(self.0.name(), self.0.constants().into_iter().map(|(_, v)| v))?;
        let Some(first) = inputs.first().map(|m| &m.shape) else {
            return Err(Error::shape(self.0.name(), "an op of rows has an input at least"));
        };
        let with = |columns: usize| {
            let mut dims = first.to_vec();
            if let Some(d) = dims.last_mut() {
                *d = columns;
            }
            Shape::new(dims)
        };
        let fits = !first.is_empty()
            && first.elements() > 0
            && inputs
                .iter()
                .zip(R::INPUTS)
                .all(|(m, e)| m.dtype == e.dtype() && m.shape == with(e.columns(first.columns())));
        if !fits {
            let all: Vec<String> = inputs.iter().map(Meta::to_string).collect();
            return Err(Error::shape(self.0.name(), format!("inputs {} do not fit", all.join(", "))));
        }
        Ok(R::OUTPUTS.iter().map(|e| Meta::f32(with(e.columns(first.columns())))).collect())
    }

    fn grad(&self, g: &mut Graph, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        self.0.grad(g, x, y, dy)
    }

    fn gradient_of(&self) -> GradientOf {
        self.0.gradient_of()
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let mut made: Vec<RefTensor> = outputs
            .iter()
            .map(|m| RefTensor::new(m.shape.clone(), DType::F32, vec![0.0; m.shape.elements()]))
            .collect();
        for r in 0..inputs[0].shape.rows() {
            let x: Vec<&[f64]> = inputs.iter().map(|t| row(t, r)).collect();
            let mut y: Vec<&mut [f64]> = made
                .iter_mut()
                .map(|t| {
                    let n = t.shape.columns();
                    &mut t.data[r * n..(r + 1) * n]
                })
                .collect();
            self.0.reference(&x, &mut y);
        }
        made
    }

    fn bound(&self, inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let mut bounds = vec![Vec::new(); outputs.len()];
        for r in 0..inputs[0].shape.rows() {
            let x: Vec<&[f64]> = inputs.iter().map(|t| row(t, r)).collect();
            let y: Vec<&[f64]> = outputs.iter().map(|t| row(t, r)).collect();
            for (all, of_row) in bounds.iter_mut().zip(self.0.bound(&x, &y)) {
                all.extend(of_row);
            }
        }
        bounds
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let rows = io.meta(0).shape.rows();
        let columns = io.meta(0).shape.columns();
        let decoded: Vec<Option<Vec<f32>>> = (0..io.input_count())
            .map(|i| (io.meta(i).dtype == DType::U32).then(|| io.words(i).iter().map(|&w| w as f32).collect()))
            .collect();
        let inputs: Vec<(&[f32], usize)> = decoded
            .iter()
            .enumerate()
            .map(|(i, d)| (d.as_deref().unwrap_or_else(|| io.f32(i)), io.meta(i).shape.columns()))
            .collect();
        let one = |r: usize, y: &mut [&mut [f32]]| {
            let mut x: [&[f32]; 4] = [&[]; 4];
            for (x, (t, n)) in x.iter_mut().zip(&inputs) {
                *x = &t[r * n..(r + 1) * n];
            }
            self.0.row(&x[..inputs.len()], y);
        };
        // Some thousand elements are worth a thread's attention.
        let at_least = (4096 / columns).max(1);
        match R::OUTPUTS {
            [a] => {
                let a = a.columns(columns);
                let y = io.out(0).par_chunks_mut(a).with_min_len(at_least);
                y.enumerate().for_each(|(r, y)| one(r, &mut [y]));
            }
            [a, b] => {
                let (a, b) = (a.columns(columns), b.columns(columns));
                let (y, z) = io.out2();
                let both = y.par_chunks_mut(a).zip(z.par_chunks_mut(b)).with_min_len(at_least);
                both.enumerate().for_each(|(r, (y, z))| one(r, &mut [y, z]));
            }
            _ => unreachable!("row ops have one or two outputs, over {rows} rows"),
        }
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let shape = &cx.inputs[0].shape;
        let (rows, columns) = (shape.rows(), shape.columns());
        let lanes = lanes(rows, columns, cx.target.software);
        let mut constants = vec![("ROWS", rows as f64), ("COLUMNS", columns as f64), ("LANES", lanes as f64)];
        constants.extend(self.0.constants());
        let inputs = (0..cx.inputs.len()).map(Operand::In);
        Ok(Lowering {
            temps: vec![],
            launches: vec![Launch {
                shader: self.0.shader(),
                defines: vec![],
                constants,
                workgroups: fold_groups(rows.div_ceil(64 / lanes)),
                operands: inputs.chain((0..cx.outputs.len()).map(Operand::Out)).collect(),
            }],
        })
    }
}

fn row(t: &RefTensor, r: usize) -> &[f64] {
    let n = t.shape.columns();
    &t.data[r * n..(r + 1) * n]
}
