//! What a sweep asks for: every combination of recipes, values of settings, and seeds.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// A setting and the values that it takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its key, dotted.
    pub key: String,
    /// Its values, as they were written.
    pub values: Vec<String>,
}

impl Setting {
    /// Reads `key=a,b,c`. Commas within brackets and quotes belong to a value: `data.size=[16,16],[32,32]`.
    ///
    /// # Errors
    /// If it is no such thing, or a value is there twice.
    pub fn parse(text: &str) -> Result<Setting> {
        let fail = |why: String| Error::Config(format!("--set {text}: {why}"));
        let (key, values) =
            text.split_once('=').ok_or_else(|| fail("write it as key=value,value, for example lr=1e-3,3e-3".into()))?;
        let values = split(values).ok_or_else(|| fail("a bracket or a quote is not closed".into()))?;
        if key.trim().is_empty() || values.iter().any(|v| v.is_empty()) {
            return Err(fail("a key or a value is missing".into()));
        }
        for (i, value) in values.iter().enumerate() {
            if let Some(first) = values[..i].iter().find(|v| meaning(v) == meaning(value)) {
                let as_what = if first == value { String::new() } else { format!(" (as {first})") };
                return Err(fail(format!("the value {value} is there twice{as_what}")));
            }
        }
        Ok(Setting { key: key.trim().to_string(), values })
    }
}

/// What a value means, however it is written: `1e-3` and `0.001` are one, and so are `[16,16]` and `[16, 16]`.
fn meaning(value: &str) -> String {
    fn plain(value: &toml::Value) -> String {
        match value {
            toml::Value::Integer(n) => format!("{:?}", *n as f64),
            toml::Value::Float(x) => format!("{x:?}"),
            toml::Value::Array(all) => format!("[{}]", all.iter().map(plain).collect::<Vec<_>>().join(", ")),
            toml::Value::Table(table) => {
                let mut entries: Vec<String> = table.iter().map(|(k, v)| format!("{k} = {}", plain(v))).collect();
                entries.sort();
                format!("{{{}}}", entries.join(", "))
            }
            other => other.to_string(),
        }
    }
    let read: Option<toml::Table> = toml::from_str(&format!("v = {value}")).ok();
    // A word without quotes is one with them.
    read.as_ref().and_then(|t| t.get("v")).map_or_else(|| toml::Value::String(value.into()).to_string(), plain)
}

/// Whether two settings, each `key=value`, say the same.
pub(super) fn same_setting(a: &str, b: &str) -> bool {
    match (a.split_once('='), b.split_once('=')) {
        (Some((key, value)), Some((other, its))) => key == other && meaning(value) == meaning(its),
        _ => a == b,
    }
}

/// The parts between commas that stand in no bracket and in no quotes.
fn split(text: &str) -> Option<Vec<String>> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let mut open: Vec<char> = Vec::new();
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(q), _) => quote = (c != q).then_some(q),
            (None, '"' | '\'') => quote = Some(c),
            (None, '[') => open.push(']'),
            (None, '{') => open.push('}'),
            (None, ']' | '}') => drop(open.pop().filter(|closes| *closes == c)?),
            (None, ',') if open.is_empty() => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    parts.push(part);
    (open.is_empty() && quote.is_none()).then(|| parts.iter().map(|p| p.trim().to_string()).collect())
}

/// Reads seeds: `0..3` (0, 1, 2), `0..=3` (0 to 3), `1,5,9`, or several of these with commas between them.
///
/// # Errors
/// If it is no such thing, or there is none, or one is there twice.
pub fn seeds(text: &str) -> Result<Vec<u64>> {
    let fail = |why: String| Error::Config(format!("--seeds {text}: {why}"));
    let number = |n: &str| {
        n.trim().parse::<u64>().map_err(|_| fail(format!("{n:?} is no seed; write 0..3 for 0, 1 and 2, or 0,1,2")))
    };
    let mut all = Vec::new();
    for part in text.split(',') {
        match part.split_once("..") {
            Some((from, to)) => {
                let from = number(from)?;
                let end = match to.strip_prefix('=') {
                    Some(last) => number(last)?.checked_add(1).ok_or_else(|| fail("too large".into()))?,
                    None => number(to)?,
                };
                if end <= from || end - from > MOST {
                    return Err(fail(format!("{part} has no seeds, or more than {MOST}")));
                }
                all.extend(from..end);
            }
            None => all.push(number(part)?),
        }
    }
    match all.iter().enumerate().find(|(i, seed)| all[..*i].contains(seed)) {
        Some((_, seed)) => Err(fail(format!("{seed} is there twice"))),
        None => Ok(all),
    }
}

/// Runs of a sweep at most.
const MOST: u64 = 10_000;

/// A run of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// What it is called, after the values that tell it from others.
    pub name: String,
    /// What it is of.
    #[serde(flatten)]
    pub of: Asked,
}

/// What a run is of: two runs of which this is equal are the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// A recipe's name, or its file from the root.
    pub recipe: String,
    /// Number of the recipe's text, so that a file that was changed makes other runs.
    pub text: String,
    /// `key=value` settings.
    pub settings: Vec<String>,
    /// Its seed; none if the recipe's own.
    pub seed: Option<u64>,
    /// Its images, if they are not the recipe's.
    pub data: Option<String>,
    /// Its epochs, if they are not the recipe's.
    pub epochs: Option<u64>,
    /// The device that was asked for.
    pub device: String,
}

/// All that a sweep asks for.
pub struct Grid {
    /// Recipes: the name or file that trains it, what it is called, the number of its text.
    pub recipes: Vec<(String, String, String)>,
    /// Settings, each with one value or several.
    pub settings: Vec<Setting>,
    /// Seeds; empty for the recipe's own.
    pub seeds: Vec<u64>,
    /// The images of all runs, if they are not the recipe's.
    pub data: Option<String>,
    /// The epochs of all runs, if they are not the recipe's.
    pub epochs: Option<u64>,
    /// The device that is asked for.
    pub device: String,
}

