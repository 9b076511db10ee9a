//! SiMaN (Lin et al. 2021), as released (specification, section 2.3): a weight's bit says whether its magnitude is among
//! the larger ones.
//!
//! ```text
//! z = (w - mean) / sqrt(var + 1e-5)     of each filter, var unbiased
//! m = |z|
//! B = 1 where m is over the lower median of the filter   (or over the cut whose cosine with m is largest)
//! dm = dB, so dz = sign(z) dB, and so on through the standardisation
//! ```
//!
//! B is stored: a test reads the bits of the last training step and not w.

use super::Weights;
use crate::error::Result;
use crate::graph::{Role, Value};
use crate::nn::binarization::{Magnitude, Per, Split};
use crate::nn::builder::{Builder, Mode};

impl Builder<'_> {
    pub(super) fn magnitude_weights(&mut self, shape: [usize; 4], role: Role) -> Result<Weights> {
        let choice = self.spec.binarization.magnitude.unwrap_or_default();
        let (code, stored) = (self.code(), self.stored_bits(shape)?);
        if !self.is_training() {
            return Ok(Weights { latent: None, packed: Some((stored, code)), magnitudes: None });
        }
        let mut w = self.latent(shape, role)?;
        if choice.clamp {
            w = self.clamped_magnitudes(w)?;
        }
        let [o, k, _, c] = shape;
        let z = self.g.reshape(w, [o, k * k * c])?;
        let z = self.g.standardize(z, 1e-5)?;
        let m = self.g.abs(z)?;
        let m = self.g.reshape(m, shape)?;
        let bits = self.split(m, choice)?;
        if self.mode == Mode::Train {
            self.g.assign(stored, bits)?;
        }
        Ok(Weights { latent: Some(w), packed: Some((bits, code)), magnitudes: None })
    }

    /// The bits of magnitudes `[o, k, k, c]`.
    fn split(&mut self, m: Value, choice: Magnitude) -> Result<Value> {
        let rows = match choice.per {
            Per::Filter => self.g.shape(m)[0],
            Per::Layer => 1,
        };
        let fixed = self.g.detach(m)?;
        let fixed = self.g.reshape(fixed, [rows, self.g.shape(m).elements() / rows])?;
        match choice.split {
            Split::Median => {
                let median = self.g.lower_median(fixed)?;
                let median = self.g.reshape(median, [rows, 1, 1, 1])?;
                self.g.above(m, median)
            }
            Split::Optimal => {
                let cut = self.g.cosine_split_threshold(fixed)?;
                let cut = self.g.reshape(cut, [rows, 1, 1, 1])?;
                self.g.at_least(m, cut)
            }
        }
    }

    /// `w - mean` of each filter, its magnitude clamped to between the percentiles p and 100 - p of the whole layer's
    /// (section 2.3, steps 1 and 2). Rank and fraction of the percentiles are scalars of the step, because p falls from
    /// 15 to 0 over the epochs.
    fn clamped_magnitudes(&mut self, w: Value) -> Result<Value> {
        let o = self.g.shape(w)[0];
        let n = self.g.shape(w).elements();
        let fixed = self.g.detach(w)?;
        let mean = self.g.mean(fixed, &[1, 2, 3])?;
        let mean = self.g.reshape(mean, [o, 1, 1, 1])?;
        let centred = self.g.sub(fixed, mean)?;
        let magnitudes = self.g.abs(centred)?;
        let magnitudes = self.g.reshape(magnitudes, [1, n])?;
        let low = self.percentile(magnitudes, "low")?;
        let high = self.percentile(magnitudes, "high")?;
        let moved = self.g.clamp_magnitude(centred, low, high)?;
        self.g.rebase(w, moved);
        self.g.stand_in(w, moved)
    }

    /// `x[r] + f (x[r + 1] - x[r])` of the ascending magnitudes `[1, n]`, r and f being the scalars `clamp.<n>.<end>` and
    /// `clamp.<n>.<end>.fraction`; `[1, 1, 1, 1]`.
    fn percentile(&mut self, magnitudes: Value, end: &str) -> Result<Value> {
        let n = self.g.shape(magnitudes).elements();
        let rank = self.g.scalar(&format!("clamp.{n}.{end}"))?;
        let fraction = self.g.scalar(&format!("clamp.{n}.{end}.fraction"))?;
        let rank = self.g.broadcast_to(rank, [1, 1])?;
        let next = self.g.offset(rank, 1.0)?;
        let below = self.g.kth_value(magnitudes, rank)?;
        let above = self.g.kth_value(magnitudes, next)?;
        let step = self.g.sub(above, below)?;
        let step = self.g.mul(step, fraction)?;
        let value = self.g.add(below, step)?;
        self.g.reshape(value, [1, 1, 1, 1])
    }
}
