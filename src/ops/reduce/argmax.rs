//! Where the maximum along an axis is.

use crate::error::{Error, Result};
use crate::graph::{CpuIo, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand};
use crate::ops::inputs::exactly;
use crate::tensor::{DType, RefTensor, Shape};
use rayon::prelude::*;

/// The index (u32) of the first maximum along `axis`, which stays with extent 1. No gradient.
#[derive(Clone, Debug)]
pub struct Argmax {
    /// The axis.
    pub axis: usize,
}

impl Argmax {
    /// The input as `[outer, r, inner]`.
    fn extents(&self, x: &Shape) -> (usize, usize, usize) {
        (x[..self.axis].iter().product(), x[self.axis], x[self.axis + 1..].iter().product())
    }
}

/// Position of the first largest of `n` numbers.
fn first_largest(n: usize, at: impl Fn(usize) -> f32) -> usize {
    (1..n).fold(0, |best, k| if at(k) > at(best) { k } else { best })
}

impl Op for Argmax {
    fn name(&self) -> &'static str {
        "argmax"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x] = exactly("argmax", inputs)?;
        if self.axis >= x.shape.len() || x.dtype != DType::F32 || x.shape[self.axis] == 0 {
            return Err(Error::shape("argmax", format!("wants f32 with elements along axis {}, got {x}", self.axis)));
        }
        let mut dims = x.shape.to_vec();
        dims[self.axis] = 1;
        Ok(vec![Meta::new(dims, DType::U32)])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let (outer, r, inner) = self.extents(&inputs[0].shape);
        let x = &inputs[0].data;
        let data = (0..outer * inner)
            .map(|i| {
                let along: Vec<f64> = (0..r).map(|k| x[(i / inner * r + k) * inner + i % inner]).collect();
                let most = along.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                along.iter().position(|v| *v == most).unwrap_or(0) as f64
            })
            .collect();
        vec![RefTensor::new(outputs[0].shape.clone(), DType::U32, data)]
    }

    fn bound(&self, _inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        vec![vec![0.0; outputs[0].data.len()]]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let (_, r, inner) = self.extents(&io.meta(0).shape);
        let x = io.f32(0);
        io.out_words(0).par_iter_mut().with_min_len((16 * 1024 / r).max(1)).enumerate().for_each(|(i, y)| {
            *y = first_largest(r, |k| x[(i / inner * r + k) * inner + i % inner]) as u32;
        });
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let (outer, r, inner) = self.extents(&cx.inputs[0].shape);
        Ok(Lowering::from(Launch::each(
            outer * inner,
            "reduce/argmax",
            vec![("COUNT", (outer * inner) as f64), ("R", r as f64), ("INNER", inner as f64)],
            vec![Operand::In(0), Operand::Out(0)],
        )))
    }
}

impl Graph {
    /// The index (u32) of the first maximum along `axis`, which stays with extent 1.
    pub fn argmax(&mut self, x: Value, axis: usize) -> Result<Value> {
        self.apply1(Argmax { axis }, &[x])
    }
}
