//! A kernel that runs outside of any program: what ceilings are measured with, and nothing else.

use super::device::GpuDevice;
use super::executable::GpuBuffer;
use crate::error::Result;
use crate::program::Kernel;
use std::sync::Arc;

/// A compiled kernel with its buffers.
pub(crate) struct GpuKernel {
    device: GpuDevice,
    pipeline: Arc<wgpu::ComputePipeline>,
    bind: wgpu::BindGroup,
}

impl GpuDevice {
    /// Compiles a kernel and binds `buffers` to group 0, in order. Those of this crate check their bounds for what they are
    /// launched with here, so that nobody else may.
    ///
    /// # Errors
    /// If the device does not accept the kernel.
    pub(crate) fn kernel(&self, kernel: &Kernel, buffers: &[&GpuBuffer]) -> Result<GpuKernel> {
        let pipeline = self.pipelines(&[kernel])?.remove(0);
        let resources = buffers.iter().map(|b| b.buffer.as_entire_binding());
        let entries: Vec<_> =
            (0..).zip(resources).map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource }).collect();
        let bind = self.0.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(&kernel.name),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        self.check()?;
        Ok(GpuKernel { device: self.clone(), pipeline, bind })
    }
}

impl GpuKernel {
    /// Submits `times` dispatches of `workgroups` in one pass. Returns before the device is done.
    pub fn submit(&self, workgroups: [u32; 3], times: usize) -> Result<()> {
        let d = &self.device.0;
        let mut encoder = d.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &self.bind, &[]);
            let [x, y, z] = workgroups;
            for _ in 0..times {
                pass.dispatch_workgroups(x, y, z);
            }
        }
        self.device.submit(encoder).map(|_| ())
    }
}
