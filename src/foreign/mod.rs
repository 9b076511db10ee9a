//! Weights made elsewhere: ResNet-18, -34 and -50 as torchvision, timm and transformers name their tensors, SwAV's and MoCo's own
//! checkpoints of them, the ResNets for CIFAR, and the binary ResNets, VGG-small and ReActNet-A of several releases, from safetensors
//! files and from the state dicts that `torch.save` writes.
//!
//! `place` says which files a path stands for, `format` what a file is; `safetensors` and `torch` list its tensors without reading
//! them, `shards` those of several files; `about` reads what lies beside them; `names` makes their names ours; `detect` tells the network from the shapes; `fit` compares them with that network's graph. Only
//! then are numbers read, and only those that are asked for. Nothing in a file is ever executed, and no size that a file
//! states is believed before it is compared with the file's own.
//!
//! ONNX files say their network themselves: `onnx` makes layers of their nodes.
//!
//! Tensors do not tell everything. What is taken for granted: ReLU, batch normalisation with eps 1e-5, in bottlenecks the
//! stride at the 3x3 convolution (torchvision's; the first authors have it at the 1x1 before), 3x3 max pooling of stride 2
//! behind a 7x7 first layer and none behind a 3x3 one; that ReActNet-A is of the second of its steps, with binary weights; that a
//! VGG-small without scales is IR-Net's.

mod about;
mod detect;
mod fit;
mod floats;
mod format;
mod names;
pub mod onnx;
mod place;
mod safetensors;
mod shards;
mod torch;

use crate::error::{Error, Result};
use crate::files::open_file;
use crate::nn::{NetKind, NetSpec, Resampling, WeightRule};
use crate::tensor::HostTensor;
use detect::Detected;
use floats::Numbers;
use format::Format;
use place::Place;
use std::collections::HashMap;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

/// A network that was trained elsewhere.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// Its description: kind, stem, the widths of stem and stages, and what is binary.
    pub net: NetSpec,
    /// Outputs of its last linear layer; 0 if it has none and ends with the pooled features.
    pub classes: usize,
    /// Every parameter and running statistic of the network, f32, by our names: convolutions `[o, k, k, c]`, the linear
    /// layer `fc` `[classes, features]`; stored bits as such, beside the weights that they are of. Of methods without labels also
    /// `head.*` and `prototypes.weight`, as they are there.
    pub tensors: HashMap<String, HostTensor>,
    /// Height, width and channels of the images that it is for, where the file says them.
    pub images: Option<[usize; 3]>,
    /// Names of the classes in the order of its outputs, where they lie beside the weights; else none.
    pub labels: Vec<String>,
    /// Mean and standard deviation of each channel that its images are normalised with, where they lie beside the weights.
    pub stats: Option<[Vec<f32>; 2]>,
    /// To how many pixels the shorter side of an image is scaled, and how many of the middle are taken, where that lies beside the
    /// weights.
    pub sizes: Option<[usize; 2]>,
    /// How embeddings of places are resampled for other images, where it has some.
    pub resampling: Resampling,
    /// What else lies in the file beside the state dict ("epoch", "optimizer", ...), and in it beside the network.
    pub ignored: Vec<String>,
}

/// What is wrong, as a sentence; [`load`] adds the file.
type Checked<T> = std::result::Result<T, String>;

/// A tensor of a file.
struct Info {
    name: String,
    shape: Vec<usize>,
    numbers: Numbers,
}

/// A file whose tensors are known and not read yet. Of tensors of floats the file is long enough to hold the elements,
/// so that no shape of them is larger than the file.
trait Weights {
    fn infos(&self) -> &[Info];

    /// What else lies in the file.
    fn ignored(&self) -> &[String];

    /// The elements of a tensor of floats, in row-major order.
    fn read(&mut self, index: usize) -> Checked<Vec<f32>>;
}

/// Whether a path is for [`load`] and not for a run directory: a file of any name but those of recipes and packed models, a folder that
/// has weights as Hugging Face's libraries call them, or, there or not, a file of weights by its ending: [`load`] says best what it is.
pub fn is_foreign(path: &Path) -> bool {
    place::is_weights(path)
}

/// As [`is_foreign`], by what a path is called and not by what is there: a file of another ending may be a recipe.
pub fn is_named_foreign(path: &Path) -> bool {
    place::is_named(path)
}

