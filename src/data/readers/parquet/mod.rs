//! Parquet files as Hugging Face writes sets of images: a column of images, each a struct of `bytes` and `path`, and a column
//! of classes, whose names stand in the file's metadata (key "huggingface").
//!
//! Parts come from the names of files ("train-00000-of-00002.parquet") or folders ("train/0000.parquet"). Images stay
//! in the files: what is read of these at first are the headers of their pages, and of images the pages that they lie in (several
//! images a page, which were compressed together). Sources: the documentation of Hugging Face's datasets library (image, ClassLabel), and the format's specification.

mod chunks;
mod columns;
mod features;
mod guard;
mod images;
mod pages;
mod recent;

use super::super::index::{Coding, Found, Item, LeftOut, Part};
use super::super::open::OpenOptions;
use super::super::source::{Entry, Source};
use super::labels::{in_order, numbered};
use super::words::{base, few, known_part, part, part_of_word};
use super::{Set, is_image};
use crate::error::{Error, Result};
use columns::{File, Label, Rows};
use features::{Features, Picked};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// One file of a set.
struct Shard<'a> {
    entry: &'a Entry,
    part: Option<Part>,
    features: Features,
}

/// Sets of images by folder. Files without images are left to nobody.
pub(super) fn find(source: &Source) -> Result<Vec<Set<'_>>> {
    let mut folders: BTreeMap<&str, Vec<Shard<'_>>> = BTreeMap::new();
    let has_images = source.files.iter().any(is_image);
    for entry in source.files.iter().filter(|e| e.file_name().ends_with(".parquet")) {
        let features = match File::open(entry).and_then(|file| file.features()) {
            // Beside images it is perhaps nothing of the set.
            Err(_) if has_images => continue,
            opened => opened?,
        };
        if !features.has_images() {
            continue;
        }
        // A folder that is a part lies in that of the set.
        let folder = entry.folder();
        let (above, last) = folder.rsplit_once('/').unwrap_or(("", folder));
        let of_folder = part_of_word(&last.to_lowercase());
        let home = if of_folder.is_some() { above } else { folder };
        let part = match of_folder {
            None => known_part(&entry.path, base(entry))?,
            of => part(base(entry)).or(of),
        };
        folders.entry(home).or_default().push(Shard { entry, part, features });
    }
    let sets = folders.into_iter().map(|(folder, shards)| {
        let files: Vec<&Entry> = shards.iter().map(|s| s.entry).collect();
        Set::new("Parquet files", folder, files, move |options| read(source, &shards, options))
    });
    Ok(sets.collect())
}

/// The columns of a file in which none is of images; begins with a space.
pub(super) fn hint(source: &Source) -> Option<String> {
    let file = source.files.iter().find(|e| e.file_name().ends_with(".parquet"))?;
    let features = File::open(file).and_then(|file| file.features()).ok()?;
    let columns: BTreeSet<&str> = features.leaves.iter().filter_map(|leaf| Some(leaf.path.first()?.as_str())).collect();
    let columns: Vec<&str> = columns.into_iter().collect();
    Some(format!(
        " None of the columns of {} ({}) has an image file a row: cast it with cast_column(\"image\", Image()) before to_parquet().",
        file.name,
        few(&columns)
    ))
}

