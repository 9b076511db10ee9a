//! What can be computed: one file per op, with its shape rule, gradient, CPU reference and lowering.
//! Each file adds its builder to [`crate::graph::Graph`].

pub mod image;
#[macro_use]
pub mod pointwise;

pub mod attention;
pub mod cluster;
pub mod conv;
pub(crate) mod inputs;
pub mod linalg;
pub mod norm;
pub mod pool;
pub mod random;
pub mod reduce;
pub mod rows;
pub mod shape;
pub mod softmax;
