//! Runs the table of cases on a device, with every kind of kernel that the device can run.

use super::case::{Case, CaseSpec};
use super::cases;
use super::compare::compare_program;
use super::report::{DeviceReport, OpReport, Unsupported};
use crate::device::{Device, Store};
use crate::error::{Error, Result};
use crate::launch::Target;
use crate::program::{Backend, Command, Options, Program};
use crate::shader::sources::Sources;
use crate::suggest::nearest;
use std::collections::BTreeSet;

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

    /// Runs cases on a device. `each` is told of every case before it runs, and may end the check by answering false.
    pub fn run(
        &self,
        device: &Device,
        name: String,
        specs: &[CaseSpec],
        mut each: impl FnMut(&CaseSpec) -> bool,
    ) -> DeviceReport {
        let mut report = DeviceReport { device: name, ..Default::default() };
        let kernels = self.kernels(device);
        for spec in specs {
            if !each(spec) {
                break;
            }
            let case = spec.build(self.seed);
            let mut row = OpReport::default();
            // Large cases are about grids and limits: one way to run them shows that.
            let kernels = if spec.large { &kernels[..1] } else { &kernels };
            self.run_case(device, kernels, &case, &mut row);
            if let Device::Gpu(d) = device {
                d.forget_pipelines();
            }
            if row == OpReport::default() {
                // None of its kernels is made of the files that are tried.
                continue;
            }
            let wrong = !row.failures.is_empty();
            report.ops.entry(spec.op.to_string()).or_default().add(row);
            if wrong && self.stop_at_first {
                break;
            }
        }
        report
    }

    fn run_case(&self, device: &Device, kernels: &[Kernels], case: &Case, row: &mut OpReport) {
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
                compare_program(&mut Store::new(device.clone()), program, &case.leaves, &case.scalars)
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
    }
}
