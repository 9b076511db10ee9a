//! MNIST-style IDX files.
//!
//! Two zero bytes, the element type (8: unsigned byte), the number of axes, the extents as big-endian 32-bit words,
//! then the elements in row-major order. Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database".
//! Files are known by "idx" or "ubyte" in their names, parts by the words "t10k", "test" or "val" against the rest.

use super::super::index::{Found, LeftOut, Part};
use super::super::source::{Entry, Source};
use super::Set;
use super::raw::{self, Layout, Records};
use super::words::{self, base};
use crate::error::{Error, Result};
use flate2::Crc;
use std::collections::BTreeMap;

pub(in crate::data) const FASHION_CLASSES: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

/// One file of a set.
#[derive(Clone, Copy)]
struct File<'a> {
    entry: &'a Entry,
    is_images: bool,
}

/// IDX files by folder.
pub(super) fn find(source: &Source) -> Result<Vec<Set<'_>>> {
    let mut homes: BTreeMap<&str, Vec<File<'_>>> = BTreeMap::new();
    for entry in &source.files {
        let name = entry.file_name();
        if !(name.contains("idx") || name.contains("ubyte")) {
            continue;
        }
        let is = |words: &[&str]| words.iter().any(|w| name.contains(w));
        let is_images = is(&["image", "idx3", "idx4"]);
        if is_images || is(&["label", "idx1", "idx2"]) {
            homes.entry(home(entry)).or_default().push(File { entry, is_images });
        }
    }
    // The fullest first, of which others may be copies.
    let mut homes: Vec<(&str, Vec<File<'_>>)> = homes.into_iter().collect();
    homes.sort_by_key(|(_, files)| std::cmp::Reverse(files.len()));
    let (mut kept, mut copied, mut left_out): (Vec<(&str, Vec<File<'_>>)>, Vec<&Entry>, _) =
        (Vec::new(), Vec::new(), LeftOut::default());
    for (folder, files) in homes {
        let mut of = None;
        for (_, whole) in &kept {
            if of.is_none() && are_copies(&files, whole)? {
                of = Some(whole[0].entry);
            }
        }
        match of {
            Some(of) => files.iter().for_each(|f| {
                left_out.add(format!("a copy of a file beside {}", of.name), &f.entry.name);
                copied.push(f.entry);
            }),
            None => kept.push((folder, files)),
        }
    }
    let sets = kept.into_iter().map(|(folder, files)| {
        let entries: Vec<&Entry> = files.iter().map(|f| f.entry).chain(copied.iter().copied()).collect();
        let left_out = left_out.clone();
        Set::new("IDX files", folder, entries, move |_| read(source, &files, left_out))
    });
    Ok(sets.collect())
}

/// The letters and digits of a file's name: programs that unpack write "train-images.idx3-ubyte" as well as
/// "train-images-idx3-ubyte".
fn plain(name: &str) -> String {
    let name = name.to_lowercase();
    name.strip_suffix(".gz").unwrap_or(&name).chars().filter(|c| c.is_alphanumeric()).collect()
}

/// The folder of a file; of a file that lies in a folder of its own name the one above, as unpacking leaves it.
fn home(entry: &Entry) -> &str {
    let folder = entry.folder();
    let (above, last) = folder.rsplit_once('/').unwrap_or(("", folder));
    if !last.is_empty() && plain(last) == plain(base(entry)) { above } else { folder }
}

/// Whether every file is there among others, by name and content.
fn are_copies(files: &[File<'_>], others: &[File<'_>]) -> Result<bool> {
    for file in files {
        let mut found = false;
        for other in others.iter().filter(|o| plain(base(o.entry)) == plain(base(file.entry))) {
            found = found || same(file.entry, other.entry)?;
        }
        if !found {
            return Ok(false);
        }
    }
    Ok(true)
}

fn same(a: &Entry, b: &Entry) -> Result<bool> {
    let (a, b) = (a.unpacked()?, b.unpacked()?);
    Ok(a.len()? == b.len()? && a.read()? == b.read()?)
}

/// Reads the files of one folder.
fn read(source: &Source, files: &[File<'_>], mut left_out: LeftOut) -> Result<Found> {
    let entries: Vec<&Entry> = files.iter().map(|f| f.entry).collect();
    let parts = words::parts(source, &entries)?;
    let (mut records, mut known, mut notes) = (Vec::new(), None, Vec::new());
    for part in [Part::Train, Part::Val, Part::Test] {
        let mut of = |is_images: bool| {
            let files = files.iter().zip(&parts).filter(|(f, p)| f.is_images == is_images && **p == part);
            let files: Vec<&Entry> = files.map(|(f, _)| f.entry).collect();
            only(source, if is_images { "image" } else { "label" }, part, &files, &mut left_out, &mut notes)
        };
        let (images, labels) = (of(true)?, of(false)?);
        let Some(images) = images else {
            let Some(labels) = labels else { continue };
            return Err(Error::data(
                &labels.path,
                "the image file that belongs to these labels is missing: put it beside (names such as \
                 train-images-idx3-ubyte and train-labels-idx1-ubyte, or t10k-...)",
            ));
        };
        let images = Idx::open(images, &[3, 4])?;
        let layout = Layout::of(&images.extents[1..]).map_err(|m| Error::data(&images.entry.path, m))?;
        let labels = match labels {
            None => None,
            Some(entry) => {
                let bytes = Idx::open(entry, &[1])?.elements()?;
                known = known.or(known_set(&bytes));
                Some((entry.path.clone(), bytes.into_iter().map(i64::from).collect()))
            }
        };
        let (start, count) = (images.header, images.extents[0]);
        records.push(Records { part, entry: images.entry, start, count, layout, labels });
    }
    let classes = match known {
        Some("Fashion-MNIST") => Some(FASHION_CLASSES.map(String::from).to_vec()),
        Some(_) => Some((0..10).map(|d| d.to_string()).collect()),
        None => None,
    };
    let mut found = raw::found(source, known.map(String::from), classes, records, "label file", left_out)?;
    found.notes.extend(notes);
    Ok(found)
}

/// The one file for a part, of several copies the first that is whole.
fn only<'a>(
    source: &Source,
    what: &str,
    part: Part,
    files: &[&'a Entry],
    left_out: &mut LeftOut,
    notes: &mut Vec<String>,
) -> Result<Option<&'a Entry>> {
    let Some((&first, others)) = files.split_first() else { return Ok(None) };
    if others.is_empty() {
        return Ok(Some(first));
    }
    let several = || {
        let names: Vec<&str> = files.iter().map(|e| e.name.as_str()).collect();
        let held = format!("holds {} IDX {what} files for the {} part", files.len(), part);
        Error::data(&source.path, format!("{held} ({}): keep one set in a folder of its own", names.join(", ")))
    };
    if others.iter().any(|other| plain(base(other)) != plain(base(first))) {
        return Err(several());
    }
    let whole: Vec<&Entry> = files.iter().filter(|e| Idx::open(e, &[1, 3, 4]).is_ok()).copied().collect();
    let Some((&taken, copies)) = whole.split_first() else { return Ok(Some(first)) };
    for copy in copies {
        if !same(taken, copy)? {
            return Err(several());
        }
    }
    for other in files.iter().filter(|e| e.name != taken.name) {
        if whole.iter().any(|e| e.name == other.name) {
            left_out.add(format!("a copy of {}", taken.name), &other.name);
        } else {
            left_out.add(format!("a damaged copy of {}", taken.name), &other.name);
            notes.push(format!("{} is damaged, its copy {} is taken", other.name, taken.name));
        }
    }
    Ok(Some(taken))
}

/// Files of MNIST and Fashion-MNIST have the same names and sizes; the checksum of their labels tells them apart.
fn known_set(labels: &[u8]) -> Option<&'static str> {
    let mut crc = Crc::new();
    crc.update(labels);
    match (labels.len(), crc.sum()) {
        (60_000, 0xba07_e8ef) | (10_000, 0xee86_04d9) => Some("MNIST"),
        (60_000, 0x2ed6_e46a) | (10_000, 0x242b_c73f) => Some("Fashion-MNIST"),
        _ => None,
    }
}

/// A file whose header is read, and is as long as that says.
struct Idx {
    /// The file, unpacked.
    entry: Entry,
    /// Bytes before the elements.
    header: u64,
    extents: Vec<u64>,
}

impl Idx {
    /// A file of bytes whose number of axes is one of `axes`.
    fn open(entry: &Entry, axes: &[u8]) -> Result<Idx> {
        let entry = entry.unpacked()?;
        let fail = |message: String| Err(Error::data(&entry.path, message));
        let length = entry.len()?;
        let head = entry.head(4 + 4 * 255)?;
        let Some(magic) = head.first_chunk::<4>().copied() else {
            return fail(format!("is {length} bytes long: too short for the header of an IDX file"));
        };
        let what = if axes == [1] { "label" } else { "image" };
        if magic[..3] != [0, 0, 8] || !axes.contains(&magic[3]) {
            let found = u32::from_be_bytes(magic);
            if let ([0, 0, kind, n], Some(name)) = (magic, element(magic[2])) {
                let axes = axes.iter().map(u8::to_string).collect::<Vec<_>>().join(" or ");
                return fail(format!(
                    "starts with the magic 0x{found:08x}, which is that of {name} with {n} axes; an IDX {what} file of bytes \
                     (unsigned, 0x{:08x}) with {axes} axes is expected{}",
                    0x0800 + if what == "label" { 1 } else { 3 },
                    if kind == 8 { "" } else { ": save its numbers as uint8" }
                ));
            }
            return fail(format!(
                "starts with the magic 0x{found:08x}; an IDX {what} file of bytes starts with 0x{:08x}: it is not one, or it \
                 is damaged",
                0x0800 + axes[0] as u32
            ));
        }
        let header = 4 + 4 * magic[3] as usize;
        let Some(words) = head.get(4..header) else {
            return fail(format!("is cut short: expected a header of {header} bytes, found {length} bytes in all"));
        };
        let extents: Vec<u64> = words.as_chunks::<4>().0.iter().map(|&word| u32::from_be_bytes(word) as u64).collect();
        let expected = extents.iter().map(|&e| e as u128).product::<u128>() + header as u128;
        if length as u128 != expected {
            let shape: Vec<String> = extents.iter().map(u64::to_string).collect();
            let (what_is, what_to_do) = if (length as u128) < expected {
                ("is cut short", "copy or download it again")
            } else {
                ("has bytes past its end", "it is damaged: copy or download it again")
            };
            return fail(format!(
                "{what_is}: its header says {} bytes of data, so expected {expected} bytes, found {length}; {what_to_do}",
                shape.join("x")
            ));
        }
        Ok(Idx { entry, header: header as u64, extents })
    }

    fn elements(&self) -> Result<Vec<u8>> {
        let mut bytes = self.entry.read()?;
        bytes.drain(..self.header as usize);
        Ok(bytes)
    }
}

/// The element type of a magic number's third byte.
fn element(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0x08 => "unsigned bytes",
        0x09 => "signed bytes",
        0x0b => "16-bit integers",
        0x0c => "32-bit integers",
        0x0d => "32-bit floats",
        0x0e => "64-bit floats",
        _ => return None,
    })
}
