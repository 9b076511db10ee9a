//! XNOR-Net (Rastegari et al. 2016), as released: before each step a latent weight loses the mean over the input
//! channels of its filter and tap, and is clamped to [-1, 1]; then W_b = alpha sign(W), alpha being mean|W| of the filter.
//! With G the gradient with respect to W_b, n the length and c the channels of a filter,
//!
//! ```text
//! dW = G (alpha 1[|W| < 1] + 1/n) (1 - 1/c) n
//! ```
//!
//! (The release multiplies by n for SGD and by 1e9 for Adam, to which a factor makes no difference.)

use super::Weights;
use crate::error::Result;
use crate::graph::Role;
use crate::nn::builder::Builder;
use crate::ops::pointwise::Ste;
use crate::tensor::bits::WeightCode;

impl Builder<'_> {
    pub(super) fn xnor_weights(&mut self, shape: [usize; 4], role: Role) -> Result<Weights> {
        let [o, k, _, c] = shape;
        let w = self.latent(shape, role)?;
        let fixed = self.g.detach(w)?;
        let mean = self.g.mean(fixed, &[3])?;
        let mean = self.g.reshape(mean, [o, k, k, 1])?;
        let moved = self.g.sub(fixed, mean)?;
        let moved = self.g.clamp(moved, -1.0, 1.0)?;
        let alpha = self.g.mean_abs(moved, &[1, 2, 3])?;
        let alpha = self.g.reshape(alpha, [o, 1, 1, 1])?;
        let w = match self.is_training() {
            true => {
                self.g.rebase(w, moved);
                self.g.stand_in(w, moved)?
            }
            false => moved,
        };
        let ste = Ste::XnorWeights { alpha, n: (k * k * c) as f32, c: c as f32 };
        let bits = self.g.sign(w, ste)?;
        Ok(Weights { latent: Some(w), packed: Some((bits, WeightCode::PlusMinus)), magnitudes: Some(w) })
    }
}
