//! The mask that a run has learned, as a file.

use crate::console::text::{grouped, percent, size};
use crate::error::{Error, Result};
use crate::files::check_writable;
use crate::masks::{MaskTensor, from_run};
use crate::methods::ImageInfo;
use crate::nn::{NetKind, NetSpec};
use crate::recipe::{Recipe, RunInfo};
use crate::tensor::HostTensor;
use crate::train::run::RunDir;
use std::collections::HashMap;
use std::path::Path;

/// Writes the mask of a run; what is to be said of it.
///
/// # Errors
/// If the run has none.
pub fn save_mask(run: &RunDir, recipe: &Recipe, info: &RunInfo, path: &Path) -> Result<String> {
    let checkpoint = run.checkpoint(&run.chosen(info)?, recipe, info)?;
    check_writable(path)?;
    let images = images_of(&recipe.net, &checkpoint.tensors, info.mean.len());
    let mask = from_run(recipe, &images, &checkpoint.tensors)
        .map_err(|e| Error::Config(format!("{}: {e}", run.path().display())))?;
    mask.save(path)?;
    let active: usize = mask.tensors.iter().map(MaskTensor::active).sum();
    let bytes = std::fs::metadata(path).map_err(Error::io(path, "read"))?.len();
    Ok(format!(
        "{}: {} bits, {} of the weights active, {}",
        path.display(),
        grouped(mask.bits() as u64),
        percent(active as f64 / mask.bits() as f64),
        size(bytes as usize)
    ))
}

/// What a network's graph must know of images, for looking at its tensors.
pub fn images_of(net: &NetSpec, tensors: &HashMap<String, HostTensor>, channels: usize) -> ImageInfo {
    // A perceptron's first layer knows how many numbers an image has; the tensors of others do not depend on it, if
    // pooling leaves something.
    let first = tensors.get("layer0.weight").filter(|_| net.kind == NetKind::Mlp);
    let extents = first.map_or([64, 64, channels], |w| [1, w.shape().columns() / channels.max(1), channels]);
    ImageInfo { extents, classes: 0, mean: vec![0.0; channels], std: vec![1.0; channels], crops: false }
}
