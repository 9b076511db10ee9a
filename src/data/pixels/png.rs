//! PNG: of an animation the picture that stands for it.

use super::decoded::{Decoded, Samples, bytes_of};
use super::error::is_end_of_data;
use super::{PixelError, Truncated, orientation};
use png::{BitDepth, DecodeOptions, Decoder, DecodingError, InterlaceInfo, Limits, Reader, Transformations};
use std::io::Cursor;

/// A picture of which the head was read.
struct Head<'a> {
    reader: Reader<Cursor<&'a [u8]>>,
    h: usize,
    w: usize,
    channels: usize,
    /// Bytes of a sample.
    sample: usize,
    /// Bytes of all samples.
    bytes: usize,
}

impl Head<'_> {
    fn read(bytes: &[u8]) -> Result<Head<'_>, PixelError> {
        let mut options = DecodeOptions::default();
        options.set_ignore_adler32(false);
        let mut decoder = Decoder::new_with_options(Cursor::new(bytes), options);
        decoder.set_limits(Limits { bytes: usize::MAX });
        // Palettes become colours, fewer than 8 bits become 8, a transparent colour becomes alpha.
        decoder.set_transformations(Transformations::EXPAND);
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        let reader = decoder.read_info().map_err(of_error)?;
        let (h, w) = (reader.info().height as usize, reader.info().width as usize);
        let (colours, depth) = reader.output_color_type();
        let channels = colours.samples();
        let sample = if depth == BitDepth::Sixteen { 2 } else { 1 };
        let bytes = bytes_of(h as u64, w as u64, (channels * sample) as u64)?;
        Ok(Head { reader, h, w, channels, sample, bytes })
    }
}

/// Height, width and channels of what becomes of [`decode`]'s picture; `None` if only that can tell.
///
/// # Errors
/// As [`PixelError`] lists them, as far as they are seen from a picture's head.
pub(super) fn extents(bytes: &[u8]) -> Result<Option<[usize; 3]>, PixelError> {
    let Head { h, w, channels, .. } = Head::read(bytes)?;
    let Some(exif) = exif_of_whole(bytes) else { return Ok(None) };
    let turned = exif.map_or(orientation::of_number(1), orientation::of_exif).to_exif() >= 5;
    let [h, w] = if turned { [w, h] } else { [h, w] };
    Ok(Some([h, w, if channels < 3 { 1 } else { 3 }]))
}

/// A part of the file, which is whole.
struct Chunk<'a> {
    kind: &'a [u8; 4],
    data: &'a [u8],
    /// Whether its CRC-32 is that of its kind and data.
    is_intact: bool,
}

/// The chunks from the first one on, up to the end mark or to where the file breaks off.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut rest = bytes.get(8..);
    std::iter::from_fn(move || {
        let (length, after) = rest?.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length) as usize;
        let summed = after.get(..length.checked_add(4)?)?;
        let (kind, data) = summed.split_first_chunk::<4>()?;
        let (sum, after) = after[summed.len()..].split_first_chunk::<4>()?;
        rest = (kind != b"IEND").then_some(after);
        Some(Chunk { kind, data, is_intact: crc32fast::hash(summed) == u32::from_be_bytes(*sum) })
    })
}

/// The first block of EXIF, which may stand before or behind the pixels, of a file that goes on to its end mark; `None` of
/// another one.
fn exif_of_whole(bytes: &[u8]) -> Option<Option<&[u8]>> {
    let mut exif = None;
    for Chunk { kind, data, .. } in chunks(bytes) {
        match kind {
            b"IEND" => return Some(exif),
            b"eXIf" => exif = exif.or(Some(data)),
            _ => {}
        }
    }
    None
}

