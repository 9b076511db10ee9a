//! ReActNet's training (Liu et al., ECCV 2020): a binary network learns the class probabilities of a teacher in full
//! precision, `mean over images of -Σ_c p_c(teacher) log p_c(student)`, and no labels. It has two steps, each a run of its
//! own: binary activations under real weights (`net.binarization.weights = "real"`, some weight decay), then all of it
//! binary, starting from the first (`start_from`).

use super::parts;
use crate::error::Result;
use crate::graph::Graph;
use crate::nn::Mode;
use crate::train::method::{Graphs, Method, Progress, Task};
use crate::train::recipe::Recipe;

/// Distillation of class probabilities.
#[derive(Clone, Copy, Debug)]
pub struct Reactnet;

impl Method for Reactnet {
    fn name(&self) -> &'static str {
        "reactnet"
    }

    fn build(&self, task: &Task<'_>, batch: usize, eval_batch: usize) -> Result<Graphs> {
        let step = vec![("train", train(task, batch)?)];
        let given = super::teacher(task)?.given();
        Ok(Graphs { step, eval: self.eval(task, eval_batch)?, given, ..Graphs::default() })
    }

    fn eval(&self, task: &Task<'_>, batch: usize) -> Result<Graph> {
        parts::test(task, batch)
    }

    fn scalar(&self, recipe: &Recipe, progress: Progress, name: &str) -> Option<f32> {
        parts::scalar(recipe, progress, name)
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
