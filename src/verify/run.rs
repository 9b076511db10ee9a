//! Runs the table of cases on a device, with every kind of kernel that the device can run.

use super::case::{Case, CaseSpec};
use super::cases;
use super::compare::compare_program;
use super::reference_cache::ReferenceCache;
use super::report::{DeviceReport, OpReport, Unsupported};
use crate::device::{Device, Store};
use crate::error::{Error, Result};
use crate::launch::Target;
use crate::program::{Backend, Command, Options, Program};
use crate::shader::sources::Sources;
use crate::suggest::nearest;
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// What is checked, and with what.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Only cases whose op and name contain this.
    pub filter: String,
    /// Decides the random content of the cases.
    pub seed: u64,
    /// Leave out large cases, and kernels that this device does not take by itself.
    pub quick: bool,
    /// The shader files. Where they are not the built-in ones, only cases that use the others run.
    pub sources: Sources,
    /// End with the first case that is wrong.
    pub stop_at_first: bool,
}

impl Default for Request {
    fn default() -> Self {
        let (filter, sources) = (String::new(), Sources::default());
        Request { filter, seed: cases::SEED, quick: false, sources, stop_at_first: false }
    }
}

/// A way to compile a case.
struct Kernels {
    name: &'static str,
    backend: Backend,
    options: Options,
}

impl Request {
    /// The cases that are asked for.
    ///
    /// # Errors
    /// If there are none.
    pub fn cases(&self) -> Result<Vec<CaseSpec>> {
        let all = cases::all();
        let ops: BTreeSet<&str> = all.iter().map(|c| c.op).collect();
        let found: Vec<CaseSpec> =
            all.iter().filter(|c| c.title().contains(&self.filter) && !(self.quick && c.large)).cloned().collect();
        if found.is_empty() {
            let near = nearest(&self.filter, ops.iter().copied());
            let near = near.map_or(String::new(), |n| format!("did you mean {n}? "));
            let ops = ops.into_iter().collect::<Vec<_>>().join(", ");
            let filter = &self.filter;
            return Err(Error::Config(format!("no op and no case is called {filter}: {near}The ops are {ops}")));
        }
        Ok(found)
    }

    /// The device's own kernels first; then others that it can run as well, because they may be chosen
    /// on another device or by measurement.
    fn kernels(&self, device: &Device) -> Vec<Kernels> {
        let options = |o: Options| Options { sources: self.sources.clone(), ..o };
        let kernels = |name, backend, o: Options| Kernels { name, backend, options: options(o) };
        let mut all = vec![kernels("its own", device.backend(), Options::default())];
        if self.quick {
            return all;
        }
        all.push(kernels("op by op", device.backend(), Options::op_by_op()));
        if let Backend::Gpu(target) = device.backend() {
            let other = Target { software: !target.software, ..target.clone() };
            let name = if target.software { "those of GPUs" } else { "those of software adapters" };
            all.push(kernels(name, Backend::Gpu(other), Options::default()));
            // With few workgroups wanted, tiles are large.
            let large = Target { software: false, busy_workgroups: 1, ..target };
            all.push(kernels("those of GPUs, large tiles", Backend::Gpu(large), Options::default()));
        }
        all
    }

    /// The shader files that a case is run with on a device.
    ///
    /// # Errors
    /// If it does not compile.
    pub fn files(&self, device: &Device, spec: &CaseSpec) -> Result<BTreeSet<String>> {
        let case = spec.build(self.seed);
        let mut files = BTreeSet::new();
        let kernels = self.kernels(device).into_iter().take(if spec.large { 1 } else { usize::MAX });
        for k in kernels {
            for command in Program::compile_with(case.graph.clone(), k.backend, k.options)?.commands()? {
                if let Command::Dispatch(d) = command {
                    files.extend(d.kernel.files.iter().cloned());
                }
            }
        }
        Ok(files)
    }

    /// Runs cases on devices, and on several of them at once; their reports in the same order. `each` is told of every
    /// case and device before it runs there, and may end the check by answering false.
    pub fn run(
        &self,
        devices: &[(String, Device)],
        specs: &[CaseSpec],
        each: impl Fn(&CaseSpec, &str) -> bool + Sync,
    ) -> Vec<DeviceReport> {
        let checks = Checks {
            request: self,
            devices: devices.iter().map(|(name, d)| (name.as_str(), d, self.kernels(d), Mutex::new(()))).collect(),
            specs,
            each: &each,
            next: AtomicUsize::new(0),
            end: AtomicUsize::new(specs.len()),
            large: Mutex::new(()),
            rows: Mutex::new(Vec::new()),
        };
        std::thread::scope(|s| {
            // A device runs one case at a time: as many cases are under way as there are devices to run them.
            let workers = std::thread::available_parallelism().map_or(1, |n| n.get()).min(devices.len());
            (1..workers).for_each(|_| drop(s.spawn(|| checks.work())));
            checks.work();
        });
        let mut rows = checks.rows.into_inner().unwrap_or_else(PoisonError::into_inner);
        rows.sort_by_key(|(case, device, _)| (*case, *device));
        let mut reports: Vec<DeviceReport> =
            devices.iter().map(|(name, _)| DeviceReport { device: name.clone(), ..Default::default() }).collect();
        for (case, device, row) in rows {
            reports[device].ops.entry(specs[case].op.to_string()).or_default().add(row);
        }
        reports
    }

