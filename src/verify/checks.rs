//! Cases that run on several devices, several cases at once.

use super::case::CaseSpec;
use super::reference_cache::ReferenceCache;
use super::report::OpReport;
use super::run::{Kernels, Request};
use crate::device::Device;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// What the references of one case may take in memory.
const REFERENCE_BYTES: usize = 1 << 30;

/// A device with its name and the kinds of kernels that it runs.
pub(super) struct Station<'a> {
    pub name: &'a str,
    pub device: &'a Device,
    pub kernels: Vec<Kernels>,
}

/// What came of a case on a device, after their positions.
type Row = (usize, usize, OpReport);

/// Every case on every device: what those who do it share. Each of them has all devices to itself, opened once more.
pub(super) struct Checks<'a> {
    pub request: &'a Request,
    pub specs: &'a [CaseSpec],
    /// Is told of every case and device, and may end the check by answering false.
    pub each: &'a (dyn Fn(&CaseSpec, &str) -> bool + Sync),
    /// The next case that nobody has begun.
    pub next: AtomicUsize,
    /// Held by a large case: several at once would need much memory.
    pub large: Mutex<()>,
    pub rows: Mutex<Vec<Row>>,
}

impl Checks<'_> {
    /// Takes cases to these devices until there are none left.
    pub fn work(&self, stations: &[Station<'_>]) {
        loop {
            let nth = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(spec) = self.specs.get(nth) else { return };
            // A panic elsewhere ends the whole check: what it held does not matter any more.
            let _large = spec.large.then(|| self.large.lock().unwrap_or_else(PoisonError::into_inner));
            let rows = self.case(spec, stations);
            let rows = rows.into_iter().map(|(station, row)| (nth, station, row));
            self.rows.lock().unwrap_or_else(PoisonError::into_inner).extend(rows);
        }
    }

    /// Runs a case on all devices, which are compared with the same references; what came of it on each.
    fn case(&self, spec: &CaseSpec, stations: &[Station<'_>]) -> Vec<(usize, OpReport)> {
        let case = spec.build(self.request.seed);
        let references = ReferenceCache::new(REFERENCE_BYTES);
        let mut rows = Vec::new();
        for (nth, station) in stations.iter().enumerate() {
            if !(self.each)(spec, station.name) {
                self.end();
                break;
            }
            // Large cases are about grids and limits: one way to run them shows that.
            let kernels = if spec.large { &station.kernels[..1] } else { &station.kernels };
            let row = self.request.run_case(station.device, kernels, &case, &references);
            if let Device::Gpu(d) = station.device {
                d.forget_pipelines();
            }
            if self.request.stop_at_first && !row.failures.is_empty() {
                self.end();
            }
            // Else none of its kernels is made of the files that are tried.
            if row != OpReport::default() {
                rows.push((nth, row));
            }
        }
        rows
    }

    /// Begins no further case.
    fn end(&self) {
        self.next.store(self.specs.len(), Ordering::Relaxed);
    }
}
