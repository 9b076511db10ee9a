//! Folders of images: a folder a class, perhaps below folders for the parts; or no class folders.

use super::index::parts::{Level, level, part_of};
use super::index::{Coding, Ending, Found, Item, LeftOut, ending_of, nearly};
use super::pixels::Pixels;
use super::source::{Entry, Source};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Folders of all the images of a set, as opposed to those of masks or annotations beside them.
const IMAGE_FOLDERS: [&str; 6] = ["images", "image", "imgs", "img", "jpegimages", "pictures"];

/// Bytes by which pictures with wrong endings are known.
const HEAD: u64 = 512;

/// The image files, in order of their names.
pub(super) fn find(source: &Source) -> Vec<&Entry> {
    source.files.iter().filter(|e| ending_of(&e.file_name()).0 == Ending::Image).collect()
}

/// A part of the set: its images, by their place in the list of all, and how deep its class folders lie.
struct Place {
    at: Vec<usize>,
    /// Folders above the class folders.
    depth: usize,
    /// Class folder of each image, if there are any.
    classes: Option<Vec<String>>,
}

/// Reads `entries`, which are the image files of `source`.
pub(super) fn read(source: &Source, entries: &[&Entry]) -> Result<Found> {
    let folders: Vec<Vec<&str>> = entries.iter().map(|e| parts_of(e.folder())).collect();
    let images = Images { source, entries, folders };
    let all: Vec<usize> = (0..entries.len()).collect();
    let (mut places, at_level) = match images.parts_level(&all)? {
        Some(level) => (images.by_part(level)?, Some(level)),
        None => ([Some(images.place(all, 0)?), None, None], None),
    };
    name_lone_classes(&images, &mut places);

    images.check_levels(&places)?;
    let names: BTreeSet<&String> = places.iter().flatten().flat_map(|p| p.classes.iter().flatten()).collect();
    let mut classes: Vec<String> = names.into_iter().cloned().collect();
    sort_classes(&mut classes);
    let mut left_out = LeftOut::default();
    images.count_others(&places, at_level, &mut left_out)?;
    check_classes(&images, &places)?;

    let mut notes: Vec<String> = images.folders_below(&places).into_iter().collect();
    if classes.is_empty() {
        let folders: BTreeSet<&str> = entries.iter().map(|e| e.folder()).collect();
        let first = folders.iter().next().filter(|f| !f.is_empty()).map(|f| format!(" ({f})")).unwrap_or_default();
        let place = if folders.len() == 1 { "one folder" } else { "one folder a part" };
        notes
            .push(format!("no labels: all images lie in {place}{first}, and classes are told by at least two folders"));
        notes.extend(unread_labels(source));
    }
    let number: HashMap<&str, u32> = classes.iter().enumerate().map(|(i, c)| (c.as_str(), i as u32)).collect();
    let item = |place: &Place, i: usize| Item {
        entry: entries[place.at[i]].clone(),
        class: place.classes.as_ref().map(|names| number[names[i].as_str()]),
        coding: Coding::File,
    };
    let parts = places.map(|place| place.map(|p| (0..p.at.len()).map(|i| item(&p, i)).collect()));
    let mut found = Found { name: source.name(), classes, parts, notes, left_out };
    found.drop_unlabelled();
    Ok(found)
}

/// By number if all are numbers, else as texts.
pub(super) fn sort_classes(classes: &mut [String]) {
    let number = |c: &String| {
        (!c.is_empty() && c.bytes().all(|b| b.is_ascii_digit())).then(|| {
            let digits = c.trim_start_matches('0');
            (digits.len(), digits.to_string())
        })
    };
    if classes.iter().all(|c| number(c).is_some()) {
        classes.sort_by_key(|c| (number(c), c.clone()));
    } else {
        classes.sort();
    }
}

struct Images<'a> {
    source: &'a Source,
    entries: &'a [&'a Entry],
    folders: Vec<Vec<&'a str>>,
}

