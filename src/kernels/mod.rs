//! Fast CPU kernels on plain slices: what the CPU device runs where the textbook would be slow.
//!
//! Without the feature `train` only what the runtime of packed models needs is built: convolution of bits by popcount.
//!
//! Every result is the same bit for bit whatever the number of threads: work is cut into tiles whose
//! size does not depend on it, and partial sums are added in a fixed order.

#[cfg(feature = "train")]
mod cluster;
#[cfg(feature = "train")]
mod conv2d;
pub mod dense;
#[cfg(feature = "train")]
mod direct;
#[cfg(feature = "train")]
mod gemm;
pub mod grid;
#[cfg(feature = "train")]
mod im2col;
pub mod taps;
pub mod xnor;

#[cfg(feature = "train")]
pub use cluster::{NEAR_TIE, NOT_SAMPLED, digest, most_shared, nearest, tie_key};
#[cfg(feature = "train")]
pub use conv2d::{conv2d_forward, conv2d_input_grad, conv2d_weight_grad};
#[cfg(feature = "train")]
pub use gemm::matmul;
#[cfg(feature = "train")]
pub use xnor::{xnor_conv2d_forward, xnor_conv2d_input_grad, xnor_conv2d_weight_grad};

#[cfg(all(test, feature = "train"))]
mod tests {
    use crate::rng::Philox;
    use crate::tensor::Conv2dGeometry;
    use pulp::Arch;

    /// Convolutions that the kernels for whole registers take: narrow and wide, strided, with few images.
    pub(super) fn geometries() -> Vec<Conv2dGeometry> {
        [
            ([2, 7, 9, 16], [16, 3, 3, 16], 1, 1),
            ([1, 8, 7, 32], [48, 3, 3, 32], 2, 1),
            ([3, 5, 4, 64], [96, 3, 3, 64], 1, 1),
            ([2, 6, 6, 16], [32, 5, 5, 16], 1, 2),
            ([9, 4, 4, 96], [64, 3, 3, 96], 1, 1),
        ]
        .map(|(x, w, stride, padding)| Conv2dGeometry::new("test", &x, &w, stride, padding, 1).expect("fixed"))
        .to_vec()
    }

    /// Random integers from -3 to 3.
    pub(super) fn integers(n: usize, stream: u64) -> Vec<f32> {
        let p = Philox::new(7, stream);
        (0..n).map(|i| (p.uniform(0, i as u64) * 7.0).floor() - 3.0).collect()
    }

    /// The instruction sets of this machine, the best one among them.
    pub(super) fn arches() -> Vec<Arch> {
        #[allow(unused_mut)]
        let mut all = vec![Arch::new()];
        #[cfg(target_arch = "x86_64")]
        all.extend(pulp::x86::V3::try_new().map(Arch::V3));
        all
    }
}
