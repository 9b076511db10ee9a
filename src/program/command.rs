//! What a GPU is told to do, as plain data: kernels with their text and constants, what they bind, and
//! how many workgroups run. A device records it, a folder for a browser holds it, a test changes it.

use super::fused_wgsl::generate;
use super::{Program, Work};
use crate::error::Result;
use crate::graph::Value;
use crate::launch::Operand;
use crate::shader::Wgsl;
use crate::shader::assemble::assemble;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A kernel to compile: its text and the values of its `override` constants.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// Name for messages: a path below `shaders/`, or the ops of a fused kernel.
    pub name: String,
    /// Its entry point is `main`.
    pub source: Wgsl,
    /// The shader files that it is made of.
    pub files: Arc<BTreeSet<String>>,
    /// Values of its `override` constants.
    pub constants: Vec<(&'static str, f64)>,
}

/// One dispatch.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    /// The step of the program that it belongs to.
    pub step: usize,
    /// What runs.
    pub kernel: Kernel,
    /// Buffer of each binding of group 0.
    pub buffers: Vec<usize>,
    /// Whether the scalars are bound to group 1.
    pub uses_scalars: bool,
    /// Workgroups along x, y, z.
    pub workgroups: [u32; 3],
}

/// One thing that a device does, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Runs a kernel.
    Dispatch(Dispatch),
    /// Copies the whole of a buffer over another.
    Copy {
        /// The step of the program that it belongs to.
        step: usize,
        /// Source buffer.
        from: usize,
        /// Buffer that is overwritten.
        to: usize,
    },
}

impl Command {
    /// The step of the program that it belongs to.
    pub fn step(&self) -> usize {
        match self {
            Command::Dispatch(d) => d.step,
            Command::Copy { step, .. } => *step,
        }
    }
}

/// A text and the files that it is made of.
type Text = (Wgsl, Arc<BTreeSet<String>>);
/// Texts by whether an op of this crate launches them, the file, and the values that they are assembled from.
type Launched<'a> = HashMap<(bool, &'a str, &'a [(&'static str, u32)]), Text>;

impl Program {
    /// The commands of a run, in order. Kernels of the same text share it.
    ///
    /// # Errors
    /// If a shader does not assemble.
    pub fn commands(&self) -> Result<Vec<Command>> {
        let mut commands = Vec::new();
        // Texts of launches by what they are assembled from, and of fused kernels by themselves.
        let mut launched: Launched<'_> = HashMap::new();
        let mut fused_texts: HashMap<Wgsl, Text> = HashMap::new();
        let mut sources = self.sources.clone();
        for node in self.graph.nodes() {
            for (path, text) in node.op.shaders() {
                sources.bring(node.op.name(), &path, text)?;
            }
        }
        let at = |v: Value| self.place[v.index()].expect("what a step touches has a buffer");
        for (i, step) in self.steps.iter().enumerate() {
            match &step.work {
                Work::Fused(chains) => {
                    let made = generate(&sources, &self.graph, chains, &self.place)?;
                    // The kernel reads and writes as far as ops say: those of others may say anything.
                    let built_in = chains.iter().flat_map(|f| &f.nodes).all(|node| self.graph.nodes()[*node].built_in);
                    let source = if built_in { made.source } else { Wgsl::foreign(made.source.shared()) };
                    let text = fused_texts.entry(source);
                    let text = text.or_insert_with_key(|source| (source.clone(), made.files.into()));
                    let (source, files) = text.clone();
                    commands.push(Command::Dispatch(Dispatch {
                        step: i,
                        kernel: Kernel { name: self.step_name(i), source, files, constants: made.constants },
                        buffers: made.buffers,
                        uses_scalars: made.uses_scalars,
                        workgroups: made.workgroups,
                    }));
                }
                Work::Node { node, lowering, temps } => {
                    let built_in = self.graph.nodes()[*node].built_in;
                    for launch in &lowering.launches {
                        let key = (built_in, launch.shader, launch.defines.as_slice());
                        let (source, files) = match launched.get(&key) {
                            Some(text) => text.clone(),
                            None => {
                                let made = assemble(&sources, launch.shader, &launch.defines)?;
                                let (source, files) = made.finish();
                                // A kernel of this crate checks its bounds for what ops of this crate launch it with.
                                let source = if built_in { source } else { Wgsl::foreign(source.shared()) };
                                launched.entry(key).or_insert((source, files.into())).clone()
                            }
                        };
                        let place = |o: &Operand| match o {
                            Operand::In(k) => at(step.inputs[*k]),
                            Operand::Out(k) => at(step.outputs[*k]),
                            Operand::Temp(k) => temps[*k],
                        };
                        let (name, constants) = (launch.shader.to_string(), launch.constants.clone());
                        commands.push(Command::Dispatch(Dispatch {
                            step: i,
                            kernel: Kernel { name, source, files, constants },
                            buffers: launch.operands.iter().map(place).collect(),
                            uses_scalars: false,
                            workgroups: launch.workgroups,
                        }));
                    }
                }
                Work::Copy { from, to } => commands.push(Command::Copy { step: i, from: at(*from), to: at(*to) }),
            }
        }
        Ok(commands)
    }
}
