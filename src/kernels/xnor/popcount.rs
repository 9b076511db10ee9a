//! Forward pass by AVX-512 popcount: 16 outputs a register, 8 windows at once.
//!
//! Borders are zero bits, which xor would count as -1: what the taps outside the image add is known
//! beforehand for each of the few patterns of such taps, and is part of the constant that a count is
//! added to.

use crate::kernels::grid::Grid;
use crate::kernels::taps::{Place, Taps, output_taps};
use crate::tensor::Conv2dGeometry;
use crate::tensor::bits::WeightCode;
use rayon::prelude::*;
use std::arch::x86_64::*;

/// Whether this machine can.
pub fn available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vpopcntdq")
}

/// Outputs of a register, and windows of a tile.
const LANES: usize = 16;
const TILE: usize = 8;

/// `y = constant + factor * count`.
struct Plan {
    grid: Grid,
    taps: Taps,
    /// Of each output pixel, where its row of `constants` begins.
    patterns: Vec<usize>,
    /// Weights `[block of outputs][word of the window][LANES]`.
    panel: Vec<u32>,
    /// `[pattern][outputs, a multiple of LANES]`.
    constants: Vec<i32>,
    o: usize,
}

/// For every output row or column, which taps lie inside, as a list of distinct ranges and the index of
/// each one's range.
fn ranges(outs: usize, kernel: usize, tap: impl Fn(usize, usize) -> bool) -> (Vec<Vec<bool>>, Vec<usize>) {
    let mut distinct: Vec<Vec<bool>> = Vec::new();
    let index = (0..outs)
        .map(|out| {
            let inside: Vec<bool> = (0..kernel).map(|k| tap(out, k)).collect();
            distinct.iter().position(|d| *d == inside).unwrap_or_else(|| {
                distinct.push(inside);
                distinct.len() - 1
            })
        })
        .collect();
    (distinct, index)
}

impl Plan {
    fn new(g: &Conv2dGeometry, code: WeightCode, w: &[u32]) -> Plan {
        let words = g.c.div_ceil(32);
        let (grid, taps) = output_taps(g, words);
        let (count, window) = (g.kh * g.kw, g.kh * g.kw * words);
        let blocks = g.o.div_ceil(LANES);
        let mut panel = vec![0; blocks * window * LANES];
        for (o, filter) in w.chunks_exact(window).enumerate() {
            for (i, &word) in filter.iter().enumerate() {
                panel[((o / LANES) * window + i) * LANES + o % LANES] = word;
            }
        }
        let ones: Vec<i32> = w.chunks_exact(words).map(|tap| tap.iter().map(|w| w.count_ones() as i32).sum()).collect();
        let (rows, row_of) = ranges(g.oh, g.kh, |out, k| g.tap(out, k, g.h).is_some());
        let (columns, column_of) = ranges(g.ow, g.kw, |out, k| g.tap(out, k, g.w).is_some());
        let mut constants = Vec::with_capacity(rows.len() * columns.len() * blocks * LANES);
        for row in &rows {
            for column in &columns {
                let inside = |tap: usize| row[tap / g.kw] && column[tap % g.kw];
                constants.extend((0..blocks * LANES).map(|o| {
                    let Some(ones) = ones.get(o * count..(o + 1) * count) else { return 0 };
                    (0..count)
                        .map(|tap| match (code, inside(tap)) {
                            (WeightCode::PlusMinus, true) => g.c as i32,
                            (WeightCode::PlusMinus, false) => 2 * ones[tap],
                            (WeightCode::ZeroOne, true) => -ones[tap],
                            (WeightCode::ZeroOne, false) => 0,
                        })
                        .sum::<i32>()
                }));
            }
        }
        let pattern = |p: usize| (row_of[p / g.ow] * columns.len() + column_of[p % g.ow]) * blocks * LANES;
        let patterns = (0..g.oh * g.ow).map(pattern).collect();
        Plan { grid, taps, patterns, panel, constants, o: g.o }
    }

