//! What settings of augmentations may be.

use super::policy::MOST;
use super::{AugmentSpec, Mixing, PadCrop};
use crate::data::Stats;
use crate::error::{Error, Result};

fn fail(message: String) -> Result<()> {
    Err(Error::Config(format!("augment.{message}")))
}

fn range(key: &str, [low, high]: [f32; 2]) -> Result<()> {
    match 0.0 < low && low <= high && high.is_finite() {
        true => Ok(()),
        false => fail(format!("{key} = [{low}, {high}]: give two numbers over 0, the smaller one first")),
    }
}

fn probability(key: &str, p: f32) -> Result<()> {
    match (0.0..=1.0).contains(&p) {
        true => Ok(()),
        false => fail(format!("{key}.p = {p}: give a probability in 0..=1")),
    }
}

/// What comes from beyond an image lies in 0..1, as pixels do.
fn filled(key: &str, fill: f32) -> Result<()> {
    match (0.0..=1.0).contains(&fill) {
        true => Ok(()),
        false => self::fail(format!("{key}.fill = {fill}: give a number in 0..=1")),
    }
}

fn bins(key: &str, bins: u32) -> Result<()> {
    match (2..=1000).contains(&bins) {
        true => Ok(()),
        false => fail(format!("{key}.num_magnitude_bins = {bins}: give 2 to 1000")),
    }
}

