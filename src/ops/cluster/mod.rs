//! Which of many centres a point belongs to: the two assignments of multilayer bootstrap networks.

mod most_shared;
mod nearest;
mod sets;

pub use crate::kernels::{NEAR_TIE, NOT_SAMPLED};
pub use most_shared::{MostShared, Ties};
pub use nearest::{Nearest, nearness};
