//! The files below a path, whether it is a folder, a tar (gzipped or not) or one file; or files in memory.

use crate::error::{Error, Result};
use flate2::read::MultiGzDecoder;
use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files below a path, sorted by name.
pub(super) struct Source {
    /// The path as it was given.
    pub path: PathBuf,
    /// What it holds. Hidden files (".DS_Store", "._a.png") and the folder "__MACOSX" are left out.
    pub files: Vec<Entry>,
    /// Whether they were found in an archive. Archives within one are not opened.
    pub is_archive: bool,
}

/// One file of a [`Source`].
pub(super) struct Entry {
    /// Name below the source, parts joined by '/'.
    pub name: String,
    /// What errors call it: its path, or archive path and name within.
    pub path: PathBuf,
    store: Store,
    /// First byte and length, if it is a part of what the store holds.
    slice: Option<(u64, u64)>,
}

/// Where bytes are kept.
#[derive(Clone)]
enum Store {
    Disk(PathBuf),
    Memory(Arc<[u8]>),
}

trait Stream: Read + Seek {}
impl<S: Read + Seek> Stream for S {}

impl Store {
    fn open(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Store::Disk(path) => Box::new(BufReader::new(File::open(path)?)),
            Store::Memory(bytes) => Box::new(Cursor::new(bytes.clone())),
        })
    }
}

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
        if meta.is_dir() {
            let mut files = Vec::new();
            walk(path, "", &mut files)?;
            Ok(Source::sorted(path, files, false))
        } else if meta.is_file() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let entry = Entry { name, path: path.into(), store: Store::Disk(path.into()), slice: None };
            let opened = entry.archive()?;
            Ok(opened.unwrap_or_else(|| Source::sorted(path, vec![entry], false)))
        } else {
            Err(Error::data(path, "is neither a file nor a folder: give the path of the data"))
        }
    }

    /// Files of which names and bytes are given; errors call them `path` and name.
    pub fn of_files(path: &Path, files: Vec<(String, Vec<u8>)>) -> Source {
        let entry = |(name, bytes): (String, Vec<u8>)| {
            let name = shown_name(&name)?;
            Some(Entry { path: path.join(&name), name, store: Store::Memory(bytes.into()), slice: None })
        };
        Source::sorted(path, files.into_iter().filter_map(entry).collect(), false)
    }

    fn sorted(path: &Path, mut files: Vec<Entry>, is_archive: bool) -> Source {
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Source { path: path.into(), files, is_archive }
    }

    /// The last part of the path without archive endings: what an unknown set is called.
    pub fn name(&self) -> String {
        let full = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let name = full.file_name().map_or("data".into(), |n| n.to_string_lossy().into_owned());
        let stem = ARCHIVE_ENDINGS.iter().find_map(|e| name.strip_suffix(e)).unwrap_or(&name);
        stem.to_string()
    }
}

/// File names that promise a tar.
pub(super) const ARCHIVE_ENDINGS: [&str; 3] = [".tar.gz", ".tgz", ".tar"];

impl Entry {
    /// The bytes as stored.
    pub fn read(&self) -> Result<Vec<u8>> {
        let read = || match self.slice {
            None => match &self.store {
                Store::Disk(path) => fs::read(path),
                Store::Memory(bytes) => Ok(bytes.to_vec()),
            },
            Some((offset, len)) => {
                let mut stream = self.store.open()?;
                stream.seek(SeekFrom::Start(offset))?;
                let mut bytes = vec![0; len as usize];
                stream.read_exact(&mut bytes)?;
                Ok(bytes)
            }
        };
        read().map_err(Error::io(&self.path, "read"))
    }

    /// The bytes, unpacked if they are gzipped (seen from the content, not the name).
    pub fn read_unpacked(&self) -> Result<Vec<u8>> {
        let stored = self.read()?;
        if !stored.starts_with(&GZIP_MAGIC) {
            return Ok(stored);
        }
        let mut bytes = Vec::new();
        let result = MultiGzDecoder::new(&stored[..]).read_to_end(&mut bytes);
        result.map_err(|e| damaged_gzip(&self.path, &e, stored.len(), bytes.len()))?;
        Ok(bytes)
    }

    /// Last part of the name, lower case, without ".gz".
    pub fn file_name(&self) -> String {
        let name = self.name.rsplit('/').next().unwrap_or_default().to_lowercase();
        name.strip_suffix(".gz").map(String::from).unwrap_or(name)
    }

