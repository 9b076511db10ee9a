//! Ops that move or rename elements.

mod view;

pub use view::{Detach, Reshape};
