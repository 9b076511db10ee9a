//! A white picture to draw on, with letters that come with the program: a bare machine has no fonts.

use image::{ImageBuffer, Rgb, RgbImage};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

pub(super) type Colour = [u8; 3];

/// Extent of a letter.
pub(super) const LETTER: (u32, u32) = (get_raster_width(FontWeight::Regular, RasterHeight::Size16) as u32, 16);

pub(super) struct Canvas(RgbImage);

impl Canvas {
    pub fn new(width: u32, height: u32) -> Self {
        Canvas(ImageBuffer::from_pixel(width, height, Rgb([255; 3])))
    }

    /// Puts `colour` over a pixel with the coverage `cover` in 0..=1; outside there is nothing to do.
    fn blend(&mut self, x: i64, y: i64, colour: Colour, cover: f64) {
        if x < 0 || y < 0 || x >= self.0.width() as i64 || y >= self.0.height() as i64 {
            return;
        }
        let pixel = &mut self.0.get_pixel_mut(x as u32, y as u32).0;
        for (p, c) in pixel.iter_mut().zip(colour) {
            *p = (*p as f64 + cover * (c as f64 - *p as f64)).round() as u8;
        }
    }

    /// A disc with a soft edge.
    pub fn disc(&mut self, (x, y): (f64, f64), radius: f64, colour: Colour) {
        let reach = radius + 1.0;
        for py in (y - reach).floor() as i64..=(y + reach).ceil() as i64 {
            for px in (x - reach).floor() as i64..=(x + reach).ceil() as i64 {
                let distance = (px as f64 - x).hypot(py as f64 - y);
                self.blend(px, py, colour, (radius + 0.5 - distance).clamp(0.0, 1.0));
            }
        }
    }

    /// The outline of a rectangle from `(x, y)`, one pixel wide.
    pub fn frame(&mut self, (x, y): (u32, u32), (width, height): (u32, u32), colour: Colour) {
        for (dx, dy) in (0..width).flat_map(|i| [(i, 0), (i, height - 1)]) {
            self.blend((x + dx) as i64, (y + dy) as i64, colour, 1.0);
        }
        for (dx, dy) in (1..height - 1).flat_map(|i| [(0, i), (width - 1, i)]) {
            self.blend((x + dx) as i64, (y + dy) as i64, colour, 1.0);
        }
    }

    /// A line of text from its upper left corner, cut to `width` pixels; letters that the font lacks are question marks.
    pub fn text(&mut self, (x, y): (u32, u32), width: u32, text: &str) {
        let raster = |c| get_raster(c, FontWeight::Regular, RasterHeight::Size16);
        let fits = (width / LETTER.0) as usize;
        let cut = text.chars().count() > fits;
        let shown = text.chars().take(if cut { fits.saturating_sub(2) } else { fits });
        for (i, c) in shown.chain("..".chars().take(if cut { 2 } else { 0 })).enumerate() {
            let Some(glyph) = raster(c).or_else(|| raster('?')) else { continue };
            for (dy, row) in glyph.rows().enumerate() {
                for (dx, cover) in row.iter().enumerate() {
                    let at = (x as usize + i * LETTER.0 as usize + dx, y as usize + dy);
                    self.blend(at.0 as i64, at.1 as i64, [40; 3], *cover as f64 / 255.0);
                }
            }
        }
    }

    pub fn finish(self) -> RgbImage {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discs_are_round_and_may_stick_out() {
        let mut canvas = Canvas::new(20, 20);
        canvas.disc((10.0, 10.0), 3.0, [0; 3]);
        canvas.disc((0.0, 19.0), 3.0, [9, 8, 7]);
        let image = canvas.finish();
        let at = |x, y| image.get_pixel(x, y).0;
        assert_eq!((at(10, 10), at(12, 10), at(13, 10), at(14, 10)), ([0; 3], [0; 3], [128; 3], [255; 3]));
        assert_eq!((at(13, 13), at(0, 19)), ([255; 3], [9, 8, 7]));
    }

    #[test]
    fn text_stays_in_its_width() {
        let dark = |text: &str, width: u32| {
            let mut canvas = Canvas::new(200, 20);
            canvas.text((0, 0), width, text);
            let image = canvas.finish();
            let dark = image.enumerate_pixels().filter(|(_, _, p)| p.0[0] < 200).map(|(x, _, _)| x);
            dark.max()
        };
        assert!(dark("ab", 100).unwrap() < 2 * LETTER.0);
        assert!(dark("a name that is too long", 100).unwrap() < 100);
        // The font has no such letter, but something is seen.
        assert!(dark("猫", 100).is_some());
        assert!(dark("", 100).is_none());
    }
}
