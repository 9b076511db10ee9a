//! What names of folders say of the parts of a set.

use super::Part;

/// The part that a folder of this name is, in any case.
pub(crate) fn part_of(folder: &str) -> Option<Part> {
    match folder.to_lowercase().as_str() {
        "train" | "training" => Some(Part::Train),
        "val" | "valid" | "validation" => Some(Part::Val),
        "test" | "testing" => Some(Part::Test),
        _ => None,
    }
}

/// Words that stand for a part, alone or in a longer name ("seg_train", "test1", "TrainingSet").
const PART_WORDS: [&str; 18] = [
    "train",
    "training",
    "val",
    "valid",
    "validation",
    "test",
    "testing",
    "trainset",
    "valset",
    "testset",
    "trainval",
    "traindata",
    "testdata",
    "holdout",
    "heldout",
    "eval",
    "evaluation",
    "pred",
];

/// Names that stand for a part only if they are all of the name.
const PART_NAMES: [&str; 4] = ["dev", "development", "hold_out", "held_out"];

/// Whether a folder's name sounds like a part of a set.
pub(crate) fn sounds_like_a_part(folder: &str) -> bool {
    PART_NAMES.contains(&folder.to_lowercase().as_str())
        || words(folder).iter().any(|w| PART_WORDS.contains(&w.as_str()))
}

/// The words of a name, lower case: parts at whatever is no letter, and before a capital that follows a small letter.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_small = false;
    for letter in name.chars() {
        if !letter.is_alphabetic() || (letter.is_uppercase() && after_small) {
            words.push(String::new());
        }
        if letter.is_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        after_small = letter.is_lowercase();
    }
    words.retain(|w| !w.is_empty());
    words
}

/// What the folders at one place of a set are.
#[derive(PartialEq, Debug)]
pub(crate) enum Level<'a> {
    Parts,
    Classes,
    /// Parts are among them, but this one is none.
    Stranger(&'a str),
    /// None is a part, but these sound like ones.
    Sound(Vec<&'a str>),
}

/// As many more other folders, and those that sound like parts are classes: "train" is a vehicle too, and so is
/// "bullet_train".
const CLASSES_TO_A_PART: usize = 8;

/// What the folders called `names` are, which lie side by side and each only once. `leaf` says whether images lie directly
/// in a folder, as in a class's.
pub(crate) fn level<'a>(names: &[&'a str], leaf: impl Fn(&str) -> bool) -> Level<'a> {
    let (sounding, others): (Vec<&str>, Vec<&str>) = names.iter().partition(|n| sounds_like_a_part(n));
    if sounding.is_empty() {
        return Level::Classes;
    }
    let exact: Vec<&str> = names.iter().filter(|n| part_of(n).is_some()).copied().collect();
    if exact.len() == names.len() {
        return Level::Parts;
    }
    if others.len() >= CLASSES_TO_A_PART * sounding.len() && sounding.iter().all(|n| leaf(n)) {
        return Level::Classes;
    }
    match names.iter().find(|n| part_of(n).is_none()) {
        Some(stranger) if !exact.is_empty() => Level::Stranger(stranger),
        _ => Level::Sound(sounding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_parts_classes_or_not_understood() {
        let level = |names: &[&'static str]| super::level(names, |_| true);
        assert_eq!(level(&["cat", "dog"]), Level::Classes);
        assert_eq!(level(&["Train", "VAL", "testing"]), Level::Parts);
        assert_eq!(level(&["test"]), Level::Parts);
        for (names, stranger) in [
            (&["ground_truth", "test", "train"][..], "ground_truth"),
            (&["dev", "train"], "dev"),
            (&["holdout", "train"], "holdout"),
            (&["test1", "train"], "test1"),
            (&["all", "train"], "all"),
            (&["pred", "test", "train"], "pred"),
        ] {
            assert_eq!(level(names), Level::Stranger(stranger));
        }
        assert_eq!(
            level(&["seg_pred", "seg_test", "seg_train"]),
            Level::Sound(vec!["seg_pred", "seg_test", "seg_train"])
        );
        assert_eq!(level(&["train2017", "val2017"]), Level::Sound(vec!["train2017", "val2017"]));
        assert_eq!(level(&["imagesTrain", "imagesTest"]), Level::Sound(vec!["imagesTrain", "imagesTest"]));
        assert_eq!(level(&["dev", "other"]), Level::Sound(vec!["dev"]));
        let vehicles = ["airship", "bicycle", "boat", "bus", "car", "ferry", "plane", "ship", "train"];
        assert_eq!(level(&vehicles), Level::Classes);
        assert_eq!(super::level(&vehicles, |_| false), Level::Stranger("airship"));
        assert_eq!(level(&vehicles[1..]), Level::Stranger("bicycle"));
    }

    #[test]
    fn names_that_only_contain_the_letters_are_none() {
        for name in ["contest", "restrain", "valley", "strained", "interval", "trainer", "attestation"] {
            assert!(!sounds_like_a_part(name), "{name}");
        }
    }
}
