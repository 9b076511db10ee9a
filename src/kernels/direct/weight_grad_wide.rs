//! Weight gradient of many channels: windows and dy are copied into dense blocks of pixels, because the
//! pixels of a wide image lie so far apart that few of them fit the first-level cache together.

use super::tile::pixels_outer_product;
use crate::kernels::taps::output_taps;
use crate::tensor::Conv2dGeometry;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Filters of a task, channels of a block of windows, pixels of a block: the blocks of dy and of windows are 16 KiB each,
/// together a first-level cache.
const FILTERS: usize = 32;
const CHANNELS: usize = 32;
const PIXELS: usize = 128;

/// Whether the blocks fit.
pub fn suits(g: &Conv2dGeometry) -> bool {
    g.groups == 1 && g.c.is_multiple_of(CHANNELS) && g.o.is_multiple_of(FILTERS)
}

/// Adds the products of a block of pixels to the weights of a block of filters and channels.
struct Block<'a> {
    /// `[pixels, FILTERS]`.
    dy: &'a [f32],
    /// `[pixels, CHANNELS]`.
    x: &'a [f32],
    /// Filters `stride` apart.
    sums: &'a mut [f32],
    stride: usize,
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let pixels = [1, self.dy.len() / FILTERS];
        macro_rules! tiles {
            ($t:literal) => {
                for c in (0..CHANNELS).step_by(2 * S::F32_LANES) {
                    for f in (0..FILTERS).step_by($t) {
                        let (dy, x) = ((&self.dy[f..], 0, FILTERS), (&self.x[c..], 0, CHANNELS));
                        let sums = (&mut self.sums[f * self.stride + c..], self.stride);
                        pixels_outer_product::<S, $t, 2>(simd, pixels, dy, x, sums);
                    }
                }
            };
        }
        // AVX-512 has twice the registers of AVX2.
        if S::F32_LANES == 16 { tiles!(8) } else { tiles!(4) }
    }
}

/// dw from dy and x.
pub fn weight_grad(arch: Arch, g: &Conv2dGeometry, dy: &[f32], x: &[f32], dw: &mut [f32]) {
    let (grid, taps) = output_taps(g, g.c);
    let mut padded = vec![0.0; g.n * grid.elements()];
    padded
        .par_chunks_mut(grid.elements())
        .zip(x.par_chunks(g.h * g.w * g.c))
        .for_each(|(to, image)| grid.fill(image, to));
    let windows: Vec<usize> =
        (0..g.n).flat_map(|n| taps.places.iter().map(move |p| n * grid.elements() + p.from * g.c)).collect();
    let k = g.kh * g.kw * g.c;
    dw.par_chunks_mut(FILTERS * k).enumerate().for_each_init(
        || (vec![0.0; PIXELS * FILTERS], vec![0.0; PIXELS * CHANNELS]),
        |(dy_block, x_block), (task, dw)| {
            dw.fill(0.0);
            for (first, windows) in (0..).step_by(PIXELS).zip(windows.chunks(PIXELS)) {
                for (i, to) in dy_block.chunks_mut(FILTERS).take(windows.len()).enumerate() {
                    to.copy_from_slice(&dy[(first + i) * g.o + task * FILTERS..][..FILTERS]);
                }
                for &(offset, tap) in &taps.taps {
                    for c in (0..g.c).step_by(CHANNELS) {
                        for (to, window) in x_block.chunks_mut(CHANNELS).zip(windows) {
                            to.copy_from_slice(&padded[window + offset * g.c + c..][..CHANNELS]);
                        }
                        arch.dispatch(Block {
                            dy: &dy_block[..windows.len() * FILTERS],
                            x: &x_block[..windows.len() * CHANNELS],
                            sums: &mut dw[tap * g.c + c..],
                            stride: k,
                        });
                    }
                }
            }
        },
    );
}
