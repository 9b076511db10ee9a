//! `onebit net`.

use crate::console::text::{grouped, say, say_json, size};
use crate::error::Error;
use crate::files::write_atomic;
use crate::foreign::{Foreign, is_named_foreign, load};
use crate::graph::{Graph, Meta};
use crate::nn::picture::{shown, svg};
use crate::nn::{LayerInfo, Mode, NetSpec};
use crate::recipe::{DataSpec, EMBEDDED, Source, Text};
use crate::suggest::toml_message;
use anyhow::{Context, bail};
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Shows a network without training it: its layers, their extents, parameters, bits, operations, memory, a picture.
///
/// A network is the table [net] of a recipe: one of the built-in kinds, or a list of layers ([[net.layer]]; what layers there are:
/// onebit recipes keys net.layer).
///
///     onebit net fashion-binary
///     onebit net mine.toml --svg mine.svg
///     onebit net imagenet-quicknet --images 224x224x3 --classes 1000
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Name of a built-in recipe, a run, a TOML file with a table [net], or weights made elsewhere that say their network (.onnx, .pth,
    /// .safetensors, a folder of Hugging Face).
    network: String,
    /// Height, width and channels of the images, if they are not those of the recipe.
    #[arg(long, value_name = "HxWxC", value_parser = extents)]
    images: Option<[usize; 3]>,
    /// Number of classes, if it is not that of the recipe's images; 0 for a network that ends in its features.
    #[arg(long, value_name = "N")]
    classes: Option<usize>,
    /// Writes a picture of it.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Prints the network as a list of layers, as TOML, and nothing else.
    #[arg(long, conflicts_with_all = ["json", "svg"])]
    toml: bool,
    /// Prints JSON for programs.
    #[arg(long)]
    json: bool,
}

fn extents(text: &str) -> Result<[usize; 3], String> {
    let numbers: Option<Vec<usize>> = text.split('x').map(|n| n.parse().ok().filter(|n| *n > 0)).collect();
    match numbers.as_deref() {
        Some(&[h, w, c]) => Ok([h, w, c]),
        _ => Err("give height, width and channels, for example 32x32x3".into()),
    }
}

/// A [net] alone, as a file has it.
#[derive(Serialize)]
struct Alone {
    net: NetSpec,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if is_named_foreign(Path::new(&args.network)) {
        return of_weights(args);
    }
    let text = Text::find(&args.network)?;
    let source = Source::Text(&text.text);
    let read = |e: toml::de::Error| Error::data(&text.origin, toml_message(&text.text, &e));
    let Some(mut net) = source.value::<NetSpec>("net").map_err(read)? else {
        bail!("{}: there is no table [net] in it", text.origin.display());
    };
    net.binary = Some(net.is_binary());
    net.validate().map_err(|e| Error::data(&text.origin, e.to_string()))?;
    if args.toml {
        return as_toml(&net);
    }
    let data = source.value::<DataSpec>("data").map_err(read)?.unwrap_or_default();
    let (images, classes) = match (args.images, args.classes) {
        (Some(images), Some(classes)) => (images, classes),
        (images, classes) => {
            let (own, of) = own_images(&data)?;
            (images.unwrap_or(own), classes.unwrap_or(of))
        }
    };
    show(args, &net, &text.name, &text.origin, images, classes)
}

