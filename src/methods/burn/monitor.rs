//! Watches a target for collapse: for outputs that say the same of every image.

use super::spec::{BurnSpec, Guard};
use crate::error::Result;
use crate::graph::{Graph, Init, Meta, Phase, Value};
use crate::methods::tracking::track_mean;
use crate::recipe::Recipe;
use std::collections::BTreeMap;

/// The share of the first mutual information below which a target has collapsed.
const COLLAPSED: f32 = 0.1;

/// Follows the mutual information `[]` of a target's outputs; whether it has collapsed in this step or before, `[1]`. A run
/// that has never seen one takes that of its first step as the first.
pub(super) fn watch(g: &mut Graph, information: Value, stop: Value) -> Result<Value> {
    g.in_phase(Phase::Update, |g| {
        let now = g.reshape(information, [1])?;
        let first = g.state("burn.first_information", Meta::f32([1]), Init::Zeros)?;
        let base = g.select(first, first, now)?;
        let kept = g.gate(stop, base, first)?;
        g.assign(first, kept)?;
        let least = g.scale(base, COLLAPSED)?;
        let low = g.greater(least, now)?;
        let before = g.state("burn.collapsed", Meta::f32([1]), Init::Zeros)?;
        let collapsed = g.maximum(before, low)?;
        let kept = g.gate(stop, collapsed, before)?;
        g.assign(before, kept)?;
        track_mean(g, "target_collapsed", collapsed, stop)?;
        Ok(collapsed)
    })
}

/// What is to be said of a target that has collapsed.
pub(super) fn warning(recipe: &Recipe, spec: &BurnSpec, means: &BTreeMap<String, f64>) -> Option<String> {
    if *means.get("target_collapsed")? == 0.0 {
        return None;
    }
    let information = means.get("target_information")?;
    let then = match spec.guard {
        Guard::Freeze => "its classifier stays as it is from there on (burn.guard)",
        Guard::None => "nothing keeps it from that (burn.guard = \"none\")",
    };
    let most = (spec.outputs.min(recipe.batch) as f64).ln();
    Some(format!(
        "the target has collapsed: the mutual information of its outputs fell to {information:.3} of at most {most:.2}, below \
         a tenth of what it was; {then}. In this order: burn.target = \"joint-swav\", burn.similarity = \"features\", a \
         smaller burn.target_rate (0.01)"
    ))
}
