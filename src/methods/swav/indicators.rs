//! What a run of SwAV tells of itself.

use super::Objective;
use super::spec::SwavSpec;
use crate::error::Result;
use crate::graph::{Graph, Phase, Value};
use crate::methods::tracking::track_mean;
use crate::recipe::Recipe;
use std::collections::BTreeMap;

/// Number of samples whose largest score is where their code, or what else they are compared with, is largest.
pub(in crate::methods) fn agreement(g: &mut Graph, scores: Value, codes: Value) -> Result<Value> {
    g.in_phase(Phase::Update, |g| {
        let (said, meant) = (g.argmax(scores, 1)?, g.argmax(codes, 1)?);
        let same = g.equal(said, meant)?;
        let n = g.shape(same).elements();
        let same = g.reshape(same, [n])?;
        let same = g.to_f32(same)?;
        g.sum(same, &[0])
    })
}

/// What tells a collapse, as means of an epoch: the loss (chance is ln K), the entropy of how a batch uses the prototypes
/// (at most ln of the smaller of batch and K), how far the codes are from balance (0 is balanced), and how far features
/// spread over the sphere (1 in all directions, 0 if all are equal).
pub(super) fn log(g: &mut Graph, spec: &SwavSpec, made: &Objective, stop: Value) -> Result<()> {
    let (z, codes, loss) = (made.z, made.codes[0].1, made.loss);
    g.in_phase(Phase::Update, |g| {
        let (batch, k) = (g.shape(codes)[0], spec.prototypes);
        track_mean(g, "swav_loss", loss, stop)?;

        let best = g.argmax(made.scores[0], 1)?;
        let best = g.reshape(best, [batch])?;
        let used = g.one_hot(best, k)?;
        let share = g.mean(used, &[0])?;
        let share = g.reshape(share, [k])?;
        // 0 ln 0 is 0.
        let safe = g.offset(share, 1e-12)?;
        let log = g.ln(safe)?;
        let terms = g.mul(share, log)?;
        let sum = g.sum(terms, &[0])?;
        let entropy = g.scale(sum, -1.0)?;
        track_mean(g, "usage_entropy", entropy, stop)?;

        let mass = g.sum(codes, &[0])?;
        let mass = g.reshape(mass, [k])?;
        let mass = g.scale(mass, k as f32 / batch as f32)?;
        let off = g.offset(mass, -1.0)?;
        let off = g.abs(off)?;
        let residual = g.max(off, &[0])?;
        track_mean(g, "sinkhorn_residual", residual, stop)?;

        let variance = g.var(z, &[0], false)?;
        let d = spec.dimension;
        let variance = g.reshape(variance, [d])?;
        let sum = g.sum(variance, &[0])?;
        let spread = g.sqrt(sum)?;
        track_mean(g, "feature_spread", spread, stop)
    })
}

/// The two ways in which it fails, and the remedies in the order in which its authors advise them.
pub(in crate::methods) fn warning(recipe: &Recipe, epoch: u64, means: &BTreeMap<String, f64>) -> Option<String> {
    let spec = super::settings(recipe);
    let (loss, entropy) = (*means.get("swav_loss")?, *means.get("usage_entropy")?);
    let most = (spec.prototypes.min(recipe.batch) as f64).ln();
    let unlearned = (spec.prototypes as f64).ln();
    let why = if entropy < 0.2 * most {
        format!(
            "training has collapsed: nearly all images take the same prototypes (entropy of their use {entropy:.2} of at \
             most {most:.2}, loss {loss:.3})"
        )
    } else if epoch > spec.freeze_epochs + 1 && loss > unlearned - 0.05 {
        format!("training has not begun: the loss {loss:.3} is that of chance, ln K = {unlearned:.3}")
    } else {
        return None;
    };
    Some(format!(
        "{why}. In this order: balanced codes (swav.codes = \"sinkhorn\"), a smaller swav.epsilon (0.03), a larger \
         swav.freeze_epochs, swav.hidden = 0, weaker augmentation"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_tell_the_two_collapses_apart_and_leave_health_alone() {
        let recipe = Recipe::find("small-swav").unwrap().1;
        let k = (super::super::settings(&recipe).prototypes as f64).ln();
        let of = |epoch, loss: f64, entropy: f64| {
            let means = [("swav_loss".to_string(), loss), ("usage_entropy".to_string(), entropy)];
            warning(&recipe, epoch, &means.into())
        };
        assert_eq!(of(10, k - 1.0, 0.9 * k), None);
        assert_eq!(of(1, k, 0.9 * k), None, "the first epochs are always near chance");
        assert!(of(10, 0.0, 0.0).unwrap().contains("collapsed"));
        assert!(of(10, k, 0.9 * k).unwrap().contains("not begun"));
    }
}
