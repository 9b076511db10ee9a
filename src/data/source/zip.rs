//! The members of a zip. They stay packed until they are read.

use super::Source;
use super::entry::{Entry, Method, Packed};
use super::links::Tree;
use super::names;
use crate::error::{Error, Result};
use ::zip::read::{ArchiveOffset, Config};
use ::zip::{CompressionMethod, ZipArchive};

/// The type of a file in the upper bits of its Unix mode.
const TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;

/// Lists a zip.
pub(super) fn list(archive: &Entry) -> Result<Source> {
    let (archive, path) = (&archive.shared(), &archive.path);
    let damaged = |e: &dyn std::fmt::Display| {
        Error::data(path, format!("the zip archive is cut short or damaged ({e}): copy or download it again"))
    };
    let mut stream = archive.open().map_err(Error::io(path, "read"))?;
    // Where an archive begins is searched for only where it is not the file's beginning: in some files the search takes the wrong
    // place for the directory.
    let at_once = Config { archive_offset: ArchiveOffset::Known(0) };
    let config = if ZipArchive::with_config(at_once, &mut stream).is_ok() { at_once } else { Config::default() };
    let mut zip = ZipArchive::with_config(config, stream).map_err(|e| damaged(&e))?;
    let mut tree = Tree::new(path);
    if zip.has_duplicate_names() {
        tree.left_out("an older version of a file that comes again", "in the zip's own list");
    }
    for i in 0..zip.len() {
        let member = zip.by_index_raw(i).map_err(|e| damaged(&e))?;
        // A name that is no UTF-8 and does not claim to be is of the code page that the format began with.
        let stored = member.name_raw();
        let raw = match member.name() {
            Ok(older) if std::str::from_utf8(stored).is_err() && !older.contains('\u{fffd}') => {
                older.as_bytes().to_vec()
            }
            _ => stored.to_vec(),
        };
        let name = names::of_member(&raw);
        if member.is_dir() || raw.ends_with(b"\\") {
            tree.folder(name);
            continue;
        }
        if member.encrypted() {
            return Err(Error::data(
                path,
                format!(
                    "its file {name} is encrypted: unpack the archive with its password, and give the path of the folder"
                ),
            ));
        }
        let method = match member.compression() {
            CompressionMethod::Stored => Method::Stored,
            CompressionMethod::Deflated => Method::Deflate,
            CompressionMethod::Zstd => Method::Zstd,
            other => {
                return Err(Error::data(
                    path,
                    format!(
                        "its file {name} is packed by {other}, which is not read: unpack the archive, and give the path of the folder"
                    ),
                ));
            }
        };
        let packed = Packed { method, size: member.size(), crc: member.crc32() };
        let start = member.data_start().ok_or_else(|| damaged(&format!("its file {name} has no place")))?;
        let entry = archive.member(name.clone(), start, member.compressed_size(), Some(packed));
        // A file of no known type is one: programs for Windows note none.
        let kind = member.unix_mode().map_or(0, |mode| mode & TYPE);
        if member.is_symlink() {
            tree.link(name, &entry.read()?);
        } else if kind == 0 || kind == REGULAR {
            tree.file(name, entry);
        } else {
            tree.left_out("neither a file nor a folder", name);
        }
    }
    tree.list(true)
}
