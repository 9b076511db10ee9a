//! What happens to each image of a batch: drawn here, done to the pixels by the device.
//!
//! The order is that of the SimCLR and SwAV pipelines: crop (and resize), flip, colour jitter, greyscale, blur,
//! normalise. The ranges follow torchvision (`RandomResizedCrop`, `RandomCrop`, `ColorJitter`, `RandomGrayscale`,
//! `GaussianBlur`, documentation and source of version 0.2x); SwAV: M. Caron et al., "Unsupervised learning of visual
//! features by contrasting cluster assignments", NeurIPS 2020.
//!
//! [`sample`] gives one row of numbers an image, whose columns are listed in [`crate::tensor::columns`].
//!
//! Random numbers: image `first + i` of the epoch owns the sixteen Philox blocks from `16 * (first + i)` on, with the
//! epoch as step; crop, flip, jitter, greyscale and blur begin at blocks 0, 8, 9, 12 and 13 of them. So a row does not
//! depend on the batch size, and switching one part on leaves the draws of the others as they were.

use super::Stats;
use crate::error::{Error, Result};
use crate::rng::{Draws, Philox};
use crate::tensor::HostTensor;
use crate::tensor::columns::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which augmentations are done, and how strongly. What is absent is not done.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentSpec {
    /// A crop of random area and aspect ratio, resized.
    pub random_resized_crop: Option<RandomResizedCrop>,
    /// A crop of the input's size at a random place of the zero-padded image.
    pub pad_crop: Option<PadCrop>,
    /// Mirroring left and right.
    pub flip: Option<Flip>,
    /// Random brightness, contrast, saturation and hue, in random order.
    pub color_jitter: Option<ColorJitter>,
    /// Replacing the colours by their luma.
    pub grayscale: Option<Grayscale>,
    /// Gaussian blur.
    pub gaussian_blur: Option<GaussianBlur>,
    /// What the pixels, scaled to 0..1, are normalised with at the end. The same for every image: not in the
    /// parameters.
    pub normalize: Option<Stats>,
}

/// See [`AugmentSpec::random_resized_crop`].
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
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
#[serde(default, deny_unknown_fields)]
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
#[serde(default, deny_unknown_fields)]
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
#[serde(default, deny_unknown_fields)]
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
#[serde(default, deny_unknown_fields)]
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
#[serde(default, deny_unknown_fields)]
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

impl AugmentSpec {
    /// Checks all values, for images of `channels` channels.
    ///
    /// # Errors
    /// [`Error::Config`] naming the setting, its value and the range.
    pub fn validate(&self, channels: usize) -> Result<()> {
        let fail = |message: String| Err(Error::Config(format!("augment.{message}")));
        let range = |key: &str, [low, high]: [f32; 2]| match 0.0 < low && low <= high && high.is_finite() {
            true => Ok(()),
            false => fail(format!("{key} = [{low}, {high}]: give two numbers over 0, the smaller one first")),
        };
        let probability = |key: &str, p: f32| match (0.0..=1.0).contains(&p) {
            true => Ok(()),
            false => fail(format!("{key}.p = {p}: give a probability in 0..=1")),
        };
        if let Some(crop) = &self.random_resized_crop {
            if self.pad_crop.is_some() {
                return fail("random_resized_crop and augment.pad_crop are both set: choose one".into());
            }
            range("random_resized_crop.scale", crop.scale)?;
            range("random_resized_crop.ratio", crop.ratio)?;
            if let Some([h, w]) = crop.size
                && (h == 0 || w == 0)
            {
                return fail(format!("random_resized_crop.size = [{h}, {w}]: both must be at least 1"));
            }
        }
        if let Some(PadCrop { padding }) = self.pad_crop
            && padding > 4096
        {
            return fail(format!("pad_crop.padding = {padding}: give at most 4096 pixels"));
        }
        if let Some(flip) = &self.flip {
            probability("flip", flip.p)?;
        }
        if let Some(j) = &self.color_jitter {
            probability("color_jitter", j.p)?;
            let strengths = [("brightness", j.brightness), ("contrast", j.contrast), ("saturation", j.saturation)];
            for (key, s) in strengths {
                if !(s >= 0.0 && s.is_finite()) {
                    return fail(format!("color_jitter.{key} = {s}: give a number from 0 on"));
                }
            }
            if !(0.0..=0.5).contains(&j.hue) {
                return fail(format!("color_jitter.hue = {}: give a number in 0..=0.5", j.hue));
            }
        }
        if let Some(gray) = &self.grayscale {
            probability("grayscale", gray.p)?;
        }
        if let Some(blur) = &self.gaussian_blur {
            probability("gaussian_blur", blur.p)?;
            range("gaussian_blur.sigma", blur.sigma)?;
        }
        if let Some(Stats { mean, std }) = &self.normalize {
            if mean.len() != channels || std.len() != channels {
                return fail(format!(
                    "normalize has {} means and {} standard deviations: the images have {channels} channels, give one \
                     of each a channel",
                    mean.len(),
                    std.len()
                ));
            }
            if !(mean.iter().all(|m| m.is_finite()) && std.iter().all(|&s| s > 0.0 && s.is_finite())) {
                return fail(format!("normalize = {mean:?} / {std:?}: give finite means and deviations over 0"));
            }
        }
        Ok(())
    }

