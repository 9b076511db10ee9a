//! Names of classes that look alike.

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;
use unicode_normalization::UnicodeNormalization;

/// The name with its accents composed: the same for names that no reader can tell apart, which systems write in two ways.
fn composed(name: &str) -> String {
    name.nfc().collect()
}

/// Without case and spaces around it, too.
fn plain(name: &str) -> String {
    composed(name).trim().to_lowercase()
}

/// How a name that is not known differs from one that is, if it does so little that they should be one.
pub(in crate::data) fn nearly<'a>(name: &str, mut known: impl Iterator<Item = &'a String>) -> Option<String> {
    let other = known.find(|other| plain(other) == plain(name))?;
    let how = if composed(other) == composed(name) { "how its accents are written" } else { "case or spaces" };
    Some(format!("; {other:?} differs from it only by {how}, so rename one of the two"))
}

/// A note of classes whose names differ by case or spaces alone.
///
/// # Errors
/// If two classes of the set at `path` have names that look the same.
pub(in crate::data) fn alike(path: &Path, classes: &[String]) -> Result<Option<String>> {
    let mut looks: BTreeMap<String, &String> = BTreeMap::new();
    for class in classes {
        if let Some(other) = looks.insert(composed(class), class) {
            return Err(Error::data(
                path,
                format!(
                    "has two classes that are both called {}: their accents are written in two ways ({} and {} letters and \
                     accents). Rename one of them, or put their images together",
                    composed(class),
                    other.chars().count(),
                    class.chars().count()
                ),
            ));
        }
    }
    let mut plainly: BTreeMap<String, &String> = BTreeMap::new();
    for class in classes {
        if let Some(other) = plainly.insert(plain(class), class) {
            return Ok(Some(format!("{other:?} and {class:?} are two classes, though only case or spaces differ")));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_told() {
        let alike = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|n| n.to_string()).collect();
            alike(Path::new("set"), &names).map_err(|e| e.to_string())
        };
        assert_eq!(alike(&["cat", "dog"]), Ok(None));
        let m = alike(&["caf\u{e9}", "cafe\u{301}", "dog"]).unwrap_err();
        assert!(m.contains("called caf\u{e9}") && m.contains("4 and 5 letters") && m.contains("Rename"), "{m}");
        for names in [["Cat", "cat"], ["cat", "cat "]] {
            assert!(alike(&names).unwrap().is_some_and(|note| note.contains("two classes")), "{names:?}");
        }
        let known = ["Caf\u{e9}".to_string()];
        assert!(nearly("Cafe\u{301}", known.iter()).is_some_and(|m| m.contains("accents")));
        assert!(nearly("caf\u{e9}", known.iter()).is_some_and(|m| m.contains("case")));
        assert!(nearly("cat", known.iter()).is_none());
    }
}
