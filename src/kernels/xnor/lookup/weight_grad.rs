//! dw: tables hold sums over four pixels of dy, the bits are those of the windows, turned so that a word
//! holds 32 pixels of a channel.
//!
//! A tap outside the image is a zero bit, which a table reads as -1: what it takes away is added back.

use super::table::{Tables, look_up};
use super::{FLOATS, LANES, suits};
use crate::kernels::isa::{Isa, Set};
use crate::kernels::taps::output_taps;
use crate::tensor::Conv2dGeometry;
use rayon::prelude::*;
use std::arch::x86_64::*;

/// Pixels of a word.
const WORD: usize = 32;
/// Words of pixels whose tables fit the first-level cache, with the filters of a task: 2 x 8 x 32 tables of 64 bytes, 32 KiB.
const WORDS: usize = 2;
/// Filters of a task.
const FILTERS: usize = 32;
/// Parts of the batch that are summed apart where filters alone are too few tasks: as many as cores that a small machine
/// has, each for a copy of all sums.
const PARTS: usize = 4;

/// Windows turned around: `[word of pixels][tap][channel]`.
fn windows_by_pixels(g: &Conv2dGeometry, x: &[u32]) -> Vec<u32> {
    let words = g.c.div_ceil(32);
    let (grid, taps) = output_taps(g, words);
    let mut padded = vec![0; g.n * grid.elements()];
    padded.par_chunks_mut(grid.elements()).zip(x.par_chunks(g.h * g.w * words)).for_each(|(to, x)| grid.fill(x, to));
    let windows: Vec<usize> =
        (0..g.n).flat_map(|n| taps.places.iter().map(move |p| n * grid.elements() + p.from * words)).collect();
    let mut out = vec![0; windows.len().div_ceil(WORD) * taps.taps.len() * g.c];
    out.par_chunks_mut(taps.taps.len() * g.c).zip(windows.par_chunks(WORD)).for_each(|(out, windows)| {
        let mut rows = [0; WORD];
        for &(offset, tap) in &taps.taps {
            for (channels, out) in out[tap * g.c..][..g.c].chunks_mut(32).enumerate() {
                for (row, window) in rows.iter_mut().zip(windows) {
                    *row = padded[window + offset * words + channels];
                }
                for (i, out) in out.chunks_mut(LANES).enumerate() {
                    // SAFETY: the machine has AVX-512: it was asked above.
                    let turned = unsafe { transpose(&rows, i * LANES) };
                    out.copy_from_slice(&turned);
                }
            }
        }
    });
    out
}

/// The taps outside the image, of every output pixel.
fn outside(g: &Conv2dGeometry) -> Vec<Vec<usize>> {
    let inside =
        |p: usize, tap: usize| g.tap(p / g.ow, tap / g.kw, g.h).is_some() && g.tap(p % g.ow, tap % g.kw, g.w).is_some();
    (0..g.oh * g.ow).map(|p| (0..g.kh * g.kw).filter(|&tap| !inside(p, tap)).collect()).collect()
}

/// Bit `first + j` of word `i` becomes bit `i` of word `j`.
///
/// # Safety
/// The machine has AVX-512.
#[target_feature(enable = "avx512f")]
unsafe fn transpose(rows: &[u32; WORD], first: usize) -> [u32; LANES] {
    // SAFETY: two registers of 16 words.
    let (low, high) =
        unsafe { (_mm512_loadu_si512(rows.as_ptr().cast()), _mm512_loadu_si512(rows[LANES..].as_ptr().cast())) };
    std::array::from_fn(|j| {
        let bit = _mm512_set1_epi32(1 << (first + j));
        u32::from(_mm512_test_epi32_mask(low, bit)) | u32::from(_mm512_test_epi32_mask(high, bit)) << 16
    })
}

struct Block<'a> {
    /// `[word of pixels][8 groups][FILTERS or fewer][16]`.
    tables: &'a [f32],
    filters: usize,
    /// `[word of pixels][taps channels]`.
    bits: &'a [u32],
    /// Weights of a filter.
    k: usize,
}

