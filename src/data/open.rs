//! Opens whatever data set is at a path.

use super::pixels::Pixels;
use super::source::{Entry, Source};
use super::{Dataset, Split, cifar, folder, idx, split};
use crate::error::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
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
    /// The share of a set without a test part that becomes one, in 0..1.
    pub test_share: f64,
    /// Decides which images that share is.
    pub seed: u64,
    /// CIFAR-100: its 20 coarse classes instead of the 100 fine ones.
    pub coarse_labels: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions { size: None, channels: None, test_share: 0.1, seed: 0, coarse_labels: false }
    }
}

/// What a reader found. A part that is not there is `None`.
pub(super) struct Found {
    pub train: Option<Dataset>,
    pub test: Option<Dataset>,
    pub notes: Vec<String>,
}

/// Part of a set, as file names tell it.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Part {
    Train = 0,
    Test = 1,
}

impl Part {
    /// The part that a file belongs to by its name.
    pub fn of_file(name: &str) -> Part {
        let test = !name.contains("train") && ["t10k", "test", "val"].iter().any(|t| name.contains(t));
        if test { Part::Test } else { Part::Train }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Part::Train { "training" } else { "test" })
    }
}

/// The files without those that are there unpacked as well ("a.bin.gz" beside "a.bin").
pub(super) fn keep_plain(files: &[Entry]) -> Vec<&Entry> {
    let names: HashSet<&str> = files.iter().map(|e| e.name.as_str()).collect();
    files.iter().filter(|e| e.name.strip_suffix(".gz").is_none_or(|plain| !names.contains(plain))).collect()
}

impl Dataset {
    /// Opens the data set at `path`: a folder, a tar (gzipped or not) or one file. Recognised are
    ///
    /// * IDX files as of MNIST (`train-images-idx3-ubyte`, ...), plain or gzipped;
    /// * CIFAR-10 and CIFAR-100 in the binary version (`data_batch_1.bin`, ..., also some of the batches; `train.bin`),
    ///   plain or gzipped, with class names from the text files beside them;
    /// * images in class folders, below `train` and `test` or `val` if there are such; or without class folders,
    ///   which gives an unlabelled set.
    ///
    /// A folder that holds nothing but an archive of these is as good as the archive. A set without a test part is
    /// split by [`OpenOptions::test_share`], the same share of every class.
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

/// Reads what a source holds.
fn split_of(source: Source, options: &OpenOptions) -> Result<Split> {
    let Found { train, test, mut notes } = recognise(&source, options)?;
    let path = &source.path;
    let train = train.map(|d| adjust(path, d, options)).transpose()?;
    let test = test.map(|d| adjust(path, d, options)).transpose()?;
    for part in [&train, &test].into_iter().flatten() {
        part.check(path)?;
    }
    let (train, test) = match (train, test) {
        (Some(train), Some(test)) => {
            if (train.h, train.w, train.c) != (test.h, test.w, test.c) {
                return Err(Error::data(
                    path,
                    format!(
                        "training images are {}x{}x{}, test images {}x{}x{}: give the size and channels to bring \
                             them to",
                        train.h, train.w, train.c, test.h, test.w, test.c
                    ),
                ));
            }
            (train, test)
        }
        (Some(all), None) => {
            let (train, test) = split::stratified(&all, options.test_share, options.seed);
            notes.push(format!("no test part of its own: {} images drawn with seed {}", test.len(), options.seed));
            (train, test)
        }
        (None, Some(test)) => {
            notes.push("no training part".into());
            (test.select(&[]), test)
        }
        (None, None) => return Err(nothing(&source)),
    };
    Ok(Split { train: Arc::new(train), test: Arc::new(test), notes })
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
        if !(0.0..1.0).contains(&self.test_share) {
            return fail(format!("test_share = {}: give a share from 0 up to, but not including, 1", self.test_share));
        }
        Ok(())
    }
}

