//! ImageNet's layouts: training images in a folder a class, and validation images in one folder, whose classes stand in a
//! file beside them.
//!
//! Tiny ImageNet has `train/n01443537/images/*.JPEG`, `val/images/*.JPEG` and `val/val_annotations.txt` (file, class, box;
//! between tabs). Of ImageNet itself as Kaggle gives it, `LOC_val_solution.csv` says the classes (`ImageId`, then the class and
//! its boxes). `test` has no labels in either. Classes are called by WordNet's numbers, or by their first word in `words.txt`
//! or `LOC_synset_mapping.txt`.

use super::super::index::{Coding, Found, Item, LeftOut, Part};
use super::super::source::{Entry, Source};
use super::words::{few, part};
use super::{Set, is_image};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, HashMap, HashSet};

const ANNOTATIONS: [&str; 2] = ["val_annotations.txt", "loc_val_solution.csv"];
const WORDS: [&str; 2] = ["words.txt", "loc_synset_mapping.txt"];

/// The files of such a set.
struct Files<'a> {
    /// With their classes.
    train: Vec<(&'a Entry, &'a str)>,
    val: Vec<&'a Entry>,
    test: Vec<&'a Entry>,
    annotations: Option<&'a Entry>,
    words: Option<&'a Entry>,
}

/// A set, if the images are all in such a layout.
pub(super) fn find(source: &Source) -> Result<Vec<Set<'_>>> {
    let images: Vec<&Entry> = source.files.iter().filter(|e| is_image(e)).collect();
    let Some(level) = images.first().and_then(|first| first.folder().split('/').position(|f| is_part(f).is_some()))
    else {
        return Ok(Vec::new());
    };
    let (mut train, mut val, mut test) = (Vec::new(), Vec::new(), Vec::new());
    let mut in_images = true;
    for image in &images {
        let folders: Vec<&str> = image.folder().split('/').collect();
        let Some(part) = folders.get(level).and_then(|f| is_part(f)) else { return Ok(Vec::new()) };
        match (part, &folders[level + 1..]) {
            (Part::Train, [class]) => {
                in_images = false;
                train.push((*image, *class));
            }
            (Part::Train, [class, "images"]) => train.push((*image, *class)),
            (Part::Val, [] | ["images"]) => val.push(*image),
            (Part::Test, [] | ["images"]) => test.push(*image),
            _ => return Ok(Vec::new()),
        }
    }
    let named = |names: &[&str]| source.files.iter().find(|e| names.contains(&e.file_name().as_str()));
    let annotations = named(&ANNOTATIONS);
    // A validation part in one folder is a sign only where something says its classes, or where every class has the folder
    // "images" of Tiny ImageNet.
    if train.is_empty() || val.is_empty() || !(annotations.is_some() || in_images) {
        return Ok(Vec::new());
    }
    // Boxes and lists of classes belong to it; images are all taken.
    let boxes = |name: &str| name == "wnids.txt" || name.ends_with("_boxes.txt") || WORDS.contains(&name);
    let mut used = images;
    used.extend(annotations);
    used.extend(source.files.iter().filter(|e| boxes(&e.file_name())));
    let files = Files { train, val, test, annotations, words: named(&WORDS) };
    Ok(vec![Set::new("images in ImageNet's layout", "", used, move |_| read(source, files))])
}

/// The part that a folder is, by its whole name.
fn is_part(folder: &str) -> Option<Part> {
    part(folder).filter(|_| folder.chars().all(|c| c.is_ascii_alphabetic()))
}

