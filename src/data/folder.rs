//! Folders of images: a folder a class, optionally below `train` and `test` or `val`; or no class folders.

use super::Dataset;
use super::open::{Found, OpenOptions};
use super::pixels::Pixels;
use super::source::{Entry, Source};
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::collections::HashSet;

/// Endings of the files that are decoded.
pub(super) const ENDINGS: [&str; 12] =
    ["png", "jpg", "jpeg", "bmp", "gif", "webp", "tif", "tiff", "pnm", "pgm", "ppm", "pbm"];

/// Images that are decoded at a time; bounds the memory beside the set itself.
const CHUNK: usize = 1024;

/// The image files, in order of their names.
pub(super) fn find(source: &Source) -> Vec<&Entry> {
    let is_image = |e: &&Entry| e.file_name().rsplit_once('.').is_some_and(|(_, end)| ENDINGS.contains(&end));
    source.files.iter().filter(is_image).collect()
}

/// A part of the set before decoding: files, and class folder of each if there are any.
#[derive(Default)]
struct Files<'a> {
    entries: Vec<&'a Entry>,
    classes: Option<Vec<&'a str>>,
}

/// Reads `entries`, which are the image files of `source`.
pub(super) fn read(source: &Source, entries: &[&Entry], options: &OpenOptions) -> Result<Found> {
    let folders: Vec<Vec<&str>> = entries.iter().map(|e| parts_of(e.folder())).collect();
    let shared = common_prefix(&folders);
    // The folders may be wrapped in others ("eurosat/train/..."), and one part may be all there is ("photos/train/...").
    let level = folders[0][..shared].iter().position(|p| role(p).is_some()).unwrap_or(shared);
    let has_parts = folders.iter().all(|f| f.get(level).is_some_and(|p| role(p).is_some()));
    let mut notes = Vec::new();
    let (train, test) = if has_parts {
        let of = |wanted: Role| -> Result<Option<Files<'_>>> {
            let of_role = |i: &usize| role(folders[*i][level]) == Some(wanted);
            let at: Vec<usize> = (0..entries.len()).filter(of_role).collect();
            if at.is_empty() { Ok(None) } else { classify(source, entries, &folders, &at, level + 1).map(Some) }
        };
        let mut parts = [of(Role::Train)?, of(Role::Val)?, of(Role::Test)?];
        drop_lone_folders(&mut parts);
        let [train, val, held_out] = parts;
        // ImageNet's test part has no labels: then the validation part is the one to test on.
        let test = match (val, held_out) {
            (Some(val), Some(test)) if test.classes.is_none() && val.classes.is_some() => {
                notes.push("tested on val; the unlabelled test part is left out".into());
                Some(val)
            }
            (Some(_), Some(test)) => {
                notes.push("the val part is left out".into());
                Some(test)
            }
            (val, test) => val.or(test),
        };
        (train.unwrap_or_default(), test)
    } else {
        let at: Vec<usize> = (0..entries.len()).collect();
        let mut all = [Some(classify(source, entries, &folders, &at, shared)?)];
        drop_lone_folders(&mut all);
        let [all] = all;
        (all.unwrap_or_default(), None)
    };

    let mut classes: Vec<&str> = match (&train.classes, test.as_ref().and_then(|t| t.classes.as_ref())) {
        (Some(names), _) => names.clone(),
        (None, Some(names)) => names.clone(),
        (None, None) => Vec::new(),
    };
    classes.sort_unstable();
    classes.dedup();
    if let Some(test) = &test
        && let Some(names) = &test.classes
        && let Some(i) = names.iter().position(|n| classes.binary_search(n).is_err())
    {
        return Err(Error::data(
            &test.entries[i].path,
            format!(
                "its class folder {:?} has no images in the training part, whose classes are {}",
                names[i],
                listed(&classes)
            ),
        ));
    }

    // Both parts are decoded as one, so that they agree in size and channels.
    let n_train = train.entries.len();
    let mut both = train.entries.clone();
    both.extend(test.iter().flat_map(|t| &t.entries));
    let Pixels { h, w, c, mut data } = decode(&both, options)?;
    let test_data = data.split_off(n_train * h * w * c);
    let dataset = |files: &Files<'_>, images: Vec<u8>| {
        let number = |n: &&str| classes.binary_search(n).expect("checked above") as u32;
        let labels = files.classes.as_ref().map(|names| names.iter().map(number).collect());
        let classes = classes.iter().map(|c| c.to_string()).collect();
        Dataset { name: source.name(), images, h, w, c, labels, classes }
    };
    let test = test.map(|t| dataset(&t, test_data));
    let train = if n_train == 0 { None } else { Some(dataset(&train, data)) };
    Ok(Found { train, test, notes })
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Train,
    Val,
    Test,
}

fn role(folder: &str) -> Option<Role> {
    match folder.to_lowercase().as_str() {
        "train" | "training" => Some(Role::Train),
        "val" | "valid" | "validation" => Some(Role::Val),
        "test" | "testing" => Some(Role::Test),
        _ => None,
    }
}

