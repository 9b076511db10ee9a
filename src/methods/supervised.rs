//! Supervised classification: images with labels, cross-entropy, one program a step.

use crate::data::AugmentSpec;
use crate::error::{Error, Result};
use crate::graph::{Graph, Meta, Value};
use crate::nn::Mode;
use crate::ops::image::{AugmentPlan, columns};
use crate::tensor::{DType, HostTensor};
use crate::train::method::{AUGMENT, EVAL_IMAGES, Graphs, IMAGES, ImageInfo, LABELS, LOGITS, Method, Progress};
use crate::train::metrics::{correct, halted_before, track};
use crate::train::recipe::Recipe;

/// Supervised classification.
#[derive(Clone, Copy, Debug)]
pub struct Supervised;

impl Method for Supervised {
    fn name(&self) -> &'static str {
        "supervised"
    }

    fn build(&self, recipe: &Recipe, images: &ImageInfo, batch: usize, eval_batch: usize) -> Result<Graphs> {
        if images.classes < 2 {
            return Err(Error::Config(format!(
                "supervised training needs labelled images of at least 2 classes, these have {}",
                images.classes
            )));
        }
        Ok(Graphs { step: vec![("train", train(recipe, images, batch)?)], eval: eval(recipe, images, eval_batch)? })
    }

    fn scalar(&self, recipe: &Recipe, progress: Progress, name: &str) -> Option<f32> {
        let Progress { steps, per_epoch, .. } = progress;
        match name {
            // Counts steps for dropout.
            "step" => Some(steps as f32),
            // IR-Net's estimator, from nearly the identity to nearly the sign over the epochs.
            "ede.t" | "ede.k" => {
                let share = (steps / per_epoch) as f32 / recipe.epochs as f32;
                let t = 0.1 * 10f32.powf(2.0 * share);
                Some(if name == "ede.t" { t } else { t.recip().max(1.0) })
            }
            _ => {
                let lr = recipe.schedule.at(recipe.lr, steps, per_epoch, recipe.epochs);
                recipe.optimiser.scalars(steps, lr).into_iter().find(|(n, _)| n == name).map(|(_, v)| v)
            }
        }
    }
}

/// One step: images to logits to loss, gradients, updates.
fn train(recipe: &Recipe, images: &ImageInfo, batch: usize) -> Result<Graph> {
    let g = &mut Graph::new();
    let pixels = g.input(IMAGES, Meta::new([batch, images.bytes()], DType::U8))?;
    let labels = g.input(LABELS, Meta::new([batch], DType::U32))?;
    let halted = halted_before(g)?;

    let x = augmented(g, recipe, pixels, images)?;
    let logits = recipe.net.build(g, x, images.classes, Mode::Train, Some(halted))?;
    let loss = g.cross_entropy(logits, labels, recipe.label_smoothing)?;

    let right = correct(g, logits, labels)?;
    let halted = track(g, loss, right)?;
    let parameters = g.params();
    let gradients = g.backward(loss, &parameters)?;
    recipe.optimiser.step(g, &parameters, &gradients, Some(halted))?;
    Ok(std::mem::take(g))
}

/// Test images to logits.
fn eval(recipe: &Recipe, images: &ImageInfo, batch: usize) -> Result<Graph> {
    let g = &mut Graph::new();
    let pixels = g.input(EVAL_IMAGES, Meta::new([batch, images.bytes()], DType::U8))?;
    let x = normalise(g, pixels, images)?;
    let logits = recipe.net.build(g, x, images.classes, Mode::Eval, None)?;
    g.output(LOGITS, logits);
    Ok(std::mem::take(g))
}

/// Bytes to normalised numbers, changed as the recipe's `[augment]` says.
fn augmented(g: &mut Graph, recipe: &Recipe, pixels: Value, images: &ImageInfo) -> Result<Value> {
    let spec = &recipe.augment;
    let [h, w, _] = images.extents;
    if *spec == (AugmentSpec { normalize: spec.normalize.clone(), ..AugmentSpec::default() }) {
        return normalise(g, pixels, images);
    }
    let n = g.shape(pixels)[0];
    let params = g.input(&format!("{AUGMENT}.0"), Meta::f32([n, columns::COUNT]))?;
    let plan = AugmentPlan {
        input: images.extents,
        output: spec.output_size(h, w),
        jitter: spec.color_jitter.is_some(),
        gray: spec.grayscale.is_some(),
        // Three deviations hold all but 0.3 % of a Gaussian.
        blur_radius: spec.gaussian_blur.map(|b| (3.0 * b.sigma[1]).ceil() as usize),
        normalize: Some((images.mean.clone(), images.std.clone())),
    };
    g.augment(pixels, params, &plan)
}

/// Bytes to numbers of mean 0 and variance 1 a channel, `[n, h, w, c]`.
fn normalise(g: &mut Graph, pixels: Value, images: &ImageInfo) -> Result<Value> {
    let [h, w, c] = images.extents;
    let n = g.shape(pixels)[0];
    let (mean, std) = (&images.mean, &images.std);
    let scale = (0..h * w * c).map(|i| 1.0 / (255.0 * std[i % c])).collect();
    let shift = (0..h * w * c).map(|i| -mean[i % c] / std[i % c]).collect();
    let scale = g.constant(HostTensor::from_f32([h * w * c], scale));
    let shift = g.constant(HostTensor::from_f32([h * w * c], shift));
    let x = g.mul(pixels, scale)?;
    let x = g.add(x, shift)?;
    g.reshape(x, [n, h, w, c])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn augmentations_of_the_recipe_are_steps_of_the_program() {
        let images = ImageInfo { extents: [28, 28, 1], classes: 10, mean: vec![0.3], std: vec![0.3] };
        let (_, recipe) = Recipe::find("fashion-binary").expect("built in");
        let reads = |recipe: &Recipe| {
            let graph = train(recipe, &images, 4).expect("builds");
            graph.values().iter().any(|v| v.name == "augment.0")
        };
        assert!(!reads(&recipe), "nothing is asked for");
        let flipped = recipe.with(&["augment.flip={p=0.5}".into()]).expect("a known setting");
        assert!(reads(&flipped));
    }
}
