//! An opened wgpu device: its limits, its errors, and buffers on it.

use super::adapter::{AdapterReport, adapters, describe, is_software};
use super::failure::Failures;
use super::fault::{Call, Fault, Faults};
use super::memory::{Ledger, Memory};
use super::pipeline::Pipelines;
use crate::error::{Error, Result};
use crate::launch::{Choices, Target};
use pollster::block_on;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::time::Duration;

/// Which limits a device is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LimitSet {
    /// All that the adapter has.
    #[default]
    Adapter,
    /// WebGPU's defaults, which every conforming adapter has.
    Defaults,
    /// wgpu's downlevel set: 4 storage buffers a stage.
    Downlevel,
}

/// How a device is opened.
#[derive(Clone, Copy, Debug)]
pub struct GpuOptions {
    /// With which limits.
    pub limits: LimitSet,
    /// Compile shaders with bounds checks and loop bounds, as a browser would.
    pub checked: bool,
    /// Ask for f16 where the adapter has it, also where it has no cooperative matrices: for measuring what it could do.
    pub extras: bool,
    /// How long a submission should take at most, by what was measured: a run is cut where it would take longer. Whatever
    /// it is, the numbers are the same.
    pub submission: Duration,
    /// Bytes that all buffers may take together; more is refused as a device without memory does it.
    pub memory: Option<u64>,
}

impl Default for GpuOptions {
    /// A fifth of what is too long for a desktop on the same GPU, and a twentieth of what Windows lets pass: what is measured
    /// may be wrong by as much when something else comes in between.
    fn default() -> Self {
        let submission = Duration::from_millis(100);
        GpuOptions { limits: LimitSet::default(), checked: false, extras: false, submission, memory: None }
    }
}

/// An opened device. Clones share it.
#[derive(Clone)]
pub struct GpuDevice(pub(super) Arc<Inner>, Arc<Choices>);

pub(super) struct Inner {
    pub device: wgpu::Device,
    pub queue: ManuallyDrop<wgpu::Queue>,
    pub info: wgpu::AdapterInfo,
    pub adapter: wgpu::Adapter,
    pub target: Target,
    pub options: GpuOptions,
    pub pipelines: Pipelines,
    pub failures: Arc<Failures>,
    pub faults: Faults,
    pub ledger: Arc<Ledger>,
}

impl Drop for Inner {
    /// A queue waits for its work when it goes. One that hangs stays, with all that it holds, until the program ends.
    fn drop(&mut self) {
        if !self.failures.hung() {
            // SAFETY: nobody uses it any more, and it is dropped here alone.
            unsafe { ManuallyDrop::drop(&mut self.queue) }
        }
    }
}

/// A new instance. Every list of adapters has its own: wgpu's GL backend has one context an instance,
/// behind a lock an adapter, so that two devices of one instance trip over each other.
pub(super) fn instance() -> wgpu::Instance {
    let mut desc = wgpu::InstanceDescriptor::new_without_display_handle();
    // No validation layers: they are slow and not installed on users' machines.
    desc.flags = wgpu::InstanceFlags::empty();
    // Where the driver tells how much memory there is for this program (Vulkan, DX12), no more of it is taken: Windows would
    // swap to host memory and say nothing. The rest is for what drivers take themselves.
    desc.memory_budget_thresholds.for_resource_creation = Some(95);
    wgpu::Instance::new(desc)
}

/// What [`GpuOptions::extras`] asks for, and what kernels for matrix units need.
const EXTRAS: wgpu::Features =
    wgpu::Features::SHADER_F16.union(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX).union(wgpu::Features::SUBGROUP);

