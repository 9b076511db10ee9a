//! Self-Masking Networks (Taboada Warmerdam, Caron, Asano, GCPR 2024, arXiv 2409.07577): a trained network learns other
//! images without changing a weight. One bit a weight says whether it counts ([`crate::nn::Adapt`] has the formulas); scores
//! of which the bits are made are trained, by SwAV's loss with a small head, which is thrown away.
//!
//! ```text
//! scores: SGD with momentum and a large learning rate, no decay; all start at 1, so that all weights count
//! head and prototypes: the recipe's optimiser
//! ```
//!
//! The paper's baselines are settings: masks trained with labels (`objective = "labels"`), the largest scores of each tensor
//! instead of those over a threshold (`keep`), full fine-tuning (`adapt = "weights"`), and no more than the statistics of
//! normalisations (`adapt = "statistics"`), which follow the new images in any case.

use super::{parts, swav};
use crate::data::AugmentSpec;
use crate::error::{Error, Result};
use crate::graph::{Graph, Phase, Role, Value};
use crate::methods::swav::SwavSpec;
use crate::methods::tracking::{halted_before, track, track_mean};
use crate::methods::{EvaluatedBy, Graphs, Method, Progress, Task};
use crate::nn::{Adapt, Adapted, Masked, Mode, NetSpec};
use crate::optim::{OptimSpec, Rule};
use crate::recipe::{OwnTable, Recipe};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is minimised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// SwAV's loss, no labels.
    #[default]
    Swav,
    /// Cross-entropy of a new last layer.
    Labels,
}

/// Self-Masking Networks' settings, as they stand in a recipe's `[smn]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SmnSpec {
    /// What changes.
    pub adapt: Adapted,
    /// What is minimised.
    pub objective: Objective,
    /// Learning rate of the scores, which the schedule changes as it does the recipe's.
    pub score_lr: f32,
    /// Momentum of the scores.
    pub score_momentum: f32,
    /// Weight decay of the scores: none, or masks depend on where scores start.
    pub score_decay: f32,
    /// μ: weights with a score over it count.
    pub threshold: f32,
    /// Where scores start.
    pub start: f32,
    /// Whether the gradient takes the way through the share of active weights too, as the release does.
    pub scale_gradient: bool,
    /// Keeps this share of each tensor, the largest scores, whatever the threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<f32>,
    /// Masks factors and offsets of normalisations on shortcuts too, as the release does by their name.
    pub shortcut_norms: bool,
}

impl Default for SmnSpec {
    fn default() -> Self {
        SmnSpec {
            adapt: Adapted::Masks,
            objective: Objective::Swav,
            score_lr: 50.0,
            score_momentum: 0.9,
            score_decay: 0.0,
            threshold: 0.0,
            start: 1.0,
            scale_gradient: true,
            keep: None,
            shortcut_norms: true,
        }
    }
}

impl SmnSpec {
    /// How a network is adapted.
    pub fn adaptation(&self, net: &NetSpec) -> Adapt {
        Adapt {
            what: self.adapt,
            threshold: self.threshold,
            start: self.start,
            scale_gradient: self.scale_gradient,
            keep: self.keep,
            shortcut_norms: self.shortcut_norms,
            linear_alone: net.has_attention(),
        }
    }

    fn scores(&self) -> OptimSpec {
        let rule = Rule::Sgd { momentum: self.score_momentum, nesterov: false };
        OptimSpec { weight_decay: self.score_decay, ..OptimSpec::new(rule) }
    }
}

/// Self-Masking Networks.
#[derive(Clone, Copy, Debug)]
pub struct Smn;

