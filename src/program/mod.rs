//! How a graph is computed: fused, ordered and laid out in memory, before anything is allocated.

mod bundle;
mod command;
mod fuse;
mod fused_wgsl;
mod memory;
mod order;
mod print;
mod recompute;
mod work;

pub use command::{Command, Dispatch, Kernel};
pub use fuse::{Access, Expr, Fused};
pub use fused_wgsl::SCALAR_SLOTS;
pub use memory::{Buffer, BufferKind};
pub use work::{Amount, Operands};

use crate::error::{Error, Result};
use crate::graph::{Graph, LowerCx, Meta, Phase, Value};
use crate::launch::{Lowering, Target};
use crate::shader::sources::Sources;
use memory::Layout;
use std::ops::Range;
use std::sync::Arc;

/// What a program is made for.
#[derive(Clone, Debug, PartialEq)]
pub enum Backend {
    /// The CPU device.
    Cpu,
    /// A wgpu device of these limits.
    Gpu(Target),
}

/// One unit of work.
#[derive(Clone, Debug)]
pub enum Work {
    /// Chains of pointwise ops as one kernel: one chain or, on a GPU, several that do not wait for each other.
    Fused(Vec<Fused>),
    /// A node, and its dispatches if the program is for a GPU.
    Node {
        /// Position of the node in the graph.
        node: usize,
        /// Its dispatches; empty on the CPU.
        lowering: Lowering,
        /// Buffers of the lowering's temporaries.
        temps: Vec<usize>,
    },
    /// Copies one value's buffer over another's: an assignment that could not be made in place.
    Copy {
        /// Source.
        from: Value,
        /// The leaf that is overwritten.
        to: Value,
    },
}

/// A unit of work with what it reads and writes.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is done.
    pub work: Work,
    /// Values read, without scalars.
    pub inputs: Vec<Value>,
    /// Values written.
    pub outputs: Vec<Value>,
    /// Part of the training step.
    pub phase: Phase,
}

/// A graph made concrete for one device. To be looked at, not to be changed: its kernels run without bounds checks in the
/// buffers that were laid out for them.
#[derive(Clone, Debug)]
pub struct Program {
    pub(crate) graph: Arc<Graph>,
    pub(crate) backend: Backend,
    pub(crate) steps: Vec<Step>,
    pub(crate) buffers: Vec<Buffer>,
    pub(crate) place: Vec<Option<usize>>,
    pub(crate) sources: Sources,
}

/// Switches of compilation, for tests and for finding faults.
#[derive(Clone, Debug)]
pub struct Options {
    /// Fuse chains of pointwise ops.
    pub fuse: bool,
    /// Let values whose lives do not overlap share a buffer.
    pub reuse: bool,
    /// The shader files.
    pub sources: Sources,
}

impl Options {
    /// Op by op, with a buffer for every value.
    pub fn op_by_op() -> Self {
        Options { fuse: false, reuse: false, ..Options::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options { fuse: true, reuse: true, sources: Sources::default() }
    }
}

impl Program {
    /// Compiles a graph.
    pub fn compile(graph: Graph, backend: Backend) -> Result<Program> {
        Self::compile_with(graph, backend, Options::default())
    }

    /// Compiles a graph with switches.
    pub fn compile_with(graph: Graph, backend: Backend, options: Options) -> Result<Program> {
        graph.check()?;
        let limit = match &backend {
            Backend::Cpu => usize::MAX,
            Backend::Gpu(t) => t.max_storage_buffers as usize,
        };
        let groups = fuse::group(&graph, options.fuse, limit);
        // What starts a kernel costs time on a GPU alone.
        let bundle = options.fuse && matches!(backend, Backend::Gpu(_));
        let mut steps = order::order(&graph, groups, bundle.then_some(limit));
        if let Backend::Gpu(target) = &backend {
            for step in &mut steps {
                lower(&graph, step, target)?;
            }
        }
        let Layout { buffers, place } = memory::lay_out(&graph, &mut steps, options.reuse);
        Ok(Program { graph: Arc::new(graph), backend, steps, buffers, place, sources: options.sources })
    }

    /// What is computed.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// For which device.
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// In which order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// In which buffers.
    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }

    /// Buffer of each value, by value number; `None` for scalars and what is never stored.
    pub fn place(&self) -> &[Option<usize>] {
        &self.place
    }

    /// The shader files that its kernels are assembled from.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Whether a run can be made of these scalars and steps, which every device asks before it begins.
    ///
    /// # Errors
    /// If there are not as many scalars as the graph has, or the program has no such steps.
    pub(crate) fn check_run(&self, scalars: &[f32], steps: &Range<usize>) -> Result<()> {
        let (wanted, all) = (self.graph.scalars().len(), self.steps.len());
        if scalars.len() != wanted {
            return Err(Error::Config(format!("the program has {wanted} scalars, {} were given", scalars.len())));
        }
        if steps.start > steps.end || steps.end > all {
            return Err(Error::Config(format!("the program has {all} steps, {steps:?} were asked for")));
        }
        Ok(())
    }

    /// The buffer of a value.
    ///
    /// # Errors
    /// If the value is of another graph, or never stored.
    pub fn stored(&self, v: Value) -> Result<usize> {
        if !self.graph.has(v) {
            let message = format!("value {} of another graph was asked of a program", v.index());
            return Err(Error::Config(message));
        }
        self.place[v.index()].ok_or_else(|| Error::Config(format!("{} is never stored", self.graph.name(v))))
    }

    /// Bytes of all buffers of this program: parameters, state, inputs, activations, scratch.
    pub fn planned_bytes(&self) -> usize {
        self.buffers.iter().map(|b| 4 * b.words).sum()
    }

    /// Bytes of the buffers that are reused within a step: activations, gradients and scratch.
    pub fn transient_bytes(&self) -> usize {
        self.buffers.iter().filter(|b| b.kind == BufferKind::Transient).map(|b| 4 * b.words).sum()
    }

    /// The values made in the forward phase that backward or update steps read: what is kept.
    pub fn kept(&self) -> Vec<Value> {
        let mut kept: Vec<Value> = Vec::new();
        for (i, step) in self.steps.iter().enumerate().filter(|(_, s)| s.phase == Phase::Forward) {
            for &v in &step.outputs {
                let later = self.steps[i..]
                    .iter()
                    .any(|s| s.phase != Phase::Forward && s.inputs.iter().any(|&u| memory::root(&self.graph, u) == v));
                if later {
                    kept.push(v);
                }
            }
        }
        kept
    }

    /// Bytes kept from the forward to the backward phase, without parameters and inputs.
    pub fn kept_bytes(&self) -> usize {
        self.kept().iter().map(|v| self.graph.meta(*v).bytes()).sum()
    }
}

fn lower(graph: &Graph, step: &mut Step, target: &Target) -> Result<()> {
    if let Work::Node { node, lowering, .. } = &mut step.work {
        let n = &graph.nodes()[*node];
        let metas = |vs: &[Value]| vs.iter().map(|v| graph.meta(*v).clone()).collect::<Vec<Meta>>();
        let (inputs, outputs) = (metas(&n.inputs), metas(&n.outputs));
        let cx = LowerCx { inputs: &inputs, outputs: &outputs, target };
        let chosen = match target.choices.is_empty() {
            true => None,
            false => n.op.variants(&cx).and_then(|v| target.choices.pick(v)),
        };
        *lowering = match chosen {
            Some(variant) => variant.lowering,
            None => n.op.lower(&cx)?,
        };
    }
    Ok(())
}
