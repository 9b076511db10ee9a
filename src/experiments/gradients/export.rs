//! What ships of a network, written and tested.

use super::TrainedRun;
use super::trained::counted;
use crate::console::stop::NEVER;
use crate::console::text::{grouped, percent, say, size};
use crate::data::{Dataset, Loader, LoaderOptions, Split};
use crate::deploy::{Net, Runtime, file, masked, onnx, pack, web};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::experiments::{ExportOptions, Form};
use crate::files::{unasked, write_atomic};
use crate::masks::plain;
use crate::methods::{EvaluatedBy, ImageInfo, Targets, Task};
use crate::nn::MatrixShape;
use crate::tensor::HostTensor;
use crate::tensor_file::save;
use crate::train::evaluate::evaluate;
use crate::train::inference::{About, inference_tensors, load, with_mean_matrices};
use crate::train::origin::{Origin, is_file};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

type Tensors = HashMap<String, HostTensor>;

/// Writes a run's network, which tells apart the classes of `data`.
pub fn write(
    options: &ExportOptions,
    t: &TrainedRun,
    images: &ImageInfo,
    data: &Split,
    targets: Option<&Targets>,
) -> Result<()> {
    let fail = |m: String| Err(Error::Config(m));
    if options.out.is_none() && is_file(&options.run) {
        return fail(format!("{}: say where to write what ships of it, with -o FILE", options.run.display()));
    }
    let form = options.form()?;
    let out = options.out.clone().unwrap_or_else(|| t.run.path().join(form.name()));
    let plain = plain(&t.recipe, images, &t.checkpoint.tensors)?;
    if options.base.is_some() && (form != Form::Packed || plain.is_none()) {
        return fail("--base: only a packed model (.1bit) of a run of method smn is written as masks on a base".into());
    }
    if options.base.as_deref() == Some(out.as_path()) {
        return fail(format!(
            "--base and --out are both {}: the masks would take the place of the base",
            out.display()
        ));
    }
    let (recipe, tensors) = plain.as_ref().map_or((&t.recipe, &t.checkpoint.tensors), |(r, t)| (r, t));
    let task = Task { recipe, images, teacher: None, targets };
    let own = inference_tensors(&task, tensors)?;
    let has_matrices = own.keys().any(|name| name.ends_with(".matrix"));
    if options.mean_matrices && !has_matrices {
        return fail(format!(
            "--mean-matrices: the network of {} has no scale matrices (its scale is {:?}); leave the flag out",
            options.run.display(),
            t.recipe.net.binarization.scale
        ));
    }
    let mean = with_mean_matrices(&own);
    let [shipped, other] = if options.mean_matrices { [&mean, &own] } else { [&own, &mean] };
    if form != Form::Tensors {
        if !options.mean_matrices {
            return write_model(options, t, &task, form, shipped, data, &out);
        }
        // A matrix of one number is a scale of the whole sum, which one popcount makes.
        let mut scalar = recipe.clone();
        scalar.net.binarization.matrix = Some(MatrixShape::Scalar);
        let task = Task { recipe: &scalar, ..task };
        return write_model(options, t, &task, form, &as_scalars(shipped), data, &out);
    }
    let saved = save(&out, shipped, &About { net: &recipe.net, images, classes: &data.test.classes });
    unasked(saved, options.out.is_some(), "--out FILE")?;
    let bytes = std::fs::metadata(&out).map_err(Error::io(&out, "read"))?.len();
    say(format!("{}: {} tensors, {}", out.display(), grouped(shipped.len() as u64), size(bytes as usize)))?;
    let accuracy = |tensors: &Tensors| -> Result<f64> {
        let batch = recipe.eval.batch;
        let mut runner = load(&task, batch, tensors.clone(), &Device::Cpu)?;
        Ok(evaluate(recipe, &mut runner, data, batch, &NEVER)?.expect("nobody stops this").accuracy)
    };
    say(format!("top-1 {} of {}", percent(accuracy(shipped)?), counted(t.part, data.test.len())))?;
    if has_matrices {
        let which = if options.mean_matrices { "with the matrices themselves" } else { "with their means" };
        let of = counted(t.part, data.test.len());
        say(format!("top-1 {} of {of} {which}", percent(accuracy(other)?)))?;
    }
    Ok(())
}

/// Tensors of which each scale matrix is one number: of those whose entries are equal.
fn as_scalars(tensors: &Tensors) -> Tensors {
    let one = |(name, t): (&String, &HostTensor)| match name.ends_with(".matrix") {
        true => (name.clone(), HostTensor::from_f32([1, 1, 1, 1], t.f32s()[..1].to_vec())),
        false => (name.clone(), t.clone()),
    };
    tensors.iter().map(one).collect()
}