impl Method for Smn {
    fn name(&self) -> &'static str {
        "smn"
    }

    fn tables(&self) -> &'static [OwnTable] {
        const { &[OwnTable::of::<SmnSpec>("smn"), swav::TABLE] }
    }

    fn validate(&self, recipe: &Recipe) -> Result<()> {
        let fail = |m: String| Err(Error::Config(m));
        let spec = settings(recipe);
        if recipe.start_from.is_empty() {
            return fail(
                "method = \"smn\" adapts a trained network: name its run with start_from (--set start_from=DIR)".into(),
            );
        }
        if recipe.net.is_binary() {
            return fail(
                "method = \"smn\" masks the weights of a network in full precision, but net.binary = true".into(),
            );
        }
        if let Some(keep) = spec.keep.filter(|k| !(*k > 0.0 && *k <= 1.0)) {
            return fail(format!("smn.keep = {keep}: give the share of weights to keep, over 0 and at most 1"));
        }
        for (name, v) in [("threshold", spec.threshold), ("start", spec.start)] {
            if !v.is_finite() {
                return fail(format!("smn.{name} = {v}: give a finite number"));
            }
        }
        for (name, v) in [("score_lr", spec.score_lr), ("score_decay", spec.score_decay)] {
            if !(v >= 0.0 && v.is_finite()) {
                return fail(format!("smn.{name} = {v}: give a number from 0 on"));
            }
        }
        if !(0.0..1.0).contains(&spec.score_momentum) {
            return fail(format!(
                "smn.score_momentum = {}: give a number from 0 up to, but not, 1",
                spec.score_momentum
            ));
        }
        if spec.keep.is_none() && spec.start <= spec.threshold {
            return fail(format!(
                "smn.start = {} is not over smn.threshold = {}: no weight would count at the start",
                spec.start, spec.threshold
            ));
        }
        if let Some(swav) = recipe.own::<SwavSpec>("swav") {
            swav.validate()?;
        }
        if spec.objective == Objective::Labels && recipe.own.contains_key("swav") {
            return fail("the table [swav] is for smn.objective = \"swav\", this is \"labels\"".into());
        }
        if spec.objective == Objective::Swav && recipe.data.label_share < 1.0 {
            return fail(format!(
                "data.label_share = {} leaves out images without labels, but smn.objective = \"swav\" needs none: leave it at 1",
                recipe.data.label_share
            ));
        }
        Ok(())
    }

    fn adaptation(&self, recipe: &Recipe) -> Option<Adapt> {
        Some(settings(recipe).adaptation(&recipe.net))
    }

    fn training(&self, task: &Task<'_>, batch: usize) -> Result<Graphs> {
        Ok(Graphs::step(match settings(task.recipe).objective {
            Objective::Swav => without_labels(task, batch)?,
            Objective::Labels => with_labels(task, batch)?,
        }))
    }

    fn scalar(&self, recipe: &Recipe, progress: Progress, name: &str) -> Option<f32> {
        if name == "scores.lr" {
            let lr = settings(recipe).score_lr;
            return Some(recipe.schedule.at(lr, progress.steps, progress.per_epoch, recipe.epochs));
        }
        swav::scalar(recipe, progress, name).or_else(|| parts::scalar(recipe, progress, name))
    }

    fn views(&self, recipe: &Recipe) -> Vec<AugmentSpec> {
        match settings(recipe).objective {
            Objective::Swav => swav::settings(recipe).augmentations(&recipe.augment),
            Objective::Labels => vec![recipe.augment.clone()],
        }
    }

    fn classifies(&self, recipe: &Recipe) -> bool {
        self.evaluated_by(recipe) == EvaluatedBy::Logits
    }

    fn evaluated_by(&self, recipe: &Recipe) -> EvaluatedBy {
        match settings(recipe).objective {
            Objective::Swav => EvaluatedBy::Neighbours,
            Objective::Labels => EvaluatedBy::Logits,
        }
    }

    /// The network; its old heads stay behind.
    fn inherits(&self, _recipe: &Recipe, tensor: &str) -> bool {
        !parts::is_of_a_head(tensor)
    }

    fn warning(&self, recipe: &Recipe, epoch: u64, means: &BTreeMap<String, f64>) -> Option<String> {
        let active = means.iter().filter(|(name, _)| name.starts_with("active."));
        if let Some((name, _)) = active.clone().find(|(_, share)| **share < 1e-3) {
            let tensor = name.trim_start_matches("active.");
            return Some(format!(
                "the mask of {tensor} is off nearly everywhere, so that the network passes nothing there: a smaller smn.score_lr"
            ));
        }
        swav::warning(recipe, epoch, means)
    }
}