fn read(source: &Source, files: Files<'_>) -> Result<Found> {
    let mut left_out = LeftOut::default();
    let mut notes = Vec::new();
    let ids: Vec<&str> = {
        let mut ids: Vec<&str> = files.train.iter().map(|(_, class)| *class).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let number: HashMap<&str, u32> = ids.iter().copied().zip(0..).collect();
    let item = |entry: &Entry, class: Option<u32>| Item { entry: entry.clone(), class, coding: Coding::File };
    let train = files.train.iter().map(|(e, class)| item(e, number.get(class).copied())).collect();
    let mut val = Vec::new();
    match files.annotations {
        Some(file) => {
            let said = annotations(file)?;
            let mut seen = HashSet::new();
            for image in &files.val {
                let name = image.name.rsplit('/').next().unwrap_or_default();
                let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
                let Some((key, class)) = said.get_key_value(name).or_else(|| said.get_key_value(stem)) else {
                    left_out.add(format!("a validation image that {} does not list", file.name), &image.name);
                    continue;
                };
                seen.insert(key);
                let Some(&class) = number.get(class.as_str()) else {
                    return Err(Error::data(
                        &file.path,
                        format!(
                            "says that {name} is of class {class:?}, which has no training images; the classes are {}",
                            few(&ids)
                        ),
                    ));
                };
                val.push(item(image, Some(class)));
            }
            for name in said.keys().filter(|name| !seen.contains(name)) {
                left_out.add(format!("listed in {}, and not there", file.name), name);
            }
        }
        None => {
            notes.push("val has no val_annotations.txt, which would say the classes of its images".into());
            val = files.val.iter().map(|e| item(e, None)).collect();
        }
    }
    if val.is_empty()
        && let Some(file) = files.annotations
    {
        notes.push(format!("{} lists none of the images of val", file.name));
    }
    let test: Vec<Item> = files.test.iter().map(|e| item(e, None)).collect();
    let (val, test) = (Some(val).filter(|val| !val.is_empty()), Some(test).filter(|test| !test.is_empty()));
    let classes = match files.words {
        Some(words) => called(words, &ids)?,
        None => ids.iter().map(|id| id.to_string()).collect(),
    };
    Ok(Found { name: source.name(), classes, parts: [Some(train), val, test], notes, left_out })
}

/// Class of each file, by its name with or without ending.
fn annotations(file: &Entry) -> Result<BTreeMap<String, String>> {
    let bytes = file.read_unpacked()?;
    let text = String::from_utf8_lossy(&bytes);
    let is_csv = file.file_name().ends_with(".csv");
    let mut classes = BTreeMap::new();
    for (i, line) in text.lines().enumerate().filter(|(i, line)| !(line.trim().is_empty() || is_csv && *i == 0)) {
        let between = |c: char| if is_csv { c == ',' || c == ' ' } else { c == '\t' };
        let mut words = line.trim().split(between).map(str::trim).filter(|w| !w.is_empty());
        let mut spaced = line.split_whitespace();
        let pair = match (words.next(), words.next()) {
            (Some(name), Some(class)) => Some((name, class)),
            // By hand people write spaces.
            _ => spaced.next().zip(spaced.next()),
        };
        let Some((name, class)) = pair else {
            return Err(Error::data(
                &file.path,
                format!(
                    "line {} is {:?}: expected a file and its class",
                    i + 1,
                    line.chars().take(60).collect::<String>()
                ),
            ));
        };
        if let Some(other) = classes.insert(name.to_string(), class.to_string())
            && other != class
        {
            return Err(Error::data(&file.path, format!("says two classes for {name}: {other} and {class}")));
        }
    }
    Ok(classes)
}

/// The first word for each class, with its number where two classes share it ("crane" is a bird and a machine).
fn called(file: &Entry, ids: &[&str]) -> Result<Vec<String>> {
    let bytes = file.read_unpacked()?;
    let text = String::from_utf8_lossy(&bytes);
    let mut words: HashMap<&str, &str> = HashMap::new();
    for line in text.lines() {
        if let Some((id, names)) = line.split_once(['\t', ' ']) {
            words.insert(id, names.split(',').next().unwrap_or(names).trim());
        }
    }
    let word = |id: &&str| words.get(*id).copied().filter(|w| !w.is_empty());
    let mut times: HashMap<&str, usize> = HashMap::new();
    ids.iter().filter_map(word).for_each(|w| *times.entry(w).or_default() += 1);
    let name = |id: &&str| match word(id) {
        Some(w) if times.get(w) == Some(&1) => w.to_string(),
        Some(w) => format!("{w} ({id})"),
        None => id.to_string(),
    };
    Ok(ids.iter().map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn found(files: &[(&str, &str)]) -> Result<Option<Found>> {
        let files = files.iter().map(|(name, text)| (name.to_string(), text.as_bytes().to_vec())).collect();
        let source = Source::of_files(Path::new("set"), files);
        let set = find(&source)?.pop();
        set.map(|set| set.read(&source, &Default::default())).transpose()
    }

    const IMAGES: [(&str, &str); 6] = [
        ("t/train/n01/images/n01_0.JPEG", ""),
        ("t/train/n02/images/n02_0.JPEG", ""),
        ("t/train/n02/n02_boxes.txt", "n02_0.JPEG\t0\t0\t1\t1"),
        ("t/val/images/val_0.JPEG", ""),
        ("t/val/images/val_1.JPEG", ""),
        ("t/test/images/test_0.JPEG", ""),
    ];

    #[test]
    fn validation_images_have_the_classes_of_the_annotations() {
        let said = ("t/val/val_annotations.txt", "val_1.JPEG\tn01\t0\t0\t9\t9\nval_0.JPEG\tn02\t0\t0\t9\t9\n");
        let words = ("t/words.txt", "n01\tcrane, bird\nn02\tcrane\n");
        let found = found(&[&IMAGES[..], &[said, words]].concat()).unwrap().unwrap();
        let [Some(train), Some(val), Some(test)] = &found.parts else { panic!() };
        let classes = |items: &[Item]| items.iter().map(|i| i.class).collect::<Vec<_>>();
        assert_eq!(classes(train), [Some(0), Some(1)]);
        assert_eq!(classes(val), [Some(1), Some(0)]);
        assert_eq!(classes(test), [None]);
        assert_eq!(found.classes, ["crane (n01)", "crane (n02)"]);
        assert!(found.notes.is_empty() && found.left_out.is_empty(), "{:?} {}", found.notes, found.left_out);
    }

    #[test]
    fn what_the_annotations_lack_is_said() {
        // One image of two, between spaces, and one that is not there.
        let some = ("t/val/val_annotations.txt", "val_0.JPEG n01\nval_9.JPEG n01\n");
        let partly = found(&[&IMAGES[..], &[some]].concat()).unwrap().unwrap();
        assert_eq!(partly.parts[1].as_ref().unwrap().len(), 1);
        assert_eq!(partly.left_out.count(), 2);
        // None at all.
        let none = found(&[&IMAGES[..], &[("t/wnids.txt", "n01\nn02\n")]].concat()).unwrap().unwrap();
        assert!(none.parts[1].is_none() && none.parts[2].is_none());
        let notes = none.notes.join("; ");
        assert!(notes.contains("neither val nor test") && notes.contains("val_annotations.txt"), "{notes}");
        assert_eq!(none.left_out.count(), 3);
        // A class without training images, a class twice, a line of one word.
        for (text, said) in [
            ("val_0.JPEG\tn03\n", "\"n03\""),
            ("val_0.JPEG\tn01\nval_0.JPEG\tn02\n", "two classes"),
            ("val_0.JPEG\n", "line 1"),
        ] {
            let m = found(&[&IMAGES[..], &[("t/val/val_annotations.txt", text)]].concat()).map(|_| ()).unwrap_err();
            assert!(m.to_string().contains(said), "{m}");
        }
    }

    #[test]
    fn the_large_set_has_its_solution_as_a_table() {
        let files = [
            ("Data/train/n01/a.JPEG", ""),
            ("Data/train/n02/b.JPEG", ""),
            ("Data/val/ILSVRC2012_val_00000001.JPEG", ""),
            ("LOC_val_solution.csv", "ImageId,PredictionString\nILSVRC2012_val_00000001,n02 1 2 3 4 n02 5 6 7 8 \n"),
        ];
        let found = found(&files).unwrap().unwrap();
        assert_eq!(found.parts[1].as_ref().unwrap()[0].class, Some(1));
        assert_eq!(found.classes, ["n01", "n02"]);
    }

    #[test]
    fn other_layouts_are_left_to_others() {
        assert!(found(&[("train/cat/0.png", ""), ("val/cat/0.png", "")]).unwrap().is_none());
        assert!(found(&[("train/cat/0.png", ""), ("val/0.png", "")]).unwrap().is_none());
        assert!(found(&[("cat/0.png", ""), ("dog/0.png", "")]).unwrap().is_none());
        assert!(found(&[("a.txt", "")]).unwrap().is_none());
    }
}
