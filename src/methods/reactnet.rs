//! ReActNet's training (Liu et al., ECCV 2020): a binary network learns the class probabilities of a teacher in full
//! precision, `mean over images of -Σ_c p_c(teacher) log p_c(student)`, and no labels. It has two steps, each a run of its
//! own: binary activations under real weights (`net.binarization.weights = "real"`, some weight decay), then all of it
//! binary, starting from the first (`start_from`).

use super::parts;
use crate::error::Result;
use crate::graph::Graph;
use crate::nn::Mode;
use crate::train::method::{Graphs, Method, Task};

/// Distillation of class probabilities.
#[derive(Clone, Copy, Debug)]
pub struct Reactnet;

impl Method for Reactnet {
    fn name(&self) -> &'static str {
        "reactnet"
    }

    fn training(&self, task: &Task<'_>, batch: usize) -> Result<Graphs> {
        Ok(Graphs { given: super::teacher(task)?.given(), ..Graphs::step(train(task, batch)?) })
    }
}

fn train(task: &Task<'_>, batch: usize) -> Result<Graph> {
    let g = &mut Graph::new();
    let inputs = parts::inputs(g, task, batch)?;
    let taught = super::teacher(task)?.network(g, inputs.x, task.images)?;
    let logits = task.recipe.network().build(g, inputs.x, task.images.classes, Mode::Train, Some(inputs.halted))?;
    let loss = g.distribution_loss(taught.logits, logits)?;
    parts::descend(g, task.recipe, &inputs, logits, loss)?;
    Ok(std::mem::take(g))
}