fn parts_of(folder: &str) -> Vec<&str> {
    folder.split('/').filter(|p| !p.is_empty()).collect()
}

/// How many leading folders all of them have in common.
fn common_prefix(folders: &[Vec<&str>]) -> usize {
    let first = &folders[0];
    folders.iter().fold(first.len(), |n, f| first[..n].iter().zip(f).take_while(|(a, b)| a == b).count())
}

fn listed(names: &[&str]) -> String {
    let shown = names[..names.len().min(10)].join(", ");
    if names.len() > 10 { format!("{shown}, ... ({} in all)", names.len()) } else { shown }
}

/// The files `at`, with the folder at `level` as class if they have one.
fn classify<'a>(
    source: &Source,
    entries: &[&'a Entry],
    folders: &[Vec<&'a str>],
    at: &[usize],
    level: usize,
) -> Result<Files<'a>> {
    let files: Vec<&Entry> = at.iter().map(|&i| entries[i]).collect();
    let class = |i: usize| folders[i].get(level).copied();
    if at.iter().all(|&i| class(i).is_none()) {
        return Ok(Files { entries: files, classes: None });
    }
    let classes: Option<Vec<&str>> = at.iter().map(|&i| class(i)).collect();
    if classes.is_none() {
        let loose = at.iter().find(|&&i| class(i).is_none()).map_or("", |&i| &entries[i].name);
        let inside = at.iter().find(|&&i| class(i).is_some()).map_or("", |&i| &entries[i].name);
        return Err(Error::data(
            &source.path,
            format!(
                "holds images both beside and inside of class folders ({loose}, {inside}): move every image into the \
                 folder of its class, or all into one folder for an unlabelled set"
            ),
        ));
    }
    Ok(Files { entries: files, classes })
}

/// One folder alone ("train/images/...") tells no classes apart: a part whose images all lie in one folder counts as
/// unlabelled, unless that folder is a class of another part.
fn drop_lone_folders(parts: &mut [Option<Files<'_>>]) {
    let lone = |f: &Files<'_>| f.classes.as_ref().is_some_and(|names| names.iter().all(|n| *n == names[0]));
    let known: HashSet<String> = parts
        .iter()
        .flatten()
        .filter(|f| !lone(f))
        .flat_map(|f| f.classes.iter().flatten())
        .map(|n| n.to_string())
        .collect();
    for files in parts.iter_mut().flatten() {
        if lone(files) && !files.classes.iter().flatten().take(1).any(|n| known.contains(*n)) {
            files.classes = None;
        }
    }
}

/// Decodes all files, in parallel, to one size and number of channels; `h`, `w`, `c` of the result are those of one
/// image, `data` those of all.
fn decode(entries: &[&Entry], options: &OpenOptions) -> Result<Pixels> {
    let one = |entry: &&Entry| -> Result<Pixels> {
        let bytes = entry.read_unpacked()?;
        let p = Pixels::decode(&bytes).map_err(|e| {
            Error::data(
                &entry.path,
                format!("cannot be decoded as an image of {} bytes ({e}): repair or remove it", bytes.len()),
            )
        })?;
        let [h, w] = options.size.unwrap_or([p.h, p.w]);
        let c = options.channels.unwrap_or(p.c);
        p.with_channels(c).cover(h, w).map_err(|e| Error::data(&entry.path, e))
    };
    let mut all: Option<(Pixels, &Entry)> = None;
    let mut done = 0;
    for chunk in entries.chunks(CHUNK) {
        // Collected before they are looked at: of several bad files the first one is named, every time.
        let decoded: Vec<Result<Pixels>> = chunk.par_iter().map(one).collect();
        for (p, &entry) in decoded.into_iter().zip(chunk) {
            let mut p = p?;
            let (all, first) = all.get_or_insert_with(|| (Pixels { data: Vec::new(), ..p }, entry));
            if (p.h, p.w) != (all.h, all.w) {
                return Err(Error::data(
                    &entry.path,
                    format!(
                        "is {}x{} pixels (height x width), but {} is {}x{}: give the size to which all images are \
                         scaled and cut",
                        p.h,
                        p.w,
                        first.path.display(),
                        all.h,
                        all.w
                    ),
                ));
            }
            // One colour image makes it a colour set.
            if p.c > all.c {
                let so_far = std::mem::take(&mut all.data);
                *all = Pixels { data: so_far, ..*all }.with_channels(p.c);
            }
            p = p.with_channels(all.c);
            if all.data.len() == all.data.capacity() {
                let more = (entries.len() - done) * p.data.len();
                all.data.try_reserve_exact(more).map_err(|_| {
                    Error::data(
                        &entry.path,
                        format!(
                            "{} images of {}x{}x{} do not fit into memory ({more} bytes more are needed): give a \
                             smaller size",
                            entries.len(),
                            p.h,
                            p.w,
                            p.c
                        ),
                    )
                })?;
            }
            all.data.extend_from_slice(&p.data);
            done += 1;
        }
    }
    Ok(all.map(|(p, _)| p).expect("at least one image"))
}
