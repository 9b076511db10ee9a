//! The gradients of every node of a step, at the numbers that it meets there, against finite differences, all in f64: what is
//! wrong is named, and with it its layer. A chain of right nodes is right.
//!
//! A node `y = f(x)` with a random loss `r · y` has the gradient `d` that its op appends; along a random direction `v`,
//! `(r · f(x + h v) - r · f(x - h v)) / 2h` must be `d · v`. Where no gradient is given, though one could be taken further back,
//! nothing may change. Numbers are moved a little off what they are, so that no maximum stands on its edge. Bits have no
//! neighbours: one is turned over.
//!
//! What a gradient is one of, an op says ([`GradientOf`]). That of a batch normalisation's `x a + c` with respect to x takes the
//! way through the statistics along, as they are detached; differences then go that way too, and those of a and c do not.
//! Nodes that make bits or integers of floats have gradients by definition, as have those that say so.

mod local;
mod report;
mod walk;

pub use report::{GradientReport, InputGradient, LayerGradients};

use super::reference::run_reference;
use crate::error::Result;
use crate::graph::{GradientOf, Graph};
use crate::tensor::{DType, RefTensor};
use local::Local;
use rayon::prelude::*;
use std::collections::BTreeMap;
use walk::{Walk, Walked, can_move};

/// Nodes that are looked at together.
const AT_ONCE: usize = 16;

/// What came of a node.
#[derive(Clone, Debug)]
pub enum Checked {
    /// Its inputs, each with its worst direction.
    Differences(Vec<InputGradient>),
    /// Its gradient is defined, not derived: nothing to compare.
    Definition,
    /// No gradient of it goes anywhere.
    None,
}

/// A node that a backward pass comes by.
#[derive(Clone, Debug)]
pub struct NodeGradient {
    /// Its position in the graph.
    pub node: usize,
    /// Its op.
    pub op: &'static str,
    /// Its layer.
    pub scope: String,
    /// How its gradients compare.
    pub checked: Checked,
}

/// Checks the gradients of all nodes that the backward passes of `graph` come by, with this content of its leaves by name and of
/// its scalars by slot. `each` is told of every node, in order, and how many there are.
///
/// # Errors
/// If an op cannot append its gradient.
///
/// # Panics
/// If a leaf has no content.
pub fn check_node_gradients(
    graph: &Graph,
    leaves: &BTreeMap<String, RefTensor>,
    scalars: &[f64],
    mut each: impl FnMut(NodeGradient, usize),
) -> Result<()> {
    let at = run_reference(graph, leaves, scalars);
    let walk = Walk::new(graph)?;
    for some in walk.walked.chunks(AT_ONCE) {
        let checked: Vec<NodeGradient> = some.par_iter().map(|w| check(&walk, w, &at)).collect();
        checked.into_iter().for_each(|c| each(c, walk.walked.len()));
    }
    Ok(())
}

fn check(walk: &Walk, walked: &Walked, at: &[RefTensor]) -> NodeGradient {
    let node = &walk.graph.nodes()[walked.node];
    let op = node.op.name();
    let done = |checked| NodeGradient { node: walked.node, op, scope: node.scope.clone(), checked };
    if is_definition(walk, walked) {
        return done(Checked::Definition);
    }
    let local = Local::new(walk, walked, at);
    let compare = |(input, d): (usize, Option<Vec<f64>>)| {
        let v = node.inputs[input];
        let is_compared = walked.needed[input] && can_move(walk.graph.dtype(v));
        let d = match d {
            Some(d) => d,
            None if walked.is_trained[input] => vec![0.0; walk.graph.shape(v).elements()],
            None => return None,
        };
        let made = local.differences(input, &d).filter(|_| is_compared)?;
        let (derived, numeric, fraction) = (made.derived, made.numeric, made.fraction);
        Some(InputGradient { node: walked.node, op: op.to_string(), input, derived, numeric, fraction })
    };
    let inputs: Vec<InputGradient> = local.gradients().into_iter().enumerate().filter_map(compare).collect();
    done(if inputs.is_empty() { Checked::None } else { Checked::Differences(inputs) })
}

/// Whether the gradient is another than the derivative: the op says so, or floats become bits or integers.
fn is_definition(walk: &Walk, walked: &Walked) -> bool {
    let node = &walk.graph.nodes()[walked.node];
    let is_float = |v| walk.graph.dtype(v) == DType::F32;
    let takes = node.inputs.iter().zip(&walked.needed).any(|(v, needed)| *needed && is_float(*v));
    let gives = node.outputs.iter().zip(&walked.dy).any(|(v, dy)| dy.is_some() && is_float(*v));
    node.op.gradient_of() == GradientOf::Definition || takes && !gives
}
