//! Which values of a forward pass are kept where the rest is made again for the gradients ([`Graph::recomputing`]).

use super::{Backend, Program};
use crate::error::Result;
use crate::graph::{Graph, Phase, Value};
use std::collections::{HashMap, HashSet};

/// A value of less than this share of the largest one's bytes is kept, whatever it is: statistics, weights' bits, logits.
const SMALL: usize = 64;

/// How much may be made between two kept values, as shares of all that is made.
const SHARES: [f64; 14] = [0.04, 0.06, 0.08, 0.12, 0.17, 0.21, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8, 1.0];

impl Program {
    /// Compiles a graph so that it takes little memory: of the forward pass are kept the values behind which it can be cut in two,
    /// some of them, what is made behind the last of these, and what is small. Which of them is tried out: those with which the
    /// whole program takes least, or all where nothing is won.
    ///
    /// # Errors
    /// As [`Program::compile`].
    pub fn compile_recomputing(graph: Graph, backend: Backend) -> Result<Program> {
        let forward = Forward::of(&graph);
        let plans: HashSet<Vec<Value>> = SHARES.iter().map(|share| forward.kept(*share)).collect();
        let mut plans: Vec<Vec<Value>> = plans.into_iter().collect();
        // Of equal ones the first: that which makes least again.
        plans.sort_by_key(|kept| (std::cmp::Reverse(kept.len()), kept.clone()));
        let mut best = Program::compile(graph.clone(), backend.clone())?;
        for kept in plans {
            let program = Program::compile(graph.recomputing(|v| forward.keeps(&kept, v)), backend.clone())?;
            if program.planned_bytes() < best.planned_bytes() {
                best = program;
            }
        }
        Ok(best)
    }
}

impl Program {
    /// Compiles a graph so that what ops make of one number at a time, of one large value, is made again of that value for the
    /// gradients: activations, factors and summands of normalisations, biases. As [`Program::compile`] where nothing is won.
    ///
    /// # Errors
    /// As [`Program::compile`].
    pub fn compile_recomputing_pointwise(graph: Graph, backend: Backend) -> Result<Program> {
        let plain = Program::compile(graph.clone(), backend.clone())?;
        let nodes = || graph.nodes().iter().filter(|n| n.phase == Phase::Forward);
        let bytes = |v: &Value| graph.meta(*v).bytes();
        let largest = nodes().flat_map(|n| &n.outputs).map(bytes).max().unwrap_or(0);
        let is_large = |v: &&Value| bytes(v) * SMALL >= largest && !graph.is_leaf(**v);
        let again: HashSet<Value> = nodes()
            .filter(|n| n.op.pointwise().is_some())
            .filter(|n| {
                let mut of: Vec<&Value> = n.inputs.iter().filter(is_large).collect();
                of.dedup();
                // It takes the place of what is made of it.
                of.len() <= 1 && of.iter().all(|x| n.outputs.iter().map(bytes).sum::<usize>() >= bytes(x))
            })
            .flat_map(|n| n.outputs.iter().copied())
            .collect();
        let lean = Program::compile(graph.recomputing(|v| !again.contains(&v)), backend)?;
        Ok(if lean.kept_bytes() < plain.kept_bytes() { lean } else { plain })
    }
}

/// What a forward pass makes.
struct Forward {
    /// Values that are not small, with their bytes, in order.
    made: Vec<(Value, usize)>,
    /// Those behind which nothing but themselves is read from before them, by their places.
    cuts: Vec<usize>,
}

impl Forward {
    fn of(graph: &Graph) -> Forward {
        let nodes: Vec<_> = graph.nodes().iter().filter(|n| n.phase == Phase::Forward).collect();
        let values = || nodes.iter().flat_map(|n| &n.outputs).copied();
        let largest = values().map(|v| graph.meta(v).bytes()).max().unwrap_or(0);
        let made: Vec<(Value, usize)> =
            values().map(|v| (v, graph.meta(v).bytes())).filter(|(_, bytes)| bytes * SMALL >= largest).collect();
        let mut last_read = vec![0; graph.values().len()];
        for (i, node) in nodes.iter().enumerate() {
            node.inputs.iter().for_each(|v| last_read[v.index()] = i);
        }
        let place: HashMap<Value, usize> = made.iter().enumerate().map(|(i, (v, _))| (*v, i)).collect();
        let (mut cuts, mut alive) = (Vec::new(), Vec::new());
        for (i, node) in nodes.iter().enumerate() {
            alive.extend(node.outputs.iter().filter(|v| place.contains_key(v)));
            alive.retain(|v: &Value| last_read[v.index()] > i);
            // Nothing but what was made right now goes on.
            if let &[only] = &alive[..]
                && node.outputs.contains(&only)
            {
                cuts.push(place[&only]);
            }
        }
        Forward { made, cuts }
    }

