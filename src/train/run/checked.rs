//! A run's checkpoint and its `config.toml` are of one another: an edit between them would give other numbers without a word.

use super::super::checkpoint::Checkpoint;
use super::RunDir;
use crate::error::{Error, Result};
use crate::recipe::{Recipe, RunInfo};
use std::path::Path;
use toml::{Table, Value};

/// What of a run's `config.toml` decides what its weights mean and which checkpoint stands for it. Its images have a list of their
/// own, and with another number of epochs a run is lengthened.
pub(in crate::train) fn record(recipe: &Recipe, info: &RunInfo) -> Result<Table> {
    let RunInfo { mean, std, teacher, data, classes, train_images, val_images, test_images, .. } = info.clone();
    let run =
        RunInfo { mean, std, teacher, data, classes, train_images, val_images, test_images, ..RunInfo::default() };
    let text = Recipe { run: Some(run), ..recipe.weights_only() }.to_toml()?;
    let mut table: Table =
        text.parse().map_err(|e| Error::Config(format!("the record of a run does not read again: {e}")))?;
    ["data", "epochs"].into_iter().for_each(|key| drop(table.remove(key)));
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
