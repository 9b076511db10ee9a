//! The CPU as a device.

mod executable;
mod fused;
mod memory;

pub use executable::CpuExecutable;
pub(crate) use memory::SharedTensors;
