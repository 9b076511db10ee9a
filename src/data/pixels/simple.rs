//! GIF, WebP, BMP and PNM: of an animation the first frame.

use super::decoded::{Decoded, Samples, bytes_of};
use super::error::is_end_of_data;
use super::{Kind, PixelError, Truncated, orientation};
use image::codecs::{bmp::BmpDecoder, gif::GifDecoder, pnm::PnmDecoder, webp::WebPDecoder};
use image::{ColorType, ImageDecoder, ImageError};
use std::io::Cursor;

/// # Errors
/// As [`PixelError`] lists them.
pub(super) fn decode(bytes: &[u8], kind: Kind, truncated: Truncated) -> Result<Decoded, PixelError> {
    let input = Cursor::new(bytes);
    if kind == Kind::WebP && truncated == Truncated::Stop && !is_whole_riff(bytes) {
        return Err(ends_early());
    }
    match kind {
        Kind::Gif => with(GifDecoder::new(input).map_err(of_error)?, truncated),
        Kind::WebP => with(WebPDecoder::new(input).map_err(of_error)?, truncated),
        Kind::Bmp => with(BmpDecoder::new(input).map_err(of_error)?, truncated),
        _ => with(PnmDecoder::new(input).map_err(of_error)?, truncated),
    }
}

fn with(mut decoder: impl ImageDecoder, truncated: Truncated) -> Result<Decoded, PixelError> {
    let (w, h) = decoder.dimensions();
    let colours = decoder.color_type();
    let mut data = vec![0; bytes_of(h.into(), w.into(), colours.bytes_per_pixel().into())?];
    let exif = decoder.exif_metadata().ok().flatten();
    match decoder.read_image(&mut data).map_err(of_error) {
        Ok(()) => {}
        Err(PixelError::Truncated(_)) if truncated == Truncated::Keep && data.iter().any(|b| *b != 0) => {}
        Err(e) => return Err(e),
    }
    let samples = match colours {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => Samples::U8(data),
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => {
            Samples::U16(data.as_chunks::<2>().0.iter().map(|b| u16::from_ne_bytes(*b)).collect())
        }
        other => return Err(PixelError::Unsupported(format!("a picture of samples {other:?}"))),
    };
    Ok(Decoded {
        h: h as usize,
        w: w as usize,
        channels: colours.channel_count().into(),
        samples,
        premultiplied: false,
        orientation: exif.map_or(orientation::of_number(1), |e| orientation::of_exif(&e)),
    })
}

/// Whether a RIFF file has all the bytes that its head announces; the last may be padding.
fn is_whole_riff(bytes: &[u8]) -> bool {
    bytes
        .get(4..8)
        .is_some_and(|n| bytes.len() as u64 + 1 >= u64::from(u32::from_le_bytes([n[0], n[1], n[2], n[3]])) + 8)
}

/// How the decoders of GIF and of PNM in words say that a file ends too early; they have no kind of error for it.
const ENDS_EARLY: [&str; 2] = ["Unexpected End of File", "Not enough data"];

fn ends_early() -> PixelError {
    PixelError::Truncated("it ends before its last pixel".into())
}

fn of_error(e: ImageError) -> PixelError {
    match e {
        ImageError::IoError(e) if is_end_of_data(&e) => ends_early(),
        e if is_end_of_data(&e) => ends_early(),
        ImageError::Unsupported(e) => PixelError::Unsupported(format!("of a variant of its format ({e})")),
        e => {
            let what = e.to_string();
            if ENDS_EARLY.iter().any(|end| what.contains(end)) { ends_early() } else { PixelError::Damaged(what) }
        }
    }
}
