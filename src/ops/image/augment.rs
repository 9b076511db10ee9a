//! The whole pipeline for the images of a batch, each by itself.

use super::{Retouch, columns};
use crate::error::{Error, Result};
use crate::graph::{Graph, Value};
use crate::ops::image::ColorJitter;
use crate::tensor::HostTensor;

/// Which augmentations a graph does; how strongly stands in its parameters. What is off costs nothing.
#[derive(Clone, Debug)]
pub struct AugmentPlan {
    /// Height, width and channels of the images.
    pub input: [usize; 3],
    /// Height and width of the result.
    pub output: [usize; 2],
    /// Retouches, in this order.
    pub retouches: Vec<Retouch>,
    /// Brightness, contrast, saturation, hue.
    pub jitter: bool,
    /// Obey the grey flag.
    pub gray: bool,
    /// Taps on each side of the blur.
    pub blur_radius: Option<usize>,
    /// Add to red, green and blue.
    pub light: bool,
    /// Mean and standard deviation of each channel.
    pub normalize: Option<(Vec<f32>, Vec<f32>)>,
    /// What erased boxes are filled with.
    pub erase: Option<f32>,
}

impl AugmentPlan {
    /// Bytes to numbers, and nothing else.
    pub fn plain(input: [usize; 3]) -> Self {
        let [h, w, _] = input;
        AugmentPlan {
            input,
            output: [h, w],
            retouches: Vec::new(),
            jitter: false,
            gray: false,
            blur_radius: None,
            light: false,
            normalize: None,
            erase: None,
        }
    }
}

impl Graph {
    /// `images u8 [n, h w c]` and `params [n, 64]` -> `f32 [n, oh, ow, c]`: crop, resize and mirror, retouch,
    /// adjust colours, blur, light, normalise, erase, in this order.
    pub fn augment(&mut self, images: Value, params: Value, plan: &AugmentPlan) -> Result<Value> {
        let mut x = self.crop_resize(images, params, plan.input, plan.output)?;
        for retouch in &plan.retouches {
            x = self.retouch(x, params, retouch.clone())?;
        }
        if plan.jitter || plan.gray {
            x = self.apply1(ColorJitter { jitter: plan.jitter, gray: plan.gray }, &[x, params])?;
        }
        if let Some(radius) = plan.blur_radius {
            x = self.gaussian_blur(x, params, radius)?;
        }
        if plan.light {
            x = self.light(x, params)?;
        }
        if let Some((mean, std)) = &plan.normalize {
            x = self.normalize(x, mean, std)?;
        }
        match plan.erase {
            Some(value) => self.erase(x, params, value),
            None => Ok(x),
        }
    }

    /// Adds to red, green and blue of each image `[n, h, w, 3]` what its parameters say.
    pub fn light(&mut self, x: Value, params: Value) -> Result<Value> {
        let n = self.shape(x)[0];
        if self.shape(x).columns() != 3 {
            return Err(Error::shape("light", format!("wants 3 channels, got {}", self.meta(x))));
        }
        let added = self.slice(params, 1, columns::LIGHT..columns::LIGHT + 3, 1)?;
        let added = self.reshape(added, [n, 1, 1, 3])?;
        self.add(x, added)
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
