//! Convolution of packed bits, and its gradients, which read one packed operand.
//!
//! * `panel`: the forward pass of one image, for the vectors that a machine has; the runtime of packed models is built on it.
//! * `portable`: the forward pass of any shape, popcount a word at a time.
//! * `tables`: gradients. Four ±1 weights have 16 patterns: the 16 possible sums of the four floats they multiply stand in
//!   memory, in the first-level cache, and the bits say which of them is added.

pub mod panel;
#[cfg(feature = "train")]
mod portable;
#[cfg(feature = "train")]
mod tables;

#[cfg(feature = "train")]
use crate::kernels::entry::{check, check_one_group, check_sums};
#[cfg(feature = "train")]
use crate::kernels::isa::{Isa, Set};
#[cfg(feature = "train")]
use crate::tensor::Conv2dGeometry;
#[cfg(feature = "train")]
use crate::tensor::bits::WeightCode;

/// Integers `y = conv(x, w)` of packed bits, two to a word.
///
/// # Panics
/// If `g` contradicts itself ([`Conv2dGeometry::check`]) or has groups, or a slice has not the words that it says.
#[cfg(feature = "train")]
pub fn xnor_conv2d_forward(isa: Isa, g: &Conv2dGeometry, code: WeightCode, x: &[u32], w: &[u32], y: &mut [u32]) {
    use rayon::prelude::*;
    check_one_group("xnor_conv2d_forward", g);
    check_sums("xnor_conv2d_forward", g);
    check("xnor_conv2d_forward", g, [x.len(), w.len(), y.len()], Conv2dGeometry::packed_words);
    if isa.set() == Set::Portable {
        return portable::forward(g, code, x, w, y);
    }
    let g = &many_pixels(g);
    let panel = panel::Panel::new(g, code, w, isa);
    let out = g.oh * g.ow * g.o.div_ceil(2);
    y.par_chunks_mut(out).zip(x.par_chunks(g.h * g.w * g.c.div_ceil(32))).for_each_init(
        || panel.padded(),
        |padded, (y, x)| {
            panel.fill(x, padded);
            panel.rows(padded, bytemuck::cast_slice_mut(y), 0..g.oh * g.ow);
        },
    );
}

/// A convolution that looks at single pixels, as one of fewer images of more pixels each, which share what is read of the
/// weights; any other as it is.
#[cfg(feature = "train")]
fn many_pixels(g: &Conv2dGeometry) -> Conv2dGeometry {
    if (g.kh, g.kw, g.stride, g.padding) != (1, 1, 1, 0) {
        return *g;
    }
    let all = g.n * g.h * g.w;
    let h = (1..=64).rev().find(|h| all.is_multiple_of(*h)).expect("1 divides");
    Conv2dGeometry { n: all / h, h, w: 1, oh: h, ow: 1, ..*g }
}

/// dx from dy and the packed weights.
///
/// # Panics
/// As [`xnor_conv2d_forward`].
#[cfg(feature = "train")]
pub fn xnor_conv2d_input_grad(isa: Isa, g: &Conv2dGeometry, code: WeightCode, dy: &[f32], w: &[u32], dx: &mut [f32]) {
    check_one_group("xnor_conv2d_input_grad", g);
    check("xnor_conv2d_input_grad", g, [dx.len(), w.len(), dy.len()], |g| {
        let ([x, _, y], [_, w, _]) = (g.numbers(), g.packed_words());
        [x, w, y]
    });
    tables::input_grad(isa, g, code, dy, w, dx);
}

/// dw from dy and the packed activations.
///
/// # Panics
/// As [`xnor_conv2d_forward`].
#[cfg(feature = "train")]
pub fn xnor_conv2d_weight_grad(isa: Isa, g: &Conv2dGeometry, dy: &[f32], x: &[u32], dw: &mut [f32]) {
    check_one_group("xnor_conv2d_weight_grad", g);
    check("xnor_conv2d_weight_grad", g, [x.len(), dw.len(), dy.len()], |g| {
        let ([_, w, y], [x, ..]) = (g.numbers(), g.packed_words());
        [x, w, y]
    });
    tables::weight_grad(isa, g, dy, x, dw);
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use super::*;
    use crate::kernels::naive::{Covered, all_geometries, binary, convolution, integers, lengths};
    use crate::tensor::bits::pack_signs;

    /// The integers of a tensor of rows of `o`, two to a word.
    fn halves(words: &[u32], o: usize) -> Vec<f32> {
        let two = |w: &u32| [*w as u16 as i16 as f32, (*w >> 16) as u16 as i16 as f32];
        let rows = words.chunks_exact(o.div_ceil(2));
        rows.flat_map(|row| row.iter().flat_map(two).take(o).collect::<Vec<f32>>()).collect()
    }

    #[test]
    fn every_instruction_set_gives_the_sums_of_the_definition() {
        let mut covered = Covered::default();
        for g in all_geometries() {
            let [images, outputs, weights] = lengths(&g);
            let (x, w, dy) = (integers(images, 1), integers(weights, 2), integers(outputs, 3));
            let (packed_x, packed_w) = (pack_signs(g.c, &x), pack_signs(g.c, &w));
            for code in [WeightCode::PlusMinus, WeightCode::ZeroOne] {
                let values = if code == WeightCode::PlusMinus { [-1.0, 1.0] } else { [0.0, 1.0] };
                let expected = convolution(&g, &binary(&x, [-1.0, 1.0]), &binary(&w, values), &dy);
                for isa in Isa::all() {
                    let words = g.n * g.oh * g.ow * g.o.div_ceil(2);
                    let mut y = vec![7; words];
                    xnor_conv2d_forward(isa, &g, code, &packed_x, &packed_w, &mut y);
                    assert!(halves(&y, g.o) == expected.y, "y by {isa}, {code:?} {g:?}");
                    // The first image, in two parts, the first of which ends within a tile.
                    let panel = panel::Panel::new(&g, code, &packed_w, isa);
                    let mut padded = panel.padded();
                    panel.fill(&packed_x[..g.h * g.w * g.c.div_ceil(32)], &mut padded);
                    let mut first = vec![7u32; words / g.n];
                    let out: &mut [u16] = bytemuck::cast_slice_mut(&mut first);
                    let (start, end) = out.split_at_mut(5 * g.o.next_multiple_of(2));
                    panel.rows(&padded, start, 0..5);
                    panel.rows(&padded, end, 5..g.oh * g.ow);
                    assert!(halves(&first, g.o) == expected.y[..outputs / g.n], "{isa} {code:?} {g:?}");
                    let (mut dx, mut dw) = (vec![f32::NAN; images], vec![f32::NAN; weights]);
                    xnor_conv2d_input_grad(isa, &g, code, &dy, &packed_w, &mut dx);
                    xnor_conv2d_weight_grad(isa, &g, &dy, &packed_x, &mut dw);
                    assert!(dx == expected.dx, "dx by {isa}, {code:?} {g:?}");
                    assert!(dw == expected.dw, "dw by {isa}, {code:?} {g:?}");
                    let whole = g.c.is_multiple_of(16) && g.o.is_multiple_of(16);
                    covered.by(isa, if whole { "whole registers" } else { "tails" });
                }
            }
        }
        covered.all(&["whole registers", "tails"]);
    }
}
