//! MNIST-style IDX files.
//!
//! Two zero bytes, the element type (8: unsigned byte), the number of axes, the extents as big-endian 32-bit words,
//! then the elements in row-major order. Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database".
//! Files are known by "idx" or "ubyte" in their names, parts by "t10k", "test" or "val" against the rest.

use super::Dataset;
use super::dataset::out_of_range;
use super::open::{Found, Part, keep_plain};
use super::source::{Entry, Source};
use crate::error::{Error, Result};
use flate2::Crc;
use std::collections::BTreeMap;

/// The IDX files of one folder.
#[derive(Default)]
pub(super) struct Files<'a> {
    images: [Vec<&'a Entry>; 2],
    labels: [Vec<&'a Entry>; 2],
}

pub(super) const FASHION_CLASSES: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

/// IDX files by folder.
pub(super) fn find(source: &Source) -> BTreeMap<&str, Files<'_>> {
    let mut found: BTreeMap<&str, Files<'_>> = BTreeMap::new();
    for entry in keep_plain(&source.files) {
        let name = entry.file_name();
        if !(name.contains("idx") || name.contains("ubyte")) {
            continue;
        }
        let part = Part::of_file(&name) as usize;
        let is = |words: &[&str]| words.iter().any(|w| name.contains(w));
        if is(&["image", "idx3", "idx4"]) {
            found.entry(entry.folder()).or_default().images[part].push(entry);
        } else if is(&["label", "idx1"]) {
            found.entry(entry.folder()).or_default().labels[part].push(entry);
        }
    }
    found
}

/// Reads the files of one folder.
pub(super) fn read(source: &Source, files: &Files<'_>) -> Result<Found> {
    let [train, test] = [Part::Train, Part::Test].map(|part| -> Result<_> {
        let images = only(source, "image", part, &files.images[part as usize])?;
        let labels = only(source, "label", part, &files.labels[part as usize])?;
        match (images, labels) {
            (Some(images), labels) => read_part(images, labels).map(Some),
            (None, Some(labels)) => Err(Error::data(
                &labels.path,
                "the image file that belongs to these labels is missing: put it beside (names such as \
                 train-images-idx3-ubyte and train-labels-idx1-ubyte, or t10k-...)",
            )),
            (None, None) => Ok(None),
        }
    });
    let (train, test) = (train?, test?);
    for (part, other) in [(&train, &test), (&test, &train)] {
        if let (Some(part), Some(other)) = (part, other)
            && part.labels.is_none()
            && other.labels.is_some()
        {
            return Err(Error::data(
                &part.entry.path,
                format!("the label file of these images is missing, but {} has labels", other.entry.path.display()),
            ));
        }
    }
    let known = [&train, &test].into_iter().flatten().find_map(|p| p.known);
    let name = known.map_or_else(|| source.name(), String::from);
    let classes = match known {
        Some("Fashion-MNIST") => FASHION_CLASSES.map(String::from).to_vec(),
        Some(_) => (0..10).map(|d| d.to_string()).collect(),
        // Nothing in the files says how many classes there are: as many as the training labels show.
        None => {
            let labels = [&train, &test].into_iter().flatten().find_map(|p| p.labels.as_ref());
            let most = labels.and_then(|(_, l)| l.iter().max()).map_or(0, |&m| m + 1);
            (0..most).map(|d| d.to_string()).collect()
        }
    };
    let finish = |part: Option<ReadPart<'_>>| -> Result<Option<Dataset>> {
        let Some(part) = part else { return Ok(None) };
        let labels = match part.labels {
            None => None,
            Some((entry, labels)) => {
                if let Some(i) = labels.iter().position(|&l| l as usize >= classes.len()) {
                    return Err(Error::data(&entry.path, out_of_range(i, labels[i], classes.len())));
                }
                Some(labels)
            }
        };
        let [h, w, c] = part.extents;
        Ok(Some(Dataset { name: name.clone(), images: part.images, h, w, c, labels, classes: classes.clone() }))
    };
    Ok(Found { train: finish(train)?, test: finish(test)?, notes: Vec::new() })
}

