//! WebDataset: samples as files of one name up to the first dot ("000000.jpg", "000000.cls"), usually in numbered tars.
//!
//! The class is in `.cls` (a number, or a name), in `.json` (its "label", "cls" or "class"), or in `.txt` if all of these are
//! numbers. Parts come from the words of the shards' names and folders. Source: the format's description in the documentation
//! of the webdataset library.

use super::super::index::{Coding, Found, Item, LeftOut, Part};
use super::super::source::{Entry, Source};
use super::labels::{in_order, numbered};
use super::words::{few, part};
use super::{Set, is_image};
use crate::error::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// Keys of a `.json` that may have the class, the first one is taken.
const KEYS: [&str; 5] = ["label", "cls", "class", "class_id", "target"];

/// A longer file is no label.
const LONGEST_LABEL: u64 = 1 << 20;

/// Where a sample's class stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Cls,
    Json,
    Txt,
}

/// The files of one sample.
#[derive(Default)]
struct Sample<'a> {
    images: Vec<&'a Entry>,
    labels: BTreeMap<Kind, &'a Entry>,
    others: Vec<&'a Entry>,
}

/// Samples by key, of one shard or folder.
type Samples<'a> = BTreeMap<&'a str, Sample<'a>>;

/// Tars of samples; or the samples themselves, if the source is a tar, or they lie in a folder unpacked.
pub(super) fn find(source: &Source) -> Result<Vec<Set<'_>>> {
    let is_label = |e: &Entry| [".cls", ".json", ".txt"].iter().any(|end| e.name.ends_with(end));
    if source.files.iter().any(is_label) && holds_labels(&samples(&source.files), source.is_archive) {
        let used: Vec<&Entry> = source.files.iter().collect();
        let read = move |_: &_| read(source, vec![(source.name(), String::new(), source)]);
        return Ok(vec![Set::new("samples of WebDataset", "", used, read)]);
    }
    let archives: Vec<&Entry> = source.files.iter().filter(|e| e.is_named_archive()).collect();
    let Some(first) = archives.first().filter(|_| archives.len() > 1 && !source.is_archive) else {
        return Ok(Vec::new());
    };
    // The first tells whether these are shards; the others are opened when they are read.
    let holds = first.archive()?.is_some_and(|inside| holds_labels(&samples(&inside.files), true));
    if !holds {
        return Ok(Vec::new());
    }
    let used = archives.clone();
    let read = move |_: &_| {
        let mut opened = Vec::new();
        for shard in &archives {
            let inside = shard.archive()?.ok_or_else(|| {
                Error::data(&shard.path, "is no archive, though it lies among shards: copy or download it again")
            })?;
            opened.push((shard.name.clone(), format!("{}/", shard.name), inside));
        }
        let all = opened.iter().map(|(name, prefix, inside)| (name.clone(), prefix.clone(), inside)).collect();
        read(source, all)
    };
    Ok(vec![Set::new("shards of WebDataset", "", used, read)])
}

/// The samples of some files.
fn samples(files: &[Entry]) -> Samples<'_> {
    let mut samples = Samples::new();
    for entry in files {
        let start = entry.folder().len() + usize::from(!entry.folder().is_empty());
        let Some(dot) = entry.name[start..].find('.') else { continue };
        let (key, ending) = (&entry.name[..start + dot], entry.name[start + dot + 1..].to_lowercase());
        let sample = samples.entry(key).or_default();
        match ending.as_str() {
            "cls" => drop(sample.labels.insert(Kind::Cls, entry)),
            "json" => drop(sample.labels.insert(Kind::Json, entry)),
            "txt" => drop(sample.labels.insert(Kind::Txt, entry)),
            _ if !ending.contains('.') && is_image(entry) => sample.images.push(entry),
            _ => sample.others.push(entry),
        }
    }
    samples
}

/// Whether images have labels beside them: a `.cls`, or in a tar a `.json` or `.txt`, which elsewhere are anything.
fn holds_labels(samples: &Samples<'_>, is_archive: bool) -> bool {
    let with_images = || samples.values().filter(|s| !s.images.is_empty());
    let has = |kind: Kind| with_images().filter(|s| s.labels.contains_key(&kind)).count();
    // In class folders the folders say the class, whatever else lies there.
    let mut folders = with_images().filter_map(|s| s.images.first()).map(|e| e.folder());
    let first = folders.next();
    let flat = folders.all(|folder| Some(folder) == first);
    let most = with_images().count();
    has(Kind::Cls) > 0 || (is_archive && flat && most > 0 && has(Kind::Json).max(has(Kind::Txt)) * 2 > most)
}

/// What a label file says.
#[derive(Clone, PartialEq)]
enum Said {
    Number(i64),
    Name(String),
}

