//! Scaling and cutting to a given size.

use super::Pixels;
use super::scale::{Part, scale};
use fast_image_resize::Resizer;

/// How many times larger than what is kept of it an image may be.
const MOST_CUT: usize = 64;

/// The height and width, of an image of `h` x `w` pixels, of the largest part that has the shape of `to`.
///
/// # Errors
/// If that is nearly nothing of the image.
fn part_of([h, w]: [usize; 2], to: [usize; 2]) -> Result<[f64; 2], String> {
    let scale = (to[0] as f64 / h as f64).max(to[1] as f64 / w as f64);
    let (box_h, box_w) = ((to[0] as f64 / scale).min(h as f64), (to[1] as f64 / scale).min(w as f64));
    if [h, w] != to && box_h * box_w * (MOST_CUT as f64) < (h * w) as f64 {
        return Err(format!(
            "of {h}x{w} pixels (height x width), {}x{} would be less than a {MOST_CUT}th part",
            to[0], to[1]
        ));
    }
    Ok([box_h, box_w])
}

impl Pixels {
    /// Whether [`Pixels::cover`] brings an image of these sides to those of `to`.
    ///
    /// # Errors
    /// Its error.
    pub(in crate::data) fn check_cover(sides: [usize; 2], to: [usize; 2]) -> Result<(), String> {
        part_of(sides, to).map(|_| ())
    }

    /// The largest part of the image that has the shape of `h` x `w`, around its centre, scaled to that size; for a square:
    /// the shorter side gets that length, and the longer is cut. Scaling is bilinear with antialiasing, in fixed point,
    /// the same on every instruction set; of Pillow's it differs by at most 1 level.
    ///
    /// # Errors
    /// If it is so long and narrow that nearly all of it would be cut off.
    pub fn cover(self, h: usize, w: usize) -> Result<Pixels, String> {
        self.covered_by(&mut Resizer::new(), h, w)
    }

    fn covered_by(self, resizer: &mut Resizer, h: usize, w: usize) -> Result<Pixels, String> {
        if (self.h, self.w) == (h, w) {
            return Ok(self);
        }
        let [box_h, box_w] = part_of([self.h, self.w], [h, w])?;
        let part = Part { top: (self.h as f64 - box_h) / 2.0, left: (self.w as f64 - box_w) / 2.0, h: box_h, w: box_w };
        let mut data = vec![0; h * w * self.c];
        scale(resizer, (&self.data, [self.h, self.w]), self.c, &part, (&mut data, [h, w]));
        Ok(Pixels { h, w, c: self.c, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fast_image_resize::CpuExtensions;

    #[test]
    fn cover_scales_the_shorter_side_and_cuts_the_centre() {
        // 2 x 6, columns 0 0 100 100 200 200: covering 2 x 2 keeps the middle.
        let row = [0, 0, 100, 100, 200, 200];
        let p = Pixels { h: 2, w: 6, c: 1, data: [row, row].concat() };
        assert_eq!(p.clone().cover(2, 2).unwrap().data, [100; 4]);
        let one = p.clone().cover(1, 3).unwrap();
        assert_eq!((one.h, one.w), (1, 3));
        // Antialiased: every output is a mean over neighbours, the middle one symmetric.
        assert_eq!(one.data[1], 100);
        assert!(one.data[0] < 50 && one.data[2] > 150);
        assert_eq!(p.clone().cover(2, 6).unwrap(), p);
        let flat = Pixels { h: 5, w: 3, c: 3, data: [7, 8, 9].repeat(15) };
        assert_eq!(flat.cover(4, 8).unwrap().data, [7, 8, 9].repeat(32));
        // A line of pixels as a square: one of them would be kept.
        let line = Pixels { h: 1, w: 300, c: 1, data: vec![0; 300] };
        assert!(line.cover(300, 300).unwrap_err().contains("1x300"));
    }

    /// Whichever instructions a machine has, an image is the same.
    #[test]
    fn every_instruction_set_scales_alike() {
        #[cfg(target_arch = "x86_64")]
        let all = [CpuExtensions::Sse4_1, CpuExtensions::Avx2];
        #[cfg(target_arch = "aarch64")]
        let all = [CpuExtensions::Neon];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let all = [CpuExtensions::None];
        let scaled = |extensions, c: usize, (h, w), (to_h, to_w)| {
            let data = (0..h * w * c).map(|i| (i * i / 7 + 31 * i) as u8).collect();
            let mut resizer = Resizer::new();
            // SAFETY: only extensions that this machine has are set.
            unsafe { resizer.set_cpu_extensions(extensions) };
            Pixels { h, w, c, data }.covered_by(&mut resizer, to_h, to_w).unwrap()
        };
        for c in [1, 3] {
            for (from, to) in
                [((375, 500), (224, 224)), ((33, 47), (90, 61)), ((100, 31), (7, 9)), ((64, 64), (65, 63))]
            {
                let plain = scaled(CpuExtensions::None, c, from, to);
                for extensions in all.into_iter().filter(CpuExtensions::is_supported) {
                    assert!(scaled(extensions, c, from, to) == plain, "{extensions:?} {from:?} to {to:?}");
                }
            }
        }
    }
}
