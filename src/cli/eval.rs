//! `onebit eval`.

use super::bootstrap::Fitted;
use super::judge::{protocol, share};
use super::text::{percent, say};
use crate::data::Split;
use crate::device::Device;
use crate::methods::method;
use crate::train::checkpoint::Checkpoint;
use crate::train::choose::choose;
use crate::train::confusion::confusion_svg;
use crate::train::evaluate::{Evaluation, judge};
use crate::train::limits::fitting_test;
use crate::train::method::{ImageInfo, Task};
use crate::train::protocol::Protocol;
use crate::train::recipe::{EMBEDDED, MethodName, Recipe, RunInfo};
use crate::train::run::RunDir;
use crate::train::scheduler::Scheduler;
use crate::tune::remembered;
use anyhow::bail;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

/// Tests the network of a run: accuracy (top-1 and top-5), a table by class, and the confusion matrix as a picture.
///
/// Writes eval.json and confusion.svg into the run directory. A multilayer bootstrap network, and a network that compresses
/// one, are tested by their clusters: accuracy under the best map of clusters to classes, normalised mutual information
/// (arithmetic), and seconds for 10,000 predictions.
///
/// Examples:
///
///     onebit eval runs/fashion-binary
///     onebit eval runs/fashion-binary --checkpoint best --device cpu
///     onebit eval runs/small-swav --protocol linear --labels 10%
///     onebit eval runs/fashion-binary --data ~/fashion-mnist --json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The run directory.
    run: PathBuf,
    /// How features are judged: knn (nearest neighbours), linear (logistic regression) or finetune (the whole network and a
    /// new last layer); unless given, the network is tested as its method says, with eval.json and confusion.svg.
    #[arg(long, value_name = "HOW", value_parser = protocol)]
    protocol: Option<Protocol>,
    /// With --protocol, the share of the training images that have labels, the same ones for every run.
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "100%", requires = "protocol")]
    pub(super) labels: f64,
    /// Other images than the run's.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// auto, cpu, vulkan, metal, dx12, gl, the number of an adapter, or part of its name [default: the run's].
    #[arg(long, value_name = "SEL")]
    pub(super) device: Option<String>,
    /// Which checkpoint.
    #[arg(long, value_enum, default_value_t = Which::Last)]
    checkpoint: Which,
    /// Of a multilayer bootstrap network: k-means on the same points beside it.
    #[arg(long)]
    pub(super) baseline: bool,
    /// Prints JSON for programs.
    #[arg(long)]
    pub(super) json: bool,
}

/// Which of a run's checkpoints.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(super) enum Which {
    /// The newest.
    Last,
    /// The one with the best test accuracy.
    Best,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(fitted) = Fitted::open(&args.run, args.data.as_deref())? {
        if args.protocol.is_some() {
            bail!("--protocol judges networks; a multilayer bootstrap network is judged by its clusters");
        }
        return super::bootstrap::eval(args, fitted);
    }
    if args.baseline {
        bail!("--baseline goes with a multilayer bootstrap network");
    }
    let tested = Tested::open(&args.run, args.checkpoint, args.data.as_deref())?;
    if let Some(how) = args.protocol {
        return super::judge::run(args, how, tested);
    }
    if tested.recipe.method == MethodName::Compress {
        return super::compressed::run(args, tested);
    }
    let Tested { run, recipe, info, path, checkpoint, data, images } = tested;
    let mut choice = choose(args.device.as_deref().unwrap_or(&info.select))?;
    if let Device::Gpu(gpu) = &choice.device {
        choice.device = Device::Gpu(remembered(gpu, false));
    }
    let task = Task { recipe: &recipe, images: &images, teacher: None, targets: None };
    let (plan, batch) = fitting_test(&task, &choice.device, |batch| method(recipe.method).eval(&task, batch))?;
    let mut scheduler = Scheduler::load(plan, &choice.device, recipe.seed)?;
    scheduler.restore(&checkpoint, &path)?;
    let never = AtomicBool::new(false);
    let Some(result) = judge(method(recipe.method), &recipe, &mut scheduler, &data, batch, &never)? else {
        bail!("the test was stopped");
    };
    run.write_json("eval.json", &result)?;
    let title = format!("{}, {} images, {} right", info.recipe, result.images, percent(result.accuracy));
    let picture = run.write_text("confusion.svg", &confusion_svg(&result, &title))?;
    if args.json {
        say(serde_json::to_string_pretty(&result)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format!("{}  after {} epochs, on {}", path.display(), checkpoint.position.epoch, choice.device.name()))?;
    say(format!("data {}", data.test))?;
    table(&result)?;
    say(format!(
        "\ntop-1 {}   top-5 {}   cross-entropy {:.4}   ({} images)",
        percent(result.accuracy),
        percent(result.top5),
        result.loss,
        result.images
    ))?;
    say(format!("confusion matrix: {}", picture.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// A run with a checkpoint, and images to test it on.
pub(super) struct Tested {
    pub run: RunDir,
    pub recipe: Recipe,
    pub info: RunInfo,
    /// The checkpoint's file.
    pub path: PathBuf,
    pub checkpoint: Checkpoint,
    pub data: Split,
    pub images: ImageInfo,
}

impl Tested {
    /// `data` in place of the run's own images, if given.
    pub fn open(run: &Path, which: Which, data: Option<&Path>) -> anyhow::Result<Tested> {
        let (run, mut recipe, info) = RunDir::open(run)?;
        let path = match which {
            Which::Last => run.last(),
            Which::Best => run.best(),
        };
        let checkpoint = Checkpoint::load(&path)?;
        if let Some(data) = data {
            recipe.data.path = data.display().to_string();
        }
        let mut data = recipe.data.open()?;
        if data.test.c != info.mean.len() && recipe.data.path != EMBEDDED {
            // Of other images than the run's: grey becomes colour, or colour grey.
            recipe.data.channels = Some(info.mean.len());
            data = recipe.data.open()?;
        }
        if data.test.is_empty() {
            bail!("{}: there are no test images", recipe.data.path);
        }
        let images = ImageInfo { mean: info.mean.clone(), std: info.std.clone(), ..ImageInfo::of(&data) };
        if images.mean.len() != images.extents[2] {
            bail!(
                "{}: the images have {} channels, the run's had {}; set data.channels in {}/config.toml",
                recipe.data.path,
                images.extents[2],
                images.mean.len(),
                run.path().display()
            );
        }
        Ok(Tested { run, recipe, info, path, checkpoint, data, images })
    }
}

fn table(e: &Evaluation) -> anyhow::Result<()> {
    let width = e.classes.iter().map(|c| c.name.chars().count()).max().unwrap_or(0).max(5);
    say(format!("\n{:width$}  images  recognised  of those named so  most often taken for", "class"))?;
    for (r, class) in e.classes.iter().enumerate() {
        let precision = class.precision.map_or("-".to_string(), percent);
        let wrong = (0..e.classes.len()).filter(|&c| c != r).max_by_key(|&c| (e.confusion[r][c], usize::MAX - c));
        let wrong = wrong.filter(|&c| e.confusion[r][c] > 0);
        let wrong = wrong.map_or(String::new(), |c| format!("{} ({})", e.classes[c].name, e.confusion[r][c]));
        say(format!(
            "{:width$}  {:6}  {:>10}  {precision:>17}  {wrong}",
            class.name,
            class.images,
            percent(class.recall)
        ))?;
    }
    Ok(())
}
