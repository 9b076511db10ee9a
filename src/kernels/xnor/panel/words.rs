//! In plain Rust, a word at a time.

use super::{Panel, Tiles};
use crate::kernels::taps::Place;
use crate::tensor::bits::WeightCode;
use std::ops::Range;

/// Outputs of a block, and windows of a tile: 64 counts, whose weights are read once for four windows. What a compiler makes of
/// plain loops differs too much for more reason than that.
const LANES: usize = 16;
const TILE: usize = 4;

/// As [`Panel::rows`].
pub(super) fn rows(panel: &Panel, x: &[u32], y: &mut [u16], pixels: Range<usize>) {
    panel.each_tile::<LANES, TILE>(y, pixels, Words { panel, x });
}

struct Words<'a> {
    panel: &'a Panel,
    x: &'a [u32],
}

impl Tiles<LANES> for Words<'_> {
    #[inline(always)]
    fn tile<const T: usize>(&self, block: usize, places: &[Place; T], out: &mut [[u16; LANES]; T]) {
        let panel = self.panel;
        let words = panel.grid.size[2];
        let and = panel.code == WeightCode::ZeroOne;
        let mut counts = [[0u32; LANES]; T];
        let mut weights = panel.block::<LANES>(block).as_chunks::<LANES>().0.iter();
        for run in &panel.runs {
            for (i, w) in run.clone().zip(&mut weights) {
                for (count, place) in counts.iter_mut().zip(places) {
                    let x = self.x[place.from * words + i];
                    for (count, w) in count.iter_mut().zip(w) {
                        *count += if and { x & w } else { x ^ w }.count_ones();
                    }
                }
            }
        }
        for ((count, place), out) in counts.iter().zip(places).zip(out) {
            for ((out, count), constant) in out.iter_mut().zip(count).zip(panel.constants::<LANES>(place, block)) {
                let twice = 2 * *count as i16;
                *out = if and { constant.wrapping_add(twice) } else { constant.wrapping_sub(twice) } as u16;
            }
        }
    }
}
