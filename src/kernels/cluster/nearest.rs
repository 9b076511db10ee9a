//! The nearest centre by products of matrices, a tile of points and centres at a time, and a running minimum over them.

use crate::kernels::entry::check_length;
use crate::kernels::gemm::{View, product};
use crate::kernels::isa::Isa;
use rayon::prelude::*;

/// The bit of an assignment that says that another device may choose the second centre.
pub const NEAR_TIE: u32 = 1 << 31;

/// Points of a tile. Always as many, so that a sum does not depend on how many points there are.
const POINTS: usize = 128;
/// Centres of a tile: its products take 256 KiB of the second-level cache.
const CENTRES: usize = 512;
/// Numbers that a vector register holds at most; the running minimum has as many places.
const LANES: usize = 16;

/// `x [n, d]`, `columns [g, m]`, `centres [g, k, m + 1]` to numbers `[g, n]`; see [`crate::ops::cluster::Nearest`].
///
/// # Panics
/// If an extent is zero, or the slices are not of one set of them.
pub fn nearest(
    isa: Isa,
    (d, m, k): (usize, usize, usize),
    nearness: f32,
    x: &[f32],
    columns: &[u32],
    centres: &[f32],
    found: &mut [u32],
) {
    assert!(d > 0 && m > 0 && k > 0 && x.len().is_multiple_of(d), "nearest: {} numbers of points of {d}", x.len());
    let (n, sets) = (x.len() / d, columns.len() / m);
    check_length("nearest", "columns", columns.len(), sets * m);
    let expected = m.checked_add(1).and_then(|row| row.checked_mul(k)?.checked_mul(sets));
    check_length("nearest", "centres", centres.len(), expected.expect("nearest: extents that can be counted"));
    check_length("nearest", "the numbers of centres", found.len(), sets * n);
    let tiles: Vec<(usize, usize, &mut [u32])> = found
        .chunks_mut(n.max(1))
        .enumerate()
        .flat_map(|(set, row)| row.chunks_mut(POINTS).enumerate().map(move |(t, found)| (set, t * POINTS, found)))
        .collect();
    tiles.into_par_iter().for_each_init(Scratch::default, |scratch, (set, first, found)| {
        let columns = &columns[set * m..][..m];
        let centres = &centres[set * k * (m + 1)..][..k * (m + 1)];
        scratch.gather(&x[first * d..][..found.len() * d], d, columns);
        let mut best = [Best::default(); POINTS];
        for top in (0..k).step_by(CENTRES) {
            let some = CENTRES.min(k - top);
            let tile = &centres[top * (m + 1)..][..some * (m + 1)];
            scratch.products.resize(POINTS * CENTRES, 0.0);
            let of_centres = View::rows(tile, m + 1).t();
            let to = (&mut scratch.products[..], CENTRES);
            product(isa, (POINTS, some, m), View::rows(&scratch.x, m), of_centres, to, false);
            scratch.norms.clear();
            scratch.norms.extend(tile.chunks_exact(m + 1).map(|c| c[m]));
            let rows = scratch.products.chunks_exact(CENTRES).take(found.len());
            isa.run(
                #[inline(always)]
                || {
                    for (row, best) in rows.clone().zip(&mut best) {
                        best.look(&scratch.norms, &row[..some], top as u32);
                    }
                },
            );
        }
        for ((point, best), found) in scratch.x.chunks_exact(m).zip(&best).zip(found) {
            let squares: f32 = point.iter().map(|x| x * x).sum();
            let size = 2.0 * centres[best.at as usize * (m + 1) + m] + squares;
            let near = best.second - best.first <= nearness * size;
            *found = best.at | if near { NEAR_TIE } else { 0 };
        }
    });
}

/// What a thread works in.
#[derive(Default)]
struct Scratch {
    /// The sampled coordinates of the points, `[POINTS, m]`, zeros past the last.
    x: Vec<f32>,
    products: Vec<f32>,
    norms: Vec<f32>,
}

impl Scratch {
    fn gather(&mut self, points: &[f32], d: usize, columns: &[u32]) {
        self.x.clear();
        for point in points.chunks_exact(d) {
            self.x.extend(columns.iter().map(|c| point.get(*c as usize).copied().unwrap_or(0.0)));
        }
        self.x.resize(POINTS * columns.len(), 0.0);
    }
}

/// The two smallest scores so far, and where the smallest is.
#[derive(Clone, Copy)]
struct Best {
    first: f32,
    second: f32,
    at: u32,
}

impl Default for Best {
    fn default() -> Self {
        Best { first: f32::INFINITY, second: f32::INFINITY, at: 0 }
    }
}

impl Best {
    /// Scores `norm - 2 product` of centres from number `top` on.
    #[inline(always)]
    fn look(&mut self, norms: &[f32], products: &[f32], top: u32) {
        let (mut first, mut second, mut at) = ([f32::INFINITY; LANES], [f32::INFINITY; LANES], [0u32; LANES]);
        let whole = products.len() / LANES * LANES;
        let fours = norms[..whole].chunks_exact(LANES).zip(products[..whole].chunks_exact(LANES));
        for (i, (norms, products)) in fours.enumerate() {
            for l in 0..LANES {
                let score = norms[l] - 2.0 * products[l];
                let better = score < first[l];
                let other = if better { first[l] } else { score };
                second[l] = if other < second[l] { other } else { second[l] };
                at[l] = if better { i as u32 } else { at[l] };
                first[l] = if better { score } else { first[l] };
            }
        }
        for l in 0..LANES {
            self.take(first[l], top + at[l] * LANES as u32 + l as u32);
            self.second = self.second.min(second[l]);
        }
        for j in whole..products.len() {
            self.take(norms[j] - 2.0 * products[j], top + j as u32);
        }
    }

    #[inline(always)]
    fn take(&mut self, score: f32, at: u32) {
        if score < self.first || (score == self.first && at < self.at) {
            self.second = self.second.min(self.first);
            (self.first, self.at) = (score, at);
        } else {
            self.second = self.second.min(score);
        }
    }
}
