//! Colour formulas: torchvision's adjustments of pixels in 0..1, as the CPU device does them.

use super::columns;

/// One image's colour parameters.
#[derive(Clone, Copy)]
pub(super) struct Jitter {
    order: [u8; 4],
    brightness: f32,
    contrast: f32,
    saturation: f32,
    hue: f32,
    gray: bool,
}

/// Within 0..1; what is no number becomes 0.
pub(super) fn clamp(v: f32) -> f32 {
    let v = if v > 0.0 { v } else { 0.0 };
    if v < 1.0 { v } else { 1.0 }
}

/// `factor * a + (1 - factor) * b`, within 0..1.
pub(super) fn blend(a: f32, b: f32, factor: f32) -> f32 {
    clamp(factor * a + (1.0 - factor) * b)
}

/// ITU-R 601 luma; of one channel, the channel.
pub(super) fn luma(p: &[f32]) -> f32 {
    match p {
        [r, g, b] => 0.299 * *r + 0.587 * *g + 0.114 * *b,
        _ => p[0],
    }
}

/// Turns the hue by `shift` turns: to HSV (hue in sixths of a turn), and back.
fn turn_hue([r, g, b]: [f32; 3], shift: f32) -> [f32; 3] {
    let (high, low) = (r.max(g).max(b), r.min(g).min(b));
    let range = high - low;
    if range <= 0.0 {
        return [r, g, b];
    }
    let [rc, gc, bc] = [r, g, b].map(|v| (high - v) / range);
    let hue = if r == high {
        bc - gc
    } else if g == high {
        2.0 + rc - bc
    } else {
        4.0 + gc - rc
    };
    // In -1..5 before the shift of up to three sixths: one turn more or less brings it to 0..6.
    let mut hue = hue + 6.0 * shift;
    if hue < 0.0 {
        hue += 6.0;
    }
    if hue >= 6.0 {
        hue -= 6.0;
    }
    let sector = (1..6).filter(|&k| hue >= k as f32).count();
    let f = hue - sector as f32;
    let falling = high - range * f;
    let rising = high - range * (1.0 - f);
    match sector {
        0 => [high, rising, low],
        1 => [falling, high, low],
        2 => [low, high, rising],
        3 => [low, falling, high],
        4 => [rising, low, high],
        _ => [high, low, falling],
    }
    .map(clamp)
}

impl Jitter {
    /// What a row of parameters says of colours. Without `jitter` only the grey flag counts, without
    /// `gray` it does not.
    pub fn of(row: &[f32], jitter: bool, gray: bool) -> Self {
        let at = |c: usize, neutral: f32| if jitter { row[c] } else { neutral };
        Jitter {
            order: std::array::from_fn(|k| row[columns::JITTER_ORDER + k] as u8),
            brightness: at(columns::BRIGHTNESS, 1.0),
            contrast: at(columns::CONTRAST, 1.0),
            saturation: at(columns::SATURATION, 1.0),
            hue: at(columns::HUE, 0.0),
            gray: gray && row[columns::GRAY] != 0.0,
        }
    }

    /// Whether an adjustment needs the mean of the image.
    pub fn needs_mean(&self) -> bool {
        self.contrast != 1.0
    }

    fn adjust(&self, kind: u8, p: &mut [f32], mean: f32) {
        match kind {
            0 => p.iter_mut().for_each(|v| *v = clamp(*v * self.brightness)),
            1 => p.iter_mut().for_each(|v| *v = blend(*v, mean, self.contrast)),
            2 => {
                let l = luma(p);
                p.iter_mut().for_each(|v| *v = blend(*v, l, self.saturation));
            }
            _ => {
                if let &mut [r, g, b] = p
                    && self.hue != 0.0
                {
                    p.copy_from_slice(&turn_hue([r, g, b], self.hue));
                }
            }
        }
    }

    /// The luma that a pixel has when the contrast is adjusted.
    pub fn luma_before_contrast(&self, p: &mut [f32]) -> f32 {
        for kind in self.order.into_iter().take_while(|k| *k != 1) {
            self.adjust(kind, p, 0.0);
        }
        luma(p)
    }

    /// All adjustments of one pixel, given the mean luma of the image before its contrast is adjusted.
    pub fn apply(&self, p: &mut [f32], mean: f32) {
        for kind in self.order {
            self.adjust(kind, p, mean);
        }
        if self.gray {
            let l = luma(p);
            p.fill(l);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::turn_hue;

    /// Colours of the circle: red, yellow, green, cyan, blue, magenta lie a sixth of a turn apart.
    #[test]
    fn hue_turns_around_the_circle() {
        let circle = [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]].map(|c| c.map(|v| v as f32));
        for from in 0..6 {
            for by in -3i32..=3 {
                let got = turn_hue(circle[from], by as f32 / 6.0);
                let expected = circle[(from as i32 + by).rem_euclid(6) as usize];
                assert!(got.iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-6), "{from} {by}: {got:?}");
            }
        }
        assert_eq!(turn_hue([0.25; 3], 0.3), [0.25; 3]);
    }
}
