//! What happens to each image of a batch: drawn here, done to the pixels by the device.
//!
//! The order: crop (and resize), flips, RandAugment or TrivialAugment, rotation, colour jitter, greyscale, blur, lighting,
//! normalise, erase; then images are mixed. The ranges follow torchvision (`RandomResizedCrop`, `RandomCrop`, `ColorJitter`,
//! `RandomGrayscale`, `GaussianBlur`, `RandomRotation`, `RandAugment`, `TrivialAugmentWide`, `RandomErasing`, `MixUp`,
//! `CutMix`; documentation and source of version 0.2x); the order of those that SimCLR and SwAV have is theirs (M. Caron et
//! al., "Unsupervised learning of visual features by contrasting cluster assignments", NeurIPS 2020).
//!
//! [`Sampler`] gives one row of numbers an image, whose columns are listed in [`crate::tensor::columns`].

mod check;
mod mixing;
mod policy;
mod sample;

pub(crate) use policy::ROTATION;
pub(in crate::data) use sample::take_crop;
pub use sample::{Place, Sampler};

use super::Stats;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which augmentations are done, and how strongly. What is absent is not done.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table, for example {}")]
pub struct AugmentSpec {
    /// A crop of random area and aspect ratio, resized.
    pub random_resized_crop: Option<RandomResizedCrop>,
    /// A crop of the input's size at a random place of the zero-padded image.
    pub pad_crop: Option<PadCrop>,
    /// Mirroring left and right.
    pub flip: Option<Flip>,
    /// Mirroring top and bottom.
    pub vertical_flip: Option<Flip>,
    /// Some retouches of one strength, drawn from fourteen kinds (E. Cubuk et al., "RandAugment", NeurIPS 2020).
    pub rand_augment: Option<RandAugment>,
    /// One retouch of any strength, drawn from fourteen kinds (S. Müller and F. Hutter, "TrivialAugment", ICCV 2021; its
    /// wide space).
    pub trivial_augment: Option<TrivialAugment>,
    /// Turning around the middle.
    pub rotation: Option<Rotation>,
    /// Random brightness, contrast, saturation and hue, in random order.
    pub color_jitter: Option<ColorJitter>,
    /// Replacing the colours by their luma.
    pub grayscale: Option<Grayscale>,
    /// Gaussian blur.
    pub gaussian_blur: Option<GaussianBlur>,
    /// Colour noise along the principal components of ImageNet's colours (A. Krizhevsky et al., NeurIPS 2012).
    pub lighting: Option<Lighting>,
    /// What the pixels, scaled to 0..1, are normalised with at the end. The same for every image: not in the
    /// parameters.
    pub normalize: Option<Stats>,
    /// A box filled with one number, after normalising (Z. Zhong et al., "Random Erasing", AAAI 2020).
    pub erasing: Option<Erasing>,
    /// Blending each image and its label with the one before it in the batch (H. Zhang et al., "mixup", ICLR 2018).
    pub mixup: Option<Mixing>,
    /// A box of the image before it in the batch put into each image, its label by the box's share (S. Yun et al., "CutMix",
    /// ICCV 2019). With `mixup` beside it, each batch has one of both, by the throw of a coin.
    pub cutmix: Option<Mixing>,
}

/// See [`AugmentSpec::random_resized_crop`].
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table, for example {}")]
pub struct RandomResizedCrop {
    /// Least and greatest share of the image's area. Over 1 is allowed: such draws are repeated.
    pub scale: [f32; 2],
    /// Least and greatest ratio of width to height.
    pub ratio: [f32; 2],
    /// Height and width after resizing; `None`: those of the input.
    pub size: Option<[usize; 2]>,
}

impl Default for RandomResizedCrop {
    fn default() -> Self {
        RandomResizedCrop { scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0], size: None }
    }
}

/// See [`AugmentSpec::pad_crop`].
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table, for example {}")]
pub struct PadCrop {
    /// Zeros on each side, in pixels.
    pub padding: usize,
}

impl Default for PadCrop {
    fn default() -> Self {
        PadCrop { padding: 4 }
    }
}

/// See [`AugmentSpec::flip`].
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table, for example {}")]
pub struct Flip {
    /// Probability.
    pub p: f32,
}

impl Default for Flip {
    fn default() -> Self {
        Flip { p: 0.5 }
    }
}

/// See [`AugmentSpec::color_jitter`]. Strength `s` means a factor in `max(0, 1 - s)..1 + s`; for the hue a shift in
/// `-s..s` turns.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table, for example {}")]
pub struct ColorJitter {
    /// Strength for brightness.
    pub brightness: f32,
    /// Strength for contrast.
    pub contrast: f32,
    /// Strength for saturation.
    pub saturation: f32,
    /// Strength for the hue, at most 0.5.
    pub hue: f32,
    /// Probability that anything is adjusted at all.
    pub p: f32,
}

