//! What a device can do at best, and what share of it the project's kernels reach.

mod ceilings;
mod clock;
mod cpu;
mod gpu;

pub use ceilings::Ceilings;
pub use clock::least;
pub use gpu::kernels as ceiling_kernels;
