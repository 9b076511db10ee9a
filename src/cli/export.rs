//! `onebit export`.

use super::eval::{Tested, Which};
use super::text::{grouped, percent, say, size};
use crate::data::{Dataset, Loader, LoaderOptions};
use crate::deploy::{Net, Runtime, file, masked, onnx, pack, web};
use crate::device::Device;
use crate::files::write_atomic;
use crate::masks::plain;
use crate::methods::method;
use crate::tensor::HostTensor;
use crate::train::checkpoint::save;
use crate::train::evaluate::judge;
use crate::train::inference::{About, inference_tensors, load, with_mean_matrices};
use crate::train::method::{ImageInfo, Judge, Task};
use crate::train::origin::Origin;
use crate::train::recipe::{MethodName, Recipe};
use crate::train::targets::{NEVER, Targets};
use anyhow::{Context, bail};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

/// Writes what inference needs of a trained network, and nothing else, and tests what it wrote.
///
/// That is one bit for each binary weight, and scales, normalisations, nonlinearities and the first and last layer as they
/// are. Latent weights, teachers, discriminators and optimisers stay behind. By the ending of the file:
///
///     .1bit          the packed model, which `onebit predict` and the library's runtime run
///     .onnx          a graph of floats for onnxruntime and others (opset 17)
///     .safetensors   the tensors, bits in 32-bit words, names as PyTorch has them
///
/// Examples:
///
///     onebit export runs/fashion-binary -o model.1bit
///     onebit export runs/fashion-binary -o model.onnx
///     onebit export runs/fashion-binary --to web -o page      a folder: open index.html in a browser with WebGPU
///     onebit export runs/small-rbcn --mean-matrices --out network.safetensors
///     onebit export runs/small-smn -o task.1bit --base base.1bit
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The run directory.
    run: PathBuf,
    /// Which checkpoint.
    #[arg(long, value_enum, default_value_t = Which::Last)]
    checkpoint: Which,
    /// RBCN's scale matrices C each as their mean C*, with which a layer is one popcount and one factor.
    #[arg(long)]
    mean_matrices: bool,
    /// What is written, where the ending does not say it.
    #[arg(long, value_enum)]
    to: Option<Form>,
    /// The file, or the folder of a page [default: network.safetensors in the run directory].
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Of a run that learned masks: the packed model of the network that they are on, one file for all tasks; then only the
    /// masks are written, one bit a weight, and what else differs. It is written if it is not there.
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// Other images than the run's to test on.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
}

/// What is written.
#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Form {
    /// The packed model.
    #[value(name = "1bit")]
    Packed,
    /// A graph of floats.
    Onnx,
    /// The tensors.
    #[value(name = "safetensors")]
    Tensors,
    /// A page that runs the model on a browser's WebGPU.
    Web,
}

