//! `--set key=value`.

use super::Source;
use crate::error::{Error, Result};
use crate::suggest::with_suggestion;
use serde::Serialize;

/// A flag that sets a key of recipes, the key, and whether the flag is given.
pub type Flag = (&'static str, &'static str, bool);

/// That no key is set by a flag of its own and by `--set` as well: one of them would not count.
///
/// # Errors
/// Naming both.
pub fn given_once(settings: &[String], flags: &[Flag]) -> Result<()> {
    let key = |setting: &str| setting.split('=').next().unwrap_or_default().trim().to_string();
    for (flag, name, _) in flags.iter().filter(|(.., given)| *given) {
        if let Some(setting) = settings.iter().find(|s| key(s) == *name) {
            return Err(Error::Config(format!("{flag} and --set {setting} are both given: leave one of them out")));
        }
    }
    Ok(())
}

/// A recipe with `key=value` settings, keys dotted, values as in TOML (a bare word is a string), read anew and checked by
/// `validate`.
///
/// # Errors
/// Naming the setting that is wrong, and the nearest key or value that exists.
pub fn changed<T: Serialize + Clone>(
    recipe: &T,
    settings: &[String],
    read: impl Fn(Source<'_>) -> Result<T, toml::de::Error>,
    validate: impl Fn(&T) -> Result<()>,
) -> Result<T> {
    if settings.is_empty() {
        return Ok(recipe.clone());
    }
    let mut table = toml::Table::try_from(recipe)
        .map_err(|e| Error::Config(format!("the recipe cannot be written as TOML: {e}")))?;
    // A kind first, whatever the order: what is set beside it is meant for that kind.
    let is_kind = |s: &&String| s.split('=').next().is_some_and(|key| key.trim().ends_with(".kind"));
    let (kinds, others): (Vec<&String>, Vec<&String>) = settings.iter().partition(is_kind);
    for setting in kinds.into_iter().chain(others) {
        let set = apply(&mut table, setting)?;
        if let Some(of) = set.strip_suffix(".kind") {
            leave_to_kind(&mut table, of, &read);
        }
    }
    let joined = settings.iter().map(|s| format!("--set {s}")).collect::<Vec<_>>().join(" ");
    let recipe = read(Source::Table(&table)).map_err(|e| {
        let message = with_suggestion(e.message().trim());
        // Of several settings, name the one whose key the message quotes.
        let guilty = message.split('`').nth(1).and_then(|key| {
            let names = |s: &str| s.split('=').next().is_some_and(|k| k.trim().split('.').any(|p| p == key));
            settings.iter().find(|s| names(s))
        });
        Error::Config(match guilty {
            Some(s) => format!("--set {s}: {message}"),
            None => format!("{joined}: {message}"),
        })
    })?;
    validate(&recipe).map_err(|e| Error::Config(format!("{joined}: {e}")))?;
    Ok(recipe)
}

/// Keys that have another name now. In files serde reads both.
const RENAMED: [(&str, &str); 1] = [("data.test_share", "data.test")];

/// Leaves out what a table has of another kind than its own: `optimiser.kind=sgd` means sgd as it is unless more is said, whatever the
/// recipe's optimiser had for settings.
fn leave_to_kind<T>(table: &mut toml::Table, of: &str, read: impl Fn(Source<'_>) -> Result<T, toml::de::Error>) {
    fn part<'a>(table: &'a mut toml::Table, of: &str) -> Option<&'a mut toml::Table> {
        of.split('.').try_fold(table, |at, name| at.get_mut(name)?.as_table_mut())
    }
    let Some(own) = part(table, of) else { return };
    let keys: Vec<String> = own.keys().filter(|key| *key != "kind").cloned().collect();
    for key in keys {
        // Whether the kind has a setting is known where it is read.
        let mut alone = table.clone();
        if let Some(own) = part(&mut alone, of) {
            own.retain(|name, _| name == "kind" || *name == key);
        }
        let refused = read(Source::Table(&alone)).err().is_some_and(|e| {
            let message = e.message();
            message.contains(&format!("unknown field `{key}`")) || message.contains(&format!("{key} is no setting"))
        });
        if let Some(own) = part(table, of).filter(|_| refused) {
            own.remove(&key);
        }
    }
}

/// Sets one dotted key of a table; the key.
fn apply(table: &mut toml::Table, setting: &str) -> Result<String> {
    let fail = |why: &str| Error::Config(format!("--set {setting}: {why}"));
    let (key, value) = setting.split_once('=').ok_or_else(|| fail("write it as key=value, for example epochs=10"))?;
    let value = value.trim();
    let value = match toml::from_str::<toml::Table>(&format!("v = {value}")) {
        Ok(mut parsed) if parsed.len() == 1 => parsed.remove("v").ok_or_else(|| fail("the value does not parse"))?,
        _ => toml::Value::String(value.to_string()),
    };
    let key = RENAMED.iter().find(|(old, _)| *old == key.trim()).map_or(key, |(_, new)| new);
    let mut path: Vec<&str> = key.trim().split('.').collect();
    let last = path.pop().filter(|k| !k.is_empty()).ok_or_else(|| fail("the key is missing"))?;
    let mut at = table;
    for part in path {
        at = at
            .entry(part)
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .ok_or_else(|| fail(&format!("`{part}` is a value and has nothing below it")))?;
    }
    // A whole number where a fraction stood is one: `lr=1`.
    let value = match (at.get(last), value) {
        (Some(toml::Value::Float(_)), toml::Value::Integer(i)) => toml::Value::Float(i as f64),
        (_, v) => v,
    };
    at.insert(last.to_string(), value);
    Ok(key.trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{DEFAULT, Recipe};

    fn with(settings: &[&str]) -> Result<Recipe> {
        let recipe = Recipe::find(DEFAULT).unwrap().1;
        let settings: Vec<String> = settings.iter().map(|s| s.to_string()).collect();
        changed(&recipe, &settings, |source| Recipe::read(source, &[]), |_| Ok(()))
    }

    #[test]
    fn another_kind_is_as_it_is_by_itself() {
        let text = |settings: &[&str]| with(settings).unwrap().to_toml().unwrap();
        let sgd = text(&["optimiser.kind=sgd", "optimiser.momentum=0.9", "schedule.kind=constant"]);
        let table: toml::Table = sgd.parse().unwrap();
        let (optimiser, schedule) = (table["optimiser"].as_table().unwrap(), table["schedule"].as_table().unwrap());
        assert!(!optimiser.contains_key("beta1") && !schedule.contains_key("min"), "{sgd}");
        assert_eq!((optimiser["kind"].as_str(), optimiser["momentum"].as_float()), (Some("sgd"), Some(0.9)));
        // What is given for another kind is refused as ever, and what a kind must have is asked for.
        let message = |settings: &[&str]| with(settings).unwrap_err().to_string();
        assert!(message(&["optimiser.kind=sgd", "optimiser.beta1=0.5"]).contains("beta1"));
        assert!(message(&["optimiser.beta1=0.5", "optimiser.kind=sgd"]).contains("beta1"));
        assert!(message(&["schedule.kind=step"]).contains("milestones"));
        assert!(message(&["optimiser.kind=sdg"]).contains("sdg"));
    }
}
