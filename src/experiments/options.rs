//! What experiments are asked for, as the command line reads it.

use crate::data::{Dataset, Part, Split};
use crate::error::{Error, Result};
use crate::exchange::Exchange;
use crate::train::protocol::Protocol;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is trained, and how.
#[derive(Clone, Default, clap::Args)]
pub struct TrainOptions {
    /// A built-in recipe (see `onebit recipes`) or a TOML file.
    pub recipe: Option<String>,
    /// The images: a file or folder; what is in it is recognised.
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// For multilayer bootstrap networks: the run whose features of the images are the points, instead of pixels.
    #[arg(long, value_name = "RUN", conflicts_with = "resume")]
    pub features: Option<PathBuf>,
    /// The run directory [default: runs/RECIPE].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// auto, cpu, vulkan, metal, dx12, gl, the number of an adapter, or part of its name [default: auto]. Of several ranks on one
    /// machine each takes its own: 0,1 names them in turn, and auto goes through the GPUs.
    #[arg(long, value_name = "SEL")]
    pub device: Option<String>,
    /// Decides initial weights, order and augmentation.
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    pub seed: Option<u64>,
    /// Passes over the training images. With --resume, to how many a run is lengthened, also a finished one: schedules then go on
    /// as if it had been that long from the start.
    #[arg(long, value_name = "N")]
    pub epochs: Option<u64>,
    /// Starts from trained weights, those of a run directory, of one of its checkpoints, or of a file made elsewhere
    /// (safetensors, .pth, .th, .onnx, a folder of Hugging Face). A last layer of other classes starts anew.
    #[arg(long, value_name = "RUN|FILE", conflicts_with = "resume")]
    pub from: Option<PathBuf>,
    /// Changes one setting of the recipe; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", conflicts_with = "resume")]
    pub settings: Vec<String>,
    /// Goes on from the last checkpoint of --out, or of the newest runs/RECIPE.
    #[arg(long)]
    pub resume: bool,
    /// Takes kernels by the rule, instead of measuring on a GPU which ones are the fastest. Results are the same.
    #[arg(long)]
    pub no_tune: bool,
    /// Lets kernels compete that add in another order: the last bits of results then depend on what was measured.
    #[arg(long, conflicts_with = "no_tune")]
    pub allow_reorder: bool,
    /// Prints one JSON object a line for programs.
    #[arg(long)]
    pub json: bool,
    /// Prints the result alone.
    #[arg(long, short, conflicts_with = "json")]
    pub quiet: bool,
    /// The ranks that train together, if this program was started as one of several.
    #[arg(skip)]
    pub exchange: Option<Arc<dyn Exchange>>,
}

impl TrainOptions {
    /// Whether people are told what is done meanwhile.
    pub fn talks(&self) -> bool {
        !self.json && !self.quiet
    }

    /// Where a new run of a recipe goes.
    pub fn out(&self, name: &str) -> PathBuf {
        self.out.clone().unwrap_or_else(|| Path::new("runs").join(name))
    }
}

/// What is tested, and how.
#[derive(clap::Args)]
pub struct EvalOptions {
    /// The run directory, or weights made elsewhere (.pth, .th, .safetensors, .onnx, a folder of Hugging Face), with --data.
    pub run: PathBuf,
    /// How features are evaluated: knn (nearest neighbours), linear (logistic regression) or finetune (the whole network and a
    /// new last layer); unless given, the network is tested as its method says, with eval.json and confusion.svg.
    #[arg(long, value_name = "HOW", value_parser = protocol)]
    pub protocol: Option<Protocol>,
    /// With --protocol, the share of the training images that have labels, the same ones for every run; several, each for a result
    /// of its own: 1% 10% 100%.
    #[arg(long, value_name = "SHARE", value_parser = share, num_args = 1.., value_delimiter = ',', default_value = "100%")]
    #[arg(requires = "protocol")]
    pub labels: Vec<f64>,
    /// Other images than the run's; their classes are found by name. Without parts of their own all of them are tested on.
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// Of a file of weights: what it does not say of its images (augment.normalize, data.size, ...); may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
    /// Which part of the images [default: test; val where there is no test part, or where the run leaves it alone].
    #[arg(long, value_enum)]
    pub part: Option<PartName>,
    /// auto, cpu, vulkan, metal, dx12, gl, the number of an adapter, or part of its name [default: the run's].
    #[arg(long, value_name = "SEL")]
    pub device: Option<String>,
    /// Which checkpoint [default: the best one where validation images chose it, else the last one].
    #[arg(long, value_enum)]
    pub checkpoint: Option<Which>,
    /// Of a multilayer bootstrap network: k-means on the same points beside it.
    #[arg(long)]
    pub baseline: bool,
    /// Prints JSON for programs.
    #[arg(long)]
    pub json: bool,
}

/// Of what images features are written.
#[derive(clap::Args)]
pub struct FeatureOptions {
    /// The run directory.
    pub run: PathBuf,
    /// Other images than the run's.
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// Which part of them [default: test; val where there is no test part, or where the run leaves it alone].
    #[arg(long, value_enum)]
    pub part: Option<PartName>,
    /// The folder [default: embed in the run directory].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// auto, cpu, vulkan, metal, dx12, gl, the number of an adapter, or part of its name [default: the run's].
    #[arg(long, value_name = "SEL")]
    pub device: Option<String>,
    /// Which checkpoint [default: the best one where validation images chose it, else the last one].
    #[arg(long, value_enum)]
    pub checkpoint: Option<Which>,
}

