//! The folder of an export: the page, a manifest, and data files of moderate size. A page that was opened from a disk
//! may not read files, but it may load scripts: so data files are scripts that hand their content to the page.

use super::check::{Check, Recorded, Recording};
use super::pack::{Packed, Table};
use crate::error::{Error, Result};
use crate::verify::Unsupported;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The page, by file name.
const PAGE: [(&str, &str); 6] = [
    ("index.html", include_str!("page/index.html")),
    ("style.css", include_str!("page/style.css")),
    ("compare.js", include_str!("page/compare.js")),
    ("device.js", include_str!("page/device.js")),
    ("report.js", include_str!("page/report.js")),
    ("main.js", include_str!("page/main.js")),
];

/// A data file ends with the check that makes it this large.
const FILE_BYTES: usize = 8 << 20;
/// Or with this many checks: the page lets go of its kernels, some MiB each on a software adapter, after a file.
const FILE_CHECKS: usize = 100;

/// What an export wrote.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The folder.
    pub folder: PathBuf,
    /// Steps that the page replays.
    pub checks: usize,
    /// Steps among them whose kernels are compiled, but do not run.
    pub compiled_only: usize,
    /// Rows of the report that they are of.
    pub ops: BTreeSet<String>,
    /// Different kernels: texts with their constants.
    pub kernels: usize,
    /// Cases that were left out, with the op of each.
    pub left_out: Vec<(String, Unsupported)>,
    /// Bytes of all files.
    pub bytes: u64,
}

/// A folder that is being written under another name beside its own, so that it is there whole or not at all.
pub struct Folder {
    wanted: PathBuf,
    building: Building,
    title: String,
    seed: u64,
    file: DataFile,
    files: Vec<Value>,
    kernels: BTreeSet<(Arc<str>, String)>,
    summary: Summary,
}

/// Removes what was not finished.
struct Building(PathBuf);

