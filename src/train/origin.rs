//! A trained network that another run learns from, starts from or adapts: a run directory, or weights made elsewhere.

use super::checkpoint::{Checkpoint, Position};
use super::run::RunDir;
use crate::data::Stats;
use crate::error::{Error, Result};
use crate::files::{read_file, read_text};
use crate::foreign::{files, is_foreign, load};
use crate::hash::fnv1a;
use crate::methods::projector::Projector;
use crate::nn::{NetKind, NetSpec, Resampling, Stem};
use crate::recipe::{Recipe, RunInfo};
use crate::tensor::HostTensor;
use std::collections::HashMap;
use std::path::Path;

/// Mean and standard deviation of ImageNet's channels, with which weights made elsewhere expect their images.
const IMAGENET: [[f32; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];

/// A trained network.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Its description.
    pub net: NetSpec,
    /// Its parameters and statistics, by name.
    pub tensors: HashMap<String, HostTensor>,
    /// The head that it was trained with without labels, if it was.
    pub head: Option<Projector>,
    /// Names of the classes in the order of its outputs; none if they are not known.
    pub classes: Vec<String>,
    /// How its embeddings of places are resampled for other images.
    pub resampling: Resampling,
    /// Mean of each channel that its images were normalised with.
    pub mean: Vec<f32>,
    /// Standard deviation likewise.
    pub std: Vec<f32>,
}

/// Whether a path is that of a file of weights, or of a folder that has some, and not of a run.
pub fn is_file(path: &Path) -> bool {
    is_foreign(path)
}

/// Whether there is something at a path: a folder, or a file of weights.
pub fn exists(path: &Path) -> bool {
    path.is_dir() || is_foreign(path)
}

/// Why there is no network to take at a path that is no folder and no file of weights.
pub fn not_there(path: &Path) -> String {
    if path.extension().is_some_and(|e| e == "1bit") && path.is_file() {
        return "which is a packed model: it has bits in place of the weights that training goes on from, so name the run directory \
                that it was exported from"
            .into();
    }
    match path.exists() {
        true => "which is a recipe by its name, and no run directory and no file of weights".into(),
        false => "which is not there".into(),
    }
}

/// The embeddings of places of a vision transformer.
pub(super) const PLACES: &str = "pos_embed";

/// Embeddings of places for other rows and columns of patches than a network has them for, if it has them for a square.
pub(super) fn other_places(
    tensors: &HashMap<String, HostTensor>,
    resampling: Resampling,
    to: [usize; 2],
) -> Option<HostTensor> {
    let places = tensors.get(PLACES)?;
    let made = resampling.places(places, usize::from(tensors.contains_key("cls_token")), to)?;
    (made.shape() != places.shape()).then_some(made)
}

impl Origin {
    /// Reads the checkpoint that stands for a run ([`RunDir::chosen`]), one of a run's checkpoints by its file, or a file of
    /// weights.
    ///
    /// # Errors
    /// If there is neither, or it cannot be read.
    pub fn open(path: &Path) -> Result<Origin> {
        let of_run = Checkpoint::run_of(path);
        if of_run.is_none() && is_foreign(path) {
            let made = load(path)?;
            let [mean, std] = made.stats.unwrap_or_else(|| IMAGENET.map(|v| v.to_vec()));
            let (net, tensors, classes, resampling) = (made.net, made.tensors, made.labels, made.resampling);
            return Ok(Origin { net, tensors, head: None, classes, resampling, mean, std });
        }
        let (run, recipe, info) = RunDir::open(of_run.as_deref().unwrap_or(path))?;
        let file = if of_run.is_some() { path.to_path_buf() } else { run.chosen(&info)? };
        if !file.is_file() {
            return Err(Error::data(file, "there is no such checkpoint: that run has none yet"));
        }
        let checkpoint = run.checkpoint(&file, &recipe, &info)?;
        let tensors = checkpoint.tensors.into_iter().filter(|(n, _)| !n.starts_with("optim.")).collect();
        let head = recipe.method().head(&recipe);
        let (net, resampling) = (recipe.network(), Resampling::default());
        Ok(Origin { net, tensors, head, classes: info.classes, resampling, mean: info.mean, std: info.std })
    }
}

