//! Opens whatever data set is at a path.

use super::index::{Ending, Found, Part, alike, ending_of, words_of_endings};
use super::load::{Loaded, load};
use super::pixels::{PixelRules, Pixels};
use super::source::{Entry, Source};
use super::{Dataset, Split, folder, readers, split};
use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

/// How to open a data set. Nothing here says what kind of set it is: that is seen from the files.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenOptions {
    /// Height and width to which images are brought: scaled until they just cover it (for a square: the shorter side
    /// gets that length), then cut out of the centre. `None` leaves them as they are; they must then be of one size.
    pub size: Option<[usize; 2]>,
    /// 1 or 3 to turn the images grey or to colour; `None` keeps what they have.
    pub channels: Option<usize>,
    /// The share of a set without a test and a validation part that becomes its test part, in 0..1. Images are drawn by
    /// their names, so the share is met on average, and images that are added move none of those that were there.
    pub test_share: f64,
    /// The share of a set without a validation part that becomes one, likewise.
    pub val_share: f64,
    /// Decides which images these shares are.
    pub seed: u64,
    /// CIFAR-100: its 20 coarse classes instead of the 100 fine ones.
    pub coarse_labels: bool,
    /// What is done with transparent pictures, and with those that are cut short.
    pub pixels: PixelRules,
    /// Whether random crops of the training images see the whole pictures, as they are in their files, where these are not of
    /// the size asked for; else what is left of them at that size.
    pub crops: bool,
    /// Bytes that decoded images may take; what does not fit stays in its files. `None`: a quarter of the memory. What
    /// comes out does not depend on it.
    pub memory: Option<u64>,
    /// What happens at an image that cannot be read.
    pub on_error: OnError,
    /// With [`OnError::Skip`], the share of all images above which reading stops all the same.
    pub most_skipped: f64,
}

/// What happens at an image that cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// An error that names it.
    #[default]
    Stop,
    /// It is left out, and listed with the reason.
    Skip,
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions {
            size: None,
            channels: None,
            test_share: 0.1,
            val_share: 0.0,
            seed: 0,
            coarse_labels: false,
            pixels: PixelRules::default(),
            crops: false,
            memory: None,
            on_error: OnError::Stop,
            most_skipped: 0.01,
        }
    }
}

impl Dataset {
    /// Opens the data set at `path`: a folder, an archive (tar, tar.gz, tar.zst, zip) or one file. Recognised are
    ///
    /// * IDX files as of MNIST (`train-images-idx3-ubyte`, ...), plain or gzipped;
    /// * CIFAR-10 and CIFAR-100 in the binary version (`data_batch_1.bin`, ..., also some of the batches; `train.bin`) and the
    ///   Python version (`data_batch_1`, ...; `train`), with class names from the files beside them;
    /// * arrays of NumPy, `.npz` or `.npy`, that are called images or x, labels or y (`x_train`, `train_labels`);
    /// * Parquet files as Hugging Face writes sets of images (`train-00000-of-00002.parquet`);
    /// * shards of WebDataset, also unpacked (`000000.jpg`, `000000.cls`);
    /// * images in ImageNet's and Tiny ImageNet's layout (`val` in one folder, with a file of its classes);
    /// * images with a table of their classes (`labels.csv`, `train.csv`, `metadata.jsonl`);
    /// * images in class folders, below `train`, `val` and `test` if there are such; or without class folders, which
    ///   gives an unlabelled set.
    ///
    /// A folder that holds nothing but an archive of these is as good as the archive. Of a set without parts the images'
    /// names decide what is tested on ([`OpenOptions::test_share`]). What is there and not in the set is counted and
    /// named in [`Split::left_out`].
    ///
    /// # Errors
    /// [`Error::Data`] or [`Error::Io`] naming the file, what was found and what to do: a path that does not exist, an
    /// empty folder, nothing recognised, several sets, damaged files, labels out of range or not one an image, images
    /// of several sizes. [`Error::Config`] for options out of range.
    pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Split> {
        options.check()?;
        split_of(Source::open(path.as_ref())?, options)
    }

