//! The table of cases: every op at the shapes where kernels go wrong (tails, odd sizes, one and 33
//! channels, stride 2, empty borders). One file per family of ops.

mod activation;
mod loss;
mod norm;
mod pointwise;
mod reduce;
mod softmax;

use super::Case;

/// All cases.
pub fn all() -> Vec<Case> {
    [pointwise::cases(), reduce::cases(), activation::cases(), norm::cases(), softmax::cases(), loss::cases()].concat()
}
