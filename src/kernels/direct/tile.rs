//! The two inner loops: a tile of `T` rows by `V` vectors of results in registers.

use crate::kernels::taps::Place;
use pulp::Simd;
use std::ops::Range;

#[inline(always)]
pub(super) fn load<S: Simd, const V: usize>(x: &[f32], at: usize) -> [S::f32s; V] {
    if cfg!(test) {
        assert!(at + V * S::F32_LANES <= x.len());
    }
    // SAFETY: the loops below, and `Block::tile`, assert beforehand how far they read; a vector of floats has no invalid
    // values.
    std::array::from_fn(|v| unsafe { x.as_ptr().add(at + v * S::F32_LANES).cast::<S::f32s>().read_unaligned() })
}

#[inline(always)]
pub(super) fn store<S: Simd, const V: usize>(x: &mut [f32], at: usize, values: [S::f32s; V]) {
    if cfg!(test) {
        assert!(at + V * S::F32_LANES <= x.len());
    }
    for (v, value) in values.into_iter().enumerate() {
        // SAFETY: as in `load`.
        unsafe { x.as_mut_ptr().add(at + v * S::F32_LANES).cast::<S::f32s>().write_unaligned(value) };
    }
}

/// Adds the products of `U` floats of each window, `first` floats from its begin, with `U` rows of the panel.
#[inline(always)]
fn advance<S: Simd, const T: usize, const V: usize, const U: usize>(
    simd: S,
    sums: &mut [[S::f32s; V]; T],
    windows: [*const f32; T],
    first: usize,
    (panel, pitch): (&[f32], usize),
) {
    for i in 0..U {
        let b = load::<S, V>(panel, i * pitch);
        for (sum, window) in sums.iter_mut().zip(windows) {
            // SAFETY: the caller checked how far windows reach.
            let a = simd.splat_f32s(unsafe { *window.add(first + i) });
            for v in 0..V {
                sum[v] = simd.mul_add_f32s(a, b[v], sum[v]);
            }
        }
    }
}

/// Writes `T` outputs of `V` vectors: their windows times `panel`, which has a row of `pitch` floats for
/// each float of a window. A pixel has `c` floats in `from` and `o` in `to`.
#[inline(always)]
pub(super) fn windows_times_panel<S: Simd, const T: usize, const V: usize>(
    simd: S,
    (from, c): (&[f32], usize),
    runs: &[Range<usize>],
    (panel, pitch): (&[f32], usize),
    (to, o): (&mut [f32], usize),
    places: &[Place; T],
) {
    let width = V * S::F32_LANES;
    let reach = runs.iter().map(|r| r.end).max().unwrap_or(0);
    let k: usize = runs.iter().map(Range::len).sum();
    assert!(k == 0 || (k - 1) * pitch + width <= panel.len());
    assert!(places.iter().all(|p| p.from * c + reach <= from.len() && p.to * o + width <= to.len()));
    let windows = places.map(|p| from[p.from * c..].as_ptr());
    let mut sums = [[simd.splat_f32s(0.0); V]; T];
    let mut panel = panel;
    for run in runs {
        // Four floats of a window before the next window: its address is computed once for four uses.
        let fours = run.end - run.len() % 4;
        for i in (run.start..fours).step_by(4) {
            advance::<S, T, V, 4>(simd, &mut sums, windows, i, (panel, pitch));
            panel = panel.get(4 * pitch..).unwrap_or(&[]);
        }
        for i in fours..run.end {
            advance::<S, T, V, 1>(simd, &mut sums, windows, i, (panel, pitch));
            panel = panel.get(pitch..).unwrap_or(&[]);
        }
    }
    for (sum, place) in sums.into_iter().zip(places) {
        store::<S, V>(to, place.to * o, sum);
    }
}

/// Adds to `T` rows of `sums`, `stride` apart, the products of `T` neighbouring floats of `from` with
/// `V` vectors of `dy`, over a block of `rows` by `columns` pixels.
#[inline(always)]
pub(super) fn pixels_outer_product<S: Simd, const T: usize, const V: usize>(
    simd: S,
    [rows, columns]: [usize; 2],
    (from, from_row, from_step): (&[f32], usize, usize),
    (dy, dy_row, dy_step): (&[f32], usize, usize),
    (sums, stride): (&mut [f32], usize),
) {
    let width = V * S::F32_LANES;
    if rows * columns == 0 {
        return;
    }
    assert!((rows - 1) * from_row + (columns - 1) * from_step + T <= from.len());
    assert!((rows - 1) * dy_row + (columns - 1) * dy_step + width <= dy.len());
    assert!((T - 1) * stride + width <= sums.len());
    let mut held: [[S::f32s; V]; T] = std::array::from_fn(|t| load::<S, V>(sums, t * stride));
    for r in 0..rows {
        for i in 0..columns {
            let b: [S::f32s; V] = load::<S, V>(dy, r * dy_row + i * dy_step);
            let at = r * from_row + i * from_step;
            for (t, sum) in held.iter_mut().enumerate() {
                // SAFETY: checked above.
                let a = simd.splat_f32s(unsafe { *from.get_unchecked(at + t) });
                for v in 0..V {
                    sum[v] = simd.mul_add_f32s(a, b[v], sum[v]);
                }
            }
        }
    }
    for (t, sum) in held.into_iter().enumerate() {
        store::<S, V>(sums, t * stride, sum);
    }
}
