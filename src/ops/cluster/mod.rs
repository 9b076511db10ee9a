//! Which of many centres a point belongs to: the two assignments of multilayer bootstrap networks.

mod most_shared;
mod nearest;

pub use most_shared::{MostShared, NOT_SAMPLED, Ties, digest, tie_key};
pub use nearest::{NEAR_TIE, Nearest, nearness};
