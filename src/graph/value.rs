//! Whose a value is. A number alone would also fit another graph, and name some tensor of it.

use std::sync::atomic::{AtomicU32, Ordering};

/// A tensor of a graph, by number. It belongs to the graph that made it and to clones made of that graph since; in any
/// other it is an error.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Value {
    index: u32,
    maker: u32,
}

impl Value {
    /// Position in the graph's list of values.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// Which graphs made the values of a graph: itself, and before it was cloned those that it is a clone of.
#[derive(Debug)]
pub(super) struct Lineage {
    own: u32,
    /// Makers of the first values, each with the position where its values end.
    before: Vec<(u32, u32)>,
}

impl Default for Lineage {
    /// Of a graph that nothing was made in.
    fn default() -> Self {
        /// Graphs that were made; after four thousand million of them numbers come back, and none of the first lives.
        static MADE: AtomicU32 = AtomicU32::new(0);
        Lineage { own: MADE.fetch_add(1, Ordering::Relaxed), before: Vec::new() }
    }
}

impl Lineage {
    /// Of a clone of a graph of `len` values. What the two make from now on is not the other's.
    pub fn fork(&self, len: usize) -> Lineage {
        let mut fork = Lineage { before: self.before.clone(), ..Lineage::default() };
        fork.before.push((self.own, len as u32));
        fork
    }

    /// The value at a position.
    pub fn value(&self, index: usize) -> Value {
        let index = index as u32;
        let before = self.before.iter().find(|(_, end)| index < *end);
        Value { index, maker: before.map_or(self.own, |(maker, _)| *maker) }
    }
}

#[cfg(test)]
mod tests {
    use super::Value;
    use crate::error::Result;
    use crate::graph::{Graph, Init, Meta, Role};
    use crate::ops::pointwise::Ste;

    type Build = fn(&mut Graph, Value) -> Result<Value>;

    /// Two graphs of the same leaves and other shapes, so that a wrong use would go unnoticed or panic.
    fn two() -> (Graph, Graph) {
        let graph = |rows: usize| {
            let mut g = Graph::new();
            g.input("x", Meta::f32([rows, 4])).unwrap();
            g.param("w", [3, 4], Init::Zeros, Role::Weight).unwrap();
            g
        };
        (graph(2), graph(5))
    }

    /// Fails with a message that says what was done.
    fn refused<T: std::fmt::Debug>(made: Result<T>) {
        let message = made.unwrap_err().to_string();
        assert!(message.contains("another graph"), "{message}");
    }

    /// Builders of every kind: with one input and several, a stranger first or last, that look at a shape before or not.
    const BUILDERS: [(&str, Build); 13] = [
        ("relu", |g, v| g.relu(v)),
        ("sign", |g, v| g.sign(v, Ste::ClippedIdentity)),
        ("add", |g, v| g.add(g.find("x").unwrap(), v)),
        ("matmul", |g, v| g.matmul(v, g.find("w").unwrap(), false, true)),
        ("linear", |g, v| g.linear(g.find("x").unwrap(), v, None)),
        ("sum", |g, v| g.sum(v, &[0])),
        ("transpose", |g, v| g.transpose(v, &[1, 0])),
        ("concat", |g, v| g.concat(&[g.find("x").unwrap(), v], 0)),
        ("slice", |g, v| g.slice(v, 0, 0..1, 1)),
        ("softmax", |g, v| g.softmax(v)),
        ("batch of ones", |g, v| g.broadcast_to(v, [7, 2, 4])),
        ("backward", |g, v| g.backward(v, &[g.find("w").unwrap()]).map(|d| d[0])),
        ("assign", |g, v| g.assign(g.find("w").unwrap(), v).map(|()| v)),
    ];

    #[test]
    fn every_builder_refuses_a_value_of_another_graph() {
        for (name, build) in BUILDERS {
            let (mut a, b) = two();
            let nodes = a.nodes().len();
            let made = build(&mut a, b.find("x").unwrap());
            assert!(made.is_err(), "{name} took it");
            assert_eq!(a.nodes().len(), nodes, "{name} built something");
        }
        // What is refused where it is used spoils nothing.
        let (mut a, mut b) = two();
        let (mine, x, w) = (a.find("x").unwrap(), b.find("x").unwrap(), b.find("w").unwrap());
        refused(a.relu(x));
        refused(a.linear(mine, w, None));
        refused(a.assign_next(w, mine));
        a.relu(mine).unwrap();
        a.check().unwrap();
        b.linear(x, w, None).unwrap();
    }

    #[test]
    fn a_value_of_a_larger_graph_is_no_panic() {
        let mut large = Graph::new();
        let last = (0..20).map(|i| large.input(&format!("x{i}"), Meta::f32([2, 2])).unwrap()).last().unwrap();
        for (name, build) in BUILDERS {
            assert!(build(&mut two().0, last).is_err(), "{name}");
        }
    }

    #[test]
    fn what_cannot_fail_itself_makes_the_next_step_fail() {
        let look = |f: fn(&mut Graph, Value)| {
            let (mut a, b) = two();
            let mine = a.find("x").unwrap();
            f(&mut a, b.find("x").unwrap());
            refused(a.relu(mine));
            refused(a.check());
        };
        look(|g, v| g.output("y", v));
        look(|g, v| assert!(!g.shape(v).is_empty()));
        look(|g, v| g.rebase(v, v));
        look(|g, v| assert!(!g.is_leaf(v) || !g.name(v).is_empty()));
    }

    #[test]
    fn a_clone_shares_what_was_there_and_nothing_later() {
        let (mut a, _) = two();
        let x = a.find("x").unwrap();
        let mut c = a.clone();
        let (in_a, in_c) = (a.relu(x).unwrap(), c.relu(x).unwrap());
        assert_eq!(in_a.index(), in_c.index());
        assert_ne!(in_a, in_c);
        let mut d = c.clone();
        let in_d = d.add(x, in_c).unwrap();
        assert!(d.all().eq([x, d.find("w").unwrap(), in_c, in_d]));
        assert_eq!(d.nodes()[0].outputs, [in_c]);
        refused(c.relu(in_a));
        refused(a.relu(in_c));
        refused(d.relu(in_a));
        c = d.clone();
        refused(d.clone().relu(in_a));
        assert!(c.relu(in_d).is_ok());
    }

    #[test]
    fn a_graph_that_is_moved_keeps_its_values() {
        let (mut a, _) = two();
        let x = a.find("x").unwrap();
        let mut moved = std::mem::take(&mut a);
        moved.scoped("layer", |g| g.relu(x)).unwrap();
        refused(a.relu(x));
    }
}
