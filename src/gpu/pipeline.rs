//! Compiled kernels, kept for the life of the device.

use super::device::GpuDevice;
use crate::error::{Error, Result};
use crate::program::Kernel;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

type Key = (Arc<str>, Vec<(&'static str, u64)>);

#[derive(Default)]
pub(super) struct Pipelines {
    modules: Mutex<HashMap<Arc<str>, Arc<wgpu::ShaderModule>>>,
    pipelines: Mutex<HashMap<Key, Arc<wgpu::ComputePipeline>>>,
}

fn key(kernel: &Kernel) -> Key {
    (kernel.source.clone(), kernel.constants.iter().map(|(n, v)| (*n, v.to_bits())).collect())
}

impl GpuDevice {
    /// The pipelines of `kernels`, in order; those not compiled yet are compiled in parallel.
    pub(super) fn pipelines(&self, kernels: &[&Kernel]) -> Result<Vec<Arc<wgpu::ComputePipeline>>> {
        let mut missing: Vec<&Kernel> = Vec::new();
        {
            let known = self.0.pipelines.pipelines.lock().expect("no panic holds this lock");
            for &k in kernels {
                if !known.contains_key(&key(k)) && !missing.contains(&k) {
                    missing.push(k);
                }
            }
        }
        let made: Vec<(Key, Arc<wgpu::ComputePipeline>)> =
            missing.par_iter().map(|k| Ok((key(k), self.compile(k)?))).collect::<Result<_>>()?;
        let mut known = self.0.pipelines.pipelines.lock().expect("no panic holds this lock");
        known.extend(made);
        Ok(kernels.iter().map(|k| known[&key(k)].clone()).collect())
    }

    /// Lets go of the compiled kernels that no program uses any more. Software adapters keep a MiB and more for each.
    pub fn forget_pipelines(&self) {
        let pipelines = &self.0.pipelines;
        pipelines.pipelines.lock().expect("no panic holds this lock").retain(|_, p| Arc::strong_count(p) > 1);
        pipelines.modules.lock().expect("no panic holds this lock").clear();
    }

    fn module(&self, kernel: &Kernel) -> Result<Arc<wgpu::ShaderModule>> {
        if let Some(m) = self.0.pipelines.modules.lock().expect("no panic holds this lock").get(&kernel.source) {
            return Ok(m.clone());
        }
        let desc = wgpu::ShaderModuleDescriptor {
            label: Some(&kernel.name),
            source: wgpu::ShaderSource::Wgsl(kernel.source.to_string().into()),
        };
        let module = self.guarded(kernel, |d| match self.0.options.checked {
            true => d.create_shader_module(desc),
            // SAFETY: these are our own kernels. They check their bounds themselves and their loops
            // end; the tests run every one of them checked and unchecked, with sentinels behind the
            // buffers.
            false => unsafe { d.create_shader_module_trusted(desc, wgpu::ShaderRuntimeChecks::unchecked()) },
        })?;
        let module = Arc::new(module);
        self.0
            .pipelines
            .modules
            .lock()
            .expect("no panic holds this lock")
            .insert(kernel.source.clone(), module.clone());
        Ok(module)
    }

    fn compile(&self, kernel: &Kernel) -> Result<Arc<wgpu::ComputePipeline>> {
        let module = self.module(kernel)?;
        let pipeline = self.guarded(kernel, |d| {
            d.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(&kernel.name),
                layout: None,
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &kernel.constants,
                    zero_initialize_workgroup_memory: self.0.options.checked,
                },
                cache: None,
            })
        })?;
        Ok(Arc::new(pipeline))
    }

    /// Runs `f`, turning what wgpu finds wrong into an error that names the kernel.
    fn guarded<T>(&self, kernel: &Kernel, f: impl FnOnce(&wgpu::Device) -> T) -> Result<T> {
        let internal = self.0.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let validation = self.0.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let made = f(&self.0.device);
        let errors = [pollster::block_on(validation.pop()), pollster::block_on(internal.pop())];
        match errors.into_iter().flatten().next() {
            Some(e) => Err(Error::Shader {
                shader: kernel.name.clone(),
                message: format!("{e} (constants {:?})", kernel.constants),
            }),
            None => Ok(made),
        }
    }
}
