//! The files that shaders are assembled from: those built into this crate, others in their place, and what ops from outside
//! bring along.

use crate::error::{Error, Result};
use include_dir::{Dir, include_dir};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

static BUILT_IN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/shaders");

/// Texts of shader files by their path below `shaders/`, without the extension. The default is what is
/// built in. Clones share the texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sources {
    replaced: Arc<BTreeMap<String, String>>,
    brought: BTreeMap<String, String>,
}

impl Sources {
    /// The built-in files, with the WGSL files below `folder` in place of those of the same path.
    ///
    /// # Errors
    /// If the folder cannot be read, or holds a file that replaces nothing.
    pub fn with_folder(folder: &Path) -> Result<Sources> {
        let mut replaced = BTreeMap::new();
        read_below(folder, "", &mut replaced)?;
        if replaced.is_empty() {
            return Err(Error::data(folder, "there is no .wgsl file in this folder"));
        }
        Ok(Sources { replaced: Arc::new(replaced), ..Sources::default() })
    }

    /// The same with another text for one file.
    pub fn with(&self, path: &str, text: String) -> Sources {
        let mut replaced = (*self.replaced).clone();
        replaced.insert(path.to_string(), text);
        Sources { replaced: Arc::new(replaced), brought: self.brought.clone() }
    }

    /// Adds a file that the op `op` brings along. What replaces it stays in its place.
    ///
    /// # Errors
    /// If the path is one of this crate's, or another op brings another text for it.
    pub fn bring(&mut self, op: &str, path: &str, text: String) -> Result<()> {
        let taken = |by: &str| {
            let message = format!("the op {op} brings a file of this path, which {by} has: give it another name");
            Err(Error::Shader { shader: path.to_string(), message })
        };
        if BUILT_IN.get_file(format!("{path}.wgsl")).is_some() {
            return taken("this crate");
        }
        match self.brought.get(path) {
            Some(known) if *known != text => taken("another op"),
            Some(_) => Ok(()),
            None => {
                self.brought.insert(path.to_string(), text);
                Ok(())
            }
        }
    }

    /// The text of a file.
    pub fn text(&self, path: &str) -> Result<&str> {
        let built_in = || BUILT_IN.get_file(format!("{path}.wgsl")).and_then(|f| f.contents_utf8());
        self.replaced
            .get(path)
            .or_else(|| self.brought.get(path))
            .map(String::as_str)
            .or_else(built_in)
            .ok_or_else(|| Error::Shader { shader: path.to_string(), message: "there is no such file".to_string() })
    }

    /// Whether a file is the one that is built into this crate.
    pub fn is_built_in(&self, path: &str) -> bool {
        !self.replaced.contains_key(path) && !self.brought.contains_key(path)
    }

    /// Paths of the files that others were put in the place of.
    pub fn replaced(&self) -> impl Iterator<Item = &str> {
        self.replaced.keys().map(String::as_str)
    }

    /// Paths of all built-in files.
    pub fn all() -> Vec<String> {
        fn walk(dir: &Dir<'_>, out: &mut Vec<String>) {
            out.extend(dir.files().filter_map(|f| f.path().to_str()?.strip_suffix(".wgsl").map(String::from)));
            dir.dirs().for_each(|d| walk(d, out));
        }
        let mut out = Vec::new();
        walk(&BUILT_IN, &mut out);
        out.sort();
        out
    }
}

fn read_below(folder: &Path, prefix: &str, out: &mut BTreeMap<String, String>) -> Result<()> {
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder, "read"))? {
        let path = entry.map_err(Error::io(folder, "read"))?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let below = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        if path.is_dir() {
            read_below(&path, &below, out)?;
        } else if path.extension().is_some_and(|e| e == "wgsl") {
            if BUILT_IN.get_file(format!("{below}.wgsl")).is_none() {
                let message = format!("there is no shader {below} that this file could replace");
                return Err(Error::data(path, message));
            }
            let text = std::fs::read_to_string(&path).map_err(Error::io(&path, "read"))?;
            out.insert(below, text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_replaces_files_of_the_same_path() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Sources::with_folder(folder.path()).unwrap_err().to_string().contains("no .wgsl file"));
        std::fs::create_dir(folder.path().join("conv")).unwrap();
        std::fs::write(folder.path().join("conv/conv2d.wgsl"), "// other").unwrap();
        let sources = Sources::with_folder(folder.path()).unwrap();
        assert_eq!(sources.text("conv/conv2d").unwrap(), "// other");
        assert_eq!(sources.text("linalg/matmul").unwrap(), Sources::default().text("linalg/matmul").unwrap());
        std::fs::write(folder.path().join("conv/nothing.wgsl"), "").unwrap();
        assert!(Sources::with_folder(folder.path()).unwrap_err().to_string().contains("conv/nothing"));
    }
}
