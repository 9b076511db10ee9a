//! Binary convolutions: what becomes a bit, what is summed, and what the sum is multiplied with.

use super::binarization::{ActivationRule, MatrixShape, Scale, WeightRule};
use super::builder::{BinaryLayer, Builder, Mode, Scaled};
use super::layers::Filters;
use super::weights::Weights;
use crate::error::Result;
use crate::graph::{Init, Meta, Role, Value};
use crate::tensor::Windows;
use crate::tensor::bits::WeightCode;

impl Builder<'_> {
    /// Binary convolution: bits of the activations, bits of the weights `[o, k, k, c]`, integers out, times the scale.
    pub fn binary_conv(
        &mut self,
        name: &str,
        x: Value,
        o: usize,
        k: usize,
        stride: usize,
        role: Role,
    ) -> Result<Scaled> {
        self.binary_conv_by(name, x, Filters::new(o, k, stride), role)
    }

    /// As [`Builder::binary_conv`], of any filters; weights are `[o, k, k, c / groups]`.
    pub fn binary_conv_by(&mut self, name: &str, x: Value, filters: Filters, role: Role) -> Result<Scaled> {
        let Filters { width: o, kernel: k, windows, .. } = filters;
        let c = self.channels(x) / windows.groups;
        self.scoped(name, |b| {
            if b.spec.binarization.weights == WeightRule::Adaptive {
                return b.adaptive_conv(x, [o, k, k, c], windows, role);
            }
            let x = b.activations(x)?;
            let weights = b.weights([o, k, k, c], role)?;
            let mut layer = BinaryLayer {
                name: b.g.path(""),
                weight: weights.latent,
                bits: weights.bits(),
                scale: None,
                centre: None,
                matrix: None,
            };
            layer.name.pop();
            if b.spec.binarization.scale == Scale::Matrix {
                let shape = b.spec.binarization.matrix.unwrap_or_default();
                layer.matrix = Some((b.matrix(shape, [o, k, k, c])?, shape));
            }
            let made = b.convolve(x, &weights, layer.matrix, windows)?;
            layer.scale = made.scale;
            b.count_binary(made.y, [o, k, k, c], windows.groups);
            b.binary.push(layer);
            Ok(made)
        })
    }

    /// The bits of sign(x), or the numbers tanh(x), after what the network does to x before: standardisation of each image, a
    /// threshold a channel.
    fn activations(&mut self, x: Value) -> Result<Value> {
        let spec = &self.spec.binarization;
        let ste = self.ste(spec.activation_ste);
        let x = if spec.standardise { self.standardised_images(x)? } else { x };
        let x = if spec.divide_by_deviation && self.is_training() { self.divided_by_deviation(x)? } else { x };
        let x = match spec.rsign {
            true => {
                let c = self.channels(x);
                self.count.slopes += c as u64;
                let threshold = self.param("threshold", [c], Init::Zeros, Role::Other)?;
                self.g.sub(x, threshold)?
            }
            false => x,
        };
        match spec.activations {
            ActivationRule::Sign => self.g.sign(x, ste),
            ActivationRule::Tanh => self.g.tanh(x),
        }
    }

    /// Mean 0 and variance 1 over all of an image (SiMaN section 2.3, step 6).
    fn standardised_images(&mut self, x: Value) -> Result<Value> {
        let shape = self.g.shape(x).clone();
        let rows = self.g.reshape(x, [shape[0], shape.elements() / shape[0]])?;
        let rows = self.g.standardize(rows, 1e-5)?;
        self.g.reshape(rows, shape)
    }

    /// Each image over the deviation of its numbers, `x / sqrt(var + 1e-5)`, var unbiased; their mean stays (ReCU's release). It
    /// changes no sign.
    fn divided_by_deviation(&mut self, x: Value) -> Result<Value> {
        let n = self.g.shape(x)[0];
        let variance = self.g.var(x, &[1, 2, 3], true)?;
        let variance = self.g.offset(variance, 1e-5)?;
        let factor = self.g.rsqrt(variance)?;
        let factor = self.g.reshape(factor, [n, 1, 1, 1])?;
        self.g.mul(x, factor)
    }

    /// RBCN's matrix C. Where the weights are normal it starts at their mean magnitude, where the kernel loss is
    /// smallest; a run's start program then sets it to the mean of the weights at hand.
    fn matrix(&mut self, shape: MatrixShape, [_, k, _, c]: [usize; 4]) -> Result<Value> {
        let extents = match shape {
            MatrixShape::Scalar => [1, 1, 1, 1],
            MatrixShape::Kernel => [1, k, k, 1],
            MatrixShape::Full => [1, k, k, c],
        };
        let deviation = (2.0 / (k * k * c) as f32).sqrt();
        let mean = deviation * std::f32::consts::FRAC_2_PI.sqrt();
        self.param("matrix", extents, Init::Constant(mean), Role::BinaryScale)
    }

    fn convolve(
        &mut self,
        x: Value,
        weights: &Weights,
        matrix: Option<(Value, MatrixShape)>,
        windows: Windows,
    ) -> Result<Scaled> {
        let real = match (weights, matrix) {
            (Weights { packed: None, .. }, _) => weights.latent,
            // A scale for each tap stands between the weights and the sum over them.
            (Weights { packed: Some((bits, _)), .. }, Some((matrix, MatrixShape::Kernel | MatrixShape::Full))) => {
                let signs = self.g.signed(*bits)?;
                Some(self.g.mul(signs, matrix)?)
            }
            _ => None,
        };
        if let Some(w) = real {
            let x = match self.spec.binarization.activations {
                ActivationRule::Sign => self.g.signed(x)?,
                ActivationRule::Tanh => x,
            };
            let y = self.g.conv2d_by(x, w, windows)?;
            return match self.spec.binarization.scale {
                Scale::Learned => self.scaled(y, weights),
                _ => Ok(Scaled { y, scale: None }),
            };
        }
        let (bits, code) = weights.packed.expect("weights that are not real are packed");
        let y = match windows.groups {
            1 => self.g.xnor_conv2d_by(x, bits, windows, code)?,
            // Filters over few channels have little to count: the same integers as sums of floats, which are exact.
            _ => {
                let x = self.g.signed(x)?;
                let w = if code == WeightCode::PlusMinus { self.g.signed(bits)? } else { self.g.to_f32(bits)? };
                self.g.conv2d_by(x, w, windows)?
            }
        };
        if let Some((matrix, _)) = matrix {
            let matrix = self.g.reshape(matrix, [1])?;
            return Ok(Scaled { y: self.g.mul(y, matrix)?, scale: None });
        }
        self.scaled(y, weights)
    }

    fn scaled(&mut self, y: Value, weights: &Weights) -> Result<Scaled> {
        let o = self.channels(y);
        let magnitude = |b: &mut Self, axes: &[usize]| -> Result<Value> {
            let w = weights.magnitudes.expect("scales of magnitudes come with latent weights");
            let w = b.g.detach(w)?;
            b.g.mean_abs(w, axes)
        };
        let stored = self.mode == Mode::Packed;
        let scale = match self.spec.binarization.scale {
            Scale::None | Scale::Matrix => return Ok(Scaled { y, scale: None }),
            Scale::Learned => {
                let n: usize = self.g.shape(weights.shaped())[1..].iter().product();
                let init = match self.spec.binarization.weights {
                    WeightRule::Rectified | WeightRule::Sine | WeightRule::SquareWave => Init::Positive(1.0),
                    // PyTorch's mean|w|, w being uniform in ± 1 / sqrt(n).
                    _ => Init::Constant(0.5 / (n as f32).sqrt()),
                };
                let alpha = self.param("alpha", [o], init, Role::BinaryScale)?;
                return Ok(Scaled { y: self.g.mul(y, alpha)?, scale: None });
            }
            Scale::Channel | Scale::Layer | Scale::PowerOfTwo if stored => {
                return Ok(Scaled { y, scale: Some(self.g.state("alpha", Meta::f32([o]), Init::Constant(1.0))?) });
            }
            Scale::Channel => magnitude(self, &[1, 2, 3])?,
            Scale::Layer => magnitude(self, &[0, 1, 2, 3])?,
            Scale::PowerOfTwo => {
                let mean = magnitude(self, &[1, 2, 3])?;
                self.g.nearest_power_of_two(mean)?
            }
        };
        let scale = self.g.broadcast_to(scale, [o, 1, 1, 1])?;
        Ok(Scaled { y, scale: Some(self.g.reshape(scale, [o])?) })
    }

    /// What a convolution costs. In groups it is summed as floats: its weights are bits, its multiply-adds are not.
    pub(super) fn count_binary(&mut self, y: Value, [o, k, _, c]: [usize; 4], groups: usize) {
        let n = (o * k * k * c) as u64;
        let pixels = self.pixels(y) as u64;
        let spec = &self.spec.binarization;
        if spec.weights.is_real() {
            self.count.real_weights += n;
            self.count.real_macs += n * pixels;
            self.count.scales += if spec.scale == Scale::Learned { o as u64 } else { 0 };
            return;
        }
        self.count.binary_weights += n;
        match groups {
            1 => self.count.binary_macs += n * pixels,
            _ => self.count.real_macs += n * pixels,
        }
        self.count.binary_outputs += o as u64 * pixels;
        self.count.scales += match (spec.scale, spec.matrix.unwrap_or_default()) {
            // Scale and centre of each filter, and of the activations.
            _ if spec.weights == WeightRule::Adaptive => 2 * o as u64 + 2,
            (Scale::None, _) => 0,
            (Scale::Layer, _) | (Scale::Matrix, MatrixShape::Scalar) => 1,
            (Scale::Matrix, MatrixShape::Kernel) => (k * k) as u64,
            (Scale::Matrix, MatrixShape::Full) => (k * k * c) as u64,
            (Scale::Channel | Scale::Learned | Scale::PowerOfTwo, _) => o as u64,
        };
    }

    /// Whether latent weights take part, or only what was stored of them.
    pub(super) fn is_training(&self) -> bool {
        self.mode.has_gradient()
    }
}
