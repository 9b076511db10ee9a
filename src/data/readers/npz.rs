//! Sets as arrays of NumPy: `.npz` archives (MedMNIST, Keras' MNIST, Kuzushiji-MNIST) and `.npy` files.
//!
//! What an array is, its name says: the last word that is neither a part nor a number. "images", "imgs", "x" are images,
//! "labels", "y", "targets" labels ("train_images", "X_val", "ytest"). An array without a name of its own (`arr_0`) is called
//! after the archive.

use super::super::index::{Found, LeftOut, Part};
use super::super::source::{Entry, Source};
use super::raw::{self, Records};
use super::words::{base, few, part_of_word, words};
use super::{Set, is_image, npy};
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// Archives that are looked into where there are images too.
const MOST_BESIDE_IMAGES: usize = 100;

/// An array that has its place in a set.
struct Named {
    /// As people know it: the file's name, and the array's in an archive.
    name: String,
    entry: Entry,
    is_images: bool,
    part: Option<Part>,
}

/// The arrays that make a set, and what lies beside them.
#[derive(Default)]
struct Arrays<'a> {
    /// What the set is called; else as the source.
    name: Option<String>,
    files: Vec<&'a Entry>,
    named: Vec<Named>,
    left_out: LeftOut,
}

/// Sets by folder, or by archive where one holds a whole set.
pub(super) fn find(source: &Source) -> Result<Vec<Set<'_>>> {
    let mut sets: BTreeMap<&str, Arrays<'_>> = BTreeMap::new();
    let has_images = source.files.iter().any(is_image);
    // Where there are so many, each belongs to an image.
    let archives = source.files.iter().filter(|e| e.file_name().ends_with(".npz")).count();
    if has_images && archives > MOST_BESIDE_IMAGES {
        return Ok(Vec::new());
    }
    for entry in &source.files {
        let name = base(entry);
        // As long as the name itself.
        let lower = name.to_ascii_lowercase();
        if let Some(stem) = lower.strip_suffix(".npy") {
            let Some((is_images, part)) = role(&name[..stem.len()]) else { continue };
            let named = Named { name: entry.name.clone(), entry: entry.clone(), is_images, part };
            let arrays = sets.entry(entry.folder()).or_default();
            arrays.files.push(entry);
            arrays.named.push(named);
        } else if let Some(stem) = lower.strip_suffix(".npz") {
            let (own, mut found) = match archive(entry, &name[..stem.len()]) {
                // Beside images it is perhaps nothing of the set.
                Err(_) if has_images => continue,
                opened => opened?,
            };
            if found.named.is_empty() {
                continue;
            }
            let arrays = sets.entry(if own { &entry.name } else { entry.folder() }).or_default();
            arrays.name = own.then(|| name[..stem.len()].to_string());
            arrays.files.push(entry);
            arrays.named.append(&mut found.named);
            arrays.left_out.extend(found.left_out);
        }
    }
    sets.retain(|_, arrays| arrays.named.iter().any(|a| a.is_images));
    let sets = sets.into_iter().map(|(place, arrays)| {
        let files = arrays.files.clone();
        Set::new("arrays of NumPy", place, files, move |_| read(source, arrays))
    });
    Ok(sets.collect())
}

/// The names of the arrays of an archive in which none has the name of images.
pub(super) fn hint(source: &Source) -> Option<String> {
    let file = source.files.iter().find(|e| e.file_name().ends_with(".npz"))?;
    let inside = file.unpacked().and_then(|file| file.members()).ok()?;
    let names: Vec<&str> = inside.files.iter().map(|e| e.name.strip_suffix(".npy").unwrap_or(&e.name)).collect();
    Some(format!(
        " None of the arrays of {} has a name of images ({}): save them as x_train and y_train, or train_images and train_labels.",
        file.name,
        few(&names)
    ))
}

