//! What the tags of a TIFF say of its pixels.

use super::{PixelError, of_error};
use ::tiff::decoder::Decoder;
use ::tiff::decoder::ifd::Value;
use ::tiff::tags::Tag;
use std::io::Cursor;

/// What the colours of pixels are.
pub(super) enum Colours {
    Grey,
    Rgb,
    Cmyk,
    /// All reds, greens and blues, as bytes.
    Palette(Vec<u8>),
}

/// What samples are.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Numbers {
    /// From 0 up to the most that a depth has.
    Unsigned,
    /// Floats between two values that the file tells.
    Floats { least: f64, most: f64 },
}

/// How the pixels of a TIFF are to be read.
pub(super) struct Format {
    pub colours: Colours,
    /// Bits of a sample as they are stored.
    pub bits: usize,
    /// Bits of a sample that are used: 12 of 16, if the file says so.
    pub depth: usize,
    pub numbers: Numbers,
    pub white_is_zero: bool,
    /// Samples of a pixel in the file.
    pub samples: usize,
    /// Samples of a pixel that the decoder gives.
    pub decoded: usize,
    pub has_alpha: bool,
    pub premultiplied: bool,
}

/// Compressions that are not read, by their number.
const UNREAD: &[(u32, &str)] = &[
    (2, "CCITT RLE"),
    (3, "CCITT Group 3"),
    (6, "old JPEG"),
    (7, "JPEG"),
    (34712, "JPEG 2000"),
    (34887, "LERC"),
    (34892, "lossy JPEG"),
    (34925, "LZMA"),
    (50000, "Zstandard"),
    (50001, "WebP"),
    (50002, "JPEG XL"),
    (52546, "JPEG XL"),
];

/// Compressions that are read: none, Group 4, LZW, Deflate by two numbers, PackBits.
const READ: &[u32] = &[1, 4, 5, 8, 32946, 32773];

/// Of these LZW and Deflate, before which neighbours may have been subtracted.
const PREDICTED: &[u32] = &[5, 8, 32946];

pub(super) type Tiff<'a> = Decoder<Cursor<&'a [u8]>>;

/// The colours of a kind of pixels (PhotometricInterpretation), and how many samples they take.
fn colours(decoder: &mut Tiff<'_>, kind: u32, has_palette: bool, bits: usize) -> Result<(Colours, usize), PixelError> {
    let refuse = |what: String| Err(PixelError::Unsupported(what));
    Ok(match kind {
        0 | 1 if has_palette => (Colours::Palette(colour_map(decoder, bits)?), 1),
        0 | 1 => (Colours::Grey, 1),
        2 => (Colours::Rgb, 3),
        5 => (Colours::Cmyk, 4),
        4 => return refuse("a TIFF that is a mask".into()),
        6 => return refuse("a TIFF of YCbCr colours".into()),
        8..=10 => return refuse("a TIFF of Lab colours".into()),
        32803 | 34892 => return refuse("a camera's raw picture (TIFF)".into()),
        other => return refuse(format!("a TIFF of colours of kind {other}")),
    })
}

/// What samples of a format (SampleFormat) and so many bits are.
fn numbers(decoder: &mut Tiff<'_>, sample_format: u32, bits: usize) -> Result<Numbers, PixelError> {
    let refuse = |what: String| Err(PixelError::Unsupported(what));
    Ok(match (sample_format, bits) {
        (1 | 4, 1 | 2 | 4 | 8 | 16) => Numbers::Unsigned,
        (3, 16 | 32 | 64) => match (range(decoder, Tag::SMinSampleValue), range(decoder, Tag::SMaxSampleValue)) {
            (Some(least), Some(most)) if least < most && (most - least).is_finite() => Numbers::Floats { least, most },
            _ => {
                return refuse(
                    "a TIFF of floats that does not say their range (SMinSampleValue and SMaxSampleValue)".into(),
                );
            }
        },
        (2, _) => return refuse("a TIFF of signed numbers".into()),
        (3, _) => return refuse(format!("a TIFF of floats of {bits} bits")),
        (1 | 4, _) => return refuse(format!("a TIFF of {bits} bits a sample")),
        _ => return refuse(format!("a TIFF of samples of format {sample_format}")),
    })
}

