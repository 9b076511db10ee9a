//! wgpu: adapters, devices, pipelines, and the replay of programs.

mod adapter;
mod device;
mod executable;
mod failure;
mod kernel;
mod matrix;
mod pipeline;
mod readback;
mod replay;
mod timer;

pub use adapter::{AdapterReport, adapters};
pub use device::{GpuDevice, GpuOptions, LimitSet};
pub(crate) use executable::GpuBuffer;
pub use executable::GpuExecutable;
pub use matrix::trial_kernels;
pub use readback::Readback;
pub use replay::{Timed, TimedRun};
pub use timer::Span;