    /// The folder part of the name, without a '/' at its end.
    pub fn folder(&self) -> &str {
        self.name.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Whether its name promises an archive.
    pub fn is_named_archive(&self) -> bool {
        ARCHIVE_ENDINGS.iter().any(|e| self.name.to_lowercase().ends_with(e))
    }

    /// What the tar that this file is holds, or `None` if it is not one.
    pub fn archive(&self) -> Result<Option<Source>> {
        let mut file = self.store.open().map_err(Error::io(&self.path, "read"))?;
        let mut head = Vec::new();
        let start = Read::by_ref(&mut file).take(512).read_to_end(&mut head).and_then(|_| file.rewind());
        start.map_err(Error::io(&self.path, "read"))?;
        // The magic is the sign; archives older than the magic are known by their name.
        let files = if head.starts_with(&GZIP_MAGIC) {
            let mut inner = Vec::new();
            // A stream that breaks off here is reported by whoever reads the file for good.
            let _ = MultiGzDecoder::new(&mut file).take(512).read_to_end(&mut inner);
            file.rewind().map_err(Error::io(&self.path, "read"))?;
            if !(has_tar_magic(&inner) || self.is_named_archive()) {
                return Ok(None);
            }
            self.packed_entries(file)?
        } else if has_tar_magic(&head) || self.name.to_lowercase().ends_with(".tar") {
            self.plain_entries(file)?
        } else {
            return Ok(None);
        };
        Ok(Some(Source::sorted(&self.path, files, true)))
    }

    /// The files of a tar, each a slice of it.
    fn plain_entries(&self, mut file: Box<dyn Stream>) -> Result<Vec<Entry>> {
        let path = &self.path;
        let size = file.seek(SeekFrom::End(0)).and_then(|size| file.rewind().map(|()| size));
        let size = size.map_err(Error::io(path, "read"))?;
        let mut files = Vec::new();
        let mut archive = tar::Archive::new(file);
        for entry in archive.entries_with_seek().map_err(|e| damaged_tar(path, &e))? {
            let entry = entry.map_err(|e| damaged_tar(path, &e))?;
            let Some(name) = tar_name(&entry) else { continue };
            let (offset, len) = (entry.raw_file_position(), entry.size());
            if offset.checked_add(len).is_none_or(|end| end > size) {
                return Err(Error::data(
                    path,
                    format!(
                        "the tar archive is cut short: its file {name} is {len} bytes from byte {offset} on, but the \
                         archive ends at byte {size}; copy or download it again"
                    ),
                ));
            }
            files.push(Entry { path: path.join(&name), name, store: self.store.clone(), slice: Some((offset, len)) });
        }
        Ok(files)
    }

    /// The files of a compressed tar, which can only be read from front to back, unpacked.
    fn packed_entries(&self, file: Box<dyn Stream>) -> Result<Vec<Entry>> {
        let path = &self.path;
        let mut files = Vec::new();
        let mut archive = tar::Archive::new(MultiGzDecoder::new(file));
        for entry in archive.entries().map_err(|e| damaged_tar(path, &e))? {
            let mut entry = entry.map_err(|e| damaged_tar(path, &e))?;
            let Some(name) = tar_name(&entry) else { continue };
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).map_err(|e| damaged_tar(path, &e))?;
            if bytes.len() as u64 != entry.size() {
                let message = format!("its file {name} has {} of {} bytes", bytes.len(), entry.size());
                return Err(damaged_tar(path, &io::Error::other(message)));
            }
            files.push(Entry { path: path.join(&name), name, store: Store::Memory(bytes.into()), slice: None });
        }
        Ok(files)
    }
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

fn damaged_gzip(path: &Path, e: &io::Error, stored: usize, unpacked: usize) -> Error {
    Error::data(
        path,
        format!(
            "the gzip stream is cut short or damaged ({e}): its {stored} bytes gave {unpacked}; copy or download the \
             file again"
        ),
    )
}

fn hidden(part: &str) -> bool {
    part.starts_with('.') || part == "__MACOSX"
}

/// Adds every file below `folder`; `prefix` is the folder's own name with a '/' at its end, or empty.
fn walk(folder: &Path, prefix: &str, files: &mut Vec<Entry>) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::io(folder, "read"))? {
        let entry = entry.map_err(Error::io(folder, "read"))?;
        let (path, part) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if hidden(&part) {
            continue;
        }
        let name = format!("{prefix}{part}");
        let kind = entry.file_type().map_err(Error::io(&path, "read"))?;
        let meta = fs::metadata(&path).map_err(Error::io(&path, "read"))?;
        if meta.is_dir() {
            // A link to a folder that contains it would never end.
            let real = |p: &Path| fs::canonicalize(p).map_err(Error::io(p, "read"));
            if !(kind.is_symlink() && real(folder)?.starts_with(real(&path)?)) {
                walk(&path, &format!("{name}/"), files)?;
            }
        } else if meta.is_file() {
            files.push(Entry { name, store: Store::Disk(path.clone()), path, slice: None });
        }
    }
    Ok(())
}

fn has_tar_magic(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

/// The name of a tar entry, or `None` if it is not a file to read.
fn tar_name<R: Read>(entry: &tar::Entry<'_, R>) -> Option<String> {
    let kind = entry.header().entry_type();
    if !(kind.is_file() || kind.is_contiguous()) {
        return None;
    }
    shown_name(&String::from_utf8_lossy(&entry.path_bytes()))
}

/// A name without empty parts and dots, or `None` if it or a folder of it is hidden.
fn shown_name(name: &str) -> Option<String> {
    let parts: Vec<&str> = name.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    if parts.is_empty() || parts.iter().any(|p| hidden(p)) { None } else { Some(parts.join("/")) }
}

fn damaged_tar(path: &Path, e: &io::Error) -> Error {
    Error::data(path, format!("the tar archive is cut short or damaged ({e}): copy or download it again"))
}
