//! How a network's inner convolutions are binarised, as it stands in a recipe's `[net.binarization]` table. What the
//! published methods take:
//!
//! | | activations | weights | scale |
//! | --- | --- | --- | --- |
//! | BinaryConnect's sign | `clipped` | `sign`, `clipped`, `clip_weights` | `none` |
//! | XNOR-Net | `clipped-open` | `xnor` | `channel` |
//! | Bi-Real Net | `approx-sign` | `sign`, `clipped` | `channel` |
//! | IR-Net | `ede` | `standardised`, `ede` | `power-of-two` |
//! | S2-BNN | `approx-sign`, `rsign` | `sign`, `clipped`, `scale_in_gradient = false` | `channel` |
//! | BURN | `clipped`, `rsign` | `sign`, `identity` | `channel` |
//! | ReActNet | `approx-sign`, `rsign` | `sign`, `clipped` (first step: `real`) | `channel` |
//! | SiMaN | `approx-sign`, `standardise` | `magnitude` | `learned` |
//! | RBCN | `approx-sign` | `sign`, `approx-sign` | `matrix` |
//! | ReCU | `approx-sign`, `divide_by_deviation` | `rectified` | `learned` |
//! | BiPer | as ReCU | `square-wave` (first step: `sine`) | `learned` |
//! | BinaryViT | `approx-sign`, `rsign` | `centred`, `scale_in_gradient = false` | `channel` |
//! | AdaBin | `approx-sign` | `adaptive`, `ede` | `none` |
//! | Real-to-Binary | `clipped` (first step: `tanh`) | `sign`, `clipped`, `clip_weights` (first two steps: `real`) | `none` |

use super::estimators::SteKind;
use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which bit a weight becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WeightRule {
    /// Its sign.
    Sign,
    /// Its sign, after the mean over input channels is taken away and the rest clamped to [-1, 1] before each step,
    /// with the gradient of XNOR-Net's release.
    Xnor,
    /// The sign of what is left without the mean of its filter (BinaryViT).
    Centred,
    /// The sign of the filter brought to mean 0 and variance 1 (IR-Net).
    Standardised,
    /// Whether its magnitude is among the larger ones of its filter (SiMaN).
    Magnitude,
    /// The sign of the filter brought to mean 0 and variance 1, without gradient in the tails of the layer's distribution, which
    /// narrow over training (ReCU).
    Rectified,
    /// sin(ω w), a real number under binary activations: the first of BiPer's two steps.
    Sine,
    /// The sign of sin(ω w) (BiPer).
    SquareWave,
    /// Two numbers a filter, its mean plus and minus its deviation, under activations of two learned numbers a layer (AdaBin).
    Adaptive,
    /// None: real weights under binary activations, the first of ReActNet's two steps.
    Real,
}

/// What an activation becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ActivationRule {
    /// Its sign, a bit.
    #[default]
    Sign,
    /// Its hyperbolic tangent, a real number under real weights: the first of Real-to-Binary's three steps.
    Tanh,
}

/// Scale of a binary convolution's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// mean|w| of each filter, without gradient (XNOR-Net).
    Channel,
    /// mean|w| of the layer, without gradient.
    Layer,
    /// The power of two nearest to mean|w| of each filter, without gradient (IR-Net).
    PowerOfTwo,
    /// A number a filter that is trained (SiMaN, ReCU, BiPer).
    Learned,
    /// A trained matrix for the whole layer that multiplies the signs of the weights (RBCN).
    Matrix,
    /// 1.
    None,
}

/// What the two values of a magnitude's bit stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Coding {
    /// -1 and +1, as SiMaN's release convolves.
    #[default]
    #[serde(rename = "pm1")]
    PlusMinus,
    /// 0 and 1, as SiMaN's paper says.
    #[serde(rename = "zero-one")]
    ZeroOne,
}

/// How many of the magnitudes become 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// Those over the lower median: half.
    #[default]
    Median,
    /// As many as bring the bits closest to the magnitudes, by the cosine.
    Optimal,
}

/// What is split by one threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// Each filter.
    #[default]
    Filter,
    /// The whole layer.
    Layer,
}

/// SiMaN's choices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Magnitude {
    /// What the bits stand for.
    pub coding: Coding,
    /// How many become 1.
    pub split: Split,
    /// What is split.
    pub per: Per,
    /// Before each step, clamps the layer's magnitudes to between two percentiles that open over training.
    pub clamp: bool,
}

