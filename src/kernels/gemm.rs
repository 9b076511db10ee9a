//! Matrix products by the `gemm` crate, called on tiles from our own threads.

use crate::tensor::MatMulExtents;
use gemm::{Parallelism, gemm};
use rayon::prelude::*;

/// A matrix inside a slice.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub data: &'a [f32],
    pub row: usize,
    pub column: usize,
}

impl<'a> View<'a> {
    /// Rows one after the other, `stride` apart.
    pub fn rows(data: &'a [f32], stride: usize) -> Self {
        View { data, row: stride, column: 1 }
    }

    /// The transpose.
    pub fn t(self) -> Self {
        View { row: self.column, column: self.row, ..self }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0 || columns == 0 || (rows - 1) * self.row + (columns - 1) * self.column < self.data.len()
    }
}

/// `C (+)= A B` on this thread; C `[m, n]` with rows `stride` apart.
pub(super) fn product(m: usize, n: usize, k: usize, a: View<'_>, b: View<'_>, c: &mut [f32], stride: usize, add: bool) {
    assert!(a.holds(m, k) && b.holds(k, n) && (m == 0 || n == 0 || (m - 1) * stride + n <= c.len()));
    // SAFETY: the asserts above keep every access inside the slices.
    unsafe {
        gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            stride as isize,
            add,
            a.data.as_ptr(),
            a.column as isize,
            a.row as isize,
            b.data.as_ptr(),
            b.column as isize,
            b.row as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// Rows of C that one task makes.
const ROWS: usize = 128;

/// `C[i] = op(A[i]) op(B[i])`, row-major.
pub fn matmul(e: &MatMulExtents, a: &[f32], b: &[f32], c: &mut [f32]) {
    let (m, n, k) = (e.m, e.n, e.k);
    if m * n == 0 {
        return;
    }
    let tiles = m.div_ceil(ROWS);
    let task = |(i, c): (usize, &mut [f32])| {
        let (i, first) = (i / tiles, i % tiles * ROWS);
        let a = if e.batched_a { &a[i * m * k..(i + 1) * m * k] } else { a };
        let b = if e.batched_b { &b[i * k * n..(i + 1) * k * n] } else { b };
        let a = match e.transpose_a {
            false => View::rows(&a[first * k..], k),
            true => View::rows(&a[first.min(a.len())..], m).t(),
        };
        let b = if e.transpose_b { View::rows(b, k).t() } else { View::rows(b, n) };
        product(c.len() / n, n, k, a, b, c, n, false);
    };
    // Every product of the batch starts a new row of tiles.
    let tiles_of: Vec<(usize, &mut [f32])> = c
        .chunks_mut(m * n)
        .enumerate()
        .flat_map(|(i, c)| c.chunks_mut(ROWS * n).enumerate().map(move |(t, c)| (i * tiles + t, c)))
        .collect();
    tiles_of.into_par_iter().for_each(task);
}
