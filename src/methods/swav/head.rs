//! The head that turns features into points on the unit sphere, the prototypes that they are compared with, and codes.

use super::queue::Queue;
use super::spec::{Codes, SwavSpec};
use crate::error::Result;
use crate::graph::{Graph, Init, Role, Value};
use crate::methods::projector::Life;

/// Features to points on the unit sphere.
pub(super) fn sphere(g: &mut Graph, spec: &SwavSpec, features: Value, halted: Value) -> Result<Value> {
    let y = spec.head().append(g, "head", features, Life::Trained(halted))?;
    g.l2_normalize(y, 1e-12)
}

/// The prototypes.
#[derive(Clone, Copy, Debug)]
pub(in crate::methods) struct Prototypes {
    /// The parameter `[K, D]`.
    pub leaf: Value,
    /// Its rows at length 1, which take its place before the step.
    pub unit: Value,
}

pub(super) fn prototypes(g: &mut Graph, spec: &SwavSpec) -> Result<Prototypes> {
    let init = Init::fan_in_uniform(spec.dimension);
    let leaf = g.param("prototypes.weight", [spec.prototypes, spec.dimension], init, Role::Other)?;
    let fixed = g.detach(leaf)?;
    let moved = g.l2_normalize(fixed, 1e-12)?;
    g.rebase(leaf, moved);
    Ok(Prototypes { leaf, unit: g.stand_in(leaf, moved)? })
}

/// Codes `[B, K]` of scores `[B, K]`, balanced over the batch and what the queue, if there is one, holds.
pub(super) fn codes(
    g: &mut Graph,
    spec: &SwavSpec,
    scores: Value,
    queue: Option<&Queue>,
    prototypes: Prototypes,
) -> Result<Value> {
    match (spec.codes, queue) {
        (Codes::Softmax, _) => {
            let fixed = g.detach(scores)?;
            let sharp = g.scale(fixed, 1.0 / spec.epsilon)?;
            g.softmax(sharp)
        }
        (Codes::Sinkhorn, None) => g.sinkhorn(scores, spec.epsilon, spec.iterations),
        (Codes::Sinkhorn, Some(queue)) => {
            let (all, left_out) = queue.before(g, scores, prototypes)?;
            let codes = g.sinkhorn_without(Some(left_out), all, spec.epsilon, spec.iterations)?;
            g.slice(codes, 0, queue.rows..queue.rows + g.shape(scores)[0], 1)
        }
    }
}