/// Shape of RBCN's scale matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MatrixShape {
    /// One number: the sum of the popcounts times it.
    Scalar,
    /// One for each tap of the kernel.
    #[default]
    Kernel,
    /// One for each tap and input channel, which no popcount can do.
    Full,
}

/// How the inner convolutions are binarised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Binarization {
    /// What an activation becomes.
    #[serde(skip_serializing_if = "is_sign")]
    pub activations: ActivationRule,
    /// Estimator of the activations' sign.
    pub activation_ste: SteKind,
    /// A learned threshold a channel before each sign (ReActNet's RSign).
    pub rsign: bool,
    /// Brings each image's activations to mean 0 and variance 1 before the sign (SiMaN).
    pub standardise: bool,
    /// In training, divides each image's activations by their deviation before the sign, which the gradient sees and the sign
    /// does not (ReCU).
    #[serde(skip_serializing_if = "is_false")]
    pub divide_by_deviation: bool,
    /// Which bit a weight becomes.
    pub weights: WeightRule,
    /// Estimator of the weights' sign, where it is a sign.
    pub weight_ste: SteKind,
    /// Before each step, clamps latent weights to [-1, 1], where their sign has a gradient.
    pub clip_weights: bool,
    /// SiMaN's choices, with `weights = "magnitude"`.
    pub magnitude: Option<Magnitude>,
    /// Output scale.
    pub scale: Scale,
    /// Shape of the scale, with `scale = "matrix"`.
    pub matrix: Option<MatrixShape>,
    /// Whether the scale is a factor of the weights' gradient, as the chain rule has it; the releases of S2-BNN and
    /// BinaryViT leave it out.
    pub scale_in_gradient: bool,
    /// Steepness of IR-Net's estimator at the start; it ends at 10.
    pub ede_start: f32,
    /// Of binary vision transformers: attention of bits too, probabilities included (BinaryViT); else it stays in full precision.
    #[serde(skip_serializing_if = "is_false")]
    pub attention: bool,
    /// The quantiles of a layer's weights beyond which none has a gradient, in the first epoch and behind the last, with `weights =
    /// "rectified"`; [0.85, 0.99] unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rectified: Option<[f32; 2]>,
    /// ω: how fast the waves of weights are, with `weights = "sine"` and `"square-wave"`; 20 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency: Option<f32>,
}

impl WeightRule {
    /// Whether its weights are real numbers.
    pub fn is_real(self) -> bool {
        matches!(self, WeightRule::Real | WeightRule::Sine)
    }
}

impl Default for Binarization {
    fn default() -> Self {
        Binarization {
            activations: ActivationRule::Sign,
            activation_ste: SteKind::Clipped,
            rsign: false,
            standardise: false,
            divide_by_deviation: false,
            weights: WeightRule::Sign,
            weight_ste: SteKind::Clipped,
            clip_weights: false,
            magnitude: None,
            scale: Scale::Channel,
            matrix: None,
            scale_in_gradient: true,
            ede_start: 0.1,
            attention: false,
            rectified: None,
            frequency: None,
        }
    }
}

impl Binarization {
    /// Whether a sign has IR-Net's estimator.
    pub fn has_ede(&self) -> bool {
        let of_weights = matches!(
            self.weights,
            WeightRule::Sign | WeightRule::Centred | WeightRule::Standardised | WeightRule::Adaptive
        );
        self.activation_ste == SteKind::Ede || (of_weights && self.weight_ste == SteKind::Ede)
    }

    /// The quantiles of ReCU's tails, those of its release unless given.
    pub fn rectified(&self) -> [f32; 2] {
        self.rectified.unwrap_or([0.85, 0.99])
    }

    /// By what a weight is multiplied to be counted in half periods of its wave: ω / π.
    pub fn half_periods(&self) -> f32 {
        self.frequency.unwrap_or(20.0) / std::f32::consts::PI
    }

