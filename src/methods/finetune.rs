//! Fine-tuning with few labels (SwAV, section 4; specification of SwAV, section 5): all of a network that was trained without
//! labels and a new last layer, by cross-entropy, each at a learning rate of its own.

use super::parts;
use crate::error::{Error, Result};
use crate::graph::{Graph, Value};
use crate::methods::{Graphs, Method, Progress, Task};
use crate::nn::Mode;
use crate::recipe::{OwnTable, Recipe};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Fine-tuning's settings, as they stand in a recipe's `[finetune]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FinetuneSpec {
    /// Learning rate of the last layer, which the schedule changes as it does the recipe's.
    pub last_lr: f32,
}

impl Default for FinetuneSpec {
    fn default() -> Self {
        FinetuneSpec { last_lr: 0.2 }
    }
}

/// Fine-tuning.
#[derive(Clone, Copy, Debug)]
pub struct Finetune;

/// Scope of the new layer, and group of its optimiser.
const LAST: &str = "fc";

impl Method for Finetune {
    fn name(&self) -> &'static str {
        "finetune"
    }

    fn tables(&self) -> &'static [OwnTable] {
        const { &[OwnTable::of::<FinetuneSpec>("finetune")] }
    }

    fn validate(&self, recipe: &Recipe) -> Result<()> {
        let last_lr = settings(recipe).last_lr;
        if !(last_lr >= 0.0 && last_lr.is_finite()) {
            return Err(Error::Config(format!("finetune.last_lr = {last_lr}: give a number from 0 on")));
        }
        if recipe.start_from.is_empty() {
            return Err(Error::Config(
                "method = \"finetune\" goes on with a trained network: name its run with start_from".into(),
            ));
        }
        Ok(())
    }

    fn classifies(&self, _recipe: &Recipe) -> bool {
        true
    }

    fn training(&self, task: &Task<'_>, batch: usize) -> Result<Graphs> {
        Ok(Graphs::step(train(task, batch)?))
    }

    fn scalar(&self, recipe: &Recipe, progress: Progress, name: &str) -> Option<f32> {
        if name.starts_with("fc.") {
            let lr = settings(recipe).last_lr;
            let lr = recipe.schedule.at(lr, progress.steps, progress.per_epoch, recipe.epochs);
            let all = recipe.optimiser.scalars_of(LAST, progress.steps, lr);
            return all.into_iter().find(|(n, _)| n == name).map(|(_, v)| v);
        }
        parts::scalar(recipe, progress, name)
    }

    /// The network; its heads stay behind.
    fn inherits(&self, _recipe: &Recipe, tensor: &str) -> bool {
        !parts::is_of_a_head(tensor)
    }
}

fn settings(recipe: &Recipe) -> FinetuneSpec {
    recipe.settings("finetune")
}

fn train(task: &Task<'_>, batch: usize) -> Result<Graph> {
    let learn = |g: &mut Graph, inputs: &parts::Inputs| {
        let net = task.recipe.network();
        let logits = net.build(g, inputs.x, task.images.classes, Mode::Train, Some(inputs.halted))?;
        let loss = parts::classification_loss(g, task.recipe, logits, inputs)?;
        Ok((logits, loss, ()))
    };
    let (g, ()) = parts::step(task, batch, learn, |g, loss, stop, ()| {
        let is_last = |g: &Graph, p: &Value| g.name(*p).starts_with("fc.");
        let (last, trunk): (Vec<Value>, Vec<Value>) = g.params().into_iter().partition(|p| is_last(g, p));
        let gradients = g.backward(loss, &[&trunk[..], &last].concat())?;
        let (of_trunk, of_last) = gradients.split_at(trunk.len());
        let optimiser = &task.recipe.optimiser;
        parts::update(g, task.recipe, ("", optimiser), &trunk, of_trunk, stop)?;
        parts::update(g, task.recipe, (LAST, optimiser), &last, of_last, stop)
    })?;
    Ok(g)
}
