//! SwAV: swapped assignment between views (Caron et al., NeurIPS 2020, arXiv 2006.09882). No labels.
//!
//! Each image is seen in several views. A network f and a head give features z of length 1; K trained unit vectors C, the
//! prototypes, give scores s = z Cᵀ. Codes q of a view are a balanced soft assignment of the batch to the prototypes
//! (Sinkhorn-Knopp), and the network learns to predict them from the other views:
//!
//! ```text
//! L = mean over views i with codes, and over v ≠ i, of -Σ_k q_i log softmax(s_v / τ)_k
//! ```
//!
//! Before each step the prototypes are brought back to length 1; in the first epochs they stay. Head and prototypes are
//! thrown away: a test asks the nearest neighbours of the network's own features.

use super::parts;
use crate::data::AugmentSpec;
use crate::error::{Error, Result};
use crate::graph::{Graph, Init, Meta, Phase, Role, Value};
use crate::nn::Mode;
use crate::ops::norm::{BatchNormLeaves, BatchNormMode};
use crate::train::method::{Graphs, Judge, Method, Progress, Task};
use crate::train::metrics::{halted_before, track, track_mean};
use crate::train::recipe::Recipe;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How codes are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Codes {
    /// By Sinkhorn-Knopp, which uses all prototypes.
    #[default]
    Sinkhorn,
    /// By a softmax of each sample alone: collapses, and shows what the balance is for.
    Softmax,
}

/// SwAV's settings, as they stand in a recipe's `[swav]` table. The defaults are those for images of 32 pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SwavSpec {
    /// Views of an image.
    pub views: usize,
    /// How many of them, the first ones, have codes.
    pub with_codes: usize,
    /// K.
    pub prototypes: usize,
    /// Numbers of a feature behind the head.
    pub dimension: usize,
    /// Units of the head's hidden layer; 0 for a head of one linear layer.
    pub hidden: usize,
    /// τ of the predictions.
    pub temperature: f32,
    /// How codes are made.
    pub codes: Codes,
    /// ε of the codes: smaller is harder.
    pub epsilon: f32,
    /// Iterations of Sinkhorn-Knopp.
    pub iterations: usize,
    /// Epochs in which the prototypes stay as they start.
    pub freeze_epochs: u64,
}

impl Default for SwavSpec {
    fn default() -> Self {
        SwavSpec {
            views: 2,
            with_codes: 2,
            prototypes: 100,
            dimension: 128,
            hidden: 512,
            temperature: 0.1,
            codes: Codes::Sinkhorn,
            epsilon: 0.05,
            iterations: 3,
            freeze_epochs: 1,
        }
    }
}

impl SwavSpec {
    /// Checks all values.
    ///
    /// # Errors
    /// [`Error::Config`] naming the setting and its value.
    pub fn validate(&self) -> Result<()> {
        let fail = |m: String| Err(Error::Config(m));
        if self.views < 2 || self.with_codes == 0 || self.with_codes > self.views {
            return fail(format!(
                "swav.views = {} and swav.with_codes = {}: give at least 2 views, of which 1 or more have codes",
                self.views, self.with_codes
            ));
        }
        if self.prototypes < 2 || self.dimension == 0 || self.iterations == 0 {
            return fail(format!(
                "swav.prototypes = {}, swav.dimension = {}, swav.iterations = {}: give at least 2, 1 and 1",
                self.prototypes, self.dimension, self.iterations
            ));
        }
        for (name, v) in [("temperature", self.temperature), ("epsilon", self.epsilon)] {
            if !(v > 0.0 && v.is_finite()) {
                return fail(format!("swav.{name} = {v}: give a number over 0"));
            }
        }
        Ok(())
    }
}

/// SwAV.
#[derive(Clone, Copy, Debug)]
pub struct Swav;

impl Method for Swav {
    fn name(&self) -> &'static str {
        "swav"
    }

    fn build(&self, task: &Task<'_>, batch: usize, eval_batch: usize) -> Result<Graphs> {
        let step = vec![("train", train(task, batch)?)];
        Ok(Graphs { step, eval: self.eval(task, eval_batch)?, ..Graphs::default() })
    }

    /// Images to features.
    fn eval(&self, task: &Task<'_>, batch: usize) -> Result<Graph> {
        parts::features(task, batch)
    }

    fn scalar(&self, recipe: &Recipe, progress: Progress, name: &str) -> Option<f32> {
        match name {
            "swav.frozen" => Some((progress.epoch() < settings(recipe).freeze_epochs) as u8 as f32),
            _ => parts::scalar(recipe, progress, name),
        }
    }

    fn views(&self, recipe: &Recipe) -> Vec<AugmentSpec> {
        vec![recipe.augment.clone(); settings(recipe).views]
    }

    fn judge(&self) -> Judge {
        Judge::Neighbours
    }

    /// The two ways in which it fails, and the remedies in the order in which its authors advise them.
    fn warning(&self, recipe: &Recipe, epoch: u64, means: &BTreeMap<String, f64>) -> Option<String> {
        let spec = settings(recipe);
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
}

fn settings(recipe: &Recipe) -> SwavSpec {
    recipe.swav.clone().unwrap_or_default()
}

