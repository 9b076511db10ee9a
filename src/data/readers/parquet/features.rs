//! Which columns of a Parquet file are the images and their classes: by Hugging Face's notes in its metadata, else by their
//! names.

use super::super::super::source::Entry;
use super::super::words::few;
use crate::error::{Error, Result};
use serde_json::Value;

/// Columns that are images without a note that says so.
const IMAGES: [&str; 4] = ["image", "img", "images", "jpg"];
/// Columns that are classes without one; earlier ones are taken first.
const LABELS: [&str; 6] = ["label", "labels", "class", "fine_label", "cls", "target"];

/// The column of parts.
const SPLIT: &str = "split";

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Kind {
    /// Bytes of any kind, texts too.
    Bytes,
    /// 32- or 64-bit integers.
    Whole,
    Other,
}

/// A column of values; of a struct each field is one.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Leaf {
    /// Names from the outermost to this one.
    pub path: Vec<String>,
    pub kind: Kind,
    /// Whether it has any number of values a row.
    pub repeated: bool,
}

/// The columns of a file, and what its metadata says of them.
pub(super) struct Features {
    pub leaves: Vec<Leaf>,
    /// By name of the column.
    pub notes: serde_json::Map<String, Value>,
}

/// The columns of a set.
#[derive(Debug)]
pub(super) struct Picked {
    /// The path of the bytes of images.
    pub image: Vec<String>,
    pub label: Option<String>,
    /// Class names, if the file has them.
    pub names: Option<Vec<String>>,
}

impl Features {
    /// From the columns and the metadata "huggingface".
    pub fn new(leaves: Vec<Leaf>, huggingface: Option<&str>) -> Features {
        let json: Value = huggingface.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let notes = json.pointer("/info/features").and_then(Value::as_object).cloned().unwrap_or_default();
        Features { leaves, notes }
    }

    fn noted(&self, column: &str, kind: &str) -> bool {
        self.notes.get(column).and_then(|note| note.get("_type")).and_then(Value::as_str) == Some(kind)
    }

    /// Columns of images by the place of their bytes.
    fn images(&self) -> Vec<&Leaf> {
        let is_image = |leaf: &&Leaf| {
            let [column, inner @ ..] = &leaf.path[..] else { return false };
            let known = self.noted(column, "Image") || (self.notes.is_empty() && IMAGES.contains(&column.as_str()));
            known && leaf.kind == Kind::Bytes && !leaf.repeated && (inner.is_empty() || inner == ["bytes"])
        };
        self.leaves.iter().filter(is_image).collect()
    }

    /// A column that says the part of each row.
    pub fn split(&self) -> Option<&str> {
        let is_split = |leaf: &&Leaf| leaf.path == [SPLIT] && leaf.kind != Kind::Other && !leaf.repeated;
        self.leaves.iter().find(is_split).map(|_| SPLIT)
    }

    /// The columns, each once.
    pub fn columns(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self.leaves.iter().map(|leaf| leaf.path[0].as_str()).collect();
        all.dedup();
        all
    }

    pub fn has_images(&self) -> bool {
        !self.images().is_empty()
    }

