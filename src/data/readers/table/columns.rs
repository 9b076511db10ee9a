//! Which columns of a table name the image, its class and its part.

use super::super::super::index::parts::sounds_like_a_part;
use super::super::words::few;
use super::files::Images;
use super::rows::Table;
use crate::error::{Error, Result};
use std::collections::{BTreeSet, HashMap};

/// Names of columns as people write them, without case and punctuation; earlier ones are taken first.
const FILES: [&str; 20] = [
    "filename",
    "filepath",
    "filepaths",
    "file",
    "files",
    "imagepath",
    "imagename",
    "imagefile",
    "path",
    "paths",
    "imageid",
    "image",
    "images",
    "imgpath",
    "imgname",
    "img",
    "imgid",
    "fname",
    "id",
    "name",
];
const CLASSES: [&str; 24] = [
    "label",
    "labels",
    "class",
    "classes",
    "classname",
    "labelname",
    "category",
    "categoryname",
    "breed",
    "species",
    "target",
    "diagnosis",
    "dx",
    "variety",
    "cultivar",
    "character",
    "tag",
    "tags",
    "classid",
    "labelid",
    "categoryid",
    "classindex",
    "labelindex",
    "y",
];
const PARTS: [&str; 8] = ["split", "set", "dataset", "subset", "part", "partition", "usage", "fold"];

/// Columns of yes and no that say a part.
const FLAGS: [&str; 10] = [
    "istest",
    "istrain",
    "istraining",
    "istrainingset",
    "istrainingimage",
    "isval",
    "isvalid",
    "isvalidation",
    "istestset",
    "isholdout",
];

/// The columns of a table by their numbers.
pub(super) struct Columns {
    pub file: usize,
    pub class: usize,
    pub part: Option<usize>,
    /// What a user should know of the choice.
    pub note: Option<String>,
}

/// Finds the columns. `None` if the table has no classes of these images. A table without names of columns gets them.
///
/// # Errors
/// If several columns could be the class, or say several classes an image.
pub(super) fn columns(table: &mut Table<'_>, images: &Images<'_>) -> Result<Option<Columns>> {
    // A first row that is one of an image is no header.
    let is_row = table.headers.len() == 2 && table.headers.iter().any(|h| h.contains('.') && images.has(h));
    if is_row {
        let first = table.headers.iter().position(|h| h.contains('.') && images.has(h)).unwrap_or(0);
        let headers = if first == 0 { ["file", "label"] } else { ["label", "file"] };
        let row = std::mem::replace(&mut table.headers, headers.map(String::from).to_vec());
        table.rows.insert(0, row);
    }
    let all = 0..table.headers.len();
    let known = |names: &[&str], i: usize| names.iter().position(|name| *name == table.plain(i));
    let mut classes: Vec<usize> = all.clone().filter(|i| known(&CLASSES, *i).is_some()).collect();
    classes.sort_by_key(|i| known(&CLASSES, *i));
    // One word for a part is enough: a row that has another is refused when it is read.
    let is_word = |v: &str| super::part(v).is_some() || sounds_like_a_part(v);
    let names_parts = |i: &usize| known(&PARTS, *i).is_some();
    let part = all.clone().find(|i| names_parts(i) && table.column(*i).any(is_word));

    // The file: by name, or by content; of several that fit the one that finds the most images.
    let hits = |i: usize| table.column(i).filter(|v| images.has(v)).collect::<BTreeSet<_>>().len();
    let others = all.clone().filter(|i| !classes.contains(i) && Some(*i) != part);
    let ranked = others.map(|i| (hits(i), std::cmp::Reverse(known(&FILES, i).unwrap_or(FILES.len())), i));
    let Some((found, named, file)) = ranked.max() else { return Ok(None) };
    let is_named = named.0 < FILES.len();
    // By its name alone a column is that of files only where another is that of classes: then it is said that none is there.
    let enough = if is_named { found > 0 || !classes.is_empty() } else { found > 0 && found * 2 >= table.rows.len() };
    if !enough {
        return Ok(None);
    }

    let fail = |m: String| Err(Error::data(&table.file.path, m));
    if let (None, Some(flag)) = (part, all.clone().find(|i| known(&FLAGS, *i).is_some())) {
        return fail(format!(
            "has a column {:?}, as if it said the parts: write a column \"split\" of train, val and test instead, or remove it",
            table.headers[flag]
        ));
    }
    let unused = all.clone().find(|i| names_parts(i) && part.is_none() && !classes.contains(i) && *i != file);
    let mut note = unused.map(|i| {
        let (column, first) = (&table.headers[i], table.column(i).next().unwrap_or_default());
        format!(
            "the column {column:?} of {} ({first:?}, ...) says no parts that are known: it is not used",
            table.file.name
        )
    });
    if classes.is_empty() {
        let rest: Vec<usize> = all.filter(|i| *i != file && Some(*i) != part).collect();
        let is_flag = |i: &usize| table.column(*i).all(|v| matches!(v, "0" | "1" | "0.0" | "1.0"));
        if rest.len() > 1 && rest.iter().all(is_flag) {
            let names: Vec<&str> = rest.iter().map(|i| table.headers[*i].as_str()).collect();
            return fail(format!(
                "has a column of 0 and 1 for each of {} classes ({}): write one column \"label\" with the name of the class; \
                 several classes an image are not trained on",
                rest.len(),
                few(&names)
            ));
        }
        let [only] = rest[..] else { return Ok(None) };
        let kinds = table.column(only).collect::<BTreeSet<_>>().len();
        if kinds * 2 > table.rows.len() {
            return Ok(None);
        }
        note = Some(format!("the class is read from the column {:?} of {}", table.headers[only], table.file.name));
        classes.push(only);
    }
    let class = classes[0];
    says_one_class(table, class, &classes[1..])?;
    Ok(Some(Columns { file, class, part, note }))
}

