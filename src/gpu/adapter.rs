//! The adapters of this machine.

use pollster::block_on;

/// An adapter that wgpu found.
#[derive(Clone, Debug)]
pub struct AdapterReport {
    /// The adapter.
    pub adapter: wgpu::Adapter,
    /// Its name, driver and kind.
    pub info: wgpu::AdapterInfo,
    /// Whether it can run this project's kernels at all (compute shaders), and if not, why.
    pub usable: Result<(), String>,
}

impl AdapterReport {
    /// A CPU that pretends to be a GPU.
    pub fn is_software(&self) -> bool {
        is_software(&self.info)
    }

    /// "NAME (Vulkan, driver …)".
    pub fn describe(&self) -> String {
        describe(&self.info)
    }

    /// All that is known of it, for programs; `index` is its number.
    pub fn json(&self, index: usize) -> serde_json::Value {
        let (l, features) = (self.adapter.limits(), self.adapter.features());
        serde_json::json!({
            "index": index,
            "name": self.info.name,
            "backend": format!("{:?}", self.info.backend).to_lowercase(),
            "driver": self.info.driver,
            "driver_info": self.info.driver_info,
            "kind": format!("{:?}", self.info.device_type),
            "software": self.is_software(),
            "usable": self.usable.is_ok(),
            "why_not": self.usable.as_ref().err(),
            "timestamps": features.contains(wgpu::Features::TIMESTAMP_QUERY),
            "max_storage_buffer_binding_size": l.max_storage_buffer_binding_size,
            "max_buffer_size": l.max_buffer_size,
            "max_storage_buffers_per_shader_stage": l.max_storage_buffers_per_shader_stage,
            "max_compute_workgroup_storage_size": l.max_compute_workgroup_storage_size,
            "max_compute_invocations_per_workgroup": l.max_compute_invocations_per_workgroup,
        })
    }
}

/// "NAME (Vulkan, driver …)".
pub(super) fn describe(i: &wgpu::AdapterInfo) -> String {
    let driver = [i.driver.as_str(), i.driver_info.as_str()].join(" ");
    match driver.trim() {
        "" => format!("{} ({:?})", i.name, i.backend),
        driver => format!("{} ({:?}, {driver})", i.name, i.backend),
    }
}

/// Whether an adapter is a CPU. GL drivers do not always say so: their names do.
pub(super) fn is_software(info: &wgpu::AdapterInfo) -> bool {
    let name = info.name.to_lowercase();
    info.device_type == wgpu::DeviceType::Cpu
        || ["llvmpipe", "lavapipe", "swiftshader", "softpipe", "basic render"].iter().any(|s| name.contains(s))
}

/// Every adapter of every backend, in wgpu's order.
pub fn adapters() -> Vec<AdapterReport> {
    let instance = super::device::instance();
    block_on(instance.enumerate_adapters(wgpu::Backends::all()))
        .into_iter()
        .map(|adapter| {
            let info = adapter.get_info();
            let caps = adapter.get_downlevel_capabilities();
            let limits = adapter.limits();
            let usable = if !caps.flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
                Err("it has no compute shaders".to_string())
            } else if limits.max_storage_buffers_per_shader_stage < 4 {
                Err(format!("kernels need 4 storage buffers, it binds {}", limits.max_storage_buffers_per_shader_stage))
            } else {
                Ok(())
            };
            AdapterReport { adapter, info, usable }
        })
        .collect()
}
