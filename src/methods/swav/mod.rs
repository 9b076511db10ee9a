//! SwAV: swapped assignment between views (Caron et al., NeurIPS 2020, arXiv 2006.09882). No labels.
//!
//! Each image is seen in several views, some of them cut smaller. A network f and a head give features z of length 1; K
//! trained unit vectors C, the prototypes, give scores s = z Cᵀ. Codes q of a view are a balanced soft assignment of the
//! batch to the prototypes (Sinkhorn-Knopp), and the network learns to predict them from the other views:
//!
//! ```text
//! L = mean over views i with codes, and over v ≠ i, of -Σ_k q_i log softmax(s_v / τ)_k
//! ```
//!
//! Before each step the prototypes are brought back to length 1; in the first epochs they stay. Head and prototypes are
//! thrown away: a test asks the nearest neighbours of the network's own features.

mod head;
mod indicators;
mod queue;
mod spec;

pub(super) use indicators::{agreement, warning};
pub use spec::{Codes, SmallViews, SwavSpec};

use super::parts;
use crate::data::AugmentSpec;
use crate::error::Result;
use crate::graph::{Graph, Phase, Value};
use crate::methods::projector::Projector;
use crate::methods::tracking::{halted_before, track};
use crate::methods::{EvaluatedBy, Graphs, Method, Progress, Task};
use crate::nn::{Masked, Mode};
use crate::recipe::{OwnTable, Recipe};
use head::Prototypes;
use queue::Queue;
use std::collections::BTreeMap;

/// The table of its loss, for all methods that have it.
pub(super) const TABLE: OwnTable = OwnTable::of::<SwavSpec>("swav");

/// SwAV.
#[derive(Clone, Copy, Debug)]
pub struct Swav;

impl Method for Swav {
    fn name(&self) -> &'static str {
        "swav"
    }

    fn tables(&self) -> &'static [OwnTable] {
        const { &[TABLE] }
    }

    fn validate(&self, recipe: &Recipe) -> Result<()> {
        settings(recipe).validate()
    }

    fn head(&self, recipe: &Recipe) -> Option<Projector> {
        Some(settings(recipe).head())
    }

    fn training(&self, task: &Task<'_>, batch: usize) -> Result<Graphs> {
        Ok(Graphs::step(train(task, batch)?))
    }

    fn scalar(&self, recipe: &Recipe, progress: Progress, name: &str) -> Option<f32> {
        scalar(recipe, progress, name).or_else(|| parts::scalar(recipe, progress, name))
    }

    fn views(&self, recipe: &Recipe) -> Vec<AugmentSpec> {
        settings(recipe).augmentations(&recipe.augment)
    }

    fn evaluated_by(&self, _recipe: &Recipe) -> EvaluatedBy {
        EvaluatedBy::Neighbours
    }

    fn warning(&self, recipe: &Recipe, epoch: u64, means: &BTreeMap<String, f64>) -> Option<String> {
        warning(recipe, epoch, means)
    }
}

/// A recipe's settings.
pub(super) fn settings(recipe: &Recipe) -> SwavSpec {
    recipe.settings("swav")
}

/// The scalars of the objective.
pub(super) fn scalar(recipe: &Recipe, progress: Progress, name: &str) -> Option<f32> {
    let spec = settings(recipe);
    match name {
        "swav.frozen" => Some((progress.epoch() < spec.freeze_epochs) as u8 as f32),
        _ => queue::scalar(&spec, recipe.batch, progress, name),
    }
}

fn train(task: &Task<'_>, batch: usize) -> Result<Graph> {
    let spec = settings(task.recipe);
    let (g, ()) = parts::graph(|g| {
        let halted = halted_before(g)?;
        let (features, _) = features(g, task, batch, halted)?;
        let made = Objective::new(g, &spec, features, batch, halted)?;
        let agree = made.agreement(g)?;
        let stop = track(g, made.loss, agree)?;
        made.log(g, &spec, stop)?;
        let parameters: Vec<Value> = g.params().into_iter().filter(|p| *p != made.prototypes.leaf).collect();
        let gradients = g.backward(made.loss, &[&parameters[..], &[made.prototypes.leaf]].concat())?;
        let (of_prototypes, of_parameters) = gradients.split_last().expect("the prototypes have one");
        parts::update(g, task.recipe, ("", &task.recipe.optimiser), &parameters, of_parameters, stop)?;
        made.advance(g, task.recipe, *of_prototypes, stop)
    })?;
    Ok(g)
}

