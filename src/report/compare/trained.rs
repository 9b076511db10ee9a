//! What runs were trained on, and for how long: what makes them other experiments where recipe and settings are the same.

use crate::error::{Error, Result};
use crate::hash::fnv1a;
use crate::recipe::{EMBEDDED, Recipe, RunInfo};
use crate::train::right::Right;
use crate::train::run::RunDir;
use std::collections::BTreeMap;

/// The images of a part.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// Equal if they are the same; none if the run does not tell.
    pub id: Option<String>,
    /// How many; none in runs of earlier versions.
    pub images: Option<usize>,
}

/// What a run was trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// What it learned from.
    pub train: Set,
    /// What its checkpoint was chosen by.
    pub val: Set,
    /// How it came to its number of epochs, if it had not that from the start: a schedule has jumped there.
    pub lengthened: String,
}

impl Trained {
    /// Of a run.
    ///
    /// # Errors
    /// If its list of images does not read.
    pub fn of(run: &RunDir, recipe: &Recipe, info: &RunInfo) -> Result<Trained> {
        let set = |part: &str, images| Ok(Set { id: images_of(run, recipe, info, part)?, images });
        let at = |i: usize| info.lengthened_at.get(i).map_or(String::new(), |step| format!(" at step {step}"));
        let times = info.lengthened.iter().enumerate().map(|(i, epochs)| format!("from {epochs} epochs{}", at(i)));
        Ok(Trained {
            train: set("train", info.train_images)?,
            val: set("val", info.val_images)?,
            lengthened: times.collect::<Vec<_>>().join(", "),
        })
    }
}

/// A number that differs if the images of a part or their order do: by the list that the run keeps.
fn images_of(run: &RunDir, recipe: &Recipe, info: &RunInfo, part: &str) -> Result<Option<String>> {
    let list = run.images();
    if !list.is_file() {
        // Which of the program's own images they are follows from the settings.
        let d = &recipe.data;
        let parts = format!("{} {} {} {:?}", d.val, d.hold_out, d.split_seed, d.classes);
        let own = match part {
            "train" => format!("{EMBEDDED} {parts} {:?} {}", d.train_images, d.label_share),
            _ => format!("{EMBEDDED} {parts}"),
        };
        return Ok(if d.path == EMBEDDED { Some(own) } else { info.data.clone() });
    }
    // Labels that a model made are another model's with each seed.
    let with_class = Right::of(recipe) != Right::Model;
    let fail = |e: csv::Error| Error::data(&list, format!("the list of images does not read: {e}"));
    let mut text = String::new();
    for row in csv::Reader::from_path(&list).map_err(fail)?.records() {
        let row = row.map_err(fail)?;
        if row.get(2) == Some(part) {
            let fields = row.iter().enumerate().filter(|(i, _)| *i != 1 || with_class).map(|(_, field)| field);
            text += &fields.collect::<Vec<_>>().join("\0");
            text.push('\n');
        }
    }
    Ok(Some(format!("{:016x}", fnv1a(text.bytes()))))
}

/// Letters for sets of images, in the order in which they come; those that are not known have none.
pub fn letters<'a>(ids: impl Iterator<Item = Option<&'a str>>) -> BTreeMap<String, String> {
    let mut letters: BTreeMap<String, String> = BTreeMap::new();
    for id in ids.flatten() {
        let n = letters.len();
        // A to Z, then A1 to Z1.
        let letter = char::from(b'A' + (n % 26) as u8).to_string();
        let again = if n < 26 { String::new() } else { (n / 26).to_string() };
        letters.entry(id.to_string()).or_insert(letter + &again);
    }
    letters
}

/// A set by its letter and number.
pub fn told(set: &Set, letters: &BTreeMap<String, String>) -> String {
    let letter = set.id.as_ref().and_then(|id| letters.get(id)).map_or("?", String::as_str);
    match set.images {
        Some(0) => "none".into(),
        Some(n) => format!("{letter} ({n} images)"),
        None => letter.into(),
    }
}
