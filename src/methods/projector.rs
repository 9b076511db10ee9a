//! The small network behind a backbone that self-supervised methods train and throw away: one linear layer, or two with
//! ReLU, and if asked for normalisation, between them. Layers are numbered as in PyTorch's `Sequential`.

use crate::error::Result;
use crate::graph::{Graph, Init, Meta, Role, Value};
use crate::ops::norm::{BatchNormLeaves, BatchNormMode};

/// What becomes of a projector's numbers in a step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Life {
    /// They are trained; statistics are followed unless the gate is up.
    Trained(Value),
    /// They stay, and what passes is normalised by the statistics of the batch.
    Still,
    /// They stay, and what passes is normalised by the stored statistics.
    Stored,
}

/// The layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projector {
    /// Units of the hidden layer; 0 for none.
    pub hidden: usize,
    /// Normalises the hidden layer.
    pub norm: bool,
    /// Numbers that come out.
    pub out: usize,
}

impl Projector {
    /// Appends it under a name: `[n, d]` to `[n, out]`.
    pub(super) fn append(&self, g: &mut Graph, name: &str, x: Value, life: Life) -> Result<Value> {
        g.scoped(name, |g| {
            if self.hidden == 0 {
                return linear(g, "0", x, self.out, life);
            }
            let mut x = linear(g, "0", x, self.hidden, life)?;
            if self.norm {
                x = norm(g, "1", x, life)?;
            }
            x = g.relu(x)?;
            linear(g, if self.norm { "3" } else { "2" }, x, self.out, life)
        })
    }
}

/// A trained leaf, or a state that stays.
fn leaf(g: &mut Graph, name: &str, shape: &[usize], init: Init, role: Role, life: Life) -> Result<Value> {
    match life {
        Life::Trained(_) => g.param(name, shape, init, role),
        Life::Still | Life::Stored => g.state(name, Meta::f32(shape), init),
    }
}

/// A linear layer with bias, starting as PyTorch's.
pub(super) fn linear(g: &mut Graph, name: &str, x: Value, out: usize, life: Life) -> Result<Value> {
    let k = g.shape(x).columns();
    let init = Init::fan_in_uniform(k);
    let w = leaf(g, &format!("{name}.weight"), &[out, k], init, Role::Weight, life)?;
    let b = leaf(g, &format!("{name}.bias"), &[out], init, Role::Other, life)?;
    g.linear(x, w, Some(b))
}

fn norm(g: &mut Graph, name: &str, x: Value, life: Life) -> Result<Value> {
    let n = [g.shape(x).columns()];
    let leaves = BatchNormLeaves {
        gamma: leaf(g, &format!("{name}.weight"), &n, Init::Constant(1.0), Role::Norm, life)?,
        beta: leaf(g, &format!("{name}.bias"), &n, Init::Zeros, Role::Norm, life)?,
        running_mean: g.state(&format!("{name}.running_mean"), Meta::f32(n), Init::Zeros)?,
        running_var: g.state(&format!("{name}.running_var"), Meta::f32(n), Init::Constant(1.0))?,
    };
    let mode = match life {
        Life::Trained(gate) => BatchNormMode::Train { momentum: 0.1, gate: Some(gate) },
        Life::Still => BatchNormMode::Batch,
        Life::Stored => BatchNormMode::Eval,
    };
    g.batch_norm(x, None, &leaves, mode, 1e-5)
}
