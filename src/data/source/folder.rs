//! The files below a folder of the disk. Links are followed.

use super::entry::Entry;
use super::known::Seen;
use super::stamp::Stamp;
use super::{Source, names};
use crate::data::index::LeftOut;
use crate::error::{Error, Result};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why a link is left out that leads nowhere.
pub(super) const LINK_TO_NOTHING: &str = "a link to nothing";

/// Lists a folder. Beside it the stamps of all folders that were looked into, if the system has such.
pub(super) fn list(path: &Path) -> Result<(Source, Option<Vec<Seen>>)> {
    let real = fs::canonicalize(path).map_err(Error::io(path, "read"))?;
    let mut walk = Walk {
        linked: 0,
        above: vec![real],
        files: Vec::new(),
        empty_folders: Vec::new(),
        left_out: LeftOut::default(),
        seen: Some(Vec::new()),
    };
    walk.folder(path, "")?;
    walk.empty_folders.sort();
    let Walk { files, empty_folders, left_out, seen, .. } = walk;
    Ok((Source { empty_folders, left_out, ..Source::of(path, files, false) }, seen))
}

/// Folders that may be reached by links: a few links to folders of links are enough for any number.
const MOST_LINKED: usize = 100_000;

struct Walk {
    /// Folders that were reached by links.
    linked: usize,
    /// Where the folder that is listed and those above it really are.
    above: Vec<PathBuf>,
    files: Vec<Entry>,
    empty_folders: Vec<String>,
    left_out: LeftOut,
    seen: Option<Vec<Seen>>,
}

impl Walk {
    /// Adds every file below `folder`; `prefix` is the folder's own name with a '/' at its end, or empty.
    fn folder(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        match (Stamp::of(folder), &mut self.seen) {
            (Some(stamp), Some(seen)) => seen.push((folder.into(), stamp)),
            _ => self.seen = None,
        }
        let before = self.files.len() + self.empty_folders.len();
        for entry in fs::read_dir(folder).map_err(Error::io(folder, "read"))? {
            let entry = entry.map_err(Error::io(folder, "read"))?;
            let (path, part) = (entry.path(), names::of_system(&entry.file_name()));
            let name = format!("{prefix}{part}");
            if let Some(reason) = names::not_data(&part) {
                self.left_out.add(reason, name);
                continue;
            }
            let mut kind = entry.file_type().map_err(Error::io(&path, "read"))?;
            let mut real = self.above[self.above.len() - 1].join(entry.file_name());
            let linked = kind.is_symlink();
            if linked {
                match fs::metadata(&path) {
                    Ok(meta) => kind = meta.file_type(),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {
                        self.left_out.add(LINK_TO_NOTHING, name);
                        continue;
                    }
                    Err(e) => return Err(Error::io(&path, "follow the link")(e)),
                }
                real = fs::canonicalize(&path).map_err(Error::io(&path, "follow the link"))?;
                if kind.is_dir() && self.above.iter().any(|above| above.starts_with(&real)) {
                    return Err(Error::data(
                        &path,
                        format!(
                            "is a link to {}, a folder that it lies in, so that there is no end: remove the link",
                            real.display()
                        ),
                    ));
                }
            }
            if linked && kind.is_dir() {
                self.linked += 1;
                if self.linked > MOST_LINKED {
                    let message =
                        format!("this is the link to a folder after {MOST_LINKED} others: remove some of them");
                    return Err(Error::data(&path, message));
                }
            }
            if kind.is_dir() {
                self.above.push(real);
                self.folder(&path, &format!("{name}/"))?;
                self.above.pop();
            } else if kind.is_file() {
                self.files.push(Entry::on_disk(name, path));
            } else {
                self.left_out.add("neither a file nor a folder", name);
            }
        }
        if self.files.len() + self.empty_folders.len() == before && !prefix.is_empty() {
            self.empty_folders.push(prefix.trim_end_matches('/').to_string());
        }
        Ok(())
    }
}
