//! The table of cases: every op at the shapes where kernels go wrong (tails, odd sizes, one and 33
//! channels, stride 2, empty borders). One file per family of ops.

mod image;
mod optim;
mod pointwise;
mod pool;
mod random;
mod reduce;
mod shape;

use super::Case;

/// All cases.
pub fn all() -> Vec<Case> {
    [
        image::cases(),
        optim::cases(),
        pointwise::cases(),
        pool::cases(),
        random::cases(),
        reduce::cases(),
        shape::cases(),
    ]
    .concat()
}