impl<'a> Images<'a> {
    fn fail<T>(&self, message: String) -> Result<T> {
        Err(Error::data(&self.source.path, message))
    }

    /// How many leading folders the images `at` have in common.
    fn shared(&self, at: &[usize]) -> usize {
        let first = &self.folders[at[0]];
        at.iter().fold(first.len(), |n, &i| first[..n].iter().zip(&self.folders[i]).take_while(|(a, b)| a == b).count())
    }

    /// Folders above those that are the parts of the set, if it has such. They may be wrapped in others
    /// ("eurosat/train/..."), and one part may be all there is ("photos/train/...").
    fn parts_level(&self, all: &[usize]) -> Result<Option<usize>> {
        let shared = self.shared(all);
        if let Some(level) = self.folders[0][..shared].iter().position(|p| part_of(p).is_some()) {
            return Ok(Some(level));
        }
        let names: BTreeSet<&str> = self.folders.iter().filter_map(|f| f.get(shared).copied()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let leaf = |name: &str| self.folders.iter().all(|f| f.get(shared) != Some(&name) || f.len() == shared + 1);
        let above = self.folders[0][..shared].join("/");
        let within = if above.is_empty() { String::new() } else { format!(" in {above}") };
        let repair = "move it elsewhere, or rename the folders: parts are called train, val and test, and where they are \
                      classes no folder beside them is called like a part";
        match level(&names, leaf) {
            Level::Classes => self.no_parts_within_classes(shared).map(|()| None),
            Level::Parts => match self.folders.iter().position(|f| f.len() <= shared) {
                None => Ok(Some(shared)),
                Some(loose) => self.fail(format!(
                    "holds the image {} beside the parts of the set ({}): move it into one of them, or elsewhere",
                    self.entries[loose].name,
                    names.join(", ")
                )),
            },
            Level::Stranger(stranger) => self.fail(format!(
                "holds a folder {stranger:?} beside parts of a set ({}){within}, and it is not understood what it is: \
                 {repair}",
                listed(&names.iter().filter(|n| part_of(n).is_some()).copied().collect::<Vec<_>>())
            )),
            Level::Sound(sounding) => self.fail(format!(
                "holds folders that sound like parts of a set and not like classes ({}){within}: call them train, val and \
                 test, or give the path of one of them",
                listed(&sounding)
            )),
        }
    }

    /// Stops at "cat/train/1.png", where the images of the parts would become one class.
    fn no_parts_within_classes(&self, level: usize) -> Result<()> {
        let mut below: BTreeMap<&[&str], BTreeSet<&str>> = BTreeMap::new();
        for folder in &self.folders {
            for depth in level + 1..folder.len() {
                below.entry(&folder[..depth]).or_default().insert(folder[depth]);
            }
        }
        for (folder, names) in below {
            let parts = names.iter().filter(|n| part_of(n).is_some()).count();
            if parts > 0 && (parts == names.len() || parts > 1) {
                let names: Vec<&str> = names.into_iter().collect();
                return self.fail(format!(
                    "holds folders for parts of a set ({}) within {}, which would be a class: give the path of one such \
                     folder, or put the classes below the parts (train/CLASS, test/CLASS)",
                    listed(&names),
                    folder.join("/")
                ));
            }
        }
        Ok(())
    }

    /// The parts, whose folders lie below `level` others.
    fn by_part(&self, level: usize) -> Result<[Option<Place>; 3]> {
        let mut at: [Vec<usize>; 3] = Default::default();
        let mut folder_of: [Option<&str>; 3] = [None; 3];
        for (i, folder) in self.folders.iter().enumerate() {
            let Some((name, part)) = folder.get(level).and_then(|n| Some((*n, part_of(n)?))) else {
                return self.fail(format!(
                    "holds the image {} beside the parts of the set: move it into one of them, or elsewhere",
                    self.entries[i].name
                ));
            };
            match folder_of[part as usize].replace(name) {
                Some(other) if other != name => {
                    return self
                        .fail(format!("holds two folders for its {part} part, {other} and {name}: keep one of them"));
                }
                _ => at[part as usize].push(i),
            }
        }
        let mut places = [None, None, None];
        for (place, at) in places.iter_mut().zip(at).filter(|(_, at)| !at.is_empty()) {
            *place = Some(self.place(at, level + 1)?);
        }
        Ok(places)
    }

    /// The images `at`, with the first folders that differ as classes; `above` folders are none in any case.
    fn place(&self, at: Vec<usize>, above: usize) -> Result<Place> {
        let depth = self.shared(&at).max(above);
        let class = |i: usize| self.folders[i].get(depth).map(|c| c.to_string());
        if at.iter().all(|&i| class(i).is_none()) {
            // All in one folder, which is perhaps a class of another part.
            return Ok(Place { at, depth: depth.saturating_sub(1).max(above), classes: None });
        }
        let loose = at.iter().find(|&&i| class(i).is_none());
        let inside = at.iter().find(|&&i| class(i).is_some());
        if let (Some(&loose), Some(&inside)) = (loose, inside) {
            return self.fail(format!(
                "holds images both beside and inside of class folders ({}, {}): move every image into the folder of its \
                 class, or all into one folder for an unlabelled set",
                self.entries[loose].name, self.entries[inside].name
            ));
        }
        let classes = at.iter().map(|&i| class(i)).collect();
        Ok(Place { at, depth, classes })
    }

    /// Stops where it cannot be told which folders are the classes.
    fn check_levels(&self, places: &[Option<Place>; 3]) -> Result<()> {
        for place in places.iter().flatten().filter(|p| p.classes.is_some()) {
            let mut below: BTreeMap<&str, BTreeSet<Option<&str>>> = BTreeMap::new();
            for &i in &place.at {
                let folder = &self.folders[i];
                below.entry(folder[place.depth]).or_default().insert(folder.get(place.depth + 1).copied());
            }
            let outer: Vec<&str> = below.keys().copied().collect();
            if let Some(images) = outer.iter().find(|n| outer.len() > 1 && IMAGE_FOLDERS.contains(&&*n.to_lowercase()))
            {
                let others: Vec<&str> = outer.iter().filter(|n| *n != images).copied().collect();
                return self.fail(format!(
                    "holds a folder {images:?} beside others with images ({}), which are hardly classes: give the path of the \
                     folder whose images are meant, or rename it if it is a class",
                    listed(&others)
                ));
            }
            let Some((inner, rest)) = below.values().next().map(|first| (first, below.values().skip(1))) else {
                continue;
            };
            let mut rest = rest.peekable();
            // The same ones below each: the outer ones are parts called otherwise, or domains, more often than classes.
            if rest.peek().is_some() && inner.len() > 1 && !inner.contains(&None) && rest.all(|other| other == inner) {
                let inner: Vec<&str> = inner.iter().copied().flatten().collect();
                return self.fail(format!(
                    "holds the same folders ({}) in each of its folders ({}), so that it is not clear which are the classes: if \
                     the inner ones are, call the outer ones train, val and test, or give the path of one of them; if the outer \
                     ones are, put their images into them directly",
                    listed(&inner),
                    listed(&outer)
                ));
            }
        }
        Ok(())
    }

    /// Says that class folders hold folders, which tell no classes.
    fn folders_below(&self, places: &[Option<Place>; 3]) -> Option<String> {
        let of = |p: &Place| p.at.iter().find(|&&i| self.folders[i].len() > p.depth + 1).map(|&i| (i, p.depth));
        let (i, depth) = places.iter().flatten().filter(|p| p.classes.is_some()).find_map(of)?;
        let (class, below) = (self.folders[i][depth], self.folders[i].join("/"));
        Some(format!("class folders hold folders, which tell no classes: the images in {below} are of class {class:?}"))
    }

    /// Counts the files that are no images that are read, and folders without any.
    ///
    /// # Errors
    /// If a class loses all its images by that.
    fn count_others(&self, places: &[Option<Place>; 3], level: Option<usize>, left_out: &mut LeftOut) -> Result<()> {
        let mut with_images = HashSet::new();
        for (place, i) in places.iter().flatten().flat_map(|p| p.at.iter().map(move |i| (p, *i))) {
            with_images.extend((level.map_or(0, |l| l + 1)..=place.depth + 1).filter_map(|d| self.folders[i].get(..d)));
        }
        let mut lost: BTreeMap<Vec<&str>, Vec<&Entry>> = BTreeMap::new();
        for entry in &self.source.files {
            let (kind, ending) = ending_of(&entry.file_name());
            match kind {
                Ending::Image => continue,
                Ending::UnreadImage => {
                    left_out.add(format!("an image of a kind that is not read ({ending})"), &entry.name)
                }
                Ending::Other if is_unnamed_picture(entry, &ending) => {
                    left_out.add(format!("an image by its content, and not by its name ({ending})"), &entry.name);
                }
                Ending::Other => left_out.add(format!("not an image ({ending})"), &entry.name),
            }
            let folder = parts_of(entry.folder());
            let place = match level {
                Some(level) => match folder.get(level).and_then(|n| part_of(n)) {
                    // A part none of whose images is read.
                    Some(part) if places[part as usize].is_none() => Some(level),
                    Some(part) => places[part as usize].as_ref().map(|p| p.depth),
                    None => None,
                },
                None => places[0].as_ref().map(|p| p.depth),
            };
            let Some(class) = place.and_then(|depth| folder.get(..depth + 1)) else { continue };
            let wrapped =
                |p: &Place| p.at.first().is_some_and(|&i| self.folders[i].get(..p.depth) == folder.get(..p.depth));
            if !with_images.contains(class) && (level.is_some() || places[0].as_ref().is_some_and(wrapped)) {
                lost.entry(class.to_vec()).or_default().push(entry);
            }
        }
        for (folder, files) in lost {
            self.check_lost(&folder.join("/"), &files)?;
            left_out.add("a folder without images", folder.join("/"));
        }
        Ok(())
    }

    /// Stops if a folder none of whose files is read as an image holds images.
    fn check_lost(&self, folder: &str, files: &[&Entry]) -> Result<()> {
        let mut endings: BTreeMap<String, usize> = BTreeMap::new();
        files.iter().for_each(|e| *endings.entry(ending_of(&e.file_name()).1).or_default() += 1);
        let unread = files.iter().any(|e| ending_of(&e.file_name()).0 == Ending::UnreadImage);
        let misnamed = || -> Result<bool> {
            for entry in files.iter().take(8) {
                if Pixels::is_picture(&entry.head(HEAD)?) {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        if !unread && !misnamed()? {
            return Ok(());
        }
        let found: Vec<String> = endings.iter().map(|(ending, n)| format!("{n} {ending}")).collect();
        let repair = if unread {
            "turn them into JPEG or PNG, or move the folder elsewhere".to_string()
        } else {
            format!(
                "they are images by their content, so give them the ending they should have, or move the folder elsewhere; read are {}",
                super::index::words_of_endings()
            )
        };
        self.fail(format!(
            "none of the {} files in the class folder {folder} is read as an image ({}; the first is {}): {repair}",
            files.len(),
            found.join(", "),
            files[0].name
        ))
    }
}

/// Endings of files that lie beside images by the thousand; of these the name is believed.
const PLAIN: [&str; 14] = [
    ".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".html", ".npy", ".mat", ".pdf", ".log",
];

/// Whether a file that is not called as a picture is one.
fn is_unnamed_picture(entry: &Entry, ending: &str) -> bool {
    !PLAIN.contains(&ending) && entry.head(HEAD).is_ok_and(|head| Pixels::is_picture(&head))
}

/// Says that a file sounds as if it told classes, where nothing was read of them.
fn unread_labels(source: &Source) -> Option<String> {
    const SOUNDS: [&str; 8] =
        ["label", "labels", "annotation", "annotations", "class", "classes", "metadata", "instances"];
    const ENDINGS: [&str; 7] = ["csv", "tsv", "json", "jsonl", "txt", "xml", "xlsx"];
    let sounds = |entry: &&Entry| {
        let ending = entry.file_name().rsplit_once('.').is_some_and(|(_, end)| ENDINGS.contains(&end));
        let mut words = entry.name.split(|c: char| !c.is_alphanumeric());
        ending && words.any(|word| SOUNDS.contains(&&*word.to_lowercase()))
    };
    let file = source.files.iter().find(sounds)?;
    Some(format!(
        "{} is not read as a table of classes: that is labels.csv with a row IMAGE,CLASS for each image; boxes and outlines of \
         objects are not trained on",
        file.name
    ))
}

fn parts_of(folder: &str) -> Vec<&str> {
    folder.split('/').filter(|p| !p.is_empty()).collect()
}

fn listed(names: &[&str]) -> String {
    let shown = names[..names.len().min(10)].join(", ");
    if names.len() > 10 { format!("{shown}, ... ({} in all)", names.len()) } else { shown }
}

/// A part whose images all lie in one folder has no classes of its own ("train/images/..."), unless that folder is a
/// class of another part.
fn name_lone_classes(images: &Images<'_>, places: &mut [Option<Place>; 3]) {
    let known: HashSet<String> = places.iter().flatten().flat_map(|p| p.classes.iter().flatten()).cloned().collect();
    for place in places.iter_mut().flatten() {
        // A folder that all share and that is a class elsewhere is the class here, whatever lies below it.
        let shared = images.shared(&place.at);
        let folder = &images.folders[place.at[0]][..shared];
        let class = folder.iter().enumerate().skip(place.depth.min(shared)).find(|(_, name)| known.contains(**name));
        if place.classes.is_none()
            && let Some((depth, class)) = class
        {
            place.classes = Some(vec![class.to_string(); place.at.len()]);
            place.depth = depth;
        }
    }
}

/// Stops at a class of one part that the training part does not have.
fn check_classes(images: &Images<'_>, places: &[Option<Place>; 3]) -> Result<()> {
    let [train, rest @ ..] = places;
    let known: BTreeSet<&String> = match train.as_ref().and_then(|t| t.classes.as_ref()) {
        Some(names) => names.iter().collect(),
        None => return Ok(()),
    };
    let mut sorted: Vec<String> = known.iter().map(|c| c.to_string()).collect();
    sort_classes(&mut sorted);
    for place in rest.iter().flatten() {
        if let Some(i) = place.classes.iter().flatten().position(|n| !known.contains(n)) {
            let name = &place.classes.as_ref().map(|c| c[i].clone()).unwrap_or_default();
            return Err(Error::data(
                &images.entries[place.at[i]].path,
                format!(
                    "its class folder {name:?} has no images in the training part, whose classes are {}{}",
                    listed(&sorted.iter().map(String::as_str).collect::<Vec<_>>()),
                    nearly(name, sorted.iter()).unwrap_or_default()
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sorted_by_number_and_other_names_as_texts() {
        let sorted = |names: &[&str]| {
            let mut names: Vec<String> = names.iter().map(|n| n.to_string()).collect();
            sort_classes(&mut names);
            names
        };
        assert_eq!(sorted(&["0", "1", "10", "11", "2"]), ["0", "1", "2", "10", "11"]);
        assert_eq!(sorted(&["1", "01", "2", "340282366920938463463374607431768211457"])[..3], ["01", "1", "2"]);
        assert_eq!(sorted(&["1", "10", "2", "x"]), ["1", "10", "2", "x"]);
    }
}