/// The arrays of an archive, and whether they have names of their own.
fn archive<'a>(file: &'a Entry, stem: &str) -> Result<(bool, Arrays<'a>)> {
    let inside = file.unpacked()?.members()?;
    let mut arrays = Arrays { left_out: inside.left_out, ..Arrays::default() };
    let nameless = matches!(&inside.files[..], [one] if one.file_name() == "arr_0.npy");
    for entry in inside.files {
        let file_name = base(&entry);
        let own = file_name.strip_suffix(".npy").unwrap_or(file_name);
        let found = if nameless { role(stem) } else { role(own).or_else(|| data(own)) };
        match found {
            Some((is_images, part)) => {
                let name = format!("{}/{}", file.name, entry.name);
                arrays.named.push(Named { name, entry, is_images, part });
            }
            None => {
                let name = format!("{}/{own}", file.name);
                arrays.left_out.add("an array that is neither images nor labels by its name", name);
            }
        }
    }
    Ok((!nameless, arrays))
}

/// Whether an array of this name has images, and of which part; `None` if it has neither images nor labels.
fn role(name: &str) -> Option<(bool, Option<Part>)> {
    let all = words(name);
    // "xtrain" is two words, as is "trainx".
    let split = |word: &str| -> Vec<String> {
        for (a, b) in
            [word.split_at_checked(1), word.split_at_checked(word.len().saturating_sub(1))].into_iter().flatten()
        {
            if (matches!(a, "x" | "y") && part_of_word(b).is_some())
                || (matches!(b, "x" | "y") && part_of_word(a).is_some())
            {
                return vec![a.into(), b.into()];
            }
        }
        vec![word.into()]
    };
    let all: Vec<String> = all.iter().flat_map(|w| split(w)).collect();
    let part = all.iter().find_map(|w| part_of_word(w));
    let number = |w: &str| w.chars().all(|c| c.is_ascii_digit());
    let last = all.iter().rev().find(|w| part_of_word(w).is_none() && !number(w))?;
    match last.as_str() {
        "images" | "image" | "imgs" | "img" | "x" | "pixels" => Some((true, part)),
        "labels" | "label" | "lbls" | "y" | "targets" | "target" => Some((false, part)),
        _ => None,
    }
}

/// "data" has images in an archive, where labels lie beside it; as a file of its own it is anything.
fn data(name: &str) -> Option<(bool, Option<Part>)> {
    let all = words(name);
    let part = all.iter().find_map(|w| part_of_word(w));
    all.iter().any(|w| w == "data").then_some((true, part))
}

/// Reads the arrays of a set.
fn read(source: &Source, arrays: Arrays<'_>) -> Result<Found> {
    let said = arrays.named.iter().find(|a| a.part == Some(Part::Train));
    if let (Some(train), Some(silent)) = (said, arrays.named.iter().find(|a| a.part.is_none())) {
        return Err(Error::data(
            &source.path,
            format!(
                "the name of {} says no part of the set, and {} is for training: put train, val or test into its name, or \
                 leave it out",
                silent.name, train.name
            ),
        ));
    }
    let mut records = Vec::new();
    for part in [Part::Train, Part::Val, Part::Test] {
        let only = |is_images: bool| {
            let of = |a: &&Named| a.is_images == is_images && a.part.unwrap_or(Part::Train) == part;
            let mut found = arrays.named.iter().filter(of);
            match (found.next(), found.next()) {
                (Some(a), Some(b)) => Err(Error::data(
                    &source.path,
                    format!(
                        "holds two arrays of {} for the {} part ({}, {}): keep one set in a folder of its own",
                        if is_images { "images" } else { "labels" },
                        part,
                        a.name,
                        b.name
                    ),
                )),
                (one, _) => Ok(one),
            }
        };
        let (images, labels) = (only(true)?, only(false)?);
        let Some(images) = images else {
            let Some(labels) = labels else { continue };
            return Err(Error::data(
                &labels.entry.path,
                format!("the images that belong to these labels are missing: expected an array such as {}_images", {
                    match part {
                        Part::Train => "train",
                        Part::Val => "val",
                        Part::Test => "test",
                    }
                }),
            ));
        };
        let (array, count, layout) = npy::open(&images.entry)?.images()?;
        let labels = match labels {
            Some(labels) => Some((labels.entry.path.clone(), npy::open(&labels.entry)?.labels()?)),
            None => None,
        };
        // The whole of it, by the name that people know.
        let entry = array.entry.part(images.name.clone(), 0, array.entry.len()?);
        records.push(Records { part, entry, start: array.start, count, layout, labels });
    }
    raw::found(source, arrays.name, None, records, "array of labels", arrays.left_out)
}

