//! BiPer (Vargas et al. 2024), as released: the sign of a fast wave of the weight, `b = sign(sin(ω W))`, with the sine's own gradient,
//! `dW = g ω cos(ω W)`, neither clipped nor standardised. A first stage trains the sine itself under binary activations
//! ([`WeightRule::Sine`](super::super::WeightRule)), a second one its sign, from the first one's weights.
//!
//! In half periods, `u = W ω / π`, +1 is where the whole part of u is even: the same bit on every device.

use super::Weights;
use crate::error::Result;
use crate::graph::{Role, Value};
use crate::nn::builder::Builder;
use crate::ops::pointwise::Ste;
use crate::tensor::bits::WeightCode;

impl Builder<'_> {
    pub(super) fn sine_weights(&mut self, shape: [usize; 4]) -> Result<Weights> {
        // As of all real weights.
        let w = self.latent(shape, Role::Weight)?;
        let u = self.half_periods(w)?;
        let real = self.g.sine_wave(u)?;
        Ok(Weights { latent: Some(real), packed: None, magnitudes: None })
    }

    pub(super) fn square_wave_weights(&mut self, shape: [usize; 4], role: Role) -> Result<Weights> {
        let w = self.latent(shape, role)?;
        let u = self.half_periods(w)?;
        let wave = self.g.square_wave(u)?;
        let bits = self.g.sign(wave, Ste::Identity)?;
        Ok(Weights { latent: Some(w), packed: Some((bits, WeightCode::PlusMinus)), magnitudes: None })
    }

    /// `W ω / π`.
    fn half_periods(&mut self, w: Value) -> Result<Value> {
        let factor = self.spec.binarization.half_periods();
        self.g.scale(w, factor)
    }
}
