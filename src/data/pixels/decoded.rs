//! A picture as its decoder gives it, and how that becomes bytes of grey or colour.

use super::{Background, PixelError, Pixels};
use crate::memory;
use image::metadata::Orientation;

/// Samples as a file has them, scaled to the whole range of their type.
pub(super) enum Samples {
    U8(Vec<u8>),
    U16(Vec<u16>),
}

/// A picture before transparency, depth and orientation are dealt with.
pub(super) struct Decoded {
    pub h: usize,
    pub w: usize,
    /// 1 grey, 2 grey and alpha, 3 red, green and blue, 4 those and alpha.
    pub channels: usize,
    pub samples: Samples,
    /// Whether colours are stored as multiplied by alpha already (TIFF calls that associated).
    pub premultiplied: bool,
    pub orientation: Orientation,
}

impl Decoded {
    /// The picture upright, opaque, and in bytes.
    pub fn finish(self, background: Background) -> Pixels {
        let (h, w, channels) = (self.h, self.w, self.channels);
        let has_alpha = channels.is_multiple_of(2);
        let level = u64::from(background.level());
        let data = match self.samples {
            Samples::U8(samples) if has_alpha => opaque(&samples, channels, 255, level, self.premultiplied),
            Samples::U16(samples) if has_alpha => opaque(&samples, channels, 65535, level, self.premultiplied),
            Samples::U8(samples) => samples,
            Samples::U16(samples) => samples.into_iter().map(|v| of_max(v.into(), 65535)).collect(),
        };
        Pixels { h, w, c: channels - has_alpha as usize, data }.upright(self.orientation)
    }
}

/// `v` of `max`, as a byte: `255 v / max`, rounded (halves up).
pub(super) fn of_max(v: u64, max: u64) -> u8 {
    ((510 * v.min(max) + max) / (2 * max)) as u8
}

/// Colours laid on a background of `level`, of which the last channel says how much of them is seen. Rounded once.
fn opaque<T: Copy + Into<u64>>(samples: &[T], channels: usize, max: u64, level: u64, premultiplied: bool) -> Vec<u8> {
    let colours = channels - 1;
    let mut data = Vec::with_capacity(samples.len() / channels * colours);
    for pixel in samples.chunks_exact(channels) {
        let alpha: u64 = pixel[colours].into();
        // In units of 1 / max^2, so that nothing is rounded yet.
        let behind = (max - alpha) * level * max / 255;
        let seen = if premultiplied { max } else { alpha };
        data.extend(pixel[..colours].iter().map(|v| of_max((*v).into() * seen + behind, max * max)));
    }
    data
}

/// Bytes that are decoded at most: 89 million pixels of three colours. A file of a few bytes may claim any number of pixels.
pub(super) const MOST_DECODED: u64 = 256 << 20;

/// The bytes of `h` x `w` pixels of `bytes` each.
///
/// # Errors
/// If they are more than are decoded, or none, or if there is no memory for them.
pub(super) fn bytes_of(h: u64, w: u64, bytes: u64) -> Result<usize, PixelError> {
    if h == 0 || w == 0 {
        return Err(PixelError::Damaged(format!("it says that it has {h}x{w} pixels")));
    }
    let all = (u128::from(h) * u128::from(w)).saturating_mul(u128::from(bytes));
    match u64::try_from(all) {
        // Decoders take about as much again.
        Ok(all) if all <= MOST_DECODED => memory::check(2 * all).map_err(PixelError::NoMemory).map(|()| all as usize),
        _ => Err(PixelError::TooLarge { h, w, bytes: u64::try_from(all).unwrap_or(u64::MAX) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(channels: usize, samples: Samples, premultiplied: bool, background: Background) -> Vec<u8> {
        let n = match &samples {
            Samples::U8(s) => s.len(),
            Samples::U16(s) => s.len(),
        };
        let orientation = Orientation::NoTransforms;
        Decoded { h: 1, w: n / channels, channels, samples, premultiplied, orientation }.finish(background).data
    }

    #[test]
    fn transparency_shows_the_background() {
        use Background::{Black, White};
        let grey = || Samples::U8(vec![100, 255, 100, 0, 100, 51]);
        assert_eq!(finished(2, grey(), false, White), [100, 255, 224]);
        assert_eq!(finished(2, grey(), false, Black), [100, 0, 20]);
        let colour = || Samples::U8(vec![200, 0, 10, 128]);
        assert_eq!(finished(4, colour(), false, White), [227, 127, 132]);
        // Colours that were multiplied already: 10 / 255 of half a pixel.
        assert_eq!(finished(4, Samples::U8(vec![100, 0, 10, 128]), true, White), [227, 127, 137]);
        assert_eq!(finished(2, Samples::U16(vec![65535, 0, 0, 65535, 65535, 32768]), false, Black), [0, 0, 128]);
    }

    #[test]
    fn sixteen_bits_are_rounded_to_eight() {
        assert_eq!(
            finished(1, Samples::U16(vec![0, 128, 129, 32767, 32768, 65535]), false, Background::White),
            [0, 0, 1, 127, 128, 255]
        );
        assert_eq!((0..=15).map(|v| of_max(v, 15)).collect::<Vec<u8>>(), (0..=15).map(|v| 17 * v).collect::<Vec<u8>>());
    }

    #[test]
    fn claims_past_the_limit_are_named() {
        assert_eq!(bytes_of(2, 3, 4), Ok(24));
        assert!(matches!(bytes_of(1 << 20, 1 << 20, 3), Err(PixelError::TooLarge { .. })));
        assert!(matches!(bytes_of(u64::MAX, u64::MAX, 8), Err(PixelError::TooLarge { .. })));
        let said = bytes_of(9000, 12000, 3).unwrap_err().to_string();
        assert!(
            said.contains("9000x12000") && said.contains("309 MiB") && said.contains("256") && said.contains("shrink")
        );
        assert!(matches!(bytes_of(0, 3, 4), Err(PixelError::Damaged(_))));
    }
}
