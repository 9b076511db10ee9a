//! A step of several batches ([`accumulated`](super::accumulated)) that ranks share: each goes through the network with its own
//! batch, and what the step makes of all of them is made in all ranks alike, from what they tell each other.
//!
//! The graph of such a step is cut in two by phase. What comes before the updates needs one batch ([`Shared::compute`]). The
//! updates are the very nodes of the step of one program; they read of the other part what lies in the cut: gradients, which
//! are added up over the ranks, and all the rest, batch by batch.

use super::HOLDS;
use super::formulas::AddedUp;
use crate::error::{Error, Result};
use crate::graph::{Def, Graph, Leaf, Meta, Phase, Value};
use std::any::Any;
use std::collections::{BTreeMap, HashSet};

/// A value that goes from a batch's part to the updates.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// Name of the output of one and of the input of the other.
    pub name: String,
    /// Its shape and type.
    pub meta: Meta,
}

/// A part of a step, for ranks.
#[derive(Clone, Debug)]
pub struct Shared {
    /// From images to gradients, of one batch; it changes no leaf.
    pub compute: Graph,
    /// What follows every batch: running statistics, counts.
    pub follow: Graph,
    /// The same and the step itself, for the batch that ends it. It takes sums over all batches for gradients, with the scalar
    /// [`ADDS`](super::ADDS) at 0.
    pub finish: Graph,
    /// The gradients; `f32`.
    pub gradients: Vec<Cut>,
    /// What else the updates need of each batch.
    pub rest: Vec<Cut>,
    /// A leaf that a batch goes by, as the batches before it in the same step left it, if there is one: then a rank's batch
    /// begins when those of the ranks before it have been followed.
    pub in_turn: Option<String>,
}

impl Shared {
    /// What is wrong with a leaf by which the batches of a step depend on each other, after its name.
    pub const APART: &str = "holds what earlier batches of the same step left there, and each batch goes by it, while ranks work on the \
                             batches of a step at the same time: train this recipe in one program (without mpirun; --set accumulate=N makes \
                             steps of as many images)";

    /// Cuts a part of a step; `part` is what its values are named after. Leaves of which `is_count` holds may stand differently
    /// for a batch than they would after the batches before it: they count, and decide nothing of a run that goes well.
    ///
    /// # Errors
    /// If what is left of the sum of a step's first gradients is read before the step is over, which ranks do not know then.
    pub fn of(g: &Graph, part: &str, is_count: impl Fn(&str) -> bool) -> Result<Shared> {
        g.check()?;
        let kinds = Kinds::of(g);
        let (mut added, mut late, mut each) = (Vec::new(), Vec::new(), Vec::new());
        for &(leaf, v) in g.assigns() {
            let (nodes, _) = g.behind(&[v], |_| false);
            if kinds.is_sum(g, v) {
                added.push((leaf, v));
            } else if is_held(g, leaf, v) || nodes.iter().any(|n| kinds.sums.contains(n)) {
                late.push((leaf, v));
            } else {
                each.push((leaf, v));
            }
        }
        // The sums' own terms go another way.
        let terms: BTreeMap<Value, usize> =
            kinds.sums.iter().map(|n| g.nodes()[*n].inputs[1]).enumerate().map(|(i, v)| (v, i)).collect();
        let gradient = |v: Value| format!("exchange.{part}.gradient.{}", terms[&v]);
        let mut updates = g.clone();
        for &n in &kinds.sums {
            updates.give_to(n, 1, &gradient(g.nodes()[n].inputs[1]))?;
        }
        let results = |assigns: &[(Value, Value)]| assigns.iter().map(|(_, v)| *v).collect::<Vec<_>>();
        let (all, following) = ([&added[..], &late, &each].concat(), results(&each));
        let cut = kinds.cut(&updates, &results(&all));
        let needed: HashSet<Value> = kinds.cut(&updates, &following).into_iter().collect();
        let name = |i: usize| format!("exchange.{part}.{i}");
        let outputs =
            terms.keys().map(|v| (gradient(*v), *v)).chain(cut.iter().enumerate().map(|(i, v)| (name(i), *v)));
        let compute = g.asked(outputs.collect(), &[])?;

        let held: HashSet<Value> = late.iter().filter(|(l, v)| is_held(g, *l, *v)).map(|(l, _)| *l).collect();
        let moving: HashSet<Value> =
            late.iter().chain(&each).map(|(l, _)| *l).filter(|l| !held.contains(l) && !is_count(g.name(*l))).collect();
        let of_sums: HashSet<Value> = late.iter().map(|(l, _)| *l).filter(|l| moving.contains(l)).collect();
        let before: Vec<Value> = terms.keys().chain(&cut).copied().collect();
        let (_, read) = g.behind(&before, |_| false);
        let (_, read_late) = updates.behind(&results(&all), |v| cut.contains(&v));
        if let Some(leaf) = read.iter().chain(&read_late).find(|l| of_sums.contains(l)) {
            return Err(Error::Config(format!("{} {}", g.name(*leaf), Shared::APART)));
        }
        let in_turn = read.iter().find(|l| moving.contains(l)).map(|l| g.name(*l).to_string());

        let with_inputs = |assigns: &[(Value, Value)], given: &HashSet<Value>| -> Result<Graph> {
            let mut part = updates.asked(Vec::new(), assigns)?;
            for (i, v) in cut.iter().enumerate().filter(|(_, v)| given.contains(v)) {
                part.give(*v, &name(i))?;
            }
            Ok(part)
        };
        let everything: HashSet<Value> = cut.iter().copied().collect();
        Ok(Shared {
            compute,
            follow: with_inputs(&each, &needed)?,
            finish: with_inputs(&all, &everything)?,
            gradients: terms.keys().map(|v| Cut { name: gradient(*v), meta: g.meta(*v).clone() }).collect(),
            rest: cut.iter().enumerate().map(|(i, v)| Cut { name: name(i), meta: g.meta(*v).clone() }).collect(),
            in_turn,
        })
    }
}

