//! How much a step of a program has to do: what rates and shares of a device's ceilings are made of.

use super::{Program, Work};
use crate::graph::Meta;
use crate::tensor::DType;
use serde::{Deserialize, Serialize};

/// What multiply-adds are made of, and with that what they can cost at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operands {
    /// Two floats.
    #[default]
    Floats,
    /// A float and a bit: its gradients need no products, and sums of several floats can be looked up.
    FloatsAndBits,
    /// Two bits.
    Bits,
}

/// Arithmetic and memory traffic of a step, whatever kernel does it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amount {
    /// Operations of the formula, a multiply-add being two; 0 where nobody counts them.
    pub operations: f64,
    /// What they are on.
    pub operands: Operands,
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
                let bits;
                (amount.operations, bits) = op.operations(&metas(&step.inputs), &metas(&step.outputs));
                amount.operands = match bits {
                    true => Operands::Bits,
                    false if step.inputs.iter().any(|v| graph.dtype(*v) == DType::Bits) => Operands::FloatsAndBits,
                    false => Operands::Floats,
                };
            }
            Work::Copy { to, .. } => amount.bytes += graph.meta(*to).bytes() as f64,
            Work::Fused(_) => {}
        }
        amount.bytes += step.inputs.iter().chain(&step.outputs).map(|v| graph.meta(*v).bytes() as f64).sum::<f64>();
        amount
    }
}
