//! One image of a set before it is decoded, and what a reader found of a set.

use super::{Facts, LeftOut, Seen};
use crate::data::OpenOptions;
use crate::data::pixels::{PixelError, PixelRules, Pixels};
use crate::data::source::Entry;
use crate::error::{Error, Result};
use std::fmt;

/// One image: where its bytes are, and what they are.
#[derive(Clone)]
pub(crate) struct Item {
    /// The bytes, and the name by which people know the image: below the source, parts joined by '/'; of a record the file's
    /// name, '#' and the record's number.
    pub entry: Entry,
    /// An index into [`Found::classes`]; `None` if it has no label.
    pub class: Option<u32>,
    /// What the bytes are.
    pub coding: Coding,
}

/// What the bytes of an image are.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Coding {
    /// An image file; its format is seen from the content.
    File,
    /// An image file of which the checksum is known.
    Checked {
        /// CRC-32 of its bytes.
        crc32: u32,
    },
    /// Pixels as they are, a byte a channel.
    Raw {
        /// Height.
        h: u32,
        /// Width.
        w: u32,
        /// Channels, 1 or 3.
        c: u32,
        /// Whether channels are whole planes, one after the other (CHW), instead of interleaved (HWC).
        planar: bool,
    },
}

/// What is kept of an image's place when it is decoded: by these a set is known again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// Name below the source, parts joined by '/'; of a record the file's name, '#' and the record's number.
    pub name: String,
    /// Bytes of the file or record, unpacked.
    pub bytes: u64,
    /// CRC-32 of these.
    pub crc32: u32,
}

impl Item {
    /// The image decoded, brought to the size and channels of `options` if they are given, and where it is from. Nothing if
    /// `wanted` does not agree to the height and width that it has in its file.
    ///
    /// # Errors
    /// If it cannot be read or decoded, or is so narrow that nearly nothing of it would be left.
    pub(in crate::data) fn pixels(
        &self,
        options: &OpenOptions,
        wanted: impl FnOnce([usize; 2]) -> bool,
    ) -> Result<Option<(Pixels, Origin)>> {
        let (bytes, origin) = self.read()?;
        let pixels = self.decode(bytes, &options.pixels)?;
        let original = [pixels.h, pixels.w];
        if !wanted(original) {
            return Ok(None);
        }
        let c = options.channels.unwrap_or(pixels.c);
        let pixels = self.cover(pixels.with_channels(c), options.size.unwrap_or(original))?;
        Ok(Some((pixels, origin)))
    }

    /// The image as it is in its file, which was `seen` when its set was opened.
    ///
    /// # Errors
    /// If it cannot be read or decoded, or is another one now.
    pub(in crate::data) fn original(&self, rules: &PixelRules, seen: &Seen) -> Result<Pixels> {
        let read = self.read();
        let why = match &read {
            Ok((_, now)) if now.crc32 == seen.crc32 => None,
            Ok((_, now)) => Some(format!("its checksum is {:08x}, and was {:08x}", now.crc32, seen.crc32)),
            // What could be read then cannot be now: of a file that changed that is the reason.
            Err(e) => self.has_changed(seen).then(|| e.reason()),
        };
        match why {
            None => self.decode(read?.0, rules),
            Some(why) => Err(self.another(&why, seen)),
        }
    }

    /// Whether the file that holds it is another one than when it was `seen`.
    fn has_changed(&self, seen: &Seen) -> bool {
        seen.stamp.is_some() && self.entry.stamp() != seen.stamp
    }

    /// The error of an image that is not the one that was seen.
    fn another(&self, why: &str, seen: &Seen) -> Error {
        let which = self.entry.record_name().map(|name| format!("{name}: ")).unwrap_or_default();
        let remedy = match self.has_changed(seen) {
            true => "the set changed while it was read. Leave it as it is for as long as it is used, and begin again",
            false => {
                "the time and the size of its file are the same, so that the disk is at fault or another file was given its \
                 time. Copy it again, or `touch` it if it is as it should be, and begin again"
            }
        };
        Error::data(&self.entry.path, format!("{which}it is not what it was when the set was opened ({why}): {remedy}"))
    }

    /// Height, width and channels of the picture.
    ///
    /// # Errors
    /// If it cannot be read, or does not say it.
    pub(in crate::data) fn extents(&self, rules: &PixelRules) -> Result<[usize; 3]> {
        match self.coding {
            Coding::File | Coding::Checked { .. } => self.extents_in(&self.read()?.0, rules),
            Coding::Raw { h, w, c, .. } => Ok([h, w, c].map(|n| n as usize)),
        }
    }

    /// What must be known of an image that is not decoded ahead. With `decode` it is decoded all the same, to see that it can.
    ///
    /// # Errors
    /// If it cannot be read, or does not say it.
    pub(in crate::data) fn facts(&self, rules: &PixelRules, decode: bool) -> Result<Facts> {
        let (bytes, Origin { bytes: len, crc32, .. }) = self.read()?;
        let extents = match decode {
            true => self.decode(bytes, rules).map(|p| [p.h, p.w, p.c])?,
            false => self.extents_in(&bytes, rules)?,
        };
        Ok(Facts { bytes: len, crc32, extents: extents.map(|n| n as u32) })
    }

    fn extents_in(&self, bytes: &[u8], rules: &PixelRules) -> Result<[usize; 3]> {
        match self.coding {
            Coding::Raw { .. } => self.extents(rules),
            _ => Pixels::extents(bytes, rules).map_err(|e| self.unreadable(e)),
        }
    }

    fn unreadable(&self, e: PixelError) -> Error {
        Error::data(&self.entry.path, e.to_string())
    }