impl Grid {
    /// Every combination, seeds the fastest.
    ///
    /// # Errors
    /// If there are too many.
    pub fn jobs(&self) -> Result<Vec<Job>> {
        let seeds: Vec<Option<u64>> =
            if self.seeds.is_empty() { vec![None] } else { self.seeds.iter().copied().map(Some).collect() };
        let sizes = self.settings.iter().map(|s| s.values.len() as u64);
        let n = sizes.fold((self.recipes.len() * seeds.len()) as u64, u64::saturating_mul);
        if n > MOST {
            return Err(Error::Config(format!("a sweep of {n} runs: at most {MOST} can be asked for")));
        }
        let mut combinations: Vec<Vec<(&Setting, &String)>> = vec![Vec::new()];
        for s in &self.settings {
            let with =
                |c: &Vec<(_, _)>| s.values.iter().map(|v| [c.as_slice(), &[(s, v)]].concat()).collect::<Vec<_>>();
            combinations = combinations.iter().flat_map(with).collect();
        }
        let mut jobs = Vec::new();
        for (recipe, called, text) in &self.recipes {
            for values in &combinations {
                for seed in &seeds {
                    jobs.push(Job {
                        name: self.name(called, values, *seed),
                        of: Asked {
                            recipe: recipe.clone(),
                            text: text.clone(),
                            settings: values.iter().map(|(s, v)| format!("{}={v}", s.key)).collect(),
                            seed: *seed,
                            data: self.data.clone(),
                            epochs: self.epochs,
                            device: self.device.clone(),
                        },
                    });
                }
            }
        }
        Ok(jobs)
    }

    /// The recipe, and the values that not all runs have: a name that a shell takes as it is.
    fn name(&self, called: &str, values: &[(&Setting, &String)], seed: Option<u64>) -> String {
        let varied = values.iter().filter(|(s, _)| s.values.len() > 1).map(|(s, v)| format!("{}={v}", s.key));
        let parts = std::iter::once(called.to_string()).chain(varied).chain(seed.map(|s| format!("seed={s}")));
        parts.map(|p| plain(&p)).collect::<Vec<_>>().join(",")
    }
}

/// Letters that mean nothing to a shell or a file system; others, where they follow each other, become one dash.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' | '+' => out.push(c),
            '=' if !out.is_empty() => out.push(c),
            _ if out.ends_with(['-', '=']) || out.is_empty() => {}
            _ => out.push('-'),
        }
    }
    out.trim_end_matches('-').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_brackets_and_quotes_belong_to_values() {
        let values = |text: &str| Setting::parse(text).unwrap().values;
        assert_eq!(values("lr=1e-3,3e-3"), ["1e-3", "3e-3"]);
        assert_eq!(values("data.size=[16,16],[32,32]"), ["[16,16]", "[32,32]"]);
        assert_eq!(values("swav.small={ views = 2, size = [14, 14] }"), ["{ views = 2, size = [14, 14] }"]);
        assert_eq!(values("teacher.run=\"a,b\",c"), ["\"a,b\"", "c"]);
        assert_eq!(values("a=x=y"), ["x=y"]);
        for (text, why) in [
            ("lr", "key=value"),
            ("lr=1,", "missing"),
            ("=1", "missing"),
            ("lr=1,1", "twice"),
            ("lr=1e-3,0.001", "0.001 is there twice (as 1e-3)"),
            ("data.size=[16,16],[16, 16]", "twice"),
            ("net.kind=convnet,\"convnet\"", "twice"),
            ("a=[1,2", "not closed"),
            ("a=(1]", "not closed"),
            ("a=\"x", "not closed"),
        ] {
            let message = Setting::parse(text).unwrap_err().to_string();
            assert!(message.contains(why), "{text}: {message}");
        }
    }

    #[test]
    fn seeds_are_ranges_and_lists() {
        assert_eq!(seeds("0..3").unwrap(), [0, 1, 2]);
        assert_eq!(seeds("0..=3").unwrap(), [0, 1, 2, 3]);
        assert_eq!(seeds("7, 1..3").unwrap(), [7, 1, 2]);
        for text in ["", "a", "3..3", "3..1", "0..99999999", "1,1", "0..2,1", "0..=18446744073709551615"] {
            assert!(seeds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_grid_is_every_combination_and_names_tell_them_apart() {
        let grid = Grid {
            recipes: vec![("a".into(), "a".into(), "0".into()), ("/x/b.toml".into(), "b".into(), "1".into())],
            settings: ["data.size=[16,16],[32,32]", "epochs=3", "teacher.run=runs/x,runs/y"]
                .map(|s| Setting::parse(s).unwrap())
                .to_vec(),
            seeds: vec![0, 1],
            data: None,
            epochs: None,
            device: "cpu".into(),
        };
        let jobs = grid.jobs().unwrap();
        assert_eq!(jobs.len(), 16);
        assert_eq!(jobs[0].name, "a,data.size=16-16,teacher.run=runs-x,seed=0");
        assert_eq!(jobs[1].of.seed, Some(1));
        assert_eq!(jobs[15].name, "b,data.size=32-32,teacher.run=runs-y,seed=1");
        assert_eq!(jobs[15].of.settings, ["data.size=[32,32]", "epochs=3", "teacher.run=runs/y"]);
        let grid = Grid { settings: Vec::new(), seeds: Vec::new(), ..grid };
        assert_eq!(grid.jobs().unwrap()[1].name, "b");
    }
}