    /// Height and width of what comes out for an input of `h` x `w`.
    pub fn output_size(&self, h: usize, w: usize) -> [usize; 2] {
        self.random_resized_crop.and_then(|crop| crop.size).unwrap_or([h, w])
    }
}

/// Parameters for the images `first .. first + n` of `epoch`, each of `h` x `w` pixels: F32 [n, [`COUNT`]]. `spec`
/// is expected to be valid ([`AugmentSpec::validate`]); `rng` is a stream of
/// [`streams::AUGMENT`](crate::rng::streams::AUGMENT).
pub fn sample(spec: &AugmentSpec, rng: &Philox, epoch: u64, first: u64, n: usize, h: usize, w: usize) -> HostTensor {
    let mut out = vec![0.0; n * COUNT];
    sample_into(spec, rng, epoch, first, h, w, &mut out);
    HostTensor::from_f32([n, COUNT], out)
}

/// [`sample`] into rows that exist already.
pub fn sample_into(spec: &AugmentSpec, rng: &Philox, epoch: u64, first: u64, h: usize, w: usize, out: &mut [f32]) {
    for (i, row) in out.chunks_exact_mut(COUNT).enumerate() {
        sample_row(spec, rng, epoch, first + i as u64, [h, w], row);
    }
}

/// [`sample`] for image number `number` of the epoch, of `h` x `w` pixels.
pub(super) fn sample_row(
    spec: &AugmentSpec,
    rng: &Philox,
    epoch: u64,
    number: u64,
    [h, w]: [usize; 2],
    row: &mut [f32],
) {
    let draws = |block: u64| rng.draws(epoch, 16 * number + block);
    row.copy_from_slice(&neutral(h, w));
    if let Some(crop) = &spec.random_resized_crop {
        row[..4].copy_from_slice(&resized_crop(crop, &mut draws(0), h, w));
    } else if let Some(PadCrop { padding }) = spec.pad_crop {
        let mut d = draws(0);
        let mut offset = || d.below(2 * padding as u32 + 1) as f32 - padding as f32;
        (row[CROP_Y], row[CROP_X]) = (offset(), offset());
    }
    let happens = |p: f32, d: &mut Draws| d.unit() < p;
    if let Some(flip) = &spec.flip {
        row[FLIP] = happens(flip.p, &mut draws(8)) as u32 as f32;
    }
    if let Some(j) = &spec.color_jitter {
        let mut d = draws(9);
        if happens(j.p, &mut d) {
            jitter(j, &mut d, row);
        }
    }
    if let Some(gray) = &spec.grayscale {
        row[GRAY] = happens(gray.p, &mut draws(12)) as u32 as f32;
    }
    if let Some(blur) = &spec.gaussian_blur {
        let mut d = draws(13);
        if happens(blur.p, &mut d) {
            row[BLUR] = d.between(blur.sigma[0], blur.sigma[1]);
        }
    }
}

