//! Any machine, any shape.

use crate::kernels::conv2d::{sum_over_images, tile_pixels};
use crate::kernels::gemm::{View, product};
use crate::kernels::im2col::{expand, gather_bits, taps};
use crate::kernels::isa::Isa;
use crate::tensor::Conv2dGeometry;
use crate::tensor::bits::WeightCode;
use rayon::prelude::*;

/// Integers `y = conv(x, w)` of packed bits, two to a word.
pub fn forward(g: &Conv2dGeometry, code: WeightCode, x: &[u32], w: &[u32], y: &mut [u32]) {
    let words = g.c.div_ceil(32);
    let row = g.o.div_ceil(2);
    let pixels = 64;
    let per_filter = g.kh * g.kw * words;
    y.par_chunks_mut(pixels * row).enumerate().for_each_init(Vec::new, |sums: &mut Vec<i32>, (t, y)| {
        let count = y.len() / row;
        sums.clear();
        sums.resize(count * 2 * row, 0);
        taps(g, t * pixels, count, |r, tap, at| {
            let Some(p) = at else { return };
            let a = &x[p * words..][..words];
            for (o, sum) in sums[r * 2 * row..][..g.o].iter_mut().enumerate() {
                let b = &w[o * per_filter + tap * words..][..words];
                *sum += match code {
                    WeightCode::PlusMinus => {
                        let differing: u32 = a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum();
                        g.c as i32 - 2 * differing as i32
                    }
                    WeightCode::ZeroOne => {
                        a.iter().zip(b).map(|(a, b)| 2 * (a & b).count_ones() as i32 - b.count_ones() as i32).sum()
                    }
                };
            }
        });
        for (word, two) in y.iter_mut().zip(sums.chunks_exact(2)) {
            *word = (two[0] as i16 as u16 as u32) | (two[1] as i16 as u16 as u32) << 16;
        }
    });
}

/// dx from dy and the packed weights.
pub fn input_grad(isa: Isa, g: &Conv2dGeometry, code: WeightCode, dy: &[f32], w: &[u32], dx: &mut [f32]) {
    let words = g.c.div_ceil(32);
    let low = if code == WeightCode::PlusMinus { -1.0 } else { 0.0 };
    let per_image = g.oh * g.ow;
    dx.par_chunks_mut(g.h * g.w * g.c).enumerate().for_each_init(
        || (Vec::new(), Vec::new()),
        |(filters, made): &mut (Vec<f32>, Vec<f32>), (n, image)| {
            image.fill(0.0);
            filters.resize(g.o * g.c, 0.0);
            made.resize(per_image * g.c, 0.0);
            for tap in 0..g.kh * g.kw {
                for o in 0..g.o {
                    expand(&w[(o * g.kh * g.kw + tap) * words..][..words], low, &mut filters[o * g.c..][..g.c]);
                }
                let a = View::rows(&dy[n * per_image * g.o..], g.o);
                product(isa, (per_image, g.c, g.o), a, View::rows(filters, g.c), (made, g.c), false);
                let (ky, kx) = (tap / g.kw, tap % g.kw);
                for oy in 0..g.oh {
                    let Some(y) = g.tap(oy, ky, g.h) else { continue };
                    for ox in 0..g.ow {
                        let Some(x) = g.tap(ox, kx, g.w) else { continue };
                        let from = &made[(oy * g.ow + ox) * g.c..][..g.c];
                        for (t, v) in image[(y * g.w + x) * g.c..][..g.c].iter_mut().zip(from) {
                            *t += v;
                        }
                    }
                }
            }
        },
    );
}

/// dw from dy and the packed activations.
pub fn weight_grad(isa: Isa, g: &Conv2dGeometry, dy: &[f32], x: &[u32], dw: &mut [f32]) {
    let k = g.kh * g.kw * g.c;
    let per_image = g.oh * g.ow;
    let pixels = tile_pixels(k);
    sum_over_images(g, dw, |images, dw| {
        let mut columns = Vec::new();
        let (start, end) = (images.start * per_image, images.end * per_image);
        for first in (start..end).step_by(pixels) {
            let count = pixels.min(end - first);
            gather_bits(g, x, first, count, &mut columns);
            let a = View::rows(&dy[first * g.o..], g.o).t();
            product(isa, (g.o, k, count), a, View::rows(&columns, k), (dw, k), true);
        }
    });
}
