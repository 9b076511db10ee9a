//! Which part of a set an image belongs to, where the set itself does not say.
//!
//! It follows from the image's name and a seed alone, so that pictures which are added move none of those that were there:
//! what was tested on stays what is tested on. The price is that shares are met on average and not exactly.

use super::index::{Found, Item, Part};
use super::{Dataset, OpenOptions, Split};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What a draw is for: each has numbers of its own.
#[derive(Clone, Copy)]
enum Draw {
    /// Parts of a set without.
    Parts,
    /// A validation part of a set that has a test part.
    Val,
    /// Training images that take the place of the validation part.
    HoldOut,
}

/// A number in 0..1 that belongs to a name: the first 53 bits of SHA-256 over draw, seed and name.
fn draw(kind: Draw, seed: u64, name: &str) -> f64 {
    let mut hash = Sha256::new();
    hash.update([kind as u8]);
    hash.update(seed.to_le_bytes());
    hash.update(name.as_bytes());
    let bits = hash.finalize().iter().take(8).fold(0u64, |n, b| n << 8 | *b as u64);
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// The names without the folders that all have in common, so that it does not matter how a set is wrapped. A class's own
/// folder stays: of two classes no folder is in common.
fn keys<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let Some((first, rest)) = names.split_first() else { return Vec::new() };
    let folder = first.rfind('/').map_or(0, |at| at + 1);
    let same = |a: &str, b: &str| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let common = rest.iter().fold(folder, |n, name| n.min(same(first, name)));
    let cut = first.as_bytes()[..common].iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
    names.iter().map(|n| &n[cut..]).collect()
}

/// Gives a set that has neither a validation nor a test part those by shares, and one without a validation part that.
/// Whether it did.
pub(super) fn fill_parts(found: &mut Found, options: &OpenOptions) -> bool {
    let (val, test, seed) = (options.val_share, options.test_share, options.seed);
    // Most sets have parts of their own, and most people leave the shares as they are: a share that is given is meant.
    let own = [Part::Val, Part::Test].into_iter().find(|part| found.parts[*part as usize].is_some());
    if let Some(own) = own.filter(|_| test > 0.0 && test != OpenOptions::default().test_share) {
        found.notes.push(format!("data.test = {test} is not used: the set has a {own} part of its own"));
    }
    if val > 0.0 && found.parts[Part::Val as usize].is_some() {
        found.notes.push(format!("data.val = {val} is not used: the set has a val part of its own"));
    }
    let (kind, test) = match &found.parts {
        [Some(_), None, None] => (Draw::Parts, test),
        [Some(_), None, Some(_)] if val > 0.0 => (Draw::Val, 0.0),
        _ => return false,
    };
    let Some(all) = found.parts[0].take() else { return false };
    let names: Vec<&str> = all.iter().map(|i| i.entry.name.as_str()).collect();
    let part = |name: &str| match draw(kind, seed, name) {
        x if x < test => Part::Test,
        x if x < test + val => Part::Val,
        _ => Part::Train,
    };
    let drawn: Vec<Part> = keys(&names).into_iter().map(part).collect();
    let mut parts: [Vec<Item>; 3] = Default::default();
    all.into_iter().zip(drawn).for_each(|(item, part)| parts[part as usize].push(item));
    let [train, val_part, test_part] = parts;
    let drawn = match kind {
        Draw::Parts => format!("{} for test", test_part.len()),
        _ => String::new(),
    };
    let both = [drawn, if val > 0.0 { format!("{} for val", val_part.len()) } else { String::new() }];
    let both: Vec<String> = both.into_iter().filter(|s| !s.is_empty()).collect();
    let what = if matches!(kind, Draw::Parts) { "no test part of its own" } else { "no val part of its own" };
    found.notes.push(format!("{what}: drawn by names with seed {seed}, {}", both.join(" and ")));
    if matches!(kind, Draw::Parts) && test > 0.0 {
        found.notes.extend(without_test(&found.classes, &train, &test_part));
    }
    found.parts[0] = Some(train);
    if val > 0.0 {
        found.parts[1] = Some(val_part);
    }
    if matches!(kind, Draw::Parts) {
        found.parts[2] = Some(test_part);
    }
    true
}

/// Says which classes got no test image: the small ones may.
fn without_test(classes: &[String], train: &[Item], test: &[Item]) -> Option<String> {
    let count = |items: &[Item]| {
        let mut counts = BTreeMap::new();
        items.iter().filter_map(|i| i.class).for_each(|c| *counts.entry(c).or_insert(0usize) += 1);
        counts
    };
    let (train, test) = (count(train), count(test));
    let none: Vec<String> = train
        .iter()
        .filter(|(class, _)| !test.contains_key(class))
        .map(|(class, n)| format!("{} ({n})", classes[*class as usize]))
        .collect();
    if none.is_empty() {
        return None;
    }
    let more = if none.len() > 5 { ", ..." } else { "" };
    let shown = none[..none.len().min(5)].join(", ");
    Some(format!(
        "{} of {} classes are so small that none of their images fell to the test part: {shown}{more}",
        none.len(),
        classes.len()
    ))
}

