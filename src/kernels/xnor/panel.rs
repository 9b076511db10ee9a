//! Forward pass by popcount: 16 outputs a register, 8 windows at once.
//!
//! Borders are zero bits, which xor would count as -1: what the taps outside the image add is known
//! beforehand for each of the few patterns of such taps, and is part of the constant that a count is
//! added to.

use crate::kernels::grid::Grid;
use crate::kernels::taps::{Place, Taps, output_taps};
use crate::tensor::Conv2dGeometry;
use crate::tensor::bits::WeightCode;
use std::ops::Range;

/// Outputs of a register, and windows of a tile.
const LANES: usize = 16;
const TILE: usize = 8;

/// The instructions that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// What every machine of its kind has; on 64-bit ARM that is NEON.
    Portable,
    /// AVX2, which counts bits by looking up halves of bytes.
    Avx2,
    /// AVX-512 with VPOPCNTDQ, which counts the bits of 16 words at once.
    Avx512,
}

impl Isa {
    /// Those of this machine, the best one first.
    pub fn all() -> Vec<Isa> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vpopcntdq") {
                all.push(Isa::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
                all.push(Isa::Avx2);
            }
        }
        all.push(Isa::Portable);
        all
    }

    /// The best one of this machine.
    pub fn best() -> Isa {
        Isa::all()[0]
    }
}

/// Weights laid out for vectors, and what a count becomes: `y = constant ∓ 2 count`.
#[derive(Clone, Debug)]
pub struct Panel {
    isa: Isa,
    code: WeightCode,
    grid: Grid,
    taps: Taps,
    /// Of each output pixel, where its row of `constants` begins.
    patterns: Vec<usize>,
    /// Weights `[block of outputs][word of the window][LANES]`.
    words: Vec<u32>,
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

impl Panel {
    /// Of packed weights `[o, kh, kw, c]`. `isa` must be one of [`Isa::all`].
    pub fn new(g: &Conv2dGeometry, code: WeightCode, w: &[u32], isa: Isa) -> Panel {
        assert!(Isa::all().contains(&isa), "this machine has no {isa:?}");
        let words = g.c.div_ceil(32);
        let (grid, taps) = output_taps(g, words);
        let (count, window) = (g.kh * g.kw, g.kh * g.kw * words);
        assert_eq!(w.len(), g.o * window, "packed weights of another shape");
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
        Panel { isa, code, grid, taps, patterns, words: panel, constants, o: g.o }
    }

