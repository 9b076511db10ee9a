//! Masks of a trained network as files: one bit a weight, for a base network that is shipped once (Self-Masking Networks).

mod apply;
mod file;
mod made;
mod plain;

pub use apply::apply;
pub use file::{MaskFile, MaskTensor, Statistics};
pub use made::{base_hash, from_run};
pub use plain::plain;
