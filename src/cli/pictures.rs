//! Which pictures a command is given: files, and folders of them.

use crate::data::{Pixels, is_picture_name};
use crate::error::{Error, Result};
use crate::files::open_file;
use std::collections::{BTreeMap, HashSet};
use std::fs::{self, FileType};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What was found at the paths that were given.
#[derive(Default)]
pub(super) struct Pictures {
    /// The pictures, and why some are none: in the order of the paths, those of a folder in the order of their names.
    pub all: Vec<(PathBuf, Result<()>)>,
    /// Files of folders that are no pictures, by what they are: how many, and the first of them.
    pub left_out: BTreeMap<String, (usize, PathBuf)>,
}

impl Pictures {
    /// Looks at all paths. Nothing but files is opened, so that nothing waits.
    pub fn at(paths: &[PathBuf]) -> Pictures {
        let mut found = Pictures::default();
        for path in paths {
            match fs::metadata(path) {
                Ok(meta) if meta.is_dir() => found.folder(path, &mut HashSet::new()),
                Ok(meta) => {
                    let is_file = match meta.is_file() {
                        true => Ok(()),
                        false => Err(Error::data(path, format!("is {}, not a file", special(meta.file_type())))),
                    };
                    found.all.push((path.clone(), is_file));
                }
                Err(e) => found.all.push((path.clone(), Err(Error::io(path, "read")(e)))),
            }
        }
        found
    }

    /// Everything below a folder; one that cannot be read stands for its pictures. `above` are the folders on the way to it,
    /// which a link may lead back to.
    fn folder(&mut self, path: &Path, above: &mut HashSet<PathBuf>) {
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(e) => return self.all.push((path.into(), Err(Error::io(path, "read")(e)))),
        };
        if !above.insert(real.clone()) {
            return self.leave_out("a link to a folder above it".into(), path);
        }
        let entries: std::io::Result<Vec<_>> = fs::read_dir(path).and_then(|all| all.map(|e| Ok(e?.path())).collect());
        let mut entries = entries.unwrap_or_else(|e| {
            self.all.push((path.into(), Err(Error::io(path, "read the folder")(e))));
            Vec::new()
        });
        entries.sort();
        for entry in entries {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') {
                self.leave_out("hidden".into(), &entry);
                continue;
            }
            match fs::metadata(&entry) {
                Ok(meta) if meta.is_dir() => self.folder(&entry, above),
                Ok(meta) if meta.is_file() => self.file(&name, entry),
                Ok(meta) => self.leave_out(special(meta.file_type()).into(), &entry),
                Err(_) if entry.is_symlink() => self.leave_out("a link to nothing".into(), &entry),
                Err(e) => self.all.push((entry.clone(), Err(Error::io(&entry, "read")(e)))),
            }
        }
        above.remove(&real);
    }

    fn file(&mut self, name: &str, path: PathBuf) {
        let mut head = Vec::new();
        let read = open_file(&path).and_then(|f| f.take(512).read_to_end(&mut head));
        // What cannot be read by its name either is told when its turn comes.
        if is_picture_name(name) || read.is_err() || Pixels::is_picture(&head) {
            self.all.push((path, Ok(())));
            return;
        }
        let ending =
            name.rsplit_once('.').map_or("without ending".into(), |(_, end)| format!(".{}", end.to_lowercase()));
        self.leave_out(ending, &path);
    }

    fn leave_out(&mut self, what: String, path: &Path) {
        self.left_out.entry(what).or_insert_with(|| (0, path.into())).0 += 1;
    }

    /// What was left out, for people: "3 files that are no pictures were left out: 2 .txt (a/b.txt, ...), 1 hidden (a/.x)".
    pub fn left_out(&self) -> Option<String> {
        let n: usize = self.left_out.values().map(|(n, _)| n).sum();
        let each = |(what, (n, first)): (&String, &(usize, PathBuf))| {
            let more = if *n > 1 { ", ..." } else { "" };
            format!("{n} {what} ({}{more})", first.display())
        };
        let listed: Vec<String> = self.left_out.iter().map(each).collect();
        (n > 0).then(|| format!("left out as no pictures: {n} ({})", listed.join(", ")))
    }
}

/// What is no file and no folder.
fn special(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a named pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_block_device() || kind.is_char_device() {
            return "a device";
        }
    }
    let _ = kind;
    "something else"
}
