//! GPU timers: timestamps at the edges of passes.

use super::device::GpuDevice;
use super::memory::Memory;
use crate::error::Result;

/// When something began and ended, in seconds of the device's clock, whose zero means nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Begin.
    pub start: f64,
    /// End.
    pub end: f64,
}

impl Span {
    /// How long it took, in seconds.
    pub fn seconds(&self) -> f64 {
        self.end - self.start
    }
}

/// Spans in one query set; WebGPU allows 4,096 queries.
const SET: usize = 2048;
/// Bytes of a timestamp.
const STAMP: u64 = 8;

/// Timestamps for a number of spans.
pub(super) struct Timer {
    sets: Vec<wgpu::QuerySet>,
    spans: usize,
    resolved: Memory,
    /// Seconds of a tick.
    period: f64,
}

impl Timer {
    /// A timer; `None` if the device has no timestamps.
    pub fn new(device: &GpuDevice, spans: usize) -> Result<Option<Timer>> {
        let inner = &device.0;
        if !inner.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) || spans == 0 {
            return Ok(None);
        }
        let set = |first: usize| {
            inner.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timer"),
                ty: wgpu::QueryType::Timestamp,
                count: 2 * (spans - first).min(SET) as u32,
            })
        };
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let resolved = device.create(2 * STAMP * spans as u64, usage, "the timestamps")?;
        let period = 1e-9 * inner.queue.get_timestamp_period() as f64;
        Ok(Some(Timer { sets: (0..spans).step_by(SET).map(set).collect(), spans, resolved, period }))
    }

    /// What a pass writes to time span `i`.
    pub fn writes(&self, i: usize, start: bool, end: bool) -> wgpu::ComputePassTimestampWrites<'_> {
        let at = 2 * (i % SET) as u32;
        wgpu::ComputePassTimestampWrites {
            query_set: &self.sets[i / SET],
            beginning_of_pass_write_index: start.then_some(at),
            end_of_pass_write_index: end.then_some(at + 1),
        }
    }

    /// Records the copying of the timestamps to memory.
    pub fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        for (i, set) in self.sets.iter().enumerate() {
            let count = 2 * (self.spans - i * SET).min(SET) as u32;
            encoder.resolve_query_set(set, 0..count, &self.resolved, 2 * STAMP * (i * SET) as u64);
        }
    }

    /// The spans; `None` if the timestamps are no times: zeros, or ends before beginnings, as some drivers give.
    pub fn read(&self, device: &GpuDevice) -> Result<Option<Vec<Span>>> {
        let words = device.read(&self.resolved, 0, 4 * self.spans)?;
        let ticks: Vec<u64> = words.chunks_exact(2).map(|w| w[0] as u64 | (w[1] as u64) << 32).collect();
        Ok(spans(&ticks, self.period))
    }
}

/// Spans of pairs of ticks.
fn spans(ticks: &[u64], period: f64) -> Option<Vec<Span>> {
    let first = *ticks.iter().min()?;
    let seconds = |t: u64| (t - first) as f64 * period;
    let all: Vec<Span> = ticks.chunks_exact(2).map(|t| Span { start: seconds(t[0]), end: seconds(t[1]) }).collect();
    let ordered = ticks.chunks_exact(2).all(|t| t[0] > 0 && t[0] <= t[1]);
    let runs = all.iter().map(Span::seconds).sum::<f64>() > 0.0;
    (ordered && runs).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_time_is_told() {
        assert_eq!(spans(&[0, 0, 0, 0], 1.0), None, "zeros");
        assert_eq!(spans(&[7, 7, 9, 9], 1.0), None, "nothing ever runs");
        assert_eq!(spans(&[9, 7], 1.0), None, "backwards");
        let both = spans(&[1000, 1500, 1500, 3000], 1e-9).unwrap();
        assert!(both[0].start == 0.0 && (both[0].end - 5e-7).abs() < 1e-15);
        assert!((both[1].seconds() - 1.5e-6).abs() < 1e-15);
    }
}
