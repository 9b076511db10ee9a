//! A program loaded on the CPU device.

use super::fused::run_fused;
use crate::error::{Error, Result};
use crate::graph::{CpuIo, Def, Leaf, Meta, Value};
use crate::program::{BufferKind, Program, Work};
use crate::tensor::HostTensor;
use std::cell::UnsafeCell;
use std::sync::Arc;

/// Host memory that programs share. Clones share it.
#[derive(Clone)]
pub struct CpuBuffer(Arc<Cells>);

struct Cells(Box<[UnsafeCell<u32>]>);

// SAFETY: a buffer is only touched by the executable that runs and by its owner between runs; both
// take turns (runs are not concurrent: `CpuExecutable::run` and `Store` access need `&mut`).
unsafe impl Send for Cells {}
unsafe impl Sync for Cells {}

impl CpuBuffer {
    /// A zeroed buffer of `words` words.
    pub fn new(words: usize) -> Self {
        // One allocation of zero pages: an iterator of cells would touch them all.
        let zeros = vec![0u32; words.max(1)].into_boxed_slice();
        // SAFETY: UnsafeCell<u32> has the layout of u32.
        CpuBuffer(Arc::new(Cells(unsafe { Box::from_raw(Box::into_raw(zeros) as *mut [UnsafeCell<u32>]) })))
    }

    /// Replaces the content from the start.
    pub fn write(&self, words: &[u32]) {
        // SAFETY: no run is in progress (see `Cells`).
        unsafe { self.slice_mut(words.len()) }.copy_from_slice(words);
    }

    /// A copy of the first words.
    pub fn read(&self, words: usize) -> Vec<u32> {
        // SAFETY: no run is in progress (see `Cells`).
        unsafe { self.slice(words) }.to_vec()
    }

    /// # Safety
    /// Nobody may write to the first `words` words while the slice lives.
    pub(super) unsafe fn slice<'a>(&self, words: usize) -> &'a [u32] {
        assert!(words <= self.0.0.len());
        // SAFETY: in bounds; the caller sees to aliasing.
        unsafe { std::slice::from_raw_parts(self.0.0.as_ptr() as *const u32, words) }
    }

    /// # Safety
    /// Nobody else may use the first `words` words while the slice lives.
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn slice_mut<'a>(&self, words: usize) -> &'a mut [u32] {
        assert!(words <= self.0.0.len());
        // SAFETY: in bounds; the caller sees to aliasing.
        unsafe { std::slice::from_raw_parts_mut(UnsafeCell::raw_get(self.0.0.as_ptr()), words) }
    }

    pub(super) fn pointer(&self) -> *mut u32 {
        UnsafeCell::raw_get(self.0.0.as_ptr())
    }
}

/// A program with its memory.
pub struct CpuExecutable {
    program: Arc<Program>,
    buffers: Vec<CpuBuffer>,
}

impl CpuExecutable {
    /// Loads a program. `leaf` gives the buffer of a parameter, state or input.
    pub fn load(program: Arc<Program>, mut leaf: impl FnMut(&str, usize) -> Result<CpuBuffer>) -> Result<Self> {
        let buffers = program
            .buffers
            .iter()
            .map(|plan| match plan.kind {
                BufferKind::Persistent(v) | BufferKind::Input(v) => leaf(program.graph.name(v), plan.words),
                BufferKind::Constant(v) => {
                    let b = CpuBuffer::new(plan.words);
                    if let Def::Leaf(Leaf::Const(t)) = program.graph.def(v) {
                        b.write(t.words());
                    }
                    Ok(b)
                }
                BufferKind::Output | BufferKind::Transient => Ok(CpuBuffer::new(plan.words)),
            })
            .collect::<Result<_>>()?;
        Ok(CpuExecutable { program, buffers })
    }

    /// The program.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Runs some steps.
    pub fn run(&mut self, scalars: &[f32], steps: std::ops::Range<usize>) -> Result<()> {
        let graph = &self.program.graph;
        for step in &self.program.steps[steps] {
            match &step.work {
                Work::Fused(fused) => run_fused(graph, fused, &self.program.place, &self.buffers, scalars),
                Work::Node { node, .. } => {
                    let metas: Vec<Meta> = step.outputs.iter().map(|v| graph.meta(*v).clone()).collect();
                    // SAFETY: the plan gives a step's outputs buffers that none of its inputs and no
                    // other output uses: only fused kernels work in place.
                    let mut io = unsafe {
                        CpuIo {
                            inputs: step
                                .inputs
                                .iter()
                                .map(|v| (graph.meta(*v), self.at(*v).slice(graph.meta(*v).words())))
                                .collect(),
                            outputs: step
                                .outputs
                                .iter()
                                .map(|v| self.at(*v).slice_mut(graph.meta(*v).words()))
                                .collect(),
                            metas: &metas,
                        }
                    };
                    graph.nodes()[*node].op.cpu(&mut io)?;
                }
                Work::Copy { from, to } => {
                    let words = graph.meta(*to).words();
                    let content = self.at(*from).read(words);
                    self.at(*to).write(&content);
                }
            }
        }
        Ok(())
    }

    fn at(&self, v: Value) -> &CpuBuffer {
        &self.buffers[self.program.place[v.index()].expect("what a step touches has a buffer")]
    }

    /// Reads a value that has a buffer of its own now.
    pub fn read(&self, v: Value) -> Result<HostTensor> {
        let meta = self.program.graph.meta(v);
        let place = self.program.place[v.index()]
            .ok_or_else(|| Error::Config(format!("{} is never stored", self.program.graph.name(v))))?;
        Ok(HostTensor::from_words(meta.shape.clone(), meta.dtype, self.buffers[place].read(meta.words())))
    }

    /// Replaces a value.
    pub fn write(&mut self, v: Value, t: &HostTensor) -> Result<()> {
        self.at(v).write(t.words());
        Ok(())
    }
}
