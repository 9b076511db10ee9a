//! Reductions over axes.

mod argmax;
mod cosine_cut;
mod keep_largest;
mod kth_value;
mod over_axes;
mod sort_rows;
mod top_k;

pub use argmax::Argmax;
pub use cosine_cut::CosineCut;
pub use keep_largest::KeepLargest;
pub use kth_value::KthValue;
pub use over_axes::{Reduce, ReduceKind};
pub use sort_rows::SortRows;
pub use top_k::{TopK, TopKGrad};
