//! The backward passes of a step, walked once more: every node appends its gradients again, to leaves of its own that stand for
//! the gradients of its outputs. So each can be computed alone.

use crate::error::Result;
use crate::graph::{GradientOf, Grads, Graph, Meta, Phase, Value};
use crate::tensor::DType;
use std::ops::Range;

/// A node as a backward pass comes by.
pub(super) struct Walked {
    /// Its position in the graph.
    pub node: usize,
    /// Of each output the leaf that stands for its gradient; none where the pass does not come by.
    pub dy: Vec<Option<Value>>,
    /// The gradients of its inputs.
    pub gradients: Grads,
    /// The nodes that compute them.
    pub appended: Range<usize>,
    /// Of each input, whether the pass takes its gradient.
    pub needed: Vec<bool>,
    /// Of each input, whether what is trained comes to it on a way that gradients can take back.
    pub is_trained: Vec<bool>,
}

/// A graph, with the gradients of its nodes behind its own.
pub(super) struct Walk {
    /// Both.
    pub graph: Graph,
    /// How many nodes are its own.
    pub nodes: usize,
    /// How many values are its own.
    pub values: usize,
    /// What the passes come by, in the graph's order.
    pub walked: Vec<Walked>,
}

/// Whether values of this type can be moved, or turned over, for a difference.
pub(super) fn can_move(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::I16 | DType::I32 | DType::Bits)
}

impl Walk {
    /// # Errors
    /// If an op cannot append its gradient.
    pub fn new(graph: &Graph) -> Result<Walk> {
        let (nodes, values) = (graph.nodes().len(), graph.values().len());
        let mut walk = Walk { graph: graph.clone(), nodes, values, walked: Vec::new() };
        for (loss, wrt) in graph.differentiated() {
            let mut pass = walk.back(*loss, &graph.depends_on(wrt))?;
            walk.mark(&mut pass, *loss, wrt);
            // What several passes take alike, such as those of parts of a loss, is looked at once.
            let reached = |w: &Walked| w.dy.iter().map(Option::is_some).collect::<Vec<_>>();
            let is_same = |k: &Walked, w: &Walked| {
                k.node == w.node && k.needed == w.needed && k.is_trained == w.is_trained && reached(k) == reached(w)
            };
            let is_new = |w: &Walked, known: &[Walked]| !known.iter().any(|k| is_same(k, w));
            pass.retain(|w| is_new(w, &walk.walked));
            walk.walked.extend(pass);
        }
        walk.walked.sort_by_key(|w| w.node);
        Ok(walk)
    }

    /// The nodes that the pass from `loss` comes by, from the last one on; `needs` says of each value whether it depends on
    /// what is trained.
    fn back(&mut self, loss: Value, needs: &[bool]) -> Result<Vec<Walked>> {
        let mut reached = vec![false; self.values];
        reached[loss.index()] = true;
        let mut pass = Vec::new();
        for node in (0..self.nodes).rev() {
            let (inputs, outputs) = (self.graph.nodes()[node].inputs.clone(), self.graph.nodes()[node].outputs.clone());
            let needed: Vec<bool> = inputs.iter().map(|v| needs[v.index()]).collect();
            if !outputs.iter().any(|v| reached[v.index()]) || !needed.contains(&true) {
                continue;
            }
            let is_reached: Vec<bool> = outputs.iter().map(|v| reached[v.index()]).collect();
            let walked = self.append(node, &is_reached, needed)?;
            for ((v, d), needed) in inputs.iter().zip(&walked.gradients).zip(&walked.needed) {
                reached[v.index()] |= *needed && d.is_some();
            }
            pass.push(walked);
        }
        Ok(pass)
    }

    /// Appends the gradients of a node.
    fn append(&mut self, node: usize, is_reached: &[bool], needed: Vec<bool>) -> Result<Walked> {
        let own = self.graph.nodes()[node].clone();
        let first = self.graph.nodes().len();
        let mut dy = Vec::new();
        for (port, (v, is_reached)) in own.outputs.iter().zip(is_reached).enumerate() {
            let meta = Meta::f32(self.graph.shape(*v).clone());
            // Told apart by what was appended before it: a node may be walked several times.
            let name = format!("the gradient of output {port} of node {node}, before node {first}");
            dy.push(is_reached.then(|| self.graph.input(&name, meta)).transpose()?);
        }
        let gradients = self.graph.in_phase(Phase::Backward, |g| own.op.grad(g, &own.inputs, &own.outputs, &dy))?;
        let appended = first..self.graph.nodes().len();
        let is_trained = vec![false; needed.len()];
        Ok(Walked { node, dy, gradients, appended, needed, is_trained })
    }

    /// Finds which inputs what is trained comes to, on ways that no op cuts: only there a gradient can be missing.
    fn mark(&mut self, pass: &mut [Walked], loss: Value, wrt: &[Value]) {
        let mut read = vec![false; self.values];
        read[loss.index()] = true;
        for node in self.graph.nodes()[..self.nodes].iter().rev() {
            if node.outputs.iter().any(|v| read[v.index()]) {
                node.inputs.iter().for_each(|v| read[v.index()] = true);
            }
        }
        let mut trained = vec![false; self.values];
        wrt.iter().for_each(|v| trained[v.index()] = true);
        let mut by_node: Vec<Option<usize>> = vec![None; self.nodes];
        pass.iter().enumerate().for_each(|(at, w)| by_node[w.node] = Some(at));
        for (node, at) in by_node.into_iter().enumerate() {
            let own = self.graph.nodes()[node].clone();
            let comes: Vec<bool> = own.inputs.iter().map(|v| trained[v.index()]).collect();
            if !comes.contains(&true) || !own.outputs.iter().any(|v| read[v.index()]) {
                continue;
            }
            let passes = |gradients: &Grads| gradients.iter().zip(&comes).any(|(d, comes)| *comes && d.is_some());
            let passes = match at {
                Some(at) => {
                    pass[at].is_trained.clone_from(&comes);
                    passes(&pass[at].gradients)
                }
                // The pass does not come by, perhaps because a later gradient is missing.
                None => {
                    let outputs = own.outputs.iter().map(|v| can_move(self.graph.dtype(*v)));
                    let all: Vec<bool> = outputs.collect();
                    all.contains(&true)
                        && own.op.gradient_of() != GradientOf::Definition
                        && self.append(node, &all, comes.clone()).is_ok_and(|w| passes(&w.gradients))
                }
            };
            own.outputs.iter().for_each(|v| trained[v.index()] = passes);
        }
    }
}
