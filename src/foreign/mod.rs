//! Weights made elsewhere: ResNet-18, -34 and -50 as torchvision and timm name their tensors, SwAV's own checkpoints of them, the
//! ResNets for CIFAR and the binary ResNets of several releases, from safetensors files and from the state dicts that `torch.save` writes.
//!
//! `format` says what a file is; `safetensors` and `torch` list its tensors without reading them; `names` makes
//! their names ours; `detect` tells the network from the shapes; `fit` compares them with that network's graph. Only
//! then are numbers read, and only those that are asked for. Nothing in a file is ever executed, and no size that a file
//! states is believed before it is compared with the file's own.
//!
//! ONNX files say their network themselves: `onnx` makes layers of their nodes.
//!
//! Tensors do not tell everything. What is taken for granted: ReLU, batch normalisation with eps 1e-5, in bottlenecks the
//! stride at the 3x3 convolution (torchvision's; the first authors have it at the 1x1 before), 3x3 max pooling of stride 2
//! behind a 7x7 first layer and none behind a 3x3 one.

mod detect;
mod fit;
mod floats;
mod format;
mod names;
pub mod onnx;
mod safetensors;
mod torch;

use crate::error::{Error, Result};
use crate::nn::{NetSpec, WeightRule};
use crate::tensor::HostTensor;
use floats::Numbers;
use format::Format;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

/// A network that was trained elsewhere.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// Its description: kind, stem, the widths of stem and stages, and what is binary.
    pub net: NetSpec,
    /// Outputs of its last linear layer; 0 if it has none and ends with the pooled features.
    pub classes: usize,
    /// Every parameter and running statistic of the network, f32, by our names: convolutions `[o, k, k, c]`, the linear
    /// layer `fc` `[classes, features]`. Of SwAV's checkpoints also `head.*` and `prototypes.weight`, as they are there.
    pub tensors: HashMap<String, HostTensor>,
    /// Height, width and channels of the images that it is for, where the file says them.
    pub images: Option<[usize; 3]>,
    /// What else lies in the file beside the state dict ("epoch", "optimizer", ...).
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

/// Whether a path is for [`load`] and not for a run directory: it ends in `.safetensors`, `.pt`, `.pth`, `.th`, `.ckpt`,
/// `.pkl`, `.pth.tar`, `.pt.tar`, `.bin` or `.onnx` and is no folder. The file need not be there: [`load`] says so best.
pub fn is_foreign(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let known = [".safetensors", ".pt", ".pth", ".th", ".ckpt", ".pkl", ".pt.tar", ".pth.tar", ".bin", ".onnx"];
    known.iter().any(|end| name.ends_with(end)) && !path.is_dir()
}

/// Reads a network that was trained elsewhere.
///
/// # Errors
/// If the file is of none of the formats, is cut or damaged, wants anything but plain tensors of its reader, or is of no
/// network that is known: then with every tensor that has no place there, is missing, or has another shape.
pub fn load(path: &Path) -> Result<Foreign> {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx")) {
        return onnx::load(path);
    }
    let mut weights = open(path)?;
    let fail = |message: String| Error::data(path, message);
    let named = names::ours(weights.infos()).map_err(fail)?;
    let (mut net, classes) = fit::fit(&named).map_err(fail)?;
    if let Some(beta) = named.betas.first() {
        // Ones until BiPer's second stage starts.
        let first_stage = weights.read(*beta).map_err(fail)?.iter().all(|b| *b == 1.0);
        net.binarization.weights = if first_stage { WeightRule::Sine } else { WeightRule::SquareWave };
    }
    let mut tensors = HashMap::new();
    for (name, found) in named.tensors {
        let values = weights.read(found.index).map_err(|e| fail(format!("{}: {e}", found.theirs)))?;
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            return Err(fail(format!(
                "{}: element {i} is {} as f32: these weights are of no use, take those of an earlier epoch",
                found.theirs, values[i]
            )));
        }
        let values = if found.negated { values.into_iter().map(|v| -v).collect() } else { values };
        tensors.insert(name, names::ours_laid_out(&found.shape, values));
    }
    Ok(Foreign { net, classes, tensors, images: None, ignored: weights.ignored().to_vec() })
}

fn open(path: &Path) -> Result<Box<dyn Weights>> {
    let mut file = File::open(path).map_err(Error::io(path, "read"))?;
    let mut start = Vec::new();
    (&file).take(format::START as u64).read_to_end(&mut start).map_err(Error::io(path, "read"))?;
    file.rewind().map_err(Error::io(path, "read"))?;
    Ok(match format::of(path, &start).map_err(|m| Error::data(path, m))? {
        Format::Safetensors => Box::new(safetensors::open(path)?),
        Format::Torch => Box::new(torch::open(file).map_err(|m| Error::data(path, m))?),
        Format::LegacyTorch => Box::new(torch::open_legacy(file).map_err(|m| Error::data(path, m))?),
    })
}
