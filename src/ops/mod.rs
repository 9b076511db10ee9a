//! What can be computed: one file per op, with its shape rule, gradient, CPU reference and lowering.
//! Each file adds its builder to [`crate::graph::Graph`].

pub mod norm;
pub mod pointwise;
pub mod reduce;
pub mod rows;
pub mod shape;
pub mod softmax;
