//! BURN: unsupervised representation learning for binary networks by joint classifier learning (Kim and Choi, CVPR 2022,
//! arXiv 2110.08851), and S2-BNN (Shen et al., CVPR 2021, arXiv 2102.08946), which is one of its targets. No labels.
//!
//! A real-valued extractor h, trained without labels, stays as it is. On it sits a classifier g, the *target*; on the
//! binary network k sits a classifier l. With two views of an image, s = l(k(v)) and t = g(h(v)):
//!
//! ```text
//! L_head = (1 - λ) |k/|k| - h/|h||² + λ KL(softmax(t/T) || softmax(s/T))        means over the batch
//! L = L_head(student of view 1, target of view 2) + L_head(student of view 2, target of view 1)
//! λ(i) = λ_end - (λ_end - λ_start) (1 + cos(π i / I)) / 2
//! ```
//!
//! What moves the target is a choice ([`Target`]), because the paper's figure, taken literally, lets it collapse to one
//! output for all images. Training has two stages, each a run of its own: binary activations under real weights
//! (`net.binarization.weights = "real"`), then all of it binary, starting from the first (`start_from`), with the target
//! handed over. Classifiers are thrown away: a test asks the nearest neighbours of the binary network's features.

mod monitor;
mod spec;
mod target;

pub use spec::{BurnSpec, Guard, Similarity, Statistics, Target};

use super::projector::{Life, Projector, linear};
use super::{parts, swav};
use crate::data::AugmentSpec;
use crate::error::Result;
use crate::graph::{Graph, Phase, Value};
use crate::methods::tracking::{halted_before, track, track_mean};
use crate::methods::{EvaluatedBy, Graphs, Method, Progress, Task, TeacherUse};
use crate::nn::Mode;
use crate::recipe::{OwnTable, Recipe};
use std::collections::BTreeMap;

/// BURN.
#[derive(Clone, Copy, Debug)]
pub struct Burn;

impl Method for Burn {
    fn name(&self) -> &'static str {
        "burn"
    }

    fn tables(&self) -> &'static [OwnTable] {
        const { &[OwnTable::of::<BurnSpec>("burn"), swav::TABLE] }
    }

    fn validate(&self, recipe: &Recipe) -> Result<()> {
        settings(recipe).validate(recipe)
    }

    fn teacher(&self, _recipe: &Recipe) -> TeacherUse {
        TeacherUse::Network
    }

    fn training(&self, task: &Task<'_>, batch: usize) -> Result<Graphs> {
        Ok(Graphs { given: task.teacher()?.given(), ..Graphs::step(train(task, batch)?) })
    }

    fn scalar(&self, recipe: &Recipe, progress: Progress, name: &str) -> Option<f32> {
        let spec = settings(recipe);
        if name == "burn.lambda" {
            return Some(balance(spec.balance, progress));
        }
        if name.starts_with("target.") {
            let lr = spec.target_rate * parts::learning_rate(recipe, progress);
            let all = recipe.optimiser.scalars_of(target::NAME, progress.steps, lr);
            return all.into_iter().find(|(n, _)| n == name).map(|(_, v)| v);
        }
        swav::scalar(recipe, progress, name).or_else(|| parts::scalar(recipe, progress, name))
    }

    fn views(&self, recipe: &Recipe) -> Vec<AugmentSpec> {
        vec![recipe.augment.clone(); settings(recipe).views]
    }

    fn evaluated_by(&self, _recipe: &Recipe) -> EvaluatedBy {
        EvaluatedBy::Neighbours
    }

    fn inherits(&self, recipe: &Recipe, tensor: &str) -> bool {
        settings(recipe).carry_target || !(tensor.starts_with("target.") || tensor.starts_with("burn."))
    }

    fn warning(&self, recipe: &Recipe, epoch: u64, means: &BTreeMap<String, f64>) -> Option<String> {
        let spec = settings(recipe);
        monitor::warning(recipe, &spec, means).or_else(|| match spec.target {
            Target::JointSwav => swav::warning(recipe, epoch, means),
            _ => None,
        })
    }
}

fn settings(recipe: &Recipe) -> BurnSpec {
    recipe.settings("burn")
}

/// λ of a step: weight of the divergence.
pub fn balance([from, to]: [f32; 2], progress: Progress) -> f32 {
    let share = progress.steps as f64 / progress.total.max(1) as f64;
    let half = (1.0 + libm::cos(std::f64::consts::PI * share.min(1.0))) / 2.0;
    (to as f64 - (to as f64 - from as f64) * half) as f32
}

/// What the student makes of a view.
struct Student {
    features: Value,
    /// The features in as many numbers as the teacher's.
    adapted: Value,
    logits: Value,
}

