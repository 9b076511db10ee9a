//! The pixels of a set: decoded in memory, or image files that are decoded whenever they are asked for.

use super::batch::row_bytes;
use super::index::{Item, Seen};
use super::load::or_left_out;
use super::pixels::{PixelRules, Pixels};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The pixels of a set.
#[derive(Clone, PartialEq, Debug)]
pub enum Images {
    /// Decoded, of one size, image after image, each in HWC order.
    Decoded(Vec<u8>),
    /// Image files of any sizes.
    Encoded(Encoded),
}

impl From<Vec<u8>> for Images {
    fn from(pixels: Vec<u8>) -> Images {
        Images::Decoded(pixels)
    }
}

impl From<Encoded> for Images {
    fn from(files: Encoded) -> Images {
        Images::Encoded(files)
    }
}

/// Image files that are decoded whenever they are asked for, by any number of threads.
#[derive(Clone)]
pub struct Encoded {
    items: Arc<[(Item, Seen)]>,
    /// Which of them are in the set, in its order.
    chosen: Vec<u32>,
    channels: usize,
    rules: PixelRules,
    /// Whether random crops see the whole originals, and not what is left of them when they are brought to one size.
    crops: bool,
    /// Originals stay here once they are decoded, if there is room for all of them.
    kept: Option<Arc<[OnceLock<Arc<Pixels>>]>>,
    skips: Option<Arc<Skips>>,
}

/// Images that could not be read and were left out.
pub(super) struct Skips {
    /// How many of them are too many.
    most: usize,
    /// The reason, by path.
    found: Mutex<BTreeMap<String, String>>,
}

impl Skips {
    pub fn new(most: usize) -> Skips {
        Skips { most, found: Mutex::default() }
    }

    /// Notes one; an error once they are too many.
    fn add(&self, item: &Item, why: &Error) -> Result<()> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let path = item.entry.path.display().to_string();
        let known = item.entry.record_name().map_or(path.clone(), |name| format!("{path} ({name})"));
        found.insert(known, why.reason());
        if found.len() <= self.most {
            return Ok(());
        }
        Err(Error::data(
            &item.entry.path,
            format!(
                "{}; it is image number {} that cannot be read, and at most {} may be skipped: repair or remove them, or \
                 allow more with --set data.most_skipped=SHARE",
                why.reason(),
                found.len(),
                self.most
            ),
        ))
    }
}

impl Encoded {
    /// All of `items`, with so many channels.
    pub(super) fn new(items: Vec<(Item, Seen)>, channels: usize, rules: PixelRules) -> Encoded {
        let chosen = (0..items.len() as u32).collect();
        Encoded { items: items.into(), chosen, channels, rules, crops: false, kept: None, skips: None }
    }

    /// Lets random crops see whole originals.
    pub(super) fn cropped(self) -> Encoded {
        Encoded { crops: true, ..self }
    }

    /// Keeps originals in memory once they are decoded.
    pub(super) fn kept(self) -> Encoded {
        let kept = (0..self.items.len()).map(|_| OnceLock::new()).collect();
        Encoded { kept: Some(kept), ..self }
    }

    /// Takes another image for one that cannot be read.
    pub(super) fn skipping(self, skips: Arc<Skips>) -> Encoded {
        Encoded { skips: Some(skips), ..self }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.chosen.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// Whether random crops see whole originals.
    pub fn crops(&self) -> bool {
        self.crops
    }

    /// Those at `indices`, in that order.
    pub(super) fn select(&self, indices: &[u32]) -> Encoded {
        Encoded { chosen: indices.iter().map(|i| self.chosen[*i as usize]).collect(), ..self.clone() }
    }

    /// Path and reason of each image that was skipped until now, in the order of their paths.
    pub fn skipped(&self) -> Vec<(String, String)> {
        let Some(skips) = &self.skips else { return Vec::new() };
        let found = skips.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.iter().map(|(path, reason)| (path.clone(), reason.clone())).collect()
    }

    /// Image `i` as it is in its file, and the number of the image that it is: where images that cannot be read are skipped,
    /// the next one that can, so that the same image always takes its place.
    ///
    /// # Errors
    /// If it cannot be read, and is not to be skipped.
    pub(super) fn original(&self, i: usize) -> Result<(usize, Arc<Pixels>)> {
        let n = self.len();
        for at in (i..n).chain(0..i) {
            match (self.decoded(self.chosen[at]), &self.skips) {
                (Ok(pixels), _) => return Ok((at, pixels)),
                (Err(e), None) => return Err(or_left_out(e)),
                (Err(e), Some(skips)) => skips.add(&self.items[self.chosen[at] as usize].0, &e)?,
            }
        }
        Err(Error::Config("none of the images can be read".into()))
    }

    /// Image `i` as it is in its file, and no other in its place.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn exactly(&self, i: usize) -> Result<Arc<Pixels>> {
        let gone = |e: Error| match (e, &self.skips) {
            (Error::Data { path, message }, Some(_)) => {
                Error::data(path, format!("{message}; no other can take its place here, so remove it from the set"))
            }
            (e, None) => or_left_out(e),
            (e, _) => e,
        };
        self.decoded(self.chosen[i]).map_err(gone)
    }

    /// Image `i`, brought to `h` x `w` pixels.
    pub(super) fn covered(&self, i: usize, [h, w]: [usize; 2]) -> Result<Vec<u8>> {
        let original = self.exactly(i)?;
        Ok(self.cover(i, &original, [h, w])?.data)
    }

    /// [`Encoded::covered`] of an image of which the original is at hand, into a row of a U8 tensor.
    pub(super) fn cover_into(&self, i: usize, original: &Pixels, size: [usize; 2], row: &mut [u32]) -> Result<()> {
        let covered = self.cover(i, original, size)?.data;
        row_bytes(row)[..covered.len()].copy_from_slice(&covered);
        Ok(())
    }

    fn cover(&self, i: usize, original: &Pixels, [h, w]: [usize; 2]) -> Result<Pixels> {
        self.items[self.chosen[i] as usize].0.cover(original.clone(), [h, w])
    }

    fn decoded(&self, item: u32) -> Result<Arc<Pixels>> {
        let kept = self.kept.as_ref().map(|kept| &kept[item as usize]);
        if let Some(pixels) = kept.and_then(OnceLock::get) {
            return Ok(pixels.clone());
        }
        let (item, seen) = &self.items[item as usize];
        let pixels = item.original(&self.rules, seen)?;
        let pixels = Arc::new(pixels.with_channels(self.channels));
        Ok(kept.map_or(pixels.clone(), |kept| kept.get_or_init(|| pixels).clone()))
    }
}

impl PartialEq for Encoded {
    /// The same files.
    fn eq(&self, other: &Encoded) -> bool {
        let names =
            |e: &Encoded| e.chosen.iter().map(|i| e.items[*i as usize].0.entry.path.clone()).collect::<Vec<_>>();
        (self.channels, self.rules, self.crops) == (other.channels, other.rules, other.crops)
            && names(self) == names(other)
    }
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} image files", self.len())
    }
}
