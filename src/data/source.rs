//! The files below a path, whether it is a folder, a tar (gzipped or not) or one file.

use crate::error::{Error, Result};
use flate2::read::MultiGzDecoder;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The files below a path, sorted by name.
pub(super) struct Source {
    /// The path as it was given.
    pub path: PathBuf,
    /// What it holds. Hidden files (".DS_Store", "._a.png") and the folder "__MACOSX" are left out.
    pub files: Vec<Entry>,
}

/// One file of a [`Source`].
pub(super) struct Entry {
    /// Name below the source, parts joined by '/'.
    pub name: String,
    /// What errors call it: its path, or archive path and name within.
    pub path: PathBuf,
    body: Body,
}

enum Body {
    /// A file of its own.
    File,
    /// Bytes of a tar that is not compressed.
    Slice { archive: PathBuf, offset: u64, len: u64 },
    /// Bytes of a compressed tar, which can only be read from front to back.
    Memory(Vec<u8>),
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
        let mut files = Vec::new();
        if meta.is_dir() {
            walk(path, "", &mut files)?;
        } else if !meta.is_file() {
            return Err(Error::data(path, "is neither a file nor a folder: give the path of the data"));
        } else {
            files = archive(path)?.unwrap_or_else(|| {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                vec![Entry { name, path: path.into(), body: Body::File }]
            });
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Source { path: path.into(), files })
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
        match &self.body {
            Body::File => fs::read(&self.path).map_err(Error::io(&self.path, "read")),
            Body::Memory(bytes) => Ok(bytes.clone()),
            Body::Slice { archive, offset, len } => {
                let read = || {
                    let mut file = File::open(archive)?;
                    file.seek(SeekFrom::Start(*offset))?;
                    let mut bytes = vec![0; *len as usize];
                    file.read_exact(&mut bytes)?;
                    Ok(bytes)
                };
                read().map_err(Error::io(&self.path, "read"))
            }
        }
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

    /// Whether the file can be opened as an archive of its own.
    pub fn is_archive_file(&self) -> bool {
        matches!(self.body, Body::File) && ARCHIVE_ENDINGS.iter().any(|e| self.name.to_lowercase().ends_with(e))
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
            files.push(Entry { name, path, body: Body::File });
        }
    }
    Ok(())
}

/// The entries of the tar at `path`, or `None` if it is not one.
fn archive(path: &Path) -> Result<Option<Vec<Entry>>> {
    let mut file = File::open(path).map_err(Error::io(path, "read"))?;
    let mut head = Vec::new();
    Read::by_ref(&mut file).take(512).read_to_end(&mut head).map_err(Error::io(path, "read"))?;
    file.rewind().map_err(Error::io(path, "read"))?;
    // The magic is the sign; archives older than the magic are known by their name.
    let named = |endings: &[&str]| {
        let name = path.to_string_lossy().to_lowercase();
        endings.iter().any(|e| name.ends_with(e))
    };
    if head.starts_with(&GZIP_MAGIC) {
        let mut inner = Vec::new();
        // A stream that breaks off here is reported by whoever reads the file for good.
        let _ = MultiGzDecoder::new(&file).take(512).read_to_end(&mut inner);
        file.rewind().map_err(Error::io(path, "read"))?;
        let is_tar = has_tar_magic(&inner) || named(&[".tar.gz", ".tgz"]);
        return if is_tar { packed_entries(path, file).map(Some) } else { Ok(None) };
    }
    if has_tar_magic(&head) || named(&[".tar"]) { plain_entries(path, file).map(Some) } else { Ok(None) }
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
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let parts: Vec<&str> = name.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    if parts.is_empty() || parts.iter().any(|p| hidden(p)) { None } else { Some(parts.join("/")) }
}

fn damaged_tar(path: &Path, e: &io::Error) -> Error {
    Error::data(path, format!("the tar archive is cut short or damaged ({e}): copy or download it again"))
}

fn plain_entries(path: &Path, file: File) -> Result<Vec<Entry>> {
    let size = file.metadata().map_err(Error::io(path, "read"))?.len();
    let mut files = Vec::new();
    let mut archive = tar::Archive::new(io::BufReader::new(file));
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
        let body = Body::Slice { archive: path.into(), offset, len };
        files.push(Entry { path: path.join(&name), name, body });
    }
    Ok(files)
}

fn packed_entries(path: &Path, file: File) -> Result<Vec<Entry>> {
    let mut files = Vec::new();
    let mut archive = tar::Archive::new(MultiGzDecoder::new(io::BufReader::new(file)));
    for entry in archive.entries().map_err(|e| damaged_tar(path, &e))? {
        let mut entry = entry.map_err(|e| damaged_tar(path, &e))?;
        let Some(name) = tar_name(&entry) else { continue };
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|e| damaged_tar(path, &e))?;
        if bytes.len() as u64 != entry.size() {
            let message = format!("its file {name} has {} of {} bytes", bytes.len(), entry.size());
            return Err(damaged_tar(path, &io::Error::other(message)));
        }
        files.push(Entry { path: path.join(&name), name, body: Body::Memory(bytes) });
    }
    Ok(files)
}
