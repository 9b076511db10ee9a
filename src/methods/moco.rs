//! MoCo v2: momentum contrast (He et al., CVPR 2020, arXiv 1911.05722; Chen et al. 2020, arXiv 2003.04297), and with a teacher the
//! combination of it with distillation that S2-BNN tries on binary networks (Shen et al., CVPR 2021, arXiv 2102.08946). No labels.
//!
//! The network f_q makes a query q of one view of an image; a copy f_k, which follows it slowly, makes a key k of another view.
//! Both have length 1. The query is to be nearer to its own key than to the K keys of earlier batches in the queue:
//!
//! ```text
//! θ_k ← m θ_k + (1 - m) θ_q                    before each step, parameters only: of binary layers the latent weights
//! L = mean of -log softmax([q·k, q·queue] / T)_0
//! L ← L + w mean of KL(softmax(t / T) || softmax(q / T))    t: the teacher's output of length 1 for the query's view
//! ```
//!
//! Then the keys take the place of the oldest in the queue. Statistics of normalisation could tell which key belongs to a query,
//! as both see the same images; so keys are normalised in groups of their own (`groups`), as their authors do across devices.
//! Copy, head and queue are thrown away: a test asks the nearest neighbours of the network's features.

use super::projector::{Life, Projector};
use super::tracking::{correct, halted_before, track, track_mean};
use super::{EvaluatedBy, Graphs, Method, Task, TeacherUse, parts};
use crate::data::AugmentSpec;
use crate::error::{Error, Result};
use crate::graph::{Graph, Init, Meta, Phase, Value};
use crate::nn::Mode;
use crate::recipe::{OwnTable, Recipe};
use crate::tensor::HostTensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Scope of the copy that makes keys.
const KEYS: &str = "key";

/// Names of the queue, and of whether there is a copy and a queue: by its length, so that one of another length begins anew.
fn queue_names(spec: &MocoSpec) -> [String; 2] {
    ["keys", "made"].map(|part| format!("queue.{}.{part}", spec.queue))
}

/// MoCo's settings, as they stand in a recipe's `[moco]` table. The defaults are those of its authors for CIFAR-10.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MocoSpec {
    /// T.
    pub temperature: f32,
    /// K: keys of earlier batches.
    pub queue: usize,
    /// m: how much of itself the copy keeps in a step.
    pub momentum: f32,
    /// Numbers of a query and a key.
    pub dimension: usize,
    /// Units of the head's hidden layer; 0 for a head of one linear layer.
    pub hidden: usize,
    /// Parts of a batch whose keys are normalised apart; 1 for all together, which lets a network cheat. Queries are normalised
    /// together.
    pub groups: usize,
    /// Whether both views give queries, for each other's keys.
    pub symmetric: bool,
    /// w: weight of the distillation from the teacher; 0 for none.
    pub distillation: f32,
}

impl Default for MocoSpec {
    fn default() -> Self {
        MocoSpec {
            temperature: 0.1,
            queue: 4096,
            momentum: 0.99,
            dimension: 128,
            hidden: 0,
            groups: 8,
            symmetric: false,
            distillation: 0.0,
        }
    }
}

impl MocoSpec {
    fn validate(&self, recipe: &Recipe) -> Result<()> {
        let fail = |m: String| Err(Error::Config(m));
        if !(self.temperature > 0.0 && self.temperature.is_finite()) {
            return fail(format!("moco.temperature = {}: give a number over 0", self.temperature));
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return fail(format!("moco.momentum = {}: give a share from 0 on and below 1", self.momentum));
        }
        if self.dimension == 0 {
            return fail("moco.dimension = 0: give at least 1".into());
        }
        let keys = recipe.batch * if self.symmetric { 2 } else { 1 };
        if self.queue < keys || !self.queue.is_multiple_of(keys) {
            return fail(format!(
                "moco.queue = {}: the {keys} keys of a step take the place of as many; give a multiple of {keys}",
                self.queue
            ));
        }
        if self.groups == 0 || !recipe.batch.is_multiple_of(self.groups) {
            return fail(format!(
                "moco.groups = {}: give a number that divides the batch of {}",
                self.groups, recipe.batch
            ));
        }
        if !(self.distillation >= 0.0 && self.distillation.is_finite()) {
            return fail(format!("moco.distillation = {}: give a number from 0 on", self.distillation));
        }
        if self.distillation == 0.0 && recipe.teacher.is_some() {
            return fail(
                "[teacher] names a run that nothing is learned from: set moco.distillation, its weight, or leave it out"
                    .into(),
            );
        }
        Ok(())
    }

    fn head(&self) -> Projector {
        Projector { hidden: self.hidden, norm: false, out: self.dimension }
    }
}

/// MoCo v2.
#[derive(Clone, Copy, Debug)]
pub struct Moco;

