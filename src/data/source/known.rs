//! What was listed before, kept in the user's cache folder: a million files, or the members of a tar of a hundred gigabytes,
//! are listed once. It is found by the path, and counts as long as every folder (or the archive) has the time and size that
//! it had. Nothing depends on it: one that is missing, of another time or broken costs a listing.

use super::Source;
use super::entry::{Entry, Method, Packed, Place};
use super::stamp::{Stamp, kept_file};
use crate::cache_folder;
use crate::data::index::LeftOut;
use crate::error::Result;
use crate::files::{create_dir, write_atomic};
use std::fs;
use std::path::{Path, PathBuf};

/// Files below which listing is faster than looking for a list.
const LEAST_FILES: usize = 1000;

/// Of the form of these files.
const VERSION: &str = "onebit images 3";

/// A folder or archive on which a list depends.
pub(super) type Seen = (PathBuf, Stamp);

fn file_of(path: &Path) -> Option<PathBuf> {
    kept_file(path, "files.csv")
}

/// What is at `path`, if it was listed before and has not changed.
pub(super) fn find(path: &Path) -> Option<Source> {
    let bytes = fs::read(file_of(path)?).ok()?;
    let mut rows = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&bytes[..]);
    let mut records = rows.byte_records().map(|r| r.ok());
    let first = records.next()??;
    if first.get(0)? != VERSION.as_bytes() || first.get(1)? != path.as_os_str().as_encoded_bytes() {
        return None;
    }
    let (is_archive, mut whole) = (first.get(2)? == b"archive", false);
    let mut source = Source { is_archive, ..Source::of(path, Vec::new(), is_archive) };
    let archive = Entry::on_disk(String::new(), path.into()).shared();
    for record in records {
        let record = record?;
        let text = |i: usize| std::str::from_utf8(record.get(i)?).ok();
        let number = |i: usize| text(i)?.parse::<u64>().ok();
        match record.get(0)? {
            b"stamp" => {
                let then = Stamp { size: number(2)?, changed: number(3)? };
                if Stamp::of(&path_of(record.get(1)?)?) != Some(then) {
                    return None;
                }
            }
            b"file" => source.files.push(Entry::on_disk(text(1)?.into(), path_of(record.get(2)?)?)),
            b"member" => source.files.push(archive.member(text(1)?.into(), number(2)?, number(3)?, None)),
            b"packed" => {
                let method = [Method::Stored, Method::Deflate, Method::Zstd].into_iter().nth(number(4)? as usize)?;
                let packed = Packed { method, size: number(5)?, crc: number(6)?.try_into().ok()? };
                source.files.push(archive.member(text(1)?.into(), number(2)?, number(3)?, Some(packed)));
            }
            b"note" => source.notes.push(text(1)?.into()),
            b"empty" => source.empty_folders.push(text(1)?.into()),
            b"left out" => {
                let reason_names = (3..record.len()).filter_map(text).map(String::from).collect();
                source.left_out.extend(LeftOut::of(text(1)?, number(2)? as usize, reason_names));
            }
            b"end" => whole = true,
            _ => return None,
        }
    }
    whole.then_some(source)
}

/// Paths are kept as the bytes that they are.
#[cfg(unix)]
fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(bytes)))
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().map(PathBuf::from)
}

/// Keeps a list for the next time, if that is worth it and everything that it depends on has a stamp.
pub(super) fn keep(source: &Source, seen: &[Seen]) {
    // What a link leads to can come or go without a trace in the folder of the link.
    let follows_nothing = source.left_out.count_of(super::folder::LINK_TO_NOTHING) > 0;
    if source.files.len() < LEAST_FILES || follows_nothing || !seen.iter().all(|(_, stamp)| stamp.is_settled()) {
        return;
    }
    let Some(file) = file_of(&source.path) else { return };
    let Some(table) = table(source, seen) else { return };
    let folder = file.parent().unwrap_or(Path::new("."));
    let written: Result<()> = create_dir(folder).and_then(|()| write_atomic(&file, &table));
    if let Err(e) = written {
        cache_folder::note(format!(
            "the list of files is not kept for the next time: {e}; {} names another folder",
            cache_folder::VARIABLE
        ));
    }
}

/// `None` if some file's bytes are nowhere but in memory.
fn table(source: &Source, seen: &[Seen]) -> Option<Vec<u8>> {
    let mut rows = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let kind: &[u8] = if source.is_archive { b"archive" } else { b"folder" };
    rows.write_record([VERSION.as_bytes(), source.path.as_os_str().as_encoded_bytes(), kind]).ok()?;
    for (path, Stamp { size, changed }) in seen {
        let (size, changed) = (size.to_string(), changed.to_string());
        let row = [b"stamp", path.as_os_str().as_encoded_bytes(), size.as_bytes(), changed.as_bytes()];
        rows.write_record(row).ok()?;
    }
    for entry in &source.files {
        let name = entry.name.as_bytes();
        match entry.place()? {
            Place::File => rows.write_record([b"file", name, entry.path.as_os_str().as_encoded_bytes()]).ok()?,
            Place::Within { offset, len, packed: None } => {
                rows.write_record([b"member", name, offset.to_string().as_bytes(), len.to_string().as_bytes()]).ok()?;
            }
            Place::Within { offset, len, packed: Some(packed) } => {
                let numbers =
                    [offset, len, packed.method as u64, packed.size, packed.crc as u64].map(|n| n.to_string());
                let mut row = vec![&b"packed"[..], name];
                row.extend(numbers.iter().map(|n| n.as_bytes()));
                rows.write_record(row).ok()?;
            }
        }
    }
    for folder in &source.empty_folders {
        rows.write_record(["empty", folder]).ok()?;
    }
    for (reason, count, names) in source.left_out.reasons() {
        let count = count.to_string();
        let row = ["left out", reason, &count].into_iter().chain(names.iter().map(String::as_str));
        rows.write_record(row).ok()?;
    }
    for note in &source.notes {
        rows.write_record(["note", note]).ok()?;
    }
    rows.write_record(["end"]).ok()?;
    rows.into_inner().ok()
}
