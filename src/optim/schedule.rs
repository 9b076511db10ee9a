//! The learning rate over training.

use crate::error::{Error, Result};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// How long the learning rate rises at first. In a recipe a whole number is epochs; `"500 steps"` and `"5 epochs"` say what
/// they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warmup {
    /// Passes over the training images.
    Epochs(u64),
    /// Batches.
    Steps(u64),
}

impl Default for Warmup {
    fn default() -> Self {
        Warmup::Epochs(0)
    }
}

impl Warmup {
    /// Its steps.
    pub fn steps(self, steps_per_epoch: u64) -> u64 {
        match self {
            Warmup::Epochs(n) => n.saturating_mul(steps_per_epoch),
            Warmup::Steps(n) => n,
        }
    }

    fn of(text: &str) -> Option<Warmup> {
        let (number, unit) = text.trim().split_once(' ').unwrap_or((text.trim(), "epochs"));
        let number = number.parse().ok()?;
        match unit.trim() {
            "epoch" | "epochs" => Some(Warmup::Epochs(number)),
            "step" | "steps" => Some(Warmup::Steps(number)),
            _ => None,
        }
    }
}

impl fmt::Display for Warmup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, unit) = match self {
            Warmup::Epochs(n) => (n, "epoch"),
            Warmup::Steps(n) => (n, "step"),
        };
        write!(f, "{n} {unit}{}", if *n == 1 { "" } else { "s" })
    }
}

impl JsonSchema for Warmup {
    fn schema_name() -> Cow<'static, str> {
        "Warmup".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "default": 0 })
    }
}

