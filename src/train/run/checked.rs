//! A run's checkpoint and its `config.toml` are of one another: an edit between them would give other numbers without a word.

use super::super::checkpoint::{Checkpoint, Position};
use super::RunDir;
use crate::error::{Error, Result};
use crate::recipe::{Recipe, RunInfo};
use std::path::Path;
use toml::{Table, Value};

/// Settings of `[data]` that decide which pixels an image has. Which images there are is told by their list.
const PIXELS: [&str; 6] = ["size", "channels", "background", "truncated", "coarse_labels", "crops"];

/// What of a run's `config.toml` decides what its weights mean and which checkpoint stands for it. With another number of epochs a
/// run is lengthened.
pub(in crate::train) fn record(recipe: &Recipe, info: &RunInfo) -> Result<Table> {
    let RunInfo { mean, std, teacher, data, classes, train_images, val_images, test_images, .. } = info.clone();
    let run =
        RunInfo { mean, std, teacher, data, classes, train_images, val_images, test_images, ..RunInfo::default() };
    let text = Recipe { run: Some(run), ..recipe.weights_only() }.to_toml()?;
    let mut table: Table =
        text.parse().map_err(|e| Error::Config(format!("the record of a run does not read again: {e}")))?;
    table.remove("epochs");
    if let Some(data) = table.get_mut("data").and_then(Value::as_table_mut) {
        data.retain(|key, _| PIXELS.contains(&key));
    }
    Ok(table)
}

impl RunDir {
    /// One of its checkpoints. `recipe` and `info` are as `config.toml` has them.
    ///
    /// # Errors
    /// If it cannot be read, or was made with other settings: the first that differs is named.
    pub fn checkpoint(&self, path: &Path, recipe: &Recipe, info: &RunInfo) -> Result<Checkpoint> {
        let checkpoint = Checkpoint::load(path)?;
        // Checkpoints of earlier versions do not know what they were made with.
        let Some(then) = &checkpoint.position.record else { return Ok(checkpoint) };
        let Some((key, now, then)) = first_difference("", &record(recipe, info)?, then) else { return Ok(checkpoint) };
        let told = |value: Option<Value>| value.map_or("nothing".into(), |v| v.to_string());
        Err(Error::data(
            path,
            format!(
                "it was made with {key} = {}, and {} has {} now: put that back as it was",
                told(then),
                self.config_path().display(),
                told(now)
            ),
        ))
    }
}

/// Checks that a checkpoint is of a recipe, of the length that it has or had.
///
/// # Errors
/// If it was made with another one.
pub fn check_recipe(path: &Path, position: &Position, recipe: &Recipe, info: &RunInfo) -> Result<()> {
    // A run that was lengthened may have been killed before it wrote a checkpoint of its new length.
    let lengths = info.lengthened.iter().map(|epochs| Recipe { epochs: *epochs, ..recipe.clone() });
    for of in lengths.chain([recipe.clone()]) {
        if format!("{:016x}", of.hash()?) == position.recipe {
            return Ok(());
        }
    }
    Err(Error::data(
        path,
        format!(
            "the checkpoint was made with another recipe (hash {}, config.toml has {:016x}): put config.toml back as it was, or start \
             a new run",
            position.recipe,
            recipe.hash()?
        ),
    ))
}

/// The dotted key of the first value that differs, and both values.
fn first_difference(above: &str, a: &Table, b: &Table) -> Option<(String, Option<Value>, Option<Value>)> {
    a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))).find_map(|name| {
        let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        match (a.get(name), b.get(name)) {
            (Some(Value::Table(a)), Some(Value::Table(b))) => first_difference(&key, a, b),
            (a, b) if a == b => None,
            (a, b) => Some((key, a.cloned(), b.cloned())),
        }
    })
}