fn read(source: &Source, shards: &[Shard<'_>], options: &OpenOptions) -> Result<Found> {
    let trains = shards.iter().find(|s| s.part == Some(Part::Train));
    if let (Some(silent), Some(train)) = (shards.iter().find(|s| s.part.is_none()), trains) {
        return Err(Error::data(
            &source.path,
            format!(
                "the name of {} says no part of the set, and {} is for training: put train, val or test into its name, or \
                 move it elsewhere",
                silent.entry.name, train.entry.name
            ),
        ));
    }
    let first = &shards[0];
    let Picked { image, label, names } = first.features.pick(first.entry, options.coarse_labels)?;
    for other in &shards[1..] {
        let picked = other.features.pick(other.entry, options.coarse_labels)?;
        // Hugging Face's own test parts may lack the labels.
        let same = picked.image == image
            && (picked.label == label || picked.label.is_none() || label.is_none())
            && (picked.names == names || picked.names.is_none() || names.is_none());
        if !same {
            return Err(Error::data(
                &other.entry.path,
                format!(
                    "has other columns of images or labels, or other names of classes, than {}: keep one set in a folder of \
                     its own",
                    first.entry.path.display()
                ),
            ));
        }
    }
    let names = names.or_else(|| {
        shards[1..].iter().find_map(|s| s.features.pick(s.entry, options.coarse_labels).ok().and_then(|p| p.names))
    });
    let mut left_out = LeftOut::default();
    let mut rows: Vec<(Part, Entry, Label)> = Vec::new();
    let of_shard = |shard: &Shard<'_>| -> Result<(Rows, Option<Vec<Label>>)> {
        let file = File::open(shard.entry)?;
        let rows = file.rows(&shard.features.pick(shard.entry, options.coarse_labels)?)?;
        let splits = shard.features.split().map(|column| file.labels(column)).transpose()?;
        match &splits {
            Some(splits) if splits.len() != rows.all.len() => Err(Error::data(
                &shard.entry.path,
                format!("has {} images and {} parts of them: it is damaged", rows.all.len(), splits.len()),
            )),
            _ => Ok((rows, splits)),
        }
    };
    // Collected before they are looked at: of several bad files the first one is named, every time.
    let of_shards: Vec<Result<_>> = shards.par_iter().map(of_shard).collect();
    for (shard, found) in shards.iter().zip(of_shards) {
        let (Rows { images, all }, splits) = found?;
        for (i, (is_there, label)) in (0..).zip(all) {
            let name = format!("{}#{i}", shard.entry.name);
            if !is_there {
                left_out.add("a row without the bytes of an image", name);
                continue;
            }
            let path = format!("{}#{i}", shard.entry.path.display()).into();
            let entry = Entry::in_records(name, path, images.clone(), i);
            let said = splits.as_ref().and_then(|of| of.get(i as usize));
            let part =
                said.map_or(Ok(shard.part.unwrap_or(Part::Train)), |said| part_of_row(said, shard.part, &entry))?;
            rows.push((part, entry, label));
        }
    }
    if rows.is_empty() {
        return Err(Error::data(
            &first.entry.path,
            format!(
                "holds no image: {} of {} rows have only the path of a file. Embed the images: \
                 dataset.map(embed_table_storage), or save them as a folder",
                left_out.count(),
                left_out.count()
            ),
        ));
    }
    let mut notes = missing_shards(shards);
    let (classes, numbers) = classes(source, names, &rows, &mut notes)?;
    let mut parts: [Option<Vec<Item>>; 3] = [None, None, None];
    let mut bare: Vec<(Part, Entry)> = Vec::new();
    for ((part, entry, _), class) in rows.into_iter().zip(numbers) {
        match class {
            Some(_) => {
                parts[part as usize].get_or_insert_default().push(Item { entry, class, coding: Coding::File });
            }
            None => bare.push((part, entry)),
        }
    }
    // A part without any label is unlabelled; rows without one in another part are left out.
    let labelled = [0, 1, 2].map(|i| parts[i].is_some());
    for (part, entry) in bare {
        if labelled[part as usize] {
            left_out.add("a row without a label", entry.name);
        } else {
            let item = Item { entry, class: None, coding: Coding::File };
            parts[part as usize].get_or_insert_default().push(item);
        }
    }
    if label.is_none() {
        let columns = few(&first.features.columns());
        notes.push(format!("no labels: no column of {columns} is a ClassLabel or called label"));
    }
    if let Some(label) = label.filter(|l| l != "label") {
        notes.push(format!("the class is the column {label:?}"));
    }
    Ok(Found { name: source.name(), classes, parts, notes, left_out })
}

/// The part that a column of parts says, where the name of the file says `named`.
fn part_of_row(said: &Label, named: Option<Part>, entry: &Entry) -> Result<Part> {
    let (of_word, shown) = match said {
        Label::Name(word) => (part_of_word(&word.to_lowercase()), format!("{word:?}")),
        Label::Number(number) => (None, number.to_string()),
        Label::None => (None, "nothing".into()),
    };
    let fail = |what: String| Err(Error::data(&entry.path, format!("its split is {shown}, {what}")));
    match (of_word, named) {
        (Some(part), None) => Ok(part),
        (Some(part), Some(named)) if part != named => {
            fail(format!("and its file is for {named} by its name: remove the column, or write a file for each part"))
        }
        // A column of something else.
        (_, Some(named)) => Ok(named),
        (None, None) => fail("which is none of train, val and test: write one of them, or remove the column".into()),
    }
}