/// Refuses a table that has another column of classes, which says something else, or several classes an image.
fn says_one_class(table: &Table<'_>, class: usize, others: &[usize]) -> Result<()> {
    let fail = |m: String| Err(Error::data(&table.file.path, m));
    for other in others {
        if !same(table, class, *other) {
            return fail(format!(
                "has two columns that could be the class, {:?} and {:?}, and they do not say the same: keep one of them, or \
                 rename the other",
                table.headers[class], table.headers[*other]
            ));
        }
    }
    if let Some(several) = several(table, class) {
        return fail(format!(
            "says several classes for an image ({several:?} in the column {:?}): images with several labels are not trained \
             on; keep one a row",
            table.headers[class]
        ));
    }
    Ok(())
}

/// Whether two columns tell the same rows apart.
fn same(table: &Table<'_>, a: usize, b: usize) -> bool {
    let (mut there, mut back) = (HashMap::new(), HashMap::new());
    table
        .column(a)
        .zip(table.column(b))
        .all(|(a, b)| *there.entry(a).or_insert(b) == b && *back.entry(b).or_insert(a) == a)
}

/// A field that is made of several others: "scab rust" where "scab" and "rust" are classes too.
fn several<'t>(table: &'t Table<'_>, class: usize) -> Option<&'t str> {
    let all: BTreeSet<&str> = table.column(class).collect();
    let plural = matches!(table.plain(class).as_str(), "labels" | "tags" | "classes" | "categories" | "targets");
    all.iter().copied().find(|field| {
        let apart = |c: char| matches!(c, '|' | ';' | ',') || (plural && c.is_whitespace());
        let words: Vec<&str> = field.split(apart).map(str::trim).filter(|w| !w.is_empty()).collect();
        // A list of JSON is never one class.
        field.starts_with('[') || words.len() > 1 && words.iter().all(|w| all.contains(w))
    })
}
