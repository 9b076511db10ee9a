//! Samples of any depth, scaled to 8 or 16 bits.

use super::format::{Colours, Format, Numbers};
use super::{PixelError, Samples, of_max};
use ::tiff::decoder::DecodingResult;

/// The samples of an image of `pixels`, `w` a row.
pub(super) fn samples(data: DecodingResult, format: &Format, pixels: usize, w: usize) -> Result<Samples, PixelError> {
    match data {
        DecodingResult::U8(packed) if format.bits < 8 => Ok(Samples::U8(unpacked(&packed, format, pixels, w))),
        DecodingResult::U8(samples) => Ok(Samples::U8(samples)),
        DecodingResult::U16(samples) if format.depth < 16 => Ok(Samples::U16(of_depth(samples, format))),
        DecodingResult::U16(samples) => Ok(Samples::U16(samples)),
        DecodingResult::F16(samples) => of_floats(samples.into_iter().map(|x| x.to_f64()), format.numbers),
        DecodingResult::F32(samples) => of_floats(samples.into_iter().map(f64::from), format.numbers),
        DecodingResult::F64(samples) => of_floats(samples.into_iter(), format.numbers),
        _ => Err(PixelError::Unsupported(format!("a TIFF of {} bits a sample", format.bits))),
    }
}

/// Samples of fewer than 8 bits; each row begins a byte. Indices of a palette stay what they are.
fn unpacked(packed: &[u8], format: &Format, pixels: usize, w: usize) -> Vec<u8> {
    let bits = format.bits;
    let most = (1u64 << bits) - 1;
    let is_index = matches!(format.colours, Colours::Palette(_));
    let mut samples = Vec::with_capacity(pixels);
    for row in packed.chunks_exact((w * bits).div_ceil(8)) {
        samples.extend((0..w).map(|x| {
            let v = u64::from(row[x * bits / 8]) >> (8 - bits - x * bits % 8) & most;
            if is_index { v as u8 } else { of_max(v, most) }
        }));
    }
    samples
}

/// Samples of which the upper bits are not used.
fn of_depth(samples: Vec<u16>, format: &Format) -> Vec<u16> {
    let most = (1u32 << format.depth) - 1;
    // The decoder turned white and black as if all bits were used.
    let unused = if format.white_is_zero { 65535 - most } else { 0 };
    let scaled = |v: u16| {
        let v = u32::from(v).saturating_sub(unused).min(most);
        ((u64::from(v) * 2 * 65535 + u64::from(most)) / (2 * u64::from(most))) as u16
    };
    samples.into_iter().map(scaled).collect()
}

fn of_floats(samples: impl Iterator<Item = f64>, numbers: Numbers) -> Result<Samples, PixelError> {
    let Numbers::Floats { least, most } = numbers else {
        return Err(PixelError::Unsupported("a TIFF of floats".into()));
    };
    let scaled = |x: f64| match x.is_nan() {
        true => Err(PixelError::Damaged("a pixel is not a number (NaN)".into())),
        false => Ok((65535.0 * ((x - least) / (most - least)).clamp(0.0, 1.0)).round() as u16),
    };
    Ok(Samples::U16(samples.map(scaled).collect::<Result<_, _>>()?))
}
