//! Reductions over axes.

mod argmax;
mod reduce;
mod top_k;

pub use argmax::Argmax;
pub use reduce::{Reduce, ReduceKind};
pub use top_k::{TopK, TopKGrad};
