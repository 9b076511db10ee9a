//! Where dy and dx meet: the pixels of dy in one line, and how far along it each tap lies.

use crate::tensor::Conv2dGeometry;

/// Pixel `stride q + a` of x is place q of phase a, in both directions, so that every tap of all outputs is one phase at one
/// distance along the line, but for those that lie outside of the image.
pub(super) struct Positions {
    /// Rows and columns of an image: those of dy, or more where a phase of x has more.
    pub size: [usize; 2],
    /// Taps in the order of the weights.
    pub taps: Vec<Tap>,
}

/// A tap of the kernel.
pub(super) struct Tap {
    /// Row and column of its first pixel in x: below the stride.
    pub phase: [usize; 2],
    /// Positions from an output to what it reads.
    pub shift: isize,
    /// Whether it lies within the image, for each position.
    pub inside: Vec<bool>,
}

/// Rows or columns of phase `a`.
fn count(a: usize, size: usize, stride: usize) -> usize {
    size.saturating_sub(a).div_ceil(stride)
}

impl Positions {
    pub fn new(g: &Conv2dGeometry) -> Positions {
        let size = [g.oh.max(count(0, g.h, g.stride)), g.ow.max(count(0, g.w, g.stride))];
        let part = |k: usize| {
            let (k, stride) = ((k * g.dilation) as isize - g.padding as isize, g.stride as isize);
            (k.rem_euclid(stride) as usize, k.div_euclid(stride))
        };
        let tap = |k: usize| {
            let ((a, down), (b, right)) = (part(k / g.kw), part(k % g.kw));
            let within = |q: usize, d: isize, n: usize| q.checked_add_signed(d).is_some_and(|q| q < n);
            let inside = |p: usize| {
                let [y, x] = [p / size[1], p % size[1]];
                y < g.oh
                    && x < g.ow
                    && within(y, down, count(a, g.h, g.stride))
                    && within(x, right, count(b, g.w, g.stride))
            };
            let inside = (0..size[0] * size[1]).map(inside).collect();
            Tap { phase: [a, b], shift: down * size[1] as isize + right, inside }
        };
        Positions { size, taps: (0..g.kh * g.kw).map(tap).collect() }
    }

    /// Positions of an image.
    pub fn per_image(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// The farthest that a tap lies from its output.
    pub fn reach(&self) -> usize {
        self.taps.iter().map(|t| t.shift.unsigned_abs()).max().unwrap_or(0)
    }

    /// The pixels of dy.
    pub fn outputs(&self, g: &Conv2dGeometry) -> Pixels {
        self.pixels([g.n, g.oh, g.ow], [0, 0], 1)
    }

    /// The pixels of a phase of x.
    pub fn inputs(&self, g: &Conv2dGeometry, phase: [usize; 2]) -> Pixels {
        self.pixels([g.n, g.h, g.w], phase, g.stride)
    }

    fn pixels(&self, [images, h, w]: [usize; 3], from: [usize; 2], stride: usize) -> Pixels {
        let pixel = |p: usize| {
            let (y, x) = (p / self.size[1] * stride + from[0], p % self.size[1] * stride + from[1]);
            (y < h && x < w).then(|| y * w + x)
        };
        Pixels { of_image: (0..self.per_image()).map(pixel).collect(), images, size: h * w }
    }
}

/// Which pixel of many images lies at a position of the line, if there is one.
pub(super) struct Pixels {
    /// Those of one image, for each of its positions.
    of_image: Vec<Option<usize>>,
    images: usize,
    /// Pixels of an image.
    size: usize,
}

/// An image and a position in it: counted along, as a division for each position would show.
#[derive(Clone, Copy)]
pub(super) struct Place {
    image: usize,
    pub within: usize,
}

impl Pixels {
    #[inline(always)]
    pub fn place(&self, position: usize) -> Place {
        Place { image: position / self.of_image.len(), within: position % self.of_image.len() }
    }

    #[inline(always)]
    pub fn after(&self, place: Place) -> Place {
        match place.within + 1 == self.of_image.len() {
            true => Place { image: place.image + 1, within: 0 },
            false => Place { within: place.within + 1, ..place },
        }
    }

    /// The pixel there.
    #[inline(always)]
    pub fn at(&self, place: Place) -> Option<usize> {
        let pixel = self.of_image[place.within].filter(|_| place.image < self.images)?;
        Some(place.image * self.size + pixel)
    }

    /// Those from a position on, without end.
    #[inline(always)]
    pub fn from(&self, position: usize) -> impl Iterator<Item = Option<usize>> {
        let mut place = self.place(position);
        std::iter::repeat_with(move || {
            let pixel = self.at(place);
            place = self.after(place);
            pixel
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::naive::all_geometries;

    /// What is said of taps is what the geometry says.
    #[test]
    fn taps_lie_where_the_geometry_has_them() {
        for g in all_geometries() {
            let positions = Positions::new(&g);
            let outputs = positions.outputs(&g);
            for p in 0..g.n * positions.per_image() {
                let output = outputs.from(p).next().expect("without end");
                let (image, within) = (p / positions.per_image(), p % positions.per_image());
                let (oy, ox) = (within / positions.size[1], within % positions.size[1]);
                let is_output = oy < g.oh && ox < g.ow;
                assert_eq!(output, is_output.then(|| (image * g.oh + oy) * g.ow + ox), "{g:?}");
                for (k, tap) in positions.taps.iter().enumerate().filter(|_| is_output) {
                    let input = g.tap(oy, k / g.kw, g.h).zip(g.tap(ox, k % g.kw, g.w));
                    let input = input.map(|(y, x)| (image * g.h + y) * g.w + x);
                    assert_eq!(tap.inside[within], input.is_some(), "{g:?} at {within}, tap {k}");
                    if let Some(input) = input {
                        let at = p.checked_add_signed(tap.shift).expect("inside");
                        let pixel = positions.inputs(&g, tap.phase).from(at).next().expect("without end");
                        assert_eq!(pixel, Some(input), "{g:?}");
                    }
                }
            }
        }
    }
}