/// Features of all views, `[views * batch, d]`, and the masks that they were made with, if the network has some. The network sees views of one size as one batch, which share the statistics
/// of normalisation, and the sizes one after the other.
pub(super) fn features(g: &mut Graph, task: &Task<'_>, batch: usize, halted: Value) -> Result<(Value, Vec<Masked>)> {
    let spec = settings(task.recipe);
    let all = spec.augmentations(&task.recipe.augment);
    let (large, small) = all.split_at(spec.views);
    let mut features = Vec::new();
    let mut masks = Vec::new();
    for (first, group) in [(0, large), (spec.views, small)].into_iter().filter(|(_, group)| !group.is_empty()) {
        let x = parts::views(g, task, batch, first, group)?;
        let net = task.recipe.network().network(g, x, 0, Mode::Train, Some(halted))?;
        features.push(net.features);
        masks = net.masks;
    }
    Ok((g.concat(&features, 0)?, masks))
}

/// SwAV's loss and what it was made of.
pub(super) struct Objective {
    /// Points on the sphere, `[views * batch, D]`.
    pub z: Value,
    /// Scores of each view, `[batch, K]`.
    pub scores: Vec<Value>,
    /// Views and their codes.
    pub codes: Vec<(usize, Value)>,
    /// The loss.
    pub loss: Value,
    /// The prototypes.
    pub prototypes: Prototypes,
    queues: Vec<Queue>,
}

impl Objective {
    /// Of features `[views * batch, d]`.
    pub fn new(g: &mut Graph, spec: &SwavSpec, features: Value, batch: usize, halted: Value) -> Result<Objective> {
        let z = head::sphere(g, spec, features, halted)?;
        let prototypes = head::prototypes(g, spec)?;
        let all = g.linear(z, prototypes.unit, None)?;
        let views = g.shape(all)[0] / batch;
        let scores: Vec<Value> =
            (0..views).map(|v| g.slice(all, 0, v * batch..(v + 1) * batch, 1)).collect::<Result<_>>()?;
        let rows = spec.queue_rows(batch);
        let with_queue = if rows > 0 { spec.with_codes } else { 0 };
        let queues: Vec<Queue> =
            (0..with_queue).map(|i| Queue::new(g, i, rows, spec.dimension)).collect::<Result<_>>()?;
        let codes: Vec<(usize, Value)> = (0..spec.with_codes)
            .map(|i| Ok((i, head::codes(g, spec, scores[i], queues.get(i), prototypes)?)))
            .collect::<Result<_>>()?;
        let loss = g.swapped_prediction(&scores, &codes, spec.temperature)?;
        Ok(Objective { z, scores, codes, loss, prototypes, queues })
    }

    /// Number of images whose best prototype in the second view is that of their code in the first.
    pub fn agreement(&self, g: &mut Graph) -> Result<Value> {
        indicators::agreement(g, self.scores[1], self.codes[0].1)
    }

    /// Logs what tells a collapse.
    pub fn log(&self, g: &mut Graph, spec: &SwavSpec, stop: Value) -> Result<()> {
        indicators::log(g, spec, self, stop)
    }

    /// What of it changes besides the parameters: prototypes, which have neither momentum nor decay while they are frozen, and
    /// queues.
    pub fn advance(&self, g: &mut Graph, recipe: &Recipe, of_prototypes: Value, stop: Value) -> Result<()> {
        let frozen = g.scalar("swav.frozen")?;
        let stay = g.in_phase(Phase::Update, |g| g.maximum(stop, frozen))?;
        parts::update(g, recipe, ("", &recipe.optimiser), &[self.prototypes.leaf], &[of_prototypes], stay)?;
        for (i, queue) in self.queues.iter().enumerate() {
            let batch = g.shape(self.scores[i])[0];
            let z = g.in_phase(Phase::Update, |g| g.slice(self.z, 0, i * batch..(i + 1) * batch, 1))?;
            queue.push(g, z, stop)?;
        }
        Ok(())
    }
}