/// Weights made elsewhere, as a run that did no step: what evaluates them, and what ships of them.
pub struct AsRun {
    /// For their network, and images as published networks take them.
    pub recipe: Recipe,
    /// What its images are normalised with, and the name of the file.
    pub info: RunInfo,
    /// The weights.
    pub checkpoint: Checkpoint,
    /// Outputs of the network; 0 where it ends in features.
    pub classes: usize,
    /// What was taken for granted.
    pub notes: Vec<String>,
}

/// A recipe that only evaluates.
const EVALUATED: &str = "method = 'supervised'\nepochs = 1\nbatch = 100\nlr = 0.1\nnet.kind = 'convnet'\noptimiser.kind = 'sgd'\n\
                         schedule.kind = 'constant'\n";
/// For large images, as published networks are tested: they are scaled to 256 pixels, and 224 in the middle are taken.
const LARGE: [usize; 2] = [256, 224];

/// What it has besides for images that are scaled, and of which the middle is taken.
fn scaled([size, taken]: [usize; 2]) -> String {
    format!("data.size = [{size}, {size}]\naugment.random_resized_crop = {{ size = [{taken}, {taken}] }}\n")
}

impl AsRun {
    /// Reads a file of weights; `settings` (`key=value`) say what it does not.
    ///
    /// # Errors
    /// If it cannot be read, or nothing tells how its images were normalised, which colour images have a custom for.
    pub fn open(path: &Path, settings: &[String]) -> Result<AsRun> {
        let mut made = load(path)?;
        let of_stem =
            || ["conv1.weight", "conv0.weight"].iter().find_map(|n| Some(made.tensors.get(*n)?.shape().columns()));
        let channels = made.images.map(|[.., c]| c).or_else(of_stem);
        let large = made.net.stem == Some(Stem::Imagenet) || made.net.kind == NetKind::ReactnetA;
        let sizes = made.sizes.or(large.then_some(LARGE)).filter(|_| made.images.is_none());
        let mut recipe = Recipe::parse(&[EVALUATED, &sizes.map_or(String::new(), scaled)].concat(), path)?;
        recipe.net = NetSpec { binary: Some(made.net.is_binary()), ..made.net };
        recipe.data.size = made.images.map(|[h, w, _]| [h, w]).or(recipe.data.size);
        let usual = recipe.clone();
        recipe = recipe.with(settings)?;
        let mut notes = Vec::new();
        if let Some([size, taken]) = sizes
            && (&recipe.data, &recipe.augment) == (&usual.data, &usual.augment)
        {
            let why = match made.sizes {
                Some(_) => "as the configuration beside the weights says",
                None => "as networks with such a first layer are tested",
            };
            notes.push(format!(
                "images are scaled to {size} pixels, of which the middle {taken} are taken, {why} (--set data.size=[32,32] --set \
                 augment.random_resized_crop.size=[32,32] for images of 32)"
            ));
        }
        if let (Some([h, w, _]), None) = (made.images, settings.first()) {
            notes.push(format!("images are brought to {h}x{w}, as the file says"));
        }
        if let Some(position) = made.tensors.get(PLACES) {
            // Shapes do not tell.
            notes.push(format!("its attention is taken for {} heads of 64 channels", position.shape().columns() / 64));
        }
        let taken = recipe.augment.random_resized_crop.as_ref().and_then(|crop| crop.size).or(recipe.data.size);
        if let (Some([h, w]), Some(patches)) = (taken, made.tensors.get("patch.weight")) {
            let patch = patches.shape()[1];
            let to = [h / patch, w / patch];
            if let Some(other) = other_places(&made.tensors, made.resampling, to) {
                notes.push(format!("its embeddings of places are resampled for {} by {} patches", to[0], to[1]));
                made.tensors.insert(PLACES.into(), other);
            }
        }
        let stats = match recipe.augment.normalize.take() {
            Some(said) => said,
            None if made.stats.is_some() => {
                notes.push("images are normalised as the configuration beside the weights says".into());
                let [mean, std] = made.stats.clone().unwrap_or_default();
                Stats { mean, std }
            }
            None => {
                let [mean, std] = IMAGENET.map(|v| v.to_vec());
                if let Some(c) = channels.filter(|c| *c != mean.len()) {
                    let how = "say it with --set augment.normalize={mean=[...],std=[...]}, a number a channel each";
                    let what =
                        format!("its images have {c} channels, and it does not say how they were normalised: {how}");
                    return Err(Error::data(path, what));
                }
                let how = "--set augment.normalize={mean=[...],std=[...]} for others";
                notes.push(format!("images are normalised by ImageNet's mean and deviation ({how})"));
                Stats { mean, std }
            }
        };
        recipe.augment.normalize = Some(stats.clone());
        if recipe.net.is_binary() {
            // Networks in full precision, and other frequencies of a wave, have the same names and shapes.
            let rule = &recipe.net.binarization.weights;
            let how = "--set net.binary=false or net.binarization.KEY=VALUE for another one";
            notes.push(format!("its tensors are taken for a binary network of the rule {rule:?} ({how})"));
        }
        if let Some(average) = made.ignored.iter().find(|name| name.contains("ema")) {
            notes.push(format!("its {average} is left alone, the network beside it is taken"));
        }
        let info = RunInfo {
            recipe: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            device: "auto".into(),
            select: "auto".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            mean: stats.mean,
            std: stats.std,
            classes: made.labels,
            ..RunInfo::default()
        };
        let position = Position { recipe: format!("{:016x}", recipe.hash()?), ..Position::default() };
        let checkpoint = Checkpoint { position, tensors: made.tensors };
        Ok(AsRun { recipe, info, checkpoint, classes: made.classes, notes })
    }
}

