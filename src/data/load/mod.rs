//! From an index to images: decoded into memory where they fit, else left in their files. What comes out of a set is the same
//! either way.

mod decoded;
mod encoded;

use super::index::{Found, Item, Part};
use super::source::Entry;
use super::{Dataset, OnError, OpenOptions};
use crate::error::{Error, Result};
use crate::memory;
use std::collections::HashMap;
use std::path::Path;

/// The parts of a set, and what was skipped.
pub(super) struct Loaded {
    pub parts: [Option<Dataset>; 3],
    /// Path and reason of each image that was left out.
    pub skipped: Vec<(String, String)>,
    /// What a user should know of where the pixels are.
    pub notes: Vec<String>,
}

/// Makes images of what was found at `path`.
pub(super) fn load(path: &Path, found: &Found, options: &OpenOptions) -> Result<Loaded> {
    let held = held_bytes(found);
    let all = options.memory.unwrap_or_else(default_budget);
    let budget = Budget { all, held, left: all.saturating_sub(held) };
    // Whether random crops see more of the training images than they do once these are brought to one size follows from the
    // images alone, never from the memory there is: they do if one of them has another size.
    let crops = options.size.filter(|_| options.crops && found.parts[Part::Train as usize].is_some());
    if bytes_in_memory(found, options).is_none_or(|bytes| bytes <= budget.left) {
        let loaded = match crops {
            None => Some(decoded::load(path, found, &Part::ALL, options)?),
            Some(size) => decoded::load_uniform(path, found, options, size)?,
        };
        if let Some(loaded) = loaded {
            return Ok(loaded);
        }
    }
    encoded::load(path, found, options, crops.is_some(), budget)
}

/// Bytes that images may take.
struct Budget {
    all: u64,
    /// Those that image files take which lie in memory already.
    held: u64,
    left: u64,
}

/// Bytes in memory of image files that were unpacked into it.
fn held_bytes(found: &Found) -> u64 {
    let held = found.parts.iter().flatten().flatten().filter_map(|item| item.entry.held());
    held.collect::<HashMap<_, _>>().into_values().sum()
}

/// Bytes that decoded images may take where nobody says it: a quarter of the memory, and no more than there is.
fn default_budget() -> u64 {
    let quarter = memory::installed().map_or(1 << 30, |all| all / 4);
    memory::available().map_or(quarter, |available| quarter.min(available))
}

/// Bytes of all images, decoded and brought to their size; `None` if none can be read, which is told when they are.
fn bytes_in_memory(found: &Found, options: &OpenOptions) -> Option<u64> {
    let items = || found.parts.iter().flatten().flatten();
    let [h, w, c] = items().take(16).find_map(|i| i.extents(&options.pixels).ok())?;
    let [h, w] = options.size.unwrap_or([h, w]);
    let c = options.channels.unwrap_or(c);
    Some((items().count() as u64).saturating_mul((h * w * c) as u64))
}

/// The error for images of several sizes.
fn mixed_sizes(item: &Item, [h, w]: [usize; 2], first: &Item, [first_h, first_w]: [usize; 2]) -> Error {
    Error::data(
        &item.entry.path,
        format!(
            "is {h}x{w} pixels (height x width), but {} is {first_h}x{first_w}: all images must have one size, so give the one \
             to which they are scaled and cut, for example --set data.size=[{first_h},{first_w}]",
            first.entry.path.display()
        ),
    )
}

/// The error of an image that cannot be read, with what else can be done about it.
pub(super) fn or_left_out(e: Error) -> Error {
    match e {
        Error::Data { path, message } => {
            Error::data(path, format!("{message}, or leave such images out with --set data.on_error=skip"))
        }
        other => other,
    }
}

impl OpenOptions {
    /// Notes an image that cannot be read, one of `of`; or stops there, or because they are too many.
    pub(super) fn skip(&self, entry: &Entry, e: Error, of: usize, skipped: &mut Vec<(String, String)>) -> Result<()> {
        if self.on_error == OnError::Stop {
            return Err(or_left_out(e));
        }
        skipped.push((entry.path.display().to_string(), e.reason()));
        if skipped.len() as f64 <= self.most_skipped * of as f64 {
            return Ok(());
        }
        let (first, why) = &skipped[0];
        Err(Error::data(
            &entry.path,
            format!(
                "more than a share of {} of the {of} images cannot be read ({} so far; the first is {first}: {why}): repair or \
                 remove them, or allow more with --set data.most_skipped=SHARE",
                self.most_skipped,
                skipped.len()
            ),
        ))
    }
}