impl Method for Moco {
    fn name(&self) -> &'static str {
        "moco"
    }

    fn tables(&self) -> &'static [OwnTable] {
        const { &[OwnTable::of::<MocoSpec>("moco")] }
    }

    fn validate(&self, recipe: &Recipe) -> Result<()> {
        settings(recipe).validate(recipe)
    }

    fn teacher(&self, recipe: &Recipe) -> TeacherUse {
        match (settings(recipe).distillation > 0.0, &recipe.teacher) {
            (true, _) => TeacherUse::Network,
            (false, Some(_)) => TeacherUse::Unread,
            (false, None) => TeacherUse::None,
        }
    }

    fn head(&self, recipe: &Recipe) -> Option<Projector> {
        Some(settings(recipe).head())
    }

    fn training(&self, task: &Task<'_>, batch: usize) -> Result<Graphs> {
        let train = train(task, batch)?;
        let given = match self.teacher(task.recipe) {
            TeacherUse::Network => task.teacher()?.given(),
            _ => Default::default(),
        };
        let start = start(&settings(task.recipe), &train)?;
        Ok(Graphs { start: Some(start), given, ..Graphs::step(train) })
    }

    fn views(&self, recipe: &Recipe) -> Vec<AugmentSpec> {
        vec![recipe.augment.clone(); 2]
    }

    fn evaluated_by(&self, _recipe: &Recipe) -> EvaluatedBy {
        EvaluatedBy::Neighbours
    }
}

fn settings(recipe: &Recipe) -> MocoSpec {
    recipe.settings("moco")
}

/// The copy is made, and the queue filled with random keys, unless both are there from an earlier stage.
fn start(spec: &MocoSpec, train: &Graph) -> Result<Graph> {
    let (g, ()) = parts::graph(|g| {
        let (queue, made) = queue(g, spec)?;
        for of_query in train.params() {
            let (init, role) = train.init(of_query).expect("parameters start somehow");
            let (name, shape) = (train.name(of_query), train.shape(of_query).clone());
            let from = g.param(name, shape.clone(), init, role)?;
            let to = g.state(&format!("{KEYS}.{name}"), Meta::f32(shape), init)?;
            let copy = g.gate(made, from, to)?;
            g.assign(to, copy)?;
        }
        let keys = g.l2_normalize(queue, 1e-12)?;
        let keys = g.gate(made, keys, queue)?;
        g.assign(queue, keys)
    })?;
    Ok(g)
}

/// The queue, and whether it is filled and the copy made, `[1]`.
fn queue(g: &mut Graph, spec: &MocoSpec) -> Result<(Value, Value)> {
    let [keys, made] = queue_names(spec);
    let keys = g.state(&keys, Meta::f32([spec.queue, spec.dimension]), Init::Normal(1.0))?;
    Ok((keys, g.state(&made, Meta::f32([1]), Init::Zeros)?))
}

fn train(task: &Task<'_>, batch: usize) -> Result<Graph> {
    let spec = settings(task.recipe);
    let (g, ()) = parts::graph(|g| {
        let halted = halted_before(g)?;
        let augment = std::slice::from_ref(&task.recipe.augment);
        let views = [parts::views(g, task, batch, 0, augment)?, parts::views(g, task, batch, 1, augment)?];
        let (queue, made) = queue(g, &spec)?;
        let pairs = if spec.symmetric { &[(0, 1), (1, 0)][..] } else { &[(0, 1)] };
        let (mut losses, mut keys, mut right) = (Vec::new(), Vec::new(), Vec::new());
        let mut positives = Vec::new();
        for (query, key) in pairs {
            let q = self::query(g, task, &spec, views[*query], halted)?;
            let k = self::keys(g, task, &spec, views[*key])?;
            let Contrast { loss, logits, positive } = contrast(g, &spec, q, k, queue)?;
            losses.push(loss);
            if spec.distillation > 0.0 {
                let t = taught(g, task, &spec, views[*query])?;
                let kl = g.kl_divergence(t, q, spec.temperature, false)?;
                losses.push(g.scale(kl, spec.distillation)?);
            }
            let first = g.constant(HostTensor::from_u32([batch], vec![0; batch]));
            right.push(correct(g, logits, first)?);
            positives.push(positive);
            keys.push(k);
        }
        let loss = parts::total(g, &losses)?;
        let right = g.in_phase(Phase::Update, |g| {
            let sum = parts::total(g, &right)?;
            g.scale(sum, 1.0 / pairs.len() as f32)
        })?;
        let stop = track(g, loss, right)?;
        let cosine = g.in_phase(Phase::Update, |g| {
            let positives = g.concat(&positives, 0)?;
            g.mean_all(positives)
        })?;
        track_mean(g, "cosine_to_key", cosine, stop)?;
        parts::optimiser_step(g, task.recipe, loss, stop)?;
        let once = parts::once_a_step(g, task.recipe, stop)?;
        follow(g, spec.momentum, once)?;
        push(g, queue, &keys, stop)?;
        g.in_phase(Phase::Update, |g| {
            let yes = g.fill([1], 1.0);
            g.assign(made, yes)
        })
    })?;
    Ok(g)
}

