//! The devices that tests run on.

use onebit::device::Device;
use onebit::gpu::{GpuDevice, GpuOptions, adapters};

/// The CPU and every adapter.
pub fn devices() -> Vec<(String, Device)> {
    let mut all = vec![("the CPU".to_string(), Device::Cpu)];
    all.extend(gpus(GpuOptions::default()));
    all
}

/// Every usable adapter, opened. Fails when there is none: a correctness suite that ran nowhere has
/// shown nothing.
pub fn gpus(options: GpuOptions) -> Vec<(String, Device)> {
    let found = adapters();
    let devices: Vec<(String, Device)> = found
        .iter()
        .filter(|a| a.usable.is_ok())
        .map(|a| {
            let device = GpuDevice::open(a, options).unwrap_or_else(|e| panic!("{e}"));
            (a.describe(), Device::Gpu(device))
        })
        .collect();
    assert!(
        !devices.is_empty(),
        "no usable adapter: install a Vulkan driver (Debian: apt-get install mesa-vulkan-drivers); found {:?}",
        found.iter().map(|a| (a.describe(), a.usable.clone())).collect::<Vec<_>>()
    );
    devices
}
