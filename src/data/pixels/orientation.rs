//! How a camera was held. Files store its rows and columns, and beside them which way is up.

use super::Pixels;
use image::metadata::Orientation;

/// The orientation that an EXIF block tells, with or without the six bytes that begin it in JPEG; upright if it tells none.
pub(super) fn of_exif(exif: &[u8]) -> Orientation {
    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    number_of(tiff).map_or(Orientation::NoTransforms, of_number)
}

/// The first value of the tag 0x0112 in the first directory, in whole numbers of two or four bytes (the standard has two).
fn number_of(tiff: &[u8]) -> Option<u16> {
    let is_little = match tiff.get(..4)? {
        b"II\x2a\0" => true,
        b"MM\0\x2a" => false,
        _ => return None,
    };
    let word = |at: usize| -> Option<u16> {
        let bytes = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if is_little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let long = |at: usize| -> Option<u32> {
        let bytes = tiff.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let directory = long(4)? as usize;
    let entries = (0..usize::from(word(directory)?)).map(|i| directory + 2 + 12 * i);
    let at = entries.into_iter().find(|at| word(*at) == Some(0x0112))?;
    // Types by TIFF's numbers: 3 and 8 are of two bytes, 4 and 9 of four. Where they do not fit, the value stands elsewhere.
    let (kind, count) = (word(at + 2)?, long(at + 4)?);
    match (kind, count) {
        (3 | 8, 1..=2) => word(at + 8),
        (3 | 8, 3..) => word(long(at + 8)? as usize),
        (4 | 9, 1) => long(at + 8)?.try_into().ok(),
        (4 | 9, 2..) => long(long(at + 8)? as usize)?.try_into().ok(),
        _ => None,
    }
}

/// The orientation of TIFF's and EXIF's number, 1 to 8; upright for another one.
pub(super) fn of_number(number: u16) -> Orientation {
    u8::try_from(number).ok().and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms)
}

impl Pixels {
    /// Turns the picture upright.
    pub(super) fn upright(self, orientation: Orientation) -> Pixels {
        let (h, w, c) = (self.h, self.w, self.c);
        // Where the pixel of row y and column x of the result comes from.
        let from: fn(usize, usize, usize, usize) -> (usize, usize) = match orientation {
            Orientation::NoTransforms => return self,
            Orientation::FlipHorizontal => |_, w, y, x| (y, w - 1 - x),
            Orientation::Rotate180 => |h, w, y, x| (h - 1 - y, w - 1 - x),
            Orientation::FlipVertical => |h, _, y, x| (h - 1 - y, x),
            Orientation::Rotate90FlipH => |_, _, y, x| (x, y),
            Orientation::Rotate90 => |h, _, y, x| (h - 1 - x, y),
            Orientation::Rotate270FlipH => |h, w, y, x| (h - 1 - x, w - 1 - y),
            Orientation::Rotate270 => |_, w, y, x| (x, w - 1 - y),
        };
        let (to_h, to_w) = if orientation.to_exif() >= 5 { (w, h) } else { (h, w) };
        let mut data = Vec::with_capacity(self.data.len());
        for y in 0..to_h {
            for x in 0..to_w {
                let (from_y, from_x) = from(h, w, y, x);
                data.extend_from_slice(&self.data[(from_y * w + from_x) * c..][..c]);
            }
        }
        Pixels { h: to_h, w: to_w, c, data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exif_says_it_in_words_of_any_length() {
        let le = |kind: u16, count: u32, value: [u8; 4], behind: &[u8]| {
            let head =
                [b"II\x2a\0\x08\0\0\0\x01\0\x12\x01".as_slice(), &kind.to_le_bytes(), &count.to_le_bytes()].concat();
            [&head[..], &value, &[0; 4], behind].concat()
        };
        for (exif, orientation) in [
            (le(3, 1, [6, 0, 0, 0], &[]), Orientation::Rotate90),
            (le(3, 2, [6, 0, 1, 0], &[]), Orientation::Rotate90),
            (le(3, 3, [26, 0, 0, 0], &[6, 0, 1, 0, 1, 0]), Orientation::Rotate90),
            (le(4, 1, [6, 0, 0, 0], &[]), Orientation::Rotate90),
            (le(8, 1, [3, 0, 0, 0], &[]), Orientation::Rotate180),
            (le(9, 1, [8, 0, 0, 0], &[]), Orientation::Rotate270),
            (le(3, 1, [0, 0, 0, 0], &[]), Orientation::NoTransforms),
            (le(2, 1, [6, 0, 0, 0], &[]), Orientation::NoTransforms),
            (le(3, 3, [255, 0, 0, 0], &[]), Orientation::NoTransforms),
            (b"II\x2a\0\xff\xff\xff\xff".to_vec(), Orientation::NoTransforms),
            (b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0".to_vec(), Orientation::Rotate90),
            (b"Exif\0\0no".to_vec(), Orientation::NoTransforms),
        ] {
            assert_eq!(of_exif(&exif), orientation, "{exif:?}");
        }
    }

    #[test]
    fn every_orientation_is_undone() {
        // Rows 1 2 3 and 4 5 6, as EXIF's numbers tell what they were.
        let stored = Pixels { h: 2, w: 3, c: 1, data: vec![1, 2, 3, 4, 5, 6] };
        for (number, h, data) in [
            (1, 2, [1, 2, 3, 4, 5, 6]),
            (2, 2, [3, 2, 1, 6, 5, 4]),
            (3, 2, [6, 5, 4, 3, 2, 1]),
            (4, 2, [4, 5, 6, 1, 2, 3]),
            (5, 3, [1, 4, 2, 5, 3, 6]),
            (6, 3, [4, 1, 5, 2, 6, 3]),
            (7, 3, [6, 3, 5, 2, 4, 1]),
            (8, 3, [3, 6, 2, 5, 1, 4]),
            (0, 2, [1, 2, 3, 4, 5, 6]),
            (900, 2, [1, 2, 3, 4, 5, 6]),
        ] {
            let p = stored.clone().upright(of_number(number));
            assert_eq!((p.h, p.w, &p.data[..]), (h, 6 / h, &data[..]), "{number}");
        }
    }
}