#[cfg(test)]
mod tests {
    use super::super::npy::tests::file;
    use super::*;
    use std::path::Path;

    #[test]
    fn names_say_what_arrays_are() {
        use Part::{Test, Train, Val};
        for (name, expected) in [
            ("x_train", Some((true, Some(Train)))),
            ("y_test", Some((false, Some(Test)))),
            ("X", Some((true, None))),
            ("XTrain", Some((true, Some(Train)))),
            ("ytest", Some((false, Some(Test)))),
            ("valx", Some((true, Some(Val)))),
            ("val_labels", Some((false, Some(Val)))),
            ("k49-train-imgs", Some((true, Some(Train)))),
            ("images_2", Some((true, None))),
            ("image_features", None),
            ("x_train_mean", None),
            ("train", None),
            ("embeddings", None),
            ("index", None),
            ("", None),
        ] {
            assert_eq!(role(name), expected, "{name}");
        }
        assert_eq!(data("train_data"), Some((true, Some(Train))));
    }

    fn array(code: &str, shape: &str, elements: &[u8]) -> Vec<u8> {
        file(&format!("{{'descr': '{code}', 'fortran_order': False, 'shape': {shape}, }}"), elements)
    }

    fn found(files: &[(&str, Vec<u8>)]) -> Result<Found> {
        let files = files.iter().map(|(name, bytes)| (name.to_string(), bytes.clone())).collect();
        let source = Source::of_files(Path::new("set"), files);
        let mut sets = find(&source)?;
        assert_eq!(sets.len(), 1);
        sets.remove(0).read(&source, &Default::default())
    }

    #[test]
    fn files_of_arrays_make_a_set() {
        let images = array("|u1", "(3, 1, 2, 2)", &[0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]);
        let labels = array("<i2", "(3, 1)", &[1, 0, 0, 0, 3, 0]);
        let found = found(&[
            ("x_train.npy", images.clone()),
            ("y_train.npy", labels),
            ("x_val.npy", images.clone()),
            ("y_val.npy", array("|u1", "(3,)", &[0, 1, 2])),
            ("features.npy", images),
        ])
        .unwrap();
        let [Some(train), Some(val), None] = found.parts else { panic!() };
        assert_eq!(train.iter().map(|i| i.class).collect::<Vec<_>>(), [Some(1), Some(0), Some(3)]);
        assert_eq!(val.len(), 3);
        assert_eq!(train[2].entry.name, "x_train.npy#2");
        assert_eq!(train[2].entry.read().unwrap(), [20, 21, 22, 23]);
        assert_eq!(found.classes.len(), 4);
        assert!(found.notes[0].contains("1 of the 4 classes have no training images (2)"), "{:?}", found.notes);
        assert!(found.left_out.to_string().contains("features.npy"), "{}", found.left_out);
    }

    #[test]
    fn sets_that_do_not_fit_together_are_named() {
        let images = || array("|u1", "(2, 2, 2)", &[0; 8]);
        let labels = || array("|u1", "(2,)", &[0, 1]);
        for (files, said) in [
            (vec![("x_train.npy", images()), ("y_train.npy", array("|u1", "(3,)", &[0; 3]))], "3 labels"),
            (vec![("x_train.npy", images()), ("y_train.npy", labels()), ("x_test.npy", images())], "array of labels"),
            (vec![("x_train.npy", images()), ("y_test.npy", labels())], "such as test_images"),
            (vec![("x_train.npy", images()), ("images.npy", images())], "says no part"),
            (vec![("x_train.npy", images()), ("train_images.npy", images())], "two arrays of images"),
            (
                vec![
                    ("x_train.npy", images()),
                    ("y_train.npy", labels()),
                    ("x_test.npy", images()),
                    ("y_test.npy", array("|i1", "(2,)", &[0, 0xff])),
                ],
                "image 1 is -1",
            ),
        ] {
            let m = found(&files).map(|_| ()).unwrap_err().to_string();
            assert!(m.contains(said), "{said}: {m}");
        }
    }
}
