//! Fast CPU kernels on plain slices: what the CPU device runs where the textbook would be slow.
//!
//! Every result is the same bit for bit whatever the number of threads: work is cut into tiles whose
//! size does not depend on it, and partial sums are added in a fixed order.

mod conv2d;
mod direct;
mod gemm;
mod grid;
mod im2col;
mod taps;
mod xnor;

pub use conv2d::{conv2d_forward, conv2d_input_grad, conv2d_weight_grad};
pub use gemm::{MatMulExtents, matmul};
pub use xnor::{xnor_conv2d_forward, xnor_conv2d_input_grad, xnor_conv2d_weight_grad};
