//! Weight gradient: pixels pass by, a tile of `[window float, filter]` sums stays.

use super::tile::pixels_outer_product;
use crate::kernels::conv2d::sum_over_images;
use crate::kernels::grid::Grid;
use crate::kernels::lines::Lines;
use crate::tensor::Conv2dGeometry;
use pulp::{Arch, Simd, WithSimd};

/// Floats of dy and x that a block of rows may have: 32 KiB, to stay in the first-level cache.
const BLOCK: usize = 8 * 1024;

struct Image<'a> {
    g: &'a Conv2dGeometry,
    grid: &'a Grid,
    /// Padded input and dy of one image.
    x: &'a [f32],
    dy: &'a [f32],
    /// `[kh, kw c, o]`.
    sums: &'a mut [f32],
}

impl Image<'_> {
    /// All windows of a block of output rows, `V` vectors of filters at a time.
    #[inline(always)]
    fn rows<S: Simd, const V: usize>(&mut self, simd: S, first: usize, rows: usize) {
        let g = self.g;
        let (x_row, x_step) = (g.stride * self.grid.padded[1] * g.c, g.stride * g.c);
        let run = g.kw * g.c;
        for ky in 0..g.kh {
            let x = &self.x[first * x_row + ky * self.grid.padded[1] * g.c..];
            for filter in (0..g.o).step_by(V * S::F32_LANES) {
                let dy = (&self.dy[first * g.ow * g.o + filter..], g.ow * g.o, g.o);
                let mut i = 0;
                macro_rules! tiles {
                    ($t:literal) => {
                        while run - i >= $t {
                            let sums = &mut self.sums[(ky * run + i) * g.o + filter..];
                            let x = (&x[i..], x_row, x_step);
                            pixels_outer_product::<S, $t, V>(simd, [rows, g.ow], x, dy, (sums, g.o));
                            i += $t;
                        }
                    };
                }
                // AVX-512 has twice the registers of AVX2.
                if S::F32_LANES == 16 && V == 1 {
                    tiles!(16);
                }
                if S::F32_LANES == 16 {
                    tiles!(8);
                }
                tiles!(4);
                tiles!(1);
            }
        }
    }
}

impl WithSimd for Image<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let g = self.g;
        let row = g.ow * g.o + g.stride * self.grid.padded[1] * g.c;
        let rows = (BLOCK / row).clamp(1, g.oh);
        for first in (0..g.oh).step_by(rows) {
            let rows = rows.min(g.oh - first);
            if g.o.is_multiple_of(2 * S::F32_LANES) {
                self.rows::<S, 2>(simd, first, rows);
            } else {
                self.rows::<S, 1>(simd, first, rows);
            }
        }
    }
}

/// dw from dy and x.
pub fn weight_grad(arch: Arch, g: &Conv2dGeometry, dy: &[f32], x: &[f32], dw: &mut [f32]) {
    let grid = Grid::under_windows(g, g.c);
    let k = g.kh * g.kw * g.c;
    let mut by_window = vec![0.0; dw.len()];
    sum_over_images(g, &mut by_window, |images, sums| {
        let mut padded = Lines::zeros(grid.elements());
        for n in images {
            grid.fill(&x[n * g.h * g.w * g.c..][..g.h * g.w * g.c], &mut padded);
            let dy = &dy[n * g.oh * g.ow * g.o..][..g.oh * g.ow * g.o];
            arch.dispatch(Image { g, grid: &grid, x: &padded, dy, sums });
        }
    });
    for (filter, dw) in dw.chunks_mut(k).enumerate() {
        for (i, dw) in dw.iter_mut().enumerate() {
            *dw = by_window[i * g.o + filter];
        }
    }
}
