//! What methods have in common: images in, labels in, a loss followed down, a test. Whoever writes a method starts here.

use super::tracking::{correct, correct_of_mixed, halted_before, track};
use super::{ADDED_UP, AUGMENT, EVAL_IMAGES, EvaluatedBy, IMAGES, ImageInfo, LABELS, LOGITS, Progress, Task};
use crate::data::AugmentSpec;
use crate::data::augment::{self, Interpolation};
use crate::error::{Error, Result};
use crate::graph::{Graph, Meta, Value};
use crate::nn::{Mode, Network, TAIL};
use crate::ops::image::{AugmentPlan, MixedLabels, Retouch, columns};
use crate::optim::{ADDS, GAMMA, HOLDS, OptimSpec, accumulated, held};
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
        let stop = watch(g, &inputs, logits, loss)?;
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
    /// The classes of mixed images, where the recipe mixes them.
    pub mixed: Option<MixedLabels>,
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
    let augment = &task.recipe.augment;
    let (mut x, params) = view(g, images, batch, 0, augment)?;
    let labels = g.input(LABELS, Meta::new([batch], DType::U32))?;
    let mut mixed = None;
    if let (Some(params), true) = (params, augment.mixes()) {
        x = g.mix_images(x, params)?;
        mixed = Some(g.mix_labels(labels, params)?);
    }
    let halted = halted_before(g)?;
    Ok(Inputs { x, labels, mixed, halted })
}

/// Some views of the images of a step, from number `first` on, one after the other, `[views * n, h, w, c]`.
pub fn views(g: &mut Graph, task: &Task<'_>, batch: usize, first: usize, specs: &[AugmentSpec]) -> Result<Value> {
    let views = specs.iter().enumerate().map(|(i, spec)| Ok(view(g, task.images, batch, first + i, spec)?.0));
    let views: Vec<Value> = views.collect::<Result<_>>()?;
    g.concat(&views, 0)
}

/// Cross-entropy of logits with the labels as the recipe has it: smoothed, weighted by class; of mixed images with both
/// classes, each by its share.
///
/// # Errors
/// If logits and labels do not go together.
pub fn classification_loss(g: &mut Graph, recipe: &Recipe, logits: Value, inputs: &Inputs) -> Result<Value> {
    let (labels, smoothing) = (inputs.labels, recipe.label_smoothing);
    if let Some(mixed) = inputs.mixed {
        let own = g.cross_entropy_rows(logits, mixed.own, smoothing)?;
        let other = g.cross_entropy_rows(logits, mixed.other, smoothing)?;
        // other + share (own - other)
        let nearer = g.sub(own, other)?;
        let nearer = g.mul(nearer, mixed.share)?;
        let rows = g.add(other, nearer)?;
        return g.mean_all(rows);
    }
    match &recipe.loss.class_weights {
        ClassWeights::Equal => g.cross_entropy(logits, labels, smoothing),
        ClassWeights::Given(weights) => g.weighted_cross_entropy(logits, labels, smoothing, weights),
        // Whoever trains knows the images, and has made numbers of it; here a step is only looked at.
        ClassWeights::Balanced => {
            let equal = vec![1.0; g.shape(logits).columns()];
            g.weighted_cross_entropy(logits, labels, smoothing, &equal)
        }
    }
}

/// Counts right answers, of mixed images those that name the class of the larger share, and watches the loss; whether this
/// step or one before halted training.
pub fn watch(g: &mut Graph, inputs: &Inputs, logits: Value, loss: Value) -> Result<Value> {
    let right = match inputs.mixed {
        None => correct(g, logits, inputs.labels)?,
        Some(mixed) => correct_of_mixed(g, logits, mixed)?,
    };
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
    let heads = ["head.", "prototypes.", "queue.", "key.", "classifier.", "adapter.", "target.", "burn.", "fc."];
    heads.iter().any(|prefix| tensor.starts_with(prefix))
}

/// The sum of some values, first to last.
///
/// # Panics
/// If there are none.
pub fn total(g: &mut Graph, values: &[Value]) -> Result<Value> {
    let (first, rest) = values.split_first().expect("a sum has terms");
    rest.iter().try_fold(*first, |sum, v| g.add(sum, *v))
}

/// One step of the recipe's optimiser on all parameters.
pub fn optimiser_step(g: &mut Graph, recipe: &Recipe, loss: Value, stop: Value) -> Result<()> {
    let parameters = g.params();
    let gradients = g.backward(loss, &parameters)?;
    update(g, recipe, ("", &recipe.optimiser), &parameters, &gradients, stop)
}

/// One step of an optimiser, whose scalars are called `<group>.lr` and so on, on some parameters by their gradients, unless the
/// gate `stop` is up. Where a step has several batches ([`Recipe::accumulate`]), it is made once, by the mean of their gradients.
///
/// # Errors
/// As [`OptimSpec::step_of`].
pub fn update(
    g: &mut Graph,
    recipe: &Recipe,
    (group, optimiser): (&str, &OptimSpec),
    parameters: &[Value],
    gradients: &[Value],
    stop: Value,
) -> Result<()> {
    let gradients = mean_gradients(g, recipe, parameters, gradients)?;
    let stop = once_a_step(g, recipe, stop)?;
    optimiser.step_of(group, g, parameters, &gradients, Some(stop))
}