/// Splits `all` into (rest, drawn) by a share. Images that were made in memory are drawn by their number.
fn in_two(all: &Dataset, kind: Draw, share: f64, seed: u64) -> (Dataset, Dataset) {
    let numbers: Vec<String>;
    let names: Vec<&str> = match &all.origins {
        Some(origins) => origins.iter().map(|o| o.name.as_str()).collect(),
        None => {
            numbers = (0..all.len()).map(|i| format!("#{i}")).collect();
            numbers.iter().map(String::as_str).collect()
        }
    };
    let keys = keys(&names);
    let (held, rest): (Vec<u32>, Vec<u32>) =
        (0..all.len() as u32).partition(|i| draw(kind, seed, keys[*i as usize]) < share);
    (all.select(&rest), all.select(&held))
}

impl Split {
    /// The training part in two, of which the second takes the place of the validation part. Which images these are follows
    /// from their names and the seed.
    pub fn holding_out(&self, share: f64, seed: u64) -> Split {
        self.with_val(Draw::HoldOut, share, seed)
    }

    /// As [`Dataset::open`] draws a validation part for a set without, for one that was made in memory.
    pub fn drawing_val(&self, share: f64, seed: u64) -> Split {
        let mut split = self.with_val(Draw::Val, share, seed);
        let n = split.val.len();
        split.notes.push(format!("no val part of its own: drawn by numbers with seed {seed}, {n} for val"));
        split
    }

    fn with_val(&self, kind: Draw, share: f64, seed: u64) -> Split {
        let (train, val) = in_two(&self.train, kind, share, seed);
        Split { train: train.into(), val: val.into(), drawn: true, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::index::Origin;

    fn set(names: &[String]) -> Dataset {
        let origin = |name: &String| Origin { name: name.clone(), bytes: 1, crc32: 0 };
        Dataset {
            name: "s".into(),
            images: (0..names.len()).map(|i| i as u8).collect::<Vec<u8>>().into(),
            h: 1,
            w: 1,
            c: 1,
            labels: None,
            classes: Vec::new(),
            origins: Some(names.iter().map(origin).collect()),
        }
    }

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("{}/{i}.png", ["cat", "dog"][i % 2])).collect()
    }

    fn held(names: &[String], share: f64, seed: u64) -> Vec<String> {
        let (rest, held) = in_two(&set(names), Draw::HoldOut, share, seed);
        assert_eq!(rest.len() + held.len(), names.len());
        held.origins.unwrap_or_default().into_iter().map(|o| o.name).collect()
    }

    #[test]
    fn shares_are_met_on_average_and_seeds_differ() {
        let names = names(20_000);
        for share in [0.1, 0.5] {
            let n = held(&names, share, 3).len() as f64;
            // Five standard deviations of the binomial distribution.
            let deviation = (20_000.0 * share * (1.0 - share)).sqrt();
            assert!((n - 20_000.0 * share).abs() < 5.0 * deviation, "{n}");
        }
        assert!(held(&names, 0.0, 3).is_empty());
        assert_eq!(held(&names, 0.1, 3), held(&names, 0.1, 3));
        assert_ne!(held(&names, 0.1, 3), held(&names, 0.1, 4));
        // The draws of parts are not those of what is held out.
        assert_ne!(draw(Draw::Parts, 0, "cat/1.png"), draw(Draw::HoldOut, 0, "cat/1.png"));
    }

    #[test]
    fn pictures_that_are_added_move_none_and_wrapping_does_not_matter() {
        let few = names(300);
        let before = held(&few, 0.3, 0);
        let more: Vec<String> = [few.clone(), (0..200).map(|i| format!("cat/new{i}.png")).collect()].concat();
        let after = held(&more, 0.3, 0);
        let old: Vec<&String> = after.iter().filter(|n| few.contains(n)).collect();
        assert_eq!(old, before.iter().collect::<Vec<_>>());
        let wrapped: Vec<String> = few.iter().map(|n| format!("photos/set/{n}")).collect();
        let unwrapped: Vec<String> =
            held(&wrapped, 0.3, 0).iter().map(|n| n.trim_start_matches("photos/set/").to_string()).collect();
        assert_eq!(unwrapped, before);
    }

    #[test]
    fn folders_in_common_are_cut_as_a_whole() {
        assert_eq!(keys(&["a/cat/1", "a/cow/1"]), ["cat/1", "cow/1"]);
        assert_eq!(keys(&["a/b/1", "a/b/2"]), ["1", "2"]);
        assert_eq!(keys(&["x#1", "x#2"]), ["x#1", "x#2"]);
        assert!(keys(&[]).is_empty());
    }
}
