//! Parts of a graph as graphs of their own, which programs that run apart from each other are made of.

use super::{Def, Graph, Leaf, Value};
use crate::error::{Error, Result};

impl Graph {
    /// The same nodes, of which other results are asked for: `outputs` by name, and what leaves become. Nodes that none of these
    /// needs are there and do not run.
    ///
    /// # Errors
    /// As [`Graph::assign`].
    pub fn asked(&self, outputs: Vec<(String, Value)>, assigns: &[(Value, Value)]) -> Result<Graph> {
        let mut g = Graph { outputs: Vec::new(), assigns: Vec::new(), ..self.clone() };
        outputs.into_iter().for_each(|(name, v)| g.output(name, v));
        assigns.iter().try_for_each(|(leaf, v)| g.assign(*leaf, *v))?;
        g.check().map(|()| g)
    }

    /// Makes of a value an input, which the host writes: what it was made of does not run for it any more.
    ///
    /// # Errors
    /// If it is a leaf that a step keeps, or there is an input of that name.
    pub fn give(&mut self, v: Value, name: &str) -> Result<()> {
        self.check_own(&[v])?;
        if matches!(self.def(v), Def::Leaf(leaf) if !matches!(leaf, Leaf::Input)) || self.leaves.contains_key(name) {
            return Err(Error::Config(format!("{} cannot be given as {name}", self.name(v))));
        }
        if matches!(self.def(v), Def::Leaf(_)) {
            self.leaves.retain(|_, leaf| *leaf != v);
        }
        let info = &mut self.values[v.index()];
        (info.def, info.name) = (Def::Leaf(Leaf::Input), name.to_string());
        self.leaves.insert(name.to_string(), v);
        Ok(())
    }

    /// Lets node `node` read an input, which the host writes, in place of its input number `input`.
    ///
    /// # Errors
    /// If there is an input of that name that is something else.
    pub fn give_to(&mut self, node: usize, input: usize, name: &str) -> Result<()> {
        let meta = self.meta(self.nodes[node].inputs[input]).clone();
        let leaf = self.input(name, meta)?;
        self.nodes[node].inputs[input] = leaf;
        Ok(())
    }

    /// The nodes that make `wanted`, and the leaves that these read or that are wanted themselves. What `is_given` is not looked
    /// behind, and is in neither.
    pub fn behind(&self, wanted: &[Value], is_given: impl Fn(Value) -> bool) -> (Vec<usize>, Vec<Value>) {
        let (mut nodes, mut leaves) = (vec![false; self.nodes.len()], vec![false; self.values.len()]);
        let mut stack = wanted.to_vec();
        while let Some(v) = stack.pop() {
            if is_given(v) {
                continue;
            }
            match self.def(v) {
                Def::Leaf(_) => leaves[v.index()] = true,
                Def::Node { node, .. } => {
                    if !std::mem::replace(&mut nodes[*node], true) {
                        stack.extend(&self.nodes[*node].inputs);
                    }
                }
            }
        }
        let found = |marks: Vec<bool>| marks.into_iter().enumerate().filter(|(_, m)| *m).map(|(i, _)| i);
        (found(nodes).collect(), found(leaves).map(|i| self.lineage.value(i)).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::device::{Device, Store};
    use crate::graph::{Graph, Init, Meta, Role};
    use crate::tensor::HostTensor;

    /// `w <- w + x²` cut between the square and the sum.
    #[test]
    fn two_parts_do_what_the_whole_does() {
        let mut g = Graph::new();
        let x = g.input("x", Meta::f32([3])).unwrap();
        let w = g.param("w", [3], Init::Zeros, Role::Weight).unwrap();
        let square = g.mul(x, x).unwrap();
        let sum = g.add(w, square).unwrap();
        g.assign(w, sum).unwrap();
        let first = g.asked(vec![("square".into(), square)], &[]).unwrap();
        let mut second = g.asked(vec![], &[(w, sum)]).unwrap();
        assert!(second.give(w, "w.given").is_err() && second.give(square, "x").is_err());
        second.give(square, "square.given").unwrap();
        let (nodes, leaves) = second.behind(&[sum], |_| false);
        assert_eq!((nodes, leaves), (vec![1], vec![w, square]));

        let run = |graphs: Vec<Graph>| {
            let mut store = Store::new(Device::Cpu);
            for g in graphs {
                let mut exe = store.load(g).unwrap();
                store.write("x", &HostTensor::from_f32([3], vec![1.0, 2.0, 3.0])).unwrap();
                exe.run(&[]).unwrap();
                if let Ok(t) = exe.read("square") {
                    store.write("square.given", &t).unwrap();
                }
            }
            store.read("w").unwrap()
        };
        let squares = HostTensor::from_f32([3], vec![1.0, 4.0, 9.0]);
        assert_eq!((run(vec![g]), run(vec![first, second])), (squares.clone(), squares));
    }
}