/// The list of layers and nothing else.
fn as_toml(net: &NetSpec) -> anyhow::Result<ExitCode> {
    let alone = Alone { net: net.as_layers()? };
    say(toml::to_string(&alone).context("the network cannot be written as TOML")?.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// A network that comes with its weights.
fn of_weights(args: &Args) -> anyhow::Result<ExitCode> {
    let path = Path::new(&args.network);
    let foreign = load(path)?;
    if args.toml {
        return as_toml(&foreign.net);
    }
    let Some(images) = args.images.or(foreign.images) else {
        bail!("{}: it does not say what images are like: say it with --images HxWxC", path.display());
    };
    fits(path, &foreign, images)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    show(args, &foreign.net, &name, path, images, args.classes.unwrap_or(foreign.classes))
}

/// That the network of these images has the weights of the file.
fn fits(path: &Path, foreign: &Foreign, images: [usize; 3]) -> anyhow::Result<()> {
    let mut g = Graph::new();
    let [h, w, c] = images;
    let x = g.input("x", Meta::f32([1, h, w, c]))?;
    let built = foreign.net.network(&mut g, x, foreign.classes, Mode::Eval, None);
    built.map_err(|e| Error::data(path, e.to_string()))?;
    for param in g.params() {
        let (name, wanted) = (g.name(param), g.shape(param));
        if let Some(found) = foreign.tensors.get(name).map(|t| t.shape()).filter(|found| *found != wanted) {
            let of = foreign.images.map_or(String::new(), |own| format!("; the file says {}", shown(&own)));
            bail!("{}: images {} want {wanted} for {name}, which is {found}{of}", path.display(), shown(&images));
        }
    }
    Ok(())
}

fn show(
    args: &Args,
    net: &NetSpec,
    name: &str,
    origin: &Path,
    images: [usize; 3],
    classes: usize,
) -> anyhow::Result<ExitCode> {
    let mut g = Graph::new();
    let [h, w, c] = images;
    let x = g.input("x", Meta::f32([1, h, w, c]))?;
    let built = net.network(&mut g, x, classes, Mode::Eval, None);
    let built = built.map_err(|e| Error::data(origin, e.to_string()))?;
    let (layers, count) = (built.layers, built.count);
    let numbers = |l: &LayerInfo| l.extents.iter().product::<usize>();
    let kept: usize = layers.iter().filter(|l| !l.is_block).map(numbers).sum();
    if let Some(path) = &args.svg {
        let title = format!("{name}: images {}, {classes} classes", shown(&images));
        write_atomic(path, svg(&title, &layers).as_bytes())?;
    }
    if args.json {
        let layers: Vec<_> = layers
            .iter()
            .map(|l| {
                json!({ "layer": l.path, "op": l.op, "depth": l.depth, "block": l.is_block, "repeat": l.repeat,
                    "reads": l.reads, "from": l.from, "to": l.extents, "count": l.count })
            })
            .collect();
        say_json(&json!({
            "network": name, "images": images, "classes": classes, "layers": layers, "count": count,
            "parameters": count.parameters(), "bytes": count.bits().div_ceil(8), "float_bytes": count.float_bits() / 8,
            "operations": count.operations(0), "outputs": kept,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format!("{name}: images {}, {classes} classes", shown(&images)))?;
    let longest = layers.iter().map(|l| 2 * l.depth + l.path.chars().count()).max().unwrap_or(0);
    let tall = |l: &LayerInfo| shown(&l.extents).len();
    let wide = layers.iter().map(tall).max().unwrap_or(0);
    let heading = "layer";
    say(format!(
        "{heading:longest$}  {:16} {:>wide$}  {:>11} {:>12} {:>10}",
        "op", "makes", "parameters", "bits", "M operations"
    ))?;
    for l in &layers {
        let label = format!("{}{}", "  ".repeat(l.depth), l.path);
        let some = |n: u64| if n > 0 && !l.is_block { grouped(n) } else { String::new() };
        let operations = l.count.operations(0) / 1e6;
        let operations = if operations > 0.0 && !l.is_block { format!("{operations:.3}") } else { String::new() };
        let line = format!(
            "{label:longest$}  {:16} {:>wide$}  {:>11} {:>12} {operations:>10}",
            l.op,
            shown(&l.extents),
            some(l.count.real_parameters()),
            some(l.count.binary_weights)
        );
        say(line.trim_end())?;
    }
    // Of most rules they follow from the weights: then training has none of them.
    let scales = match count.scales {
        0 => String::new(),
        n => format!(" ({} of them scales of binary convolutions)", grouped(n)),
    };
    say(format!(
        "{} parameters: {} of one bit, {} of 32{scales}; {}, as f32 {} ({:.1} times as much)",
        grouped(count.parameters()),
        grouped(count.binary_weights),
        grouped(count.real_parameters()),
        size(count.bits().div_ceil(8) as usize),
        size(count.float_bits() as usize / 8),
        count.float_bits() as f64 / count.bits().max(1) as f64
    ))?;
    say(format!(
        "{:.1} M multiply-adds of bits and {:.1} M of floats an image: {:.1} M operations, where 64 of bits count as one",
        count.binary_macs as f64 / 1e6,
        count.real_macs as f64 / 1e6,
        count.operations(0) / 1e6
    ))?;
    say(format!("{} that its layers make of an image, as f32", size(4 * kept)))?;
    if let Some(path) = &args.svg {
        say(format!("picture {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Extents and classes of a recipe's images.
fn own_images(data: &DataSpec) -> anyhow::Result<([usize; 3], usize)> {
    let how = "say them with --images HxWxC and --classes N";
    if data.path.is_empty() {
        bail!("the recipe names no images, whose extents and classes are wanted: {how}");
    }
    let whose = if data.path == EMBEDDED { "the embedded images" } else { "the recipe's images" };
    let split = data.open().with_context(|| format!("{whose} cannot be read: {how}"))?;
    let part = if split.train.is_empty() { &split.test } else { &split.train };
    Ok(([part.h, part.w, part.c], part.classes.len()))
}
