//! Puts a tensor into a larger one filled with a constant, with room between elements if asked.

use super::slice::Slice;
use super::strided::{MAX_RANK, for_rows, indices, movable, six};
use crate::error::{Error, Result};
use crate::graph::{CpuIo, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand};
use crate::ops::inputs::exactly;
use crate::tensor::{DType, RefTensor, Shape};

/// `y[before + step * c] = x[c]`, and `value` everywhere else. Its gradient is a [`Slice`].
#[derive(Clone, Debug)]
pub struct Pad {
    /// Elements before the first along each axis.
    pub before: Vec<usize>,
    /// Distance of neighbours along each axis; 1 but for gradients of slices.
    pub step: Vec<usize>,
    /// Extents of the result.
    pub shape: Shape,
    /// What fills the rest.
    pub value: f32,
}

impl Pad {
    /// The input's index along axis `a` for an output index, if there is one.
    fn source(&self, a: usize, extent: usize, out: usize) -> Option<usize> {
        let d = out.checked_sub(self.before[a])?;
        (d % self.step[a] == 0 && d / self.step[a] < extent).then_some(d / self.step[a])
    }
}

impl Op for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x] = exactly("pad", inputs)?;
        movable("pad", x)?;
        let rank = x.shape.len();
        let fits = x.dtype == DType::F32
            && self.value.is_finite()
            && self.before.len() == rank
            && self.step.len() == rank
            && self.shape.len() == rank
            && (0..rank).all(|a| {
                let last = || self.step[a].checked_mul(x.shape[a].checked_sub(1)?)?.checked_add(self.before[a]);
                self.step[a] > 0 && last().is_some_and(|last| last < self.shape[a])
            });
        if !fits {
            let m = format!("{x} does not fit into {} from {:?} on, step {:?}", self.shape, self.before, self.step);
            return Err(Error::shape("pad", m));
        }
        Ok(vec![Meta::f32(self.shape.clone())])
    }

    fn grad(&self, g: &mut Graph, x: &[Value], _y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let slice = Slice { start: self.before.clone(), step: self.step.clone(), shape: g.shape(x[0]).clone() };
        Ok(vec![dy[0].map(|d| g.apply1(slice, &[d])).transpose()?])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let x = inputs[0];
        let mut y = RefTensor::f32(outputs[0].shape.clone(), vec![self.value as f64; outputs[0].shape.elements()]);
        for from in indices(&x.shape) {
            let to: Vec<usize> = from.iter().enumerate().map(|(a, c)| self.before[a] + self.step[a] * c).collect();
            let at = y.offset(&to);
            y.data[at] = x.at(&from);
        }
        vec![y]
    }

    fn bound(&self, _inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        vec![vec![0.0; outputs[0].data.len()]]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let (x, shape) = (io.words(0), &io.meta(0).shape);
        let strides = shape.strides();
        let rank = shape.len();
        if rank == 0 {
            io.out_words(0).copy_from_slice(x);
            return Ok(());
        }
        let last = rank - 1;
        let (before, step, inner) = (self.before[last], self.step[last], shape[last]);
        for_rows(io.out_words(0), self.shape[last], |mut row, y| {
            y.fill(self.value.to_bits());
            let mut at = 0;
            for a in (0..last).rev() {
                match self.source(a, shape[a], row % self.shape[a]) {
                    Some(c) => at += c * strides[a],
                    None => return,
                }
                row /= self.shape[a];
            }
            let x = &x[at..at + inner];
            y[before..].iter_mut().step_by(step).zip(x).for_each(|(y, x)| *y = *x);
        });
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        const N: [&str; MAX_RANK] = ["N0", "N1", "N2", "N3", "N4", "N5"];
        const BEFORE: [&str; MAX_RANK] = ["B0", "B1", "B2", "B3", "B4", "B5"];
        const STEP: [&str; MAX_RANK] = ["T0", "T1", "T2", "T3", "T4", "T5"];
        const EXTENT: [&str; MAX_RANK] = ["E0", "E1", "E2", "E3", "E4", "E5"];
        let count = self.shape.elements();
        let mut constants = vec![("COUNT", count as f64), ("VALUE", self.value as f64)];
        let tables = [
            (N, six(&self.shape, 1)),
            (BEFORE, six(&self.before, 0)),
            (STEP, six(&self.step, 1)),
            (EXTENT, six(&cx.inputs[0].shape, 1)),
        ];
        for (names, values) in tables {
            constants.extend(names.into_iter().zip(values).map(|(n, v)| (n, v as f64)));
        }
        Ok(Lowering::from(Launch::each(count, "shape/pad", constants, vec![Operand::In(0), Operand::Out(0)])))
    }
}

impl Graph {
    /// `x` with `(before, after)` elements of `value` around it, one pair an axis.
    pub fn pad(&mut self, x: Value, around: &[(usize, usize)], value: f32) -> Result<Value> {
        let from = self.shape(x).clone();
        if around.len() != from.len() || !value.is_finite() {
            let m = format!(
                "{} wants one (before, after) an axis and a finite value, got {around:?}, {value}",
                self.meta(x)
            );
            return Err(Error::shape("pad", m));
        }
        let shape: Vec<usize> = from.iter().zip(around).map(|(d, (b, a))| d + b + a).collect();
        let before = around.iter().map(|(b, _)| *b).collect();
        self.apply1(Pad { before, step: vec![1; from.len()], shape: shape.into(), value }, &[x])
    }
}