fn train(task: &Task<'_>, batch: usize) -> Result<Graph> {
    let (g, ()) = parts::graph(|g| {
        let spec = settings(task.recipe);
        let halted = halted_before(g)?;
        let augment = std::slice::from_ref(&task.recipe.augment);
        let views: Vec<Value> =
            (0..spec.views).map(|v| parts::views(g, task, batch, v, augment)).collect::<Result<_>>()?;

        let teacher = task.teacher()?;
        let mode = match spec.teacher_statistics {
            Statistics::Running => Mode::Fixed,
            Statistics::Batch => Mode::FixedBatch,
        };
        let taught: Vec<Value> =
            views.iter().map(|x| Ok(teacher.features(g, *x, task.images, mode)?.features)).collect::<Result<_>>()?;
        let target = target::Made::new(g, task, &spec, &taught, batch, halted)?;
        let of_target = g.params();
        let students: Vec<Student> =
            views.iter().map(|x| student(g, task, &spec, &target, *x, taught[0], halted)).collect::<Result<_>>()?;

        let losses = Losses::new(g, &spec, &target, &students, &taught)?;
        let agree = swav::agreement(g, students[0].logits, target.logits[spec.views - 1])?;
        let stop = track(g, losses.all, agree)?;
        let collapsed = log(g, task, &losses, &target, &students, stop)?;
        optimiser_step(g, task, &spec, losses.all, &of_target, &target, collapsed, stop)
    })?;
    Ok(g)
}

/// What is minimised, and the parts of it.
struct Losses {
    all: Value,
    divergence: Value,
    similarity: Option<Value>,
    /// Of the target's outputs: the entropy of their mean, their mean entropy, and the first without the second.
    entropies: [Value; 3],
}

impl Losses {
    fn new(
        g: &mut Graph,
        spec: &BurnSpec,
        target: &target::Made,
        students: &[Student],
        taught: &[Value],
    ) -> Result<Losses> {
        let (mut divergences, mut similarities) = (Vec::new(), Vec::new());
        for (v, s) in students.iter().enumerate() {
            let other = (v + 1) % spec.views;
            divergences.push(divergence(g, spec, target, target.logits[other], s.logits)?);
            match spec.similarity {
                Similarity::None => {}
                Similarity::Features => similarities.push(g.feature_similarity(s.adapted, taught[other])?),
                Similarity::Logits => similarities.push(g.feature_similarity(s.logits, target.logits[other])?),
            }
        }
        let divergence = parts::total(g, &divergences)?;
        let mut all = divergence;
        let mut similarity = None;
        if !similarities.is_empty() {
            let sum = parts::total(g, &similarities)?;
            let lambda = g.scalar("burn.lambda")?;
            let one = g.fill([], 1.0);
            let rest = g.sub(one, lambda)?;
            let (a, b) = (g.mul(sum, rest)?, g.mul(divergence, lambda)?);
            all = g.add(a, b)?;
            similarity = Some(sum);
        }

        let outputs = g.concat(&target.logits, 0)?;
        let (together, apart) = g.entropies(outputs, target.temperature)?;
        let information = g.sub(together, apart)?;
        if spec.target == Target::JointAnneal {
            let climbed = g.scale(information, -spec.information)?;
            all = g.add(all, climbed)?;
        }
        if let Some(own) = &target.own {
            all = g.add(all, own.loss)?;
        }
        Ok(Losses { all, divergence, similarity, entropies: [together, apart, information] })
    }
}

/// Logs the parts of the loss and what tells a collapse; whether the target has collapsed, `[1]`.
fn log(
    g: &mut Graph,
    task: &Task<'_>,
    losses: &Losses,
    target: &target::Made,
    students: &[Student],
    stop: Value,
) -> Result<Value> {
    let [together, apart, information] = losses.entropies;
    let mut logged = vec![
        ("kl", losses.divergence),
        ("target_entropy_of_mean", together),
        ("target_mean_entropy", apart),
        ("target_information", information),
    ];
    logged.extend(losses.similarity.map(|s| ("feature_similarity", s)));
    for (name, value) in logged {
        track_mean(g, name, value, stop)?;
    }
    target_cosine(g, target.logits[0], stop)?;
    let collapsed = monitor::watch(g, information, stop)?;
    if let Some(own) = &target.own {
        own.log(g, &swav::settings(task.recipe), stop)?;
    }
    let seen: Vec<Value> = students.iter().map(|s| s.features).collect();
    gradient_norm(g, "kl_gradient_at_features", losses.divergence, &seen, stop)?;
    if let Some(s) = losses.similarity {
        gradient_norm(g, "similarity_gradient_at_features", s, &seen, stop)?;
    }
    Ok(collapsed)
}

