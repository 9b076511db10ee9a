//! wgpu: adapters, devices, pipelines, and the replay of programs.

mod adapter;
mod device;
mod executable;
mod failure;
mod fault;
mod kernel;
mod matrix;
mod memory;
mod pace;
mod pipeline;
mod readback;
mod replay;
mod timer;
mod work;

pub use adapter::{AdapterReport, adapters};
pub use device::{GpuDevice, GpuOptions, LimitSet};
pub(crate) use executable::GpuBuffer;
pub use executable::GpuExecutable;
pub use fault::{Call, Fault, How};
pub use matrix::trial_kernels;
pub use readback::Readback;
pub use replay::{Timed, TimedRun};
pub use timer::Span;
