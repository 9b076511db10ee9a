//! JPEG of 8 bits with Huffman coding: baseline and progressive, in one scan or many.

mod structure;
mod tables;

use super::decoded::{Decoded, Samples, bytes_of, of_max};
use super::{PixelError, Truncated};
use libjpeg_turbo_rs::{Decoder, JpegError, PixelFormat};
pub(super) use structure::Structure;

/// # Errors
/// As [`PixelError`] lists them.
pub(super) fn decode(bytes: &[u8], truncated: Truncated) -> Result<Decoded, PixelError> {
    let structure = Structure::of(bytes)?;
    // Inks take four bytes a pixel before they are colours.
    bytes_of(structure.h, structure.w, structure.components as u64)?;
    let (channels, form) = match structure.components {
        1 => (1, PixelFormat::Grayscale),
        3 => (3, PixelFormat::Rgb),
        _ => (3, PixelFormat::Cmyk),
    };
    let whole = match &structure.missing {
        Some(what) => Err(PixelError::Truncated(what.clone())),
        None => pixels(bytes, form, false),
    };
    let data = match whole {
        Err(PixelError::Truncated(_)) if truncated == Truncated::Keep => {
            pixels(&[&bytes[..structure.end], b"\xff\xd9"].concat(), form, true)?
        }
        whole => whole?,
    };
    let (h, w) = (structure.h as usize, structure.w as usize);
    let data = if form == PixelFormat::Cmyk { of_inks(&data) } else { data };
    if data.len() != h * w * channels {
        return Err(PixelError::Damaged(format!("its {h}x{w} pixels came as {} bytes", data.len())));
    }
    let samples = Samples::U8(data);
    Ok(Decoded { h, w, channels, samples, premultiplied: false, orientation: structure.orientation })
}

/// The decoder's pixels; `lenient` leaves what is missing grey.
fn pixels(bytes: &[u8], form: PixelFormat, lenient: bool) -> Result<Vec<u8>, PixelError> {
    let decoder = Decoder::new(bytes).map_err(of_error)?.with_output_format(form).with_lenient(lenient);
    Ok(decoder.decode_image().map_err(of_error)?.into_vec())
}

/// Inks as colours. Every writer of them stores them the other way round, 0 for all of the ink, as Adobe began to; so that
/// a colour is what its ink leaves of what black leaves.
fn of_inks(stored: &[u8]) -> Vec<u8> {
    let colour = |ink: u8, black: u8| of_max(u64::from(ink) * u64::from(black), 255 * 255);
    stored.as_chunks::<4>().0.iter().flat_map(|[c, m, y, k]| [colour(*c, *k), colour(*m, *k), colour(*y, *k)]).collect()
}

fn of_error(e: JpegError) -> PixelError {
    match e {
        JpegError::UnexpectedEof => PixelError::Truncated("the JPEG's data ends before its last pixel".into()),
        JpegError::Unsupported(what) => PixelError::Unsupported(format!("a JPEG of a rare variant ({what})")),
        e => PixelError::Damaged(e.to_string()),
    }
}