impl FeatureOptions {
    /// The folder.
    pub fn out(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| self.run.join("embed"))
    }
}

/// What is written of a run.
#[derive(clap::Args)]
pub struct ExportOptions {
    /// The run directory, or weights made elsewhere (.pth, .th, .safetensors, .onnx, a folder of Hugging Face), with --data and --out.
    pub run: PathBuf,
    /// Which checkpoint [default: the best one where validation images chose it, else the last one].
    #[arg(long, value_enum)]
    pub checkpoint: Option<Which>,
    /// RBCN's scale matrices C each as their mean C*, with which a layer is one popcount and one factor.
    #[arg(long)]
    pub mean_matrices: bool,
    /// What is written, where the ending does not say it.
    #[arg(long, value_enum)]
    pub to: Option<Form>,
    /// The file, or the folder of a page [default: in the run directory network.safetensors, or by --to model.1bit, model.onnx, page].
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Of a run that learned masks: the packed model of the network that they are on, one file for all tasks; then only the
    /// masks are written, one bit a weight, and what else differs. It is written if it is not there.
    #[arg(long, value_name = "FILE")]
    pub base: Option<PathBuf>,
    /// Other images than the run's to test on.
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// Of a file of weights: what it does not say of its images (augment.normalize, data.size, ...); may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
}

/// Which of a run's checkpoints.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Which {
    /// The newest.
    Last,
    /// The one with the best validation accuracy; without validation images that of the last whole epoch.
    Best,
}

/// A part of a set, as a flag names it.
#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
pub enum PartName {
    /// The test images.
    Test,
    /// The validation images.
    Val,
    /// The training images.
    Train,
}

impl From<PartName> for Part {
    fn from(name: PartName) -> Part {
        match name {
            PartName::Test => Part::Test,
            PartName::Val => Part::Val,
            PartName::Train => Part::Train,
        }
    }
}

/// The images of a part.
///
/// # Errors
/// If it has none.
pub fn part_of(data: &Split, part: Part) -> Result<&Arc<Dataset>> {
    let set = match part {
        Part::Test => &data.test,
        Part::Val => &data.val,
        Part::Train => &data.train,
    };
    match set.is_empty() {
        true => Err(Error::Config(format!(
            "{}: there are no {part} images ({data}): give others with --data PATH, where the command has it",
            set.name
        ))),
        false => Ok(set),
    }
}

/// The part that is tested on unless one is named: the test part; the validation part where there is no other, or where a run
/// leaves its test images alone.
pub fn default_part(data: &Split, hold_out: f64) -> Part {
    let tests = !data.test.is_empty() && hold_out == 0.0 && !Arc::ptr_eq(&data.val, &data.test);
    if tests || data.val.is_empty() { Part::Test } else { Part::Val }
}

/// What is written.
#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
pub enum Form {
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

impl ExportOptions {
    /// What is written.
    ///
    /// # Errors
    /// If the ending of the file says nothing, or something else than `--to`.
    pub fn form(&self) -> Result<Form> {
        let by_ending = self.out.as_deref().map(Form::of);
        match (self.to, by_ending) {
            (Some(to), Some(Ok(other))) if to != other => Err(Error::Config(format!(
                "--to and --out {} name two forms: leave one of them out",
                self.out.as_deref().unwrap_or(Path::new("")).display()
            ))),
            (Some(to), _) => Ok(to),
            (None, Some(form)) => form,
            (None, None) => Ok(Form::Tensors),
        }
    }
}

impl Form {
    /// What the file, or the folder, is called unless it is named.
    pub fn name(self) -> &'static str {
        match self {
            Form::Packed => "model.1bit",
            Form::Onnx => "model.onnx",
            Form::Tensors => "network.safetensors",
            Form::Web => "page",
        }
    }

    /// By the ending of a file.
    ///
    /// # Errors
    /// If the ending says nothing.
    pub fn of(out: &Path) -> Result<Form> {
        match out.extension().and_then(|e| e.to_str()) {
            Some("1bit") => Ok(Form::Packed),
            Some("onnx") => Ok(Form::Onnx),
            Some("safetensors") => Ok(Form::Tensors),
            _ => Err(Error::Config(format!(
                "--out {}: by its ending a file is .1bit, .onnx or .safetensors; or say what it is with --to",
                out.display()
            ))),
        }
    }
}

/// A share of the labels: `10%` or `0.1`.
fn share(text: &str) -> std::result::Result<f64, String> {
    let number = |t: &str| t.trim().parse::<f64>().ok();
    let share = match text.strip_suffix('%') {
        Some(percent) => number(percent).map(|p| p / 100.0),
        None => number(text),
    };
    share.filter(|s| *s > 0.0 && *s <= 1.0).ok_or_else(|| "give a share over 0 and at most all: 1%, 10%, 100%".into())
}

/// The protocol of that name.
fn protocol(text: &str) -> std::result::Result<Protocol, String> {
    let all = [Protocol::Knn, Protocol::Linear, Protocol::Finetune];
    all.into_iter().find(|p| p.name() == text).ok_or_else(|| "choose knn, linear or finetune".into())
}
