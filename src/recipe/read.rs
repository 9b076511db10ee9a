//! Reads a recipe: the common keys by their types, the tables of a method by that method.

use super::Recipe;
use super::keys::{Key, keys_of};
use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt::Formatter;
use std::marker::PhantomData;

/// The keys that all recipes of networks have.
pub const COMMON: [&str; 21] = [
    "description",
    "method",
    "epochs",
    "batch",
    "accumulate",
    "lr",
    "seed",
    "patience",
    "label_smoothing",
    "start_from",
    "net",
    "teacher",
    "loss",
    "data",
    "augment",
    "optimiser",
    "schedule",
    "eval",
    "memory",
    "checkpoint",
    "run",
];

type Read<T> = std::result::Result<T, toml::de::Error>;

/// What a recipe is read from.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// A text: errors know their place in it.
    Text(&'a str),
    /// A table.
    Table(&'a toml::Table),
}

impl<'a> Source<'a> {
    fn visit<S: DeserializeSeed<'a>>(self, seed: S) -> Read<S::Value> {
        match self {
            Source::Text(text) => seed.deserialize(toml::Deserializer::parse(text)?),
            Source::Table(table) => seed.deserialize(table.clone()),
        }
    }

    /// All of it.
    pub fn read<T: Deserialize<'a>>(self) -> Read<T> {
        self.visit(PhantomData::<T>)
    }

    /// The value of one key, if it is there.
    pub fn value<T: Deserialize<'a>>(self, key: &str) -> Read<Option<T>> {
        self.visit(Only { key, of: PhantomData::<T> })
    }

    /// The word of the key `method`, which must be one that `known` knows.
    pub fn method(self, known: impl Fn(&str) -> std::result::Result<(), String>) -> Read<Option<String>> {
        self.visit(Only { key: "method", of: Word(known) })
    }

    /// Checks that all keys are in `known`.
    pub fn only(self, known: &[&str]) -> Read<()> {
        self.visit(Keys(known))
    }
}

/// A table of a recipe that a method reads itself: its name, and the type of its settings.
#[derive(Clone, Copy)]
pub struct OwnTable {
    /// Name of the table.
    pub name: &'static str,
    complete: fn(Source<'_>, &str) -> Read<Option<toml::Table>>,
    keys: fn(&str) -> Vec<Key>,
}

impl OwnTable {
    /// The table of that name, of settings `T`.
    pub const fn of<T: Serialize + DeserializeOwned + JsonSchema>(name: &'static str) -> OwnTable {
        OwnTable { name, complete: complete::<T>, keys: keys_of::<T> }
    }

    /// Its settings.
    pub fn keys(&self) -> Vec<Key> {
        (self.keys)(self.name)
    }

    /// Checks the table among those of a recipe, if it is there.
    pub(crate) fn check(&self, own: &toml::Table) -> Result<()> {
        let fail = |e: toml::de::Error| Error::Config(format!("[{}]: {}", self.name, e.message().trim()));
        (self.complete)(Source::Table(own), self.name).map(drop).map_err(fail)
    }
}

/// The table of that name with every default filled in.
fn complete<T: Serialize + DeserializeOwned>(source: Source<'_>, name: &str) -> Read<Option<toml::Table>> {
    source.value::<T>(name)?.map(|settings| table(&settings).map_err(toml::de::Error::custom)).transpose()
}

/// Settings as a table. By way of the text, in which an f32 has no more digits than it needs.
fn table(settings: &impl Serialize) -> Result<toml::Table> {
    let text = toml::to_string(settings).map_err(|e| Error::Config(format!("settings are no TOML: {e}")))?;
    toml::from_str(&text).map_err(|e| Error::Config(format!("settings are no TOML: {e}")))
}

/// Checks that all numbers below a dotted key are some: what is none decides nothing, and passes for every comparison that is the
/// wrong way round.
fn check_numbers(key: &str, value: &toml::Value) -> Read<()> {
    match value {
        toml::Value::Float(x) if !x.is_finite() => {
            Err(toml::de::Error::custom(format!("{key} = {x}: give a finite number")))
        }
        toml::Value::Table(table) => table.iter().try_for_each(|(name, value)| {
            let below = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            check_numbers(&below, value)
        }),
        toml::Value::Array(values) => values.iter().try_for_each(|value| check_numbers(key, value)),
        _ => Ok(()),
    }
}

impl Recipe {
    /// The common keys, and the method's tables with every default filled in; tables of other methods as they are.
    pub fn read(source: Source<'_>, tables: &[OwnTable]) -> Read<Recipe> {
        let mut recipe: Recipe = source.read()?;
        check_numbers("", &toml::Value::Table(source.read()?))?;
        let mut given = std::mem::take(&mut recipe.own);
        for of in tables {
            if let Some(table) = (of.complete)(source, of.name)? {
                given.remove(of.name);
                recipe.own.insert(of.name.to_string(), toml::Value::Table(table));
            }
        }
        recipe.own.extend(given);
        Ok(recipe)
    }

    /// The settings in one of the method's tables, if the recipe has it.
    ///
    /// # Panics
    /// If they do not parse: a recipe that was read or validated has none of that kind.
    pub fn own<T: DeserializeOwned>(&self, table: &str) -> Option<T> {
        let settings = self.own.get(table)?.clone();
        Some(settings.try_into().unwrap_or_else(|e| panic!("the table [{table}] was not validated: {e}")))
    }

    /// As [`Recipe::own`]; the defaults where the table is missing.
    ///
    /// # Panics
    /// Likewise.
    pub fn settings<T: DeserializeOwned + Default>(&self, table: &str) -> T {
        self.own(table).unwrap_or_default()
    }

    /// Puts settings in place of one of the method's tables.
    ///
    /// # Errors
    /// If they cannot be written as TOML.
    pub fn set_own(&mut self, name: &str, settings: &impl Serialize) -> Result<()> {
        self.own.insert(name.to_string(), toml::Value::Table(table(settings)?));
        Ok(())
    }
}

/// Reads the value of one key and passes over the rest.
struct Only<'k, S> {
    key: &'k str,
    of: S,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Only<'_, S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> std::result::Result<Self::Value, D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Only<'_, S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("a recipe")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let (mut seed, mut found) = (Some(self.of), None);
        while let Some(key) = map.next_key::<String>()? {
            match seed.take_if(|_| key == self.key) {
                Some(seed) => found = Some(map.next_value_seed(seed)?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

/// A word that is known.
struct Word<F>(F);

impl<'de, F: Fn(&str) -> std::result::Result<(), String>> DeserializeSeed<'de> for Word<F> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> std::result::Result<String, D::Error> {
        let word = String::deserialize(d)?;
        (self.0)(&word).map_err(D::Error::custom)?;
        Ok(word)
    }
}

/// Passes over all, and stops at a key that is not known.
struct Keys<'k>(&'k [&'k str]);

impl<'de> DeserializeSeed<'de> for Keys<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> std::result::Result<(), D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = ();

    fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("a recipe")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        let known = |key: &str| match self.0.contains(&key) {
            true => Ok(()),
            false => {
                let names: Vec<String> = self.0.iter().map(|k| format!("`{k}`")).collect();
                Err(format!("unknown field `{key}`, expected one of {}", names.join(", ")))
            }
        };
        while map.next_key_seed(Word(known))?.is_some() {
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}
