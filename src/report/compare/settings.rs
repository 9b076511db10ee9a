//! The settings of runs, and which of them tell runs apart.

use crate::error::Result;
use crate::recipe::{Recipe, RunInfo};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Settings by their dotted keys, values as TOML has them.
pub type Settings = BTreeMap<String, String>;

/// What changes no result, or is told in another way.
const LEFT_OUT: [&str; 8] =
    ["description", "method", "seed", "run", "data.path", "data.memory", "eval.batch", "teacher.trained_by"];

/// What a run's teacher, and what it started from, are by their own settings ([`crate::train::origin::lineage`]).
const LINEAGE: [&str; 2] = ["teacher.hash", "start_from.hash"];

/// The settings of a run: those of its recipe, and what the networks are that it learned and started from. Of runs that do not
/// keep that their names count alone.
pub fn settings_of_run(recipe: &Recipe, info: &RunInfo) -> Result<Settings> {
    let lineage = LINEAGE.into_iter().zip([&info.teacher_of, &info.start_of]);
    let lineage = lineage.filter_map(|(key, of)| Some((key.to_string(), of.as_ref()?.get(..8)?.to_string())));
    Ok(settings(recipe)?.into_iter().chain(lineage).collect())
}

/// The settings of a recipe that decide what comes out, besides its seed and where its images lie. Of runs that it learns or
/// starts from the name counts, without the number that tells runs of a recipe apart.
pub fn settings(recipe: &Recipe) -> Result<Settings> {
    settings_of_text(&Recipe { run: None, ..recipe.clone() }.to_toml()?)
}

/// The settings of any recipe's text, in which numbers have no more digits than they need; see [`settings`].
pub fn settings_of_text(text: &str) -> Result<Settings> {
    let table: toml::Table = toml::from_str(text)
        .map_err(|e| crate::error::Error::Config(format!("the recipe does not read back: {}", e.message())))?;
    let mut all = Settings::new();
    flatten("", &toml::Value::Table(table), &mut all);
    all.retain(|key, _| !LEFT_OUT.contains(&key.as_str()) && !key.starts_with("checkpoint."));
    for key in ["teacher.run", "start_from", "features"] {
        if let Some(run) = all.get_mut(key) {
            *run = origin(run);
        }
    }
    Ok(all)
}

fn flatten(key: &str, value: &toml::Value, all: &mut Settings) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(&key, value, all);
            }
        }
        toml::Value::String(text) => drop(all.insert(key.to_string(), text.clone())),
        other => drop(all.insert(key.to_string(), other.to_string())),
    }
}

/// A run's name without its number: of which seed a teacher was makes no other row.
fn origin(run: &str) -> String {
    let name = Path::new(run).file_name().unwrap_or_default().to_string_lossy().into_owned();
    match name.rsplit_once('-') {
        Some((stem, number)) if number.bytes().all(|b| b.is_ascii_digit()) => stem.to_string(),
        _ => name,
    }
}

/// The keys that get a column, of rows with a recipe's name and settings: their values differ, and that does not follow from
/// the recipes alone. It follows from them where each row has what its built-in recipe says.
pub fn telling(rows: &[(&str, &Settings)]) -> Vec<String> {
    let keys: BTreeSet<&String> = rows.iter().flat_map(|(_, s)| s.keys()).collect();
    let bases: BTreeMap<&str, Option<Settings>> = rows.iter().map(|(name, _)| (*name, built_in(name))).collect();
    let tells = |key: &&String| {
        let value = |s: &'_ Settings| s.get(*key).cloned();
        let differs = rows.iter().any(|(_, s)| value(s) != value(rows[0].1));
        let within = || rows.iter().any(|(n, s)| rows.iter().any(|(m, t)| n == m && value(s) != value(t)));
        let changed = || rows.iter().any(|(name, s)| bases[name].as_ref().is_some_and(|base| value(s) != value(base)));
        // Recipes do not say what is at their paths.
        let changed = || !LINEAGE.contains(&key.as_str()) && changed();
        differs && (within() || changed() || key.as_str() == "epochs")
    };
    keys.into_iter().filter(tells).cloned().collect()
}

fn built_in(name: &str) -> Option<Settings> {
    let (_, text) = crate::recipe::built_in().into_iter().find(|(n, _)| *n == name)?;
    settings(&Recipe::parse(text, Path::new(name)).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, changes: &[&str]) -> Settings {
        let changes: Vec<String> = changes.iter().map(|c| c.to_string()).collect();
        settings(&Recipe::find(name).unwrap().1.with(&changes).unwrap()).unwrap()
    }

    #[test]
    fn what_was_set_tells_rows_apart_and_what_recipes_say_does_not() {
        let (sign, xnor) = (of("small-sign", &[]), of("small-xnor", &[]));
        assert_ne!(sign, xnor);
        assert_eq!(telling(&[("small-sign", &sign), ("small-xnor", &xnor)]), Vec::<String>::new());
        let wide = of("small-sign", &["net.widths=[8,8,8,8]", "lr=0.01"]);
        let rows = [("small-sign", &sign), ("small-sign", &wide), ("small-xnor", &xnor)];
        assert_eq!(telling(&rows), ["lr", "net.widths"]);
        assert_eq!(wide["lr"], "0.01");
        // One value for all of a recipe, and another for all of another: set by whoever trained them.
        let longer = of("small-xnor", &["data.label_share=0.5"]);
        assert_eq!(telling(&[("small-sign", &sign), ("small-xnor", &longer)]), ["data.label_share"]);
        // Set likewise everywhere: no column.
        let both = [of("small-sign", &["batch=50"]), of("small-xnor", &["batch=50"])];
        assert_eq!(telling(&[("small-sign", &both[0]), ("small-xnor", &both[1])]), Vec::<String>::new());
    }

    #[test]
    fn seeds_and_places_make_no_other_row() {
        let plain = of("small-rbcn", &[]);
        let same =
            of("small-rbcn", &["seed=7", "eval.batch=9", "data.path=elsewhere", "teacher.run=other/small-float-3"]);
        assert_eq!(plain, same);
        assert_ne!(plain, of("small-rbcn", &["teacher.run=other/wide"]));
    }
}