/// What a network is that runs learn or start from, in hexadecimal: equal of runs that differ by nothing but their seed. Of a run
/// its settings, its images, the checkpoint and what it came from itself; of weights made elsewhere their files.
///
/// # Errors
/// If it cannot be read.
pub fn lineage(path: &Path) -> Result<String> {
    let of_run = Checkpoint::run_of(path);
    if of_run.is_none() && is_foreign(path) {
        let mut bytes = Vec::new();
        for file in files(path)? {
            bytes.extend(read_file(&file).map_err(Error::io(file, "read"))?);
        }
        return Ok(format!("{:016x}", fnv1a(bytes)));
    }
    let (run, recipe, info) = RunDir::open(of_run.as_deref().unwrap_or(path))?;
    let file = if of_run.is_some() { path.to_path_buf() } else { run.chosen(&info)? };
    // One that is named counts by its name, where it is not the one that stands for the run.
    let is_other = of_run.is_some() && run.chosen(&info).map_or(true, |chosen| chosen != file);
    let other = is_other.then(|| path.file_name());
    let length = match run.summary()? {
        Some(_) => format!("{:?} {:?}", info.lengthened, info.lengthened_at),
        None => format!("{} steps of it", Checkpoint::load(&file)?.position.steps),
    };
    let settings = Recipe { seed: 0, ..recipe }.hash()?;
    let origins = (info.teacher_of, info.start_of);
    Ok(format!("{:016x}", fnv1a(format!("{settings:016x} {:?} {other:?} {length} {origins:?}", info.data).bytes())))
}

/// As [`lineage`], of a run that trained no network: a model that was fitted.
///
/// # Errors
/// If its `config.toml` cannot be read.
pub fn fitted_lineage(path: &Path) -> Result<String> {
    let config = path.join("config.toml");
    let mut all: toml::Table = read_text(&config)?.parse().map_err(|e| Error::data(&config, format!("{e}")))?;
    let data = all.get("run").and_then(|run| run.get("data")).cloned();
    ["seed", "description", "run"].iter().for_each(|key| drop(all.remove(*key)));
    all.get_mut("data").and_then(toml::Value::as_table_mut).map(|data| data.remove("path"));
    Ok(format!("{:016x}", fnv1a(format!("{all} {data:?}").bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_a_recipe_that_only_evaluates_are_read() {
        for (more, size) in [(String::new(), None), (scaled(LARGE), Some([256, 256]))] {
            let recipe = Recipe::parse(&[EVALUATED, &more].concat(), Path::new("memory")).unwrap();
            assert_eq!((recipe.data.size, recipe.run), (size, None));
        }
    }
}