/// The crop of a row, and the row made to leave as it is what the crop gives, of `h` x `w` pixels: for crops that are made
/// before an image comes to the device.
pub(super) fn take_crop(row: &mut [f32], [h, w]: [usize; 2]) -> [usize; 4] {
    let crop = [CROP_Y, CROP_X, CROP_HEIGHT, CROP_WIDTH].map(|column| row[column] as usize);
    row[..4].copy_from_slice(&neutral(h, w)[..4]);
    crop
}

/// The row that leaves an image as it is.
fn neutral(h: usize, w: usize) -> [f32; COUNT] {
    let mut row = [0.0; COUNT];
    (row[CROP_HEIGHT], row[CROP_WIDTH]) = (h as f32, w as f32);
    for (i, order) in row[JITTER_ORDER..][..4].iter_mut().enumerate() {
        *order = i as f32;
    }
    row[BRIGHTNESS..=SATURATION].fill(1.0);
    row
}

/// Box (y, x, height, width) by the rule of torchvision's `RandomResizedCrop.get_params`: area uniform, aspect ratio
/// uniform in its logarithm, sides rounded; ten tries for a box that fits, then the largest box of a ratio in range,
/// from the centre.
fn resized_crop(crop: &RandomResizedCrop, draws: &mut Draws, h: usize, w: usize) -> [f32; 4] {
    let [low, high] = crop.ratio.map(|r| r as f64);
    let (log_low, log_high) = (libm::log(low), libm::log(high));
    for _ in 0..10 {
        let area = (h * w) as f64 * draws.between(crop.scale[0], crop.scale[1]) as f64;
        let ratio = libm::exp(log_low + (log_high - log_low) * draws.unit() as f64);
        let box_w = libm::sqrt(area * ratio).round_ties_even() as usize;
        let box_h = libm::sqrt(area / ratio).round_ties_even() as usize;
        if (1..=w).contains(&box_w) && (1..=h).contains(&box_h) {
            let y = draws.below((h - box_h + 1) as u32);
            let x = draws.below((w - box_w + 1) as u32);
            return [y as f32, x as f32, box_h as f32, box_w as f32];
        }
    }
    let own = w as f64 / h as f64;
    let (box_h, box_w) = if own < low {
        ((w as f64 / low).round_ties_even() as usize, w)
    } else if own > high {
        (h, (h as f64 * high).round_ties_even() as usize)
    } else {
        (h, w)
    };
    // Rounding keeps at least one pixel.
    let (box_h, box_w) = (box_h.clamp(1, h), box_w.clamp(1, w));
    [((h - box_h) / 2) as f32, ((w - box_w) / 2) as f32, box_h as f32, box_w as f32]
}

