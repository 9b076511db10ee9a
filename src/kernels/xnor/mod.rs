//! Convolution of packed bits, and its gradients, which read one packed operand.
//!
//! * `panel`: the forward pass of one image, for the vectors that a machine has; the runtime of packed models is built on it.
//! * `portable`: any machine, any shape. Popcount a word at a time; gradients expand bits into one tile
//!   at a time, never into a tensor.
//! * `lookup`: AVX-512 gradients. Four ±1 weights have 16 patterns: the 16 possible sums of the four
//!   floats they multiply stand in one register, and a permutation looks up 16 of them by the bits.

#[cfg(all(target_arch = "x86_64", feature = "train"))]
mod lookup;
pub mod panel;
#[cfg(feature = "train")]
mod portable;

#[cfg(feature = "train")]
use crate::tensor::Conv2dGeometry;
#[cfg(feature = "train")]
use crate::tensor::bits::WeightCode;

/// Integers `y = conv(x, w)` of packed bits, two to a word.
#[cfg(feature = "train")]
pub fn xnor_conv2d_forward(g: &Conv2dGeometry, code: WeightCode, x: &[u32], w: &[u32], y: &mut [u32]) {
    use rayon::prelude::*;
    let isa = panel::Isa::best();
    if isa == panel::Isa::Portable {
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
#[cfg(feature = "train")]
pub fn xnor_conv2d_input_grad(g: &Conv2dGeometry, code: WeightCode, dy: &[f32], w: &[u32], dx: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if lookup::available() && lookup::suits(g) {
        return lookup::input_grad(g, code, dy, w, dx);
    }
    portable::input_grad(g, code, dy, w, dx);
}

/// dw from dy and the packed activations.
#[cfg(feature = "train")]
pub fn xnor_conv2d_weight_grad(g: &Conv2dGeometry, dy: &[f32], x: &[u32], dw: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if lookup::available() && lookup::suits(g) {
        return lookup::weight_grad(g, dy, x, dw);
    }
    portable::weight_grad(g, dy, x, dw);
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use super::*;
    use crate::kernels::tests::{geometries, integers};
    use crate::tensor::bits::pack_signs;

    /// Sums of small integers are exact in any order: whatever this machine takes must equal the
    /// portable kernels to the bit.
    #[test]
    fn the_kernels_of_this_machine_equal_the_portable_ones() {
        let single = Conv2dGeometry::new("test", &[3, 8, 5, 40], &[48, 1, 1, 40], 1, 0, 1).expect("fixed");
        for g in geometries().into_iter().chain([single]) {
            let (images, outputs, weights) = (g.n * g.h * g.w * g.c, g.n * g.oh * g.ow * g.o, g.o * g.kh * g.kw * g.c);
            let (x, w) = (pack_signs(g.c, &integers(images, 1)), pack_signs(g.c, &integers(weights, 2)));
            let dy = integers(outputs, 3);
            let mut dw = [vec![f32::NAN; weights], vec![f32::NAN; weights]];
            xnor_conv2d_weight_grad(&g, &dy, &x, &mut dw[0]);
            portable::weight_grad(&g, &dy, &x, &mut dw[1]);
            assert!(dw[0] == dw[1], "dw {g:?}");
            for code in [WeightCode::PlusMinus, WeightCode::ZeroOne] {
                let words = g.n * g.oh * g.ow * g.o.div_ceil(2);
                let mut y = [vec![7; words], vec![7; words]];
                xnor_conv2d_forward(&g, code, &x, &w, &mut y[0]);
                portable::forward(&g, code, &x, &w, &mut y[1]);
                assert!(y[0] == y[1] && y[0].iter().any(|v| *v != 0), "y {code:?} {g:?}");
                // One image by every instruction set of this machine.
                let one = g.h * g.w * g.c.div_ceil(32);
                for isa in panel::Isa::all() {
                    let panel = panel::Panel::new(&g, code, &w, isa);
                    let mut padded = panel.padded();
                    panel.fill(&x[..one], &mut padded);
                    let mut first = vec![7u32; words / g.n];
                    // In two parts, the first of which ends within a tile.
                    let out: &mut [u16] = bytemuck::cast_slice_mut(&mut first);
                    let (start, end) = out.split_at_mut(5 * g.o.next_multiple_of(2));
                    panel.rows(&padded, start, 0..5);
                    panel.rows(&padded, end, 5..g.oh * g.ow);
                    assert!(first == y[1][..words / g.n], "{isa:?} {code:?} {g:?}");
                }
                let mut dx = [vec![f32::NAN; images], vec![f32::NAN; images]];
                xnor_conv2d_input_grad(&g, code, &dy, &w, &mut dx[0]);
                portable::input_grad(&g, code, &dy, &w, &mut dx[1]);
                assert!(dx[0] == dx[1], "dx {code:?} {g:?}");
            }
        }
    }
}