/// The mean gradients of the batches of a step until now.
pub fn mean_gradients(g: &mut Graph, recipe: &Recipe, parameters: &[Value], gradients: &[Value]) -> Result<Vec<Value>> {
    accumulated(g, recipe.accumulate, ADDED_UP, parameters, gradients)
}

/// A gate for what happens once a step, whatever number of batches that has.
pub fn once_a_step(g: &mut Graph, recipe: &Recipe, stop: Value) -> Result<Value> {
    held(g, recipe.accumulate, stop)
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
        // Counts batches for dropout.
        "step" => Some(progress.batches() as f32),
        ADDS => Some(f32::from(progress.batch.0 > 0)),
        HOLDS => Some(f32::from(progress.batch.0 + 1 < progress.batch.1)),
        // IR-Net's estimator, from nearly the identity to nearly the sign over the epochs.
        "ede.t" | "ede.k" => {
            let share = progress.epoch() as f32 / recipe.epochs as f32;
            // From where it starts to 10.
            let start = recipe.net.binarization.ede_start;
            let t = start * (10.0 / start).powf(share);
            Some(if name == "ede.t" { t } else { t.recip().max(1.0) })
        }
        GAMMA => {
            let share = progress.steps as f64 / progress.total.max(1) as f64;
            recipe.optimiser.rule.gamma(share, progress.epoch())
        }
        // ReCU: the quantile tau grows over the epochs, from where a Laplace law has its tails.
        TAIL => {
            let share = progress.epoch() as f64 / recipe.epochs as f64;
            let [first, last] = recipe.net.binarization.rectified().map(f64::from);
            let tau = first + (last - first) * (share.exp() - 1.0) / (1f64.exp() - 1.0);
            Some(-(2.0 - 2.0 * tau).ln() as f32)
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

/// View number `number` of the images of a step, augmented and normalised, `[batch, h, w, c]`; and the parameters, if anything
/// is done to the images.
fn view(
    g: &mut Graph,
    images: &ImageInfo,
    batch: usize,
    number: usize,
    spec: &AugmentSpec,
) -> Result<(Value, Option<Value>)> {
    // All views are made of the same images, unless they are crops of whole pictures, which come cropped.
    let (name, input) = match images.crops {
        true => (format!("{IMAGES}.{number}"), images.view_extents(spec)),
        false => (IMAGES.to_string(), images.extents),
    };
    let pixels = g.input(&name, Meta::new([batch, input.iter().product()], DType::U8))?;
    if *spec == (AugmentSpec { normalize: spec.normalize.clone(), ..AugmentSpec::default() }) {
        return Ok((normalise(g, pixels, images)?, None));
    }
    let params = g.input(&format!("{AUGMENT}.{number}"), Meta::f32([batch, columns::COUNT]))?;
    let [h, w, _] = images.view_extents(spec);
    // Three deviations hold all but 0.3 % of a Gaussian.
    let blur_radius = spec.gaussian_blur.map(|b| (3.0 * b.sigma[1]).ceil() as usize);
    if let (Some(radius), Some(blur)) = (blur_radius, spec.gaussian_blur)
        && radius >= h.min(w)
    {
        return Err(Error::Config(format!(
            "augment.gaussian_blur.sigma = [{}, {}]: three deviations, {radius} pixels, must be less than the images' {h} x {w}: give \
             a smaller second number",
            blur.sigma[0], blur.sigma[1]
        )));
    }
    let plan = AugmentPlan {
        output: [h, w],
        retouches: retouches(spec),
        jitter: spec.color_jitter.is_some(),
        gray: spec.grayscale.is_some(),
        blur_radius,
        light: spec.lighting.is_some(),
        normalize: Some((images.mean.clone(), images.std.clone())),
        erase: spec.erasing.map(|e| e.value),
        ..AugmentPlan::plain(input)
    };
    Ok((g.augment(pixels, params, &plan)?, Some(params)))
}

/// The retouches of a view, in their order.
fn retouches(spec: &AugmentSpec) -> Vec<Retouch> {
    let bilinear = |how: Interpolation| how == Interpolation::Bilinear;
    let mut all = Vec::new();
    let mut of_policy = |slots: usize, interpolation: Interpolation, fill: f32| {
        all.extend((0..slots).map(|slot| Retouch { slot, colours: true, bilinear: bilinear(interpolation), fill }));
    };
    if let Some(policy) = &spec.rand_augment {
        of_policy(policy.num_ops, policy.interpolation, policy.fill);
    } else if let Some(policy) = &spec.trivial_augment {
        of_policy(1, policy.interpolation, policy.fill);
    }
    if let Some(turn) = &spec.rotation {
        let bilinear = bilinear(turn.interpolation);
        all.push(Retouch { slot: augment::ROTATION, colours: false, bilinear, fill: turn.fill });
    }
    all
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
