//! What a device can do at best.

use super::{cpu, gpu};
use crate::cache::{self, Identity};
use crate::device::Device;
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// The best rates of a device, measured with kernels that do nothing else. A multiply-add is two operations, on
/// numbers as on bits. What a device does not have is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ceilings {
    /// Multiply-adds of f32, in billions of operations a second.
    pub f32_gops: f64,
    /// Products of bits by xor and popcount, in billions of operations a second.
    pub bit_gops: f64,
    /// Copying memory, in billions of bytes a second; read and written bytes both count.
    pub copy_gbs: f64,
    /// Microseconds that one more dispatch in a pass costs.
    pub dispatch_us: Option<f64>,
    /// Microseconds that one more submission costs.
    pub submit_us: Option<f64>,
    /// Multiply-adds of f16, in billions of operations a second.
    pub f16_gops: Option<f64>,
    /// The matrix units (tensor cores), as far as wgpu reaches them, in billions of operations a second.
    pub matrix_gops: Option<f64>,
}

/// Name of their files in the cache.
const KIND: &str = "ceilings";

impl Ceilings {
    /// Measures them, each for about `seconds`, and a little longer for finding the best form of its kernel.
    ///
    /// # Errors
    /// If the device fails.
    pub fn measure(device: &Device, seconds: f64) -> Result<Ceilings> {
        match device {
            Device::Cpu => cpu::measure(seconds),
            Device::Gpu(d) => gpu::measure(d, seconds),
        }
    }

    /// Those that were kept of this device, driver and version.
    pub fn cached(device: &Device) -> Option<Ceilings> {
        cache::read(KIND, &Identity::of(device))
    }

    /// Keeps them for [`Ceilings::cached`]. Where that is not possible, a note on standard error says so.
    pub fn keep(&self, device: &Device) {
        cache::write(KIND, &Identity::of(device), self);
    }
}
