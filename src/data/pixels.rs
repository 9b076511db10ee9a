//! One image as bytes: decoding, channels, size.

use crate::error::Error;
use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageBuffer, ImageReader, Limits, Luma, Pixel, Rgb};
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Bytes of one image in HWC order.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Pixels {
    pub h: usize,
    pub w: usize,
    /// 1 or 3.
    pub c: usize,
    pub data: Vec<u8>,
}

impl Pixels {
    /// Decodes an image file; the format is seen from the content. Grey files give one channel, others three.
    /// Transparency is dropped, 16 bits become 8, of an animation the first frame is taken, and a camera's note of
    /// orientation is ignored, as torchvision's `ImageFolder` does.
    pub fn decode(bytes: &[u8]) -> Result<Pixels, String> {
        let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| e.to_string())?;
        let mut limits = Limits::default();
        limits.max_alloc = Some(MOST_DECODED);
        reader.limits(limits);
        // Decoders are others' code, and some count past the end of a number where a file is made for it.
        let decoded = catch_unwind(AssertUnwindSafe(|| reader.decode()));
        let image = decoded.map_err(|_| "its decoder failed".to_string())?.map_err(|e| e.to_string())?;
        let (h, w) = (image.height() as usize, image.width() as usize);
        let (c, data) = match image {
            DynamicImage::ImageLuma8(_)
            | DynamicImage::ImageLumaA8(_)
            | DynamicImage::ImageLuma16(_)
            | DynamicImage::ImageLumaA16(_) => (1, image.into_luma8().into_raw()),
            _ => (3, image.into_rgb8().into_raw()),
        };
        Ok(Pixels { h, w, c, data })
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

    /// The image scaled so that it just covers `h` x `w` (for a square: its shorter side gets that length) and cut
    /// out of the centre. Scaling is bilinear with antialiasing.
    ///
    /// # Errors
    /// If it is so long and narrow that nearly all of it would be cut off: before the cut it would need any amount of
    /// memory.
    pub fn cover(self, h: usize, w: usize) -> Result<Pixels, String> {
        if (self.h, self.w) == (h, w) {
            return Ok(self);
        }
        let scale = (h as f64 / self.h as f64).max(w as f64 / self.w as f64);
        let to = |side: usize, least: usize| ((side as f64 * scale).round() as usize).max(least);
        let (big_h, big_w) = (to(self.h, h), to(self.w, w));
        if big_h as u128 * big_w as u128 > (MOST_CUT * h * w) as u128 {
            return Err(format!(
                "of {}x{} pixels (height x width), {h}x{w} would be less than a {MOST_CUT}th part: cut it by hand",
                self.h, self.w
            ));
        }
        let data = match self.c {
            1 => scaled::<Luma<u8>>(&self, big_h, big_w, h, w),
            _ => scaled::<Rgb<u8>>(&self, big_h, big_w, h, w),
        };
        Ok(Pixels { h, w, c: self.c, data })
    }
}

/// Bytes that an image may take while it is decoded: 89 million pixels of three colours. A file of a few bytes may claim any
/// number of them.
const MOST_DECODED: u64 = 256 << 20;

/// How many times larger than what is kept of it an image may be.
const MOST_CUT: usize = 64;

/// Bytes of an image file, brought to `[h, w, c]` as images of folders are.
///
/// # Errors
/// If it cannot be read or decoded.
pub fn image_file(path: &Path, [h, w, c]: [usize; 3]) -> crate::error::Result<Vec<u8>> {
    let bytes = std::fs::read(path).map_err(Error::io(path, "read"))?;
    let pixels = Pixels::decode(&bytes).map_err(|e| Error::data(path, format!("the image cannot be decoded: {e}")))?;
    Ok(pixels.with_channels(c).cover(h, w).map_err(|e| Error::data(path, e))?.data)
}

/// Rec. 601 luma in 16-bit fixed point, the constants that Pillow uses.
fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((19595 * r as u32 + 38470 * g as u32 + 7471 * b as u32 + 0x8000) >> 16) as u8
}

fn scaled<P: Pixel<Subpixel = u8> + 'static>(p: &Pixels, big_h: usize, big_w: usize, h: usize, w: usize) -> Vec<u8> {
    let view = ImageBuffer::<P, &[u8]>::from_raw(p.w as u32, p.h as u32, &p.data).expect("h * w * c bytes");
    let big = imageops::resize(&view, big_w as u32, big_h as u32, FilterType::Triangle);
    let (y, x) = ((big_h - h) / 2, (big_w - w) / 2);
    imageops::crop_imm(&big, x as u32, y as u32, w as u32, h as u32).to_image().into_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cover_scales_the_shorter_side_and_cuts_the_centre() {
        // 2 x 6, columns 0 0 100 100 200 200: covering 2 x 2 keeps the middle.
        let row = [0, 0, 100, 100, 200, 200];
        let p = Pixels { h: 2, w: 6, c: 1, data: [row, row].concat() };
        assert_eq!(p.clone().cover(2, 2).unwrap().data, [100; 4]);
        let one = p.clone().cover(1, 3).unwrap();
        assert_eq!((one.h, one.w), (1, 3));
        // Antialiased: every output is a mean over neighbours, the middle one symmetric.
        assert_eq!(one.data[1], 100);
        assert!(one.data[0] < 50 && one.data[2] > 150);
        assert_eq!(p.clone().cover(2, 6).unwrap(), p);
        let flat = Pixels { h: 5, w: 3, c: 3, data: [7, 8, 9].repeat(15) };
        assert_eq!(flat.cover(4, 8).unwrap().data, [7, 8, 9].repeat(32));
        // A line of pixels as a square: 300 x 90000 before the cut.
        let line = Pixels { h: 1, w: 300, c: 1, data: vec![0; 300] };
        assert!(line.cover(300, 300).unwrap_err().contains("1x300"));
    }

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