/// Reads shards, each with its name, what its files' names begin with, and its files.
fn read(source: &Source, shards: Vec<(String, String, &Source)>) -> Result<Found> {
    let mut left_out = LeftOut::default();
    let mut found: Vec<(Part, Entry, Said)> = Vec::new();
    let mut unlabelled: Vec<(Part, Entry)> = Vec::new();
    let (mut silent, mut for_training, mut without_classes) = (None, None, Vec::new());
    let mut of_archives = Vec::new();
    for (shard, prefix, inside) in &shards {
        left_out.extend(if prefix.is_empty() { LeftOut::default() } else { inside.left_out.clone() });
        let notes = if prefix.is_empty() { &[][..] } else { &inside.notes };
        of_archives.extend(notes.iter().map(|note| format!("{shard}: {note}")));
        let all = samples(&inside.files);
        let kind = kind_of(&all)?;
        without_classes.extend(kind.is_none().then(|| shard.clone()));
        for entry in inside.files.iter().filter(|e| !e.name.rsplit('/').next().unwrap_or_default().contains('.')) {
            left_out.add("no part of a sample", format!("{prefix}{}", entry.name));
        }
        for (key, sample) in all {
            let named = |e: &Entry| format!("{prefix}{}", e.name);
            sample.others.iter().for_each(|e| left_out.add("of a sample, and neither image nor label", named(e)));
            let image = match sample.images[..] {
                [image] => image,
                [] => {
                    let files = sample.labels.values();
                    files.for_each(|e| left_out.add("a label without an image", named(e)));
                    continue;
                }
                _ => return Err(several_images(source, key, sample.images.iter().map(|e| named(e)).collect())),
            };
            // The folders within a shard can say the part, else the shard's name and folders.
            let part = part_of_path(image.folder()).or_else(|| part_of_path(shard));
            match part {
                None => silent = silent.or(Some(shard)),
                Some(Part::Train) => for_training = for_training.or(Some(shard)),
                _ => {}
            }
            let part = part.unwrap_or(Part::Train);
            let mut place = image.clone();
            place.name = named(image);
            match kind.and_then(|kind| Some((kind, sample.labels.get(&kind)?))) {
                Some((kind, label)) => found.push((part, place, said(label, kind)?)),
                None => unlabelled.push((part, place)),
            }
        }
    }
    if let (Some(silent), Some(train)) = (silent, for_training) {
        return Err(Error::data(
            &source.path,
            format!(
                "the name of {silent} says no part of the set, and {train} is for training: put train, val or test into its \
                 name, or move it elsewhere"
            ),
        ));
    }
    let classes = classes(source, &found)?;
    let parts = parts(found, unlabelled, &classes, &mut left_out);
    let mut notes = classes.notes.clone();
    if let Some(shard) = without_classes.first() {
        notes.push(format!(
            "{} of {} shards have no classes, the first one is {shard}: their .json has none of {}, their .txt no numbers",
            without_classes.len(),
            shards.len(),
            KEYS.join(", ")
        ));
    }
    notes.extend(of_archives);
    notes.extend(missing_shards(&shards.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>()));
    Ok(Found { name: source.name(), classes: classes.names, parts, notes, left_out })
}

/// That a sample has several images, of these names.
fn several_images(source: &Source, key: &str, names: Vec<String>) -> Error {
    let (n, some) = (names.len(), few(&names));
    let m = format!("the sample {key} has {n} images ({some}): one image a sample is read; leave the others out");
    Error::data(&source.path, m)
}

/// The images of each part, those with a class first. A part without any label is unlabelled; single images without one are not
/// for training.
fn parts(
    found: Vec<(Part, Entry, Said)>,
    unlabelled: Vec<(Part, Entry)>,
    classes: &Classes,
    left_out: &mut LeftOut,
) -> [Option<Vec<Item>>; 3] {
    let mut parts: [Option<Vec<Item>>; 3] = [None, None, None];
    for (part, entry, said) in found {
        let class = Some(classes.number(&said));
        parts[part as usize].get_or_insert_default().push(Item { entry, class, coding: Coding::File });
    }
    let labelled = [0, 1, 2].map(|part| parts[part].is_some());
    for (part, entry) in unlabelled {
        if labelled[part as usize] {
            left_out.add("an image without a label", entry.name);
        } else {
            parts[part as usize].get_or_insert_default().push(Item { entry, class: None, coding: Coding::File });
        }
    }
    parts
}

/// Where the classes of some samples stand. Captions are no classes, nor are what else people note in JSON.
fn kind_of(samples: &Samples<'_>) -> Result<Option<Kind>> {
    for kind in [Kind::Cls, Kind::Json, Kind::Txt] {
        let mut of_kind = samples.values().filter(|s| !s.images.is_empty()).filter_map(|s| s.labels.get(&kind));
        let Some(first) = of_kind.next() else { continue };
        let known = match kind {
            Kind::Cls => true,
            Kind::Json => {
                let json: Option<Value> = serde_json::from_slice(&text(first)?).ok();
                json.is_none_or(|json| KEYS.iter().any(|key| json.get(key).is_some()))
            }
            Kind::Txt => std::str::from_utf8(&text(first)?).is_ok_and(|t| t.trim().parse::<i64>().is_ok()),
        };
        if known {
            return Ok(Some(kind));
        }
    }
    Ok(None)
}