impl Block<'_> {
    /// Adds to `T` filters, `V` registers of channels from `at`.
    ///
    /// # Safety
    /// The machine has AVX-512.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn tile<const T: usize, const V: usize>(&self, filter: usize, at: usize, sums: &mut [f32]) {
        const GROUPS: usize = WORD / FLOATS;
        assert!(at + V * LANES <= self.k && (filter + T) * self.k <= sums.len());
        let per_word = GROUPS * self.filters * LANES;
        let words = self.bits.len() / self.k;
        assert!(words * per_word <= self.tables.len() && filter + T <= self.filters);
        // SAFETY: the asserts keep all reads and writes inside the slices.
        unsafe {
            let row = |t: usize, v: usize| sums.as_ptr().add((filter + t) * self.k + at + v * LANES);
            let mut held: [[__m512; V]; T] =
                std::array::from_fn(|t| std::array::from_fn(|v| _mm512_loadu_ps(row(t, v))));
            for word in 0..words {
                let tables = self.tables[word * per_word + filter * LANES..].as_ptr();
                let tables: [*const f32; T] = std::array::from_fn(|t| tables.add(t * LANES));
                let bits = self.bits[word * self.k + at..].as_ptr();
                look_up::<T, V>(&mut held, tables, (GROUPS, self.filters * LANES), bits);
            }
            for (t, held) in held.into_iter().enumerate() {
                for (v, held) in held.into_iter().enumerate() {
                    _mm512_storeu_ps(sums.as_mut_ptr().add((filter + t) * self.k + at + v * LANES), held);
                }
            }
        }
    }

    /// # Safety
    /// The machine has AVX-512.
    #[target_feature(enable = "avx512f")]
    unsafe fn add_to(&self, sums: &mut [f32]) {
        let pairs = self.k - self.k % (2 * LANES);
        // SAFETY: passed on.
        unsafe {
            for at in (0..pairs).step_by(2 * LANES) {
                for filter in (0..self.filters).step_by(8) {
                    self.tile::<8, 2>(filter, at, sums);
                }
            }
            for filter in (0..self.filters).step_by(16).filter(|_| pairs < self.k) {
                self.tile::<16, 1>(filter, pairs, sums);
            }
        }
    }
}

/// dw from dy and the packed activations.
pub fn weight_grad(isa: Isa, g: &Conv2dGeometry, dy: &[f32], x: &[u32], dw: &mut [f32]) {
    // What is unsafe below counts on both.
    assert!(isa.set() == Set::Avx512 && suits(g), "no AVX-512, or channels that fill no registers");
    let (taps, k) = (g.kh * g.kw, g.kh * g.kw * g.c);
    let bits = windows_by_pixels(g, x);
    let pixels = g.n * g.oh * g.ow;
    let words = pixels.div_ceil(WORD);
    let tasks = g.o.div_ceil(FILTERS);
    let parts = if tasks >= 2 * PARTS { 1 } else { PARTS };
    let per_part = words.div_ceil(parts);
    let mut partial = vec![0.0; parts * dw.len()];
    let work: Vec<(usize, usize, &mut [f32])> = partial
        .chunks_mut(dw.len())
        .enumerate()
        .flat_map(|(part, sums)| sums.chunks_mut(FILTERS * k).enumerate().map(move |(t, sums)| (part, t, sums)))
        .collect();
    let outside = outside(g);
    // SAFETY: the machine has AVX-512: it was asked above.
    let makes = unsafe { Tables::new(-1.0) };
    work.into_par_iter().for_each_init(
        || vec![0.0; WORDS * WORD * FILTERS * (LANES / FLOATS)],
        |tables, (part, task, sums)| {
            let filters = sums.len() / k;
            let zeros = [0.0; FILTERS];
            let mut taken = vec![0.0; taps * filters];
            let end = ((part + 1) * per_part).min(words);
            for first in (part * per_part..end).step_by(WORDS) {
                let count = WORDS.min(end - first);
                let tables = &mut tables[..count * WORD * filters * (LANES / FLOATS)];
                for (group, tables) in tables.chunks_mut(filters * LANES).enumerate() {
                    let rows: [&[f32]; FLOATS] = std::array::from_fn(|i| {
                        let pixel = first * WORD + group * FLOATS + i;
                        if pixel >= pixels {
                            return &zeros[..filters];
                        }
                        let row = &dy[pixel * g.o + task * FILTERS..][..filters];
                        for tap in &outside[pixel % outside.len()] {
                            for (t, v) in taken[tap * filters..][..filters].iter_mut().zip(row) {
                                *t += v;
                            }
                        }
                        row
                    });
                    // SAFETY: the machine has AVX-512: it was asked above.
                    unsafe { makes.of_columns(rows, tables) };
                }
                let bits = &bits[first * k..][..count * k];
                // SAFETY: the machine has AVX-512: it was asked above.
                unsafe { Block { tables, filters, bits, k }.add_to(sums) };
            }
            for (f, sums) in sums.chunks_mut(k).enumerate() {
                for (tap, sums) in sums.chunks_mut(g.c).enumerate() {
                    sums.iter_mut().for_each(|s| *s += taken[tap * filters + f]);
                }
            }
        },
    );
    dw.par_chunks_mut(k).enumerate().for_each(|(o, dw)| {
        dw.fill(0.0);
        for sums in partial.chunks(partial.len() / parts) {
            for (dw, s) in dw.iter_mut().zip(&sums[o * k..]) {
                *dw += s;
            }
        }
    });
}
