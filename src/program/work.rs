//! How much a step of a program has to do: what rates and shares of a device's ceilings are made of.

use super::{Program, Work};
use crate::graph::Meta;

/// Arithmetic and memory traffic of a step, whatever kernel does it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amount {
    /// Operations of the formula, a multiply-add being two; 0 where nobody counts them.
    pub operations: f64,
    /// Whether they are on single bits.
    pub bits: bool,
    /// Bytes of every tensor that it must read or write, each once.
    pub bytes: f64,
}

impl Program {
    /// How much step `i` has to do.
    pub fn amount(&self, i: usize) -> Amount {
        let (graph, step) = (&self.graph, &self.steps[i]);
        let mut amount = Amount::default();
        match &step.work {
            Work::Node { node, .. } => {
                let op = &graph.nodes()[*node].op;
                let metas =
                    |vs: &[crate::graph::Value]| vs.iter().map(|v| graph.meta(*v).clone()).collect::<Vec<Meta>>();
                (amount.operations, amount.bits) = op.operations(&metas(&step.inputs), &metas(&step.outputs));
            }
            Work::Copy { to, .. } => amount.bytes += graph.meta(*to).bytes() as f64,
            Work::Fused(_) => {}
        }
        amount.bytes += step.inputs.iter().chain(&step.outputs).map(|v| graph.meta(*v).bytes() as f64).sum::<f64>();
        amount
    }
}