fn form(out: &Path) -> anyhow::Result<Form> {
    match out.extension().and_then(|e| e.to_str()) {
        Some("1bit") => Ok(Form::Packed),
        Some("onnx") => Ok(Form::Onnx),
        Some("safetensors") => Ok(Form::Tensors),
        _ => bail!(
            "--out {}: by its ending a file is .1bit, .onnx or .safetensors; or say what it is with --to",
            out.display()
        ),
    }
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let t = Tested::open(&args.run, args.checkpoint, args.data.as_deref())?;
    let out = args.out.clone().unwrap_or_else(|| t.run.path().join("network.safetensors"));
    let form = args.to.map_or_else(|| form(&out), Ok)?;
    // A compressed model's classes are clusters, which its teacher counts.
    let (mut targets, mut images, mut data) = (None, t.images.clone(), t.data.clone());
    if t.recipe.method == MethodName::Compress {
        let mut shown = super::bootstrap::Shown::new(false);
        let mut watch = crate::mbn::Watch { stop: &NEVER, told: &mut |p| shown.progress(p) };
        let found = Targets::of(&t.recipe, &t.data, &Device::Cpu, &mut watch)?.context("nobody stops this")?;
        images.classes = found.1.test.classes.len();
        (targets, data) = (Some(found.0), found.1);
    }
    let plain = plain(&t.recipe, &images, &t.checkpoint.tensors)?;
    if args.base.is_some() && (form != Form::Packed || plain.is_none()) {
        bail!("--base: only a packed model (.1bit) of a run of method smn is written as masks on a base");
    }
    if args.base.as_deref() == Some(out.as_path()) {
        bail!("--base and --out are both {}: the masks would take the place of the base", out.display());
    }
    let (recipe, tensors) = plain.as_ref().map_or((&t.recipe, &t.checkpoint.tensors), |(r, t)| (r, t));
    let task = Task { recipe, images: &images, teacher: None, targets: targets.as_ref() };
    let own = inference_tensors(&task, tensors)?;
    let has_matrices = own.keys().any(|name| name.ends_with(".matrix"));
    if args.mean_matrices && !has_matrices {
        bail!(
            "--mean-matrices: the network of {} has no scale matrices (its scale is {:?}); leave the flag out",
            args.run.display(),
            t.recipe.net.binarization.scale
        );
    }
    let mean = with_mean_matrices(&own);
    let shipped = if args.mean_matrices { &mean } else { &own };
    if form != Form::Tensors {
        let net = pack::pack(&task, shipped, &data.test.classes)?;
        let bytes = match (form, &args.base) {
            (Form::Onnx, _) => onnx::onnx(&net)?,
            (_, Some(base)) => masked::encode(&net, &shared(base, &t, &task)?)
                .with_context(|| format!("{} on {}", args.run.display(), base.display()))?,
            _ => file::encode(&net),
        };
        match form {
            Form::Web => web::write(&net, &t.info.recipe, bytes.len(), &out)?,
            _ => write_atomic(&out, &bytes)?,
        }
        let (bits, numbers) = net.parameters()?;
        let as_floats = 4 * (bits + numbers);
        let what = match &args.base {
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
        compare(&net, &task, shipped, &data.test)?;
        return Ok(ExitCode::SUCCESS);
    }
    save(&out, shipped, &About { net: &recipe.net, images: &images, classes: &data.test.classes })?;
    let bytes = std::fs::metadata(&out).with_context(|| out.display().to_string())?.len();
    say(format!("{}: {} tensors, {}", out.display(), grouped(shipped.len() as u64), size(bytes as usize)))?;
    let accuracy = |tensors| -> anyhow::Result<f64> {
        let mut scheduler = load(&task, recipe.eval.batch, tensors, &Device::Cpu)?;
        let never = AtomicBool::new(false);
        let (how, batch) = (method(recipe.method), recipe.eval.batch);
        let result = judge(how, recipe, &mut scheduler, &data, batch, &never)?;
        Ok(result.context("nobody stops this test")?.accuracy)
    };
    say(format!("top-1 {} of {} test images", percent(accuracy(shipped.clone())?), grouped(data.test.len() as u64)))?;
    if has_matrices {
        let (which, other) =
            if args.mean_matrices { ("with the matrices themselves", own) } else { ("with their means", mean) };
        say(format!("top-1 {} {which}", percent(accuracy(other)?)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The base of a run's masks from its file, which is written if it is not there.
fn shared(path: &Path, t: &Tested, task: &Task<'_>) -> anyhow::Result<Net> {
    if path.exists() {
        return Ok(file::load(path)?);
    }
    let origin = Origin::open(Path::new(&t.recipe.start_from))
        .with_context(|| format!("the base of {} (its start_from)", t.run.path().display()))?;
    // Its features are what it gives.
    let recipe = Recipe { net: origin.net, method: MethodName::Swav, ..task.recipe.clone() };
    let images = ImageInfo { mean: origin.mean, std: origin.std, classes: 0, ..task.images.clone() };
    let task = Task { recipe: &recipe, images: &images, teacher: None, targets: None };
    let net = pack::pack(&task, &inference_tensors(&task, &origin.tensors)?, &[])?;
    let bytes = file::encode(&net);
    write_atomic(path, &bytes)?;
    say(format!("{}: the base, {}", path.display(), size(bytes.len())))?;
    Ok(net)
}

/// The packed model beside the graph that it was made of, on all test images.
fn compare(
    net: &Net,
    task: &Task<'_>,
    tensors: &HashMap<String, HostTensor>,
    test: &std::sync::Arc<Dataset>,
) -> anyhow::Result<()> {
    let batch = task.recipe.eval.batch;
    let mut scheduler = load(task, batch, tensors.clone(), &Device::Cpu)?;
    let mut runtime = Runtime::new(net, 1)?;
    let loader = Loader::new(test.clone(), LoaderOptions::eval(batch))?;
    let (mut same, mut apart, mut large, mut right) = (0, 0f32, 0f32, 0);
    let mut at = 0;
    let mut batches = loader.epoch(0);
    while let Some(b) = batches.next() {
        let logits = scheduler.logits(&b.images)?;
        for row in logits.f32s().chunks_exact(logits.shape().columns()).take(b.valid) {
            let own = runtime.run(test.image(at))?;
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
    if method(task.recipe.method).judge(task.recipe) == Judge::Logits && test.labels.is_some() {
        say(format!("top-1 {} of {} test images", percent(right as f64 / n as f64), grouped(n as u64)))?;
    }
    say(format!(
        "the runtime and the training graph name the same first output for {} of {} images; outputs differ by at most \
         {apart:.1e} ({large:.1e} is the largest)",
        grouped(same as u64),
        grouped(n as u64)
    ))
}
