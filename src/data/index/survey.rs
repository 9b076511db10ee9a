//! What must be known of image files that are not decoded ahead: their size, their checksum, and the extents of their
//! pictures. Every file is read once for it; what was found is kept in the cache folder, and holds as long as a file's size and
//! time do.

use super::Item;
use crate::cache_folder;
use crate::data::pixels::PixelRules;
use crate::error::Result;
use crate::files::{create_dir, write_atomic};
use crate::hash::fnv1a;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::data) struct Facts {
    /// Bytes of the file or record, unpacked.
    pub bytes: u64,
    /// CRC-32 of these.
    pub crc32: u32,
    /// Height, width and channels of the picture, turned as its file says.
    pub extents: [u32; 3],
}

/// When what is known of a file was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::data) struct Stamp {
    /// Bytes of the file on the disk.
    pub size: u64,
    /// When it was changed last, in nanoseconds since 1970.
    pub changed: u64,
}

/// The content of a file of the cache.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    version: String,
    /// By the names of the images.
    facts: HashMap<String, (Stamp, Facts)>,
}

/// The facts of all `items` of the source at `path`, or why an item cannot be read.
pub(in crate::data) fn survey(path: &Path, items: &[&Item], rules: &PixelRules) -> Vec<Result<Facts>> {
    let file = file_of(path);
    let version = format!("{VERSION} {rules:?}");
    let kept = file.as_deref().map(|file| read_kept(file, &version)).unwrap_or_default();
    let one = |item: &&Item| -> (Result<Facts>, Option<Stamp>, bool) {
        let stamp = item.entry.stamp();
        if let (Some(stamp), Some((then, facts))) = (stamp, kept.facts.get(&item.entry.name))
            && stamp == *then
        {
            return (Ok(*facts), Some(stamp), false);
        }
        (item.facts(rules), stamp, true)
    };
    let found: Vec<(Result<Facts>, Option<Stamp>, bool)> = items.par_iter().map(one).collect();
    if found.iter().any(|(facts, stamp, read)| *read && stamp.is_some() && facts.is_ok()) {
        let fact = |(item, (facts, stamp, _)): (&&Item, &(Result<Facts>, Option<Stamp>, bool))| {
            Some((item.entry.name.clone(), ((*stamp)?, *facts.as_ref().ok()?)))
        };
        let facts = items.iter().zip(&found).filter_map(fact).collect();
        if let Some(file) = file {
            keep(&file, &Kept { version, facts });
        }
    }
    found.into_iter().map(|(facts, ..)| facts).collect()
}

/// What was found by another version of the program, or by other rules, may be found otherwise by this one.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The file of the cache that belongs to a source.
fn file_of(source: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(source).ok()?;
    let name = fnv1a(real.as_os_str().as_encoded_bytes().iter().copied());
    Some(cache_folder::folder()?.join(format!("images-{name:016x}.json")))
}

/// What the cache has; nothing if it cannot be read or is of another version: then the files are read again.
fn read_kept(file: &Path, version: &str) -> Kept {
    let kept: Option<Kept> = fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    kept.filter(|kept| kept.version == version).unwrap_or_default()
}

/// Keeps what was found. If it cannot be kept, the files are read again the next time, and nothing else is lost.
fn keep(file: &Path, kept: &Kept) {
    let Ok(bytes) = serde_json::to_vec(kept) else { return };
    let written = file.parent().map_or(Ok(()), create_dir).and_then(|()| write_atomic(file, &bytes));
    if let Err(e) = written {
        let folder = cache_folder::VARIABLE;
        cache_folder::note(format!(
            "what is known of the images is not kept for the next time: {e}; {folder} names another folder"
        ));
    }
}
