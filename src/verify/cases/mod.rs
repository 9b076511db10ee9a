//! The table of cases: every op at the shapes where kernels go wrong (tails, odd sizes, one and 33
//! channels, stride 2, empty borders). One file per family of ops.

mod conv;
mod linalg;
mod pointwise;
mod reduce;

use super::Case;

/// All cases.
pub fn all() -> Vec<Case> {
    [pointwise::cases(), reduce::cases(), linalg::cases(), conv::cases()].concat()
}
