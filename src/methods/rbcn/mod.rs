//! RBCN: rectified binary convolutional networks (Liu et al., IJCAI 2019, arXiv 1908.07748).
//!
//! The binary network is a generator: discriminators D compare its feature maps T ("fake") with those R of a trained
//! full-precision network of the same shape ("real"). Besides, latent weights W and their signs are tied by a learned
//! scale matrix C of each layer. The student's loss is
//!
//! ```text
//! L = L_S + (λ1/2) Σ_l Σ_i ‖W_i - C ⊙ sign(W_i)‖² + λ_adv mean_s (1 - D_s(T_s))²
//! ```
//!
//! with L_S the cross-entropy. A step has up to three parts, each a program: the *discriminators* ascend
//! `log D(R) + log(1 - D(T))`, seeing T but not changing it; the *student* descends L through the discriminators just
//! updated; the *matrices* descend L with the new W in the kernel term. After each epoch a second pass over the images
//! *refreshes* batch normalisation, all else fixed. Teacher, discriminators and latent weights are not needed any more
//! when it is trained.
//!
//! The ablation of the paper's table: R is `features = "none"`, `refresh = "none"`; R + G `features = "adversarial"`;
//! R + G + B `refresh = "train"` as well.

mod discriminator;
mod kernel;
mod spec;

pub use spec::{Features, KernelPath, RbcnSpec, Refresh, RefreshBy};

use super::parts;
use crate::error::{Error, Result};
use crate::graph::{Graph, Role, Value};
use crate::methods::tracking::track_mean;
use crate::methods::{Graphs, Method, Part, Progress, Task, TeacherUse};
use crate::nn::{Mode, Network};
use crate::recipe::{OwnTable, Recipe};
use discriminator::Discriminators;

/// RBCN.
#[derive(Clone, Copy, Debug)]
pub struct Rbcn;

impl Method for Rbcn {
    fn name(&self) -> &'static str {
        "rbcn"
    }

    fn tables(&self) -> &'static [OwnTable] {
        const { &[OwnTable::of::<RbcnSpec>("rbcn")] }
    }

    fn validate(&self, recipe: &Recipe) -> Result<()> {
        settings(recipe).validate(recipe)
    }

    fn teacher(&self, recipe: &Recipe) -> TeacherUse {
        let spec = settings(recipe);
        match spec.features != Features::None || spec.distill > 0.0 {
            true => TeacherUse::Network,
            false => TeacherUse::Unread,
        }
    }

    fn classifies(&self, _recipe: &Recipe) -> bool {
        true
    }

    fn training(&self, task: &Task<'_>, batch: usize) -> Result<Graphs> {
        let spec = settings(task.recipe);
        let mut step: Vec<Part> = Vec::new();
        if spec.features == Features::Adversarial {
            step.push(("discriminators", discriminators(task, &spec, batch)?));
        }
        let (graph, layers) = student(task, &spec, batch)?;
        step.push(("student", graph));
        let mut start = None;
        if spec.matrix_lr > 0.0 {
            step.push(("matrices", kernel::matrices(&layers, spec.lambda_kernel)?));
            start = Some(kernel::start(&layers)?);
        }
        let refresh = match spec.refresh {
            Refresh::None => Vec::new(),
            Refresh::Stats | Refresh::Train => vec![("refresh", refresh(task, &spec, batch)?)],
        };
        let given = match self.teacher(task.recipe) {
            TeacherUse::Network => task.teacher()?.given(),
            _ => Default::default(),
        };
        Ok(Graphs { start, step, refresh, given, ..Graphs::default() })
    }

    fn scalar(&self, recipe: &Recipe, progress: Progress, name: &str) -> Option<f32> {
        let spec = settings(recipe);
        match name {
            "rbcn.features" => Some(if progress.epoch() < spec.features_after { 0.0 } else { spec.lambda_features }),
            "matrices.lr" => Some(spec.matrix_lr * parts::learning_rate(recipe, progress)),
            _ if name.starts_with("discriminators.") => {
                let all = discriminator::ADAM.scalars_of("discriminators", progress.steps, spec.discriminator_lr);
                all.into_iter().find(|(n, _)| n == name).map(|(_, v)| v)
            }
            _ => parts::scalar(recipe, progress, name),
        }
    }
}

