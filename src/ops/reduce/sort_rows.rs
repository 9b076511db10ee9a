//! Every row in descending order.

use crate::error::{Error, Result};
use crate::graph::{CpuIo, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand, fold_groups};
use crate::ops::inputs::exactly;
use crate::tensor::{DType, RefTensor};
use rayon::prelude::*;

/// `x [.., D]` -> the same numbers along the last axis, largest first, to the bit; +0 comes before -0; x holds no NaN.
///
/// On a GPU a bitonic network (Batcher 1968) over rows filled up to a power of two: blocks of 2,048 are sorted in
/// workgroup memory; exchanges further apart go through a scratch buffer, one launch a distance.
#[derive(Clone, Debug)]
pub struct SortRows;

/// Elements that a workgroup sorts: 8 KiB.
const BLOCK: usize = 2048;

impl Op for SortRows {
    fn name(&self) -> &'static str {
        "sort_rows"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x] = exactly("sort_rows", inputs)?;
        if x.shape.is_empty() || x.dtype != DType::F32 || x.shape.columns() == 0 {
            return Err(Error::shape("sort_rows", format!("{x} has no rows of numbers")));
        }
        Ok(vec![x.clone()])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Err(Error::Config("sort_rows has no gradient: detach its input".into()))
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let mut data = inputs[0].data.clone();
        data.chunks_exact_mut(inputs[0].shape.columns()).for_each(|row| row.sort_by(|a, b| b.total_cmp(a)));
        vec![RefTensor::f32(outputs[0].shape.clone(), data)]
    }

    fn bound(&self, _inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        vec![vec![0.0; outputs[0].data.len()]]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let (x, n) = (io.f32(0), io.meta(0).shape.columns());
        let rows = io.out(0).par_chunks_mut(n).zip(x.par_chunks(n)).with_min_len((4 * 1024 / n).max(1));
        rows.for_each(|(y, x)| {
            y.copy_from_slice(x);
            y.sort_unstable_by(|a, b| b.total_cmp(a));
        });
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let (rows, n) = (cx.inputs[0].shape.rows(), cx.inputs[0].shape.columns());
        let padded = n.next_power_of_two().max(2);
        let block = padded.min(BLOCK);
        let blocks = rows * padded / block;
        let keys = Operand::Temp(0);
        let of = |shader, more: &[(&'static str, f64)], groups: usize, operands| Launch {
            shader,
            defines: vec![],
            constants: [("PADDED", padded as f64), ("BLOCK", block as f64)].iter().chain(more).copied().collect(),
            workgroups: fold_groups(groups),
            operands,
        };
        let size = [("ROWS", rows as f64), ("N", n as f64)];
        let mut launches = vec![of("reduce/sort_rows", &size, blocks, vec![Operand::In(0), keys])];
        let mut run = 2 * block;
        while run <= padded {
            let mut distance = run / 2;
            while distance >= block {
                let step = [("ROWS", rows as f64), ("RUN", run as f64), ("DISTANCE", distance as f64)];
                let pairs = (rows * padded / 2).div_ceil(64);
                let mut far = of("reduce/sort_rows_far", &step, pairs, vec![keys]);
                far.constants.retain(|(name, _)| *name != "BLOCK");
                launches.push(far);
                distance /= 2;
            }
            let near = [("ROWS", rows as f64), ("RUN", run as f64)];
            launches.push(of("reduce/sort_rows_near", &near, blocks, vec![keys]));
            run *= 2;
        }
        let mut take = of("reduce/sort_rows_take", &size, (rows * n).div_ceil(64), vec![keys, Operand::Out(0)]);
        take.constants.retain(|(name, _)| *name != "BLOCK");
        launches.push(take);
        Ok(Lowering { temps: vec![rows * padded], launches })
    }
}

impl Graph {
    /// Every row (last axis) in descending order; no gradient.
    pub fn sort_rows(&mut self, x: Value) -> Result<Value> {
        self.apply1(SortRows, &[x])
    }
}