    /// How the packed input lies in its border.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Output pixels `pixels` of a padded image `x`; `y` is all of the output, 16-bit integers, rows of `o` numbers padded to
    /// a whole word.
    pub fn rows(&self, x: &[u32], y: &mut [u16], pixels: Range<usize>) {
        let row = self.o.next_multiple_of(2);
        // The kernels read windows without asking.
        assert!(
            x.len() >= self.grid.elements()
                && y.len() >= row * self.patterns.len()
                && pixels.end <= self.patterns.len()
        );
        match self.isa {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the machine has the instructions (`new` asked), and the image is padded by the panel's grid.
            Isa::Avx512 => unsafe { avx512::rows(self, x, y, pixels) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Isa::Avx2 => unsafe { avx2(self, x, y, pixels) },
            _ => self.by_words(x, y, pixels),
        }
    }

    /// All blocks of outputs of some pixels, tile by tile.
    #[inline(always)]
    fn each_tile(&self, y: &mut [u16], pixels: Range<usize>, tiles: impl Tiles) {
        let row = self.o.next_multiple_of(2);
        let places = &self.taps.places[pixels];
        let (whole, rest) = places.as_chunks::<TILE>();
        let (mut out, mut one) = ([[0; LANES]; TILE], [[0; LANES]]);
        for block in 0..self.o.div_ceil(LANES) {
            let (first, width) = (block * LANES, LANES.min(self.o - block * LANES));
            for tile in whole {
                tiles.tile(block, tile, &mut out);
                for (place, out) in tile.iter().zip(&out) {
                    y[place.to * row + first..][..width].copy_from_slice(&out[..width]);
                }
            }
            for place in rest {
                tiles.tile(block, &[*place], &mut one);
                y[place.to * row + first..][..width].copy_from_slice(&one[0][..width]);
            }
        }
        if row != self.o {
            places.iter().for_each(|place| y[place.to * row + self.o] = 0);
        }
    }

    /// In plain Rust, for the vectors that the compiler may use where it is inlined.
    #[inline(always)]
    fn by_words(&self, x: &[u32], y: &mut [u16], pixels: Range<usize>) {
        self.each_tile(y, pixels, ByWords { panel: self, x });
    }

    #[inline(always)]
    fn tile_by_words<const T: usize>(&self, x: &[u32], block: usize, places: &[Place; T], out: &mut [[u16; LANES]; T]) {
        let words = self.grid.size[2];
        let window = self.taps.taps.len() * words;
        let panel = self.words[block * window * LANES..][..window * LANES].as_chunks::<LANES>().0;
        let and = self.code == WeightCode::ZeroOne;
        let mut counts = [[0u32; LANES]; T];
        let mut rows = panel.iter();
        for &(offset, _) in &self.taps.taps {
            for (i, w) in (offset * words..(offset + 1) * words).zip(&mut rows) {
                for (count, place) in counts.iter_mut().zip(places) {
                    let x = x[place.from * words + i];
                    for (count, w) in count.iter_mut().zip(w) {
                        *count += if and { x & w } else { x ^ w }.count_ones();
                    }
                }
            }
        }
        for ((count, place), out) in counts.iter().zip(places).zip(out) {
            let constant = &self.constants[self.patterns[place.to] + block * LANES..][..LANES];
            for ((out, count), constant) in out.iter_mut().zip(count).zip(constant) {
                let twice = 2 * *count as i32;
                *out = if and { constant + twice } else { constant - twice } as u16;
            }
        }
    }
}

/// Makes `T` windows of a block of outputs.
trait Tiles {
    fn tile<const T: usize>(&self, block: usize, places: &[Place; T], out: &mut [[u16; LANES]; T]);
}

struct ByWords<'a> {
    panel: &'a Panel,
    x: &'a [u32],
}

impl Tiles for ByWords<'_> {
    #[inline(always)]
    fn tile<const T: usize>(&self, block: usize, places: &[Place; T], out: &mut [[u16; LANES]; T]) {
        self.panel.tile_by_words(self.x, block, places, out);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn avx2(panel: &Panel, x: &[u32], y: &mut [u16], pixels: Range<usize>) {
    panel.by_words(x, y, pixels);
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::*;
    use std::arch::x86_64::*;

    /// As [`Panel::rows`].
    ///
    /// # Safety
    /// The machine has AVX-512 with VPOPCNTDQ, and `x` is a padded image of the panel's grid.
    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    pub(super) unsafe fn rows(panel: &Panel, x: &[u32], y: &mut [u16], pixels: Range<usize>) {
        // SAFETY: passed on.
        unsafe {
            match panel.code {
                WeightCode::PlusMinus => all::<false>(panel, x, y, pixels),
                WeightCode::ZeroOne => all::<true>(panel, x, y, pixels),
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    unsafe fn all<const AND: bool>(panel: &Panel, x: &[u32], y: &mut [u16], pixels: Range<usize>) {
        panel.each_tile(y, pixels, Wide::<AND> { panel, x });
    }

    /// Made by [`rows`] alone.
    struct Wide<'a, const AND: bool> {
        panel: &'a Panel,
        x: &'a [u32],
    }

    impl<const AND: bool> Tiles for Wide<'_, AND> {
        #[inline(always)]
        fn tile<const T: usize>(&self, block: usize, places: &[Place; T], out: &mut [[u16; LANES]; T]) {
            // SAFETY: whoever makes one has the instructions and a padded image.
            unsafe { tile::<T, AND>(self.panel, self.x, block, places, out) }
        }
    }

    /// One block of outputs of `T` windows, 16-bit integers.
    ///
    /// # Safety
    /// As [`rows`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    unsafe fn tile<const T: usize, const AND: bool>(
        plan: &Panel,
        x: &[u32],
        block: usize,
        places: &[Place; T],
        out: &mut [[u16; LANES]; T],
    ) {
        let words = plan.grid.size[2];
        let window = plan.taps.taps.len() * words;
        let mut panel = plan.words[block * window * LANES..][..window * LANES].as_ptr();
        let windows = places.map(|p| x[p.from * words..].as_ptr());
        let mut counts = [_mm512_setzero_si512(); T];
        for &(offset, _) in &plan.taps.taps {
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
            let constant = &plan.constants[plan.patterns[place.to] + block * LANES..][..LANES];
            let twice = _mm512_add_epi32(count, count);
            // SAFETY: `constant` and `out` hold a register each.
            unsafe {
                let constant = _mm512_loadu_si512(constant.as_ptr().cast());
                let y = if AND { _mm512_add_epi32(constant, twice) } else { _mm512_sub_epi32(constant, twice) };
                _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm512_cvtepi32_epi16(y));
            }
        }
    }
}
