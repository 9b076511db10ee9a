//! A regular part of a tensor: `y[c] = x[start + step * c]` along every axis.

use super::pad::Pad;
use super::strided::{Strided, indices, movable, six};
use crate::error::{Error, Result};
use crate::graph::{CpuIo, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Lowering, Operand};
use crate::ops::inputs::exactly;
use crate::tensor::{RefTensor, Shape};
use std::ops::Range;

/// Takes `shape` elements from `start` on, every `step`-th along each axis. Its gradient puts them
/// back between zeros ([`Pad`]).
#[derive(Clone, Debug)]
pub struct Slice {
    /// First index along each axis.
    pub start: Vec<usize>,
    /// Distance of neighbours along each axis.
    pub step: Vec<usize>,
    /// Extents of the result.
    pub shape: Shape,
}

impl Slice {
    fn strided(&self, x: &Shape) -> Strided {
        let own = x.strides();
        let strides: Vec<usize> = own.iter().zip(&self.step).map(|(s, t)| s * t).collect();
        let base = own.iter().zip(&self.start).map(|(s, t)| s * t).sum();
        Strided { extents: six(&self.shape, 1), strides: six(&strides, 0), base }
    }
}

impl Op for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x] = exactly("slice", inputs)?;
        movable("slice", x)?;
        let rank = x.shape.len();
        let fits = self.start.len() == rank
            && self.step.len() == rank
            && self.shape.len() == rank
            && (0..rank).all(|a| {
                let last = || self.step[a].checked_mul(self.shape[a].checked_sub(1)?)?.checked_add(self.start[a]);
                self.step[a] > 0 && last().is_some_and(|last| last < x.shape[a])
            });
        if !fits {
            let m = format!("{} from {:?} with step {:?} is not in {x}", self.shape, self.start, self.step);
            return Err(Error::shape("slice", m));
        }
        Ok(vec![Meta::new(self.shape.clone(), x.dtype)])
    }

    fn grad(&self, g: &mut Graph, x: &[Value], _y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let pad = Pad { before: self.start.clone(), step: self.step.clone(), shape: g.shape(x[0]).clone(), value: 0.0 };
        Ok(vec![dy[0].map(|d| g.apply1(pad, &[d])).transpose()?])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let x = inputs[0];
        let data = indices(&outputs[0].shape)
            .map(|c| {
                let from: Vec<usize> = (0..c.len()).map(|a| self.start[a] + self.step[a] * c[a]).collect();
                x.at(&from)
            })
            .collect();
        vec![RefTensor::new(outputs[0].shape.clone(), x.dtype, data)]
    }

    fn bound(&self, _inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        vec![vec![0.0; outputs[0].data.len()]]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let (x, copy) = (io.words(0), self.strided(&io.meta(0).shape));
        copy.copy(x, io.out_words(0));
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let launch = self.strided(&cx.inputs[0].shape).launch(Operand::In(0), Operand::Out(0));
        Ok(Lowering { temps: vec![], launches: vec![launch] })
    }
}

impl Graph {
    /// `x[start..end : step]` along every axis: one `(range, step)` an axis.
    pub fn slice_axes(&mut self, x: Value, axes: &[(Range<usize>, usize)]) -> Result<Value> {
        if axes.iter().any(|(r, step)| *step == 0 || r.start >= r.end) {
            let m = format!("{axes:?} of {}: every range holds an element and every step is at least 1", self.meta(x));
            return Err(Error::shape("slice", m));
        }
        let shape: Vec<usize> = axes.iter().map(|(r, step)| (r.end - r.start).div_ceil(*step)).collect();
        let start = axes.iter().map(|(r, _)| r.start).collect();
        let step = axes.iter().map(|(_, s)| *s).collect();
        self.apply1(Slice { start, step, shape: shape.into() }, &[x])
    }

    /// `x[start..end : step]` along `axis`, all of the others.
    pub fn slice(&mut self, x: Value, axis: usize, range: Range<usize>, step: usize) -> Result<Value> {
        let shape = self.shape(x).clone();
        if axis >= shape.len() {
            return Err(Error::shape("slice", format!("{} has no axis {axis}", self.meta(x))));
        }
        let mut axes: Vec<(Range<usize>, usize)> = shape.iter().map(|&d| (0..d, 1)).collect();
        axes[axis] = (range, step);
        self.slice_axes(x, &axes)
    }
}