/// Order and factors by the rule of torchvision's `ColorJitter.get_params`.
fn jitter(j: &ColorJitter, draws: &mut Draws, row: &mut [f32]) {
    for i in (1..4).rev() {
        row.swap(JITTER_ORDER + i, JITTER_ORDER + draws.below(i as u32 + 1) as usize);
    }
    let mut factor = |s: f32| draws.between((1.0 - s).max(0.0), 1.0 + s);
    row[BRIGHTNESS] = factor(j.brightness);
    row[CONTRAST] = factor(j.contrast);
    row[SATURATION] = factor(j.saturation);
    row[HUE] = draws.between(-j.hue, j.hue);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::streams;

    const N: usize = 4000;

    fn rng() -> Philox {
        Philox::new(17, streams::AUGMENT)
    }

    fn full() -> AugmentSpec {
        AugmentSpec {
            random_resized_crop: Some(RandomResizedCrop {
                scale: [0.2, 1.0],
                size: Some([8, 8]),
                ..Default::default()
            }),
            flip: Some(Flip::default()),
            color_jitter: Some(ColorJitter { brightness: 0.4, contrast: 1.5, saturation: 0.4, hue: 0.1, p: 0.8 }),
            grayscale: Some(Grayscale::default()),
            gaussian_blur: Some(GaussianBlur::default()),
            ..Default::default()
        }
    }

    fn rows(spec: &AugmentSpec, h: usize, w: usize) -> Vec<Vec<f32>> {
        sample(spec, &rng(), 1, 0, N, h, w).f32s().chunks(COUNT).map(<[f32]>::to_vec).collect()
    }

    /// Share of rows for which `test` holds, with a tolerance of five standard errors around `p`.
    fn assert_share(rows: &[Vec<f32>], p: f64, test: impl Fn(&[f32]) -> bool) {
        let share = rows.iter().filter(|r| test(r)).count() as f64 / rows.len() as f64;
        let bound = 5.0 * (p * (1.0 - p) / rows.len() as f64).sqrt();
        assert!((share - p).abs() < bound, "{share} instead of {p} +- {bound}");
    }

    #[test]
    fn nothing_asked_for_gives_neutral_rows() {
        let row = &rows(&AugmentSpec::default(), 30, 40)[7];
        assert_eq!(row[..], [0., 0., 30., 40., 0., 0., 1., 2., 3., 1., 1., 1., 0., 0., 0., 0.]);
    }

    #[test]
    fn crops_fit_and_follow_scale_and_ratio() {
        let spec = full();
        let rows = rows(&spec, 320, 320);
        for r in &rows {
            let [y, x, h, w] = [r[CROP_Y], r[CROP_X], r[CROP_HEIGHT], r[CROP_WIDTH]];
            assert!(y >= 0.0 && x >= 0.0 && y + h <= 320.0 && x + w <= 320.0 && h >= 1.0 && w >= 1.0);
            // Sides are rounded by at most half a pixel of about 100 at least.
            let (area, ratio) = (h * w / (320.0 * 320.0), w / h);
            assert!((0.19..=1.0).contains(&area) && (0.74..=1.35).contains(&ratio), "{area} {ratio}");
        }
        // Below area 0.5 a box of every ratio in 3/4..4/3 fits, so within 0.2..0.5 the area stays uniform:
        // as many boxes below 0.35 as above.
        let small: Vec<Vec<f32>> =
            rows.into_iter().filter(|r| r[CROP_HEIGHT] * r[CROP_WIDTH] < 0.5 * 320.0 * 320.0).collect();
        assert_share(&small, 0.5, |r| r[CROP_HEIGHT] * r[CROP_WIDTH] < 0.35 * 320.0 * 320.0);
        assert_share(&small, 0.5, |r| r[CROP_WIDTH] > r[CROP_HEIGHT]);
        assert_eq!(spec.output_size(320, 320), [8, 8]);
    }

    #[test]
    fn crops_that_never_fit_come_from_the_centre() {
        // Square boxes of the whole area do not fit into 10 x 40, nor those of four times the area into anything.
        let crop = |scale, ratio| AugmentSpec {
            random_resized_crop: Some(RandomResizedCrop { scale, ratio, size: None }),
            ..Default::default()
        };
        let wide = rows(&crop([1.0, 1.0], [1.0, 1.0]), 10, 40);
        assert!(wide.iter().all(|r| r[..4] == [0.0, 15.0, 10.0, 10.0]));
        let tall = rows(&crop([1.0, 1.0], [1.0, 1.0]), 40, 10);
        assert!(tall.iter().all(|r| r[..4] == [15.0, 0.0, 10.0, 10.0]));
        let huge = rows(&crop([4.0, 4.0], [0.75, 1.3]), 20, 20);
        assert!(huge.iter().all(|r| r[..4] == [0.0, 0.0, 20.0, 20.0]));
    }

    #[test]
    fn padded_crops_reach_every_offset_evenly() {
        let spec = AugmentSpec { pad_crop: Some(PadCrop { padding: 2 }), ..Default::default() };
        let rows = rows(&spec, 28, 28);
        for y in -2..=2 {
            assert_share(&rows, 0.2, |r| r[CROP_Y] == y as f32);
            assert_share(&rows, 0.2, |r| r[CROP_X] == y as f32);
        }
        assert_share(&rows, 0.04, |r| r[CROP_Y] == -2.0 && r[CROP_X] == 2.0);
        assert!(rows.iter().all(|r| r[CROP_HEIGHT] == 28.0 && r[CROP_WIDTH] == 28.0));
    }

    #[test]
    fn jitter_flip_gray_and_blur_have_their_ranges_and_probabilities() {
        let rows = rows(&full(), 32, 32);
        assert_share(&rows, 0.5, |r| r[FLIP] == 1.0);
        assert_share(&rows, 0.2, |r| r[GRAY] == 1.0);
        assert_share(&rows, 0.5, |r| r[BLUR] > 0.0);
        assert_share(&rows, 0.8, |r| r[BRIGHTNESS] != 1.0);
        let within = |column: usize, low: f32, high: f32| {
            assert!(rows.iter().all(|r| (low..=high).contains(&r[column])), "column {column}");
            let middle = (low + high) / 2.0;
            let touched: Vec<Vec<f32>> = rows.iter().filter(|r| r[BRIGHTNESS] != 1.0).cloned().collect();
            assert_share(&touched, 0.5, |r| r[column] < middle);
        };
        within(BRIGHTNESS, 0.6, 1.4);
        within(CONTRAST, 0.0, 2.5);
        within(SATURATION, 0.6, 1.4);
        within(HUE, -0.1, 0.1);
        assert!(rows.iter().all(|r| r[BLUR] == 0.0 || (0.1..=2.0).contains(&r[BLUR])));
        let touched: Vec<Vec<f32>> = rows.into_iter().filter(|r| r[BRIGHTNESS] != 1.0).collect();
        for operation in 0..4 {
            assert_share(&touched, 0.25, |r| r[JITTER_ORDER] == operation as f32);
            assert_share(&touched, 0.25, |r| r[JITTER_ORDER + 3] == operation as f32);
        }
        for r in &touched {
            let mut order = r[JITTER_ORDER..][..4].to_vec();
            order.sort_by(f32::total_cmp);
            assert_eq!(order, [0.0, 1.0, 2.0, 3.0]);
        }
    }

    #[test]
    fn rows_depend_on_place_epoch_and_part_only() {
        let all = sample(&full(), &rng(), 2, 0, 20, 32, 32);
        let later = sample(&full(), &rng(), 2, 13, 7, 32, 32);
        assert_eq!(all.f32s()[13 * COUNT..], *later.f32s());
        assert_ne!(all, sample(&full(), &rng(), 3, 0, 20, 32, 32));
        // Without blur and jitter everything else stays.
        let less = AugmentSpec { gaussian_blur: None, color_jitter: None, ..full() };
        let less = sample(&less, &rng(), 2, 0, 20, 32, 32);
        for (a, b) in all.f32s().chunks(COUNT).zip(less.f32s().chunks(COUNT)) {
            assert_eq!((&a[..5], a[GRAY]), (&b[..5], b[GRAY]));
        }
    }

    #[test]
    fn settings_are_read_from_toml_and_typos_refused() {
        let spec: AugmentSpec =
            toml::from_str("flip = {}\npad_crop = { padding = 3 }\nnormalize = { mean = [0.5], std = [0.25] }")
                .unwrap();
        assert_eq!(spec.flip, Some(Flip { p: 0.5 }));
        assert_eq!(spec.pad_crop, Some(PadCrop { padding: 3 }));
        spec.validate(1).unwrap();
        assert!(toml::from_str::<AugmentSpec>("flop = {}").is_err());
        let back: AugmentSpec = toml::from_str(&toml::to_string(&full()).unwrap()).unwrap();
        assert_eq!(back, full());
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let cases: [(&str, &str); 9] = [
            ("flip = { p = 1.5 }", "flip.p = 1.5"),
            ("grayscale = { p = -0.1 }", "grayscale.p"),
            ("gaussian_blur = { sigma = [2.0, 0.1] }", "gaussian_blur.sigma"),
            ("color_jitter = { hue = 0.6 }", "hue = 0.6"),
            ("color_jitter = { contrast = nan }", "contrast = NaN"),
            ("random_resized_crop = { scale = [0.0, 1.0] }", "random_resized_crop.scale"),
            ("random_resized_crop = {}\npad_crop = {}", "both set"),
            ("normalize = { mean = [0.5], std = [0.5] }", "3 channels"),
            ("normalize = { mean = [0, 0, 0], std = [1, 0, 1] }", "over 0"),
        ];
        for (text, expected) in cases {
            let text = text.replace("[0, 0, 0]", "[0.0, 0.0, 0.0]").replace("[1, 0, 1]", "[1.0, 0.0, 1.0]");
            let spec: AugmentSpec = toml::from_str(&text).unwrap();
            let message = spec.validate(3).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
