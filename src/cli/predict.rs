//! `onebit predict`.

use super::pictures::Pictures;
use crate::console::text::{percent, say};
use crate::data::source::shown_name;
use crate::data::{Background, PixelRules, Truncated, image_file};
use crate::deploy::{Net, Runtime, by_probability, graph, open};
use crate::device::{Device, Store};
use crate::methods::{EVAL_IMAGES, LOGITS};
use crate::tensor::HostTensor;
use crate::train::choose::choose;
use anyhow::{Context, bail};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Names the classes of images by a packed model, or gives their features where it was trained without labels.
///
/// Images are brought to the model's size as training does it: turned upright, laid on the background that the model was
/// trained with, scaled until they cover the size, and cut out of the middle. A picture that cannot be read is named on
/// standard error, and the others are gone on with; the program ends with 1 then.
///
/// Of a folder all pictures are taken, also those in folders below, in the order of their names: files that are called as
/// pictures are, and files that are pictures. How many others there are is said on standard error.
///
/// Examples:
///
///     onebit predict model.1bit photo.jpg
///     onebit predict model.1bit images/*.png --top 1 --json
///     onebit predict model.1bit ~/pictures --csv > classes.csv
///     onebit predict model.1bit photo.jpg --device gpu
///     onebit predict task.1bit --base base.1bit photo.jpg
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The packed model, from `onebit export RUN -o model.1bit`.
    model: PathBuf,
    /// Image files, and folders of them.
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// Of a model of masks: the base that they are on.
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// cpu (the runtime that ships), or gpu, vulkan, metal, dx12, gl, the number of an adapter, or part of its name.
    #[arg(long, value_name = "SEL", default_value = "cpu")]
    device: String,
    /// Threads of the CPU's runtime.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// How many classes are named, the likeliest first; or how many features are shown [default: 5, with --csv 1].
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Prints one JSON object a line for programs.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Prints a table: file, class, probability (from 0 to 1), a line for each class that is named; or file and all features.
    #[arg(long)]
    csv: bool,
    /// Takes what there is of pictures that are cut short, which are named as unreadable otherwise.
    #[arg(long)]
    keep_truncated: bool,
}

/// What a picture that is cut short is taken with.
const KEEP: &str = "--keep-truncated";

/// What runs the model.
enum Runner {
    Cpu(Box<Runtime>),
    Engine(Box<Store>, Box<crate::device::Executable>),
}

impl Runner {
    fn new(net: &Net, args: &Args) -> anyhow::Result<Runner> {
        if args.device == "cpu" {
            return Ok(Runner::Cpu(Box::new(Runtime::new(net, args.threads.into())?)));
        }
        let wanted = if args.device == "gpu" { "auto" } else { &args.device };
        let device = choose(wanted)?.device;
        if args.device == "gpu" && matches!(device, Device::Cpu) {
            bail!("--device gpu: no adapter here is worth it (onebit devices lists them); name one, or take the cpu");
        }
        let mut store = Store::new(device);
        let exe = store.load(graph::graph(net, 1)?)?;
        Ok(Runner::Engine(Box::new(store), Box::new(exe)))
    }

    fn logits(&mut self, image: &[u8]) -> anyhow::Result<Vec<f32>> {
        Ok(match self {
            Runner::Cpu(runtime) => runtime.run(image)?.to_vec(),
            Runner::Engine(store, exe) => {
                store.write(EVAL_IMAGES, &HostTensor::from_u8([1, image.len()], image))?;
                exe.run(&[])?;
                exe.read(LOGITS)?.f32s().to_vec()
            }
        })
    }
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let net = open(&args.model, args.base.as_deref())?;
    let background =
        Background::of_level(net.background).context("the model's background is neither white nor black")?;
    let truncated = if args.keep_truncated { Truncated::Keep } else { Truncated::Stop };
    let rules = PixelRules { background, truncated };
    let pictures = Pictures::at(&args.images);
    if pictures.all.is_empty() {
        let left_out = pictures.left_out().map_or("it is empty".into(), |text| text);
        bail!("{}: there is no picture in it: {left_out}", args.images[0].display());
    }
    let mut runner = Runner::new(&net, args)?;
    let form = Form::of(args, &net);
    form.begin()?;
    let (n, mut unread) = (pictures.all.len(), 0);
    if let Some(left_out) = pictures.left_out() {
        eprintln!("note: {left_out}");
    }
    for (path, is_file) in pictures.all {
        match is_file.and_then(|()| image_file(&path, net.input, &rules, KEEP)) {
            Ok(image) => {
                let start = Instant::now();
                let outputs = runner.logits(&image)?;
                form.say(&path, &outputs, 1e3 * start.elapsed().as_secs_f64())?;
            }
            Err(e) => {
                eprintln!("error: {e}");
                unread += 1;
            }
        }
    }
    if unread == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    if n > 1 {
        eprintln!("{unread} of {n} pictures could not be read");
    }
    Ok(ExitCode::FAILURE)
}

