//! CIFAR-10 and CIFAR-100 in the binary version.
//!
//! Records without a header: one label byte (CIFAR-10) or a coarse and a fine one (CIFAR-100), then 1024 bytes each of
//! red, green and blue, row by row, 32 x 32. Source: A. Krizhevsky, "Learning multiple layers of features from tiny
//! images", 2009, and the authors' page of the data set.

use super::Dataset;
use super::dataset::out_of_range;
use super::open::{Found, OpenOptions, Part, keep_plain};
use super::source::{Entry, Source};
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// The CIFAR files of one folder.
#[derive(Default)]
pub(super) struct Files<'a> {
    parts: [Vec<&'a Entry>; 2],
    /// Files of class names, one a line.
    names: Vec<&'a Entry>,
}

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
const CIFAR10_CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// CIFAR files by folder.
pub(super) fn find(source: &Source) -> BTreeMap<&str, Files<'_>> {
    let mut found: BTreeMap<&str, Files<'_>> = BTreeMap::new();
    for entry in keep_plain(&source.files) {
        let name = entry.file_name();
        let data = name.strip_suffix(".bin").is_some_and(|s| {
            matches!(s, "train" | "test" | "test_batch") || s.strip_prefix("data_batch_").is_some_and(|n| !n.is_empty())
        });
        if data {
            found.entry(entry.folder()).or_default().parts[Part::of_file(&name) as usize].push(entry);
        } else if matches!(name.as_str(), "batches.meta.txt" | "fine_label_names.txt" | "coarse_label_names.txt") {
            found.entry(entry.folder()).or_default().names.push(entry);
        }
    }
    found.retain(|_, files| files.parts.iter().any(|p| !p.is_empty()));
    found
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
pub(super) fn read(source: &Source, files: &Files<'_>, options: &OpenOptions) -> Result<Found> {
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
    let read = |part: Part| -> Result<Option<Dataset>> {
        let entries = &files.parts[part as usize];
        if entries.is_empty() {
            return Ok(None);
        }
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        for entry in entries {
            append(entry, kind, coarse, classes.len(), &mut images, &mut labels)?;
        }
        let name = kind.name().to_string();
        Ok(Some(Dataset { name, images, h: SIDE, w: SIDE, c: 3, labels: Some(labels), classes: classes.clone() }))
    };
    Ok(Found { train: read(Part::Train)?, test: read(Part::Test)?, notes: missing_batches(files, kind) })
}

/// CIFAR-10 has five training batches; says which are not there.
fn missing_batches(files: &Files<'_>, kind: Kind) -> Vec<String> {
    let train = &files.parts[Part::Train as usize];
    if kind != Kind::Cifar10 || train.is_empty() {
        return Vec::new();
    }
    let missing: Vec<String> = (1..=5)
        .filter(|i| !train.iter().any(|e| e.file_name() == format!("data_batch_{i}.bin")))
        .map(|i| i.to_string())
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
fn append(
    entry: &Entry,
    kind: Kind,
    coarse: bool,
    classes: usize,
    images: &mut Vec<u8>,
    labels: &mut Vec<u32>,
) -> Result<()> {
    let bytes = entry.read_unpacked()?;
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
    images.reserve(bytes.len());
    for (i, record) in bytes.chunks_exact(size).enumerate() {
        let (head, planes) = record.split_at(size - 3 * PLANE);
        // CIFAR-100 has the coarse label first.
        let label = if coarse { head[0] } else { head[head.len() - 1] } as u32;
        if label as usize >= classes {
            return Err(Error::data(&entry.path, out_of_range(i, label, classes)));
        }
        labels.push(label);
        images.extend((0..PLANE).flat_map(|p| [planes[p], planes[PLANE + p], planes[2 * PLANE + p]]));
    }
    Ok(())
}
