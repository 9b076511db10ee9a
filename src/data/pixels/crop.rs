//! A part of an image, scaled: what a random crop sees.

use super::Pixels;
use super::scale::{Part, scale};
use fast_image_resize::Resizer;
use std::cell::RefCell;

thread_local! {
    /// The memory of a crop and of its scaling, used again by the next one.
    static SCRATCH: RefCell<(Vec<u8>, Resizer)> = RefCell::default();
}

impl Pixels {
    /// The part of the image that begins at (`y`, `x`), `h` x `w` pixels, scaled to `to_h` x `to_w` into `out`, in HWC order.
    /// What lies outside of the part is not seen, as in torchvision's `resized_crop`; scaling is that of [`Pixels::cover`].
    ///
    /// # Panics
    /// If the part is empty or not within the image, or `out` is not as long as its pixels.
    pub(in crate::data) fn crop_into(&self, [y, x, h, w]: [usize; 4], [to_h, to_w]: [usize; 2], out: &mut [u8]) {
        assert!(h > 0 && w > 0 && y + h <= self.h && x + w <= self.w && out.len() == to_h * to_w * self.c);
        let rows = (y..y + h).map(|y| &self.data[(y * self.w + x) * self.c..][..w * self.c]);
        if (h, w) == (to_h, to_w) {
            return out.chunks_exact_mut(w * self.c).zip(rows).for_each(|(out, row)| out.copy_from_slice(row));
        }
        SCRATCH.with_borrow_mut(|(part, resizer)| {
            part.clear();
            rows.for_each(|row| part.extend_from_slice(row));
            let whole = Part { top: 0.0, left: 0.0, h: h as f64, w: w as f64 };
            scale(resizer, (part, [h, w]), self.c, &whole, (out, [to_h, to_w]));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_is_the_part_scaled_and_sees_nothing_beside_it() {
        // 4 x 4, of which the middle 2 x 2 is 100 and the rest 255.
        let data =
            (0..16).map(|i| if (1..3).contains(&(i / 4)) && (1..3).contains(&(i % 4)) { 100 } else { 255 }).collect();
        let p = Pixels { h: 4, w: 4, c: 1, data };
        let crop = |part: [usize; 4], [h, w]: [usize; 2]| {
            let mut out = vec![0; h * w];
            p.crop_into(part, [h, w], &mut out);
            out
        };
        assert_eq!(crop([1, 1, 2, 2], [2, 2]), [100; 4]);
        assert_eq!(crop([1, 1, 2, 2], [5, 3]), [100; 15]);
        assert_eq!(crop([0, 1, 2, 1], [2, 1]), [255, 100]);
        // Antialiased: of two pixels each output is the mean.
        assert_eq!(crop([0, 1, 2, 2], [1, 1]), [178]);
        let colour = Pixels { h: 1, w: 2, c: 3, data: vec![1, 2, 3, 4, 5, 6] };
        let mut out = [0; 3];
        colour.crop_into([0, 1, 1, 1], [1, 1], &mut out);
        assert_eq!(out, [4, 5, 6]);
    }
}