/// Class names, and the class of each row.
fn classes(
    source: &Source,
    names: Option<Vec<String>>,
    rows: &[(Part, Entry, Label)],
    notes: &mut Vec<String>,
) -> Result<(Vec<String>, Vec<Option<u32>>)> {
    let texts: Vec<String> =
        rows.iter().filter_map(|(.., l)| if let Label::Name(n) = l { Some(n.clone()) } else { None }).collect();
    // -1 is how Hugging Face says "no label".
    let numbers: Vec<i64> = rows
        .iter()
        .filter_map(|(.., l)| if let Label::Number(n) = l { Some(*n) } else { None })
        .filter(|n| *n != -1)
        .collect();
    let has_minus_one = rows.iter().any(|(.., l)| *l == Label::Number(-1));
    let classes = match names {
        Some(names) => names,
        None if !texts.is_empty() => in_order(texts),
        // Else half of two classes would be gone.
        None if has_minus_one && !numbers.is_empty() && numbers.iter().all(|n| *n == numbers[0]) => {
            return Err(Error::data(
                &source.path,
                format!(
                    "its labels are -1, which means that there is none, and {}: classes are numbered from 0, so write 0 and 1 \
                     for two",
                    numbers[0]
                ),
            ));
        }
        None => {
            let numbered = numbered(&numbers, "").map_err(|m| Error::data(&source.path, m))?;
            notes.extend(numbered.notes);
            numbered.classes
        }
    };
    let places: BTreeMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
    let mut of_rows = Vec::with_capacity(rows.len());
    for (_, entry, label) in rows {
        let class = match label {
            Label::None | Label::Number(-1) => None,
            Label::Number(n) => match u32::try_from(*n).ok().filter(|n| (*n as usize) < classes.len()) {
                Some(class) => Some(class),
                None => {
                    return Err(Error::data(
                        &entry.path,
                        format!("its label is {n}, and there are {} classes: the file is damaged", classes.len()),
                    ));
                }
            },
            Label::Name(name) => match places.get(name.as_str()) {
                Some(class) => Some(*class),
                None => {
                    return Err(Error::data(&entry.path, format!("its class {name:?} is none of the file's own list")));
                }
            },
        };
        of_rows.push(class);
    }
    Ok((classes, of_rows))
}

/// A note about shards that are not there, by names such as "train-00000-of-00002".
fn missing_shards(shards: &[Shard<'_>]) -> Vec<String> {
    let mut there: BTreeMap<(u8, u32), (Part, u32)> = BTreeMap::new();
    for shard in shards {
        let words: Vec<&str> = base(shard.entry).split(['-', '.']).collect();
        let of = words.windows(3).find(|w| w[1] == "of").map(|w| (w[0].parse::<u32>(), w[2].parse::<u32>()));
        if let Some((Ok(_), Ok(all))) = of {
            let part = shard.part.unwrap_or(Part::Train);
            there.entry((part as u8, all)).or_insert((part, 0)).1 += 1;
        }
    }
    let missing = there.into_iter().filter(|((_, all), (_, n))| n < all);
    missing.map(|((_, all), (part, n))| format!("without {} of the {all} {part} shards", all - n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn what_is_no_parquet_file_is_named() {
        for bytes in [&b""[..], b"PAR1", b"PAR1\xff\xff\xff\xffPAR1", b"version https://git-lfs.github.com/spec/v1\n"] {
            let files = vec![("data/train-00000-of-00001.parquet".to_string(), bytes.to_vec())];
            let source = Source::of_files(Path::new("set"), files);
            let m = find(&source).map(|_| ()).unwrap_err().to_string();
            assert!(m.contains("train-00000-of-00001.parquet"), "{m}");
            assert_eq!(m.contains("git lfs pull"), bytes.starts_with(b"version"), "{m}");
        }
    }
}