    /// Checks that the choices go together.
    ///
    /// # Errors
    /// [`Error::Config`] naming both sides of what does not.
    pub fn validate(&self) -> Result<()> {
        use {Scale as S, WeightRule as W};
        let fail = |m: String| Err(Error::Config(format!("net.binarization: {m}")));
        let (weights, scale) = (word(&self.weights)?, word(&self.scale)?);
        if self.magnitude.is_some() && self.weights != W::Magnitude {
            return fail(format!(
                "the table `magnitude` (coding, split, ...) is for weights = \"magnitude\", not for weights = {weights}"
            ));
        }
        if self.matrix.is_some() && self.scale != S::Matrix {
            return fail(format!("`matrix` is for scale = \"matrix\", not for scale = {scale}"));
        }
        let fits = match self.weights {
            W::Magnitude | W::Rectified | W::Sine | W::SquareWave => matches!(self.scale, S::Learned | S::None),
            W::Xnor => self.scale == S::Channel,
            W::Real | W::Adaptive => self.scale == S::None,
            W::Sign => true,
            W::Centred | W::Standardised => self.scale != S::Matrix,
        };
        if !fits {
            let wanted = match self.weights {
                W::Magnitude | W::Rectified | W::Sine | W::SquareWave => "\"learned\" or \"none\"",
                W::Xnor => "\"channel\"",
                W::Real | W::Adaptive => "\"none\"",
                _ => "another one",
            };
            return fail(format!("weights = {weights} and scale = {scale} do not go together; scale must be {wanted}"));
        }
        if self.activations == ActivationRule::Tanh {
            if self.weights != W::Real {
                return fail(format!(
                    "activations = \"tanh\" and weights = {weights} do not go together: weights must be \"real\" while activations are"
                ));
            }
            if self.activation_ste != SteKind::Clipped || self.divide_by_deviation {
                return fail(
                    "activations = \"tanh\" is no sign: activation_ste and divide_by_deviation are for activations = \"sign\"".into(),
                );
            }
        }
        if self.clip_weights && !matches!(self.weights, W::Sign | W::Real) {
            return fail(format!(
                "clip_weights and weights = {weights} do not go together: that rule has its own range; clip_weights is \
                 for \"sign\" and \"real\""
            ));
        }
        let estimated = matches!(self.weights, W::Sign | W::Centred | W::Standardised | W::Adaptive | W::Real);
        if self.weight_ste != SteKind::Clipped && !estimated {
            return fail(format!(
                "weight_ste = {:?} and weights = {weights} do not go together: that rule has its own gradient",
                self.weight_ste.name()
            ));
        }
        if self.ede_start != Binarization::default().ede_start && !self.has_ede() {
            return fail(format!("ede_start = {} without an estimator \"ede\", whose steepness it is", self.ede_start));
        }
        let signs = matches!(self.weights, W::Sign | W::Centred);
        let known = signs && self.scale == S::Channel && self.weight_ste == SteKind::Clipped;
        if !self.scale_in_gradient && !known {
            return fail(format!(
                "scale_in_gradient = false is for weights = \"sign\" and \"centred\" with scale = \"channel\" and weight_ste = \"clipped\", \
                 not for weights = {weights} with scale = {scale}"
            ));
        }
        for (key, is_set) in [
            ("rsign", self.rsign),
            ("standardise", self.standardise),
            ("divide_by_deviation", self.divide_by_deviation),
        ] {
            if is_set && self.weights == W::Adaptive {
                return fail(format!(
                    "{key} and weights = \"adaptive\" do not go together: its activations have a threshold of their own"
                ));
            }
            if is_set && key != "divide_by_deviation" && self.divide_by_deviation {
                return fail(format!("{key} and divide_by_deviation do not go together: choose one"));
            }
        }
        if self.rectified.is_some() && self.weights != W::Rectified {
            return fail(format!("`rectified` is for weights = \"rectified\", not for weights = {weights}"));
        }
        let waves = matches!(self.weights, W::Sine | W::SquareWave);
        if let Some(frequency) = self.frequency {
            if !waves {
                return fail(format!(
                    "`frequency` is for weights = \"sine\" and \"square-wave\", not for weights = {weights}"
                ));
            }
            if !(frequency > 0.0 && frequency <= 1e4) {
                return fail(format!("frequency = {frequency}: give a number over 0, at most 10000"));
            }
        }
        let [first, last] = self.rectified();
        if !(0.5 < first && first <= last && last < 1.0) {
            return fail(format!(
                "rectified = [{first}, {last}]: give two quantiles over 0.5 and below 1, the smaller one first"
            ));
        }
        if !(self.ede_start > 0.0 && self.ede_start <= 10.0) {
            return fail(format!("ede_start = {}: give a number over 0, at most 10", self.ede_start));
        }
        Ok(())
    }
}

fn is_sign(rule: &ActivationRule) -> bool {
    *rule == ActivationRule::Sign
}

fn is_false(b: &bool) -> bool {
    !*b
}

/// A choice as a recipe writes it.
fn word(choice: &impl Serialize) -> Result<String> {
    serde_json::to_string(choice).map_err(|e| Error::Config(e.to_string()))
}
