//! CIFAR-10 and CIFAR-100 in the binary version.
//!
//! Records without a header: one label byte (CIFAR-10) or a coarse and a fine one (CIFAR-100), then 1024 bytes each of
//! red, green and blue, row by row, 32 x 32. Source: A. Krizhevsky, "Learning multiple layers of features from tiny
//! images", 2009, and the authors' page of the data set.

use super::super::dataset::out_of_range;
use super::super::index::{Coding, Found, Item, LeftOut, Part};
use super::super::open::OpenOptions;
use super::super::source::{Entry, Source};
use super::Set;
use super::words::part;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, HashSet};

/// The CIFAR files of one folder.
#[derive(Default)]
struct Files<'a> {
    parts: [Vec<&'a Entry>; 3],
    /// Files of class names, one a line.
    names: Vec<&'a Entry>,
    /// Compressed files that are there unpacked as well.
    copies: Vec<&'a Entry>,
}

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;

/// How the bytes of an image lie, in either version.
pub(super) const CODING: Coding = Coding::Raw { h: SIDE as u32, w: SIDE as u32, c: 3, planar: true };

/// Bytes of an image.
pub(super) const IMAGE: usize = 3 * PLANE;

pub(super) const CIFAR10_CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// CIFAR files by folder.
pub(super) fn find(source: &Source) -> Result<Vec<Set<'_>>> {
    let names: HashSet<&str> = source.files.iter().map(|e| e.name.as_str()).collect();
    let mut folders: BTreeMap<&str, Files<'_>> = BTreeMap::new();
    for entry in &source.files {
        let name = entry.file_name();
        let data = name.strip_suffix(".bin").is_some_and(|s| {
            matches!(s, "train" | "test" | "test_batch") || s.strip_prefix("data_batch_").is_some_and(|n| !n.is_empty())
        });
        let is_names = matches!(name.as_str(), "batches.meta.txt" | "fine_label_names.txt" | "coarse_label_names.txt");
        if !data && !is_names {
            continue;
        }
        let files = folders.entry(entry.folder()).or_default();
        if entry.name.strip_suffix(".gz").is_some_and(|plain| names.contains(plain)) {
            files.copies.push(entry);
        } else if data {
            files.parts[part(&name).unwrap_or(Part::Train) as usize].push(entry);
        } else {
            files.names.push(entry);
        }
    }
    folders.retain(|_, files| files.parts.iter().any(|p| !p.is_empty()));
    let sets = folders.into_iter().map(|(folder, files)| {
        let all: Vec<&Entry> = files.parts.iter().flatten().chain(&files.names).chain(&files.copies).copied().collect();
        Set::new("CIFAR files", folder, all, move |options| read(source, &files, options))
    });
    Ok(sets.collect())
}

/// Which of the two sets, that is, how a record begins.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Cifar10,
    Cifar100,
}

impl Kind {
    fn record(self) -> usize {
        if self == Kind::Cifar10 { 1 + 3 * PLANE } else { 2 + 3 * PLANE }
    }

    fn name(self) -> &'static str {
        if self == Kind::Cifar10 { "CIFAR-10" } else { "CIFAR-100" }
    }
}

/// Reads the files of one folder.
fn read(source: &Source, files: &Files<'_>, options: &OpenOptions) -> Result<Found> {
    // CIFAR-10 comes in numbered batches, CIFAR-100 in one file a part.
    let batches = |e: &&Entry| e.file_name().contains("batch");
    let all = || files.parts.iter().flatten().copied();
    let kind = if all().any(|e| batches(&e)) { Kind::Cifar10 } else { Kind::Cifar100 };
    if let (Some(ten), Some(hundred)) = (all().find(batches), all().find(|e| !batches(e))) {
        return Err(Error::data(
            &source.path,
            format!(
                "holds files of CIFAR-10 ({}) and of CIFAR-100 ({}) side by side: keep each in a folder of its own",
                ten.name, hundred.name
            ),
        ));
    }
    let coarse = kind == Kind::Cifar100 && options.coarse_labels;
    let classes = class_names(files, kind, coarse)?;
    let mut parts = [None, None, None];
    for (part, entries) in parts.iter_mut().zip(&files.parts).filter(|(_, entries)| !entries.is_empty()) {
        let mut items = Vec::new();
        for entry in entries {
            append(entry, kind, coarse, classes.len(), &mut items)?;
        }
        *part = Some(items);
    }
    let mut left_out = LeftOut::default();
    files.copies.iter().for_each(|copy| left_out.add("compressed, and there unpacked", &copy.name));
    Ok(Found { name: kind.name().into(), classes, parts, notes: missing_batches(files, kind), left_out })
}

