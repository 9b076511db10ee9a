//! AVX-512 with VPOPCNTDQ: a register is a word of 16 outputs.

use super::{Panel, Tiles};
use crate::kernels::taps::Place;
use crate::tensor::bits::WeightCode;
use std::arch::x86_64::*;
use std::ops::Range;

/// Outputs of a block: words of a register. Windows of a tile: counts that do not wait for each other hide the three cycles of
/// a popcount and the one of an addition, and share a load of weights; 8 of them and what is counted are 17 of 32 registers.
const LANES: usize = 16;
const TILE: usize = 8;

/// As [`Panel::rows`].
///
/// # Safety
/// The machine has AVX-512 with VPOPCNTDQ, and `x` is a padded image of the panel's grid.
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
pub(super) unsafe fn rows(panel: &Panel, x: &[u32], y: &mut [u16], pixels: Range<usize>) {
    match panel.code {
        WeightCode::PlusMinus => panel.each_tile::<LANES, TILE>(y, pixels, Wide::<false> { panel, x }),
        WeightCode::ZeroOne => panel.each_tile::<LANES, TILE>(y, pixels, Wide::<true> { panel, x }),
    }
}

/// Made by [`rows`] alone.
struct Wide<'a, const AND: bool> {
    panel: &'a Panel,
    x: &'a [u32],
}

impl<const AND: bool> Tiles<LANES> for Wide<'_, AND> {
    #[inline(always)]
    fn tile<const T: usize>(&self, block: usize, places: &[Place; T], out: &mut [[u16; LANES]; T]) {
        // SAFETY: whoever makes one has the instructions and a padded image.
        unsafe { tile::<T, AND>(self.panel, self.x, block, places, out) }
    }
}

/// # Safety
/// As [`rows`].
#[inline]
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
unsafe fn tile<const T: usize, const AND: bool>(
    panel: &Panel,
    x: &[u32],
    block: usize,
    places: &[Place; T],
    out: &mut [[u16; LANES]; T],
) {
    let words = panel.grid.size[2];
    let mut weights = panel.block::<LANES>(block).as_ptr();
    let windows = places.map(|p| x[p.from * words..].as_ptr());
    let mut counts = [_mm512_setzero_si512(); T];
    for run in &panel.runs {
        for i in run.clone() {
            // SAFETY: a block holds a register for each word of a window, and the grid reaches as far as windows do.
            let w = unsafe { _mm512_loadu_si512(weights.cast()) };
            weights = unsafe { weights.add(LANES) };
            for (count, x) in counts.iter_mut().zip(windows) {
                let x = _mm512_set1_epi32(unsafe { *x.add(i) } as i32);
                let met = if AND { _mm512_and_si512(x, w) } else { _mm512_xor_si512(x, w) };
                *count = _mm512_add_epi32(*count, _mm512_popcnt_epi32(met));
            }
        }
    }
    for ((count, place), out) in counts.into_iter().zip(places).zip(out) {
        let twice = _mm512_cvtepi32_epi16(_mm512_add_epi32(count, count));
        // SAFETY: `constants` and `out` hold a register each.
        unsafe {
            let constant = _mm256_loadu_si256(panel.constants::<LANES>(place, block).as_ptr().cast());
            let y = if AND { _mm256_add_epi16(constant, twice) } else { _mm256_sub_epi16(constant, twice) };
            _mm256_storeu_si256(out.as_mut_ptr().cast(), y);
        }
    }
}