    /// The same of files in memory, of which names ("train/cat/1.png") and bytes are given. `path` is what errors call
    /// the folder of them, and its last part the name of the set where the files do not tell it.
    ///
    /// # Errors
    /// As [`Dataset::open`].
    pub fn open_files(path: &Path, files: Vec<(String, Vec<u8>)>, options: &OpenOptions) -> Result<Split> {
        options.check()?;
        split_of(Source::of_files(path, files), options)
    }
}

/// What images there are at `path`, by part and class, before any is decoded and before parts are drawn.
pub(super) fn index_of(path: &Path, options: &OpenOptions) -> Result<Found> {
    options.check()?;
    let source = Source::open(path)?;
    let found = recognise(&source, options)?;
    match found.parts.iter().flatten().all(Vec::is_empty) {
        true => Err(nothing(&source)),
        false => Ok(found),
    }
}

/// Reads what a source holds.
fn split_of(source: Source, options: &OpenOptions) -> Result<Split> {
    let path = &source.path;
    let mut found = recognise(&source, options)?;
    if found.parts.iter().flatten().all(Vec::is_empty) {
        return Err(nothing(&source));
    }
    if let [_, Some(val), Some(test)] = &found.parts
        && val.iter().all(|i| i.class.is_some())
        && test.iter().all(|i| i.class.is_none())
    {
        // ImageNet's test part has no labels: then the validation part is the one to test on.
        found.notes.push(format!("the {} images of the unlabelled test part are left out", test.len()));
        found.parts[2] = None;
    }
    let drawn = split::fill_parts(&mut found, options);
    let Loaded { parts, skipped, notes: where_they_are } = load(path, &found, options)?;
    let mut notes = found.notes;
    notes.extend(where_they_are);
    for part in parts.iter().flatten() {
        part.check(path)?;
    }
    lost_classes(path, &parts, &skipped)?;
    notes.extend(again(&parts));
    notes.extend(never_learned(&parts));
    let [train, val, test] = parts.map(|p| p.map(Arc::new));
    let empty = || [&train, &val, &test].into_iter().flatten().next().map(|p| Arc::new(p.select(&[])));
    let Some(empty) = empty() else { return Err(nothing(&source)) };
    if train.is_none() {
        notes.push("no training part".into());
    }
    let test = match (&val, test) {
        (Some(val), None) => {
            notes.push("no test part: tested on val".into());
            Some(val.clone())
        }
        (_, test) => test,
    };
    if !skipped.is_empty() {
        let (first, why) = &skipped[0];
        notes.push(format!("{} images skipped that cannot be read (the first is {first}: {why})", skipped.len()));
    }
    if !found.left_out.is_empty() {
        notes.push(found.left_out.to_string());
    }
    let part = |part: Option<Arc<Dataset>>| part.unwrap_or_else(|| empty.clone());
    let (train, val, test) = (part(train), part(val), part(test));
    Ok(Split { train, val, test, notes, drawn, left_out: found.left_out, skipped })
}