impl Serialize for Warmup {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Warmup::Epochs(n) => s.serialize_u64(*n),
            Warmup::Steps(_) => s.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Warmup {
    fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<Warmup, D::Error> {
        d.deserialize_any(WarmupVisitor)
    }
}

struct WarmupVisitor;

impl Visitor<'_> for WarmupVisitor {
    type Value = Warmup;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("epochs as a whole number from 0 on, or a text like \"500 steps\"")
    }

    fn visit_u64<E: serde::de::Error>(self, n: u64) -> std::result::Result<Warmup, E> {
        Ok(Warmup::Epochs(n))
    }

    fn visit_i64<E: serde::de::Error>(self, n: i64) -> std::result::Result<Warmup, E> {
        let negative = |_| E::invalid_value(serde::de::Unexpected::Signed(n), &self);
        u64::try_from(n).map(Warmup::Epochs).map_err(negative)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<Warmup, E> {
        Warmup::of(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

/// How the learning rate goes. Every kind starts with `warmup` epochs or steps in which it rises in a straight
/// line, step by step, to the base (Goyal et al. 2017).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// The base.
    Constant {
        /// Epochs of warm-up, or "N steps".
        #[serde(default)]
        warmup: Warmup,
    },
    /// Times `gamma` from each of the epochs `milestones` on, counted from the start of training.
    Step {
        /// Epochs, rising.
        milestones: Vec<u64>,
        /// Factor of each.
        gamma: f32,
        /// Epochs of warm-up, or "N steps".
        #[serde(default)]
        warmup: Warmup,
    },
    /// Half a cosine from the base at the end of warm-up to `min` at the end of training, step by step
    /// (Loshchilov and Hutter 2017, without restarts).
    Cosine {
        /// Where it ends.
        #[serde(default)]
        min: f32,
        /// Epochs of warm-up, or "N steps".
        #[serde(default)]
        warmup: Warmup,
        /// Where warm-up starts, in its first step; the base is then reached in its last one (SwAV's release).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<f32>,
    },
    /// SiMaN's release: the same learning rate for all steps of an epoch, `base (e + 1) / warmup` in the first epochs,
    /// then half a cosine that starts in the last of these.
    CosineByEpoch {
        /// Epochs of warm-up.
        #[serde(default)]
        warmup: Warmup,
    },
    /// A straight line from the base at the end of warm-up to 0 at the end of training.
    Linear {
        /// Epochs of warm-up, or "N steps".
        #[serde(default)]
        warmup: Warmup,
    },
    /// The same learning rate for all steps of an epoch e of E, `base (1 - (e + ahead) / E)`: S2-BNN's release. Bi-Real Net's
    /// and ReActNet's are one epoch ahead, so that the last one only moves statistics.
    LinearByEpoch {
        /// Epochs that the rate is ahead of training.
        #[serde(default)]
        ahead: u64,
    },
}

impl Schedule {
    /// Checks all values.
    ///
    /// # Errors
    /// [`Error::Config`] naming the setting and its value.
    pub fn validate(&self) -> Result<()> {
        match self {
            Schedule::Step { milestones, gamma, .. } => {
                if milestones.windows(2).any(|w| w[0] >= w[1]) {
                    let m = format!("schedule.milestones = {milestones:?}: give epochs in rising order");
                    return Err(Error::Config(m));
                }
                if !(*gamma > 0.0 && gamma.is_finite()) {
                    return Err(Error::Config(format!("schedule.gamma = {gamma}: give a factor over 0")));
                }
            }
            Schedule::Cosine { from: Some(from), .. } if !(*from >= 0.0 && from.is_finite()) => {
                return Err(Error::Config(format!("schedule.from = {from}: give a learning rate from 0 on")));
            }
            Schedule::CosineByEpoch { warmup: Warmup::Steps(n) } => {
                return Err(Error::Config(format!(
                    "schedule.warmup = \"{n} steps\": the kind cosine-by-epoch changes the rate from epoch to epoch; give whole epochs"
                )));
            }
            Schedule::LinearByEpoch { ahead } if *ahead > 1 => {
                return Err(Error::Config(format!("schedule.ahead = {ahead}: give 0 or 1")));
            }
            Schedule::Cosine { min, .. } if !(*min >= 0.0 && min.is_finite()) => {
                return Err(Error::Config(format!("schedule.min = {min}: give a learning rate from 0 on")));
            }
            _ => {}
        }
        Ok(())
    }

    /// How long the rate rises at first.
    pub fn warmup(&self) -> Warmup {
        match self {
            Schedule::Constant { warmup }
            | Schedule::Step { warmup, .. }
            | Schedule::Cosine { warmup, .. }
            | Schedule::CosineByEpoch { warmup }
            | Schedule::Linear { warmup } => *warmup,
            Schedule::LinearByEpoch { .. } => Warmup::default(),
        }
    }

    /// Checks that warm-up is no longer than training.
    ///
    /// # Errors
    /// [`Error::Config`] with both lengths.
    pub fn check_length(&self, epochs: u64, steps_per_epoch: u64) -> Result<()> {
        let total = epochs.saturating_mul(steps_per_epoch);
        match self.warmup().steps(steps_per_epoch) > total {
            false => Ok(()),
            true => Err(Error::Config(format!(
                "schedule.warmup: a warm-up of {} is longer than the run (epochs = {epochs}, {total} steps), which would never \
                 reach its learning rate: give a shorter one, 0 for none",
                self.warmup()
            ))),
        }
    }

    /// Whether the rate of an epoch depends on how many there are.
    pub fn follows_length(&self) -> bool {
        !matches!(self, Schedule::Constant { .. } | Schedule::Step { .. })
    }

    /// What it does, for people: "cosine from 0.001 to 0, warm-up of 5 epochs".
    pub fn describe(&self, base: f32) -> String {
        let way = match self {
            Schedule::Constant { .. } => format!("constant at {base}"),
            Schedule::Step { milestones, gamma, .. } => {
                format!("step from {base}, times {gamma} at epochs {milestones:?}")
            }
            Schedule::Cosine { min, .. } => format!("cosine from {base} to {min}"),
            Schedule::CosineByEpoch { .. } => format!("cosine by epoch from {base} to 0"),
            Schedule::Linear { .. } => format!("linear from {base} to 0"),
            Schedule::LinearByEpoch { .. } => format!("linear by epoch from {base} to 0"),
        };
        let from = match self {
            Schedule::Cosine { from: Some(from), .. } => format!(" from {from}"),
            _ => String::new(),
        };
        match self.warmup() {
            Warmup::Epochs(0) | Warmup::Steps(0) => format!("{way}, no warm-up"),
            warmup => format!("{way}, warm-up of {warmup}{from}"),
        }
    }

    /// The learning rate of step `step` (the first is 0), for a base of `base`.
    pub fn at(&self, base: f32, step: u64, steps_per_epoch: u64, epochs: u64) -> f32 {
        if let Schedule::CosineByEpoch { warmup } = self {
            return by_epoch(base, step / steps_per_epoch.max(1), warmup.steps(1), epochs);
        }
        if let Schedule::LinearByEpoch { ahead } = self {
            let share = (step / steps_per_epoch.max(1) + ahead) as f64 / epochs.max(1) as f64;
            return (base as f64 * (1.0 - share.min(1.0))) as f32;
        }
        let warm = self.warmup().steps(steps_per_epoch);
        let total = epochs.saturating_mul(steps_per_epoch);
        if let (true, Schedule::Cosine { from: Some(from), .. }) = (step < warm, self) {
            let share = step as f64 / (warm - 1).max(1) as f64;
            return (*from as f64 + (base as f64 - *from as f64) * share) as f32;
        }
        if step < warm {
            return (base as f64 * (step + 1) as f64 / warm as f64) as f32;
        }
        // 0 at the end of warm-up, 1 at the end of training.
        let progress = ((step - warm) as f64 / total.saturating_sub(warm).max(1) as f64).min(1.0);
        match self {
            Schedule::Constant { .. } => base,
            Schedule::Step { milestones, gamma, .. } => {
                let epoch = step / steps_per_epoch.max(1);
                let passed = milestones.iter().filter(|m| **m <= epoch).count();
                (base as f64 * (*gamma as f64).powi(passed as i32)) as f32
            }
            Schedule::Cosine { min, .. } => {
                let half = 0.5 * (1.0 + libm::cos(std::f64::consts::PI * progress));
                (*min as f64 + (base as f64 - *min as f64) * half) as f32
            }
            Schedule::Linear { .. } => (base as f64 * (1.0 - progress)) as f32,
            Schedule::CosineByEpoch { .. } | Schedule::LinearByEpoch { .. } => unreachable!("have returned above"),
        }
    }
}

/// [`Schedule::CosineByEpoch`] in epoch `epoch`.
fn by_epoch(base: f32, epoch: u64, warmup: u64, epochs: u64) -> f32 {
    let base = base as f64;
    if epoch < warmup {
        return (base * (epoch + 1) as f64 / warmup as f64) as f32;
    }
    // The last epoch of warm-up has the full rate already: the cosine counts from there.
    let start = warmup.saturating_sub(1);
    let progress = (epoch - start) as f64 / epochs.saturating_sub(start).max(1) as f64;
    (0.5 * base * (1.0 + libm::cos(std::f64::consts::PI * progress))) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f32, expected: f64) {
        assert!((got as f64 - expected).abs() <= 1e-7 * expected.abs().max(1e-3), "{got} instead of {expected}");
    }

    #[test]
    fn warm_up_rises_to_the_base() {
        for s in [
            Schedule::Constant { warmup: Warmup::Epochs(2) },
            Schedule::Step { milestones: vec![3], gamma: 0.1, warmup: Warmup::Epochs(2) },
            Schedule::Cosine { min: 0.0, warmup: Warmup::Epochs(2), from: None },
            Schedule::Linear { warmup: Warmup::Epochs(2) },
        ] {
            near(s.at(0.8, 0, 4, 10), 0.1);
            near(s.at(0.8, 3, 4, 10), 0.4);
            near(s.at(0.8, 7, 4, 10), 0.8);
            near(s.at(0.8, 8, 4, 10), 0.8);
        }
    }

    #[test]
    fn steps_fall_at_their_epochs() {
        let s = Schedule::Step { milestones: vec![2, 5], gamma: 0.1, warmup: Warmup::default() };
        for (step, expected) in [(0, 0.3), (19, 0.3), (20, 0.03), (49, 0.03), (50, 0.003), (90, 0.003)] {
            near(s.at(0.3, step, 10, 9), expected);
        }
    }

    /// PyTorch's CosineAnnealingLR(T_max = 8, eta_min = 0.1), base 0.5: closed form at t = 0, 2, 4, 6, 8.
    #[test]
    fn cosine_and_line_end_where_they_should() {
        let s = Schedule::Cosine { min: 0.1, warmup: Warmup::default(), from: None };
        let expected = [0.5, 0.441421356237, 0.3, 0.158578643763, 0.1];
        for (i, e) in expected.into_iter().enumerate() {
            near(s.at(0.5, 2 * i as u64, 2, 4), e);
        }
        let s = Schedule::Linear { warmup: Warmup::Epochs(1) };
        near(s.at(1.0, 2, 2, 3), 1.0);
        near(s.at(1.0, 4, 2, 3), 0.5);
        near(s.at(1.0, 6, 2, 3), 0.0);
        near(s.at(1.0, 99, 2, 3), 0.0);
    }

    /// PyTorch's LambdaLR of S2-BNN's release, `1 - e / 4`, and of ReActNet's, which is stepped before the first epoch.
    #[test]
    fn lines_by_epoch_stay_within_an_epoch() {
        for (ahead, expected) in [(0, [1.0, 0.75, 0.5, 0.25]), (1, [0.75, 0.5, 0.25, 0.0])] {
            let s = Schedule::LinearByEpoch { ahead };
            for step in 0..12 {
                near(s.at(1.0, step, 3, 4), expected[step as usize / 3]);
            }
        }
        let s: Schedule = toml::from_str("kind = \"linear-by-epoch\"\nahead = 2").unwrap();
        assert!(s.validate().unwrap_err().to_string().contains("schedule.ahead = 2"));
    }

    #[test]
    fn warm_up_may_be_steps_and_ends_before_training() {
        let s: Schedule = toml::from_str("kind = \"linear\"\nwarmup = \"6 steps\"").unwrap();
        assert_eq!(s, Schedule::Linear { warmup: Warmup::Steps(6) });
        assert_eq!(toml::from_str::<Schedule>(&toml::to_string(&s).unwrap()).unwrap(), s);
        near(s.at(0.6, 2, 4, 10), 0.3);
        near(s.at(0.6, 5, 4, 10), 0.6);
        assert!(s.check_length(2, 3).is_ok());
        let m = s.check_length(1, 5).unwrap_err().to_string();
        assert!(m.contains("6 steps") && m.contains("5 steps"), "{m}");
        let epochs = Schedule::Constant { warmup: Warmup::Epochs(3) };
        assert!(epochs.check_length(3, 7).is_ok() && epochs.check_length(2, 7).is_err());
        for bad in ["-1", "\"many steps\"", "\"5 minutes\"", "1.5", "[1]"] {
            let m = toml::from_str::<Schedule>(&format!("kind = \"linear\"\nwarmup = {bad}")).unwrap_err().to_string();
            assert!(m.contains("500 steps"), "{m}");
        }
    }

    #[test]
    fn settings_are_read_and_checked() {
        let s: Schedule = toml::from_str("kind = \"cosine\"\nwarmup = 5").unwrap();
        assert_eq!(s, Schedule::Cosine { min: 0.0, warmup: Warmup::Epochs(5), from: None });
        assert!(toml::from_str::<Schedule>("kind = \"cosine\"\nwarm = 5").is_err());
        let bad = Schedule::Step { milestones: vec![5, 2], gamma: 0.1, warmup: Warmup::default() };
        assert!(bad.validate().unwrap_err().to_string().contains("[5, 2]"));
    }
}