impl GpuDevice {
    /// Opens an adapter.
    pub fn open(report: &AdapterReport, options: GpuOptions) -> Result<Self> {
        report.usable.clone().map_err(|why| Error::Device(format!("{} cannot be used: {why}", report.describe())))?;
        let own = report.adapter.limits();
        let limits = match options.limits {
            LimitSet::Adapter => own.clone(),
            LimitSet::Defaults => wgpu::Limits::default().or_worse_values_from(&own),
            LimitSet::Downlevel => wgpu::Limits::downlevel_defaults().or_worse_values_from(&own),
        };
        let own_features = report.adapter.features();
        // A smaller set of limits stands for a device that has no more than it.
        let matrices = options.limits == LimitSet::Adapter
            && own_features.contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX);
        let plain = match options.limits {
            LimitSet::Adapter => own_features & (wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::SUBGROUP),
            _ => own_features & wgpu::Features::TIMESTAMP_QUERY,
        };
        let subgroups =
            plain.contains(wgpu::Features::SUBGROUP) && report.info.subgroup_min_size == report.info.subgroup_max_size;
        let extras = if options.extras || matrices { own_features & EXTRAS } else { wgpu::Features::empty() };
        let request = |features: wgpu::Features| {
            let experimental = features.intersects(wgpu::Features::all_experimental_mask());
            block_on(report.adapter.request_device(&wgpu::DeviceDescriptor {
                label: Some("onebit"),
                required_features: features,
                required_limits: limits.clone(),
                experimental_features: match experimental {
                    // SAFETY: what is experimental is used by kernels that ask for it in their text. Those of this crate load
                    // and store matrices inside of arrays in workgroup memory, those of `shaders/bench` of data of their
                    // own; others run with bounds checks.
                    true => unsafe { wgpu::ExperimentalFeatures::enabled() },
                    false => wgpu::ExperimentalFeatures::disabled(),
                },
                ..Default::default()
            }))
        };
        // What is experimental may fail; nothing needs it.
        let opened = request(plain | extras);
        let opened = if extras.is_empty() { opened } else { opened.or_else(|_| request(plain)) };
        let (device, queue) =
            opened.map_err(|e| Error::Device(format!("{} could not be opened: {e}", report.describe())))?;

