//! Where recipes are: those that come with the program, files and run directories.

use super::{DEFAULT, EMBEDDED, Source};
use crate::error::{Error, Result};
use crate::files::read_text;
use crate::suggest::nearest;
use include_dir::{Dir, include_dir};
use std::path::{Path, PathBuf};

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/recipe/built_in");

/// Names and texts of the built-in recipes.
pub fn built_in() -> Vec<(&'static str, &'static str)> {
    let mut all: Vec<_> =
        BUILT_IN.files().filter_map(|f| Some((f.path().file_stem()?.to_str()?, f.contents_utf8()?))).collect();
    all.sort_unstable_by_key(|(name, _)| (*name != DEFAULT, *name));
    all
}

/// A recipe as it was found.
pub struct Text {
    /// Its name: the built-in one's, or the file's.
    pub name: String,
    /// The TOML.
    pub text: String,
    /// The file that errors name.
    pub origin: PathBuf,
}

impl Text {
    /// The built-in recipe of that name, or the one in that file or run directory.
    ///
    /// # Errors
    /// If there is none; names the nearest.
    pub fn find(what: &str) -> Result<Text> {
        let built_in = built_in();
        if let Some((name, text)) = built_in.iter().find(|(n, _)| *n == what) {
            return Ok(Text { name: name.to_string(), text: text.to_string(), origin: name.into() });
        }
        let mut origin = PathBuf::from(what);
        if origin.join("config.toml").is_file() {
            origin.push("config.toml");
        }
        if origin.extension().is_some_and(|e| e == "toml") || origin.is_file() {
            let name = origin.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            return Ok(Text { name, text: read_text(&origin)?, origin });
        }
        let names = || built_in.iter().map(|(n, _)| *n);
        let near = nearest(what, names()).map_or(String::new(), |n| format!("did you mean {n}? "));
        Err(Error::Config(format!(
            "there is no recipe called {what}: {near}Built in are {}; a file must end in .toml",
            names().collect::<Vec<_>>().join(", ")
        )))
    }

    /// What a run of it is called: as the run whose record it is, if it is one.
    pub fn run_name(&self) -> String {
        let run = Source::Text(&self.text).value::<toml::Table>("run").ok().flatten();
        let recorded = run.and_then(|run| Some(run.get("recipe")?.as_str()?.to_string()));
        recorded.unwrap_or_else(|| self.name.clone())
    }
}

/// A path from the root, so that a run can be repeated from anywhere.
pub fn absolute(path: &Path) -> String {
    if path == Path::new(EMBEDDED) {
        return EMBEDDED.into();
    }
    std::path::absolute(path).unwrap_or(path.into()).display().to_string()
}