    /// The bytes, unpacked, and what they are known by.
    fn read(&self) -> Result<(Vec<u8>, Origin)> {
        // Pixels can begin as a gzipped file does.
        let bytes = match self.coding {
            Coding::File => self.entry.read_unpacked()?,
            Coding::Checked { .. } | Coding::Raw { .. } => self.entry.read()?,
        };
        let crc32 = crc32fast::hash(&bytes);
        if let Coding::Checked { crc32: should } = self.coding
            && should != crc32
        {
            return Err(Error::data(
                &self.entry.path,
                format!(
                    "{}: its checksum should be {should:08x}, and is {crc32:08x}: the file is damaged, copy it again or pack \
                     it again with `onebit pack`",
                    self.entry.name
                ),
            ));
        }
        let origin = Origin { name: self.entry.name.clone(), bytes: bytes.len() as u64, crc32 };
        Ok((bytes, origin))
    }

    fn decode(&self, bytes: Vec<u8>, rules: &PixelRules) -> Result<Pixels> {
        match self.coding {
            Coding::File | Coding::Checked { .. } => Pixels::decode(&bytes, rules).map_err(|e| self.unreadable(e)),
            Coding::Raw { h, w, c, planar } => {
                let (h, w, c) = (h as usize, w as usize, c as usize);
                if bytes.len() != h * w * c {
                    let message = format!("{}: {} bytes are not {h}x{w}x{c}", self.entry.name, bytes.len());
                    return Err(Error::data(&self.entry.path, message));
                }
                let data = match planar && c > 1 {
                    true => (0..h * w).flat_map(|p| (0..c).map(move |k| k * h * w + p)).map(|i| bytes[i]).collect(),
                    false => bytes,
                };
                Ok(Pixels { h, w, c, data })
            }
        }
    }

    /// The picture of this image brought to `h` x `w` pixels.
    ///
    /// # Errors
    /// If it is so narrow that nearly nothing of it would be left.
    pub(in crate::data) fn cover(&self, pixels: Pixels, [h, w]: [usize; 2]) -> Result<Pixels> {
        pixels.cover(h, w).map_err(|e| self.too_narrow(e))
    }

    /// [`Item::cover`]'s error for a picture of these sides, if it has one.
    pub(in crate::data) fn check_cover(&self, sides: [usize; 2], to: [usize; 2]) -> Result<()> {
        Pixels::check_cover(sides, to).map_err(|e| self.too_narrow(e))
    }

    fn too_narrow(&self, e: String) -> Error {
        const NEARER: &str = "cut or remove it, or give a size nearer to its shape (--set data.size=[H,W])";
        Error::data(&self.entry.path, format!("{e}: {NEARER}"))
    }

    /// The picture, and the bytes that it was decoded from.
    ///
    /// # Errors
    /// If it cannot be read or decoded.
    pub(in crate::data) fn original_and_bytes(&self, rules: &PixelRules) -> Result<(Pixels, Vec<u8>)> {
        let (bytes, _) = self.read()?;
        Ok((self.decode(bytes.clone(), rules)?, bytes))
    }
}

/// The parts of a set. Training learns from the first, settings are chosen by the second, the third is touched once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// What is learned from.
    Train = 0,
    /// What settings and checkpoints are chosen by.
    Val = 1,
    /// What is reported.
    Test = 2,
}

impl Part {
    /// All of them, in their order.
    pub const ALL: [Part; 3] = [Part::Train, Part::Val, Part::Test];

    /// The word for it.
    pub fn word(self) -> &'static str {
        ["train", "val", "test"][self as usize]
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(["training", "validation", "test"][*self as usize])
    }
}

/// What a reader found: all images of a set, none of them decoded.
pub(crate) struct Found {
    /// What people call the set ("CIFAR-10"); the source's name if the files do not tell.
    pub name: String,
    /// Class names by label; empty if nothing is known of classes.
    pub classes: Vec<String>,
    /// The images of each [`Part`], in the order of their names or records; `None` for a part that is not there.
    pub parts: [Option<Vec<Item>>; 3],
    /// What a user should know of where the parts come from.
    pub notes: Vec<String>,
    /// Everything that is in the source and not in the set, counted and named.
    pub left_out: LeftOut,
}

impl Found {
    /// Leaves out parts for validation and test that have no labels, if the training part has: nothing can be tested on them,
    /// and part of the training images is drawn for that instead. Where one of them has labels, the other can stay.
    pub(in crate::data) fn drop_unlabelled(&mut self) {
        let labelled = |part: &Option<Vec<Item>>| part.iter().flatten().any(|i| i.class.is_some());
        let [train, rest @ ..] = &mut self.parts;
        if !labelled(train) || rest.iter().any(labelled) {
            return;
        }
        let mut which = Vec::new();
        for (part, items) in [Part::Val, Part::Test].into_iter().zip(rest) {
            let Some(items) = items.take() else { continue };
            items.iter().for_each(|i| self.left_out.add(format!("a {part} image without a label"), &i.entry.name));
            which.push(part.word());
        }
        match which[..] {
            [] => {}
            [one] => self
                .notes
                .push(format!("{one} has no labels and is left out: data.test draws a share of train instead")),
            _ => self.notes.push("neither val nor test has labels: data.test draws a share of train instead".into()),
        }
    }

    /// The labels of some of its images: a part has labels if its images have.
    pub(in crate::data) fn labels<'a>(&self, items: impl Iterator<Item = &'a Item>) -> Option<Vec<u32>> {
        let labels: Option<Vec<u32>> = items.map(|i| i.class).collect();
        labels.filter(|l| !l.is_empty() || !self.classes.is_empty())
    }
}
