//! Supervised classification: images with labels, cross-entropy, one program a step.

use super::parts;
use crate::error::Result;
use crate::graph::Graph;
use crate::methods::{Graphs, Method, Task};
use crate::nn::Mode;
use crate::recipe::Recipe;

/// Supervised classification.
#[derive(Clone, Copy, Debug)]
pub struct Supervised;

impl Method for Supervised {
    fn name(&self) -> &'static str {
        "supervised"
    }

    fn classifies(&self, _recipe: &Recipe) -> bool {
        true
    }

    fn training(&self, task: &Task<'_>, batch: usize) -> Result<Graphs> {
        Ok(Graphs::step(train(task, batch)?))
    }
}

/// One step: images to logits to loss, gradients, updates.
pub(super) fn train(task: &Task<'_>, batch: usize) -> Result<Graph> {
    parts::plain_step(task, batch, |g, inputs| {
        let logits = task.recipe.network().build(g, inputs.x, task.images.classes, Mode::Train, Some(inputs.halted))?;
        let loss = parts::classification_loss(g, task.recipe, logits, inputs)?;
        Ok((logits, loss))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::ImageInfo;

    #[test]
    fn augmentations_of_the_recipe_are_steps_of_the_program() {
        let images = ImageInfo { extents: [28, 28, 1], classes: 10, mean: vec![0.3], std: vec![0.3], crops: false };
        let (_, recipe) = Recipe::find("fashion-binary").expect("built in");
        let reads = |recipe: &Recipe| {
            let graph = train(&Task { recipe, images: &images, teacher: None, targets: None }, 4).expect("builds");
            graph.values().iter().any(|v| v.name == "augment.0")
        };
        assert!(!reads(&recipe), "nothing is asked for");
        let flipped = recipe.with(&["augment.flip={p=0.5}".into()]).expect("a known setting");
        assert!(reads(&flipped));
    }
}
