//! Points to centres: by distance, and by what codes have in common.

mod most_shared;
mod nearest;

pub use most_shared::{NO_PLACE, NOT_SAMPLED, digest, most_shared, tie_key};
pub use nearest::{NEAR_TIE, nearest};
