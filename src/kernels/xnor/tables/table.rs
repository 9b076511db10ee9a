//! The tables, and the loops that look things up in them.

use super::{FLOATS, R, ROWS, V};
use pulp::Simd;

/// Floats of a row.
pub(super) fn row<S: Simd>() -> usize {
    V * S::F32_LANES
}

/// Floats of a table.
pub(super) fn table<S: Simd>() -> usize {
    ROWS * row::<S>()
}

#[inline(always)]
fn load<S: Simd>(x: &[f32], at: usize) -> S::f32s {
    assert!(at + S::F32_LANES <= x.len());
    // SAFETY: checked; a vector of floats has no invalid values.
    unsafe { x.as_ptr().add(at).cast::<S::f32s>().read_unaligned() }
}

#[inline(always)]
fn store<S: Simd>(x: &mut [f32], at: usize, value: S::f32s) {
    assert!(at + S::F32_LANES <= x.len());
    // SAFETY: checked.
    unsafe { x.as_mut_ptr().add(at).cast::<S::f32s>().write_unaligned(value) };
}

/// Fills a table: row `bits` is the sum of four rows of floats, each as it is where its bit is set; where it is not, negative
/// (`minus`) or left out.
#[inline(always)]
pub(super) fn fill<S: Simd>(simd: S, minus: bool, rows: [&[f32]; FLOATS], out: &mut [f32]) {
    let zero = simd.splat_f32s(0.0);
    let pair = |a, b| {
        let both = simd.add_f32s(a, b);
        match minus {
            true => [simd.sub_f32s(zero, both), simd.sub_f32s(a, b), simd.sub_f32s(b, a), both],
            false => [zero, a, b, both],
        }
    };
    let (lanes, width) = (S::F32_LANES, row::<S>());
    let out = &mut out[..ROWS * width];
    for v in 0..V {
        let [a, b, c, d] = rows.map(|r| load::<S>(r, v * lanes));
        let (low, high) = (pair(a, b), pair(c, d));
        for (bits, out) in out.chunks_exact_mut(width).enumerate() {
            store::<S>(out, v * lanes, simd.add_f32s(low[bits & 3], high[bits >> 2]));
        }
    }
}

/// A row's first byte in its table, as a number of bytes.
pub(super) fn offset<S: Simd>(bits: usize) -> usize {
    bits * row::<S>() * size_of::<f32>()
}

/// `R` sums over tables: of each table the row that begins at the byte that `at(sum, table)` names.
///
/// # Safety
/// Every byte that `at` names is the first of a row of the tables.
#[inline(always)]
pub(super) unsafe fn look_up<S: Simd>(
    simd: S,
    sums: &mut [[S::f32s; V]; R],
    tables: &[f32],
    count: usize,
    at: impl Fn(usize, usize) -> usize,
) {
    let bytes = tables.as_ptr().cast::<u8>();
    for t in 0..count {
        for (r, sum) in sums.iter_mut().enumerate() {
            // SAFETY: promised by the caller.
            let row = unsafe { bytes.add(at(r, t)) }.cast::<S::f32s>();
            for (v, sum) in sum.iter_mut().enumerate() {
                // SAFETY: as above.
                *sum = simd.add_f32s(*sum, unsafe { row.add(v).read_unaligned() });
            }
        }
    }
}

/// `V` vectors from `at` on.
#[inline(always)]
pub(super) fn load_row<S: Simd>(x: &[f32], at: usize) -> [S::f32s; V] {
    std::array::from_fn(|v| load::<S>(x, at + v * S::F32_LANES))
}

/// Adds `V` vectors, each float times its factor, from `at` on.
///
/// # Safety
/// `x` has them.
#[inline(always)]
pub(super) unsafe fn add_row<S: Simd>(simd: S, x: &mut [f32], at: usize, row: [S::f32s; V], factor: [S::f32s; V]) {
    if cfg!(test) {
        assert!(at + V * S::F32_LANES <= x.len());
    }
    for v in 0..V {
        // SAFETY: promised by the caller.
        unsafe {
            let to = x.as_mut_ptr().add(at + v * S::F32_LANES).cast::<S::f32s>();
            to.write_unaligned(simd.mul_add_e_f32s(row[v], factor[v], to.read_unaligned()));
        }
    }
}

/// Writes `V` vectors from `at` on.
#[inline(always)]
pub(super) fn store_row<S: Simd>(x: &mut [f32], at: usize, row: [S::f32s; V]) {
    for (v, value) in row.into_iter().enumerate() {
        store::<S>(x, at + v * S::F32_LANES, value);
    }
}

/// Copies `V` vectors.
#[inline(always)]
pub(super) fn copy_row<S: Simd>(from: &[f32], to: &mut [f32]) {
    for v in 0..V {
        store::<S>(to, v * S::F32_LANES, load::<S>(from, v * S::F32_LANES));
    }
}
