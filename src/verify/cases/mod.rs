//! The table of cases: every op at the shapes where kernels go wrong (tails, odd sizes, one and 33
//! channels, stride 2, empty borders). One file per family of ops.

mod activation;
mod attention;
mod cluster;
mod conv;
mod image;
mod large;
mod linalg;
mod loss;
mod norm;
mod optim;
mod pointwise;
mod pool;
mod random;
mod reduce;
mod select;
mod shape;
mod softmax;
pub mod step;

use super::CaseSpec;

/// The seed of the cases' random content unless another is asked for.
pub const SEED: u64 = 0x0b17;

/// All cases.
pub fn all() -> Vec<CaseSpec> {
    [
        pointwise::cases(),
        activation::cases(),
        reduce::cases(),
        select::cases(),
        random::cases(),
        shape::cases(),
        linalg::cases(),
        attention::cases(),
        cluster::cases(),
        conv::cases(),
        pool::cases(),
        norm::cases(),
        softmax::cases(),
        loss::cases(),
        optim::cases(),
        image::cases(),
        step::cases(),
        large::cases(),
    ]
    .concat()
}
