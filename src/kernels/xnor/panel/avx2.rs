//! AVX2, which has no popcount: a register is half a byte of 32 outputs, and a permutation looks up what each of them has
//! in common with half a byte of a window, in the table of that half byte. Two instructions count 128 pairs of bits.

use super::{Panel, Tiles};
use crate::kernels::taps::Place;
use crate::tensor::bits::WeightCode;
use std::arch::x86_64::*;
use std::ops::Range;

/// Outputs of a register, and windows of a tile: each window has a count of two registers and a table, which with the two of
/// weights and a zero are 4 x 2 + 1 + 2 + 1 of 16; four windows share what is loaded of the weights.
const LANES: usize = 32;
const TILE: usize = 4;

/// As [`Panel::rows`].
///
/// # Safety
/// The machine has AVX2, and `x` is a padded image of the panel's grid, spread into halves of bytes.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn rows(panel: &Panel, x: &[u32], y: &mut [u16], pixels: Range<usize>) {
    let x = bytemuck::cast_slice(x);
    match panel.form.lanes(panel.o) {
        LANES => panel.each_tile::<LANES, TILE>(y, pixels, Halves::<1> { panel, x }),
        _ => panel.each_tile::<{ 2 * LANES }, TILE>(y, pixels, Halves::<2> { panel, x }),
    }
}

/// For each half of a byte, the counts of what it has in common with any other.
#[repr(align(16))]
struct Tables([[u8; 16]; 16]);

const fn tables(and: bool) -> Tables {
    let mut all = [[0; 16]; 16];
    let mut i = 0;
    while i < 256 {
        let (x, w) = (i / 16, i % 16);
        all[x][w] = (if and { x & w } else { x ^ w }).count_ones() as u8;
        i += 1;
    }
    Tables(all)
}

static XOR: Tables = tables(false);
static AND: Tables = tables(true);

/// Blocks of `R` registers. Made by [`rows`] alone.
struct Halves<'a, const R: usize> {
    panel: &'a Panel,
    x: &'a [u8],
}

impl<const R: usize, const L: usize> Tiles<L> for Halves<'_, R> {
    #[inline(always)]
    fn tile<const T: usize>(&self, block: usize, places: &[Place; T], out: &mut [[u16; L]; T]) {
        const { assert!(L == R * LANES) };
        // SAFETY: whoever makes one has the instructions and a padded image.
        unsafe { tile::<R, L, T>(self.panel, self.x, block, places, out) }
    }
}

/// # Safety
/// As [`rows`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn tile<const R: usize, const L: usize, const T: usize>(
    panel: &Panel,
    x: &[u8],
    block: usize,
    places: &[Place; T],
    out: &mut [[u16; L]; T],
) {
    let bytes = 8 * panel.grid.size[2];
    let and = panel.code == WeightCode::ZeroOne;
    let tables = if and { &AND } else { &XOR }.0.as_ptr().cast::<u8>();
    let mut weights = panel.block::<L>(block).as_ptr().cast::<__m256i>();
    let windows = places.map(|p| x[p.from * bytes..].as_ptr());
    let zero = _mm256_setzero_si256();
    let mut sums = [[[zero; 2]; R]; T];
    for run in &panel.runs {
        let mut counts = [[zero; R]; T];
        for i in 8 * run.start..8 * run.end {
            // SAFETY: a block holds `R` registers for each half byte of a window, the grid reaches as far as windows do, and
            // a byte of the image is where a table begins.
            unsafe {
                let w: [__m256i; R] = std::array::from_fn(|r| _mm256_loadu_si256(weights.add(r)));
                weights = weights.add(R);
                for (counts, x) in counts.iter_mut().zip(windows) {
                    let table = _mm_load_si128(tables.add(*x.add(i) as usize).cast());
                    let table = _mm256_broadcastsi128_si256(table);
                    for (count, w) in counts.iter_mut().zip(w) {
                        *count = _mm256_add_epi8(*count, _mm256_shuffle_epi8(table, w));
                    }
                }
            }
        }
        // By number: an iterator would have their addresses, and each count would go through memory.
        for t in 0..T {
            for r in 0..R {
                let [low, high] = sums[t][r];
                let low = _mm256_add_epi16(low, _mm256_unpacklo_epi8(counts[t][r], zero));
                let high = _mm256_add_epi16(high, _mm256_unpackhi_epi8(counts[t][r], zero));
                sums[t][r] = [low, high];
            }
        }
    }
    for ((sums, place), out) in sums.iter().zip(places).zip(out) {
        let constants = panel.constants::<L>(place, block).as_chunks::<16>().0.iter();
        let mut to = constants.zip(out.as_chunks_mut::<16>().0);
        for [low, high] in sums {
            // Unpacking took bytes 0 to 7 and 16 to 23, then the others.
            for sum in [_mm256_permute2x128_si256(*low, *high, 0x20), _mm256_permute2x128_si256(*low, *high, 0x31)] {
                let (constant, out) = to.next().expect("as many as sums");
                let twice = _mm256_add_epi16(sum, sum);
                // SAFETY: both hold a register.
                unsafe {
                    let constant = _mm256_loadu_si256(constant.as_ptr().cast());
                    let y = if and { _mm256_add_epi16(constant, twice) } else { _mm256_sub_epi16(constant, twice) };
                    _mm256_storeu_si256(out.as_mut_ptr().cast(), y);
                }
            }
        }
    }
}
