//! ReActNet's training (Liu et al., ECCV 2020): a binary network learns the class probabilities of a teacher in full
//! precision, `mean over images of -Σ_c p_c(teacher) log p_c(student)`, and no labels. It has two steps, each a run of its
//! own: binary activations under real weights (`net.binarization.weights = "real"`, some weight decay), then all of it
//! binary, starting from the first (`start_from`).

use super::parts;
use crate::error::Result;
use crate::graph::Graph;
use crate::methods::{Graphs, Method, Task, TeacherUse};
use crate::nn::Mode;
use crate::recipe::Recipe;

/// Distillation of class probabilities.
#[derive(Clone, Copy, Debug)]
pub struct Reactnet;

impl Method for Reactnet {
    fn name(&self) -> &'static str {
        "reactnet"
    }

    fn teacher(&self, _recipe: &Recipe) -> TeacherUse {
        TeacherUse::Network
    }

    fn training(&self, task: &Task<'_>, batch: usize) -> Result<Graphs> {
        Ok(Graphs { given: task.teacher()?.given(), ..Graphs::step(train(task, batch)?) })
    }
}

fn train(task: &Task<'_>, batch: usize) -> Result<Graph> {
    let teacher = task.teacher()?;
    parts::plain_step(task, batch, |g, inputs| {
        let taught = teacher.network(g, inputs.x, task.images)?;
        let logits = task.recipe.network().build(g, inputs.x, task.images.classes, Mode::Train, Some(inputs.halted))?;
        let loss = g.distribution_loss(taught.logits, logits)?;
        Ok((logits, loss))
    })
}
