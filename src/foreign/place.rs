//! Where weights lie: in a file, in several of which one has the index, or in a folder as Hugging Face's libraries write it.

use super::format::READ;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Endings of files of weights.
const ENDINGS: [&str; 11] =
    [".safetensors", ".pt", ".pth", ".th", ".ckpt", ".pkl", ".pt.tar", ".pth.tar", ".bin", ".onnx", INDEX];

/// Endings of files that are something else of this program: recipes, and packed models.
const OURS: [&str; 2] = [".toml", ".1bit"];

/// Ending of the index of shards.
const INDEX: &str = ".index.json";

/// What a folder's weights are called, in the order in which they are looked for.
const IN_FOLDERS: [&str; 4] =
    ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

/// Weights that are there.
#[derive(Debug, PartialEq)]
pub(super) enum Place {
    File(PathBuf),
    /// The index of several files.
    Shards(PathBuf),
}

impl Place {
    /// Where the weights of a path are.
    ///
    /// # Errors
    /// If it is a folder without any.
    pub(super) fn of(path: &Path) -> Result<Place> {
        let file = match path.is_dir() {
            true => in_folder(path).ok_or_else(|| Error::data(path, lacks(path)))?,
            false => path.to_path_buf(),
        };
        Ok(if is_index(&file) { Place::Shards(file) } else { Place::File(file) })
    }

    /// The file, or the index.
    pub(super) fn path(&self) -> &Path {
        match self {
            Place::File(path) | Place::Shards(path) => path,
        }
    }

    /// The folder whose other files say more of the weights, if they are called as there.
    pub(super) fn folder(&self) -> Option<&Path> {
        let name = self.path().file_name()?.to_str()?;
        IN_FOLDERS.contains(&name).then(|| self.path().parent()).flatten()
    }
}

/// Whether a path is said to be one of weights: a file by its ending, there or not, or a folder that has some.
pub(super) fn is_named(path: &Path) -> bool {
    match path.is_dir() {
        true => !path.join("config.toml").exists() && in_folder(path).is_some(),
        false => ends_in(path, &ENDINGS),
    }
}

/// As [`is_named`], or any other file that is there, whose reader says what it is.
pub(super) fn is_weights(path: &Path) -> bool {
    is_named(path) || (path.is_file() && !ends_in(path, &OURS))
}

/// What a folder lacks that is to have weights.
pub(super) fn lacks(path: &Path) -> String {
    let config = if path.join("config.json").is_file() { "a config.json, and " } else { "" };
    format!("the folder has {config}none of {}. Weights are read {READ}", IN_FOLDERS.join(", "))
}

fn in_folder(path: &Path) -> Option<PathBuf> {
    IN_FOLDERS.iter().map(|name| path.join(name)).find(|file| file.is_file())
}

fn is_index(path: &Path) -> bool {
    ends_in(path, &[INDEX])
}

fn ends_in(path: &Path, endings: &[&str]) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    endings.iter().any(|end| name.ends_with(end))
}
