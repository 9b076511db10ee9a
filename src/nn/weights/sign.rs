//! The sign of a weight (BinaryConnect, Bi-Real Net, RBCN), and no rule at all (ReActNet's first step).
//!
//! A scale alpha stands behind the convolution, so the gradient of the sign holds it as a factor: `dW = alpha dW_b s(W)`,
//! s being the estimator. That is the rule of Bi-Real Net's paper; its PyTorch release leaves alpha out, which is another
//! step size for each filter.

use super::Weights;
use crate::error::Result;
use crate::graph::{Role, Value};
use crate::nn::built::Built;
use crate::tensor::bits::WeightCode;

impl Built<'_> {
    pub(super) fn sign_weights(&mut self, shape: [usize; 4], role: Role) -> Result<Weights> {
        let ste = self.ste(self.spec.binarization.weight_ste);
        let w = self.clipped(shape, role)?;
        let bits = self.g.sign(w, ste)?;
        Ok(Weights { latent: Some(w), packed: Some((bits, WeightCode::PlusMinus)), magnitudes: Some(w) })
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
