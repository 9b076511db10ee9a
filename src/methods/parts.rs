//! What methods have in common: images in, labels in, a loss followed down, a test. Whoever writes a method starts here.

use super::tracking::{correct, halted_before, track};
use super::{AUGMENT, EVAL_IMAGES, EvaluatedBy, IMAGES, ImageInfo, LABELS, LOGITS, Progress, Task};
use crate::data::AugmentSpec;
use crate::error::{Error, Result};
use crate::graph::{Graph, Meta, Value};
use crate::nn::{Mode, Network};
use crate::ops::image::{AugmentPlan, columns};
use crate::recipe::{ClassWeights, Recipe};
use crate::tensor::{DType, HostTensor};

/// A graph, and what building it gave.
pub fn graph<T>(build: impl FnOnce(&mut Graph) -> Result<T>) -> Result<(Graph, T)> {
    let mut g = Graph::new();
    let made = build(&mut g)?;
    Ok((g, made))
}

/// A step that learns from labelled images: `learn` makes of them logits, a loss, and what `update` must know; `update` gets
/// the loss, the gate that is up once training is halted, and that.
pub fn step<T, R>(
    task: &Task<'_>,
    batch: usize,
    learn: impl FnOnce(&mut Graph, &Inputs) -> Result<(Value, Value, T)>,
    update: impl FnOnce(&mut Graph, Value, Value, T) -> Result<R>,
) -> Result<(Graph, R)> {
    graph(|g| {
        let inputs = inputs(g, task, batch)?;
        let (logits, loss, made) = learn(g, &inputs)?;
        let stop = watch(g, inputs.labels, logits, loss)?;
        update(g, loss, stop, made)
    })
}

/// As [`step`], with the recipe's optimiser on all parameters.
pub fn plain_step(
    task: &Task<'_>,
    batch: usize,
    learn: impl FnOnce(&mut Graph, &Inputs) -> Result<(Value, Value)>,
) -> Result<Graph> {
    let learn = |g: &mut Graph, inputs: &Inputs| learn(g, inputs).map(|(logits, loss)| (logits, loss, ()));
    Ok(step(task, batch, learn, |g, loss, stop, ()| optimiser_step(g, task.recipe, loss, stop))?.0)
}

/// The inputs of a training step.
pub struct Inputs {
    /// Images, augmented and normalised, `[n, h, w, c]`.
    pub x: Value,
    /// Classes, `[n]`.
    pub labels: Value,
    /// Whether training was halted before this step.
    pub halted: Value,
}

/// Images and labels of a step.
pub fn inputs(g: &mut Graph, task: &Task<'_>, batch: usize) -> Result<Inputs> {
    let images = task.images;
    if images.classes < 2 {
        let found = match images.classes {
            0 => "these have no labels",
            _ => "these have 1 class",
        };
        let path = &task.recipe.data.path;
        return Err(Error::Config(format!(
            "{path}: training with labels needs images of at least 2 classes, and {found}: put the images of each class into a \
             folder of its own, below the path or below train, val and test there"
        )));
    }
    let x = view(g, images, batch, 0, &task.recipe.augment)?;
    let labels = g.input(LABELS, Meta::new([batch], DType::U32))?;
    let halted = halted_before(g)?;
    Ok(Inputs { x, labels, halted })
}

/// Some views of the images of a step, from number `first` on, one after the other, `[views * n, h, w, c]`.
pub fn views(g: &mut Graph, task: &Task<'_>, batch: usize, first: usize, specs: &[AugmentSpec]) -> Result<Value> {
    let views = specs.iter().enumerate().map(|(i, spec)| view(g, task.images, batch, first + i, spec));
    let views: Vec<Value> = views.collect::<Result<_>>()?;
    g.concat(&views, 0)
}

/// Cross-entropy of logits with labels as the recipe has it: smoothed, and weighted by class.
///
/// # Errors
/// If logits and labels do not go together.
pub fn classification_loss(g: &mut Graph, recipe: &Recipe, logits: Value, labels: Value) -> Result<Value> {
    match &recipe.loss.class_weights {
        ClassWeights::Equal => g.cross_entropy(logits, labels, recipe.label_smoothing),
        ClassWeights::Given(weights) => g.weighted_cross_entropy(logits, labels, recipe.label_smoothing, weights),
        // Whoever trains knows the images, and has made numbers of it; here a step is only looked at.
        ClassWeights::Balanced => {
            let equal = vec![1.0; g.shape(logits).columns()];
            g.weighted_cross_entropy(logits, labels, recipe.label_smoothing, &equal)
        }
    }
}

/// Counts right answers and watches the loss; whether this step or one before halted training.
pub fn watch(g: &mut Graph, labels: Value, logits: Value, loss: Value) -> Result<Value> {
    let right = correct(g, logits, labels)?;
    track(g, loss, right)
}

/// Test images to features.
pub fn feature_graph(task: &Task<'_>, batch: usize) -> Result<Graph> {
    let (g, ()) = graph(|g| {
        let x = eval_input(g, task, batch)?;
        let net = task.recipe.network().network(g, x, 0, Mode::Eval, None)?;
        g.output(LOGITS, net.features);
        Ok(())
    })?;
    Ok(g)
}