    /// One block of outputs of `T` windows, 16-bit integers.
    ///
    /// # Safety
    /// The machine has AVX-512 with VPOPCNTDQ, and `x` is a padded image of the plan's grid.
    #[inline]
    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    unsafe fn tile<const T: usize, const AND: bool>(
        &self,
        x: &[u32],
        block: usize,
        places: &[Place; T],
        out: &mut [[u16; LANES]; T],
    ) {
        let words = self.grid.size[2];
        let window = self.taps.taps.len() * words;
        let mut panel = self.panel[block * window * LANES..][..window * LANES].as_ptr();
        let windows = places.map(|p| x[p.from * words..].as_ptr());
        let mut counts = [_mm512_setzero_si512(); T];
        for &(offset, _) in &self.taps.taps {
            for i in offset * words..(offset + 1) * words {
                // SAFETY: the panel holds `window` rows, and the grid reaches as far as windows do.
                let w = unsafe { _mm512_loadu_si512(panel.cast()) };
                panel = unsafe { panel.add(LANES) };
                for (count, x) in counts.iter_mut().zip(windows) {
                    let x = _mm512_set1_epi32(unsafe { *x.add(i) } as i32);
                    let met = if AND { _mm512_and_si512(x, w) } else { _mm512_xor_si512(x, w) };
                    *count = _mm512_add_epi32(*count, _mm512_popcnt_epi32(met));
                }
            }
        }
        for ((count, place), out) in counts.into_iter().zip(places).zip(out) {
            let constant = &self.constants[self.patterns[place.to] + block * LANES..][..LANES];
            let twice = _mm512_add_epi32(count, count);
            // SAFETY: `constant` and `out` hold a register each.
            unsafe {
                let constant = _mm512_loadu_si512(constant.as_ptr().cast());
                let y = if AND { _mm512_add_epi32(constant, twice) } else { _mm512_sub_epi32(constant, twice) };
                _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(y));
            }
        }
    }

    /// All outputs of a padded image; `y` rows of `o` numbers, padded to a whole word.
    ///
    /// # Safety
    /// As [`Plan::tile`].
    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    unsafe fn image<const AND: bool>(&self, x: &[u32], y: &mut [u16]) {
        let row = self.o.next_multiple_of(2);
        for block in 0..self.o.div_ceil(LANES) {
            let (first, width) = (block * LANES, LANES.min(self.o - block * LANES));
            let (tiles, rest) = self.taps.places.as_chunks::<TILE>();
            let mut out = [[0; LANES]; TILE];
            for (t, tile) in tiles.iter().enumerate() {
                // SAFETY: passed on.
                unsafe { self.tile::<TILE, AND>(x, block, tile, &mut out) };
                for (i, out) in out.iter().enumerate() {
                    y[(t * TILE + i) * row + first..][..width].copy_from_slice(&out[..width]);
                }
            }
            for (i, place) in rest.iter().enumerate() {
                // SAFETY: passed on.
                unsafe { self.tile::<1, AND>(x, block, &[*place], (&mut out[..1]).try_into().expect("one row")) };
                y[(tiles.len() * TILE + i) * row + first..][..width].copy_from_slice(&out[0][..width]);
            }
        }
        if row != self.o {
            y.chunks_exact_mut(row).for_each(|y| y[self.o] = 0);
        }
    }
}

/// Integers `y = conv(x, w)` of packed bits, two to a word.
pub fn forward(g: &Conv2dGeometry, code: WeightCode, x: &[u32], w: &[u32], y: &mut [u32]) {
    let plan = Plan::new(g, code, w);
    let out = g.oh * g.ow * g.o.div_ceil(2);
    y.par_chunks_mut(out).zip(x.par_chunks(g.h * g.w * plan.grid.size[2])).for_each_init(
        || vec![0; plan.grid.len()],
        |padded, (y, x)| {
            plan.grid.fill(x, padded);
            let y: &mut [u16] = bytemuck::cast_slice_mut(y);
            // SAFETY: `available` was asked, and the image is padded by the plan's grid.
            unsafe {
                match code {
                    WeightCode::PlusMinus => plan.image::<false>(padded, y),
                    WeightCode::ZeroOne => plan.image::<true>(padded, y),
                }
            }
        },
    );
}