/// The bytes of a label file.
fn text(label: &Entry) -> Result<Vec<u8>> {
    if label.len()? > LONGEST_LABEL {
        return Err(Error::data(&label.path, format!("is longer than {LONGEST_LABEL} bytes, and no label")));
    }
    label.read()
}

/// The part that the last folder or file name of a path says that says one.
fn part_of_path(path: &str) -> Option<Part> {
    path.rsplit('/').find_map(part)
}

/// What a label file says of the class.
fn said(label: &Entry, kind: Kind) -> Result<Said> {
    let fail = |message: String| Err(Error::data(&label.path, message));
    let bytes = text(label)?;
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return fail("is no text: a label is a number in digits, or a name".into());
    };
    let text = text.trim_start_matches('\u{feff}').trim();
    match kind {
        Kind::Cls if text.is_empty() => fail("is empty: a label is a number in digits, or a name".into()),
        Kind::Cls => Ok(text.parse().map_or(Said::Name(text.into()), Said::Number)),
        Kind::Txt => text.parse().map(Said::Number).or_else(|_| {
            fail(format!(
                "begins with {:?}, which is no number: captions are no classes; write the class of each sample as .cls",
                text.chars().take(20).collect::<String>()
            ))
        }),
        Kind::Json => {
            let json: Value = match serde_json::from_str(text) {
                Ok(json) => json,
                Err(e) => return fail(format!("is no JSON ({e}): repair or remove it")),
            };
            match KEYS.iter().find_map(|key| json.get(key)) {
                Some(Value::Number(n)) if n.is_i64() => Ok(Said::Number(n.as_i64().unwrap_or(-1))),
                Some(Value::String(name)) if !name.trim().is_empty() => Ok(Said::Name(name.trim().into())),
                Some(other) => fail(format!(
                    "its class is {}: expected a whole number or a name; several labels an image are not trained on",
                    other.to_string().chars().take(40).collect::<String>()
                )),
                None => fail(format!("has no class: expected one of the keys {}", KEYS.join(", "))),
            }
        }
    }
}

/// The classes of some samples.
struct Classes {
    names: Vec<String>,
    /// What is to be said of them.
    notes: Vec<String>,
    places: BTreeMap<String, u32>,
}

impl Classes {
    /// The number of a label of these samples.
    fn number(&self, said: &Said) -> u32 {
        match said {
            Said::Number(n) => *n as u32,
            Said::Name(name) => self.places.get(name).copied().unwrap_or(0),
        }
    }
}

/// The classes that labels make: all of them numbers, or all of them names.
fn classes(source: &Source, found: &[(Part, Entry, Said)]) -> Result<Classes> {
    let names: Vec<String> =
        found.iter().filter_map(|(.., s)| if let Said::Name(n) = s { Some(n.clone()) } else { None }).collect();
    let of_number =
        |(_, e, s): &(Part, Entry, Said)| if let Said::Number(n) = s { Some((e.name.clone(), *n)) } else { None };
    let numbers: Vec<(String, i64)> = found.iter().filter_map(of_number).collect();
    let (classes, notes) = if names.is_empty() {
        if let Some((name, n)) = numbers.iter().find(|(_, n)| *n < 0) {
            return Err(Error::data(
                &source.path,
                format!(
                    "the label of {name} is {n}, below 0: classes are numbered from 0; leave out images without a class"
                ),
            ));
        }
        let all: Vec<i64> = numbers.iter().map(|(_, n)| *n).collect();
        let numbered = numbered(&all, "").map_err(|m| Error::data(&source.path, m))?;
        (numbered.classes, numbered.notes)
    } else if let Some((name, n)) = numbers.first() {
        return Err(Error::data(
            &source.path,
            format!(
                "classes are names ({:?}) and numbers ({n} of {name}) side by side: write all of them in one way",
                names[0]
            ),
        ));
    } else {
        (in_order(names), Vec::new())
    };
    let places = classes.iter().cloned().zip(0..).collect();
    Ok(Classes { names: classes, notes, places })
}

/// A note about numbers that are not there, of shards whose names differ by their last number only.
fn missing_shards(names: &[&str]) -> Vec<String> {
    let mut series: BTreeMap<(String, String), Vec<u64>> = BTreeMap::new();
    for name in names {
        let end = name.rfind(|c: char| c.is_ascii_digit()).map_or(0, |at| at + 1);
        let start = name[..end].trim_end_matches(|c: char| c.is_ascii_digit()).len();
        if let Ok(number) = name[start..end].parse::<u32>() {
            series.entry((name[..start].into(), name[end..].into())).or_default().push(number as u64);
        }
    }
    let mut notes = Vec::new();
    for ((before, after), mut numbers) in series {
        numbers.sort_unstable();
        let (Some(&first), Some(&last)) = (numbers.first(), numbers.last()) else { continue };
        let missing = (last - first + 1).saturating_sub(numbers.len() as u64);
        if missing > 0 {
            let gap = numbers.windows(2).find(|pair| pair[1] > pair[0] + 1).map_or(first, |pair| pair[0] + 1);
            notes.push(format!(
                "without {missing} of the shards {before}{first} to {last}{after} (the first one is {gap})"
            ));
        }
    }
    notes
}
