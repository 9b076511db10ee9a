//! Images that lie one after the other as bytes, with a label each: what IDX files and arrays have in common.

use super::super::index::{Coding, Found, Item, LeftOut, Part};
use super::super::source::{Entry, Source};
use super::labels::{numbered, outside};
use crate::error::{Error, Result};
use crate::memory;
use std::path::PathBuf;

/// Images of a file; more would not be listed in memory.
const MOST_IMAGES: u64 = 1 << 26;

/// Bytes that an image's name and path take, beside the file's own name.
const NAME: usize = 64;

/// How the bytes of one image lie.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Layout {
    pub h: u32,
    pub w: u32,
    pub c: u32,
    /// Whether it is one plane a channel (CHW) instead of interleaved (HWC).
    pub planar: bool,
}

impl Layout {
    /// Of the extents that follow the number of images: `[h, w]`, `[h, w, c]` or `[c, h, w]` with 1 or 3 channels.
    ///
    /// # Errors
    /// With a sentence, if these are no images, or if both axes could be that of the channels.
    pub fn of(extents: &[u64]) -> Result<Layout, String> {
        let shown = extents.iter().map(u64::to_string).collect::<Vec<_>>().join("x");
        let colours = |c: u64| matches!(c, 1 | 3);
        let (h, w, c, planar) = match *extents {
            [h, w] => (h, w, 1, false),
            [3, _, c] if colours(c) => {
                return Err(format!(
                    "images of {shown}: it cannot be told which axis is that of the channels; store them as height x width x \
                     channels with more than 3 rows"
                ));
            }
            // Where both could be, the last axis: arrays of images have channels there unless they come from PyTorch.
            [h, w, c] if colours(c) => (h, w, c, false),
            [c, h, w] if colours(c) => (h, w, c, c > 1),
            _ => {
                return Err(format!(
                    "images of {shown}: expected height x width, with 1 or 3 channels as last or first axis"
                ));
            }
        };
        let side = |n: u64| u32::try_from(n).ok().filter(|n| (1..=1 << 16).contains(n));
        match (side(h), side(w)) {
            (Some(h), Some(w)) => Ok(Layout { h, w, c: c as u32, planar }),
            _ => Err(format!("images of {shown}: both sides must be from 1 to 65536 pixels")),
        }
    }

    /// Bytes of an image.
    pub fn bytes(&self) -> u64 {
        self.h as u64 * self.w as u64 * self.c as u64
    }

    /// How the axes are where that is not plain.
    pub fn note(&self) -> Option<String> {
        self.planar.then(|| format!("its images are taken as planes: {} channels x {} x {}", self.c, self.h, self.w))
    }

    pub fn coding(&self) -> Coding {
        Coding::Raw { h: self.h, w: self.w, c: self.c, planar: self.planar }
    }
}

/// The images of one part of a set.
pub(super) struct Records {
    pub part: Part,
    /// What holds them, unpacked.
    pub entry: Entry,
    /// Where the first one begins.
    pub start: u64,
    pub count: u64,
    pub layout: Layout,
    /// A label for each, and the file that messages about them name.
    pub labels: Option<(PathBuf, Vec<i64>)>,
}

impl Records {
    /// Its images, with labels below `classes`.
    fn items(&self, classes: usize) -> Result<Vec<Item>> {
        let fail = |m: String| Err(Error::data(&self.entry.path, m));
        if self.count == 0 {
            return fail(format!("its header says 0 images of {}x{}x{}", self.layout.h, self.layout.w, self.layout.c));
        }
        if self.count > MOST_IMAGES {
            return fail(format!("its {} images are more than {MOST_IMAGES}: split the file", self.count));
        }
        let each = (size_of::<Item>() + self.entry.name.len() + NAME) as u64;
        if let Err(e) = memory::check(self.count.saturating_mul(each)) {
            return fail(format!("a list of its {} images takes {e}: split the file", self.count));
        }
        let mut items = Vec::with_capacity(self.count as usize);
        if let Some((path, labels)) = &self.labels {
            if labels.len() as u64 != self.count {
                return Err(Error::data(
                    path,
                    format!(
                        "holds {} labels, but {} holds {} images: the two files do not belong together",
                        labels.len(),
                        self.entry.path.display(),
                        self.count
                    ),
                ));
            }
            if let Some(sentence) = outside(labels, classes) {
                return Err(Error::data(path, sentence));
            }
        }
        let bytes = self.layout.bytes();
        for i in 0..self.count {
            let entry = self.entry.part(format!("{}#{i}", self.entry.name), self.start + i * bytes, bytes);
            let class = self.labels.as_ref().map(|(_, labels)| labels[i as usize] as u32);
            items.push(Item { entry, class, coding: self.layout.coding() });
        }
        Ok(items)
    }
}