impl AugmentSpec {
    /// Checks all values, for images of `channels` channels.
    ///
    /// # Errors
    /// [`Error::Config`] naming the setting, its value and the range.
    pub fn validate(&self, channels: usize) -> Result<()> {
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
        for (key, flip) in [("flip", &self.flip), ("vertical_flip", &self.vertical_flip)] {
            flip.as_ref().map_or(Ok(()), |flip| probability(key, flip.p))?;
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
            if [j.brightness, j.contrast, j.saturation, j.hue] == [0.0; 4] {
                return fail(
                    "color_jitter changes nothing: give brightness, contrast, saturation or hue, or leave it out"
                        .into(),
                );
            }
        }
        if let Some(gray) = &self.grayscale {
            probability("grayscale", gray.p)?;
        }
        if let Some(blur) = &self.gaussian_blur {
            probability("gaussian_blur", blur.p)?;
            range("gaussian_blur.sigma", blur.sigma)?;
        }
        self.validate_policies(channels)?;
        if let Some(erasing) = &self.erasing {
            probability("erasing", erasing.p)?;
            range("erasing.scale", erasing.scale)?;
            if erasing.scale[0] >= 1.0 {
                let [low, high] = erasing.scale;
                let what = "shares of the image's area, of which no box has as much: the first must be below 1";
                return fail(format!("erasing.scale = [{low}, {high}]: {what}"));
            }
            range("erasing.ratio", erasing.ratio)?;
            if !erasing.value.is_finite() {
                return fail(format!("erasing.value = {}: give a finite number", erasing.value));
            }
        }
        for (key, mixing) in [("mixup", &self.mixup), ("cutmix", &self.cutmix)] {
            let Some(Mixing { alpha, p }) = mixing else { continue };
            probability(key, *p)?;
            if !(1e-3..=1e3).contains(alpha) {
                return fail(format!("{key}.alpha = {alpha}: give a number in 0.001..=1000"));
            }
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

    /// Policies, rotation, lighting.
    fn validate_policies(&self, channels: usize) -> Result<()> {
        let coloured = |key: &str| match channels {
            1 | 3 => Ok(()),
            _ => fail(format!(
                "{key} knows the colours of images of 1 or 3 channels, these have {channels}: leave it out"
            )),
        };
        if let Some(policy) = &self.rand_augment {
            if self.trivial_augment.is_some() {
                return fail("rand_augment and augment.trivial_augment are both set: choose one".into());
            }
            coloured("rand_augment")?;
            bins("rand_augment", policy.num_magnitude_bins)?;
            filled("rand_augment", policy.fill)?;
            if !(1..=MOST).contains(&policy.num_ops) {
                return fail(format!("rand_augment.num_ops = {}: give 1 to {MOST}", policy.num_ops));
            }
            if policy.magnitude >= policy.num_magnitude_bins {
                return fail(format!(
                    "rand_augment.magnitude = {}: give 0 to {}, one of its {} bins",
                    policy.magnitude,
                    policy.num_magnitude_bins - 1,
                    policy.num_magnitude_bins
                ));
            }
        }
        if let Some(policy) = &self.trivial_augment {
            coloured("trivial_augment")?;
            bins("trivial_augment", policy.num_magnitude_bins)?;
            filled("trivial_augment", policy.fill)?;
        }
        if let Some(rotation) = &self.rotation {
            probability("rotation", rotation.p)?;
            filled("rotation", rotation.fill)?;
            if !(0.0..=180.0).contains(&rotation.degrees) {
                return fail(format!("rotation.degrees = {}: give a number in 0..=180", rotation.degrees));
            }
        }
        if let Some(lighting) = &self.lighting {
            if channels != 3 {
                return fail(format!(
                    "lighting is for red, green and blue, these images have {channels} channels: leave it out"
                ));
            }
            if !(lighting.std >= 0.0 && lighting.std.is_finite()) {
                return fail(format!("lighting.std = {}: give a number from 0 on", lighting.std));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Flip;
    use super::*;

    #[test]
    fn settings_are_read_from_toml_and_typos_refused() {
        let spec: AugmentSpec =
            toml::from_str("flip = {}\npad_crop = { padding = 3 }\nnormalize = { mean = [0.5], std = [0.25] }")
                .unwrap();
        assert_eq!(spec.flip, Some(Flip { p: 0.5 }));
        assert_eq!(spec.pad_crop, Some(PadCrop { padding: 3 }));
        spec.validate(1).unwrap();
        assert!(toml::from_str::<AugmentSpec>("flop = {}").is_err());
        let back: AugmentSpec = toml::from_str(&toml::to_string(&spec).unwrap()).unwrap();
        assert_eq!(back, spec);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let cases: [(&str, &str); 21] = [
            ("flip = { p = 1.5 }", "flip.p = 1.5"),
            ("grayscale = { p = -0.1 }", "grayscale.p"),
            ("gaussian_blur = { sigma = [2.0, 0.1] }", "gaussian_blur.sigma"),
            ("color_jitter = { hue = 0.6 }", "hue = 0.6"),
            ("color_jitter = { contrast = nan }", "contrast = NaN"),
            ("random_resized_crop = { scale = [0.0, 1.0] }", "random_resized_crop.scale"),
            ("random_resized_crop = {}\npad_crop = {}", "both set"),
            ("normalize = { mean = [0.5], std = [0.5] }", "3 channels"),
            ("rand_augment = { magnitude = 31 }", "give 0 to 30"),
            ("rand_augment = { num_ops = 5 }", "give 1 to 4"),
            ("rand_augment = {}\ntrivial_augment = {}", "both set"),
            ("trivial_augment = { num_magnitude_bins = 1 }", "num_magnitude_bins = 1"),
            ("rotation = { degrees = 200.0 }", "rotation.degrees = 200"),
            ("rotation = { fill = 255.0 }", "rotation.fill = 255"),
            ("lighting = { std = -1.0 }", "lighting.std"),
            ("erasing = { scale = [0.5, 0.1] }", "erasing.scale"),
            ("erasing = { scale = [2.0, 3.0] }", "erasing.scale = [2, 3]"),
            ("color_jitter = {}", "color_jitter changes nothing"),
            ("mixup = { alpha = 0.0 }", "mixup.alpha = 0"),
            ("cutmix = { p = 2.0 }", "cutmix.p = 2"),
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
