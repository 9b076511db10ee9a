//! Puts a shader together from its files: `#import path` lines are replaced by the file they name,
//! each file once. All files are built into the program.

use crate::error::{Error, Result};
use include_dir::{Dir, include_dir};
use std::collections::HashSet;

static SHADERS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/shaders");

/// The text of `shaders/<path>.wgsl` with its imports.
pub fn assemble(path: &str) -> Result<String> {
    let mut out = String::new();
    include(path, &mut HashSet::new(), &mut out)?;
    Ok(out)
}

/// Appends a file and what it imports to `out`, unless `seen` has it.
pub fn include(path: &str, seen: &mut HashSet<String>, out: &mut String) -> Result<()> {
    if !seen.insert(path.to_string()) {
        return Ok(());
    }
    let text = SHADERS
        .get_file(format!("{path}.wgsl"))
        .and_then(|f| f.contents_utf8())
        .ok_or_else(|| Error::Shader { shader: path.to_string(), message: "there is no such file".to_string() })?;
    for line in text.lines() {
        match line.trim().strip_prefix("#import ") {
            Some(import) => include(import.trim().trim_end_matches(".wgsl"), seen, out)?,
            None => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    Ok(())
}

/// Paths of all shader files, without the extension.
pub fn all() -> Vec<String> {
    fn walk(dir: &Dir<'_>, out: &mut Vec<String>) {
        out.extend(dir.files().filter_map(|f| f.path().to_str()?.strip_suffix(".wgsl").map(String::from)));
        dir.dirs().for_each(|d| walk(d, out));
    }
    let mut out = Vec::new();
    walk(&SHADERS, &mut out);
    out.sort();
    out
}
