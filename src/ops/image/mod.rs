//! Augmentations of image batches. What happens to each image stands in a row of a parameter tensor
//! `f32 [n, 64]` that the host samples; the device does it to the pixels. Pixels are numbers from 0 to 1,
//! the colour formulas torchvision's. No op here has a gradient: images are data.

mod augment;
mod boxes;
mod color;
mod color_jitter;
mod color_reference;
mod crop_resize;
mod erase;
mod gaussian_blur;
mod mix;
mod retouch;

pub use augment::AugmentPlan;
pub use color_jitter::ColorJitter;
pub use crop_resize::CropResize;
pub use erase::Erase;
pub use gaussian_blur::GaussianBlur;
pub use mix::{MixImages, MixedLabels};
pub use retouch::Retouch;

use crate::error::{Error, Result};
use crate::graph::Meta;
use crate::ops::inputs::exactly;
use crate::tensor::DType;

pub use crate::tensor::columns;

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
    let [images, params] = exactly(op, inputs)?;
    let &[n, h, w, c] = &images.shape[..] else {
        return Err(Error::shape(op, format!("wants [n, h, w, c], got {images}")));
    };
    if images.dtype != DType::F32 {
        return Err(Error::shape(op, format!("wants f32 pixels, got {images}")));
    }
    check_params(op, n, params)?;
    Ok([n, h, w, c])
}
