//! What names say of parts of a set: by whole words, so that "latest" is no test.

use super::super::index::Part;
use super::super::index::parts::sounds_like_a_part;
use super::super::source::{Entry, Source};
use crate::error::{Error, Result};
use std::path::Path;

/// The words of a name, lower case. They end where no letter or digit follows, where a capital follows a small letter, and
/// before the last of several capitals ("XTest").
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        let last_capital = before.is_uppercase() && chars.peek().is_some_and(|next| next.is_lowercase());
        let begins = !c.is_alphanumeric() || (c.is_uppercase() && (before.is_lowercase() || last_capital));
        if begins && words.last().is_some_and(|w| !w.is_empty()) {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|w| !w.is_empty());
    words
}

/// The part that one word means, numbered or not.
pub(super) fn part_of_word(word: &str) -> Option<Part> {
    match word.trim_end_matches(|c: char| c.is_ascii_digit()) {
        "train" | "training" => Some(Part::Train),
        "val" | "valid" | "validation" => Some(Part::Val),
        "test" | "testing" => Some(Part::Test),
        _ => (word == "t10k").then_some(Part::Test),
    }
}

/// The part that a name says. "train" overrules the others ("train-test-split").
pub(super) fn part(name: &str) -> Option<Part> {
    words(name).iter().filter_map(|w| part_of_word(w)).min_by_key(|part| *part as u8)
}

/// The file's own name, as it is written, without ".gz".
pub(super) fn base(entry: &Entry) -> &str {
    let name = entry.name.rsplit('/').next().unwrap_or_default();
    name.strip_suffix(".gz").unwrap_or(name)
}

/// Stops at a name that sounds like a part that is not known ("holdout", "dev"): its images would be trained on.
///
/// # Errors
/// If `name` is one; `path` is what errors call its file.
pub(super) fn known_part(path: &Path, name: &str) -> Result<Option<Part>> {
    let found = part(name);
    let stem = name.split('.').next().unwrap_or(name);
    if found.is_none() && sounds_like_a_part(stem) {
        return Err(Error::data(
            path,
            format!("its name says a part of the set that is not known ({stem:?}): put train, val or test into it"),
        ));
    }
    Ok(found)
}

/// The parts of files that make a set together. Those without a word for it are for training, if no file says that of
/// itself.
///
/// # Errors
/// If a file says no part beside one that says training.
pub(super) fn parts(source: &Source, files: &[&Entry]) -> Result<Vec<Part>> {
    let said: Vec<Option<Part>> = files.iter().map(|e| known_part(&e.path, base(e))).collect::<Result<_>>()?;
    let train = said.iter().position(|p| *p == Some(Part::Train));
    if let (Some(train), Some(silent)) = (train, said.iter().position(Option::is_none)) {
        return Err(Error::data(
            &source.path,
            format!(
                "the name of {} says no part of the set, and {} is for training: put train, val or test into its name, or \
                 move it elsewhere",
                files[silent].name, files[train].name
            ),
        ));
    }
    Ok(said.into_iter().map(|part| part.unwrap_or(Part::Train)).collect())
}

/// The first few of some names.
pub(super) fn few<S: AsRef<str>>(names: &[S]) -> String {
    let shown: Vec<&str> = names.iter().take(5).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_whole_words() {
        for (name, expected) in [
            ("train-images-idx3-ubyte", Some(Part::Train)),
            ("t10k-images.idx3-ubyte", Some(Part::Test)),
            ("emnist-letters-test-images-idx3-ubyte", Some(Part::Test)),
            ("latest-images-idx3-ubyte", None),
            ("latest-train.bin", Some(Part::Train)),
            ("contest_images.npy", None),
            ("evaluation.npy", None),
            ("interval-images", None),
            ("validation-00000-of-00001.parquet", Some(Part::Val)),
            ("XTest.npy", Some(Part::Test)),
            ("testImages", Some(Part::Test)),
            ("images_test2", Some(Part::Test)),
            ("train_test_split", Some(Part::Train)),
            ("VALID", Some(Part::Val)),
            ("", None),
        ] {
            assert_eq!(part(name), expected, "{name}");
        }
        assert_eq!(words("k49-train-Imgs.npz"), ["k49", "train", "imgs", "npz"]);
    }
}
