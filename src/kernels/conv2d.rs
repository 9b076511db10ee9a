//! Convolution as products of matrices of windows, a tile of output pixels at a time, so that the
//! windows stay in the second-level cache.

use super::direct;
use super::entry::check;
use super::gemm::{View, product};
use super::im2col::{gather, scatter_add};
use super::isa::Isa;
use crate::tensor::Conv2dGeometry;
use rayon::prelude::*;

/// Floats of a tile of windows: 384 KiB, so that they and the weights that the product packs beside them stay in a
/// second-level cache of 512 KiB or more.
const TILE: usize = 96 * 1024;
/// Rows of a part of a product without windows, at most: the layers of a ViT-S/16 on 3,152 pixels (two threads, AVX-512) took
/// 1.2 to 1.4 times as long in parts of 64 and 256.
const ROWS: usize = 512;
/// Filters of a convolution of single pixels whose weights' gradients are cut by filters, at least, and into how many parts.
const FEW_FILTERS: usize = 128;
const FILTER_PARTS: usize = 8;
/// Partial weight gradients, whatever the number of threads: as many as cores that a small machine has, each for a copy of
/// all sums.
const CHUNKS: usize = 4;

/// Pixels of a tile with windows of `k` floats: no fewer than a microkernel's rows fill, no more than threads can share.
pub(super) fn tile_pixels(k: usize) -> usize {
    (TILE / k.max(1)).clamp(8, 512)
}

/// Rows of a part of a product that reads the activations themselves, `all` in all: so many that packing the weights for each
/// part costs little, and as many in each.
fn rows_of_part(all: usize) -> usize {
    let parts = all.div_ceil(ROWS);
    all.div_ceil(parts).next_multiple_of(16)
}

/// Whether windows are pixels: then activations are the matrix of windows.
fn of_single_pixels(g: &Conv2dGeometry) -> bool {
    g.kh * g.kw == 1 && g.stride == 1 && g.padding == 0
}

/// `y = conv(x, w)`.
///
/// # Panics
/// If `g` contradicts itself ([`Conv2dGeometry::check`]), or a slice has not the numbers that it says.
pub fn conv2d_forward(isa: Isa, g: &Conv2dGeometry, x: &[f32], w: &[f32], y: &mut [f32]) {
    check("conv2d_forward", g, [x.len(), w.len(), y.len()], Conv2dGeometry::numbers);
    if direct::suits(g, g.o) {
        return direct::forward(isa.arch(), g, x, w, y);
    }
    let (ci, oi) = (g.c / g.groups, g.o / g.groups);
    let k = g.kh * g.kw * ci;
    let pixels = if of_single_pixels(g) { rows_of_part(g.n * g.oh * g.ow) } else { tile_pixels(k) };
    y.par_chunks_mut(pixels * g.o).enumerate().for_each_init(Vec::new, |columns, (t, y)| {
        let count = y.len() / g.o;
        for group in 0..g.groups {
            let a = if of_single_pixels(g) {
                View::rows(&x[t * pixels * g.c + group * ci..], g.c)
            } else {
                gather(g, group, x, t * pixels, count, columns);
                View::rows(columns, k)
            };
            let b = View::rows(&w[group * oi * k..], k).t();
            product(isa, (count, oi, k), a, b, (&mut y[group * oi..], g.o), false);
        }
    });
}

/// dx from dy and w.
///
/// # Panics
/// As [`conv2d_forward`].
pub fn conv2d_input_grad(isa: Isa, g: &Conv2dGeometry, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    check("conv2d_input_grad", g, [dx.len(), w.len(), dy.len()], Conv2dGeometry::numbers);
    if direct::suits(g, g.c) {
        return direct::input_grad(isa.arch(), g, dy, w, dx);
    }
    let (ci, oi) = (g.c / g.groups, g.o / g.groups);
    let k = g.kh * g.kw * ci;
    if of_single_pixels(g) && g.groups == 1 {
        let pixels = rows_of_part(g.n * g.oh * g.ow);
        return dx.par_chunks_mut(pixels * ci).enumerate().for_each(|(t, dx)| {
            let dy = View::rows(&dy[t * pixels * oi..], oi);
            product(isa, (dx.len() / ci, ci, oi), dy, View::rows(w, ci), (dx, ci), false);
        });
    }
    let per_image = g.oh * g.ow;
    let pixels = tile_pixels(k).min(per_image);
    dx.par_chunks_mut(g.h * g.w * g.c).enumerate().for_each_init(Vec::new, |columns: &mut Vec<f32>, (n, image)| {
        image.fill(0.0);
        for first in (0..per_image).step_by(pixels) {
            let count = pixels.min(per_image - first);
            let first = n * per_image + first;
            columns.resize(pixels * k, 0.0);
            for group in 0..g.groups {
                let a = View::rows(&dy[first * g.o + group * oi..], g.o);
                let b = View::rows(&w[group * oi * k..], k);
                product(isa, (count, k, oi), a, b, (columns, k), false);
                scatter_add(g, group, columns, first, count, image);
            }
        }
    });
}

