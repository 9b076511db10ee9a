//! Several batches as one step: their gradients are added up, and the step is that of the last one, by the mean.
//!
//! For batches in their order `a = g_1`, `a = a + g_2`, ...; the step takes `a / N`. What the network itself follows (running
//! statistics, queues, counts) goes on with every batch.

use super::formulas::AddedUp;
use crate::error::Result;
use crate::graph::{Graph, Init, Phase, Value};

/// The scalar that is 1 where batches of the same step went before, else 0.
pub const ADDS: &str = "accumulate.adds";
/// The scalar that is 1 where batches of the same step follow, else 0.
pub const HOLDS: &str = "accumulate.holds";

/// The mean gradients of the batches of a step until now, of `batches` in all; each sum is kept in a state leaf whose name
/// begins with `prefix`.
///
/// # Errors
/// If a gradient is not of its parameter's shape.
pub fn accumulated(
    g: &mut Graph,
    batches: usize,
    prefix: &str,
    params: &[Value],
    grads: &[Value],
) -> Result<Vec<Value>> {
    if batches == 1 {
        return Ok(grads.to_vec());
    }
    g.in_phase(Phase::Update, |g| {
        let adds = g.scalar(ADDS)?;
        let one = |g: &mut Graph, param: Value, grad: Value| {
            let name = format!("{prefix}{}", g.name(param));
            let sum = g.state(&name, g.meta(param).clone(), Init::Zeros)?;
            let new = g.apply1(AddedUp {}, &[sum, grad, adds])?;
            g.assign(sum, new)?;
            g.scale(new, 1.0 / batches as f32)
        };
        params.iter().zip(grads).map(|(&param, &grad)| one(g, param, grad)).collect()
    })
}

/// A gate (one number) for what happens once a step: up where `gate` is, and for all batches of a step but the last.
///
/// # Errors
/// If the graph was built with a value of another one.
pub fn held(g: &mut Graph, batches: usize, gate: Value) -> Result<Value> {
    if batches == 1 {
        return Ok(gate);
    }
    g.in_phase(Phase::Update, |g| {
        let holds = g.scalar(HOLDS)?;
        g.maximum(gate, holds)
    })
}
