//! Images with a border of zeros, so that no tap has to ask whether it lies inside.

use crate::tensor::Conv2dGeometry;

/// A source image and the border put around it.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// Rows, columns and elements a pixel of the image.
    pub size: [usize; 3],
    /// Rows above and columns to the left of it.
    pub before: [usize; 2],
    /// Rows and columns with the border; the image is cut where it is larger.
    pub padded: [usize; 2],
}

impl Grid {
    /// The input of a convolution, `elements` a pixel, as far as windows reach.
    pub fn under_windows(g: &Conv2dGeometry, elements: usize) -> Grid {
        let padded =
            [(g.oh - 1) * g.stride + (g.kh - 1) * g.dilation + 1, (g.ow - 1) * g.stride + (g.kw - 1) * g.dilation + 1];
        Grid { size: [g.h, g.w, elements], before: [g.padding; 2], padded }
    }

    /// Elements of the padded image.
    pub fn elements(&self) -> usize {
        self.padded[0] * self.padded[1] * self.size[2]
    }

    /// What of an image lies side by side in the padded one: first element there, first element here, how many.
    pub fn runs(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let ([h, w, c], before, padded) = (self.size, self.before, self.padded);
        // Nothing at all where all windows lie in the border: those of a stride that is longer than the image.
        let seen = [0, 1].map(|i| padded[i].saturating_sub(before[i]));
        let run = w.min(seen[1]) * c;
        let rows = if run == 0 { 0 } else { h.min(seen[0]) };
        (0..rows).map(move |y| (y * w * c, ((y + before[0]) * padded[1] + before[1]) * c, run))
    }

    /// Copies an image into the middle of a buffer whose border is zero already.
    pub fn fill<T: Copy>(&self, image: &[T], padded: &mut [T]) {
        for (from, to, n) in self.runs() {
            padded[to..to + n].copy_from_slice(&image[from..from + n]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One window, all of it in the border.
    #[test]
    fn an_image_that_no_window_sees_is_left_out() {
        let g = Conv2dGeometry::new("test", &[1, 2, 2, 16], &[16, 3, 3, 16], 9, 4, 1).expect("fixed");
        assert_eq!((g.oh, g.ow), (1, 1));
        let grid = Grid::under_windows(&g, g.c);
        assert_eq!((grid.padded, grid.runs().count()), ([3, 3], 0));
        let mut padded = vec![0.0; grid.elements()];
        grid.fill(&[1.0; 64], &mut padded);
        assert!(padded.iter().all(|x| *x == 0.0));
    }
}
