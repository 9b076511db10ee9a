//! Rows as distributions and directions: softmax, log_softmax, L2 normalisation.

mod l2_normalize;
mod log_softmax;
#[allow(clippy::module_inception)]
mod softmax;

pub use l2_normalize::{L2Normalize, L2NormalizeGrad};
pub use log_softmax::{LogSoftmax, LogSoftmaxGrad};
pub use softmax::{Softmax, SoftmaxGrad};

use crate::graph::EPS;

/// `ln Σ exp(x)` in f64, for references.
pub(crate) fn log_sum_exp(x: &[f64]) -> f64 {
    let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + libm::log(x.iter().map(|x| libm::exp(x - most)).sum())
}

/// Relative error of `Σ exp(x_i - max)` over n terms. A term has the error of its difference,
/// EPS |d|, and of exp, (6 + 4|d|) EPS; as `e^-|d| |d| <= 0.37`, together at most 8 EPS of 1 a term while the
/// sum is at least 1; n additions are rounded.
pub(crate) fn exp_sum_error(n: usize) -> f64 {
    (6.0 + 3.0 * n as f64) * EPS
}