/// Writes a packed model, a graph of floats, or a page; and compares it with the graph that it was made of.
fn write_model(
    options: &ExportOptions,
    t: &TrainedRun,
    task: &Task<'_>,
    form: Form,
    shipped: &Tensors,
    data: &Split,
    out: &Path,
) -> Result<()> {
    let net = pack::pack(task, shipped, &data.test.classes)?;
    let bytes = match (form, &options.base) {
        (Form::Onnx, _) => onnx::onnx(&net)?,
        (_, Some(base)) => masked::encode(&net, &shared(base, t, task)?)
            .map_err(|e| Error::Config(format!("{} on {}: {e}", options.run.display(), base.display())))?,
        _ => file::encode(&net),
    };
    match form {
        Form::Web => web::write(&net, &t.info.recipe, bytes.len(), out)?,
        _ => write_atomic(out, &bytes)?,
    }
    let (bits, numbers) = net.parameters()?;
    let as_floats = 4 * (bits + numbers);
    let what = match &options.base {
        Some(base) => {
            format!("masks on {}; without a base it is {}", base.display(), size(file::encode(&net).len()))
        }
        None => format!(
            "{} weights of one bit and {} other numbers; as f32 they are {}, {:.1} times as much",
            grouped(bits as u64),
            grouped(numbers as u64),
            size(as_floats),
            as_floats as f64 / bytes.len() as f64
        ),
    };
    say(format!("{}: {}, {what}", out.display(), size(bytes.len())))?;
    let (counted_bits, _) = net.multiply_adds()?;
    if counted_bits == 0 && shipped.keys().any(|name| name.ends_with(".matrix")) {
        say(
            "its binary layers ship as signs with a scale for each tap, which are summed as floats; --mean-matrices ships layers that \
             popcounts sum",
        )?;
    }
    compare(&net, task, shipped, &data.test, &counted(t.part, data.test.len()))
}

/// The base of a run's masks from its file, which is written if it is not there.
fn shared(path: &Path, t: &TrainedRun, task: &Task<'_>) -> Result<Net> {
    if path.exists() {
        return file::load(path);
    }
    let origin = Origin::open(Path::new(&t.recipe.start_from))
        .map_err(|e| Error::Config(format!("the base of {} (its start_from): {e}", t.run.path().display())))?;
    // Its features are what it gives.
    let recipe = task.recipe.of_network(origin.net, EvaluatedBy::Neighbours);
    let images = ImageInfo { mean: origin.mean, std: origin.std, classes: 0, ..task.images.clone() };
    let task = Task { recipe: &recipe, images: &images, teacher: None, targets: None };
    let net = pack::pack(&task, &inference_tensors(&task, &origin.tensors)?, &[])?;
    let bytes = file::encode(&net);
    write_atomic(path, &bytes)?;
    say(format!("{}: the base, {}", path.display(), size(bytes.len())))?;
    Ok(net)
}

/// The packed model beside the graph that it was made of, on all images of a part, which are `called` so.
fn compare(net: &Net, task: &Task<'_>, tensors: &Tensors, test: &Arc<Dataset>, called: &str) -> Result<()> {
    let batch = task.recipe.eval.batch;
    let mut runner = load(task, batch, tensors.clone(), &Device::Cpu)?;
    let mut runtime = Runtime::new(net, 1)?;
    let loader = Loader::new(test.clone(), LoaderOptions::eval(batch))?;
    let (mut same, mut apart, mut large, mut right) = (0, 0f32, 0f32, 0);
    let mut at = 0;
    let mut batches = loader.epoch(0);
    while let Some(b) = batches.next() {
        let b = b?;
        let logits = runner.logits(&b.images[0])?;
        for row in logits.f32s().chunks_exact(logits.shape().columns()).take(b.valid) {
            let own = runtime.run(&test.image(at)?)?;
            let first = |y: &[f32]| (0..y.len()).fold(0, |best, i| if y[i] > y[best] { i } else { best });
            same += (first(own) == first(row)) as usize;
            right += test.labels.as_ref().is_some_and(|l| l[at] as usize == first(own)) as usize;
            apart = own.iter().zip(row).fold(apart, |m, (a, b)| m.max((a - b).abs()));
            large = row.iter().fold(large, |m, x| m.max(x.abs()));
            at += 1;
        }
        batches.recycle(b);
    }
    let n = test.len();
    if task.recipe.method().evaluated_by(task.recipe) == EvaluatedBy::Logits && test.labels.is_some() {
        say(format!("top-1 {} of {called}", percent(right as f64 / n as f64)))?;
    }
    say(format!(
        "the runtime and the training graph name the same first output for {} of {} images; outputs differ by at most \
         {apart:.1e} ({large:.1e} is the largest)",
        grouped(same as u64),
        grouped(n as u64)
    ))
}