/// CIFAR-10 has five training batches; says which are not there.
fn missing_batches(files: &Files<'_>, kind: Kind) -> Vec<String> {
    let train = &files.parts[Part::Train as usize];
    if kind != Kind::Cifar10 || train.is_empty() {
        return Vec::new();
    }
    let there: Vec<String> = train.iter().map(|e| e.file_name()).collect();
    missing_of_five(&there, ".bin")
}

/// The note about training batches that are not there, by the names of those that are.
pub(super) fn missing_of_five(there: &[String], ending: &str) -> Vec<String> {
    let missing: Vec<String> = (1..=5)
        .filter(|i| !there.iter().any(|name| *name == format!("data_batch_{i}{ending}")))
        .map(|i: i32| i.to_string())
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    vec![format!("without training batches {} of 5", missing.join(", "))]
}

fn class_names(files: &Files<'_>, kind: Kind, coarse: bool) -> Result<Vec<String>> {
    let (file, count) = match (kind, coarse) {
        (Kind::Cifar10, _) => ("batches.meta.txt", 10),
        (Kind::Cifar100, false) => ("fine_label_names.txt", 100),
        (Kind::Cifar100, true) => ("coarse_label_names.txt", 20),
    };
    let Some(entry) = files.names.iter().find(|e| e.file_name() == file) else {
        return Ok(match kind {
            Kind::Cifar10 => CIFAR10_CLASSES.map(String::from).to_vec(),
            Kind::Cifar100 => (0..count).map(|i| i.to_string()).collect(),
        });
    };
    let bytes = entry.read_unpacked()?;
    let text = String::from_utf8_lossy(&bytes);
    let names: Vec<String> = text.lines().map(str::trim).filter(|l| !l.is_empty()).map(String::from).collect();
    if names.len() != count {
        return Err(Error::data(
            &entry.path,
            format!("holds {} class names, one a line; {} has {count}", names.len(), kind.name()),
        ));
    }
    Ok(names)
}

/// Adds the records of one file.
fn append(entry: &Entry, kind: Kind, coarse: bool, classes: usize, items: &mut Vec<Item>) -> Result<()> {
    let entry = entry.unpacked()?;
    let bytes = entry.read()?;
    let size = kind.record();
    if bytes.is_empty() || !bytes.len().is_multiple_of(size) {
        let whole = bytes.len() / size;
        return Err(Error::data(
            &entry.path,
            format!(
                "is cut short or not {}: expected a multiple of {size} bytes (the official files have 10000 records a \
                 batch), found {} bytes, that is {whole} records and {} bytes over; copy or download it again",
                kind.name(),
                bytes.len(),
                bytes.len() % size
            ),
        ));
    }
    for (i, record) in bytes.chunks_exact(size).enumerate() {
        let head = &record[..size - IMAGE];
        // CIFAR-100 has the coarse label first.
        let label = if coarse { head[0] } else { head[head.len() - 1] } as u32;
        if label as usize >= classes {
            return Err(Error::data(&entry.path, out_of_range(i, label, classes)));
        }
        let start = i * size + head.len();
        let image = entry.part(format!("{}#{i}", entry.name), start as u64, IMAGE as u64);
        items.push(Item { entry: image, class: Some(label), coding: CODING });
    }
    Ok(())
}
