//! Images whose classes stand in a table beside them: `labels.csv`, Kaggle's `train.csv`, `metadata.csv` and
//! `metadata.jsonl` as Hugging Face reads them.
//!
//! A row has the name of an image, with or without folders and ending, and its class. Which columns these are is seen from
//! their names, else from what they hold ([`columns`]). The part is that of a column "split", else of the table's name, else
//! of the image's folder.

mod columns;
mod files;
mod rows;

use super::super::index::{Coding, Found, Item, LeftOut, Part};
use super::super::source::{Entry, Source};
use super::labels::in_order;
use super::words::{base, few, known_part, part, words};
use super::{Set, is_image};
use crate::error::{Error, Result};
use columns::{Columns, columns};
use files::{Images, Match, part_of_folders};
use rows::{Table, is_table};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// One image of a table.
struct Row<'a> {
    image: &'a Entry,
    class: String,
    part: Option<Part>,
    table: &'a Entry,
}

/// All that the tables of a source say.
#[derive(Default)]
struct Said<'a> {
    rows: Vec<Row<'a>>,
    tables: Vec<&'a Entry>,
    notes: Vec<String>,
    left_out: LeftOut,
    /// Images that a table lists without a class.
    unclassed: BTreeSet<&'a str>,
    /// Whether a column says the parts.
    has_parts: bool,
}

/// A set, if a table has the classes of the images, and class folders do not say the same.
pub(super) fn find(source: &Source) -> Result<Vec<Set<'_>>> {
    let tables: Vec<&Entry> = source.files.iter().filter(|e| is_table(e)).collect();
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let images = Images::new(source.files.iter().filter(|e| is_image(e)).collect());
    if images.all().is_empty() {
        return Ok(Vec::new());
    }
    let mut said = Said::default();
    for file in tables {
        // What a competition wants to be given is filled with made-up classes.
        if words(base(file)).iter().any(|w| w.starts_with("submission")) {
            continue;
        }
        // A damaged table is a fault of the set only where the classes are not known otherwise.
        let table = match Table::read(file) {
            Ok(table) => table,
            Err(e) if are_class_folders(&images) => {
                said.notes.push(format!("a table was not read: {e}"));
                continue;
            }
            Err(e) => return Err(e),
        };
        let Some(mut table) = table else { continue };
        let Some(columns) = columns(&mut table, &images)? else { continue };
        add(source, &table, &columns, &images, &mut said)?;
    }
    if said.rows.is_empty() || !overrules_folders(source, &mut said, &images)? {
        return Ok(Vec::new());
    }
    let used: Vec<&Entry> = images.all().iter().chain(&said.tables).copied().collect();
    Ok(vec![Set::new("images with a table of classes", "", used, move |_| read(source, said, &images))])
}

/// Whether images lie in two folders or more that are no parts.
fn are_class_folders(images: &Images<'_>) -> bool {
    let folders: BTreeSet<&str> = images.all().iter().filter_map(|e| own_folder(e)).collect();
    folders.len() > 1
}

/// The innermost folder of an image that could be a class.
fn own_folder(image: &Entry) -> Option<&str> {
    let name = image.folder().rsplit('/').find(|f| !f.eq_ignore_ascii_case("images"))?;
    (!name.is_empty() && part_of_folders(name).is_none()).then_some(name)
}