impl Format {
    /// # Errors
    /// Naming what is not read.
    pub fn of(decoder: &mut Tiff<'_>, has_palette: bool) -> Result<Format, PixelError> {
        let refuse = |what: String| Err(PixelError::Unsupported(what));
        let mut number = |tag: Tag, otherwise: u32| -> Result<u32, PixelError> {
            let all = decoder.find_tag_unsigned_vec::<u32>(tag).map_err(of_error)?;
            Ok(all.and_then(|all| all.first().copied()).unwrap_or(otherwise))
        };
        // DNGVersion.
        if number(Tag::Unknown(50706), 0)? != 0 {
            return refuse("a camera's raw picture (DNG)".into());
        }
        if number(Tag::NewSubfileType, 0)? & 1 == 1 {
            return refuse("a TIFF of which the first page is a thumbnail (a camera's raw picture?)".into());
        }
        let compression = number(Tag::Compression, 1)?;
        if !READ.contains(&compression) {
            let name = UNREAD.iter().find(|(n, _)| *n == compression).map(|(_, name)| name.to_string());
            return refuse(format!("a TIFF compressed by {}", name.unwrap_or(format!("method {compression}"))));
        }
        // Lossless compressions of whole bytes alone have predictors; others' files keep the tag by mistake, and are read with
        // it by some programs and without it by others.
        if number(Tag::Predictor, 1)? != 1 && !PREDICTED.contains(&compression) {
            return refuse("a TIFF with a predictor that its compression does not have".into());
        }
        if number(Tag::FillOrder, 1)? != 1 {
            return refuse("a TIFF whose bytes have their first pixel in the lowest bit (FillOrder 2)".into());
        }
        let (bits, samples) = (number(Tag::BitsPerSample, 1)? as usize, number(Tag::SamplesPerPixel, 1)? as usize);
        let (kind, planar) = (number(Tag::PhotometricInterpretation, 0)?, number(Tag::PlanarConfiguration, 1)? == 2);
        let (predictor, sample_format) = (number(Tag::Predictor, 1)?, number(Tag::SampleFormat, 1)?);
        let most = number(Tag::MaxSampleValue, 0)?;
        let extra = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples).map_err(of_error)?;

        let (colours, inks) = colours(decoder, kind, has_palette, bits)?;
        if samples < inks {
            return Err(PixelError::Damaged(format!("its pixels have {samples} samples, not {inks}")));
        }
        if samples > 2 && inks == 1 {
            return refuse(format!("a TIFF of {samples} bands, of which none is said to be a colour"));
        }
        // 0 is something else, 1 alpha that colours are multiplied by, 2 plain alpha. Without the tag a fourth sample of
        // colours is plain alpha, as Pillow has it.
        let alpha = match &extra {
            Some(extra) => extra.first().copied().unwrap_or(0),
            None => 2 * u16::from(kind == 2 && samples == 4),
        };
        let has_alpha = samples > inks && matches!(alpha, 1 | 2);
        if has_alpha && !matches!(colours, Colours::Grey | Colours::Rgb) {
            return refuse("a TIFF of inks or a palette with transparency".into());
        }
        let decoded = usize::from(decoder.colortype().map_err(of_error)?.num_samples());
        if decoded != samples && predictor != 1 && !planar {
            return refuse(format!("a TIFF of {samples} samples a pixel and a predictor"));
        }
        if bits < 8 && (samples > 1 || planar) {
            return refuse(format!("a TIFF of {samples} samples of {bits} bits"));
        }
        let numbers = numbers(decoder, sample_format, bits)?;
        // As a count of values it tells a depth; any other number is a statistic of the picture.
        let depth = match bits == 16 && numbers == Numbers::Unsigned && most > 255 && (most + 1).is_power_of_two() {
            true => most.ilog2() as usize + 1,
            false => bits,
        };
        if numbers != Numbers::Unsigned && kind == 0 {
            return refuse("a TIFF of floats of which 0 is white".into());
        }
        Ok(Format {
            colours,
            bits,
            depth: depth.min(bits),
            numbers,
            white_is_zero: kind == 0,
            samples,
            decoded,
            has_alpha,
            premultiplied: has_alpha && alpha == 1,
        })
    }

    /// Channels that are kept: those of colour, and alpha.
    pub fn channels(&self) -> usize {
        let colours = if matches!(self.colours, Colours::Grey) { 1 } else { 3 };
        colours + self.has_alpha as usize
    }
}

