//! NEON, which counts the bits of bytes: four registers are a word of 16 outputs.

use super::{Panel, Tiles};
use crate::kernels::taps::Place;
use crate::tensor::bits::WeightCode;
use std::arch::aarch64::*;
use std::ops::Range;

/// Outputs of a block: words of four registers. Windows of a tile: their counts of four registers each, with the weights and a
/// word of a window, are 4 x 4 + 4 + 1 of 32; one more would leave no room for what is counted on the way.
const LANES: usize = 16;
const TILE: usize = 4;
/// Registers of a block.
const REGISTERS: usize = 4;

/// As [`Panel::rows`].
///
/// # Safety
/// The machine has NEON, and `x` is a padded image of the panel's grid.
#[target_feature(enable = "neon")]
pub(super) unsafe fn rows(panel: &Panel, x: &[u32], y: &mut [u16], pixels: Range<usize>) {
    match panel.code {
        WeightCode::PlusMinus => panel.each_tile::<LANES, TILE>(y, pixels, Bytes::<false> { panel, x }),
        WeightCode::ZeroOne => panel.each_tile::<LANES, TILE>(y, pixels, Bytes::<true> { panel, x }),
    }
}

/// Made by [`rows`] alone.
struct Bytes<'a, const AND: bool> {
    panel: &'a Panel,
    x: &'a [u32],
}

impl<const AND: bool> Tiles<LANES> for Bytes<'_, AND> {
    #[inline(always)]
    fn tile<const T: usize>(&self, block: usize, places: &[Place; T], out: &mut [[u16; LANES]; T]) {
        // SAFETY: whoever makes one has the instructions and a padded image.
        unsafe { tile::<T, AND>(self.panel, self.x, block, places, out) }
    }
}

/// # Safety
/// As [`rows`].
#[inline]
#[target_feature(enable = "neon")]
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
    let mut sums = [[vdupq_n_u32(0); REGISTERS]; T];
    for run in &panel.runs {
        let mut counts = [[vdupq_n_u8(0); REGISTERS]; T];
        for i in run.clone() {
            // SAFETY: a block holds the registers for each word of a window, and the grid reaches as far as windows do.
            unsafe {
                let w: [uint32x4_t; REGISTERS] = std::array::from_fn(|r| vld1q_u32(weights.add(4 * r)));
                weights = weights.add(LANES);
                for (counts, x) in counts.iter_mut().zip(windows) {
                    let x = vld1q_dup_u32(x.add(i));
                    for (count, w) in counts.iter_mut().zip(w) {
                        let met = if AND { vandq_u32(x, w) } else { veorq_u32(x, w) };
                        *count = vaddq_u8(*count, vcntq_u8(vreinterpretq_u8_u32(met)));
                    }
                }
            }
        }
        // By number: an iterator would have their addresses, and each count would go through memory.
        for t in 0..T {
            for r in 0..REGISTERS {
                sums[t][r] = vpadalq_u16(sums[t][r], vpaddlq_u8(counts[t][r]));
            }
        }
    }
    for ((sums, place), out) in sums.iter().zip(places).zip(out) {
        let constants = panel.constants::<LANES>(place, block).as_chunks::<4>().0;
        for ((sum, constant), out) in sums.iter().zip(constants).zip(out.as_chunks_mut::<4>().0) {
            let twice = vreinterpret_s16_u16(vmovn_u32(vshlq_n_u32::<1>(*sum)));
            // SAFETY: both hold a register.
            unsafe {
                let constant = vld1_s16(constant.as_ptr());
                let y = if AND { vadd_s16(constant, twice) } else { vsub_s16(constant, twice) };
                vst1_u16(out.as_mut_ptr(), vreinterpret_u16_s16(y));
            }
        }
    }
}
