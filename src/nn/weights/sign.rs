//! The sign of a weight (BinaryConnect, Bi-Real Net, RBCN), and no rule at all (ReActNet's first step).
//!
//! A scale alpha stands behind the convolution, so the gradient of the sign holds it as a factor: `dW = alpha dW_b s(W)`,
//! s being the estimator. That is the rule of Bi-Real Net's paper; its PyTorch release leaves alpha out, which is another
//! step size for each filter (`scale_in_gradient = false`, as S2-BNN trains).

use super::Weights;
use crate::error::Result;
use crate::graph::{Role, Value};
use crate::nn::builder::Builder;
use crate::ops::pointwise::Ste;
use crate::tensor::bits::WeightCode;

impl Builder<'_> {
    pub(super) fn sign_weights(&mut self, shape: [usize; 4], role: Role) -> Result<Weights> {
        let w = self.clipped(shape, role)?;
        let ste = self.unscaled_ste(w, shape[0])?;
        let bits = self.g.sign(w, ste)?;
        Ok(Weights { latent: Some(w), packed: Some((bits, WeightCode::PlusMinus)), magnitudes: Some(w) })
    }

    /// The estimator of weights whose scale is mean|w|, of latent weights w of `filters` filters; without that scale in the
    /// gradient if the network says so.
    pub(super) fn unscaled_ste(&mut self, w: Value, filters: usize) -> Result<Ste> {
        if self.spec.binarization.scale_in_gradient || !self.is_training() {
            return Ok(self.ste(self.spec.binarization.weight_ste));
        }
        let fixed = self.g.detach(w)?;
        let alpha = self.g.mean_abs(fixed, &[1, 2, 3])?;
        Ok(Ste::ClippedUnscaled { alpha: self.g.reshape(alpha, [filters, 1, 1, 1])? })
    }

    pub(super) fn real_weights(&mut self, shape: [usize; 4], _role: Role) -> Result<Weights> {
        // They keep their place, so that the second step finds them, but decay as real weights do.
        let w = self.clipped(shape, Role::Weight)?;
        Ok(Weights { latent: Some(w), packed: None, magnitudes: None })
    }

    /// Latent weights, clamped to [-1, 1] before each step if the network says so.
    fn clipped(&mut self, shape: [usize; 4], role: Role) -> Result<Value> {
        let w = self.latent(shape, role)?;
        if !(self.spec.binarization.clip_weights && self.is_training()) {
            return Ok(w);
        }
        let moved = self.g.detach(w)?;
        let moved = self.g.clamp(moved, -1.0, 1.0)?;
        self.g.rebase(w, moved);
        self.g.stand_in(w, moved)
    }
}
