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
        let padded = [(g.oh - 1) * g.stride + g.kh, (g.ow - 1) * g.stride + g.kw];
        Grid { size: [g.h, g.w, elements], before: [g.padding; 2], padded }
    }

    /// Elements of the padded image.
    pub fn elements(&self) -> usize {
        self.padded[0] * self.padded[1] * self.size[2]
    }

    /// Copies an image into the middle of a buffer whose border is zero already.
    pub fn fill<T: Copy>(&self, image: &[T], padded: &mut [T]) {
        let [h, w, c] = self.size;
        let rows = h.min(self.padded[0] - self.before[0]);
        let run = w.min(self.padded[1] - self.before[1]) * c;
        for y in 0..rows {
            let at = ((y + self.before[0]) * self.padded[1] + self.before[1]) * c;
            padded[at..at + run].copy_from_slice(&image[y * w * c..][..run]);
        }
    }
}