/// Says that images of the training part are in another one too: files of the same length and checksum. Records that all have
/// one length are not compared: among many, some checksums are the same by chance.
fn again(parts: &[Option<Dataset>; 3]) -> Option<String> {
    let known = |part: Part| {
        let origins = parts[part as usize].as_ref().and_then(|p| p.origins.as_ref());
        origins.into_iter().flatten().map(|o| ((o.bytes, o.crc32), &o.name))
    };
    let train: HashMap<(u64, u32), &String> = known(Part::Train).collect();
    let first = train.keys().next()?;
    if train.keys().all(|(length, _)| *length == first.0) {
        return None;
    }
    let in_part = |part: Part| {
        let mut twins = known(part).filter_map(|(what, name)| Some((name, *train.get(&what)?)));
        let (name, first) = twins.next()?;
        Some(format!("{} of the {part} images are training images too ({name} is {first})", 1 + twins.count()))
    };
    let said: Vec<String> = [Part::Val, Part::Test].into_iter().filter_map(in_part).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// Says which classes are there and have no training image: they are never learned.
fn never_learned(parts: &[Option<Dataset>; 3]) -> Option<String> {
    let train = parts[Part::Train as usize].as_ref().filter(|part| part.labels.is_some())?;
    let learned = train.class_counts();
    let rest: Vec<Vec<usize>> = parts[1..].iter().flatten().map(Dataset::class_counts).collect();
    let others = |class: usize| -> usize { rest.iter().filter_map(|counts| counts.get(class)).sum() };
    let never: Vec<String> = (0..train.classes.len())
        .filter(|class| learned.get(*class).is_none_or(|n| *n == 0) && others(*class) > 0)
        .map(|class| format!("{} ({})", train.classes[class], others(class)))
        .collect();
    let more = if never.len() > 5 { ", ..." } else { "" };
    (!never.is_empty()).then(|| {
        format!(
            "{} of {} classes have no training image, and images to be tested on: {}{more}",
            never.len(),
            train.classes.len(),
            never[..never.len().min(5)].join(", ")
        )
    })
}

/// Stops if all images of a class were skipped: it would be there by name alone.
fn lost_classes(path: &Path, parts: &[Option<Dataset>; 3], skipped: &[(String, String)]) -> Result<()> {
    let Some((first, why)) = skipped.first() else { return Ok(()) };
    let Some(classes) = parts.iter().flatten().map(|p| &p.classes).next() else { return Ok(()) };
    let counts = |class: usize| -> usize {
        parts.iter().flatten().map(|p| p.class_counts().get(class).copied().unwrap_or(0)).sum()
    };
    let labelled = parts.iter().flatten().any(|p| p.labels.is_some());
    match (0..classes.len()).find(|class| labelled && counts(*class) == 0) {
        None => Ok(()),
        Some(class) => Err(Error::data(
            path,
            format!(
                "all images of class {} cannot be read and were skipped (the first is {first}: {why})",
                classes[class]
            ),
        )),
    }
}

impl OpenOptions {
    fn check(&self) -> Result<()> {
        let fail = |message: String| Err(Error::Config(message));
        if let Some([h, w]) = self.size
            && (h == 0 || w == 0 || h > 16_384 || w > 16_384)
        {
            return fail(format!("image size {h}x{w}: both sides must be in 1..=16384"));
        }
        if let Some(c) = self.channels
            && !matches!(c, 1 | 3)
        {
            return fail(format!("{c} image channels: give 1 (grey) or 3 (colour)"));
        }
        let (val, test) = (self.val_share, self.test_share);
        for (name, share) in [("test", test), ("val", val), ("val and data.test together", val + test)] {
            if !(0.0..1.0).contains(&share) {
                return fail(format!("data.{name} = {share}: give a share from 0 up to, but not including, 1"));
            }
        }
        if !(0.0..=1.0).contains(&self.most_skipped) {
            return fail(format!("data.most_skipped = {}: give a share from 0 to 1", self.most_skipped));
        }
        Ok(())
    }
}

/// Finds out what is there, and counts what is left out.
fn recognise(source: &Source, options: &OpenOptions) -> Result<Found> {
    let mut found = kind_of(source, options)?;
    found.notes.extend(alike(&source.path, &found.classes)?);
    source.empty_folders.iter().for_each(|folder| found.left_out.add("an empty folder", folder));
    found.left_out.extend(source.left_out.clone());
    found.notes.extend(source.notes.iter().cloned());
    Ok(found)
}

/// Finds out what is there.
fn kind_of(source: &Source, options: &OpenOptions) -> Result<Found> {
    if source.files.is_empty() {
        let left_out = match source.left_out.is_empty() {
            true => String::new(),
            false => format!(" ({})", source.left_out),
        };
        return Err(Error::data(
            &source.path,
            format!("is empty: there is no file in it that could be read{left_out}. {}", recognised()),
        ));
    }
    if let Some(set) = readers::find(source)? {
        return set.read(source, options);
    }
    let images = folder::find(source);
    if !images.is_empty() {
        return folder::read(source, &images);
    }
    let archives: Vec<&Entry> = source.files.iter().filter(|e| e.is_named_archive()).collect();
    match archives[..] {
        [one] if !source.is_archive => match one.archive()? {
            Some(inside) => recognise(&inside, options),
            None => Err(nothing(source)),
        },
        [] | [_] => Err(nothing(source)),
        _ => {
            let names: Vec<&str> = archives.iter().map(|e| e.name.as_str()).collect();
            Err(Error::data(
                &source.path,
                format!(
                    "holds several archives ({}): give the path of one of them, or unpack them into one folder",
                    names.join(", ")
                ),
            ))
        }
    }
}

/// What can be read, for messages.
fn recognised() -> String {
    format!(
        "Recognised are: IDX files as of MNIST (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-...); CIFAR-10 or \
         CIFAR-100 in the binary and the Python version (data_batch_1.bin, test_batch.bin; train, test); arrays of NumPy (.npz, \
         .npy: x_train, y_train; train_images, train_labels); Parquet files with a column image (train-00000-of-00001.parquet); \
         shards of WebDataset (.tar of 000000.jpg, 000000.cls); images ({}) in class folders, below train/, val/ and test/ if \
         there are such, in Tiny ImageNet's layout, with a table of classes (labels.csv, metadata.jsonl), or without any of \
         these for an unlabelled set; each plain, gzipped, or in a .tar, .tar.gz, .tar.zst or .zip",
        words_of_endings()
    )
}

/// The error for files among which there is no data set.
fn nothing(source: &Source) -> Error {
    let mut endings: BTreeMap<String, usize> = BTreeMap::new();
    for entry in &source.files {
        let name = entry.name.rsplit('/').next().unwrap_or_default().to_lowercase();
        let ending = name.split_once('.').map_or("without ending".into(), |(_, e)| format!(".{e}"));
        *endings.entry(ending).or_default() += 1;
    }
    let found: Vec<String> = endings.iter().take(8).map(|(ending, n)| format!("{n} {ending}")).collect();
    let more = if endings.len() > 8 { ", ..." } else { "" };
    let any = |test: &dyn Fn(&str) -> bool| source.files.iter().any(|e| test(&e.file_name()));
    let hint = if any(&|n| ending_of(n).0 == Ending::UnreadImage) {
        " There are images among them of a kind that is not read: turn them into JPEG or PNG."
    } else if any(&|n| matches!(n, "data_batch_1" | "test_batch" | "batches.meta")) {
        " These have the names of CIFAR in the Python version, but are no pickles: download them again."
    } else {
        ""
    };
    let named = readers::hint(source).or_else(|| misnamed(source)).unwrap_or_default();
    Error::data(
        &source.path,
        format!(
            "holds no data set that is recognised (files found: {}{more}).{hint}{named} {}",
            found.join(", "),
            recognised()
        ),
    )
}

/// What is known of files that are images by their content alone, or archives in an archive.
fn misnamed(source: &Source) -> Option<String> {
    if let Some(inner) = source.files.iter().find(|e| source.is_archive && e.is_named_archive()) {
        return Some(format!(" It holds the archive {}: unpack it, and give the path of that.", inner.name));
    }
    let is_picture = |e: &&Entry| e.head(512).is_ok_and(|head| Pixels::is_picture(&head));
    let picture = source.files.iter().take(20).find(is_picture)?;
    Some(format!(" {} is a picture by its content: give such files the ending they should have.", picture.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_out_of_range_are_refused() {
        let bad = [
            OpenOptions { size: Some([0, 32]), ..Default::default() },
            OpenOptions { channels: Some(2), ..Default::default() },
            OpenOptions { test_share: 1.0, ..Default::default() },
            OpenOptions { test_share: f64::NAN, ..Default::default() },
            OpenOptions { test_share: 0.5, val_share: 0.5, ..Default::default() },
            OpenOptions { most_skipped: 1.5, ..Default::default() },
        ];
        for options in bad {
            assert!(matches!(Dataset::open(".", &options), Err(Error::Config(_))), "{options:?}");
        }
    }
}