/// What the nodes of a step are.
struct Kinds {
    /// Those that add up gradients, by their places.
    sums: Vec<usize>,
    /// Whether a node runs with a batch, by its place.
    of_batch: Vec<bool>,
}

impl Kinds {
    fn of(g: &Graph) -> Kinds {
        let nodes = g.nodes();
        let is_sum = |n: &usize| (nodes[*n].op.as_ref() as &dyn Any).is::<AddedUp>();
        let sums: Vec<usize> = (0..nodes.len()).filter(is_sum).collect();
        let (mut depends, mut of_batch) = (vec![false; nodes.len()], vec![false; nodes.len()]);
        for (i, node) in nodes.iter().enumerate() {
            depends[i] = node.inputs.iter().any(|v| match g.def(*v) {
                Def::Leaf(leaf) => matches!(leaf, Leaf::Input),
                Def::Node { node, .. } => depends[*node],
            });
            let with_batch = |v: &Value| match g.def(*v) {
                Def::Leaf(leaf) => matches!(leaf, Leaf::Input | Leaf::Const(_)),
                Def::Node { node, .. } => of_batch[*node],
            };
            // What depends on leaves and scalars alone is made again where it is needed: then it is as it stands there.
            of_batch[i] = depends[i]
                && match node.phase {
                    Phase::Forward | Phase::Backward => true,
                    // What an update makes of one batch alone can as well be made with it, and may be smaller. Pointwise ops stay
                    // with those that they are one kernel with: on some devices a product and a sum in one are rounded once.
                    Phase::Update => node.op.pointwise().is_none() && node.inputs.iter().all(with_batch),
                };
        }
        Kinds { sums, of_batch }
    }

    /// Whether a value is what a sum of gradients becomes.
    fn is_sum(&self, g: &Graph, v: Value) -> bool {
        matches!(g.def(v), Def::Node { node, .. } if self.sums.contains(node))
    }

    /// What `wanted` needs of a batch: inputs, and what nodes make that run with it.
    fn cut(&self, updates: &Graph, wanted: &[Value]) -> Vec<Value> {
        let of_batch = |v: Value| match updates.def(v) {
            Def::Leaf(leaf) => matches!(leaf, Leaf::Input) && !updates.name(v).starts_with("exchange."),
            Def::Node { node, .. } => self.of_batch[*node],
        };
        let (nodes, _) = updates.behind(wanted, of_batch);
        let read = nodes.iter().flat_map(|n| &updates.nodes()[*n].inputs).chain(wanted);
        let mut cut: Vec<Value> = read.copied().filter(|v| of_batch(*v)).collect();
        cut.sort_unstable_by_key(|v| v.index());
        cut.dedup();
        cut
    }
}

/// Whether `leaf` stays as it is until the last batch of a step: what it becomes is gated by [`HOLDS`](super::HOLDS).
fn is_held(g: &Graph, leaf: Value, v: Value) -> bool {
    let Def::Node { node, .. } = g.def(v) else { return false };
    let node = &g.nodes()[*node];
    if node.op.name() != "select" || node.inputs[1] != leaf {
        return false;
    }
    // The gate is the larger of several.
    let mut gates = vec![node.inputs[0]];
    while let Some(gate) = gates.pop() {
        match g.def(gate) {
            Def::Leaf(Leaf::Scalar(_)) if g.name(gate) == HOLDS => return true,
            Def::Node { node, .. } if ["maximum", "reshape"].contains(&g.nodes()[*node].op.name()) => {
                gates.extend(&g.nodes()[*node].inputs);
            }
            _ => {}
        }
    }
    false
}
