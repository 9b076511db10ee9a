//! Batches of matrix products on all threads.

use super::entry::check_length;
use super::gemm::{View, product};
use super::isa::Isa;
use crate::tensor::MatMulExtents;
use rayon::prelude::*;

/// Rows of C that one task makes: some times what a microkernel makes at once (up to 48), so that packing B pays, and few
/// enough that a small product is work for several threads.
const ROWS: usize = 128;

/// `C[i] = op(A[i]) op(B[i])`, row-major.
///
/// # Panics
/// If a slice has not the numbers that the extents say.
pub fn matmul(isa: Isa, e: &MatMulExtents, a: &[f32], b: &[f32], c: &mut [f32]) {
    let (m, n, k) = (e.m, e.n, e.k);
    for (name, found, [rows, columns], batched) in
        [("A", a.len(), [m, k], e.batched_a), ("B", b.len(), [k, n], e.batched_b), ("C", c.len(), [m, n], true)]
    {
        let expected = rows.checked_mul(columns).and_then(|x| x.checked_mul(if batched { e.batch } else { 1 }));
        check_length("matmul", name, found, expected.expect("matmul: extents that can be counted"));
    }
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
        product(isa, (c.len() / n, n, k), a, b, (c, n), false);
    };
    // Every product of the batch starts a new row of tiles.
    let tiles_of: Vec<(usize, &mut [f32])> = c
        .chunks_mut(m * n)
        .enumerate()
        .flat_map(|(i, c)| c.chunks_mut(ROWS * n).enumerate().map(move |(t, c)| (i * tiles + t, c)))
        .collect();
    tiles_of.into_par_iter().for_each(task);
}