/// The one value that a tag has for all samples.
fn range(decoder: &mut Tiff<'_>, tag: Tag) -> Option<f64> {
    let number = |v: &Value| match v {
        Value::Float(x) => Some(f64::from(*x)),
        Value::Double(x) => Some(*x),
        Value::Byte(x) => Some(f64::from(*x)),
        Value::Short(x) => Some(f64::from(*x)),
        Value::Unsigned(x) => Some(f64::from(*x)),
        Value::Signed(x) => Some(f64::from(*x)),
        _ => None,
    };
    match decoder.find_tag(tag).ok()?? {
        Value::List(all) => {
            let all: Option<Vec<f64>> = all.iter().map(number).collect();
            all.filter(|all| all.iter().all(|x| *x == all[0])).and_then(|all| all.first().copied())
        }
        one => number(&one),
    }
}

/// The colours of a palette as bytes. Maps have 16 bits; some writers leave the upper eight empty.
fn colour_map(decoder: &mut Tiff<'_>, bits: usize) -> Result<Vec<u8>, PixelError> {
    let map = decoder.find_tag_unsigned_vec::<u16>(Tag::ColorMap).map_err(of_error)?.unwrap_or_default();
    if bits > 8 || map.len() != 3 << bits {
        return Err(PixelError::Damaged(format!("its palette has {} numbers for indices of {bits} bits", map.len())));
    }
    let shift = if map.iter().all(|v| *v < 256) { 0 } else { 8 };
    Ok(map.into_iter().map(|v| (v >> shift) as u8).collect())
}

/// The file with "indices into a palette" replaced by "grey, 0 is black", if it says that.
pub(super) fn palette_as_grey(bytes: &[u8]) -> Option<Vec<u8>> {
    const PHOTOMETRIC: u64 = 262;
    const PALETTE: u64 = 3;
    const BLACK_IS_ZERO: u8 = 1;
    let little = bytes.starts_with(b"II");
    let number = |at: u64, n: usize| -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let digits = bytes.get(at..at.checked_add(n)?)?;
        let push = |sum: u64, digit: &u8| sum << 8 | u64::from(*digit);
        Some(if little { digits.iter().rev().fold(0, push) } else { digits.iter().fold(0, push) })
    };
    let big = number(2, 2)? == 43;
    let (directory, count, entry) = if big { (number(8, 8)?, 8, 20) } else { (number(4, 4)?, 2, 12) };
    let entries = number(directory, count)?.min(4096);
    let place = (0..entries).find_map(|i| {
        let at = directory.checked_add(count as u64)?.checked_add(i * entry)?;
        (number(at, 2)? == PHOTOMETRIC).then_some(at + if big { 12 } else { 8 })
    })?;
    // A value of 16 bits stands at the begin of its field.
    if number(place, 2)? != PALETTE {
        return None;
    }
    let mut bytes = bytes.to_vec();
    bytes[place as usize + usize::from(!little)] = BLACK_IS_ZERO;
    Some(bytes)
}
