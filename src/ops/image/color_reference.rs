//! The reference of the colour adjustments, in f64: definitions of torchvision's documentation and of the colour spaces,
//! sharing nothing with color.rs but the columns' names.

use super::columns;

/// Rec. ITU-R BT.601: luma of red, green and blue; a grey pixel is its own.
pub(super) fn luma(pixel: &[f64]) -> f64 {
    match pixel.len() {
        3 => pixel.iter().zip([0.299, 0.587, 0.114]).map(|(v, weight)| v * weight).sum(),
        _ => pixel[0],
    }
}

/// Hue in sixths of a turn, saturation and value of red, green and blue (Smith 1978).
fn to_hsv(rgb: [f64; 3]) -> [f64; 3] {
    let value = rgb.into_iter().fold(f64::NEG_INFINITY, f64::max);
    let chroma = value - rgb.into_iter().fold(f64::INFINITY, f64::min);
    if chroma == 0.0 {
        return [0.0, 0.0, value];
    }
    let [r, g, b] = rgb;
    let hue = if value == r {
        ((g - b) / chroma).rem_euclid(6.0)
    } else if value == g {
        (b - r) / chroma + 2.0
    } else {
        (r - g) / chroma + 4.0
    };
    [hue, chroma / value, value]
}

/// And back: each channel is the value less the part of the chroma that its distance on the circle leaves out.
fn to_rgb([hue, saturation, value]: [f64; 3]) -> [f64; 3] {
    [5.0, 3.0, 1.0].map(|n| {
        let k: f64 = (n + hue).rem_euclid(6.0);
        value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
    })
}

/// The colours of one image, adjusted in the order that its row of parameters names.
pub(super) struct Adjustments<'a> {
    row: &'a [f64],
    jitter: bool,
    gray: bool,
}

impl<'a> Adjustments<'a> {
    /// Without `jitter` only the grey flag counts, without `gray` it does not.
    pub fn new(row: &'a [f64], jitter: bool, gray: bool) -> Self {
        Adjustments { row, jitter, gray }
    }

    /// The numbers of the adjustments, first to last.
    fn order(&self) -> &'a [f64] {
        if self.jitter { &self.row[columns::JITTER_ORDER..][..4] } else { &[] }
    }

    /// All adjustments of an image of `channels` a pixel, one after the other over the whole image.
    pub fn apply(&self, image: &mut [f64], channels: usize) {
        let row = self.row;
        for kind in self.order() {
            match *kind as usize {
                0 => image.iter_mut().for_each(|v| *v = (row[columns::BRIGHTNESS] * *v).clamp(0.0, 1.0)),
                1 => {
                    let mean = image.chunks_exact(channels).map(luma).sum::<f64>() / (image.len() / channels) as f64;
                    towards(image, mean, row[columns::CONTRAST]);
                }
                2 => image.chunks_exact_mut(channels).for_each(|p| towards(p, luma(p), row[columns::SATURATION])),
                _ => {
                    for pixel in image.as_chunks_mut::<3>().0.iter_mut().filter(|_| channels == 3) {
                        let [hue, saturation, value] = to_hsv(*pixel);
                        *pixel = to_rgb([hue + 6.0 * row[columns::HUE], saturation, value]).map(|v| v.clamp(0.0, 1.0));
                    }
                }
            }
        }
        if self.gray && row[columns::GRAY] != 0.0 {
            image.chunks_exact_mut(channels).for_each(|p| p.fill(luma(p)));
        }
    }

    /// How far a device's result may be from the exact one: each adjustment carries errors on by the factor of its blend
    /// and adds some roundings of numbers up to that factor; a hue turn carries the error of each of three channels on. The
    /// mean carries `terms` additions.
    pub fn bound(&self, eps: f64, terms: f64) -> f64 {
        let mut error = 0.0;
        for kind in self.order() {
            let grow = |factor: f64| factor.abs() + (1.0 - factor).abs();
            let [brightness, contrast, saturation] =
                [columns::BRIGHTNESS, columns::CONTRAST, columns::SATURATION].map(|c| self.row[c]);
            error = match *kind as usize {
                0 => brightness.abs() * error + 4.0 * eps * (1.0 + brightness.abs()),
                1 if contrast != 1.0 => grow(contrast) * (error + (8.0 + terms) * eps) + 4.0 * eps,
                2 => grow(saturation) * (error + 8.0 * eps) + 4.0 * eps,
                _ => 6.0 * error + 64.0 * eps,
            };
        }
        error + 8.0 * eps
    }
}

/// Every number by `factor` away from, or towards, `centre`.
pub(super) fn towards(numbers: &mut [f64], centre: f64, factor: f64) {
    numbers.iter_mut().for_each(|v| *v = (centre + factor * (*v - centre)).clamp(0.0, 1.0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_of_the_circle_have_the_hues_of_the_circle() {
        for (sixths, rgb) in [
            (0.0, [1.0, 0.0, 0.0]),
            (1.0, [1.0, 1.0, 0.0]),
            (2.0, [0.0, 1.0, 0.0]),
            (3.0, [0.0, 1.0, 1.0]),
            (4.0, [0.0, 0.0, 1.0]),
            (5.0, [1.0, 0.0, 1.0]),
        ] {
            assert_eq!(to_hsv(rgb), [sixths, 1.0, 1.0]);
            assert_eq!(to_rgb([sixths, 1.0, 1.0]), rgb);
        }
        assert_eq!(to_rgb(to_hsv([0.25, 0.5, 0.75])), [0.25, 0.5, 0.75]);
    }
}
