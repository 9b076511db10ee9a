//! The CPU as a device.

mod executable;
mod fused;

pub use executable::{CpuBuffer, CpuExecutable};