/// Adds the rows of a table.
fn add<'a>(
    source: &Source,
    table: &Table<'a>,
    columns: &Columns,
    images: &Images<'a>,
    said: &mut Said<'a>,
) -> Result<()> {
    let (file, mut missing) = (table.file, Vec::new());
    let whole = known_part(&file.path, base(file))?;
    let before = said.rows.len();
    for (i, row) in table.rows.iter().enumerate() {
        let own = match columns.part {
            Some(c) => match part(&row[c]) {
                Some(part) => Some(part),
                None => {
                    return Err(Error::data(
                        &file.path,
                        format!(
                            "row {} says part {:?} ({}): expected train, val or test",
                            i + 2,
                            row[c].chars().take(40).collect::<String>(),
                            table.headers[c]
                        ),
                    ));
                }
            },
            None => whole,
        };
        let name = &row[columns.file];
        let image = match images.find(name, file.folder(), own) {
            Match::One(image) => image,
            Match::None => {
                missing.push(name);
                continue;
            }
            Match::Several(a, b) => {
                return Err(Error::data(
                    &file.path,
                    format!(
                        "row {} names {name:?}, which can be {} or {}: write the folder with the name",
                        i + 2,
                        a.name,
                        b.name
                    ),
                ));
            }
        };
        if row[columns.class].is_empty() {
            if said.unclassed.insert(&image.name) {
                said.left_out.add(format!("an image without a class in {}", file.name), &image.name);
            }
            continue;
        }
        let part = own.or_else(|| part_of_folders(image.folder()));
        said.rows.push(Row { image, class: row[columns.class].clone(), part, table: file });
    }
    if said.rows.len() == before {
        if are_class_folders(images) {
            return Ok(());
        }
        return Err(Error::data(
            &file.path,
            format!(
                "names {} files ({}), and none of them is among the {} images of {}: put the images beside it, or move the \
                 table elsewhere if it is of others",
                missing.len(),
                few(&missing),
                images.all().len(),
                source.path.display()
            ),
        ));
    }
    missing.iter().for_each(|name| said.left_out.add(format!("a row of {} without its image", file.name), *name));
    said.tables.push(file);
    said.has_parts |= columns.part.is_some();
    said.notes.extend(columns.note.clone());
    Ok(())
}

/// Names of folders or classes, each with those of the other kind that go with it.
type Others<'a> = HashMap<&'a str, BTreeSet<&'a str>>;

/// Whether a row's class is what another folder than that of its image is called. Of numbers that means nothing where they are
/// other ones: of folders that count from 1 and a table that counts from 0.
fn is_another_folder<'s>(class_of: &Others<'_>, folder_of: &Others<'_>) -> impl Fn(&Row<'s>) -> bool {
    let folders: HashSet<String> = class_of.keys().map(|folder| folder.to_lowercase()).collect();
    let same_names = class_of.len() == folder_of.len() && class_of.keys().all(|folder| folder_of.contains_key(folder));
    move |row| {
        let class = row.class.to_lowercase();
        let is_number = class.bytes().all(|b| b.is_ascii_digit());
        let own = own_folder(row.image).map(str::to_lowercase);
        (same_names || !is_number) && folders.contains(&class) && own.is_some_and(|own| own != class)
    }
}

/// Whether the tables are what says the classes, where images lie in folders that could be classes too.
fn overrules_folders(source: &Source, said: &mut Said<'_>, images: &Images<'_>) -> Result<bool> {
    let (mut class_of, mut folder_of) = (Others::new(), Others::new());
    for row in &said.rows {
        let Some(folder) = own_folder(row.image) else { continue };
        class_of.entry(folder).or_default().insert(&row.class);
        folder_of.entry(&row.class).or_default().insert(folder);
    }
    // Images in no folder, or in the folder of a part: only the tables say something.
    if class_of.is_empty() {
        return Ok(true);
    }
    let is_another = is_another_folder(&class_of, &folder_of);
    let against: Vec<&Row<'_>> = said.rows.iter().filter(|row| is_another(row)).collect();
    let one_to_one = class_of.values().chain(folder_of.values()).all(|others| others.len() == 1);
    if let (Some(first), true) = (against.first(), one_to_one && are_class_folders(images)) {
        // Which of them is wrong, nobody can tell but who made them.
        return Err(Error::data(
            &first.table.path,
            format!(
                "says that {} is of class {:?}, and there is a folder {:?}, in which it does not lie ({} images in all): move \
                 the table elsewhere to take the folders as classes, or the images into one folder to take the table's",
                first.image.name,
                first.class,
                first.class,
                against.len()
            ),
        ));
    }
    if one_to_one && are_class_folders(images) {
        // Both say the same; the folders are read with all that they hold.
        return Ok(said.has_parts);
    }
    let listed: BTreeSet<&str> = said.rows.iter().map(|r| r.image.name.as_str()).collect();
    let unlisted = images.all().iter().filter(|e| own_folder(e).is_some() && !listed.contains(e.name.as_str())).count();
    if unlisted == 0 || !are_class_folders(images) {
        if let Some(first) = against.first() {
            let note = format!(
                "{} of the images lie in the folder of another class than {} says, which is taken ({} is {:?} there)",
                against.len(),
                first.table.name,
                first.image.name,
                first.class
            );
            said.notes.push(note);
        }
        return Ok(true);
    }
    let mut folders: Vec<&str> = class_of.keys().copied().collect();
    folders.sort_unstable();
    let table = said.tables.first().map_or("the table", |t| &t.name);
    Err(Error::data(
        &source.path,
        format!(
            "{table} says other classes than the folders ({}), and does not list {unlisted} of the images: move {table} \
             elsewhere to take the folders as classes, or the images into one folder to take the table's",
            few(&folders)
        ),
    ))
}

