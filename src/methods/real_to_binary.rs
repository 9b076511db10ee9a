//! Real-to-Binary (Martinez et al., ICLR 2020, arXiv 2003.11535): a binary network learns from labels, from its teacher's class
//! probabilities, and from where its teacher looks:
//!
//! ```text
//! L = a CE(labels) + b mean_j A(teacher_j, student_j) + c T² KL(teacher || student)
//! ```
//!
//! A is the distance of the maps of attention ([`attention_loss`](crate::graph::Graph::attention_loss)) behind residual block
//! j. It has three steps, each a run of its own, with the network of the step before as its teacher: real weights under
//! `tanh` (`net.binarization.activations`), real weights under signs, and all binary, which starts from the second.
//!
//! The paper names no weights of its terms; those of a recipe that has none are Larq Zoo's of the first two steps.

use super::parts;
use super::tracking::track_mean;
use crate::error::{Error, Result};
use crate::graph::{Graph, Value};
use crate::methods::{Graphs, Method, Task, TeacherUse};
use crate::nn::{Mode, Network};
use crate::recipe::{OwnTable, Recipe};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Real-to-Binary's settings, as they stand in a recipe's `[real_to_binary]` table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RealToBinarySpec {
    /// The weight of the labels.
    pub labels: f32,
    /// The weight of the attention.
    pub attention: f32,
    /// The weight of the teacher's class probabilities.
    pub outputs: f32,
    /// T: what logits are divided by before they become probabilities.
    pub temperature: f32,
    /// Places at which attention is compared: behind the last residual block, and behind as many before it as there are, in
    /// equal steps. A teacher with half as many blocks has half the step.
    pub points: usize,
}

impl Default for RealToBinarySpec {
    fn default() -> Self {
        RealToBinarySpec { labels: 1.0, attention: 30.0, outputs: 3.0, temperature: 1.0, points: 8 }
    }
}

/// Real-to-Binary.
#[derive(Clone, Copy, Debug)]
pub struct RealToBinary;

impl Method for RealToBinary {
    fn name(&self) -> &'static str {
        "real-to-binary"
    }

    fn tables(&self) -> &'static [OwnTable] {
        const { &[OwnTable::of::<RealToBinarySpec>("real_to_binary")] }
    }

    fn validate(&self, recipe: &Recipe) -> Result<()> {
        let spec = settings(recipe);
        let fail = |key: &str, value: String, give: &str| {
            Err(Error::Config(format!("real_to_binary.{key} = {value}: give {give}")))
        };
        let weights = [("labels", spec.labels), ("attention", spec.attention), ("outputs", spec.outputs)];
        for (key, weight) in weights {
            if !(weight >= 0.0 && weight.is_finite()) {
                return fail(key, weight.to_string(), "a number from 0 on");
            }
        }
        if weights.iter().all(|(_, weight)| *weight == 0.0) {
            return Err(Error::Config(
                "real_to_binary: labels, attention and outputs are all 0, there is nothing to learn: give one of them a weight"
                    .into(),
            ));
        }
        if !(spec.temperature > 0.0 && spec.temperature.is_finite()) {
            return fail("temperature", spec.temperature.to_string(), "a number over 0");
        }
        if spec.points == 0 {
            return fail("points", "0".into(), "at least 1; attention = 0 compares none");
        }
        Ok(())
    }

    fn teacher(&self, recipe: &Recipe) -> TeacherUse {
        let spec = settings(recipe);
        match spec.attention > 0.0 || spec.outputs > 0.0 {
            true => TeacherUse::Network,
            false => TeacherUse::Unread,
        }
    }

    fn classifies(&self, recipe: &Recipe) -> bool {
        settings(recipe).labels > 0.0
    }

    fn training(&self, task: &Task<'_>, batch: usize) -> Result<Graphs> {
        let given = match self.teacher(task.recipe) {
            TeacherUse::Network => task.teacher()?.given(),
            _ => Default::default(),
        };
        Ok(Graphs { given, ..Graphs::step(train(task, batch)?) })
    }
}

fn settings(recipe: &Recipe) -> RealToBinarySpec {
    recipe.settings("real_to_binary")
}

fn train(task: &Task<'_>, batch: usize) -> Result<Graph> {
    let spec = settings(task.recipe);
    parts::plain_step(task, batch, |g, inputs| {
        let net = task.recipe.network().network(g, inputs.x, task.images.classes, Mode::Train, Some(inputs.halted))?;
        let mut terms = Vec::new();
        if spec.labels > 0.0 {
            let loss = parts::classification_loss(g, task.recipe, net.logits, inputs)?;
            terms.push(("task_loss", loss, spec.labels));
        }
        if spec.attention > 0.0 || spec.outputs > 0.0 {
            let taught = task.teacher()?.network(g, inputs.x, task.images)?;
            if spec.attention > 0.0 {
                terms.push(("attention_loss", attention(g, task, &spec, &taught, &net)?, spec.attention));
            }
            if spec.outputs > 0.0 {
                let loss = g.kl_divergence(taught.logits, net.logits, spec.temperature, true)?;
                terms.push(("distillation_loss", loss, spec.outputs));
            }
        }
        let mut weighted = Vec::new();
        for (name, loss, weight) in terms {
            track_mean(g, name, loss, inputs.halted)?;
            weighted.push(g.scale(loss, weight)?);
        }
        Ok((net.logits, parts::total(g, &weighted)?))
    })
}

/// The mean over the points at which the networks are compared.
fn attention(
    g: &mut Graph,
    task: &Task<'_>,
    spec: &RealToBinarySpec,
    teacher: &Network,
    student: &Network,
) -> Result<Value> {
    let shown = |net: &Network, g: &Graph| net.residuals.iter().map(|x| g.shape(*x)[1..3].to_vec()).collect::<Vec<_>>();
    let (taught, learned) = match (points(teacher, spec.points), points(student, spec.points)) {
        (Some(t), Some(s)) if t.iter().zip(&s).all(|(t, s)| g.shape(*t)[1..3] == g.shape(*s)[1..3]) => (t, s),
        _ => {
            return Err(Error::Config(format!(
                "real_to_binary.points = {}: behind their residual blocks the teacher {} has maps of {:?} pixels, the student of \
                 {:?}: both must have a multiple of that many blocks, and at the places compared maps of one size",
                spec.points,
                task.teacher.map_or("", |t| t.name.as_str()),
                shown(teacher, g),
                shown(student, g)
            )));
        }
    };
    let losses = taught.iter().zip(&learned).map(|(t, s)| g.attention_loss(*t, *s)).collect::<Result<Vec<_>>>()?;
    let sum = parts::total(g, &losses)?;
    g.scale(sum, 1.0 / losses.len() as f32)
}

/// The outputs of some residual blocks, in equal steps; the last one is among them.
fn points(net: &Network, n: usize) -> Option<Vec<Value>> {
    let step = net.residuals.len() / n;
    let even = step > 0 && net.residuals.len() == step * n;
    even.then(|| net.residuals.iter().skip(step - 1).step_by(step).copied().collect())
}
