//! Reductions over axes.

mod argmax;
mod over_axes;
mod top_k;

pub use argmax::Argmax;
pub use over_axes::{Reduce, ReduceKind};
pub use top_k::{TopK, TopKGrad};
