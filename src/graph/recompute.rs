//! Less memory for more arithmetic: what a forward pass makes is not kept for the gradients, but made again (Chen et al. 2016,
//! arXiv 1604.06174).

use super::{Def, Graph, Node, Phase, Value};
use std::collections::HashMap;

impl Graph {
    /// A graph that computes the same, in which nodes behind the forward pass read of it what is `kept` alone: what else they
    /// need is made again, right before the first of them that does, of what is kept and of leaves.
    pub fn recomputing(&self, kept: impl Fn(Value) -> bool) -> Graph {
        let mut made_by = HashMap::new();
        for (i, node) in self.nodes.iter().enumerate().filter(|(_, n)| n.phase == Phase::Forward) {
            made_by.extend(node.outputs.iter().filter(|v| !kept(**v)).map(|v| (*v, i)));
        }
        let mut again =
            Again { g: Graph { nodes: Vec::new(), ..self.clone() }, nodes: &self.nodes, made_by, made: HashMap::new() };
        for mut node in self.nodes.iter().cloned() {
            if node.phase != Phase::Forward {
                node.inputs.iter().for_each(|v| again.make(*v));
                again.rename(&mut node.inputs);
            }
            again.place(node);
        }
        again.g
    }
}

/// A graph in the making.
struct Again<'a> {
    g: Graph,
    /// Those of the graph that it is made of.
    nodes: &'a [Node],
    /// The nodes of the forward pass by what they make and is not kept.
    made_by: HashMap<Value, usize>,
    /// What was made a second time, by what it was the first time.
    made: HashMap<Value, Value>,
}

impl Again<'_> {
    /// Appends the nodes that make `v` and what it is made of, as far as that is neither kept nor made again before.
    fn make(&mut self, v: Value) {
        let (mut missing, mut stack) = (Vec::new(), vec![v]);
        while let Some(v) = stack.pop() {
            if let Some(node) = self.made_by.get(&v).filter(|_| !self.made.contains_key(&v))
                && !missing.contains(node)
            {
                missing.push(*node);
                stack.extend(&self.nodes[*node].inputs);
            }
        }
        // In the order in which they ran first.
        missing.sort_unstable();
        for node in missing {
            let mut copy = Node { phase: Phase::Backward, ..self.nodes[node].clone() };
            self.rename(&mut copy.inputs);
            for (port, v) in copy.outputs.iter_mut().enumerate() {
                let info = &self.g.values[v.index()];
                let (meta, name) = (info.meta.clone(), info.name.clone());
                let new = self.g.push_value(meta, Def::Node { node: self.g.nodes.len(), port }, name);
                self.made.insert(std::mem::replace(v, new), new);
            }
            self.place(copy);
        }
    }

    fn rename(&self, values: &mut [Value]) {
        for v in values {
            *v = self.made.get(v).copied().unwrap_or(*v);
        }
    }

    fn place(&mut self, node: Node) {
        for (port, v) in node.outputs.iter().enumerate() {
            self.g.values[v.index()].def = Def::Node { node: self.g.nodes.len(), port };
        }
        self.g.nodes.push(node);
    }
}
