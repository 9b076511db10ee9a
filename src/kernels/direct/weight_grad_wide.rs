//! Weight gradient of many channels: images and dy are copied into blocks of a few channels, because the pixels of a wide image
//! lie so far apart that few of them fit the first-level cache together.

use super::tile::{load, store};
use crate::kernels::lines::Lines;
use crate::kernels::taps::output_taps;
use crate::tensor::Conv2dGeometry;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Filters of a task, channels of a block, and pixels of a block: those of dy are 12 KiB, and so are the rows of the image that
/// a tap of theirs reads, most of which the next tap reads again.
const FILTERS: usize = 32;
const CHANNELS: usize = 32;
const PIXELS: usize = 96;

/// Whether the blocks fit.
pub fn suits(g: &Conv2dGeometry) -> bool {
    g.groups == 1 && g.c.is_multiple_of(CHANNELS) && g.o.is_multiple_of(FILTERS)
}

/// Adds the products of a block of pixels to the weights of a block of filters and channels.
struct Block<'a> {
    /// `[pixels, FILTERS]`.
    dy: &'a [[f32; FILTERS]],
    /// Pixels of x, and which of them the block's are.
    x: &'a [[f32; CHANNELS]],
    pixels: &'a [usize],
    /// Pixels from the begin of a window to its tap.
    tap: usize,
    /// Filters `stride` apart.
    sums: &'a mut [f32],
    stride: usize,
}

impl Block<'_> {
    /// `T` filters from `f` on, and `V` vectors of channels from `c` on.
    #[inline(always)]
    fn tile<S: Simd, const T: usize, const V: usize>(&mut self, simd: S, f: usize, c: usize) {
        assert!(f + T <= FILTERS && c + V * S::F32_LANES <= CHANNELS);
        let at = |t: usize| (f + t) * self.stride + c;
        // `load` and `store` do not ask.
        assert!(at(T - 1) + V * S::F32_LANES <= self.sums.len());
        let mut held: [[S::f32s; V]; T] = std::array::from_fn(|t| load::<S, V>(&self.sums[at(t)..], 0));
        for (dy, pixel) in self.dy.iter().zip(self.pixels) {
            let x = load::<S, V>(&self.x[pixel + self.tap], c);
            for (t, held) in held.iter_mut().enumerate() {
                let dy = simd.splat_f32s(dy[f + t]);
                for v in 0..V {
                    held[v] = simd.mul_add_f32s(dy, x[v], held[v]);
                }
            }
        }
        for (t, held) in held.into_iter().enumerate() {
            store::<S, V>(&mut self.sums[at(t)..], 0, held);
        }
    }
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for c in (0..CHANNELS).step_by(2 * S::F32_LANES) {
            let mut f = 0;
            macro_rules! tiles {
                ($t:literal, $rest:literal) => {
                    while FILTERS - f >= $t + $rest {
                        self.tile::<S, $t, 2>(simd, f, c);
                        f += $t;
                    }
                };
            }
            // AVX-512 has 32 registers; the 16 of AVX2 hold twelve sums and what is multiplied, and eight sums would be too few
            // for two additions a cycle: 2 x 6 + 4 x 5.
            if S::F32_LANES == 16 {
                tiles!(8, 0);
            } else {
                tiles!(6, 20);
                tiles!(5, 0);
            }
        }
    }
}

/// dw from dy and x.
pub fn weight_grad(arch: Arch, g: &Conv2dGeometry, dy: &[f32], x: &[f32], dw: &mut [f32]) {
    let (grid, taps) = output_taps(g, CHANNELS);
    let pixels = grid.padded[0] * grid.padded[1];
    // Padded images of a block of channels after the other.
    let mut blocks = Lines::zeros(g.n * pixels * g.c);
    blocks.par_chunks_mut(g.n * pixels * CHANNELS).enumerate().for_each(|(block, to)| {
        let images = to.as_chunks_mut::<CHANNELS>().0.chunks_exact_mut(pixels);
        for (to, image) in images.zip(x.chunks_exact(g.h * g.w * g.c)) {
            for (from, first, n) in grid.runs() {
                let from = image[from / CHANNELS * g.c + block * CHANNELS..].chunks(g.c);
                for (to, from) in to[first / CHANNELS..][..n / CHANNELS].iter_mut().zip(from) {
                    *to = *from.first_chunk().expect("channels of a block");
                }
            }
        }
    });
    let windows: Vec<usize> = (0..g.n).flat_map(|n| taps.places.iter().map(move |p| n * pixels + p.from)).collect();
    let k = g.kh * g.kw * g.c;
    dw.par_chunks_mut(FILTERS * k).enumerate().for_each_init(
        || Lines::zeros(PIXELS * FILTERS),
        |dy_block, (task, dw)| {
            dw.fill(0.0);
            let dy_block = dy_block.as_chunks_mut().0;
            for (first, windows) in (0..).step_by(PIXELS).zip(windows.chunks(PIXELS)) {
                for (to, dy) in dy_block.iter_mut().zip(dy[first * g.o..].chunks(g.o).take(windows.len())) {
                    *to = *dy[task * FILTERS..].first_chunk().expect("filters of a task");
                }
                for (block, x) in blocks.as_chunks().0.chunks_exact(g.n * pixels).enumerate() {
                    for &(offset, tap) in &taps.taps {
                        let sums = &mut dw[tap * g.c + block * CHANNELS..];
                        let dy = &dy_block[..windows.len()];
                        arch.dispatch(Block { dy, x, pixels: windows, tap: offset, sums, stride: k });
                    }
                }
            }
        },
    );
}