/// Finds out what is there and reads it.
fn recognise(source: &Source, options: &OpenOptions) -> Result<Found> {
    if source.files.is_empty() {
        return Err(Error::data(
            &source.path,
            format!("is empty: there is no file in it that could be read. {RECOGNISED}"),
        ));
    }
    let (idx, cifar) = (idx::find(source), cifar::find(source));
    if idx.len() + cifar.len() > 1 {
        let at = |kind: &str, folder: &str| format!("{kind} in {:?}", if folder.is_empty() { "." } else { folder });
        let all: Vec<String> =
            idx.keys().map(|f| at("IDX files", f)).chain(cifar.keys().map(|f| at("CIFAR files", f))).collect();
        return Err(Error::data(
            &source.path,
            format!("holds several data sets ({}): give the path of one of them", all.join(", ")),
        ));
    }
    if let Some(files) = idx.values().next() {
        return idx::read(source, files);
    }
    if let Some(files) = cifar.values().next() {
        return cifar::read(source, files, options);
    }
    let images = folder::find(source);
    if !images.is_empty() {
        return folder::read(source, &images, options);
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
                format!("holds several archives ({}): give the path of one of them", names.join(", ")),
            ))
        }
    }
}

/// What can be read, for messages.
const RECOGNISED: &str = "Recognised are: IDX files as of MNIST (train-images-idx3-ubyte, train-labels-idx1-ubyte, \
    t10k-...); CIFAR-10 or CIFAR-100 in the binary version (data_batch_1.bin, test_batch.bin; train.bin, test.bin); \
    images (png, jpg, bmp, gif, webp, tiff, pnm) in class folders, below train/ and test/ or val/ if there are such, \
    or without class folders for an unlabelled set; each plain, gzipped, or in a .tar or .tar.gz";

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
    let hint = if any(&|n| n.ends_with(".zip")) {
        " Zip files are not looked into: unpack it first."
    } else if any(&|n| matches!(n, "data_batch_1" | "test_batch" | "batches.meta")) {
        " This looks like CIFAR in the Python version: download the binary version instead."
    } else {
        ""
    };
    Error::data(
        &source.path,
        format!("holds no data set that is recognised (files found: {}{more}).{hint} {RECOGNISED}", found.join(", ")),
    )
}

/// Brings images to the size and channels asked for.
fn adjust(path: &Path, d: Dataset, options: &OpenOptions) -> Result<Dataset> {
    let [h, w] = options.size.unwrap_or([d.h, d.w]);
    let c = options.channels.unwrap_or(d.c);
    if (d.h, d.w, d.c) == (h, w, c) {
        return Ok(d);
    }
    let (n, bytes) = (d.len(), h * w * c);
    let mut images = Vec::new();
    images.try_reserve_exact(n * bytes).map_err(|_| {
        Error::data(
            path,
            format!(
                "{n} images of {h}x{w}x{c} need {} bytes, more than there is memory: give a smaller size",
                n * bytes
            ),
        )
    })?;
    images.resize(n * bytes, 0);
    images.par_chunks_exact_mut(bytes).zip(d.images.par_chunks_exact(d.image_bytes())).try_for_each(|(out, x)| {
        let p = Pixels { h: d.h, w: d.w, c: d.c, data: x.to_vec() };
        let p = p.with_channels(c).cover(h, w).map_err(|e| Error::data(path, format!("its images: {e}")))?;
        out.copy_from_slice(&p.data);
        Ok(())
    })?;
    Ok(Dataset { images, h, w, c, ..d })
}

#[cfg(test)]
mod tests {
    use super::super::folder::ENDINGS;
    use super::*;

    #[test]
    fn parts_are_read_from_names() {
        for name in ["train-images-idx3-ubyte", "data_batch_1.bin", "images.idx3-ubyte", "latest-train.bin"] {
            assert!(Part::of_file(name) == Part::Train, "{name}");
        }
        for name in ["t10k-images-idx3-ubyte", "test_batch.bin", "emnist-letters-test-images-idx3-ubyte"] {
            assert!(Part::of_file(name) == Part::Test, "{name}");
        }
    }

    #[test]
    fn options_out_of_range_are_refused() {
        let bad = [
            OpenOptions { size: Some([0, 32]), ..Default::default() },
            OpenOptions { channels: Some(2), ..Default::default() },
            OpenOptions { test_share: 1.0, ..Default::default() },
            OpenOptions { test_share: f64::NAN, ..Default::default() },
        ];
        for options in bad {
            assert!(matches!(Dataset::open(".", &options), Err(Error::Config(_))), "{options:?}");
        }
    }

    #[test]
    fn every_ending_that_is_decoded_is_recognised_in_words() {
        for ending in ENDINGS {
            let family = match ending {
                "jpeg" => "jpg",
                "tif" => "tiff",
                "pgm" | "ppm" | "pbm" => "pnm",
                other => other,
            };
            assert!(RECOGNISED.contains(family), "{ending}");
        }
    }
}