/// A recipe's settings.
pub(super) fn settings(recipe: &Recipe) -> SmnSpec {
    recipe.settings("smn")
}

fn without_labels(task: &Task<'_>, batch: usize) -> Result<Graph> {
    let spec = swav::settings(task.recipe);
    let (g, ()) = parts::graph(|g| {
        let halted = halted_before(g)?;
        let (features, masks) = swav::features(g, task, batch, halted)?;
        let made = swav::Objective::new(g, &spec, features, batch, halted)?;
        let agree = made.agreement(g)?;
        let stop = track(g, made.loss, agree)?;
        made.log(g, &spec, stop)?;
        log_active(g, &masks, stop)?;
        let of_prototypes = optimiser_step(g, task, made.loss, Some(made.prototypes.leaf), stop)?;
        let of_prototypes = of_prototypes.expect("their gradient was asked for");
        made.advance(g, task.recipe, of_prototypes, stop)
    })?;
    Ok(g)
}

fn with_labels(task: &Task<'_>, batch: usize) -> Result<Graph> {
    let learn = |g: &mut Graph, inputs: &parts::Inputs| {
        let net = task.recipe.network().network(g, inputs.x, task.images.classes, Mode::Train, Some(inputs.halted))?;
        let loss = parts::classification_loss(g, task.recipe, net.logits, inputs)?;
        Ok((net.logits, loss, net.masks))
    };
    let (g, _) = parts::step(task, batch, learn, |g, loss, stop, masks| {
        log_active(g, &masks, stop)?;
        optimiser_step(g, task, loss, None, stop)
    })?;
    Ok(g)
}

/// One step of the scores, and of all else that is trained, by their own rules. The gradient of one more leaf, if asked for.
fn optimiser_step(
    g: &mut Graph,
    task: &Task<'_>,
    loss: Value,
    more: Option<Value>,
    stop: Value,
) -> Result<Option<Value>> {
    let is_score = |g: &Graph, p: Value| g.init(p).is_some_and(|(_, role)| role == Role::Score);
    let trained: Vec<Value> = g.params().into_iter().filter(|p| Some(*p) != more).collect();
    let (scores, rest): (Vec<Value>, Vec<Value>) = trained.into_iter().partition(|p| is_score(g, *p));
    let gradients = g.backward(loss, &[&scores[..], &rest, more.as_slice()].concat())?;
    let (of_scores, others) = gradients.split_at(scores.len());
    if !scores.is_empty() {
        let optimiser = settings(task.recipe).scores();
        parts::update(g, task.recipe, ("scores", &optimiser), &scores, of_scores, stop)?;
    }
    parts::update(g, task.recipe, ("", &task.recipe.optimiser), &rest, &others[..rest.len()], stop)?;
    Ok(others.get(rest.len()).copied())
}

/// Logs the share of active weights of each tensor and of all.
fn log_active(g: &mut Graph, masks: &[Masked], stop: Value) -> Result<()> {
    if masks.is_empty() {
        return Ok(());
    }
    g.in_phase(Phase::Update, |g| {
        let sizes: Vec<usize> = masks.iter().map(|m| g.shape(m.weight).elements()).collect();
        let all = sizes.iter().sum::<usize>() as f32;
        let mut sum = g.fill([], 0.0);
        for (m, n) in masks.iter().zip(sizes) {
            let share = g.detach(m.active)?;
            track_mean(g, &format!("active.{}", m.name), share, stop)?;
            let part = g.scale(share, n as f32 / all)?;
            sum = g.add(sum, part)?;
        }
        track_mean(g, "active_share", sum, stop)
    })
}
