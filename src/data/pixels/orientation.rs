//! How a camera was held. Files store its rows and columns, and beside them which way is up.

use super::Pixels;
use image::metadata::Orientation;

/// The orientation that an EXIF block tells, with or without the six bytes that begin it in JPEG; upright if it tells none.
pub(super) fn of_exif(exif: &[u8]) -> Orientation {
    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    Orientation::from_exif_chunk(tiff).unwrap_or(Orientation::NoTransforms)
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
