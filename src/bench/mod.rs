//! What a device can do at best, and what share of it the project's kernels reach.

mod ceilings;
mod clock;
mod cpu;
mod gpu;
mod kernels;
mod measure;
mod report;
mod roofline;

pub use ceilings::{Ceilings, Spread};
pub use clock::least;
pub use gpu::kernels as ceiling_kernels;
pub use kernels::{Bench, benches};
pub use measure::{Measured, Roof, amount, expected, measure};
pub use report::Report;
pub use roofline::roofline_svg;