    /// The columns to read.
    ///
    /// # Errors
    /// If there are several of them, or the classes are of a kind that is not trained on.
    pub fn pick(&self, file: &Entry, coarse: bool) -> Result<Picked> {
        let fail = |m: String| Err(Error::data(&file.path, m));
        let images = self.images();
        let [image] = images[..] else {
            let names: Vec<&str> = images.iter().map(|leaf| leaf.path[0].as_str()).collect();
            return fail(format!("has {} columns of images ({}): keep one of them", names.len(), few(&names)));
        };
        let columns = self.columns();
        let noted: Vec<&str> = columns.iter().copied().filter(|c| self.noted(c, "ClassLabel")).collect();
        let by_name = LABELS.iter().copied().find(|name| columns.contains(name));
        let label = match &noted[..] {
            _ if coarse && columns.contains(&"coarse_label") => Some("coarse_label"),
            [] => by_name,
            [one] => Some(*one),
            many => match LABELS.iter().copied().find(|name| many.contains(name)) {
                Some(name) => Some(name),
                None => {
                    return fail(format!(
                        "has {} columns of classes ({}): keep one, or call it \"label\"",
                        many.len(),
                        few(many)
                    ));
                }
            },
        };
        let Some(label) = label else {
            return Ok(Picked { image: image.path.clone(), label: None, names: None });
        };
        let of_label: Vec<&Leaf> = self.leaves.iter().filter(|leaf| leaf.path[0] == label).collect();
        match of_label[..] {
            [leaf] if leaf.path.len() == 1 && !leaf.repeated && leaf.kind != Kind::Other => {}
            [leaf] if leaf.repeated => {
                return fail(format!(
                    "its column {label:?} has lists: images with several labels are not trained on; keep one a row"
                ));
            }
            _ => return fail(format!("its column {label:?} is neither whole numbers nor names of classes")),
        }
        let names = self.notes.get(label).and_then(|note| note.get("names")).and_then(Value::as_array);
        let names = names.map(|names| names.iter().filter_map(|n| n.as_str().map(String::from)).collect());
        Ok(Picked { image: image.path.clone(), label: Some(label.into()), names })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(path: &str, kind: Kind) -> Leaf {
        Leaf { path: path.split('.').map(String::from).collect(), kind, repeated: path.ends_with("element") }
    }

    fn pick(
        leaves: &[(&str, Kind)],
        note: &str,
        coarse: bool,
    ) -> Result<(String, Option<String>, Option<Vec<String>>)> {
        let leaves = leaves.iter().map(|(path, kind)| leaf(path, *kind)).collect();
        let features = Features::new(leaves, Some(note));
        let file = Entry::in_memory("a.parquet".into(), "a.parquet".into(), Vec::new());
        let picked = features.pick(&file, coarse)?;
        Ok((picked.image.join("."), picked.label, picked.names))
    }

    #[test]
    fn columns_are_picked_by_notes_and_names() {
        use Kind::{Bytes, Other, Whole};
        let cifar = [("img.bytes", Bytes), ("img.path", Bytes), ("fine_label", Whole), ("coarse_label", Whole)];
        let note = r#"{"info": {"features": {"img": {"_type": "Image"},
            "fine_label": {"names": ["a", "b"], "_type": "ClassLabel"},
            "coarse_label": {"names": ["c"], "_type": "ClassLabel"}}}}"#;
        let names = |n: &[&str]| Some(n.iter().map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(
            pick(&cifar, note, false).unwrap(),
            ("img.bytes".into(), Some("fine_label".into()), names(&["a", "b"]))
        );
        assert_eq!(pick(&cifar, note, true).unwrap().1, Some("coarse_label".into()));
        // Without notes.
        let plain = [("image", Bytes), ("label", Whole)];
        assert_eq!(pick(&plain, "{}", false).unwrap(), ("image".into(), Some("label".into()), None));
        assert_eq!(pick(&plain[..1], "no json", false).unwrap().1, None);
        for (leaves, note, said) in [
            (&[("image", Bytes), ("img", Bytes)][..], "{}", "2 columns of images (image, img)"),
            (&[("image", Bytes), ("labels.list.element", Whole)], "{}", "has lists"),
            (&[("image", Bytes), ("label", Other)], "{}", "neither whole numbers"),
            (&[("image", Bytes), ("label.a", Whole), ("label.b", Whole)], "{}", "neither whole numbers"),
            (
                &[("image.bytes", Bytes), ("p", Whole), ("q", Whole)],
                r#"{"info": {"features": {"image": {"_type": "Image"}, "p": {"_type": "ClassLabel", "names": []},
                    "q": {"_type": "ClassLabel", "names": []}}}}"#,
                "2 columns of classes (p, q)",
            ),
        ] {
            let m = pick(leaves, note, false).map(|_| ()).unwrap_err().to_string();
            assert!(m.contains(said), "{said}: {m}");
        }
    }
}
