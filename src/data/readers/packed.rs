//! `.1img`: a set of images in one file, which trains without a folder of a million files.
//!
//! ```text
//! 0    "1IMG"
//! 4    u32   version
//! 8    u64   first byte of the index
//! 16   u64   its length
//! 24   u32   its CRC-32
//! 28   u32   CRC-32 of the 28 bytes before
//! 32   image files, one after the other
//!      the index: JSON
//! ```
//!
//! Numbers are little-endian. Images are read by their place, each with its checksum; nothing of the file is in memory but its
//! index.

use super::super::index::{Coding, Found, Item, LeftOut};
use super::super::open::OpenOptions;
use super::super::pixels::Background;
use super::super::source::{Entry, Source};
use super::Set;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// The first bytes of the file.
const MAGIC: &[u8; 4] = b"1IMG";
const VERSION: u32 = 1;
/// Bytes before the first image.
pub(in crate::data) const HEADER: u64 = 32;

/// What the file says of its images.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::data) struct Index {
    /// What people call the set.
    pub name: String,
    /// Class names by label.
    pub classes: Vec<String>,
    /// The images of each part; `None` for a part that is not there.
    pub parts: [Option<Vec<Record>>; 3],
    /// What was known of where the parts come from when it was packed.
    pub notes: Vec<String>,
    /// What transparent pixels lie on in images that were made smaller; `None` if none was.
    pub background: Option<Background>,
}

/// One image.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::data) struct Record {
    pub name: String,
    pub class: Option<u32>,
    /// First byte and length in the file.
    pub at: u64,
    pub len: u64,
    pub crc32: u32,
}

/// The header of a file whose index lies there.
pub(in crate::data) fn header(index_at: u64, index: &[u8]) -> [u8; HEADER as usize] {
    let mut header = [0; HEADER as usize];
    header[..4].copy_from_slice(MAGIC);
    header[4..8].copy_from_slice(&VERSION.to_le_bytes());
    header[8..16].copy_from_slice(&index_at.to_le_bytes());
    header[16..24].copy_from_slice(&(index.len() as u64).to_le_bytes());
    header[24..28].copy_from_slice(&crc32fast::hash(index).to_le_bytes());
    let crc = crc32fast::hash(&header[..28]);
    header[28..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// The packed sets of a source.
pub(super) fn find(source: &Source) -> Result<Vec<Set<'_>>> {
    let files = source.files.iter().filter(|e| e.file_name().ends_with(".1img"));
    Ok(files.map(|file| Set::new("a packed set", file.folder(), [file], move |options| read(file, options))).collect())
}

/// Reads the index of a packed set.
///
/// # Errors
/// If it is no packed set, of another version, cut short or changed.
fn read(file: &Entry, options: &OpenOptions) -> Result<Found> {
    let fail = |message: String| Err(Error::data(&file.path, message));
    let head = file.head(HEADER)?;
    if !head.starts_with(MAGIC) {
        return fail("is called .1img, but is no packed set of images: it does not begin with \"1IMG\"".into());
    }
    let size = file.len()?;
    let again = "copy it again, or pack it again with `onebit pack`";
    let u32_at = |at: usize| head.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let u64_at = |at: usize| Some(u32_at(at)? as u64 | (u32_at(at + 4)? as u64) << 32);
    let numbers = (u32_at(4), u64_at(8), u64_at(16), u32_at(24), u32_at(28));
    let (Some(version), Some(at), Some(len), Some(index_crc), Some(crc)) = numbers else {
        return fail(format!("is cut short: it has {size} bytes; {again}"));
    };
    if version != VERSION {
        return fail(format!("is a packed set of version {version}, this program reads {VERSION}: {again}"));
    }
    if crc32fast::hash(&head[..28]) != crc {
        return fail(format!("is damaged: its header is not the one that was written; {again}"));
    }
    if at.checked_add(len).is_none_or(|end| end > size) {
        return fail(format!(
            "is cut short: its index should end at byte {}, and the file at {size}; {again}",
            at + len
        ));
    }
    let bytes = file.part("index".into(), at, len).read()?;
    if crc32fast::hash(&bytes) != index_crc {
        return fail(format!("is damaged: its index is not the one that was written; {again}"));
    }
    let index: Index = match serde_json::from_slice(&bytes) {
        Ok(index) => index,
        Err(e) => return fail(format!("its index does not parse: {e}; {again}")),
    };
    let background = options.pixels.background;
    if let Some(packed) = index.background.filter(|packed| *packed != background) {
        return fail(format!(
            "was packed with transparent pixels on {packed}, and {background} is asked for: pack it with --set \
             data.background={background}, or take --set data.background={packed}"
        ));
    }
    let classes = index.classes.len() as u32;
    for record in index.parts.iter().flatten().flatten() {
        let end = record.at.checked_add(record.len);
        if record.at < HEADER || end.is_none_or(|end| end > at) || record.class.is_some_and(|c| c >= classes) {
            return fail(format!("is damaged: {} has no place or no class in it; {again}", record.name));
        }
    }
    let item = |r: Record| Item {
        entry: file.part(r.name, r.at, r.len),
        class: r.class,
        coding: Coding::Checked { crc32: r.crc32 },
    };
    let parts = index.parts.map(|part| part.map(|records| records.into_iter().map(item).collect()));
    Ok(Found { name: index.name, classes: index.classes, parts, notes: index.notes, left_out: LeftOut::default() })
}
