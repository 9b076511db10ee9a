//! Correctness as part of the product: every op against its f64 reference, on any device.

pub mod case;
pub mod cases;
mod compare;
mod gradient;
mod reference;

pub use case::Case;
pub use compare::{Finding, compare, compare_program};
pub use gradient::check_gradient;
pub use reference::run_reference;