/// What a folder lacks that [`load`] would read.
pub fn lacks(folder: &Path) -> String {
    place::lacks(folder)
}

/// The files that [`load`] reads of a path.
///
/// # Errors
/// If it has none, or an index of shards cannot be read.
pub fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let place = Place::of(path)?;
    let mut all = vec![place.path().to_path_buf()];
    if let Place::Shards(index) = &place {
        all.extend(shards::files(index)?);
    }
    all.extend(place.folder().map(about::files).unwrap_or_default());
    Ok(all)
}

/// Reads a network that was trained elsewhere.
///
/// # Errors
/// If the file is of none of the formats, is cut or damaged, wants anything but plain tensors of its reader, or is of no
/// network that is known: then with every tensor that has no place there, is missing, or has another shape.
pub fn load(path: &Path) -> Result<Foreign> {
    let place = Place::of(path)?;
    let mut weights: Box<dyn Weights> = match &place {
        Place::File(file) if file.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx")) => {
            return onnx::load(file);
        }
        Place::File(file) => open(file)?,
        Place::Shards(index) => Box::new(shards::open(index, open)?),
    };
    let path = place.path();
    let fail = |message: String| Error::data(path, message);
    let about = place.folder().map(about::read).transpose()?.unwrap_or_default();
    let named = names::ours(weights.infos()).map_err(fail)?;
    let Detected { mut net, classes, channels, side, clip } = fit::fit(&named).map_err(fail)?;
    about.check(net.kind, classes, channels).map_err(fail)?;
    match (clip, about.activation) {
        (None, _) => {}
        (Some(vit), Some(said)) if net.kind == NetKind::Layers => net.layer = vit.layers(said, 0.0),
        (Some(_), Some(said)) => net.activation = Some(said),
        (Some(_), None) if net.kind == NetKind::Layers => {
            let what = "CLIP's networks have \"gelu\" or \"quick_gelu\", and nothing beside this one tells which: put it into a folder \
                        with its config.json (hidden_act); of the sizes B/16 and B/32 the recipe says it (net.activation)";
            return Err(fail(what.into()));
        }
        // The recipe says it.
        (Some(_), None) => {}
    }
    if let Some(beta) = named.betas.first() {
        // Ones until BiPer's second stage starts.
        let first_stage = weights.read(*beta).map_err(fail)?.iter().all(|b| *b == 1.0);
        net.binarization.weights = if first_stage { WeightRule::Sine } else { WeightRule::SquareWave };
    }
    let resampling =
        named.tensors.get("pos_embed").map_or_else(Resampling::default, |found| names::resampling(&found.theirs));
    let mut tensors = HashMap::new();
    for (name, found) in named.tensors {
        let values = weights.read(found.index).map_err(|e| fail(format!("{}: {e}", found.theirs)))?;
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            return Err(fail(format!(
                "{}: element {i} is {} as f32: these weights are of no use, take those of an earlier epoch",
                found.theirs, values[i]
            )));
        }
        let made = names::tensor(&found, values).map_err(|e| fail(format!("{}: {e}", found.theirs)))?;
        tensors.insert(name, made);
    }
    let images = side.map(|side| [side, side, channels]);
    let ignored = [weights.ignored(), &named.left].concat();
    let about::About { labels, stats, sizes, .. } = about;
    Ok(Foreign { net, classes, tensors, images, labels, stats, sizes, resampling, ignored })
}

/// A file of weights.
fn open(path: &Path) -> Result<Box<dyn Weights>> {
    let fail = |m: String| Error::data(path, m);
    let mut file = open_file(path).map_err(Error::io(path, "read"))?;
    let start = start_of(&file).map_err(Error::io(path, "read"))?;
    file.rewind().map_err(Error::io(path, "read"))?;
    Ok(match format::of(path, &start).map_err(fail)? {
        Format::Safetensors => Box::new(safetensors::open(path)?),
        Format::Torch => Box::new(torch::open(file).map_err(fail)?),
        Format::LegacyTorch => Box::new(torch::open_legacy(file).map_err(fail)?),
    })
}

/// The bytes that tell what a file is.
fn start_of(file: &std::fs::File) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    file.take(format::START as u64).read_to_end(&mut start)?;
    Ok(start)
}
