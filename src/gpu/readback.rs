//! What is read back from a device, without waiting where that can be helped.

use super::GpuDevice;
use super::fault::{Call, How};
use super::memory::Memory;
use crate::error::{Error, Result};

/// Bytes that are read back at once: enough that waiting is little beside copying, and few beside a network.
const READBACK: usize = 64 << 20;

/// Words on their way back: as they are once all work submitted before is done, whatever is submitted after.
pub struct Readback {
    device: GpuDevice,
    staging: Memory,
    submission: wgpu::SubmissionIndex,
    /// Words of each buffer.
    sizes: Vec<usize>,
}

impl GpuDevice {
    /// Starts to read words of several buffers back: each from its first word on, so many.
    ///
    /// # Errors
    /// If the device was lost, or has not the memory.
    pub(super) fn start_read(&self, from: &[(&wgpu::Buffer, usize, usize)]) -> Result<Readback> {
        let sizes: Vec<usize> = from.iter().map(|(.., words)| *words).collect();
        let bytes = 4 * sizes.iter().sum::<usize>().max(1) as u64;
        let staging =
            self.create(bytes, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST, "what is read back")?;
        let mut encoder = self.0.device.create_command_encoder(&Default::default());
        let mut at = 0;
        for &(buffer, first, words) in from {
            encoder.copy_buffer_to_buffer(buffer, 4 * first as u64, &staging, at, 4 * words as u64);
            at += 4 * words as u64;
        }
        let submission = self.submit(encoder)?;
        match self.0.faults.next(Call::Map) {
            Some(How::OutOfMemory) => self.lose_for_memory(),
            Some(How::Lost) => self.0.device.destroy(),
            Some(How::Hung) | None => {}
        }
        // Whether it could be mapped shows when it is read.
        staging.slice(..).map_async(wgpu::MapMode::Read, |_| {});
        Ok(Readback { device: self.clone(), staging, submission, sizes })
    }

    /// Reads words back, waiting for all work before.
    pub(super) fn read(&self, buffer: &wgpu::Buffer, first: usize, words: usize) -> Result<Vec<u32>> {
        Ok(self.start_read(&[(buffer, first, words)])?.wait()?.pop().expect("one was asked for"))
    }

    /// Reads words of several buffers back, waiting once for as many of them as fit into [`READBACK`] bytes.
    pub(super) fn read_all(&self, from: &[(&wgpu::Buffer, usize, usize)]) -> Result<Vec<Vec<u32>>> {
        let (mut out, mut rest) = (Vec::with_capacity(from.len()), from);
        while let Some(&(.., first)) = rest.first() {
            let (mut n, mut words) = (1, first);
            while n < rest.len() && 4 * (words + rest[n].2) <= READBACK {
                words += rest[n].2;
                n += 1;
            }
            let (now, later) = rest.split_at(n);
            out.extend(self.start_read(now)?.wait()?);
            rest = later;
        }
        Ok(out)
    }
}

impl Readback {
    /// The words of each buffer, once they are here.
    ///
    /// # Errors
    /// [`Error::Device`] if the device was lost, or reported an error of any work until now.
    pub fn wait(self) -> Result<Vec<Vec<u32>>> {
        self.device.wait_for(Some(self.submission))?;
        let view = self
            .staging
            .slice(..)
            .get_mapped_range()
            .map_err(|e| Error::Device(format!("{}: reading back failed: {e}", self.device.info().name)))?;
        let mut rest = &view[..];
        let take = |words: usize| {
            let (own, later) = rest.split_at(4 * words);
            rest = later;
            bytemuck::pod_collect_to_vec(own)
        };
        Ok(self.sizes.iter().copied().map(take).collect())
    }
}