/// One step of the student's optimiser, and of the target's if it moves.
fn optimiser_step(
    g: &mut Graph,
    task: &Task<'_>,
    spec: &BurnSpec,
    loss: Value,
    of_target: &[Value],
    target: &target::Made,
    collapsed: Value,
    stop: Value,
) -> Result<()> {
    let prototypes = target.own.as_ref().map(|own| own.prototypes.leaf);
    let student: Vec<Value> = g.params().into_iter().filter(|p| !of_target.contains(p)).collect();
    let moving: Vec<Value> = of_target.iter().copied().filter(|p| Some(*p) != prototypes).collect();
    let all = [&student[..], &moving, prototypes.as_slice()].concat();
    let gradients = g.backward(loss, &all)?;
    let optimiser = &task.recipe.optimiser;
    parts::update(g, task.recipe, ("", optimiser), &student, &gradients[..student.len()], stop)?;
    if moving.is_empty() {
        return Ok(());
    }
    let of_moving = &gradients[student.len()..student.len() + moving.len()];
    norm(g, "target_gradient", of_moving, stop)?;
    let stay = match spec.guard {
        Guard::Freeze if spec.target.is_literal() => g.in_phase(Phase::Update, |g| g.maximum(stop, collapsed))?,
        _ => stop,
    };
    parts::update(g, task.recipe, (target::NAME, optimiser), &moving, of_moving, stay)?;
    match &target.own {
        Some(own) => own.advance(g, task.recipe, gradients[all.len() - 1], stop),
        None => Ok(()),
    }
}

/// The binary network and its classifier on a view.
fn student(
    g: &mut Graph,
    task: &Task<'_>,
    spec: &BurnSpec,
    target: &target::Made,
    x: Value,
    taught: Value,
    halted: Value,
) -> Result<Student> {
    let features = task.recipe.network().network(g, x, 0, Mode::Train, Some(halted))?.features;
    let life = Life::Trained(halted);
    let (own, theirs) = (g.shape(features).columns(), g.shape(taught).columns());
    let adapted = match spec.similarity == Similarity::Features && own != theirs {
        true => g.scoped("adapter", |g| linear(g, "0", features, theirs, life))?,
        false => features,
    };
    let out = g.shape(target.logits[0]).columns();
    let layers = Projector { hidden: spec.hidden, norm: spec.norm, out };
    let logits = layers.append(g, "classifier", features, life)?;
    let logits = if target.on_sphere { g.l2_normalize(logits, 1e-12)? } else { logits };
    Ok(Student { features, adapted, logits })
}

/// KL of the target's and the student's outputs; its gradient reaches the target where the target is to follow it.
fn divergence(g: &mut Graph, spec: &BurnSpec, target: &target::Made, t: Value, s: Value) -> Result<Value> {
    if spec.target.is_literal() {
        return g.kl_of_both(t, s, spec.temperature);
    }
    // The target has a temperature of its own.
    let t = g.scale(t, spec.temperature / target.temperature)?;
    g.kl_divergence(t, s, spec.temperature, false)
}

/// Logs the mean cosine between the target's outputs for the images of a batch: `(|Σ û|² - n) / (n (n - 1))`.
fn target_cosine(g: &mut Graph, logits: Value, stop: Value) -> Result<()> {
    g.in_phase(Phase::Update, |g| {
        let n = g.shape(logits)[0] as f32;
        let fixed = g.detach(logits)?;
        let unit = g.l2_normalize(fixed, 1e-12)?;
        let sum = g.sum(unit, &[0])?;
        let k = g.shape(sum).elements();
        let sum = g.reshape(sum, [k])?;
        let square = g.sum_squares(sum, &[0])?;
        let square = g.reshape(square, [1])?;
        let pairs = g.offset(square, -n)?;
        let cosine = g.scale(pairs, 1.0 / (n * (n - 1.0)).max(1.0))?;
        track_mean(g, "target_cosine", cosine, stop)
    })
}

/// Logs the length of the gradient of a part of the loss where it enters the backbone.
fn gradient_norm(g: &mut Graph, name: &str, loss: Value, at: &[Value], stop: Value) -> Result<()> {
    let gradients = g.backward(loss, at)?;
    norm(g, name, &gradients, stop)
}

/// Logs the length of some tensors taken together.
fn norm(g: &mut Graph, name: &str, tensors: &[Value], stop: Value) -> Result<()> {
    g.in_phase(Phase::Update, |g| {
        let mut sum = g.fill([1], 0.0);
        for t in tensors {
            let flat = g.reshape(*t, [g.shape(*t).elements()])?;
            let square = g.sum_squares(flat, &[0])?;
            let square = g.reshape(square, [1])?;
            sum = g.add(sum, square)?;
        }
        let length = g.sqrt(sum)?;
        track_mean(g, name, length, stop)
    })
}
