//! The files below a path, whether it is a folder, an archive (a tar, perhaps compressed, or a zip) or one file; or files in
//! memory. What is there and no data is counted, and named.

mod entry;
mod folder;
mod gzip;
mod known;
mod links;
mod names;
mod records;
mod shared;
mod stamp;
mod tar;
mod zip;

pub(crate) use entry::Entry;
pub(crate) use names::of_system as shown_name;
pub(in crate::data) use records::Records;
pub(in crate::data) use stamp::{Stamp, kept_file};

use super::index::LeftOut;
use crate::error::{Error, Result};
use entry::GZIP_MAGIC;
use gzip::Gunzip;
use std::fs;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// The files below a path, sorted by name.
pub(crate) struct Source {
    /// The path as it was given.
    pub path: PathBuf,
    /// What it holds.
    pub files: Vec<Entry>,
    /// Folders in which there is no file, by name, sorted.
    pub empty_folders: Vec<String>,
    /// Whether they were found in an archive. Archives within one are not opened.
    pub is_archive: bool,
    /// What is there and not among the files: hidden files, other programs' folders, links to nothing, ...
    pub left_out: LeftOut,
    /// What a user should know of it.
    pub notes: Vec<String>,
}

/// File names that promise an archive.
pub(crate) const ARCHIVE_ENDINGS: [&str; 8] =
    [".tar.gz", ".tgz", ".tar.zst", ".tzst", ".tar.zstd", ".tar", ".zip", ".zip64"];

/// Archives that are known by their first bytes, and not read.
const OTHER_ARCHIVES: [(&[u8], &str, &str); 5] = [
    (b"\xfd7zXZ\0", "an xz file", "xz -d"),
    (b"BZh", "a bzip2 file", "bzip2 -d"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x"),
    (b"Rar!\x1a\x07", "a rar archive", "unrar x"),
    (b"\x04\x22\x4d\x18", "an lz4 file", "lz4 -d"),
];

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const ZIP_MAGICS: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];
/// Files that are zips, and are read whole.
const NO_ARCHIVES: [&str; 1] = [".npz"];

impl Source {
    /// Lists what is at `path`.
    ///
    /// # Errors
    /// If it does not exist or cannot be read, or if an archive is damaged.
    pub fn open(path: &Path) -> Result<Source> {
        let meta = match fs::metadata(path) {
            Ok(meta) => meta,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(Error::data(path, "there is no such file or folder: check the path to the data"));
            }
            Err(e) => return Err(Error::io(path, "read")(e)),
        };
        if let Some(source) = known::find(path) {
            return Ok(source);
        }
        if meta.is_dir() {
            let (source, seen) = folder::list(path)?;
            seen.iter().for_each(|seen| known::keep(&source, seen));
            Ok(source)
        } else if meta.is_file() {
            let stamp = Stamp::in_metadata(&meta);
            let entry = Entry::on_disk(names::of_system(path.file_name().unwrap_or_default()), path.into());
            let opened = entry.archive()?;
            if let (Some(source), Some(stamp)) = (&opened, stamp) {
                known::keep(source, &[(path.into(), stamp)]);
            }
            Ok(opened.unwrap_or_else(|| Source::of(path, vec![entry], false)))
        } else {
            Err(Error::data(path, "is neither a file nor a folder: give the path of the data"))
        }
    }

    /// Files of which names and bytes are given; errors call them `path` and name.
    pub fn of_files(path: &Path, files: Vec<(String, Vec<u8>)>) -> Source {
        let mut tree = links::Tree::new(path);
        for (name, bytes) in files {
            let name = names::of_member(name.as_bytes());
            let entry = Entry::in_memory(name.clone(), path.join(&name), bytes);
            tree.file(name, entry);
        }
        // Without links there is nothing that can fail; if there were, the set is empty and says so.
        tree.list(false).unwrap_or_else(|_| Source::of(path, Vec::new(), false))
    }

    fn of(path: &Path, mut files: Vec<Entry>, is_archive: bool) -> Source {
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let (empty_folders, left_out, notes) = (Vec::new(), LeftOut::default(), Vec::new());
        Source { path: path.into(), files, empty_folders, is_archive, left_out, notes }
    }

    /// The last part of the path without archive endings: what an unknown set is called.
    pub fn name(&self) -> String {
        let full = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let name = full.file_name().map_or("data".into(), names::of_system);
        let stem = ARCHIVE_ENDINGS.iter().find_map(|e| name.strip_suffix(e)).unwrap_or(&name);
        stem.to_string()
    }
}

impl Entry {
    /// Whether its name promises an archive.
    pub fn is_named_archive(&self) -> bool {
        let name = self.name.to_lowercase();
        ARCHIVE_ENDINGS.iter().any(|e| name.ends_with(e))
    }

    /// What this file holds if it is a zip, whatever its name: an `.npz` is one.
    ///
    /// # Errors
    /// If it is none, or damaged.
    pub fn members(&self) -> Result<Source> {
        zip::list(self)
    }

    /// What the archive that this file is holds, or `None` if it is not one. The content is the sign; a tar older than its
    /// magic is known by its name.
    ///
    /// # Errors
    /// If it is damaged, or of a kind that is not read.
    pub fn archive(&self) -> Result<Option<Source>> {
        let name = self.name.to_lowercase();
        if NO_ARCHIVES.iter().any(|e| name.ends_with(e)) {
            return Ok(None);
        }
        let head = self.head(512)?;
        if let Some((_, what, how)) = OTHER_ARCHIVES.iter().find(|(magic, ..)| head.starts_with(magic)) {
            return Err(Error::data(
                &self.path,
                format!(
                    "is {what}, which is not read: unpack it first ({how}), or pack it as .tar, .tar.gz, .tar.zst or .zip"
                ),
            ));
        }
        let gzipped = head.starts_with(&GZIP_MAGIC);
        let packed = gzipped || head.starts_with(&ZSTD_MAGIC);
        let is_zip = ZIP_MAGICS.iter().any(|magic| head.starts_with(magic));
        if is_zip || (name.ends_with(".zip") && !packed && !has_tar_magic(&head)) {
            return zip::list(self).map(Some);
        }
        if !packed {
            let is_tar = has_tar_magic(&head) || name.ends_with(".tar");
            return if is_tar { tar::list_plain(self).map(Some) } else { Ok(None) };
        }
        let unpacked = || -> Result<Box<dyn Read>> {
            let stream = self.open().map_err(Error::io(&self.path, "read"))?;
            Ok(match gzipped {
                true => Box::new(Gunzip::new(BufReader::new(stream))),
                false => Box::new(zstd::Decoder::new(stream).map_err(Error::io(&self.path, "unpack"))?),
            })
        };
        let mut inner = Vec::new();
        // A stream that breaks off here is reported by whoever reads the file for good.
        let _ = unpacked()?.take(512).read_to_end(&mut inner);
        if !(has_tar_magic(&inner) || self.is_named_archive()) {
            return Ok(None);
        }
        tar::list_packed(self, unpacked()?).map(Some)
    }
}

fn has_tar_magic(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}