        // wgpu's default handler panics; failures are reported where work is submitted and waited for.
        let failures = Arc::new(Failures::default());
        let f = failures.clone();
        device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| f.report(told(e))));
        let f = failures.clone();
        // Also called when the last clone goes: then nobody asks any more.
        device.set_device_lost_callback(move |_, message| f.lose(&message));

        let target = Target {
            software: is_software(&report.info),
            max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
            max_workgroup_memory: limits.max_compute_workgroup_storage_size,
            max_binding_bytes: (limits.max_storage_buffer_binding_size).min(limits.max_buffer_size),
            busy_workgroups: Target::BUSY_WORKGROUPS,
            accumulators: match options.checked || report.info.name.contains("SwiftShader") {
                true => Target::FEW_ACCUMULATORS,
                false => Target::ACCUMULATORS,
            },
            subgroup: subgroups.then_some(report.info.subgroup_max_size as usize),
            matrix: None,
            matrix_tile: None,
            choices: Arc::default(),
        };
        let pipelines = Pipelines::default();
        let (info, adapter) = (report.info.clone(), report.adapter.clone());
        let inner = Inner {
            device,
            queue: ManuallyDrop::new(queue),
            info,
            adapter,
            target,
            options,
            pipelines,
            failures,
            faults: Faults::default(),
            ledger: Arc::default(),
        };
        let mut opened = GpuDevice(Arc::new(inner), Arc::default());
        let unit = opened.find_matrix_unit();
        let inner = Arc::get_mut(&mut opened.0).expect("nobody has it yet");
        inner.target.matrix = unit;
        // What the trial took is no memory of whoever opens the device.
        inner.ledger = Arc::default();
        Ok(opened)
    }

    /// The same adapter, found and opened once more by an instance of its own: both can work at the same time.
    pub fn open_again(&self) -> Result<GpuDevice> {
        let same = |a: &AdapterReport| a.describe() == self.describe();
        let found = adapters().into_iter().find(same);
        let found = found.ok_or_else(|| Error::Device(format!("{} is no longer found", self.describe())))?;
        let device = GpuDevice::open(&found, self.0.options)?;
        Ok(GpuDevice(device.0, self.1.clone()))
    }

    /// The same adapter opened once more with [`GpuOptions::extras`]; `None` if it has neither f16 nor cooperative
    /// matrices.
    pub fn with_extras(&self) -> Result<Option<GpuDevice>> {
        let worth = wgpu::Features::SHADER_F16 | wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
        if !self.0.adapter.features().intersects(worth) {
            return Ok(None);
        }
        let (adapter, info) = (self.0.adapter.clone(), self.0.info.clone());
        let report = AdapterReport { adapter, info, usable: Ok(()) };
        GpuDevice::open(&report, GpuOptions { extras: true, ..self.0.options }).map(Some)
    }

    /// Features that it was opened with.
    pub fn features(&self) -> wgpu::Features {
        self.0.device.features()
    }

    /// Cooperative matrices of the adapter: products of small matrices that a subgroup makes at once.
    pub fn matrices(&self) -> Vec<wgpu::wgt::CooperativeMatrixProperties> {
        self.0.adapter.cooperative_matrix_properties()
    }

    /// What lowerings must know.
    pub fn target(&self) -> Target {
        Target { choices: self.1.clone(), ..self.0.target.clone() }
    }

    /// The same device, for whose programs these kernels are taken in place of the rule's.
    pub fn with_choices(&self, choices: Choices) -> GpuDevice {
        GpuDevice(self.0.clone(), Arc::new(choices))
    }

    /// Name, driver and kind of the adapter.
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.0.info
    }

    /// "NAME (Vulkan, driver …)".
    pub fn describe(&self) -> String {
        describe(&self.0.info)
    }

    /// Counts calls from now on, and lets one of them fail: for tests of what comes of it.
    pub fn plan_fault(&self, fault: Option<Fault>) {
        self.0.faults.plan(fault);
    }

    /// Calls of a kind since [`GpuDevice::plan_fault`].
    pub fn calls(&self, call: Call) -> u64 {
        self.0.faults.calls(call)
    }

    /// The first error that the device reported since the last call; that it was lost, once it is, at every call.
    pub(super) fn check(&self) -> Result<()> {
        let named = |m: String| Error::Device(format!("{}: {m}", self.0.info.name));
        self.0.failures.check().map_err(|error| {
            // What comes of a loss may be told before it: then that is the error.
            self.look_after();
            named(self.0.failures.check().err().filter(|_| self.0.failures.ended()).unwrap_or(error))
        })
    }

    /// A buffer of `words` 32-bit words, zeroed. `what` names it when there is no memory left.
    pub(super) fn buffer(&self, words: usize, slack: usize, what: &str) -> Result<Memory> {
        let bytes = 4 * words as u64;
        if bytes > self.0.target.max_binding_bytes {
            return Err(Error::Limit(format!(
                "{}: {what} needs {bytes} bytes, but one storage binding covers at most {} (max_storage_buffer_binding_size); \
                 use a smaller batch",
                self.0.info.name, self.0.target.max_binding_bytes
            )));
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        self.create(bytes + 4 * slack as u64, usage, what)
    }
}

/// What wgpu refused, and what to do where that is known.
fn told(e: wgpu::Error) -> String {
    match e {
        wgpu::Error::OutOfMemory { .. } => {
            "out of memory: use a smaller batch (--set batch=N), end other programs that use \
                                            the device, or take another one (--device)"
                .into()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Device, Store};
    use crate::gpu::adapters;
    use crate::tensor::HostTensor;

    #[test]
    fn a_lost_device_fails_at_every_call() {
        let all = adapters();
        let adapter = all.iter().find(|a| a.usable.is_ok()).expect("a machine for tests has a usable adapter");
        let device = GpuDevice::open(adapter, GpuOptions::default()).unwrap();
        let buffer = device.allocate(4, "x").unwrap();
        assert_eq!(device.read_words(&buffer, 4).unwrap(), [0; 4]);
        let mut store = Store::new(Device::Gpu(device.clone()));
        let x = HostTensor::from_f32([4], vec![1.0; 4]);
        store.write("x", &x).unwrap();
        device.0.device.destroy();
        for call in 0..3 {
            let answers =
                [device.wait(), device.read_words(&buffer, 4).map(|_| ()), device.check(), store.write("x", &x)];
            for answer in answers {
                let message = answer.expect_err(&format!("call {call} passed")).to_string();
                assert!(message.contains("lost") && message.contains("--device"), "call {call}: {message}");
            }
        }
    }
}
