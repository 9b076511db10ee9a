//! Weights in several files: an index says in which of them each tensor lies. Only files beside the index are opened, and what they
//! hold must be what the index says.

use super::{Checked, Info, Weights};
use crate::error::{Error, Result};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::collections::HashMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};

/// Bytes of an index: some 100 a tensor.
const LONGEST_INDEX: u64 = 64 << 20;

/// Files that a network may lie in.
const MOST_SHARDS: usize = 4096;

#[derive(Deserialize)]
struct Index {
    weight_map: Pairs,
}

/// An object's entries, all of them: a map would keep one of two of the same name.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("file names by names of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut all = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    all.push(pair);
                }
                Ok(Pairs(all))
            }
        }
        from.deserialize_map(Entries)
    }
}

/// Which files an index names, each once, and which of them each tensor is said to lie in.
#[derive(Debug)]
struct Listed {
    files: Vec<String>,
    /// Numbers of files by names of tensors.
    places: HashMap<String, usize>,
}

/// Reads the text of an index.
fn listed(text: &[u8]) -> Checked<Listed> {
    let index: Index = serde_json::from_slice(text)
        .map_err(|e| format!("it is no index of shards, an object \"weight_map\" of file names by tensors: {e}"))?;
    let (mut files, mut numbers, mut places) = (Vec::new(), HashMap::new(), HashMap::new());
    for (tensor, file) in index.weight_map.0 {
        let parts: Vec<Component<'_>> = Path::new(&file).components().collect();
        if !matches!(parts[..], [Component::Normal(_)]) || file.contains(['/', '\\']) {
            return Err(format!(
                "its weight_map has {tensor} in {file:?}: shards lie beside their index, and nowhere else"
            ));
        }
        let number = *numbers.entry(file.clone()).or_insert_with(|| {
            files.push(file);
            files.len() - 1
        });
        if files.len() > MOST_SHARDS {
            return Err(format!("it names more than {MOST_SHARDS} files"));
        }
        if places.insert(tensor.clone(), number).is_some() {
            return Err(format!("its weight_map names {tensor} twice"));
        }
    }
    if files.is_empty() {
        return Err("its weight_map names no tensor".into());
    }
    Ok(Listed { files, places })
}

/// Reads an index.
fn read(index: &Path) -> Result<Listed> {
    let fail = |m: String| Error::data(index, m);
    let length = std::fs::metadata(index).map_err(Error::io(index, "read"))?.len();
    if length > LONGEST_INDEX {
        return Err(fail(format!("it has {length} bytes: an index of shards has at most {LONGEST_INDEX}")));
    }
    listed(&std::fs::read(index).map_err(Error::io(index, "read"))?).map_err(fail)
}

/// The files of an index.
///
/// # Errors
/// If it is none, or names files that may not be opened.
pub(super) fn files(index: &Path) -> Result<Vec<PathBuf>> {
    Ok(read(index)?.files.iter().map(|file| index.with_file_name(file)).collect())
}

/// Several files as one.
pub(super) struct Shards {
    shards: Vec<Box<dyn Weights>>,
    infos: Vec<Info>,
    /// The file of each tensor, and its place there.
    places: Vec<(usize, usize)>,
    ignored: Vec<String>,
}

/// Opens the files of an index and checks that each has the tensors that it is to have, and no others.
///
/// # Errors
/// Naming the file that is missing, or the tensor that lies elsewhere.
pub(super) fn open(index: &Path, open: impl Fn(&Path) -> Result<Box<dyn Weights>>) -> Result<Shards> {
    let found = read(index)?;
    let paths: Vec<PathBuf> = found.files.iter().map(|file| index.with_file_name(file)).collect();
    if let Some(missing) = paths.iter().find(|path| !path.is_file()) {
        let name = missing.file_name().unwrap_or_default().to_string_lossy();
        let of = paths.len();
        let what = format!("its shard {name} is missing, one of {of}: copy or download it to where the index is");
        return Err(Error::data(index, what));
    }
    let mut all = Shards { shards: Vec::new(), infos: Vec::new(), places: Vec::new(), ignored: Vec::new() };
    let mut left = found.places;
    for (number, path) in paths.iter().enumerate() {
        let shard = open(path)?;
        for (at, info) in shard.infos().iter().enumerate() {
            match left.remove(&info.name) {
                Some(said) if said == number => {}
                Some(said) => {
                    return Err(Error::data(
                        path,
                        format!("{} lies here, and by the index in {}", info.name, found.files[said]),
                    ));
                }
                None => {
                    let what = "is in no entry of the index, or in another shard too";
                    return Err(Error::data(path, format!("{} {what}: the shards are of several networks", info.name)));
                }
            }
            all.infos.push(Info { name: info.name.clone(), shape: info.shape.clone(), numbers: info.numbers.clone() });
            all.places.push((number, at));
        }
        all.ignored.extend_from_slice(shard.ignored());
        all.shards.push(shard);
    }
    let mut missing: Vec<(String, usize)> = left.into_iter().collect();
    missing.sort_unstable();
    match missing.first() {
        None => Ok(all),
        Some((name, number)) => Err(Error::data(
            &paths[*number],
            format!("by its index it has {name}, which is not in it: the files are of different versions"),
        )),
    }
}

impl Weights for Shards {
    fn infos(&self) -> &[Info] {
        &self.infos
    }

    fn ignored(&self) -> &[String] {
        &self.ignored
    }

    fn read(&mut self, index: usize) -> Checked<Vec<f32>> {
        let (shard, at) = self.places[index];
        self.shards[shard].read(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_names_files_beside_it() {
        let of = |map: &str| listed(format!("{{\"metadata\": {{}}, \"weight_map\": {map}}}").as_bytes());
        let found = of(r#"{"a": "2.safetensors", "b": "1.safetensors", "c": "2.safetensors"}"#).unwrap();
        assert_eq!(found.files, ["2.safetensors", "1.safetensors"]);
        assert_eq!((found.places["a"], found.places["b"], found.places["c"]), (0, 1, 0));
        for (map, said) in [
            (r#"{"a": "../1.safetensors"}"#, "nowhere else"),
            (r#"{"a": "/etc/passwd"}"#, "nowhere else"),
            (r#"{"a": "b/1.safetensors"}"#, "nowhere else"),
            (r#"{"a": "..\\1.safetensors"}"#, "nowhere else"),
            (r#"{"a": ".."}"#, "nowhere else"),
            (r#"{"a": ""}"#, "nowhere else"),
            (r#"{"a": "1", "b": "1", "a": "2"}"#, "names a twice"),
            ("{}", "names no tensor"),
            ("[]", "no index of shards"),
            (r#"{"a": 1}"#, "no index of shards"),
        ] {
            let m = of(map).unwrap_err();
            assert!(m.contains(said), "{map}: {m}");
        }
        assert!(listed(b"{}").unwrap_err().contains("weight_map"));
    }
}
