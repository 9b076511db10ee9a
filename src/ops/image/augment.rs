//! The whole pipeline for a batch: crop, flip, colours, blur, normalise.

use crate::error::{Error, Result};
use crate::graph::{Graph, Value};
use crate::ops::image::ColorJitter;
use crate::tensor::HostTensor;

/// Which augmentations a graph does; how strongly stands in its parameters. What is off costs nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct AugmentPlan {
    /// Height, width and channels of the images.
    pub input: [usize; 3],
    /// Height and width of the result.
    pub output: [usize; 2],
    /// Brightness, contrast, saturation, hue.
    pub jitter: bool,
    /// Obey the grey flag.
    pub gray: bool,
    /// Taps on each side of the blur.
    pub blur_radius: Option<usize>,
    /// Mean and standard deviation of each channel.
    pub normalize: Option<(Vec<f32>, Vec<f32>)>,
}

impl Graph {
    /// `images u8 [n, h w c]` and `params [n, 16]` -> `f32 [n, oh, ow, c]`: crop, resize and mirror,
    /// adjust colours, blur, normalise, in this order.
    pub fn augment(&mut self, images: Value, params: Value, plan: &AugmentPlan) -> Result<Value> {
        let mut x = self.crop_resize(images, params, plan.input, plan.output)?;
        if plan.jitter || plan.gray {
            x = self.apply1(ColorJitter { jitter: plan.jitter, gray: plan.gray }, &[x, params])?;
        }
        if let Some(radius) = plan.blur_radius {
            x = self.gaussian_blur(x, params, radius)?;
        }
        match &plan.normalize {
            Some((mean, std)) => self.normalize(x, mean, std),
            None => Ok(x),
        }
    }

    /// `(x - mean) / std` by channel, the last axis.
    pub fn normalize(&mut self, x: Value, mean: &[f32], std: &[f32]) -> Result<Value> {
        let c = self.shape(x).columns();
        if mean.len() != c || std.len() != c || !std.iter().all(|s| *s > 0.0) {
            let m = format!("{} wants {c} means and {c} deviations over 0, got {mean:?} and {std:?}", self.meta(x));
            return Err(Error::shape("normalize", m));
        }
        let mean = self.constant(HostTensor::from_f32([c], mean.to_vec()));
        let std = self.constant(HostTensor::from_f32([c], std.to_vec()));
        let centred = self.sub(x, mean)?;
        self.div(centred, std)
    }
}
