//! What must be known of image files that are not decoded ahead: their size, their checksum, and the extents of their
//! pictures. Every file is read once for it; what was found is kept in the cache folder, and holds as long as a file's size and
//! time do.

use super::Item;
use crate::cache_folder;
use crate::data::pixels::PixelRules;
use crate::data::source::{Stamp, kept_file};
use crate::error::Result;
use crate::files::{create_dir, write_atomic};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

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

/// By what an image is known again, which was seen when its set was opened.
#[derive(Clone, Copy, Debug)]
pub(in crate::data) struct Seen {
    /// CRC-32 of its bytes, unpacked.
    pub crc32: u32,
    /// Of the file that holds them; `None` if they are in memory.
    pub stamp: Option<Stamp>,
}

/// The content of a file of the cache.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    version: String,
    /// By the places of the images.
    facts: HashMap<String, (Stamp, Facts)>,
}

/// Where an image is. Members of several archives may have one name, and records of one file have one path.
fn place(item: &Item) -> String {
    format!("{} {}", item.entry.path.display(), item.entry.name)
}

/// Files whose reading takes so long that it is told.
const TOLD: usize = 5000;

/// Images that are read at a time. Threads stay near one another by it: what records share is read once for all of them.
const NEAR: usize = 1024;

/// The facts of all `items` of the source at `path` and by what each is known again, or why an item cannot be read: with
/// `decode`, each is decoded for it, so that those that cannot be are found.
pub(in crate::data) fn survey(
    path: &Path,
    items: &[&Item],
    rules: &PixelRules,
    decode: bool,
) -> Vec<Result<(Facts, Seen)>> {
    let file = kept_file(path, "facts.json");
    let version = format!("{VERSION} {rules:?} {decode}");
    let kept = file.as_deref().map(|file| read_kept(file, &version)).unwrap_or_default();
    let unread = items.len().saturating_sub(kept.facts.len());
    if unread > TOLD {
        cache_folder::note(format!("{unread} images are read once, for their checksums and sizes"));
    }
    let one = |item: &&Item| -> (Result<Facts>, Option<Stamp>, bool) {
        let stamp = item.entry.stamp();
        if let (Some(stamp), Some((then, facts))) = (stamp, kept.facts.get(&place(item)))
            && stamp == *then
        {
            return (Ok(*facts), Some(stamp), false);
        }
        (item.facts(rules, decode), stamp, true)
    };
    let near = |items: &[&Item]| items.par_iter().map(one).collect::<Vec<_>>();
    let found: Vec<(Result<Facts>, Option<Stamp>, bool)> = items.chunks(NEAR).flat_map(near).collect();
    if found.iter().any(|(facts, stamp, read)| *read && stamp.is_some() && facts.is_ok()) {
        let fact = |(item, (facts, stamp, _)): (&&Item, &(Result<Facts>, Option<Stamp>, bool))| {
            Some((place(item), ((*stamp).filter(|s| s.is_settled())?, *facts.as_ref().ok()?)))
        };
        let facts = items.iter().zip(&found).filter_map(fact).collect();
        if let Some(file) = file {
            keep(&file, &Kept { version, facts });
        }
    }
    let seen = |facts: Facts, stamp| (facts, Seen { crc32: facts.crc32, stamp });
    found.into_iter().map(|(facts, stamp, _)| facts.map(|facts| seen(facts, stamp))).collect()
}

/// What was found by another version of the program, or by other rules, may be found otherwise by this one.
const VERSION: &str = env!("CARGO_PKG_VERSION");

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