/// Sums `make(chunk of images, its sum)` over fixed chunks of the batch, in order.
pub(super) fn sum_over_images(
    g: &Conv2dGeometry,
    out: &mut [f32],
    make: impl Fn(std::ops::Range<usize>, &mut [f32]) + Sync,
) {
    let per = g.n.div_ceil(CHUNKS).max(1);
    let mut partial: Vec<Vec<f32>> = (0..g.n.div_ceil(per)).map(|_| vec![0.0; out.len()]).collect();
    partial.par_iter_mut().enumerate().for_each(|(i, p)| make(i * per..((i + 1) * per).min(g.n), p));
    out.fill(0.0);
    for p in &partial {
        for (o, v) in out.iter_mut().zip(p) {
            *o += v;
        }
    }
}

/// dw from dy and x.
///
/// # Panics
/// As [`conv2d_forward`].
pub fn conv2d_weight_grad(isa: Isa, g: &Conv2dGeometry, dy: &[f32], x: &[f32], dw: &mut [f32]) {
    check("conv2d_weight_grad", g, [x.len(), dw.len(), dy.len()], Conv2dGeometry::numbers);
    if direct::weight_grad(isa.arch(), g, dy, x, dw) {
        return;
    }
    let (ci, oi) = (g.c / g.groups, g.o / g.groups);
    let k = g.kh * g.kw * ci;
    let per_image = g.oh * g.ow;
    if of_single_pixels(g) && g.groups == 1 && g.o >= FEW_FILTERS {
        // A part of the filters each, so that no sums are added up behind.
        let filters = g.o.div_ceil(FILTER_PARTS).next_multiple_of(16);
        return dw.par_chunks_mut(filters * k).enumerate().for_each(|(part, dw)| {
            let a = View::rows(&dy[part * filters..], g.o).t();
            product(isa, (dw.len() / k, k, g.n * per_image), a, View::rows(x, g.c), (dw, k), false);
        });
    }
    let pixels = tile_pixels(k);
    sum_over_images(g, dw, |images, dw| {
        let mut columns = Vec::new();
        let (start, end) = (images.start * per_image, images.end * per_image);
        for first in (start..end).step_by(pixels) {
            let count = pixels.min(end - first);
            for group in 0..g.groups {
                gather(g, group, x, first, count, &mut columns);
                let a = View::rows(&dy[first * g.o + group * oi..], g.o).t();
                product(isa, (oi, k, count), a, View::rows(&columns, k), (&mut dw[group * oi * k..], k), true);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::naive::{Covered, all_geometries, convolution, integers, lengths};

    #[test]
    fn every_instruction_set_gives_the_sums_of_the_definition() {
        let grouped = Conv2dGeometry::new("test", &[2, 6, 5, 32], &[32, 3, 3, 8], 1, 1, 4).expect("fixed");
        let mut covered = Covered::default();
        for g in all_geometries().into_iter().chain([grouped]) {
            let [images, outputs, weights] = lengths(&g);
            let (x, w, dy) = (integers(images, 1), integers(weights, 2), integers(outputs, 3));
            let expected = convolution(&g, &x, &w, &dy);
            for isa in Isa::all() {
                let (mut y, mut dx, mut dw) =
                    (vec![f32::NAN; outputs], vec![f32::NAN; images], vec![f32::NAN; weights]);
                conv2d_forward(isa, &g, &x, &w, &mut y);
                conv2d_input_grad(isa, &g, &dy, &w, &mut dx);
                conv2d_weight_grad(isa, &g, &dy, &x, &mut dw);
                assert!(y == expected.y, "y by {isa}, {g:?}");
                assert!(dx == expected.dx, "dx by {isa}, {g:?}");
                assert!(dw == expected.dw, "dw by {isa}, {g:?}");
                covered.by(isa, if direct::suits(&g, g.o) { "in registers" } else { "by matrices" });
            }
        }
        covered.all(&["in registers", "by matrices"]);
    }
}
