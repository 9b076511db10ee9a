//! A program loaded on the CPU device.

use super::fused::run_fused;
use super::memory::{Buffer, SharedTensors, TakenOut, read, write};
use crate::error::Result;
use crate::graph::{CpuIo, Def, Leaf, Meta, Value};
use crate::kernels::Isa;
use crate::program::{BufferKind, Program, Step, Work};
use crate::tensor::HostTensor;
use std::sync::Arc;

/// A program with its memory.
pub struct CpuExecutable {
    isa: Isa,
    program: Arc<Program>,
    shared: SharedTensors,
    /// For each buffer of the program the tensor of the store that it is; `None` for the program's own.
    numbers: Vec<Option<usize>>,
    /// The program's own buffers; those of the store are empty here, but during a run.
    buffers: Vec<Buffer>,
}

impl CpuExecutable {
    /// Loads a program. `leaf` gives the number in `shared` of a parameter, state or input.
    pub(crate) fn load(
        isa: Isa,
        program: Arc<Program>,
        shared: SharedTensors,
        leaf: impl Fn(&str) -> usize,
    ) -> Result<Self> {
        let mut numbers = Vec::with_capacity(program.buffers.len());
        let mut buffers = Vec::with_capacity(program.buffers.len());
        for plan in &program.buffers {
            let (number, mut buffer) = match plan.kind {
                BufferKind::Persistent(v) | BufferKind::Input(v) => {
                    (Some(leaf(program.graph.name(v))), Buffer::default())
                }
                BufferKind::Constant(_) | BufferKind::Output | BufferKind::Transient => {
                    (None, Buffer::zeros(plan.words)?)
                }
            };
            if let BufferKind::Constant(v) = plan.kind
                && let Def::Leaf(Leaf::Const(t)) = program.graph.def(v)
            {
                write(&mut buffer, t.words())?;
            }
            numbers.push(number);
            buffers.push(buffer);
        }
        Ok(CpuExecutable { isa, program, shared, numbers, buffers })
    }

    /// The program.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Runs some steps, after runs of other programs of the store.
    ///
    /// # Errors
    /// If there are not as many scalars as the graph has, or no such steps, or an op fails.
    pub fn run(&mut self, scalars: &[f32], steps: std::ops::Range<usize>) -> Result<()> {
        let program = &self.program;
        program.check_run(scalars, &steps)?;
        let lent = self.shared.lend(&self.numbers, &mut self.buffers)?;
        let (isa, buffers) = (self.isa, &mut *lent.buffers);
        // On a thread of the pool from beginning to end: called from outside of it, every loop would wake a thread and wait.
        rayon::scope(|_| {
            program.steps[steps].iter().try_for_each(|step| run_step(isa, program, step, scalars, buffers))
        })
    }

    /// Reads a value that has a buffer of its own now.
    pub fn read(&self, v: Value) -> Result<HostTensor> {
        let place = self.program.stored(v)?;
        let meta = self.program.graph.meta(v);
        let words = match self.numbers[place] {
            Some(n) => self.shared.read(n, meta.words())?,
            None => read(&self.buffers[place], meta.words())?,
        };
        Ok(HostTensor::from_words(meta.shape.clone(), meta.dtype, words))
    }

    /// Replaces a value.
    pub fn write(&mut self, v: Value, t: &HostTensor) -> Result<()> {
        let place = self.program.stored(v)?;
        match self.numbers[place] {
            Some(n) => self.shared.write(n, t.words()),
            None => write(&mut self.buffers[place], t.words()),
        }
    }
}

fn run_step(isa: Isa, program: &Program, step: &Step, scalars: &[f32], buffers: &mut [Buffer]) -> Result<()> {
    match &step.work {
        Work::Fused(chains) => {
            chains.iter().for_each(|fused| run_fused(&program.graph, fused, &program.place, buffers, scalars));
        }
        Work::Node { node, .. } => run_node(isa, program, *node, step, buffers)?,
        Work::Copy { from, to } => {
            let content = read(&buffers[program.stored(*from)?], program.graph.meta(*to).words())?;
            write(&mut buffers[program.stored(*to)?], &content)?;
        }
    }
    Ok(())
}

/// Runs an op. Its outputs are taken out of the buffers meanwhile: an input that shared one would be found empty.
fn run_node(isa: Isa, program: &Program, node: usize, step: &Step, buffers: &mut [Buffer]) -> Result<()> {
    let graph = &program.graph;
    let place = |v: &Value| program.place[v.index()].expect("what a step touches has a buffer");
    let places: Vec<usize> = step.outputs.iter().map(place).collect();
    let metas: Vec<Meta> = step.outputs.iter().map(|v| graph.meta(*v).clone()).collect();
    let mut taken = TakenOut::new(buffers, places);
    let (buffers, made) = taken.parts();
    let inputs = step.inputs.iter().map(|v| (graph.meta(*v), &buffers[place(v)][..graph.meta(*v).words()])).collect();
    let outputs = made.iter_mut().zip(&metas).map(|(b, m)| &mut b[..m.words()]).collect();
    graph.nodes()[node].op.cpu(&mut CpuIo { isa, inputs, outputs, metas: &metas })
}

#[cfg(test)]
mod tests {
    use crate::device::{Device, Executable, Store};
    use crate::error::Result;
    use crate::graph::{CpuIo, Grads, Graph, Init, LowerCx, Meta, Op, Role, Value};
    use crate::launch::Lowering;
    use crate::tensor::{HostTensor, RefTensor};

