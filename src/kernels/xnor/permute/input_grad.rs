//! dx: tables hold sums over four filters of dy, the bits are those of the weights.

use super::table::{Tables, look_up};
use super::{FLOATS, LANES, suits};
use crate::kernels::isa::{Isa, Set};
use crate::kernels::taps::{Place, Taps, input_taps};
use crate::tensor::Conv2dGeometry;
use crate::tensor::bits::WeightCode;
use rayon::prelude::*;
use std::arch::x86_64::*;

/// Input pixels of a tile.
const TILE: usize = 8;
/// Filters of a word of weight bits.
const WORD: usize = 32;

struct Phase {
    taps: Taps,
    /// Weight bits `[block of 32 channels][tap][word of filters][channel]`.
    bits: Vec<u32>,
}

struct Layer {
    o: usize,
    c: usize,
    phases: Vec<Phase>,
}

/// Bits `[tap][word of filters][channel]`: bit `i` of a word is filter `32 word + i`.
fn by_filters(g: &Conv2dGeometry, w: &[u32]) -> Vec<u32> {
    let (taps, words, filters) = (g.kh * g.kw, g.c.div_ceil(32), g.o.div_ceil(WORD));
    let mut out = vec![0; taps * filters * g.c];
    out.par_chunks_mut(filters * g.c).enumerate().for_each(|(tap, out)| {
        for o in 0..g.o {
            let row = &w[(o * taps + tap) * words..][..words];
            for (c, out) in out[o / WORD * g.c..][..g.c].iter_mut().enumerate() {
                *out |= (row[c / 32] >> (c % 32) & 1) << (o % WORD);
            }
        }
    });
    out
}

/// First channel and width of each block of channels.
fn blocks(c: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..c).step_by(2 * LANES).map(move |first| (first, (c - first).min(2 * LANES)))
}

impl Layer {
    /// `T` input pixels, `V` registers of channels.
    ///
    /// # Safety
    /// The machine has AVX-512; `tables` are those of a padded image of the layer's grid.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn tile<const T: usize, const V: usize>(
        &self,
        tables: &[f32],
        taps: &Taps,
        bits: &[u32],
        places: &[Place; T],
        out: &mut [f32],
    ) {
        let per_pixel = self.o * (LANES / FLOATS);
        let windows = places.map(|p| tables[p.from * per_pixel..].as_ptr());
        // SAFETY: the grid reaches as far as the taps do, and `bits` has a row for every word of every tap.
        unsafe {
            let mut sums = [[_mm512_setzero_ps(); V]; T];
            let mut bits = bits.as_ptr();
            for &(offset, _) in &taps.taps {
                for first in (0..self.o).step_by(WORD) {
                    let groups = (self.o - first).min(WORD) / FLOATS;
                    let at = windows.map(|w| w.add(offset * per_pixel + first * (LANES / FLOATS)));
                    look_up::<T, V>(&mut sums, at, (groups, LANES), bits);
                    bits = bits.add(V * LANES);
                }
            }
            for (sum, place) in sums.into_iter().zip(places) {
                let out = out[place.to * self.c..][..V * LANES].as_mut_ptr();
                for (v, sum) in sum.into_iter().enumerate() {
                    _mm512_storeu_ps(out.add(v * LANES), sum);
                }
            }
        }
    }

    /// # Safety
    /// As [`Layer::tile`].
    #[target_feature(enable = "avx512f")]
    unsafe fn image<const V: usize>(&self, tables: &[f32], phase: &Phase, bits: &[u32], out: &mut [f32]) {
        let (tiles, rest) = phase.taps.places.as_chunks::<TILE>();
        // SAFETY: passed on.
        unsafe {
            for tile in tiles {
                self.tile::<TILE, V>(tables, &phase.taps, bits, tile, out);
            }
            for place in rest {
                self.tile::<1, V>(tables, &phase.taps, bits, &[*place], out);
            }
        }
    }
}

/// dx from dy and the packed weights.
pub fn input_grad(isa: Isa, g: &Conv2dGeometry, code: WeightCode, dy: &[f32], w: &[u32], dx: &mut [f32]) {
    // What is unsafe below counts on both.
    assert!(isa.set() == Set::Avx512 && suits(g), "no AVX-512, or channels that fill no registers");
    let low = if code == WeightCode::PlusMinus { -1.0 } else { 0.0 };
    let all = by_filters(g, w);
    let filters = g.o.div_ceil(WORD);
    let (grid, phases) = input_taps(g, g.o);
    let phases = phases
        .into_iter()
        .map(|taps| {
            let mut bits = Vec::with_capacity(taps.taps.len() * filters * g.c);
            for (first, width) in blocks(g.c) {
                for &(_, tap) in &taps.taps {
                    for word in 0..filters {
                        bits.extend_from_slice(&all[(tap * filters + word) * g.c + first..][..width]);
                    }
                }
            }
            Phase { taps, bits }
        })
        .collect();
    let layer = Layer { o: g.o, c: g.c, phases };
    let image = g.h * g.w * g.c;
    dx.par_chunks_mut(image).zip(dy.par_chunks(g.oh * g.ow * g.o)).for_each_init(
        || (vec![0.0; grid.elements()], vec![0.0; grid.elements() * (LANES / FLOATS)]),
        |(padded, tables), (dx, dy)| {
            grid.fill(dy, padded);
            // SAFETY: the machine has AVX-512: it was asked above, and the tables are those of the padded image.
            unsafe {
                Tables::new(low).of_runs(padded, tables);
                for phase in &layer.phases {
                    let words = phase.taps.taps.len() * filters;
                    for (first, width) in blocks(g.c) {
                        let bits = &phase.bits[words * first..][..words * width];
                        match width / LANES {
                            1 => layer.image::<1>(tables, phase, bits, &mut dx[first..]),
                            _ => layer.image::<2>(tables, phase, bits, &mut dx[first..]),
                        }
                    }
                }
            }
        },
    );
}
