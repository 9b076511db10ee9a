//! Pooling over windows of NHWC images.

mod avg_pool2d;
mod max_pool2d;

pub use avg_pool2d::{AvgPool2d, AvgPool2dGrad};
pub use max_pool2d::{MaxPool2d, MaxPool2dGrad};

use crate::error::{Error, Result};
use crate::tensor::{Conv2dGeometry, Shape};

/// Square windows over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Side in pixels.
    pub kernel: usize,
    /// Step, the same both ways.
    pub stride: usize,
    /// Pixels around the input, at most half of the side, so that every window holds an input pixel.
    pub padding: usize,
}

impl Window {
    /// The windows over an input `[n, h, w, c]`: those of a convolution with one filter a channel.
    fn geometry(&self, op: &'static str, x: &Shape) -> Result<Conv2dGeometry> {
        let Window { kernel, stride, padding } = *self;
        if x.len() != 4 || kernel == 0 || 2 * padding > kernel {
            let m = format!("wants [n, h, w, c] and padding of at most half the kernel, got {x} and {self:?}");
            return Err(Error::shape(op, m));
        }
        Conv2dGeometry::new(op, x, &[x[3], kernel, kernel, 1], stride, padding, x[3])
    }

    /// Constants of the shaders.
    fn constants(&self, g: &Conv2dGeometry, count: usize) -> Vec<(&'static str, f64)> {
        [
            ("COUNT", count),
            ("H", g.h),
            ("W", g.w),
            ("C", g.c),
            ("OH", g.oh),
            ("OW", g.ow),
            ("KERNEL", self.kernel),
            ("STRIDE", self.stride),
            ("PADDING", self.padding),
        ]
        .map(|(n, v)| (n, v as f64))
        .to_vec()
    }

    /// The positions along one axis of the windows that cover input position `at`: first to last.
    fn covering(&self, at: usize, windows: usize) -> std::ops::Range<usize> {
        let at = at + self.padding;
        let first = (at + 1).saturating_sub(self.kernel).div_ceil(self.stride);
        first..(at / self.stride + 1).min(windows)
    }
}

/// The input positions along one axis that a window covers.
fn covered(g: &Conv2dGeometry, out: usize, size: usize) -> std::ops::Range<usize> {
    let first = out * g.stride;
    first.saturating_sub(g.padding)..(first + g.kh - g.padding).min(size)
}
