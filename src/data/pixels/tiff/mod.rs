//! TIFF and BigTIFF: the first page. What its tags say of depth and range counts, and what they leave open is refused.

mod deflate;
mod format;
mod scale;

use super::decoded::{Decoded, MOST_DECODED, Samples, bytes_of, of_max};
use super::error::is_end_of_data;
use super::{PixelError, Truncated, orientation};
use ::tiff::decoder::{Decoder, DecodingResult, Limits};
use ::tiff::tags::Tag;
use ::tiff::{TiffError, TiffUnsupportedError};
use format::{Colours, Format};
use std::io::Cursor;

/// # Errors
/// As [`PixelError`] lists them.
pub(super) fn decode(bytes: &[u8], truncated: Truncated) -> Result<Decoded, PixelError> {
    // The decoder knows no palettes: their indices are asked for as levels of grey.
    let as_grey = format::palette_as_grey(bytes);
    let mut decoder = Decoder::new(Cursor::new(as_grey.as_deref().unwrap_or(bytes))).map_err(of_error)?;
    let format = Format::of(&mut decoder, as_grey.is_some())?;
    let (w, h) = decoder.dimensions().map_err(of_error)?;
    let pixel = (format.samples * format.bits.div_ceil(8)) as u64;
    bytes_of(h.into(), w.into(), pixel)?;
    // A row of a tile is held as well, and tiles may be wider than their picture.
    bytes_of(1, decoder.chunk_dimensions().0.into(), pixel)?;
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MOST_DECODED as usize;
    limits.intermediate_buffer_size = 2 * MOST_DECODED as usize;
    decoder = decoder.with_limits(limits.clone());
    let number = decoder.find_tag_unsigned::<u16>(Tag::Orientation).ok().flatten().unwrap_or(1);

    let layout = decoder.image_buffer_layout().map_err(of_error)?;
    let mut data = DecodingResult::U8(Vec::new());
    data.resize_to(&layout, &limits).map_err(of_error)?;
    let mut whole = data.as_buffer(0);
    match decoder.read_image_bytes(whole.as_bytes_mut()).map_err(of_error) {
        Ok(()) => {}
        Err(PixelError::Truncated(_)) if truncated == Truncated::Keep && whole.as_bytes().iter().any(|b| *b != 0) => {}
        Err(e) => return Err(e),
    }
    deflate::check_sums(&mut decoder, bytes, &format)?;
    let (h, w) = (h as usize, w as usize);
    let samples = scale::samples(data, &format, h * w, w)?;
    let samples = if layout.planes > 1 { interleaved(samples, layout.planes) } else { samples };
    let (channels, samples) = match &format.colours {
        Colours::Palette(map) => (3, palette(samples, map)?),
        Colours::Cmyk => (3, Samples::U8(of_cmyk(&eight(samples)))),
        Colours::Grey | Colours::Rgb => chosen(samples, format.decoded, format.channels()),
    };
    Ok(Decoded {
        h,
        w,
        channels,
        samples,
        premultiplied: format.premultiplied,
        orientation: orientation::of_number(number),
    })
}

/// Planes one after the other as pixels.
fn interleaved(samples: Samples, planes: usize) -> Samples {
    fn turned<T: Copy>(samples: &[T], planes: usize) -> Vec<T> {
        let n = samples.len() / planes;
        (0..n * planes).map(|i| samples[i % planes * n + i / planes]).collect()
    }
    match samples {
        Samples::U8(s) => Samples::U8(turned(&s, planes)),
        Samples::U16(s) => Samples::U16(turned(&s, planes)),
    }
}

/// The first `channels` samples of each pixel that has `of`.
fn chosen(samples: Samples, of: usize, channels: usize) -> (usize, Samples) {
    fn first<T: Copy>(samples: Vec<T>, of: usize, channels: usize) -> Vec<T> {
        match of == channels {
            true => samples,
            false => samples.chunks_exact(of).flat_map(|p| p[..channels].iter().copied()).collect(),
        }
    }
    let samples = match samples {
        Samples::U8(s) => Samples::U8(first(s, of, channels)),
        Samples::U16(s) => Samples::U16(first(s, of, channels)),
    };
    (channels, samples)
}

fn eight(samples: Samples) -> Vec<u8> {
    match samples {
        Samples::U8(s) => s,
        Samples::U16(s) => s.into_iter().map(|v| of_max(v.into(), 65535)).collect(),
    }
}

/// Inks as colours, as Pillow turns them: what black leaves, less each ink's share of that.
fn of_cmyk(samples: &[u8]) -> Vec<u8> {
    let colour = |ink: u8, black: u8| of_max(u64::from(255 - ink) * u64::from(255 - black), 255 * 255);
    samples
        .as_chunks::<4>()
        .0
        .iter()
        .flat_map(|[c, m, y, k]| [colour(*c, *k), colour(*m, *k), colour(*y, *k)])
        .collect()
}

/// Indices as the colours of a map, which has all reds, then all greens, then all blues.
fn palette(samples: Samples, map: &[u8]) -> Result<Samples, PixelError> {
    let n = map.len() / 3;
    let mut data = Vec::new();
    for index in eight(samples) {
        let i = usize::from(index);
        if i >= n {
            return Err(PixelError::Damaged(format!("a pixel has colour {i} of a palette of {n}")));
        }
        data.extend([map[i], map[n + i], map[2 * n + i]]);
    }
    Ok(Samples::U8(data))
}

fn of_error(e: TiffError) -> PixelError {
    match e {
        TiffError::IoError(e) if is_end_of_data(&e) => {
            PixelError::Truncated("the TIFF ends before its last pixel".into())
        }
        TiffError::UnsupportedError(TiffUnsupportedError::InconsistentBitsPerSample(bits)) => {
            PixelError::Unsupported(format!("a TIFF of samples of different depths ({bits:?} bits)"))
        }
        TiffError::UnsupportedError(e) => PixelError::Unsupported(format!("a TIFF of a rare variant ({e})")),
        e => PixelError::Damaged(e.to_string()),
    }
}