fn settings(recipe: &Recipe) -> RbcnSpec {
    recipe.settings("rbcn")
}

/// Part 1: one step of the discriminators on R and on T, both of the same augmented images.
fn discriminators(task: &Task<'_>, spec: &RbcnSpec, batch: usize) -> Result<Graph> {
    let (g, ()) = parts::graph(|g| {
        let inputs = parts::inputs(g, task, batch)?;
        let taught = task.teacher()?.network(g, inputs.x, task.images)?;
        // The student as it is in training, but nothing of it is a parameter here.
        let student = task.recipe.network().network(g, inputs.x, task.images.classes, Mode::Batch, None)?;
        same_shape(g, task, &taught, &student)?;
        let generator = g.params();
        let d = Discriminators { standardise: spec.standardise_features };
        let mut losses = Vec::new();
        for (s, (&real, &fake)) in taught.stages.iter().zip(&student.stages).enumerate() {
            let (real, fake) = (d.view(g, real)?, d.view(g, fake)?);
            let made = d.compare(g, s, real, fake)?;
            track_mean(g, &format!("d{s}.right_on_real"), made.right_on_real, inputs.halted)?;
            track_mean(g, &format!("d{s}.right_on_fake"), made.right_on_fake, inputs.halted)?;
            let difference = g.mse(real, fake)?;
            track_mean(g, &format!("d{s}.feature_mse"), difference, inputs.halted)?;
            losses.push(made.loss);
        }
        let loss = total(g, &losses)?;
        let own: Vec<Value> = g.params().into_iter().filter(|p| !generator.contains(p)).collect();
        let gradients = g.backward(loss, &own)?;
        let optimiser = ("discriminators", &discriminator::ADAM);
        parts::update(g, task.recipe, optimiser, &own, &gradients, inputs.halted)
    })?;
    Ok(g)
}

/// Part 2: one step of the student on its whole loss. The gradient of what does not depend on the new W is passed on to
/// the matrices.
fn student(task: &Task<'_>, spec: &RbcnSpec, batch: usize) -> Result<(Graph, Vec<kernel::Layer>)> {
    let learn = |g: &mut Graph, inputs: &parts::Inputs| {
        let net = task.recipe.network().network(g, inputs.x, task.images.classes, Mode::Train, Some(inputs.halted))?;
        let task_loss = parts::classification_loss(g, task.recipe, net.logits, inputs)?;
        let mut logged = vec![("task_loss", task_loss)];
        let mut loss = task_loss;
        if spec.features != Features::None {
            let difference = feature_loss(g, task, spec, &net, inputs.x)?;
            logged.push(("feature_loss", difference));
            let weight = g.scalar("rbcn.features")?;
            let weighted = g.mul(difference, weight)?;
            loss = g.add(loss, weighted)?;
        }
        if spec.distill > 0.0 {
            let taught = task.teacher()?.network(g, inputs.x, task.images)?;
            let difference = g.distribution_loss(taught.logits, net.logits)?;
            logged.push(("distillation_loss", difference));
            let weighted = g.scale(difference, spec.distill)?;
            loss = g.add(loss, weighted)?;
        }
        let layers = kernel::layers(g, &net)?;
        if spec.lambda_kernel > 0.0 {
            let tie = kernel::loss(g, &net, spec)?;
            logged.push(("kernel_loss", tie));
            loss = g.add(loss, tie)?;
        }
        Ok((net.logits, loss, (net, layers, logged)))
    };
    parts::step(task, batch, learn, |g, loss, stop, (net, layers, logged)| {
        for (name, value) in logged {
            track_mean(g, name, value, stop)?;
        }
        let matrices: Vec<Value> = net.binary.iter().filter_map(|l| l.matrix).map(|(c, _)| c).collect();
        let parameters: Vec<Value> = g.params().into_iter().filter(|p| !matrices.contains(p)).collect();
        let trained: &[Value] = if spec.matrix_lr > 0.0 { &matrices } else { &[] };
        let gradients = g.backward(loss, &[&parameters, trained].concat())?;
        let (of_parameters, of_matrices) = gradients.split_at(parameters.len());
        parts::update(g, task.recipe, ("", &task.recipe.optimiser), &parameters, of_parameters, stop)?;
        let of_matrices = parts::mean_gradients(g, task.recipe, trained, of_matrices)?;
        kernel::pass_on(g, trained, &of_matrices)?;
        Ok(layers)
    })
}

