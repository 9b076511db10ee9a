//! Memory of a device: buffers, how many bytes they take together, and whether more can be had. Not every driver tells how
//! much there is: it is found by asking for it.

use super::device::GpuDevice;
use super::fault::{Call, How};
use crate::error::{Error, Result};
use pollster::block_on;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of all buffers of a device, now and at most.
#[derive(Default)]
pub(super) struct Ledger {
    now: AtomicU64,
    most: AtomicU64,
}

impl Ledger {
    fn add(&self, bytes: u64) {
        let now = self.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.most.fetch_max(now, Ordering::Relaxed);
    }
}

/// A buffer that is entered in the ledger as long as a clone of it is there.
#[derive(Clone)]
pub(super) struct Memory {
    buffer: wgpu::Buffer,
    _entry: Arc<Entry>,
}

struct Entry {
    bytes: u64,
    ledger: Arc<Ledger>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.ledger.now.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Deref for Memory {
    type Target = wgpu::Buffer;

    fn deref(&self) -> &wgpu::Buffer {
        &self.buffer
    }
}

impl GpuDevice {
    /// Bytes of all buffers on this device, now and at most.
    pub fn memory(&self) -> (u64, u64) {
        let ledger = &self.0.ledger;
        (ledger.now.load(Ordering::Relaxed), ledger.most.load(Ordering::Relaxed))
    }

    /// A buffer, zeroed; `what` names it.
    ///
    /// # Errors
    /// [`Error::Limit`] if the device has not the memory.
    pub(super) fn create(&self, bytes: u64, usage: wgpu::BufferUsages, what: &str) -> Result<Memory> {
        self.try_create(bytes, usage, what)?.ok_or_else(|| {
            Error::Limit(format!(
                "{}: out of memory: no {bytes} bytes for {what}; use a smaller batch (--set batch=N), end other programs that \
                 use the device, or take another one (--device)",
                self.0.info.name
            ))
        })
    }

    /// As [`GpuDevice::create`]; `None` if the device has not the memory.
    fn try_create(&self, bytes: u64, usage: wgpu::BufferUsages, what: &str) -> Result<Option<Memory>> {
        let fault = self.0.faults.next(Call::Allocate);
        if fault == Some(How::Lost) {
            self.0.device.destroy();
        }
        let allowed = self.0.options.memory.unwrap_or(u64::MAX);
        if fault == Some(How::OutOfMemory) || self.memory().0.saturating_add(bytes) > allowed {
            return Ok(None);
        }
        let scope = self.0.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let buffer = self.0.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(what),
            size: bytes,
            usage,
            mapped_at_creation: false,
        });
        if block_on(scope.pop()).is_some() {
            return Ok(None);
        }
        let ledger = self.0.ledger.clone();
        ledger.add(bytes);
        Ok(Some(Memory { buffer, _entry: Arc::new(Entry { bytes, ledger }) }))
    }

    /// Whether buffers of so many bytes can be had at the same time, beside those that are there: they are asked for, and
    /// given back.
    ///
    /// # Errors
    /// If the device was lost.
    pub fn has_memory_for(&self, buffers: &[u64]) -> Result<bool> {
        let mut held = Vec::with_capacity(buffers.len());
        for bytes in buffers {
            match self.try_create((*bytes).max(4), wgpu::BufferUsages::STORAGE, "a try")? {
                Some(buffer) => held.push(buffer),
                None => break,
            }
        }
        let all = held.len() == buffers.len();
        drop(held);
        // What was dropped is freed when the device is looked after.
        self.wait()?;
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use crate::device::Device;
    use crate::devices::gpus;
    use crate::gpu::GpuOptions;

    #[test]
    fn memory_is_counted_and_found_by_trying() {
        for (name, device) in gpus(GpuOptions { memory: Some(1 << 20), ..GpuOptions::default() }) {
            let Device::Gpu(device) = device else { panic!("{name} is no GPU") };
            assert_eq!(device.memory(), (0, 0), "{name}");
            let held = device.allocate(1 << 16, "a quarter").unwrap();
            assert_eq!(device.memory(), (1 << 18, 1 << 18), "{name}");
            assert!(device.has_memory_for(&[1 << 18, 1 << 18, 1 << 18]).unwrap(), "{name}");
            assert!(!device.has_memory_for(&[1 << 18, 1 << 18, 1 << 18, 4]).unwrap(), "{name}");
            assert_eq!(device.memory(), (1 << 18, 1 << 20), "{name}");
            let refused =
                device.allocate((3 << 16) + 1, "more than is left").err().expect("it is too much").to_string();
            assert!(refused.contains("out of memory") && refused.contains("smaller batch"), "{refused}");
            let clone = held.clone();
            drop(held);
            assert_eq!(device.memory().0, 1 << 18, "{name}: a clone holds it");
            drop(clone);
            assert_eq!(device.memory().0, 0, "{name}");
        }
    }
}