impl Drop for Building {
    fn drop(&mut self) {
        // Gone already if it was finished; and of an error on the way out the first one is worth telling.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    /// Starts a folder. `title` says what is in it.
    ///
    /// # Errors
    /// If there is something of that name other than an empty folder, or nothing can be written there.
    pub fn create(wanted: &Path, title: String, seed: u64) -> Result<Folder> {
        if wanted.is_dir() {
            let mut entries = fs::read_dir(wanted).map_err(Error::io(wanted, "read"))?;
            if entries.next().is_some() {
                return Err(Error::data(
                    wanted,
                    "this folder is not empty, and nothing is overwritten: choose another",
                ));
            }
        } else if wanted.exists() {
            return Err(Error::data(wanted, "there is a file of that name: choose another for the folder"));
        }
        let Some(name) = wanted.file_name() else {
            return Err(Error::data(wanted, "the folder needs a name of its own"));
        };
        let above = wanted.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(above).map_err(Error::io(above, "create the folder"))?;
        let building = above.join(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
        fs::create_dir(&building).map_err(Error::io(&building, "create the folder"))?;
        let summary = Summary {
            folder: wanted.to_path_buf(),
            checks: 0,
            compiled_only: 0,
            ops: BTreeSet::new(),
            kernels: 0,
            left_out: Vec::new(),
            bytes: 0,
        };
        Ok(Folder {
            wanted: wanted.to_path_buf(),
            building: Building(building),
            title,
            seed,
            file: DataFile::default(),
            files: Vec::new(),
            kernels: BTreeSet::new(),
            summary,
        })
    }

    /// Adds a check.
    pub fn push(&mut self, check: &Check) -> Result<()> {
        self.summary.checks += 1;
        self.summary.compiled_only += check.compile_only as usize;
        self.summary.ops.insert(check.op.clone());
        for r in &check.recorded.commands {
            if let Recording::Dispatch { text, constants, .. } = r {
                self.kernels.insert((text.clone(), format!("{constants:?}")));
            }
        }
        self.file.push(check);
        if self.file.bytes >= FILE_BYTES || self.file.checks.len() >= FILE_CHECKS { self.end_file() } else { Ok(()) }
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.summary.checks == 0 && self.summary.left_out.is_empty()
    }

    /// Notes a case that is not in the folder.
    pub fn leave_out(&mut self, op: &str, case: &str, why: String) {
        self.summary.left_out.push((op.to_string(), Unsupported { case: case.to_string(), why }));
    }

    /// Writes what is left, and gives the folder its name.
    pub fn finish(mut self) -> Result<Summary> {
        self.end_file()?;
        let left_out: Vec<Value> =
            self.summary.left_out.iter().map(|(op, u)| json!({ "op": op, "case": u.case, "why": u.why })).collect();
        let manifest = json!({
            "title": self.title,
            "version": env!("CARGO_PKG_VERSION"),
            "seed": self.seed,
            "checks": self.summary.checks,
            "files": self.files,
            "leftOut": left_out,
        });
        self.write("manifest.js", &script("manifest", &manifest))?;
        for (name, text) in PAGE {
            self.write(name, text)?;
        }
        if self.wanted.is_dir() {
            // Empty, or it would have been refused. Not every system renames over an empty folder.
            fs::remove_dir(&self.wanted).map_err(Error::io(&self.wanted, "replace the empty folder"))?;
        }
        fs::rename(&self.building.0, &self.wanted).map_err(Error::io(&self.wanted, "rename to"))?;
        self.summary.kernels = self.kernels.len();
        Ok(self.summary)
    }

    fn end_file(&mut self) -> Result<()> {
        let file = std::mem::take(&mut self.file);
        if file.checks.is_empty() {
            return Ok(());
        }
        let name = format!("data-{:03}.js", self.files.len());
        let count = file.checks.len();
        let texts: Vec<&str> = file.texts.items().iter().map(|t| &**t).collect();
        let content = json!({ "texts": texts, "arrays": file.arrays.items(), "checks": file.checks });
        self.write(&name, &script("data", &content))?;
        self.files.push(json!({ "name": name, "checks": count }));
        Ok(())
    }

    fn write(&mut self, name: &str, text: &str) -> Result<()> {
        let path = self.building.0.join(name);
        fs::write(&path, text).map_err(Error::io(self.wanted.join(name), "write"))?;
        self.summary.bytes += text.len() as u64;
        Ok(())
    }
}

/// A script that hands a value to the page.
fn script(what: &str, value: &Value) -> String {
    format!("onebit.{what}({value});\n")
}

/// The content of a data file so far.
#[derive(Default)]
struct DataFile {
    texts: Table<Arc<str>>,
    arrays: Table<Packed>,
    checks: Vec<Value>,
    bytes: usize,
}

impl DataFile {
    fn push(&mut self, check: &Check) {
        let about = |v: Value| {
            let mut about = json!({ "op": check.op, "case": check.case, "kernels": check.kernels, "step": check.step });
            about.as_object_mut().expect("it is one").extend(v.as_object().cloned().expect("it is one"));
            about
        };
        if check.compile_only {
            let texts: Vec<usize> = check.recorded.kernels().map(|(_, text)| self.text(text)).collect();
            self.checks.push(about(json!({ "compile": texts })));
            return;
        }
        let scalars = check.recorded.commands.iter().any(|r| matches!(r, Recording::Dispatch { scalars: true, .. }));
        let scalars = scalars.then(|| self.array(&check.data.scalars));
        let Recorded { buffers, inputs, outputs, .. } = &check.recorded;
        let inputs: Vec<Value> = inputs
            .iter()
            .zip(&check.data.inputs)
            .map(|(buffer, words)| json!({ "buffer": buffer, "words": self.array(words) }))
            .collect();
        let outputs: Vec<Value> = outputs
            .iter()
            .zip(&check.data.outputs)
            .map(|(buffer, e)| {
                let (want, bound) = (self.array(&e.want), self.array(&e.bound));
                json!({
                    "buffer": buffer, "type": e.dtype.to_string(), "columns": e.columns, "want": want, "bound": bound,
                })
            })
            .collect();
        let commands: Vec<Value> = check.recorded.commands.iter().map(|r| self.command(r)).collect();
        self.checks.push(about(json!({
            "buffers": buffers, "scalars": scalars, "inputs": inputs, "outputs": outputs, "commands": commands,
        })));
    }

    fn command(&mut self, r: &Recording) -> Value {
        match r {
            Recording::Dispatch { name, text, constants, buffers, scalars, workgroups } => {
                let constants: serde_json::Map<String, Value> =
                    constants.iter().map(|(k, v)| (k.to_string(), json!(v))).collect();
                json!({
                    "name": name, "text": self.text(text), "constants": constants, "buffers": buffers, "scalars": scalars,
                    "workgroups": workgroups,
                })
            }
            Recording::Copy { from, to } => json!({ "copy": [from, to] }),
        }
    }

    fn text(&mut self, text: &Arc<str>) -> usize {
        let known = self.texts.items().len();
        let number = self.texts.number(text);
        if self.texts.items().len() > known {
            self.bytes += text.len();
        }
        number
    }

    fn array(&mut self, a: &Packed) -> usize {
        let known = self.arrays.items().len();
        let number = self.arrays.number(a);
        if self.arrays.items().len() > known {
            self.bytes += a.len();
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten_and_nothing_half_done_is_left() {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str| Folder::create(&place.path().join(name), "t".into(), 1);
        let message = |name: &str| folder(name).err().expect("refused").to_string();
        drop(folder("a/b").unwrap());
        assert_eq!(fs::read_dir(place.path().join("a")).unwrap().count(), 0);
        fs::write(place.path().join("a/c"), "mine").unwrap();
        assert!(message("a").contains("not empty"), "{}", message("a"));
        assert!(message("a/c").contains("a file of that name"), "{}", message("a/c"));
        fs::create_dir(place.path().join("empty")).unwrap();
        let summary = folder("empty").unwrap().finish().unwrap();
        let written = fs::read_dir(&summary.folder).unwrap().count();
        assert_eq!(written, PAGE.len() + 1);
        assert!(message("empty").contains("nothing is overwritten"));
    }
}
