//! `onebit predict`.

use super::inspect::load;
use crate::console::text::{percent, say};
use crate::data::image_file;
use crate::deploy::{Net, Runtime, by_probability, graph};
use crate::device::{Device, Store};
use crate::methods::{EVAL_IMAGES, LOGITS};
use crate::tensor::HostTensor;
use crate::train::choose::choose;
use anyhow::bail;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Names the classes of images by a packed model, or gives their features where it was trained without labels.
///
/// Images are brought to the model's size as training does it: scaled until they cover it, and cut out of the middle.
///
/// Examples:
///
///     onebit predict model.1bit photo.jpg
///     onebit predict model.1bit images/*.png --top 1 --json
///     onebit predict model.1bit photo.jpg --device gpu
///     onebit predict task.1bit --base base.1bit photo.jpg
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The packed model, from `onebit export RUN -o model.1bit`.
    model: PathBuf,
    /// Image files.
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
    /// How many classes are named, the likeliest first; or how many features are shown.
    #[arg(long, value_name = "N", default_value_t = 5)]
    top: usize,
    /// Prints one JSON object a line for programs.
    #[arg(long)]
    json: bool,
}

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
    let net = load(&args.model, args.base.as_deref())?;
    let mut runner = Runner::new(&net, args)?;
    for path in &args.images {
        let image = image_file(path, net.input)?;
        let start = Instant::now();
        let logits = runner.logits(&image)?;
        let milliseconds = 1e3 * start.elapsed().as_secs_f64();
        if net.classes.is_empty() {
            if args.json {
                say(json!({ "image": path, "features": logits, "milliseconds": milliseconds }))?;
            } else {
                let first: Vec<String> = logits.iter().take(args.top).map(|x| format!("{x:.4}")).collect();
                let more = if logits.len() > args.top { ", ... (all with --json)" } else { "" };
                let (path, n, first) = (path.display(), logits.len(), first.join(", "));
                say(format!("{path}: {n} features  {first}{more}  ({milliseconds:.2} ms)"))?;
            }
            continue;
        }
        let mut best = by_probability(&logits);
        best.truncate(args.top);
        let name = |class: usize| net.classes.get(class).cloned().unwrap_or_else(|| class.to_string());
        if args.json {
            let top: Vec<_> = best
                .iter()
                .map(|(class, p)| json!({ "class": class, "name": name(*class), "probability": p }))
                .collect();
            say(json!({ "image": path, "top": top, "milliseconds": milliseconds }))?;
        } else {
            let named: Vec<String> =
                best.iter().map(|(class, p)| format!("{} {}", name(*class), percent(*p as f64))).collect();
            say(format!("{}: {}  ({milliseconds:.2} ms)", path.display(), named.join(", ")))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