fn only<'a>(source: &Source, what: &str, part: Part, files: &[&'a Entry]) -> Result<Option<&'a Entry>> {
    match files {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        many => {
            let names: Vec<&str> = many.iter().map(|e| e.name.as_str()).collect();
            Err(Error::data(
                &source.path,
                format!(
                    "holds {} IDX {what} files for the {part} part ({}): keep one set in a folder of its own",
                    many.len(),
                    names.join(", ")
                ),
            ))
        }
    }
}

struct ReadPart<'a> {
    entry: &'a Entry,
    images: Vec<u8>,
    extents: [usize; 3],
    labels: Option<(&'a Entry, Vec<u32>)>,
    /// Name of the published set that has exactly these labels.
    known: Option<&'static str>,
}

fn read_part<'a>(images: &'a Entry, labels: Option<&'a Entry>) -> Result<ReadPart<'a>> {
    let (extents, pixels) = parse(images, &[3, 4])?;
    let extents = [extents[0], extents[1], extents[2], extents.get(3).copied().unwrap_or(1)];
    let [n, h, w, c] = extents;
    if !matches!(c, 1 | 3) || h == 0 || w == 0 || n == 0 {
        return Err(Error::data(
            &images.path,
            format!("the header says {n} images of {h}x{w}x{c}: expected at least one image of 1 or 3 channels"),
        ));
    }
    let mut known = None;
    let labels = match labels {
        None => None,
        Some(entry) => {
            let (count, bytes) = parse(entry, &[1])?;
            if count[0] != n {
                return Err(Error::data(
                    &entry.path,
                    format!(
                        "holds {} labels, but {} holds {n} images: the two files do not belong together",
                        count[0],
                        images.path.display()
                    ),
                ));
            }
            known = known_set(&bytes);
            Some((entry, bytes.iter().map(|&b| b as u32).collect()))
        }
    };
    Ok(ReadPart { entry: images, images: pixels, extents: [h, w, c], labels, known })
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

/// The extents and elements of an IDX file whose number of axes is one of `axes`.
fn parse(entry: &Entry, axes: &[u8]) -> Result<(Vec<usize>, Vec<u8>)> {
    let mut bytes = entry.read_unpacked()?;
    let what = if axes == [1] { "label" } else { "image" };
    let magic = bytes.first_chunk::<4>().copied().ok_or_else(|| {
        Error::data(&entry.path, format!("is {} bytes long: too short for the header of an IDX file", bytes.len()))
    })?;
    if magic[..3] != [0, 0, 8] || !axes.contains(&magic[3]) {
        return Err(Error::data(
            &entry.path,
            format!(
                "starts with the magic 0x{:08x}; an IDX {what} file of bytes starts with 0x{:08x}: it is not one, or it \
                 is damaged",
                u32::from_be_bytes(magic),
                0x0800 + axes[0] as u32
            ),
        ));
    }
    let header = 4 + 4 * magic[3] as usize;
    if bytes.len() < header {
        return Err(Error::data(
            &entry.path,
            format!("is cut short: expected a header of {header} bytes, found {} bytes in all", bytes.len()),
        ));
    }
    let extents: Vec<usize> =
        bytes[4..header].as_chunks::<4>().0.iter().map(|&word| u32::from_be_bytes(word) as usize).collect();
    let expected = extents.iter().map(|&e| e as u128).product::<u128>() + header as u128;
    if bytes.len() as u128 != expected {
        let shape: Vec<String> = extents.iter().map(usize::to_string).collect();
        let (what_is, what_to_do) = if (bytes.len() as u128) < expected {
            ("is cut short", "copy or download it again")
        } else {
            ("has bytes past its end", "it is damaged: copy or download it again")
        };
        return Err(Error::data(
            &entry.path,
            format!(
                "{what_is}: its header says {} bytes of data, so expected {expected} bytes, found {}; {what_to_do}",
                shape.join("x"),
                bytes.len()
            ),
        ));
    }
    bytes.drain(..header);
    Ok((extents, bytes))
}