fn read(source: &Source, said: Said<'_>, images: &Images<'_>) -> Result<Found> {
    let Said { mut rows, tables, notes, mut left_out, unclassed, .. } = said;
    // An image that is listed again is one image, with one class and one part.
    rows.sort_by(|a, b| a.image.name.cmp(&b.image.name));
    for pair in rows.windows(2).filter(|pair| pair[0].image.name == pair[1].image.name) {
        let what = |row: &Row<'_>| format!("{:?} in {}", row.class, row.table.name);
        if pair[0].class != pair[1].class {
            return Err(Error::data(
                &source.path,
                format!(
                    "{} has two classes: {} and {}; images with several labels are not trained on: keep one a row",
                    pair[0].image.name,
                    what(&pair[0]),
                    what(&pair[1])
                ),
            ));
        }
        if pair[0].part != pair[1].part {
            return Err(Error::data(
                &source.path,
                format!("{} is listed for two parts ({}): keep it in one", pair[0].image.name, {
                    let names = [pair[0].part, pair[1].part].map(|p| p.map_or("no part", Part::word));
                    names.join(", ")
                }),
            ));
        }
    }
    let all = rows.len();
    rows.dedup_by(|b, a| a.image.name == b.image.name);
    let mut notes = notes;
    if rows.len() < all {
        notes.push(format!("{} rows list an image again, with the same class", all - rows.len()));
    }
    let trains = rows.iter().find(|r| r.part == Some(Part::Train));
    if let (Some(silent), Some(train)) = (rows.iter().find(|r| r.part.is_none()), trains) {
        return Err(Error::data(
            &source.path,
            format!(
                "nothing says the part of {}, and {} is for training: put train, val or test into the name of its table or \
                 folder, or into a column \"split\"",
                silent.image.name, train.image.name
            ),
        ));
    }
    let classes = in_order(rows.iter().map(|r| r.class.clone()).collect());
    let names: Vec<&str> = tables.iter().map(|t| t.name.as_str()).collect();
    if let [only] = &classes[..] {
        return Err(Error::data(
            &source.path,
            format!(
                "{} gives a class to {} of the {} images, and it is {only:?} each time: list the others with their classes, or \
                 move it elsewhere to take the images without labels",
                few(&names),
                rows.len(),
                images.all().len()
            ),
        ));
    }
    let number: BTreeMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
    let mut parts: [Option<Vec<Item>>; 3] = [None, None, None];
    for row in &rows {
        let item =
            Item { entry: row.image.clone(), class: number.get(row.class.as_str()).copied(), coding: Coding::File };
        parts[row.part.unwrap_or(Part::Train) as usize].get_or_insert_default().push(item);
    }
    // A folder "test" that no table lists is what a competition asks about.
    let listed: BTreeSet<&str> = rows.iter().map(|r| r.image.name.as_str()).collect();
    let has_test = parts[Part::Test as usize].is_some();
    let silent = |name: &str| !listed.contains(name) && !unclassed.contains(name);
    for image in images.all().iter().filter(|e| silent(&e.name)) {
        if !has_test && part_of_folders(image.folder()) == Some(Part::Test) {
            let item = Item { entry: (*image).clone(), class: None, coding: Coding::File };
            parts[Part::Test as usize].get_or_insert_default().push(item);
        } else {
            left_out.add(format!("an image that {} does not list", few(&names)), &image.name);
        }
    }
    notes.insert(0, format!("{} classes by {}", classes.len(), few(&names)));
    Ok(Found { name: source.name(), classes, parts, notes, left_out })
}
