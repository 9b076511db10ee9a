//! Copies in which every output axis walks the input with a stride of its own: what slices and
//! transposes have in common.

use crate::error::{Error, Result};
use crate::graph::Meta;
use crate::launch::{Launch, Operand};
use rayon::prelude::*;

/// Most axes that the ops which move elements address; shorter shapes get leading axes of extent 1.
pub const MAX_RANK: usize = 6;

/// Elements that one task of the CPU device moves: 64 KiB, some microseconds, as long as handing a task out takes.
const TASK: usize = 16 * 1024;

/// `y[c] = x[base + sum_a c_a * strides_a]`, in elements.
#[derive(Clone, Copy, Debug)]
pub struct Strided {
    /// Extents of the output.
    pub extents: [usize; MAX_RANK],
    /// Step in the input along each axis of the output.
    pub strides: [usize; MAX_RANK],
    /// Where the first element comes from.
    pub base: usize,
}

/// `values` with `lead` before them, as many as [`MAX_RANK`].
pub fn six(values: &[usize], lead: usize) -> [usize; MAX_RANK] {
    let mut out = [lead; MAX_RANK];
    out[MAX_RANK - values.len()..].copy_from_slice(values);
    out
}

/// Refuses what the kernels cannot address: too many axes, or elements that share a word.
pub fn movable(op: &'static str, x: &Meta) -> Result<()> {
    if x.shape.len() > MAX_RANK || x.dtype.per_word() != 1 {
        let m = format!("wants at most {MAX_RANK} axes of 32-bit elements, got {x}");
        return Err(Error::shape(op, m));
    }
    Ok(())
}

/// All indices of a shape, in row-major order: the loops of the references.
pub fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let shape = shape.to_vec();
    (0..shape.iter().product()).map(move |mut i| {
        let mut index = vec![0; shape.len()];
        for (at, n) in index.iter_mut().zip(&shape).rev() {
            *at = i % n;
            i /= n;
        }
        index
    })
}

/// Calls `f` with the number of each row of `columns` words and the row, several rows a task.
pub fn for_rows(y: &mut [u32], columns: usize, f: impl Fn(usize, &mut [u32]) + Sync) {
    if columns == 0 {
        return;
    }
    let rows = (TASK / columns).max(1);
    y.par_chunks_mut(rows * columns).enumerate().for_each(|(task, part)| {
        for (r, row) in part.chunks_exact_mut(columns).enumerate() {
            f(task * rows + r, row);
        }
    });
}

impl Strided {
    /// Runs the copy on the CPU.
    pub fn copy(&self, x: &[u32], y: &mut [u32]) {
        let (columns, step) = (self.extents[MAX_RANK - 1], self.strides[MAX_RANK - 1]);
        if columns == 0 {
            return;
        }
        let rows = (TASK / columns).max(1);
        y.par_chunks_mut(rows * columns).enumerate().for_each(|(task, part)| {
            let (mut at, mut rest) = (self.base, task * rows);
            let mut index = [0; MAX_RANK - 1];
            for a in (0..MAX_RANK - 1).rev() {
                (index[a], rest) = (rest % self.extents[a], rest / self.extents[a]);
                at += index[a] * self.strides[a];
            }
            for y in part.chunks_exact_mut(columns) {
                if step == 1 {
                    y.copy_from_slice(&x[at..at + columns]);
                } else {
                    y.iter_mut().enumerate().for_each(|(c, y)| *y = x[at + c * step]);
                }
                // Counted on, as rows may be short and divisions are slow.
                for a in (0..MAX_RANK - 1).rev() {
                    (index[a], at) = (index[a] + 1, at + self.strides[a]);
                    if index[a] < self.extents[a] {
                        break;
                    }
                    at -= index[a] * self.strides[a];
                    index[a] = 0;
                }
            }
        });
    }

    /// The dispatch of the copy.
    pub fn launch(&self, from: Operand, to: Operand) -> Launch {
        const EXTENTS: [&str; MAX_RANK] = ["N0", "N1", "N2", "N3", "N4", "N5"];
        const STRIDES: [&str; MAX_RANK] = ["S0", "S1", "S2", "S3", "S4", "S5"];
        let count: usize = self.extents.iter().product();
        let mut constants = vec![("COUNT", count as f64), ("BASE", self.base as f64)];
        constants.extend(EXTENTS.iter().zip(self.extents).skip(1).map(|(n, v)| (*n, v as f64)));
        constants.extend(STRIDES.iter().zip(self.strides).map(|(n, v)| (*n, v as f64)));
        Launch::each(count, "shape/strided", constants, vec![from, to])
    }
}
