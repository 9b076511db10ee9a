//! One picture as pixels: right, or refused with the reason and the remedy.
//!
//! What a file says of how it is to be seen is done: EXIF's and TIFF's orientation, transparency (laid on a background that
//! a recipe names), depth and range. Colour profiles (ICC) are not applied, as Pillow and torchvision do not.

mod cover;
mod crop;
mod decoded;
mod error;
mod extents;
mod jpeg;
mod kind;
mod orientation;
mod png;
mod rules;
mod scale;
mod simple;
mod tiff;

pub use error::PixelError;
use kind::Kind;
pub use rules::{Background, PixelRules, Truncated};

use crate::error::Error;
use crate::files::read_file;
use decoded::MOST_DECODED;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Bytes of one image in HWC order.
#[derive(Clone, PartialEq, Debug)]
pub struct Pixels {
    /// Height.
    pub h: usize,
    /// Width.
    pub w: usize,
    /// Channels: 1 (grey) or 3 (red, green, blue).
    pub c: usize,
    /// Their bytes, `h * w * c` of them.
    pub data: Vec<u8>,
}

impl Pixels {
    /// Whether a file that begins with these bytes is a picture, be it of a kind that is read here or not. Some are known by as
    /// much as their first 512 bytes.
    pub fn is_picture(head: &[u8]) -> bool {
        !matches!(Kind::of(head), Err(PixelError::NotAnImage(_)))
    }

    /// Decodes an image file; the format is seen from the content. Grey files give one channel, others three.
    ///
    /// # Errors
    /// As [`PixelError`] lists them.
    pub fn decode(bytes: &[u8], rules: &PixelRules) -> Result<Pixels, PixelError> {
        let kind = Kind::of(bytes)?;
        let decode = || match kind {
            Kind::Jpeg => jpeg::decode(bytes, rules.truncated),
            Kind::Png => png::decode(bytes, rules.truncated),
            Kind::Tiff => tiff::decode(bytes, rules.truncated),
            Kind::Gif | Kind::Bmp | Kind::WebP | Kind::Pnm => simple::decode(bytes, kind, rules.truncated),
        };
        // Decoders are others' code, and some count past the end of a number where a file is made for it.
        let decoded = catch_unwind(AssertUnwindSafe(decode));
        let failed =
            || PixelError::Unsupported("a picture that its decoder fails on, damaged or of a rare form".into());
        let decoded = decoded.map_err(|_| failed())??;
        Ok(decoded.finish(rules.background))
    }

    /// The image with `c` channels: grey is repeated; colours are weighed by Rec. 601 (0.299, 0.587, 0.114), as
    /// Pillow and torchvision do.
    pub fn with_channels(self, c: usize) -> Pixels {
        let data = match (self.c, c) {
            (1, 3) => self.data.iter().flat_map(|&v| [v; 3]).collect(),
            (3, 1) => self.data.chunks_exact(3).map(|p| luma([p[0], p[1], p[2]])).collect(),
            _ => return self,
        };
        Pixels { c, data, ..self }
    }
}

/// Bytes of the largest file that is read as a picture: no picture that is decoded takes as many.
const LARGEST_FILE: u64 = 2 * MOST_DECODED;

/// Bytes of an image file, brought to `[h, w, c]` as images of folders are.
///
/// # Errors
/// If it cannot be read or decoded. `keep` is what a user writes to take pictures that are cut short.
pub fn image_file(path: &Path, [h, w, c]: [usize; 3], rules: &PixelRules, keep: &str) -> crate::error::Result<Vec<u8>> {
    let size = std::fs::metadata(path).map_err(Error::io(path, "read"))?.len();
    if size > LARGEST_FILE {
        let (size, most) = (size >> 20, LARGEST_FILE >> 20);
        return Err(Error::data(
            path,
            format!("is a file of {size} MiB, and pictures of at most {most} are read: shrink it"),
        ));
    }
    let bytes = read_file(path).map_err(Error::io(path, "read"))?;
    let pixels = Pixels::decode(&bytes, rules).map_err(|e| Error::data(path, e.sentence(keep)))?;
    let covered = pixels.with_channels(c).cover(h, w);
    Ok(covered.map_err(|e| Error::data(path, format!("{e}: cut it nearer to that shape")))?.data)
}

/// Rec. 601 luma in 16-bit fixed point, the constants that Pillow uses.
fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((19595 * r as u32 + 38470 * g as u32 + 7471 * b as u32 + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_turn_both_ways() {
        let grey = Pixels { h: 1, w: 2, c: 1, data: vec![5, 250] };
        let colour = grey.clone().with_channels(3);
        assert_eq!(colour.data, [5, 5, 5, 250, 250, 250]);
        assert_eq!(colour.with_channels(1), grey);
        // Pillow: Image.new("RGB", (1, 1), (255, 0, 0)).convert("L") is 76; green 150, blue 29.
        let rgb = Pixels { h: 1, w: 3, c: 3, data: vec![255, 0, 0, 0, 255, 0, 0, 0, 255] };
        assert_eq!(rgb.with_channels(1).data, [76, 150, 29]);
    }
}
