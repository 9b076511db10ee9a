//! Runs the table of cases on a device, with every kind of kernel that the device can run.

use super::case::{Case, CaseSpec};
use super::cases;
use super::checks::{Checks, Station};
use super::compare::compare_program;
use super::reference_cache::ReferenceCache;
use super::report::{DeviceReport, OpReport, Unsupported};
use crate::device::{Device, Store};
use crate::error::{Error, Result};
use crate::launch::Target;
use crate::program::{Backend, Command, Options, Program};
use crate::shader::sources::Sources;
use crate::suggest::nearest;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

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

/// Names of the kernels on matrix units. Where there are fewer sizes of tiles, the last ones are those of the rule, and no case
/// runs the same kernels twice.
const MATRIX_TILES: [&str; 3] =
    ["on matrix units, small tiles", "on matrix units, middle tiles", "on matrix units, large tiles"];

/// A way to compile a case.
pub(super) struct Kernels {
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

    /// Seconds that so many cases may take on devices, opened for so many cores at once. Of a case by one kind of kernels, as
    /// measured: software adapters spend a core on compiling; for others the reference in f64 is most of it.
    pub fn expected(&self, cases: usize, devices: &[(String, Device)], cores: usize) -> f64 {
        let of_case = |device: &Device| match device.backend() {
            Backend::Cpu => 0.003,
            Backend::Gpu(target) if target.software => 0.36,
            Backend::Gpu(_) => 0.03,
        };
        let all = devices.iter().map(|(_, d)| of_case(d) * self.kernels(d).len() as f64);
        all.sum::<f64>() * cases as f64 / cores as f64
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
            let large = Target { software: false, busy_workgroups: 1, ..target.clone() };
            all.push(kernels("those of GPUs, large tiles", Backend::Gpu(large), Options::default()));
            if target.matrix.is_some() {
                for (nth, name) in MATRIX_TILES.into_iter().enumerate() {
                    let units = Target { matrix_tile: Some(nth), ..target.clone() };
                    all.push(kernels(name, Backend::Gpu(units), Options::default()));
                }
            }
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

    /// Runs cases on devices; their reports in the same order. As many cases are under way at once as the devices were
    /// opened times over: `sets` are the same devices each. `each` is told of every case and device before it runs
    /// there, and may end the check by answering false.
    pub fn run<'a>(
        &self,
        sets: &'a [Vec<(String, Device)>],
        specs: &[CaseSpec],
        each: impl Fn(&CaseSpec, &str) -> bool + Sync,
    ) -> Vec<DeviceReport> {
        let (next, large, rows) = (AtomicUsize::new(0), Mutex::default(), Mutex::default());
        let checks = Checks { request: self, specs, each: &each, next, large, rows };
        std::thread::scope(|s| {
            for devices in sets {
                let station =
                    |d: &'a (String, Device)| Station { name: &d.0, device: &d.1, kernels: self.kernels(&d.1) };
                let stations: Vec<Station<'a>> = devices.iter().map(station).collect();
                let checks = &checks;
                s.spawn(move || checks.work(&stations));
            }
        });
        let mut rows = checks.rows.into_inner().expect("a thread that panicked has ended this one too");
        rows.sort_by_key(|(case, device, _)| (*case, *device));
        let devices = sets.first().map_or(&[][..], Vec::as_slice);
        let mut reports: Vec<DeviceReport> =
            devices.iter().map(|(name, _)| DeviceReport { device: name.clone(), ..Default::default() }).collect();
        for (case, device, row) in rows {
            reports[device].ops.entry(specs[case].op.to_string()).or_default().add(row);
        }
        reports
    }

    /// Runs a case on a device, with each of these kinds of kernels that makes a difference.
    pub(super) fn run_case(
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
            if self.stop_at_first && !row.failures.is_empty() {
                break;
            }
        }
        row
    }
}
