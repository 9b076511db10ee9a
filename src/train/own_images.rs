//! Whether images are still those that a run began with, by the list and the fingerprint that it keeps.

use super::right::Right;
use super::run::RunDir;
use crate::data::{Manifest, Part, Split};
use crate::error::{Error, Result};
use crate::recipe::{Recipe, RunInfo};
use std::sync::Arc;

/// What is other than when a run began, of these parts of its images; nothing if they are the same, or if the run is so old that
/// it does not tell. Of images that have no list, those within the program, only all parts together are known.
///
/// # Errors
/// If the run's list does not read.
pub fn changed(
    run: &RunDir,
    info: &RunInfo,
    now: &Manifest,
    parts: &[Part],
    with_classes: bool,
) -> Result<Option<String>> {
    let Some(began) = &info.data else { return Ok(None) };
    if began == now.fingerprint() {
        return Ok(None);
    }
    if now.is_empty() {
        // Their labels are a model's, and what they were is not kept by part.
        let told = "they are made within the program, so that the [data] settings of the run's config.toml (path, val, split_seed, \
                    hold_out, classes, label_share, numbers of images) or the program are others than when it began";
        return Ok(with_classes.then(|| told.to_string()));
    }
    let list = run.images();
    if !list.exists() {
        return Ok(Some(format!("{} is missing, which would tell what changed", list.display())));
    }
    let table = std::fs::read(&list).map_err(Error::io(&list, "read"))?;
    Manifest::changes_in(&table, &list, now, parts, with_classes)
}

/// Checks that the parts of a run's own images that it is looked at by are those that it began with: a number on others would
/// pass for the run's.
///
/// # Errors
/// If they are others; what changed is told.
pub fn check(run: &RunDir, recipe: &Recipe, info: &RunInfo, now: &Split, parts: &[Part]) -> Result<()> {
    let with_classes = Right::of(recipe) != Right::Model;
    check_of(run, &recipe.data.path, info, now, parts, with_classes)
}

/// As [`check`], of images at `path`; with their classes, or whatever these are.
///
/// # Errors
/// Likewise.
pub fn check_of(
    run: &RunDir,
    path: &str,
    info: &RunInfo,
    now: &Split,
    parts: &[Part],
    with_classes: bool,
) -> Result<()> {
    // A set without a test part is tested on its validation part, and listed once.
    let same = Arc::ptr_eq(&now.val, &now.test);
    let listed: Vec<Part> = parts.iter().map(|p| if same && *p == Part::Test { Part::Val } else { *p }).collect();
    let Some(what) = changed(run, info, &now.manifest(), &listed, with_classes)? else { return Ok(()) };
    let words: Vec<&str> = parts.iter().map(|p| p.word()).collect();
    Err(Error::data(
        path,
        format!(
            "these are not the {} images that the run {} began with: {what}; put them back as they were, or name images with \
             --data PATH, which tells that they are not the run's",
            words.join(" and "),
            run.path().display()
        ),
    ))
}
