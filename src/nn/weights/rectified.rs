//! ReCU (Xu et al. 2021), as released: the sign of each filter brought to mean 0 and variance 1, times 2 sqrt(2), whose
//! distribution is taken for Laplace's of scale 2. Weights in the tails hardly ever change their sign and have no gradient:
//! with E the mean magnitude over the whole layer (no gradient),
//!
//! ```text
//! w1 = 2 sqrt(2) (W - mean) / sqrt(var + 1e-5)      of each filter, var unbiased
//! Q  = -E ln(2 - 2 tau)                             the quantile tau of the layer's w1
//! W_b = sign(clamp(w1, -Q, Q))                      identity for the sign's gradient
//! ```
//!
//! The clamp never changes a bit: all that it does is the mask of the gradient. tau grows over the epochs; `-ln(2 - 2 tau)` is
//! the scalar [`TAIL`] of a step.

use super::Weights;
use crate::error::Result;
use crate::graph::{Role, Value};
use crate::nn::builder::Builder;
use crate::ops::pointwise::Ste;
use crate::tensor::bits::WeightCode;

/// The scalar of a step by which E is multiplied.
pub const TAIL: &str = "rectified.tail";

impl Builder<'_> {
    pub(super) fn rectified_weights(&mut self, shape: [usize; 4], role: Role) -> Result<Weights> {
        let [o, k, _, c] = shape;
        let w = self.latent(shape, role)?;
        let rows = self.g.reshape(w, [o, k * k * c])?;
        let rows = self.g.standardize(rows, 1e-5)?;
        let w1 = self.g.reshape(rows, shape)?;
        let w1 = self.g.scale(w1, 2.0 * std::f32::consts::SQRT_2)?;
        let kept = if self.is_training() { self.within_tails(w1)? } else { w1 };
        let bits = self.g.sign(kept, Ste::Identity)?;
        Ok(Weights { latent: Some(w), packed: Some((bits, WeightCode::PlusMinus)), magnitudes: None })
    }

    /// `clamp(w1, -Q, Q)`.
    fn within_tails(&mut self, w1: Value) -> Result<Value> {
        let fixed = self.g.detach(w1)?;
        let mean = self.g.mean_abs(fixed, &[0, 1, 2, 3])?;
        let tail = self.g.scalar(TAIL)?;
        let high = self.g.mul(mean, tail)?;
        let low = self.g.scale(high, -1.0)?;
        let below = self.g.minimum(w1, high)?;
        self.g.maximum(below, low)
    }
}