/// How far the student's feature maps are from the teacher's, as the settings measure it.
fn feature_loss(g: &mut Graph, task: &Task<'_>, spec: &RbcnSpec, net: &Network, x: Value) -> Result<Value> {
    let losses: Vec<Value> = match spec.features {
        Features::Adversarial => {
            let d = Discriminators { standardise: spec.standardise_features };
            let one = |g: &mut Graph, s: usize, map: Value| {
                let view = d.view(g, map)?;
                d.deceive(g, s, view)
            };
            net.stages.iter().enumerate().map(|(s, &map)| one(g, s, map)).collect::<Result<_>>()?
        }
        _ => {
            let taught = task.teacher()?.network(g, x, task.images)?;
            same_shape(g, task, &taught, net)?;
            taught.stages.iter().zip(&net.stages).map(|(&r, &t)| g.mse(r, t)).collect::<Result<_>>()?
        }
    };
    let sum = total(g, &losses)?;
    g.scale(sum, 1.0 / losses.len() as f32)
}

/// The second pass: running statistics, and with [`Refresh::Train`] factors and offsets of normalisations. Nothing else
/// is assigned.
fn refresh(task: &Task<'_>, spec: &RbcnSpec, batch: usize) -> Result<Graph> {
    let mode = match spec.refresh_by {
        RefreshBy::Batch => Mode::Train,
        RefreshBy::Running => Mode::Settle,
    };
    let learn = |g: &mut Graph, inputs: &parts::Inputs| {
        let logits = task.recipe.network().build(g, inputs.x, task.images.classes, mode, Some(inputs.halted))?;
        let loss = parts::classification_loss(g, task.recipe, logits, inputs)?;
        Ok((logits, loss, ()))
    };
    let (g, ()) = parts::step(task, batch, learn, |g, loss, stop, ()| {
        if spec.refresh != Refresh::Train {
            return Ok(());
        }
        let norms: Vec<Value> =
            g.params().into_iter().filter(|p| g.init(*p).is_some_and(|(_, role)| role == Role::Norm)).collect();
        let gradients = g.backward(loss, &norms)?;
        parts::update(g, task.recipe, ("", &task.recipe.optimiser), &norms, &gradients, stop)
    })?;
    Ok(g)
}

/// Feature maps are compared one by one: the networks must have the same ones.
fn same_shape(g: &Graph, task: &Task<'_>, teacher: &Network, student: &Network) -> Result<()> {
    let shapes = |net: &Network| net.stages.iter().map(|v| g.shape(*v)[1..].to_vec()).collect::<Vec<_>>();
    let (of_teacher, of_student) = (shapes(teacher), shapes(student));
    if of_teacher.is_empty() || of_teacher != of_student {
        return Err(Error::Config(format!(
            "the feature maps of the teacher {} are {of_teacher:?} (height, width, channels), the student's {of_student:?}: \
             both networks must have the same kind and widths",
            task.teacher.map_or("", |t| t.name.as_str())
        )));
    }
    Ok(())
}

/// A sum over stages, of which a network may have none.
fn total(g: &mut Graph, values: &[Value]) -> Result<Value> {
    match values {
        [] => Err(Error::Config("the network has no stages".into())),
        _ => parts::total(g, values),
    }
}
