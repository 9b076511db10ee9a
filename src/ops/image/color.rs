//! Colour formulas, once for f32 and f64: torchvision's adjustments of pixels in 0..1.

use super::columns;
use crate::graph::Real;

/// One image's colour parameters.
#[derive(Clone, Copy)]
pub(super) struct Jitter<T> {
    order: [u8; 4],
    brightness: T,
    contrast: T,
    saturation: T,
    hue: T,
    gray: bool,
}

fn clamp<T: Real>(v: T) -> T {
    v.max(T::c(0.0)).min(T::c(1.0))
}

/// `factor * a + (1 - factor) * b`, within 0..1.
fn blend<T: Real>(a: T, b: T, factor: T) -> T {
    clamp(factor * a + (T::c(1.0) - factor) * b)
}

/// ITU-R 601 luma; of one channel, the channel.
pub(super) fn luma<T: Real>(p: &[T]) -> T {
    match p {
        [r, g, b] => T::c(0.299) * *r + T::c(0.587) * *g + T::c(0.114) * *b,
        _ => p[0],
    }
}

/// Turns the hue by `shift` turns: to HSV (hue in sixths of a turn), and back.
fn turn_hue<T: Real>([r, g, b]: [T; 3], shift: T) -> [T; 3] {
    let (high, low) = (r.max(g).max(b), r.min(g).min(b));
    let range = high - low;
    if range <= T::c(0.0) {
        return [r, g, b];
    }
    let [rc, gc, bc] = [r, g, b].map(|v| (high - v) / range);
    let hue = if r == high {
        bc - gc
    } else if g == high {
        T::c(2.0) + rc - bc
    } else {
        T::c(4.0) + gc - rc
    };
    // In -1..5 before the shift of up to three sixths: one turn more or less brings it to 0..6.
    let mut hue = hue + T::c(6.0) * shift;
    if hue < T::c(0.0) {
        hue = hue + T::c(6.0);
    }
    if hue >= T::c(6.0) {
        hue = hue - T::c(6.0);
    }
    let sector = (1..6).filter(|&k| hue >= T::c(k as f64)).count();
    let f = hue - T::c(sector as f64);
    let falling = high - range * f;
    let rising = high - range * (T::c(1.0) - f);
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

impl<T: Real> Jitter<T> {
    /// What a row of parameters says of colours. Without `jitter` only the grey flag counts, without
    /// `gray` it does not.
    pub fn of<U: Copy + Into<f64>>(row: &[U], jitter: bool, gray: bool) -> Self {
        let at = |c: usize, neutral: f64| T::c(if jitter { row[c].into() } else { neutral });
        Jitter {
            order: std::array::from_fn(|k| row[columns::JITTER_ORDER + k].into() as u8),
            brightness: at(columns::BRIGHTNESS, 1.0),
            contrast: at(columns::CONTRAST, 1.0),
            saturation: at(columns::SATURATION, 1.0),
            hue: at(columns::HUE, 0.0),
            gray: gray && row[columns::GRAY].into() != 0.0,
        }
    }

    /// Whether an adjustment needs the mean of the image.
    pub fn needs_mean(&self) -> bool {
        self.contrast != T::c(1.0)
    }

    fn adjust(&self, kind: u8, p: &mut [T], mean: T) {
        match kind {
            0 => p.iter_mut().for_each(|v| *v = clamp(*v * self.brightness)),
            1 => p.iter_mut().for_each(|v| *v = blend(*v, mean, self.contrast)),
            2 => {
                let l = luma(p);
                p.iter_mut().for_each(|v| *v = blend(*v, l, self.saturation));
            }
            _ => {
                if let &mut [r, g, b] = p
                    && self.hue != T::c(0.0)
                {
                    p.copy_from_slice(&turn_hue([r, g, b], self.hue));
                }
            }
        }
    }

    /// The luma that a pixel has when the contrast is adjusted.
    pub fn luma_before_contrast(&self, p: &mut [T]) -> T {
        for kind in self.order.into_iter().take_while(|k| *k != 1) {
            self.adjust(kind, p, T::c(0.0));
        }
        luma(p)
    }

    /// All adjustments of one pixel, given the mean luma of the image before its contrast is adjusted.
    pub fn apply(&self, p: &mut [T], mean: T) {
        for kind in self.order {
            self.adjust(kind, p, mean);
        }
        if self.gray {
            let l = luma(p);
            p.fill(l);
        }
    }

    /// How far a device's result may be from the exact one: each adjustment carries errors on by the
    /// factor of its blend and adds some roundings of numbers up to that factor; a hue turn carries the
    /// error of each of three channels on. The mean carries `terms` additions.
    pub fn bound(&self, eps: T, terms: T) -> T {
        let mut error = T::c(0.0);
        for kind in self.order {
            let grow = |f: T| f.abs() + (T::c(1.0) - f).abs();
            error = match kind {
                0 => self.brightness.abs() * error + T::c(4.0) * eps * (T::c(1.0) + self.brightness.abs()),
                1 if self.needs_mean() => grow(self.contrast) * (error + (T::c(8.0) + terms) * eps) + T::c(4.0) * eps,
                2 => grow(self.saturation) * (error + T::c(8.0) * eps) + T::c(4.0) * eps,
                _ => T::c(6.0) * error + T::c(64.0) * eps,
            };
        }
        error + T::c(8.0) * eps
    }
}

#[cfg(test)]
mod tests {
    use super::turn_hue;

    /// Colours of the circle: red, yellow, green, cyan, blue, magenta lie a sixth of a turn apart.
    #[test]
    fn hue_turns_around_the_circle() {
        let circle = [[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]].map(|c| c.map(f64::from));
        for from in 0..6 {
            for by in -3i32..=3 {
                let got = turn_hue(circle[from], by as f64 / 6.0);
                let expected = circle[(from as i32 + by).rem_euclid(6) as usize];
                assert!(got.iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-12), "{from} {by}: {got:?}");
            }
        }
        assert_eq!(turn_hue([0.25f32; 3], 0.3), [0.25; 3]);
    }
}
