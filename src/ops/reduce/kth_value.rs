//! The element of a given rank of each row.

use crate::error::{Error, Result};
use crate::graph::{CpuIo, GradientOf, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand, fold_groups};
use crate::ops::inputs::exactly;
use crate::tensor::{DType, HostTensor, RefTensor};
use rayon::prelude::*;

/// `x [.., D], rank [.., 1]` -> `[.., 1]`: along the last axis, the element before which `rank` others come in
/// ascending order (0 is the smallest; a rank past the end gives the largest). The result is one of the elements, to the
/// bit: nothing is computed. -0 comes before +0; x holds no NaN.
///
/// Selected by radix: the bits of floats, turned so that they order as the numbers do, are counted by their first byte,
/// then among those that share it by the next, four times. No sorting, and a row may be a layer of millions.
#[derive(Clone, Debug)]
pub struct KthValue;

fn rank_of(rank: f64, n: usize) -> usize {
    (rank as usize).min(n - 1)
}

impl Op for KthValue {
    fn name(&self) -> &'static str {
        "kth_value"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x, rank] = exactly("kth_value", inputs)?;
        let mut dims = x.shape.to_vec();
        if let Some(d) = dims.last_mut() {
            *d = 1;
        }
        // Ranks are f32, which count exactly so far.
        let fits = !dims.is_empty() && x.dtype == DType::F32 && (1..1 << 24).contains(&x.shape.columns());
        if !fits || *rank != Meta::f32(dims.clone()) {
            return Err(Error::shape("kth_value", format!("there is no element of rank {rank} of each row of {x}")));
        }
        Ok(vec![Meta::f32(dims)])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None, None])
    }

    fn gradient_of(&self) -> GradientOf {
        GradientOf::Definition
    }

    /// Sorts each row.
    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let rows = inputs[0].data.chunks_exact(inputs[0].shape.columns());
        let values = rows.zip(&inputs[1].data).map(|(row, rank)| {
            let mut sorted = row.to_vec();
            sorted.sort_by(f64::total_cmp);
            let last = sorted.len() as f64 - 1.0;
            sorted[rank.trunc().clamp(0.0, last) as usize]
        });
        vec![RefTensor::f32(outputs[0].shape.clone(), values.collect())]
    }

    fn bound(&self, _inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        vec![vec![0.0; outputs[0].data.len()]]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let (x, ranks, n) = (io.f32(0), io.f32(1), io.meta(0).shape.columns());
        let y = io.out(0).par_iter_mut().with_min_len((16 * 1024 / n).max(1));
        y.zip(x.par_chunks(n)).zip(ranks).for_each(|((y, row), rank)| {
            let mut row = row.to_vec();
            *y = *row.select_nth_unstable_by(rank_of(*rank as f64, n), f32::total_cmp).1;
        });
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let x = &cx.inputs[0].shape;
        Ok(Lowering::from(Launch {
            shader: "reduce/kth_value",
            defines: vec![],
            constants: vec![("ROWS", x.rows() as f64), ("N", x.columns() as f64)],
            workgroups: fold_groups(x.rows()),
            operands: vec![Operand::In(0), Operand::In(1), Operand::Out(0)],
        }))
    }
}

impl Graph {
    /// The element of ascending rank `rank` `[.., 1]`, counted from 0, of each row of `x` `[.., D]`; no gradient.
    pub fn kth_value(&mut self, x: Value, rank: Value) -> Result<Value> {
        self.apply1(KthValue, &[x, rank])
    }

    /// The lower median of each row, `[.., 1]`: of n elements the one that is n/2-th in ascending order, or the middle one;
    /// no gradient.
    pub fn lower_median(&mut self, x: Value) -> Result<Value> {
        let shape = self.shape(x).clone();
        let mut dims = shape.to_vec();
        let Some(n) = dims.last_mut().map(|d| std::mem::replace(d, 1)) else {
            return Err(Error::shape("lower_median", format!("{} has no rows", self.meta(x))));
        };
        let rank = (n.div_ceil(2).max(1) - 1) as f32;
        let count = dims.iter().product();
        let rank = self.constant(HostTensor::from_f32(dims, vec![rank; count]));
        self.kth_value(x, rank)
    }
}
