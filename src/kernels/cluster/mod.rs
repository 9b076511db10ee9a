//! Points to centres: by distance, and by what codes have in common.

mod most_shared;
mod nearest;

pub use most_shared::most_shared;
pub use nearest::nearest;