impl Default for ColorJitter {
    fn default() -> Self {
        ColorJitter { brightness: 0.0, contrast: 0.0, saturation: 0.0, hue: 0.0, p: 1.0 }
    }
}

/// See [`AugmentSpec::grayscale`].
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table, for example {}")]
pub struct Grayscale {
    /// Probability.
    pub p: f32,
}

impl Default for Grayscale {
    fn default() -> Self {
        Grayscale { p: 0.2 }
    }
}

/// See [`AugmentSpec::gaussian_blur`].
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table, for example {}")]
pub struct GaussianBlur {
    /// Probability.
    pub p: f32,
    /// Least and greatest standard deviation in pixels.
    pub sigma: [f32; 2],
}

impl Default for GaussianBlur {
    fn default() -> Self {
        GaussianBlur { p: 0.5, sigma: [0.1, 2.0] }
    }
}

/// How a pixel of a turned, shifted or sheared image comes from the original.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// The pixel that is nearest.
    #[default]
    Nearest,
    /// Blended of four.
    Bilinear,
}

/// See [`AugmentSpec::rand_augment`].
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table, for example {}")]
pub struct RandAugment {
    /// Retouches, one after the other, 1 to 4.
    pub num_ops: usize,
    /// Strength of all of them, in `0..num_magnitude_bins`.
    pub magnitude: u32,
    /// Strengths that there are, 2 to 1000.
    pub num_magnitude_bins: u32,
    /// How pixels come from where they were.
    pub interpolation: Interpolation,
    /// What comes from beyond the image, in 0..1.
    pub fill: f32,
}

impl Default for RandAugment {
    fn default() -> Self {
        RandAugment {
            num_ops: 2,
            magnitude: 9,
            num_magnitude_bins: 31,
            interpolation: Interpolation::Nearest,
            fill: 0.0,
        }
    }
}

/// See [`AugmentSpec::trivial_augment`].
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table, for example {}")]
pub struct TrivialAugment {
    /// Strengths that there are, 2 to 1000; each image has one of them.
    pub num_magnitude_bins: u32,
    /// How pixels come from where they were.
    pub interpolation: Interpolation,
    /// What comes from beyond the image, in 0..1.
    pub fill: f32,
}

impl Default for TrivialAugment {
    fn default() -> Self {
        TrivialAugment { num_magnitude_bins: 31, interpolation: Interpolation::Nearest, fill: 0.0 }
    }
}

/// See [`AugmentSpec::rotation`].
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table, for example {}")]
pub struct Rotation {
    /// Degrees at most, either way, 0 to 180.
    pub degrees: f32,
    /// Probability.
    pub p: f32,
    /// How pixels come from where they were.
    pub interpolation: Interpolation,
    /// What comes from beyond the image, in 0..1.
    pub fill: f32,
}

impl Default for Rotation {
    fn default() -> Self {
        Rotation { degrees: 15.0, p: 1.0, interpolation: Interpolation::Nearest, fill: 0.0 }
    }
}

/// See [`AugmentSpec::lighting`].
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table, for example {}")]
pub struct Lighting {
    /// Standard deviation of the three factors, of pixels in 0..1.
    pub std: f32,
}

impl Default for Lighting {
    fn default() -> Self {
        Lighting { std: 0.1 }
    }
}

/// See [`AugmentSpec::erasing`].
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table, for example {}")]
pub struct Erasing {
    /// Probability.
    pub p: f32,
    /// Least and greatest share of the image's area.
    pub scale: [f32; 2],
    /// Least and greatest ratio of height to width.
    pub ratio: [f32; 2],
    /// What the box is filled with: 0 is the mean colour.
    pub value: f32,
}

impl Default for Erasing {
    fn default() -> Self {
        Erasing { p: 0.5, scale: [0.02, 0.33], ratio: [0.3, 3.3], value: 0.0 }
    }
}

/// See [`AugmentSpec::mixup`] and [`AugmentSpec::cutmix`].
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table, for example {}")]
pub struct Mixing {
    /// The image's own share is drawn from Beta(alpha, alpha), once a batch.
    pub alpha: f32,
    /// Probability that a batch is mixed at all.
    pub p: f32,
}

impl Default for Mixing {
    fn default() -> Self {
        Mixing { alpha: 1.0, p: 1.0 }
    }
}

impl AugmentSpec {
    /// Height and width of what comes out for an input of `h` x `w`.
    pub fn output_size(&self, h: usize, w: usize) -> [usize; 2] {
        self.random_resized_crop.and_then(|crop| crop.size).unwrap_or([h, w])
    }

    /// Whether images, and their labels with them, are mixed with others.
    pub fn mixes(&self) -> bool {
        self.mixup.is_some() || self.cutmix.is_some()
    }
}
