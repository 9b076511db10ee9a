//! Fast CPU kernels on plain slices: what the CPU device runs where the textbook would be slow.
//!
//! Without the feature `train` only what the runtime of packed models needs is built: convolution of bits by popcount.
//!
//! A kernel that knows several instruction sets takes the one to use, an [`Isa`], as its first parameter.
//!
//! What is public holds the extents that it is given against each other and against its slices, once, and panics if they do
//! not fit (`entry`): the loops behind it count on them.
//!
//! Every result is the same bit for bit whatever the number of threads: work is cut into tiles whose
//! size does not depend on it, and partial sums are added in a fixed order.

#[cfg(feature = "train")]
mod attention;
pub(crate) mod bit_attention;
#[cfg(feature = "train")]
mod cluster;
#[cfg(feature = "train")]
mod conv2d;
pub(crate) mod dense;
#[cfg(feature = "train")]
mod direct;
mod entry;
#[cfg(feature = "train")]
pub(crate) mod gemm;
pub(crate) mod grid;
#[cfg(feature = "train")]
mod im2col;
pub mod isa;
pub(crate) mod lines;
#[cfg(feature = "train")]
mod matmul;
pub(crate) mod smooth;
pub(crate) mod taps;
pub mod xnor;

pub use isa::Isa;

#[cfg(feature = "train")]
pub use attention::{AttentionExtents, attention, attention_grad};
#[cfg(feature = "train")]
pub use cluster::{NEAR_TIE, NO_PLACE, NOT_SAMPLED, digest, most_shared, nearest, tie_key};
#[cfg(feature = "train")]
pub use conv2d::{conv2d_forward, conv2d_input_grad, conv2d_weight_grad};
#[cfg(feature = "train")]
pub use matmul::matmul;
#[cfg(feature = "train")]
pub use xnor::{xnor_conv2d_forward, xnor_conv2d_input_grad, xnor_conv2d_weight_grad};

#[cfg(all(test, feature = "train"))]
mod naive;
