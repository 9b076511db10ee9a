//! Every case of every op as a folder.

use super::check::{Check, Data, Recorded};
use super::folder::{Folder, Summary};
use super::variant::{Compiled, DEFAULT_STORAGE_BUFFERS, FEW_STORAGE_BUFFERS, Way};
use crate::device::{Device, Store};
use crate::error::{Error, Result};
use crate::shader::sources::Sources;
use crate::verify::{CaseSpec, Request, StepRun, cases};
use rayon::prelude::*;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// The table of cases, to be exported.
#[derive(Clone, Debug, PartialEq)]
pub struct OpsExport {
    /// Only cases whose op and name contain this.
    pub filter: String,
    /// Decides the random content of the cases.
    pub seed: u64,
    /// The shader files. Where they are not the built-in ones, only steps that use the others are exported.
    pub sources: Sources,
    /// Large kernels run once for each shader and are only compiled with other sizes of tiles; small ones run once for
    /// each text. A browser without a GPU takes seconds to compile a large kernel.
    pub quick: bool,
}

impl Default for OpsExport {
    fn default() -> Self {
        OpsExport { filter: String::new(), seed: cases::SEED, sources: Sources::default(), quick: false }
    }
}

/// Cases whose checks are made at once: what may wait in memory to be written.
const AT_ONCE: usize = 16;

impl OpsExport {
    /// Writes the folder. `each` is told how many cases are done, and of how many. Large cases are left out, and named
    /// in the summary and in the report of the page.
    ///
    /// # Errors
    /// If no case is asked for or none uses the shaders, one does not assemble, or the folder cannot be written.
    pub fn write(&self, dir: &Path, mut each: impl FnMut(usize, usize)) -> Result<Summary> {
        let wanted = Request { filter: self.filter.clone(), ..Request::default() };
        let specs = wanted.cases()?;
        let title = match self.filter.as_str() {
            "" => "every op".to_string(),
            filter => format!("ops and cases called {filter}"),
        };
        let mut folder = Folder::create(dir, title, self.seed)?;
        let mut seen = Seen::default();
        for (n, some) in specs.chunks(AT_ONCE).enumerate() {
            each(n * AT_ONCE, specs.len());
            let made: Vec<Result<Vec<Check>>> = some.par_iter().map(|s| self.checks(s)).collect();
            for (spec, checks) in some.iter().zip(made) {
                match checks {
                    Err(Error::Limit(why)) => folder.leave_out(spec.op, &spec.name, why),
                    checks if self.quick => {
                        checks?.into_iter().filter_map(|c| seen.reduce(c)).try_for_each(|c| folder.push(&c))?
                    }
                    checks => checks?.iter().try_for_each(|c| folder.push(c))?,
                }
            }
        }
        each(specs.len(), specs.len());
        let replaced = self.sources.replaced().collect::<Vec<_>>().join(", ");
        match folder.is_empty() && !replaced.is_empty() {
            true => Err(Error::Config(format!("no case uses {replaced}"))),
            false => folder.finish(),
        }
    }

    /// What the kernels of a case must do, each step of each kind of kernel once.
    fn checks(&self, spec: &CaseSpec) -> Result<Vec<Check>> {
        if spec.large {
            return Err(Error::Limit("it is too large for a folder; `onebit verify` runs it on an adapter".into()));
        }
        let case = spec.build(self.seed);
        let mut checks: Vec<Check> = Vec::new();
        for max_storage_buffers in [DEFAULT_STORAGE_BUFFERS, FEW_STORAGE_BUFFERS] {
            let compiled = Compiled::new(&case.graph, max_storage_buffers, &self.sources)?;
            let known = |r: &Recorded| checks.iter().any(|c| c.recorded == *r);
            let mut wanted: Vec<Way> = Vec::new();
            for way in compiled.ways {
                if !known(&way.recorded) && !wanted.iter().any(|w| w.recorded == way.recorded) {
                    wanted.push(way);
                }
            }
            let Some(last) = wanted.iter().map(|w| w.step).max() else { continue };
            let mut store = Store::new(Device::Cpu);
            let mut exe = store.load_program(compiled.program, false)?;
            for (name, t) in &case.leaves {
                if store.meta(name).is_some() {
                    store.write(name, t)?;
                }
            }
            let program = exe.program().clone();
            for step in 0..=last {
                let run = StepRun::run(&mut exe, &case.scalars, step)?;
                let mut ways = wanted.iter().filter(|w| w.step == step).peekable();
                if ways.peek().is_none() {
                    continue;
                }
                let data = Arc::new(Data::new(&program, &case.scalars, &run));
                checks.extend(ways.map(|way| Check {
                    op: spec.op.to_string(),
                    case: spec.name.clone(),
                    kernels: way.kernels.clone(),
                    step: program.step_name(step),
                    recorded: way.recorded.clone(),
                    data: data.clone(),
                    compile_only: false,
                }));
            }
        }
        Ok(checks)
    }
}

/// What was exported already, for a quick export.
#[derive(Default)]
struct Seen {
    ops: HashSet<String>,
    /// Small kernels that run, by text.
    small: HashSet<Arc<str>>,
    /// Large kernels that run, by shader and how they were chosen.
    large: HashSet<(String, String)>,
    /// All that are compiled.
    compiled: HashSet<Arc<str>>,
}

/// Characters of a large kernel: more than any shader whose loops are not unrolled has with what it imports. Unrolled ones differ
/// by shape in numbers alone, and take a browser seconds to compile: a quick export has each of them once. Less would leave out
/// small kernels that do differ, more would compile tiles again and again.
const LARGE: usize = 4000;

impl Seen {
    /// What a check brings that is new: its run, or only texts, or nothing.
    fn reduce(&mut self, mut check: Check) -> Option<Check> {
        let kernels: Vec<(String, Arc<str>)> = check.recorded.kernels().map(|(n, t)| (n.into(), t.clone())).collect();
        let mut runs = kernels.is_empty() || !self.ops.contains(&check.op);
        for (name, text) in &kernels {
            runs |= match text.len() < LARGE {
                true => !self.small.contains(text),
                false => !self.large.contains(&(name.clone(), check.kernels.clone())),
            };
        }
        let fresh = kernels.iter().filter(|(_, text)| self.compiled.insert(text.clone())).count();
        if runs {
            self.ops.insert(check.op.clone());
            for (name, text) in kernels {
                match text.len() < LARGE {
                    true => self.small.insert(text),
                    false => self.large.insert((name, check.kernels.clone())),
                };
            }
            return Some(check);
        }
        check.compile_only = true;
        (fresh > 0).then_some(check)
    }
}