/// A set of such parts. Without class names there are as many classes as the labels of the first part ask for.
/// `labels_lie_in` is what messages call that: "label file".
pub(super) fn found(
    source: &Source,
    name: Option<String>,
    classes: Option<Vec<String>>,
    mut parts: Vec<Records>,
    labels_lie_in: &str,
    left_out: LeftOut,
) -> Result<Found> {
    parts.sort_by_key(|records| records.part as u8);
    let mut notes: Vec<String> = parts.first().and_then(|records| records.layout.note()).into_iter().collect();
    if let Some(pair) = parts.windows(2).find(|pair| pair[0].part == pair[1].part) {
        return Err(Error::data(
            &source.path,
            format!(
                "holds two sets of {} images ({}, {}): keep one set in a folder of its own",
                pair[0].part,
                pair[0].entry.path.display(),
                pair[1].entry.path.display()
            ),
        ));
    }
    let labelled = parts.iter().find(|records| records.labels.is_some());
    let bare = parts.iter().find(|records| records.labels.is_none());
    if let (Some(other), Some(bare)) = (labelled, bare) {
        return Err(Error::data(
            &bare.entry.path,
            format!(
                "the {labels_lie_in} of these images is missing, but {} has labels: put it beside, or move the images to \
                 another folder",
                other.entry.path.display()
            ),
        ));
    }
    let classes = match (classes, labelled) {
        (Some(classes), _) => classes,
        (None, Some(Records { part, labels: Some((path, labels)), .. })) => {
            // Nothing in the files says how many classes there are: as many as the first part shows.
            let numbered = numbered(labels, &format!("{part} ")).map_err(|m| Error::data(path, m))?;
            notes.extend(numbered.notes);
            numbered.classes
        }
        (None, _) => Vec::new(),
    };
    let mut found =
        Found { name: name.unwrap_or_else(|| source.name()), classes, parts: [None, None, None], notes, left_out };
    for records in parts {
        found.parts[records.part as usize] = Some(records.items(found.classes.len())?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_of_channels_is_found_or_asked_for() {
        let of = |extents: &[u64]| Layout::of(extents).map(|l| (l.h, l.w, l.c, l.planar));
        assert_eq!(of(&[28, 20]), Ok((28, 20, 1, false)));
        assert_eq!(of(&[28, 20, 1]), Ok((28, 20, 1, false)));
        assert_eq!(of(&[28, 20, 3]), Ok((28, 20, 3, false)));
        assert_eq!(of(&[3, 28, 20]), Ok((28, 20, 3, true)));
        assert_eq!(of(&[1, 28, 20]), Ok((28, 20, 1, false)));
        assert_eq!(of(&[1, 2, 3]), Ok((1, 2, 3, false)));
        for (bad, said) in [
            (&[3, 9, 3][..], "cannot be told"),
            (&[3, 9, 1], "cannot be told"),
            (&[4, 28, 28], "1 or 3 channels"),
            (&[28, 28, 4], "1 or 3 channels"),
            (&[28], "expected height"),
            (&[0, 28], "both sides"),
            (&[1 << 40, 28], "both sides"),
        ] {
            assert!(of(bad).unwrap_err().contains(said), "{bad:?}");
        }
    }
}
