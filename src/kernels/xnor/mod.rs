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