/// f_q: `[n, dimension]`, of length 1.
fn query(g: &mut Graph, task: &Task<'_>, spec: &MocoSpec, x: Value, halted: Value) -> Result<Value> {
    let features = task.recipe.network().network(g, x, 0, Mode::Train, Some(halted))?.features;
    let q = spec.head().append(g, "head", features, Life::Trained(halted))?;
    g.l2_normalize(q, 1e-12)
}

/// f_k: the same, of image `i` in the group `i mod groups`.
fn keys(g: &mut Graph, task: &Task<'_>, spec: &MocoSpec, x: Value) -> Result<Value> {
    let n = g.shape(x)[0];
    let mut of_groups = Vec::with_capacity(spec.groups);
    for group in 0..spec.groups {
        let some = g.slice(x, 0, group..n, spec.groups)?;
        let k = g.scoped(KEYS, |g| {
            let features = task.recipe.network().network(g, some, 0, Mode::FixedBatch, None)?.features;
            spec.head().append(g, "head", features, Life::Still)
        })?;
        of_groups.push(k);
    }
    let k = g.concat(&of_groups, 0)?;
    // Back to the order of the images.
    let k = g.reshape(k, [spec.groups, n / spec.groups, spec.dimension])?;
    let k = g.transpose(k, &[1, 0, 2])?;
    let k = g.reshape(k, [n, spec.dimension])?;
    let k = g.detach(k)?;
    g.l2_normalize(k, 1e-12)
}

struct Contrast {
    loss: Value,
    /// The own key first.
    logits: Value,
    /// Cosine to the own key, `[n, 1]`.
    positive: Value,
}

fn contrast(g: &mut Graph, spec: &MocoSpec, q: Value, k: Value, queue: Value) -> Result<Contrast> {
    let n = g.shape(q)[0];
    let products = g.mul(q, k)?;
    let positive = g.sum(products, &[1])?;
    let positive = g.reshape(positive, [n, 1])?;
    let negative = g.linear(q, queue, None)?;
    let logits = g.concat(&[positive, negative], 1)?;
    let logits = g.scale(logits, 1.0 / spec.temperature)?;
    let first = g.constant(HostTensor::from_u32([n], vec![0; n]));
    let loss = g.cross_entropy(logits, first, 0.0)?;
    Ok(Contrast { loss, logits, positive })
}

/// The teacher's output, of length 1.
fn taught(g: &mut Graph, task: &Task<'_>, spec: &MocoSpec, x: Value) -> Result<Value> {
    let teacher = task.teacher()?;
    let head = teacher.head.as_ref().filter(|head| head.out == spec.dimension).ok_or_else(|| {
        let has = teacher.head.as_ref().map_or("no self-supervised head".into(), |head| format!("a head of {}", head.out));
        Error::Config(format!(
            "moco.distillation compares outputs of {} numbers, and the teacher {} has {has}: name a run of method moco or swav, and \
             set moco.dimension to its outputs",
            spec.dimension, teacher.name
        ))
    })?;
    let features = teacher.features(g, x, task.images, Mode::Fixed)?.features;
    teacher.point(g, head, features)
}

/// The copy follows what the step makes of the parameters: as if it came before the next step.
fn follow(g: &mut Graph, momentum: f32, stop: Value) -> Result<()> {
    g.in_phase(Phase::Update, |g| {
        for of_query in g.params() {
            let name = format!("{KEYS}.{}", g.name(of_query));
            let copy = g.find(&name).ok_or_else(|| Error::Config(format!("the copy of the network has no {name}")))?;
            let kept = g.scale(copy, momentum)?;
            let taken = g.next(of_query);
            let taken = g.scale(taken, 1.0 - momentum)?;
            let moved = g.add(kept, taken)?;
            let moved = g.gate(stop, moved, copy)?;
            g.assign(copy, moved)?;
        }
        Ok(())
    })
}

/// The keys take the place of the oldest; newest first.
fn push(g: &mut Graph, queue: Value, keys: &[Value], stop: Value) -> Result<()> {
    g.in_phase(Phase::Update, |g| {
        let mut parts = keys.to_vec();
        let new: usize = keys.iter().map(|k| g.shape(*k)[0]).sum();
        let stay = g.shape(queue)[0] - new;
        if stay > 0 {
            parts.push(g.slice(queue, 0, 0..stay, 1)?);
        }
        let moved = g.concat(&parts, 0)?;
        let moved = g.gate(stop, moved, queue)?;
        g.assign(queue, moved)
    })
}