    /// `w` becomes `w + 1`.
    fn counter(store: &mut Store, n: usize) -> Executable {
        let mut g = Graph::new();
        let w = g.param("w", [n], Init::Zeros, Role::Weight).unwrap();
        let one = g.fill([n], 1.0);
        let next = g.add(w, one).unwrap();
        g.assign(w, next).unwrap();
        store.load(g).unwrap()
    }

    #[test]
    fn programs_of_one_store_take_turns() {
        // Enough elements that a run is worth several threads.
        const N: usize = 200_000;
        const RUNS: usize = 100;
        let mut store = Store::new(Device::Cpu);
        let mut programs = [counter(&mut store, N), counter(&mut store, N)];
        std::thread::scope(|s| {
            for program in &mut programs {
                s.spawn(|| (0..RUNS).for_each(|_| program.run(&[]).unwrap()));
            }
            for _ in 0..RUNS {
                let seen = store.read("w").unwrap();
                let first = seen.f32s()[0];
                assert!(seen.f32s().iter().all(|w| *w == first), "a run was seen half done");
            }
        });
        assert!(store.read("w").unwrap().f32s().iter().all(|w| *w == (2 * RUNS) as f32));
    }

    /// An op of another crate may panic, and then the store has what it had, or some of what was made.
    #[derive(Clone, Debug)]
    struct Panics;

    impl Op for Panics {
        fn name(&self) -> &'static str {
            "panics"
        }
        fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
            Ok(inputs.to_vec())
        }
        fn grad(&self, _: &mut Graph, x: &[Value], _: &[Value], _: &[Option<Value>]) -> Result<Grads> {
            Ok(vec![None; x.len()])
        }
        fn reference(&self, inputs: &[&RefTensor], _: &[Meta]) -> Vec<RefTensor> {
            vec![inputs[0].clone()]
        }
        fn bound(&self, inputs: &[&RefTensor], _: &[RefTensor]) -> Vec<Vec<f64>> {
            vec![vec![0.0; inputs[0].data.len()]]
        }
        fn lower(&self, _: &LowerCx<'_>) -> Result<Lowering> {
            Ok(Lowering::default())
        }
        fn cpu(&self, _: &mut CpuIo<'_>) -> Result<()> {
            panic!("an op panicked")
        }
    }

    crate::pointwise! {
        /// It cannot be computed.
        PanicsToo {} "panics_too" (x) => if x < 0.0 { x } else { panic!("a formula panicked") };
        reference x;
        grad |_me, g, x, y, dy| Ok(vec![None])
    }

    #[test]
    fn a_store_is_whole_after_an_op_that_panicked() {
        let build: [fn(&mut Graph, Value) -> Result<Value>; 2] =
            [|g, w| g.apply1(Panics, &[w]), |g, w| g.apply1(PanicsToo {}, &[w])];
        for build in build {
            let mut store = Store::new(Device::Cpu);
            let mut g = Graph::new();
            let w = g.param("w", [4], Init::Zeros, Role::Weight).unwrap();
            let kept = g.state("kept", Meta::f32([4]), Init::Zeros).unwrap();
            let next = build(&mut g, w).unwrap();
            // In place: what is made lies in the store.
            g.assign(kept, next).unwrap();
            let mut broken = store.load(g).unwrap();
            let mut sound = counter(&mut store, 4);
            for name in ["w", "kept"] {
                store.write(name, &HostTensor::from_f32([4], vec![3.0; 4])).unwrap();
            }
            let run = std::panic::AssertUnwindSafe(|| broken.run(&[]));
            assert!(std::panic::catch_unwind(run).is_err());
            assert_eq!(store.read("kept").unwrap().f32s(), [3.0; 4]);
            sound.run(&[]).unwrap();
            assert_eq!(store.read("w").unwrap().f32s(), [4.0; 4]);
        }
    }

    #[test]
    fn a_run_of_other_scalars_or_steps_is_refused() {
        let mut g = Graph::new();
        let x = g.input("x", Meta::f32([4])).unwrap();
        let factor = g.scalar("factor").unwrap();
        let y = g.mul(x, factor).unwrap();
        g.output("y", y);
        let Executable::Cpu(mut program) = Store::new(Device::Cpu).load(g).unwrap() else { panic!("a CPU store") };
        program.run(&[2.0], 0..1).unwrap();
        for (scalars, steps, why) in [
            (&[][..], 0..1, "has 1 scalars, 0 were given"),
            (&[1.0, 2.0], 0..1, "has 1 scalars, 2 were given"),
            (&[1.0], 0..999, "has 1 steps, 0..999"),
            (&[1.0], std::ops::Range { start: 1, end: 0 }, "has 1 steps, 1..0"),
        ] {
            let message = program.run(scalars, steps).unwrap_err().to_string();
            assert!(message.contains(why), "{message}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut store = Store::new(Device::Cpu);
        let mut g = Graph::new();
        let x = g.input("x", Meta::f32([4])).unwrap();
        let y = g.relu(x).unwrap();
        g.output("y", y);
        let mut program = store.load(g).unwrap();
        let message = program.write_value(x, &HostTensor::from_f32([9], vec![1.0; 9])).unwrap_err().to_string();
        assert!(message.contains("9 words") && message.contains("of 4"), "{message}");
        let stranger = Graph::new().input("x", Meta::f32([4])).unwrap();
        assert!(program.read_value(stranger).unwrap_err().to_string().contains("another graph"));
    }
}