    /// The cuts between which at most a share of all bytes is made.
    fn kept(&self, share: f64) -> Vec<Value> {
        let all: usize = self.made.iter().map(|(_, bytes)| bytes).sum();
        let most = (share * all as f64) as usize;
        let between = |from: usize, to: usize| self.made[from..to].iter().map(|(_, bytes)| bytes).sum::<usize>();
        let (mut kept, mut from) = (Vec::new(), 0);
        for pair in self.cuts.windows(2) {
            // The next cut would be too far.
            if between(from, pair[1] + 1) > most {
                kept.push(self.made[pair[0]].0);
                from = pair[0] + 1;
            }
        }
        kept
    }

    /// Whether `v` is kept with these cuts.
    fn keeps(&self, cuts: &[Value], v: Value) -> bool {
        let place = |v: &Value| self.made.iter().position(|(u, _)| u == v);
        match (place(&v), cuts.last()) {
            (None, _) | (_, None) => true,
            (Some(at), Some(last)) => cuts.contains(&v) || at >= place(last).expect("cuts are values that were made"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{Device, Store};
    use crate::graph::Meta;
    use crate::nn::{Mode, NetKind, NetSpec, Skip};
    use crate::optim::{OptimSpec, Rule};
    use crate::rng::Philox;
    use crate::tensor::{DType, HostTensor};

    const BATCH: usize = 6;

    /// A step of a ResNet-8.
    fn step(binary: bool) -> Graph {
        let spec =
            NetSpec { widths: vec![8, 8, 16, 16], skip: Some(Skip::Double), ..NetSpec::new(NetKind::Resnet8, binary) };
        let mut g = Graph::new();
        let x = g.input("x", Meta::f32([BATCH, 16, 16, 3])).unwrap();
        let at = g.scalar("at").unwrap();
        let x = g.dropout(x, 0.2, 3, 5, at).unwrap();
        let labels = g.input("labels", Meta::new([BATCH], DType::U32)).unwrap();
        let logits = spec.build(&mut g, x, 5, Mode::Train, None).unwrap();
        let loss = g.cross_entropy(logits, labels, 0.1).unwrap();
        g.output("loss", loss);
        let params = g.params();
        let gradients = g.backward(loss, &params).unwrap();
        OptimSpec::new(Rule::Sgd { momentum: 0.9, nesterov: false }).step(&mut g, &params, &gradients, None).unwrap();
        g
    }

    /// All that two steps leave behind, and the loss.
    fn after(program: Program) -> Vec<(String, HostTensor)> {
        let mut store = Store::new(Device::Cpu);
        let graph = program.graph().clone();
        let mut exe = store.load_program(program, false).unwrap();
        store.initialise(&graph, 7).unwrap();
        let noise = Philox::new(1, 2);
        let pixels = (0..(BATCH * 16 * 16 * 3) as u64).map(|i| noise.normal(0, i)).collect();
        store.write("x", &HostTensor::from_f32([BATCH, 16, 16, 3], pixels)).unwrap();
        store.write("labels", &HostTensor::from_u32([BATCH], vec![0, 4, 2, 2, 1, 3])).unwrap();
        for _ in 0..2 {
            exe.run(&vec![0.1; graph.scalars().len()]).unwrap();
        }
        let leaves = graph.params().into_iter().chain(graph.states());
        let mut all: Vec<_> = leaves.map(|v| (graph.name(v).to_string(), store.read(graph.name(v)).unwrap())).collect();
        all.push(("loss".into(), exe.read("loss").unwrap()));
        all
    }

    #[test]
    fn what_is_made_again_is_the_same_and_takes_less_memory() {
        for binary in [false, true] {
            let plain = Program::compile(step(binary), Backend::Cpu).unwrap();
            let again = Program::compile_recomputing(step(binary), Backend::Cpu).unwrap();
            assert!(again.kept_bytes() < plain.kept_bytes(), "{} of {}", again.kept_bytes(), plain.kept_bytes());
            assert!(again.planned_bytes() < plain.planned_bytes());
            assert!(again.steps().len() > plain.steps().len());
            let lean = Program::compile_recomputing_pointwise(step(binary), Backend::Cpu).unwrap();
            assert!(lean.kept_bytes() < plain.kept_bytes(), "{} of {}", lean.kept_bytes(), plain.kept_bytes());
            let expected = after(plain);
            assert_eq!(expected, after(again), "binary: {binary}");
            assert_eq!(expected, after(lean), "binary: {binary}");
        }
    }

    /// Whatever is kept: nothing but what is small, and every cut alone.
    #[test]
    fn any_choice_computes_the_same() {
        let graph = step(true);
        let expected = after(Program::compile(graph.clone(), Backend::Cpu).unwrap());
        let forward = Forward::of(&graph);
        assert!(forward.cuts.len() >= 6, "{} cuts", forward.cuts.len());
        let mut choices: Vec<Vec<Value>> = forward.cuts.iter().map(|at| vec![forward.made[*at].0]).collect();
        choices.push(vec![]);
        for cuts in choices {
            let keeps =
                |v| if cuts.is_empty() { forward.made.iter().all(|(u, _)| *u != v) } else { forward.keeps(&cuts, v) };
            let program = Program::compile(graph.recomputing(keeps), Backend::Cpu).unwrap();
            assert_eq!(after(program), expected, "{cuts:?}");
        }
    }
}