/// Compares the checksums of all that the pixels follow from. The decoder does not: it stops at the last pixel, before the
/// checksum of the chunk that it lies in, and passes over a transparent colour or an orientation that is not intact.
///
/// # Errors
/// Naming the first chunk that is not as it was written.
fn check_sums(bytes: &[u8]) -> Result<(), PixelError> {
    let all: Vec<Chunk<'_>> = chunks(bytes).collect();
    // A kind may be what is damaged, so that up to the pixels all counts; of what is behind them the orientation does.
    let pixels = all.iter().rposition(|c| c.kind == b"IDAT").unwrap_or(all.len());
    let counts = |(i, c): &(usize, &Chunk<'_>)| *i <= pixels || c.kind == b"eXIf";
    match all.iter().enumerate().filter(counts).find(|(_, c)| !c.is_intact) {
        None => Ok(()),
        Some((_, c)) => Err(PixelError::Damaged(format!(
            "the checksum of its {} chunk is not that of what is in it",
            c.kind.escape_ascii()
        ))),
    }
}

/// # Errors
/// As [`PixelError`] lists them.
pub(super) fn decode(bytes: &[u8], truncated: Truncated) -> Result<Decoded, PixelError> {
    let Head { mut reader, h, w, channels, sample, bytes: size } = Head::read(bytes)?;
    let line = w * channels * sample;
    let mut data = vec![0; size];
    let whole = match reader.info().interlaced {
        true => interlaced(&mut reader, &mut data, line, (8 * channels * sample) as u8),
        false => data.chunks_exact_mut(line).try_for_each(|row| reader.read_row(row).map(|_| ())),
    };
    match whole.map_err(of_error) {
        Ok(()) => {}
        Err(PixelError::Truncated(_)) if truncated == Truncated::Keep && data.iter().any(|b| *b != 0) => {}
        Err(e) => return Err(e),
    }
    check_sums(bytes)?;
    // Orientation may stand behind the pixels. A file that ends there all the same is whole: its pixels are.
    let _ = reader.finish();
    let orientation = reader.info().exif_metadata.as_deref().map_or(orientation::of_number(1), orientation::of_exif);
    let samples = match sample {
        1 => Samples::U8(data),
        _ => Samples::U16(data.as_chunks::<2>().0.iter().map(|b| u16::from_be_bytes(*b)).collect()),
    };
    Ok(Decoded { h, w, channels, samples, premultiplied: false, orientation })
}

/// Reads rows of seven passes into their places.
fn interlaced(reader: &mut Reader<Cursor<&[u8]>>, data: &mut [u8], line: usize, bits: u8) -> Result<(), DecodingError> {
    while let Some(row) = reader.next_interlaced_row()? {
        if let InterlaceInfo::Adam7(place) = row.interlace() {
            png::expand_interlaced_row(data, line, row.data(), place, bits);
        }
    }
    Ok(())
}

fn of_error(e: DecodingError) -> PixelError {
    match &e {
        DecodingError::IoError(e) if is_end_of_data(e) => {
            PixelError::Truncated("the PNG ends before its last pixel".into())
        }
        DecodingError::LimitsExceeded => PixelError::Damaged("it asks for more memory than its pixels take".into()),
        _ => PixelError::Damaged(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Background, PixelRules, Pixels};
    use ::png::{ColorType, Encoder, chunk::ChunkType};

    /// A file of 3 x 2 pixels that says how it is turned, before its pixels or behind them.
    fn file(colours: ColorType, turned: Option<u8>, before: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 3, 2);
        encoder.set_color(colours);
        encoder.set_depth(BitDepth::Eight);
        let mut writer = encoder.write_header().unwrap();
        let exif = |number: u8| {
            [&b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"[..], &[number, 0, 0, 0, 0, 0, 0]].concat()
        };
        if let (Some(number), true) = (turned, before) {
            writer.write_chunk(ChunkType(*b"eXIf"), &exif(number)).unwrap();
        }
        writer.write_image_data(&vec![7; 6 * colours.samples()]).unwrap();
        if let (Some(number), false) = (turned, before) {
            writer.write_chunk(ChunkType(*b"eXIf"), &exif(number)).unwrap();
        }
        writer.finish().unwrap();
        bytes
    }

    /// Pixels that differ from one another, in a file of that kind; `more` writes chunks before them.
    fn varied(
        colours: ColorType,
        depth: BitDepth,
        more: impl FnOnce(&mut ::png::Encoder<'_, &mut Vec<u8>>),
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        let (w, h) = (40, 30);
        let mut encoder = Encoder::new(&mut bytes, w, h);
        encoder.set_color(colours);
        encoder.set_depth(depth);
        more(&mut encoder);
        let row = (w as usize * colours.samples() * depth as usize).div_ceil(8);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&(0..row * h as usize).map(|i| (i * i % 251) as u8).collect::<Vec<_>>()).unwrap();
        writer.finish().unwrap();
        bytes
    }

    #[test]
    fn a_bit_that_turned_gives_the_same_pixels_or_none() {
        let palette = |e: &mut ::png::Encoder<'_, &mut Vec<u8>>| {
            e.set_palette((0..768).map(|i| (i * 7) as u8).collect::<Vec<_>>());
            e.set_trns(vec![9; 40]);
        };
        let rules = PixelRules { background: Background::White, truncated: Truncated::Stop };
        for bytes in [
            varied(ColorType::Rgb, BitDepth::Eight, |_| ()),
            varied(ColorType::Rgb, BitDepth::Sixteen, |_| ()),
            varied(ColorType::GrayscaleAlpha, BitDepth::Eight, |_| ()),
            varied(ColorType::Indexed, BitDepth::Eight, palette),
            varied(ColorType::Grayscale, BitDepth::Two, |_| ()),
            file(ColorType::Rgb, Some(6), true),
        ] {
            let whole = Pixels::decode(&bytes, &rules).unwrap();
            let mut taken = 0;
            for bit in 0..8 * bytes.len() {
                let mut turned = bytes.clone();
                turned[bit / 8] ^= 1 << (bit % 8);
                if let Ok(pixels) = Pixels::decode(&turned, &rules) {
                    assert_eq!(pixels, whole, "bit {bit} of {}", 8 * bytes.len());
                    taken += 1;
                }
            }
            // The end mark, and the length of the last chunk before it.
            assert!(taken <= 8 * 16, "{taken}");
            // All that is left out behind the pixels is the end.
            for cut in 1..=12 {
                assert_eq!(Pixels::decode(&bytes[..bytes.len() - cut], &rules).as_ref(), Ok(&whole), "{cut}");
            }
        }
    }

    #[test]
    fn what_was_packed_wrong_is_refused_though_its_chunk_is_intact() {
        let bytes = varied(ColorType::Grayscale, BitDepth::Eight, |_| ());
        let at = bytes.windows(4).position(|w| w == b"IDAT").unwrap();
        let length = u32::from_be_bytes(bytes[at - 4..at].try_into().unwrap()) as usize;
        let mut wrong = bytes.clone();
        // The last byte of the Adler-32, and the chunk's checksum made to fit.
        wrong[at + 4 + length - 1] ^= 1;
        let sum = crc32fast::hash(&wrong[at..at + 4 + length]);
        wrong[at + 4 + length..at + 8 + length].copy_from_slice(&sum.to_be_bytes());
        assert!(matches!(decode(&wrong, Truncated::Stop), Err(PixelError::Damaged(_))));
    }

    #[test]
    fn extents_are_those_of_what_is_decoded() {
        let rules = PixelRules { background: Background::White, truncated: Truncated::Stop };
        for colours in [ColorType::Grayscale, ColorType::GrayscaleAlpha, ColorType::Rgb, ColorType::Rgba] {
            for turned in [None, Some(1), Some(3), Some(6), Some(8)] {
                for before in [true, false] {
                    let bytes = file(colours, turned, before);
                    let p = Pixels::decode(&bytes, &rules).unwrap();
                    assert_eq!(extents(&bytes), Ok(Some([p.h, p.w, p.c])), "{colours:?} {turned:?} {before}");
                    assert_eq!(p.h, if turned.is_some_and(|t| t > 5) { 3 } else { 2 }, "{turned:?}");
                    // One that breaks off is for the decoder to judge.
                    assert_eq!(extents(&bytes[..bytes.len() - 9]), Ok(None));
                }
            }
        }
    }
}