/// Test images, normalised.
pub fn eval_input(g: &mut Graph, task: &Task<'_>, batch: usize) -> Result<Value> {
    let pixels = g.input(EVAL_IMAGES, Meta::new([batch, task.images.bytes()], DType::U8))?;
    let x = normalise(g, pixels, task.images)?;
    center_crop(g, x, task.images.eval_extents(&task.recipe.augment))
}

/// Whether a tensor belongs to what sits on a network only while it is trained, or to its last layer.
pub fn is_of_a_head(tensor: &str) -> bool {
    let heads = ["head.", "prototypes.", "queue.", "classifier.", "adapter.", "target.", "burn.", "fc."];
    heads.iter().any(|prefix| tensor.starts_with(prefix))
}

/// One step of the recipe's optimiser on all parameters.
pub fn optimiser_step(g: &mut Graph, recipe: &Recipe, loss: Value, stop: Value) -> Result<()> {
    let parameters = g.params();
    let gradients = g.backward(loss, &parameters)?;
    recipe.optimiser.step(g, &parameters, &gradients, Some(stop))
}

/// Classes that a network's last layer tells apart: none where it is evaluated by its features.
fn classes(task: &Task<'_>) -> usize {
    match task.recipe.method().evaluated_by(task.recipe) {
        EvaluatedBy::Logits => task.images.classes,
        EvaluatedBy::Neighbours => 0,
    }
}

/// Test images to logits, or to features where there are no classes, by a network in a mode without batch statistics.
pub fn eval_graph(task: &Task<'_>, batch: usize, mode: Mode) -> Result<(Graph, Network)> {
    graph(|g| {
        let x = eval_input(g, task, batch)?;
        let net = task.recipe.network().network(g, x, classes(task), mode, None)?;
        g.output(LOGITS, net.logits);
        Ok(net)
    })
}

/// The graph of a shipped network: images to logits, from stored bits and scales.
pub fn inference_graph(task: &Task<'_>, batch: usize) -> Result<Graph> {
    Ok(eval_graph(task, batch, Mode::Packed)?.0)
}

/// Scalars that do not depend on the method: those of the optimiser, and of estimators that change over training.
pub fn scalar(recipe: &Recipe, progress: Progress, name: &str) -> Option<f32> {
    match name {
        // Counts steps for dropout.
        "step" => Some(progress.steps as f32),
        // IR-Net's estimator, from nearly the identity to nearly the sign over the epochs.
        "ede.t" | "ede.k" => {
            let share = progress.epoch() as f32 / recipe.epochs as f32;
            // From where it starts to 10.
            let start = recipe.net.binarization.ede_start;
            let t = start * (10.0 / start).powf(share);
            Some(if name == "ede.t" { t } else { t.recip().max(1.0) })
        }
        _ => {
            let scalars = recipe.optimiser.scalars(progress.steps, learning_rate(recipe, progress));
            scalars.into_iter().find(|(n, _)| n == name).map(|(_, v)| v)
        }
    }
}

/// The learning rate of a step.
pub fn learning_rate(recipe: &Recipe, progress: Progress) -> f32 {
    recipe.schedule.at(recipe.lr, progress.steps, progress.per_epoch, recipe.epochs)
}

/// View number `number` of the images of a step, augmented and normalised, `[batch, h, w, c]`.
fn view(g: &mut Graph, images: &ImageInfo, batch: usize, number: usize, spec: &AugmentSpec) -> Result<Value> {
    // All views are made of the same images, unless they are crops of whole pictures, which come cropped.
    let (name, input) = match images.crops {
        true => (format!("{IMAGES}.{number}"), images.view_extents(spec)),
        false => (IMAGES.to_string(), images.extents),
    };
    let pixels = g.input(&name, Meta::new([batch, input.iter().product()], DType::U8))?;
    if *spec == (AugmentSpec { normalize: spec.normalize.clone(), ..AugmentSpec::default() }) {
        return normalise(g, pixels, images);
    }
    let params = g.input(&format!("{AUGMENT}.{number}"), Meta::f32([batch, columns::COUNT]))?;
    let [h, w, _] = images.view_extents(spec);
    let plan = AugmentPlan {
        input,
        output: [h, w],
        jitter: spec.color_jitter.is_some(),
        gray: spec.grayscale.is_some(),
        // Three deviations hold all but 0.3 % of a Gaussian.
        blur_radius: spec.gaussian_blur.map(|b| (3.0 * b.sigma[1]).ceil() as usize),
        normalize: Some((images.mean.clone(), images.std.clone())),
    };
    g.augment(pixels, params, &plan)
}

/// The middle of images `[n, h, w, c]`.
fn center_crop(g: &mut Graph, x: Value, [h, w, c]: [usize; 3]) -> Result<Value> {
    let &[n, from_h, from_w, _] = &g.shape(x)[..] else { unreachable!("images are NHWC") };
    if (from_h, from_w) == (h, w) {
        return Ok(x);
    }
    let (top, left) = ((from_h - h) / 2, (from_w - w) / 2);
    g.slice_axes(x, &[(0..n, 1), (top..top + h, 1), (left..left + w, 1), (0..c, 1)])
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
