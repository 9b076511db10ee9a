//! Convolution of packed bits, and its gradients, which read one packed operand.
//!
//! * `portable`: any machine, any shape. Popcount a word at a time; gradients expand bits into one tile
//!   at a time, never into a tensor.
//! * `popcount`: AVX-512 counts the bits of 16 outputs at once.
//! * `lookup`: AVX-512 gradients. Four ±1 weights have 16 patterns: the 16 possible sums of the four
//!   floats they multiply stand in one register, and a permutation looks up 16 of them by the bits.

#[cfg(target_arch = "x86_64")]
mod lookup;
#[cfg(target_arch = "x86_64")]
mod popcount;
mod portable;

use crate::tensor::Conv2dGeometry;
use crate::tensor::bits::WeightCode;

/// Integers `y = conv(x, w)` of packed bits, two to a word.
pub fn xnor_conv2d_forward(g: &Conv2dGeometry, code: WeightCode, x: &[u32], w: &[u32], y: &mut [u32]) {
    #[cfg(target_arch = "x86_64")]
    if popcount::available() {
        return popcount::forward(g, code, x, w, y);
    }
    portable::forward(g, code, x, w, y);
}

/// dx from dy and the packed weights.
pub fn xnor_conv2d_input_grad(g: &Conv2dGeometry, code: WeightCode, dy: &[f32], w: &[u32], dx: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if lookup::available() && lookup::suits(g) {
        return lookup::input_grad(g, code, dy, w, dx);
    }
    portable::input_grad(g, code, dy, w, dx);
}

/// dw from dy and the packed activations.
pub fn xnor_conv2d_weight_grad(g: &Conv2dGeometry, dy: &[f32], x: &[u32], dw: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if lookup::available() && lookup::suits(g) {
        return lookup::weight_grad(g, dy, x, dw);
    }
    portable::weight_grad(g, dy, x, dw);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::tests::{geometries, integers};
    use crate::tensor::bits::pack_signs;

    /// Sums of small integers are exact in any order: whatever this machine takes must equal the
    /// portable kernels to the bit.
    #[test]
    fn the_kernels_of_this_machine_equal_the_portable_ones() {
        for g in geometries() {
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
                let mut dx = [vec![f32::NAN; images], vec![f32::NAN; images]];
                xnor_conv2d_input_grad(&g, code, &dy, &w, &mut dx[0]);
                portable::input_grad(&g, code, &dy, &w, &mut dx[1]);
                assert!(dx[0] == dx[1], "dx {code:?} {g:?}");
            }
        }
    }
}