    fn run_case(
        &self,
        device: &Device,
        kernels: &[Kernels],
        case: &Case,
        references: &ReferenceCache,
    ) -> OpReport {
        let mut row = OpReport::default();
        let mut tried: Vec<Vec<Command>> = Vec::new();
        let replaced: Vec<&str> = self.sources.replaced().collect();
        for k in kernels {
            let outcome = (|| {
                let program = Program::compile_with(case.graph.clone(), k.backend.clone(), k.options.clone())?;
                if let Backend::Gpu(_) = k.backend {
                    let commands = program.commands()?;
                    let uses = |c: &Command| match c {
                        Command::Dispatch(d) => replaced.iter().any(|f| d.kernel.files.contains(*f)),
                        Command::Copy { .. } => false,
                    };
                    if tried.contains(&commands) || !replaced.is_empty() && !commands.iter().any(uses) {
                        return Ok(Vec::new());
                    }
                    tried.push(commands);
                }
                compare_program(&mut Store::new(device.clone()), program, &case.leaves, &case.scalars, references)
            })();
            match outcome {
                Ok(findings) => {
                    row.cases = row.cases.max(!findings.is_empty() as usize);
                    findings.iter().for_each(|f| row.push(&case.name, k.name, f));
                }
                Err(Error::Limit(why)) => {
                    row.unsupported.push(Unsupported { case: case.name.clone(), why });
                    break;
                }
                Err(e) => {
                    row.cases = 1;
                    row.fail(&case.name, k.name, e.to_string());
                }
            }
        }
        row
    }
}

/// What the reference of one case may keep for other devices and kernels.
const REFERENCE_BYTES: usize = 1 << 30;

/// A device with its name and kernels, held while it runs a case.
type Station<'a> = (&'a str, &'a Device, Vec<Kernels>, Mutex<()>);

/// Cases that run on devices: what the threads which do that share.
struct Checks<'a> {
    request: &'a Request,
    devices: Vec<Station<'a>>,
    specs: &'a [CaseSpec],
    each: &'a (dyn Fn(&CaseSpec, &str) -> bool + Sync),
    /// The next case that nobody has begun.
    next: AtomicUsize,
    /// No case from this one on is begun any more.
    end: AtomicUsize,
    /// Held by a large case: two would need much memory.
    large: Mutex<()>,
    /// What came of a case on a device, by their positions.
    rows: Mutex<Vec<(usize, usize, OpReport)>>,
}

impl Checks<'_> {
    /// Takes cases, each to all devices, until there are none left. All devices compare with the same references.
    fn work(&self) {
        loop {
            let nth = self.next.fetch_add(1, Ordering::Relaxed);
            if nth >= self.end.load(Ordering::Relaxed) {
                return;
            }
            let spec = &self.specs[nth];
            let _large = spec.large.then(|| lock(&self.large));
            let case = spec.build(self.request.seed);
            let references = ReferenceCache::new(REFERENCE_BYTES);
            let (mut left, mut busy): (VecDeque<usize>, usize) = ((0..self.devices.len()).collect(), 0);
            while let Some(d) = left.pop_front() {
                let (name, device, kernels, held) = &self.devices[d];
                // Whichever device is free; the first that is left if none is.
                let _held = match held.try_lock() {
                    Err(std::sync::TryLockError::WouldBlock) if busy < left.len() => {
                        left.push_back(d);
                        busy += 1;
                        continue;
                    }
                    Ok(held) => held,
                    Err(_) => lock(held),
                };
                busy = 0;
                if !(self.each)(spec, name) {
                    self.end.store(0, Ordering::Relaxed);
                    return;
                }
                // Large cases are about grids and limits: one way to run them shows that.
                let kernels = if spec.large { &kernels[..1] } else { kernels };
                let row = self.request.run_case(device, kernels, &case, &references);
                if let Device::Gpu(d) = device {
                    d.forget_pipelines();
                }
                if row == OpReport::default() {
                    // None of its kernels is made of the files that are tried.
                    continue;
                }
                if self.request.stop_at_first && !row.failures.is_empty() {
                    self.end.store(0, Ordering::Relaxed);
                }
                lock(&self.rows).push((nth, d, row));
            }
        }
    }
}

/// A panic in a thread ends the check: what it held does not matter then.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
