//! Compiled kernels, kept for the life of the device.

use super::device::GpuDevice;
use crate::error::{Error, Result};
use crate::program::Kernel;
use crate::shader::Wgsl;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

type Key = (Wgsl, Vec<(&'static str, u64)>);

#[derive(Default)]
pub(super) struct Pipelines {
    modules: Mutex<HashMap<Wgsl, Arc<wgpu::ShaderModule>>>,
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

    /// Whether a kernel runs with bounds checks: on a device that was opened so, and wherever any of its text comes from
    /// elsewhere.
    pub(super) fn runs_checked(&self, kernel: &Kernel) -> bool {
        self.0.options.checked || !kernel.source.is_ours()
    }

    fn module(&self, kernel: &Kernel) -> Result<Arc<wgpu::ShaderModule>> {
        if let Some(m) = self.0.pipelines.modules.lock().expect("no panic holds this lock").get(&kernel.source) {
            return Ok(m.clone());
        }
        let desc = wgpu::ShaderModuleDescriptor {
            label: Some(&kernel.name),
            source: wgpu::ShaderSource::Wgsl(kernel.source.text().into()),
        };
        let module = self.guarded(kernel, |d| match self.runs_checked(kernel) {
            true => d.create_shader_module(desc),
            // SAFETY: all of the text is built into this program (`Wgsl::is_ours`). Its kernels check their bounds
            // themselves and their loops end, for what the ops of this program launch them with; the tests run every
            // one of them checked and unchecked, with sentinels behind the buffers.
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
                    // Ours write what they read. Where GL has no such thing it is a store for each number, and llvmpipe
                    // compiles in the square of their number.
                    zero_initialize_workgroup_memory: !kernel.source.is_ours(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;
    use crate::devices::gpus;
    use crate::gpu::GpuOptions;
    use crate::program::{Backend, Command, Options, Program};
    use crate::shader::sources::Sources;
    use std::collections::BTreeSet;

    /// Writes what lies behind the end of an array; where indices are checked that is its last element.
    const BEHIND: &str = "
        @group(0) @binding(0) var<storage, read_write> y: array<u32>;
        @compute @workgroup_size(1)
        fn main() {
            var a = array<u32, 4>(7u, 7u, 7u, 1234u);
            let behind = y[0];
            a[1] = behind;
            y[1] = a[behind];
        }";

    fn devices() -> Vec<GpuDevice> {
        let all = gpus(GpuOptions::default()).into_iter();
        all.filter_map(|(_, device)| if let Device::Gpu(device) = device { Some(device) } else { None }).collect()
    }

    /// The kernels of a ReLU whose text comes from `sources`.
    fn relu(sources: Sources) -> Vec<Kernel> {
        let mut g = crate::graph::Graph::new();
        let x = g.input("x", crate::graph::Meta::f32([8])).unwrap();
        let y = g.relu(x).unwrap();
        g.output("y", y);
        let options = Options { sources, ..Options::default() };
        let program = Program::compile_with(g, Backend::Gpu(Default::default()), options).unwrap();
        let commands = program.commands().unwrap().into_iter();
        commands.filter_map(|c| if let Command::Dispatch(d) = c { Some(d.kernel) } else { None }).collect()
    }

    #[test]
    fn trust_comes_with_the_text() {
        let own = Sources::default();
        let text = own.text("pointwise/relu").unwrap().to_string();
        for device in devices() {
            assert!(relu(own.clone()).iter().all(|k| !device.runs_checked(k)));
            assert!(relu(own.with("pointwise/relu", text.clone())).iter().all(|k| device.runs_checked(k)));
            assert!(relu(own.with("pointwise/exp", "// other".into())).iter().all(|k| !device.runs_checked(k)));
        }
    }

    #[test]
    fn foreign_text_does_not_reach_behind_an_array() {
        for device in devices() {
            let buffer = device.allocate(2, "y").unwrap();
            device.write(&buffer, &[6, 0]).unwrap();
            let (source, files) = (Wgsl::foreign(BEHIND), Arc::new(BTreeSet::new()));
            let kernel = Kernel { name: "behind".into(), source, files, constants: vec![] };
            device.kernel(&kernel, &[&buffer]).unwrap().submit([1, 1, 1], 1).unwrap();
            assert_eq!(device.read_words(&buffer, 2).unwrap()[1], 1234, "{}", device.describe());
        }
    }
}
