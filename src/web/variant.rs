//! Which kernels are exported: all that any device would choose under WebGPU's default limits.

use super::check::{Recorded, record};
use crate::error::Result;
use crate::graph::Graph;
use crate::launch::Target;
use crate::program::{Backend, Command, Options, Program};
use crate::shader::sources::Sources;

/// Storage buffers that a kernel may bind by WebGPU's defaults.
pub const DEFAULT_STORAGE_BUFFERS: u32 = 8;

/// The same in the least set of any device: ops are fused otherwise there.
pub const FEW_STORAGE_BUFFERS: u32 = 4;

/// A graph with all kernels that its steps may be done with.
pub struct Compiled {
    /// The steps. Kernels do not matter on the CPU, where it runs.
    pub program: Program,
    /// Each step with each kind of kernel, once: by step, and first with those of GPUs.
    pub ways: Vec<Way>,
}

/// A step with some kernels.
#[derive(Clone, Debug)]
pub struct Way {
    /// Position of the step.
    pub step: usize,
    /// How the kernels were chosen, for reports.
    pub kernels: String,
    /// What is done.
    pub recorded: Recorded,
}

impl Compiled {
    /// Compiles a graph in every way. Where some of `sources` are not built in, there are only those steps that use
    /// them.
    pub fn new(graph: &Graph, max_storage_buffers: u32, sources: &Sources) -> Result<Compiled> {
        let replaced: Vec<&str> = sources.replaced().collect();
        let (mut all, mut ways): (Vec<Program>, Vec<Way>) = (Vec::new(), Vec::new());
        for (kernels, target) in targets(max_storage_buffers) {
            let options = Options { sources: sources.clone(), ..Options::default() };
            let program = Program::compile_with(graph.clone(), Backend::Gpu(target), options)?;
            let commands = program.commands()?;
            let mut of_interest = vec![replaced.is_empty(); program.steps.len()];
            for c in &commands {
                if let Command::Dispatch(d) = c {
                    of_interest[d.step] |= replaced.iter().any(|f| d.kernel.files.contains(*f));
                }
            }
            for (step, recorded) in record(&program, &commands).into_iter().enumerate() {
                let known = ways.iter().any(|w| w.step == step && w.recorded == recorded);
                if of_interest[step] && !known && !recorded.commands.is_empty() {
                    ways.push(Way { step, kernels: kernels.clone(), recorded });
                }
            }
            all.push(program);
        }
        ways.sort_by_key(|w| w.step);
        // Targets of one limit differ in kernels only: fusion and order are the same.
        let program = all.swap_remove(0);
        assert!(all.iter().all(|p| p.steps.len() == program.steps.len()), "targets do not differ in steps");
        Ok(Compiled { program, ways })
    }
}

/// The kernels of GPUs, of both kinds of software adapters, and the large tiles that GPUs take for large tensors.
fn targets(max_storage_buffers: u32) -> impl Iterator<Item = (String, Target)> {
    let (busy, sums, few_sums) = (Target::BUSY_WORKGROUPS, Target::ACCUMULATORS, Target::FEW_ACCUMULATORS);
    let kinds = [
        ("those of GPUs", false, busy, sums),
        ("those of SwiftShader", true, busy, few_sums),
        ("those of software adapters", true, busy, sums),
        // With few workgroups wanted, tiles are large even for small tensors.
        ("those of GPUs, large tiles", false, 1, sums),
    ];
    let few = if max_storage_buffers < DEFAULT_STORAGE_BUFFERS { ", few buffers" } else { "" };
    kinds.into_iter().map(move |(name, software, busy_workgroups, accumulators)| {
        let target = Target { software, max_storage_buffers, busy_workgroups, accumulators, ..Target::default() };
        (format!("{name}{few}"), target)
    })
}