/// How answers are written.
struct Form<'a> {
    net: &'a Net,
    top: usize,
    json: bool,
    csv: bool,
}

impl Form<'_> {
    fn of<'a>(args: &Args, net: &'a Net) -> Form<'a> {
        let top = args.top.unwrap_or(if args.csv { 1 } else { 5 });
        Form { net, top, json: args.json, csv: args.csv }
    }

    /// The head of a table.
    fn begin(&self) -> anyhow::Result<()> {
        if !self.csv {
            return Ok(());
        }
        if !self.net.classes.is_empty() {
            return Ok(say(row(["file", "class", "probability"].map(String::from))?)?);
        }
        let outputs = self.net.infer()?.last().map_or(0, crate::deploy::Meta::len);
        Ok(say(row(std::iter::once("file".into()).chain((0..outputs).map(|i| format!("feature {i}"))))?)?)
    }

    /// What the model gave for a picture.
    fn say(&self, path: &Path, outputs: &[f32], milliseconds: f64) -> anyhow::Result<()> {
        // JSON and tables are text; bytes of a name that are none are written as numbers, so that no two names become one.
        let file = shown_name(path.as_os_str());
        if self.net.classes.is_empty() {
            return self.features(file, outputs, milliseconds);
        }
        let mut best = by_probability(outputs);
        best.truncate(self.top);
        let name = |class: usize| self.net.classes.get(class).cloned().unwrap_or_else(|| class.to_string());
        if self.json {
            let top: Vec<_> = best
                .iter()
                .map(|(class, p)| json!({ "class": class, "name": name(*class), "probability": p }))
                .collect();
            say(json!({ "image": file, "top": top, "milliseconds": milliseconds }))?;
        } else if self.csv {
            for (class, p) in best {
                say(row([file.clone(), name(class), p.to_string()])?)?;
            }
        } else {
            let named: Vec<String> =
                best.iter().map(|(class, p)| format!("{} {}", name(*class), percent(*p as f64))).collect();
            say(format!("{file}: {}  ({milliseconds:.2} ms)", named.join(", ")))?;
        }
        Ok(())
    }

    fn features(&self, file: String, outputs: &[f32], milliseconds: f64) -> anyhow::Result<()> {
        if self.json {
            say(json!({ "image": file, "features": outputs, "milliseconds": milliseconds }))?;
        } else if self.csv {
            say(row(std::iter::once(file).chain(outputs.iter().map(|x| x.to_string())))?)?;
        } else {
            let first: Vec<String> = outputs.iter().take(self.top).map(|x| format!("{x:.4}")).collect();
            let more = if outputs.len() > self.top { ", ... (all with --json)" } else { "" };
            let (n, first) = (outputs.len(), first.join(", "));
            say(format!("{file}: {n} features  {first}{more}  ({milliseconds:.2} ms)"))?;
        }
        Ok(())
    }
}

/// A line of a table (RFC 4180).
fn row(fields: impl IntoIterator<Item = String>) -> anyhow::Result<String> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
    writer.write_record(fields)?;
    let line = writer.into_inner().map_err(|e| e.into_error())?;
    Ok(String::from_utf8(line)?.trim_end_matches('\n').to_string())
}