fn train(task: &Task<'_>, batch: usize) -> Result<Graph> {
    let g = &mut Graph::new();
    let spec = settings(task.recipe);
    let halted = halted_before(g)?;
    let x = parts::views(g, task, batch, &Swav.views(task.recipe))?;
    // All views of a size as one batch: they share the statistics of normalisation.
    let features = task.recipe.net.network(g, x, 0, Mode::Train, Some(halted))?.features;
    let z = head(g, &spec, features, halted)?;
    let prototypes = prototypes(g, &spec)?;
    let all = g.linear(z, prototypes.unit, None)?;
    let scores: Vec<Value> =
        (0..spec.views).map(|v| g.slice(all, 0, v * batch..(v + 1) * batch, 1)).collect::<Result<_>>()?;
    let codes: Vec<(usize, Value)> =
        (0..spec.with_codes).map(|i| Ok((i, codes(g, &spec, scores[i])?))).collect::<Result<_>>()?;
    let loss = g.swapped_prediction(&scores, &codes, spec.temperature)?;

    let agree = agreement(g, scores[1], codes[0].1)?;
    let stop = track(g, loss, agree)?;
    indicators(g, &spec, z, &scores, codes[0].1, loss, stop)?;
    let parameters: Vec<Value> = g.params().into_iter().filter(|p| *p != prototypes.leaf).collect();
    let gradients = g.backward(loss, &[&parameters[..], &[prototypes.leaf]].concat())?;
    let (of_prototypes, of_parameters) = gradients.split_last().expect("the prototypes have one");
    task.recipe.optimiser.step(g, &parameters, of_parameters, Some(stop))?;
    // Frozen ones have neither momentum nor decay.
    let frozen = g.scalar("swav.frozen")?;
    let stay = g.in_phase(Phase::Update, |g| g.maximum(stop, frozen))?;
    task.recipe.optimiser.step(g, &[prototypes.leaf], &[*of_prototypes], Some(stay))?;
    Ok(std::mem::take(g))
}

/// Features to points on the unit sphere, by one linear layer or two with normalisation and ReLU between them; layers are
/// numbered as in PyTorch.
fn head(g: &mut Graph, spec: &SwavSpec, features: Value, halted: Value) -> Result<Value> {
    let linear = |g: &mut Graph, name: &str, x: Value, out: usize| {
        let k = g.shape(x).columns();
        let init = Init::fan_in_uniform(k);
        let w = g.param(&format!("{name}.weight"), [out, k], init, Role::Weight)?;
        let b = g.param(&format!("{name}.bias"), [out], init, Role::Other)?;
        g.linear(x, w, Some(b))
    };
    g.scoped("head", |g| {
        let mut x = features;
        let mut last = "0";
        if spec.hidden > 0 {
            x = linear(g, "0", x, spec.hidden)?;
            let n = [spec.hidden];
            let leaves = BatchNormLeaves {
                gamma: g.param("1.weight", n, Init::Constant(1.0), Role::Norm)?,
                beta: g.param("1.bias", n, Init::Zeros, Role::Norm)?,
                running_mean: g.state("1.running_mean", Meta::f32(n), Init::Zeros)?,
                running_var: g.state("1.running_var", Meta::f32(n), Init::Constant(1.0))?,
            };
            x = g.batch_norm(x, None, &leaves, BatchNormMode::Train { momentum: 0.1, gate: Some(halted) }, 1e-5)?;
            x = g.relu(x)?;
            last = "3";
        }
        let y = linear(g, last, x, spec.dimension)?;
        g.l2_normalize(y, 1e-12)
    })
}

struct Prototypes {
    /// The parameter `[K, D]`.
    leaf: Value,
    /// Its rows at length 1, which take its place before the step.
    unit: Value,
}

fn prototypes(g: &mut Graph, spec: &SwavSpec) -> Result<Prototypes> {
    let init = Init::fan_in_uniform(spec.dimension);
    let leaf = g.param("prototypes.weight", [spec.prototypes, spec.dimension], init, Role::Other)?;
    let fixed = g.detach(leaf)?;
    let moved = g.l2_normalize(fixed, 1e-12)?;
    g.rebase(leaf, moved);
    Ok(Prototypes { leaf, unit: g.stand_in(leaf, moved)? })
}

/// Codes `[B, K]` of scores.
fn codes(g: &mut Graph, spec: &SwavSpec, scores: Value) -> Result<Value> {
    match spec.codes {
        Codes::Sinkhorn => g.sinkhorn(scores, spec.epsilon, spec.iterations),
        Codes::Softmax => {
            let fixed = g.detach(scores)?;
            let sharp = g.scale(fixed, 1.0 / spec.epsilon)?;
            g.softmax(sharp)
        }
    }
}

/// Number of samples whose best prototype in one view is that of their code in another.
fn agreement(g: &mut Graph, scores: Value, codes: Value) -> Result<Value> {
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
fn indicators(
    g: &mut Graph,
    spec: &SwavSpec,
    z: Value,
    scores: &[Value],
    codes: Value,
    loss: Value,
    stop: Value,
) -> Result<()> {
    g.in_phase(Phase::Update, |g| {
        let (batch, k) = (g.shape(codes)[0], spec.prototypes);
        track_mean(g, "swav_loss", loss, stop)?;

        let best = g.argmax(scores[0], 1)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_tell_the_two_collapses_apart_and_leave_health_alone() {
        let recipe = Recipe::find("small-swav").unwrap().1;
        let k = (settings(&recipe).prototypes as f64).ln();
        let of = |epoch, loss: f64, entropy: f64| {
            let means = [("swav_loss".to_string(), loss), ("usage_entropy".to_string(), entropy)];
            Swav.warning(&recipe, epoch, &means.into())
        };
        assert_eq!(of(10, k - 1.0, 0.9 * k), None);
        assert_eq!(of(1, k, 0.9 * k), None, "the first epochs are always near chance");
        assert!(of(10, 0.0, 0.0).unwrap().contains("collapsed"));
        assert!(of(10, k, 0.9 * k).unwrap().contains("not begun"));
    }
}
