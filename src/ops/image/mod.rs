//! Augmentations of image batches. What happens to each image stands in a row of a parameter tensor
//! `f32 [n, 16]` that the host samples; the device does it to the pixels. Pixels are numbers from 0 to 1,
//! the colour formulas torchvision's. No op here has a gradient: images are data.

mod augment;
mod color;
mod color_jitter;
mod crop_resize;
mod gaussian_blur;

pub use augment::AugmentPlan;
pub use color_jitter::ColorJitter;
pub use crop_resize::CropResize;
pub use gaussian_blur::GaussianBlur;

use crate::error::{Error, Result};
use crate::graph::Meta;
use crate::tensor::DType;

/// Columns of the parameter tensor.
pub mod columns {
    /// Number of columns.
    pub const COUNT: usize = 16;
    /// Upper edge of the crop, in pixels of the input; may be negative.
    pub const CROP_Y: usize = 0;
    /// Left edge of the crop.
    pub const CROP_X: usize = 1;
    /// Height of the crop.
    pub const CROP_HEIGHT: usize = 2;
    /// Width of the crop.
    pub const CROP_WIDTH: usize = 3;
    /// 1: mirror left and right.
    pub const FLIP: usize = 4;
    /// Four columns: which adjustment is first, second, …: 0 brightness, 1 contrast, 2 saturation, 3 hue.
    pub const JITTER_ORDER: usize = 5;
    /// Brightness factor.
    pub const BRIGHTNESS: usize = 9;
    /// Contrast factor.
    pub const CONTRAST: usize = 10;
    /// Saturation factor.
    pub const SATURATION: usize = 11;
    /// Hue shift in turns of the colour circle, -0.5..=0.5.
    pub const HUE: usize = 12;
    /// 1: replace the colours by their luma.
    pub const GRAY: usize = 13;
    /// Standard deviation of the blur in pixels, 0 for none.
    pub const BLUR: usize = 14;
}

/// Refuses a parameter tensor that does not fit `n` images.
fn check_params(op: &'static str, n: usize, params: &Meta) -> Result<()> {
    if params.shape[..] != [n, columns::COUNT] || params.dtype != DType::F32 {
        let m = format!("{n} images want parameters f32[{n}, {}], got {params}", columns::COUNT);
        return Err(Error::shape(op, m));
    }
    Ok(())
}

/// Extents of an f32 NHWC batch with its parameters.
fn batch(op: &'static str, inputs: &[Meta]) -> Result<[usize; 4]> {
    let &[n, h, w, c] = &inputs[0].shape[..] else {
        return Err(Error::shape(op, format!("wants [n, h, w, c], got {}", inputs[0])));
    };
    if inputs[0].dtype != DType::F32 {
        return Err(Error::shape(op, format!("wants f32 pixels, got {}", inputs[0])));
    }
    check_params(op, n, &inputs[1])?;
    Ok([n, h, w, c])
}

#[cfg(test)]
mod tests {
    use super::columns;
    use crate::data::augment;

    #[test]
    fn columns_are_those_that_are_sampled() {
        let here = [
            columns::COUNT,
            columns::CROP_Y,
            columns::CROP_X,
            columns::CROP_HEIGHT,
            columns::CROP_WIDTH,
            columns::FLIP,
            columns::JITTER_ORDER,
            columns::BRIGHTNESS,
            columns::CONTRAST,
            columns::SATURATION,
            columns::HUE,
            columns::GRAY,
            columns::BLUR,
        ];
        let sampled = [
            augment::COLUMNS,
            augment::CROP_Y,
            augment::CROP_X,
            augment::CROP_HEIGHT,
            augment::CROP_WIDTH,
            augment::FLIP,
            augment::JITTER_ORDER,
            augment::BRIGHTNESS,
            augment::CONTRAST,
            augment::SATURATION,
            augment::HUE,
            augment::GRAY,
            augment::BLUR,
        ];
        assert_eq!(here, sampled);
    }
}
