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
    /// Sums of floats that bits choose, looked up in the first-level cache, four at a time; the CPU's gradients of binary
    /// layers. An addition is four multiply-adds of the formula.
    #[serde(default)]
    pub sums_gops: Option<f64>,
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
    /// How much these figures depend on the moment.
    #[serde(default)]
    pub spread: Spread,
}

/// How far below the best of several tries the least was, as a share of the best; unknown of figures that were kept by
/// earlier versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Of multiply-adds of f32.
    pub f32: Option<f64>,
    /// Of products of bits.
    pub bits: Option<f64>,
    /// Of copying.
    pub copy: Option<f64>,
}

/// How often ceilings are measured: the best is taken, as other work only takes away.
const TRIES: u32 = 3;

/// Name of their files in the cache.
const KIND: &str = "ceilings";

impl Ceilings {
    /// Measures them, each for about `seconds` in several tries, and a little longer for finding the best form of its kernel.
    ///
    /// # Errors
    /// If the device fails.
    pub fn measure(device: &Device, seconds: f64) -> Result<Ceilings> {
        let seconds = seconds / TRIES as f64;
        let once = |_| match device {
            Device::Cpu => cpu::measure(seconds),
            Device::Gpu(d) => gpu::measure(d, seconds),
        };
        let tries = (0..TRIES).map(once).collect::<Result<Vec<_>>>()?;
        let most = |rate: fn(&Ceilings) -> f64| tries.iter().map(rate).fold(0.0, f64::max);
        let spread =
            |rate: fn(&Ceilings) -> f64| Some(1.0 - tries.iter().map(rate).fold(f64::INFINITY, f64::min) / most(rate));
        let most_of = |rate: fn(&Ceilings) -> Option<f64>| tries.iter().filter_map(rate).reduce(f64::max);
        let least_of = |cost: fn(&Ceilings) -> Option<f64>| tries.iter().filter_map(cost).reduce(f64::min);
        Ok(Ceilings {
            f32_gops: most(|c| c.f32_gops),
            sums_gops: most_of(|c| c.sums_gops),
            bit_gops: most(|c| c.bit_gops),
            copy_gbs: most(|c| c.copy_gbs),
            dispatch_us: least_of(|c| c.dispatch_us),
            submit_us: least_of(|c| c.submit_us),
            f16_gops: most_of(|c| c.f16_gops),
            matrix_gops: most_of(|c| c.matrix_gops),
            spread: Spread { f32: spread(|c| c.f32_gops), bits: spread(|c| c.bit_gops), copy: spread(|c| c.copy_gbs) },
        })
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
