//! Reductions over axes.

mod reduce;

pub use reduce::{Reduce, ReduceKind};
