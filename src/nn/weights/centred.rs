//! The sign of what is left of a weight without the mean of its filter, as 1-bit vision transformers have it (BinaryViT, as
//! released). The gradient goes on through the mean: with C = I - 11ᵀ/n over a filter of n weights and c = C w,
//!
//! ```text
//! dw = C (g 1[|c| <= 1])
//! ```
//!
//! where the scale, mean|w|, is a factor of g unless `scale_in_gradient = false`, as the release has it.

use super::Weights;
use crate::error::Result;
use crate::graph::Role;
use crate::nn::builder::Builder;
use crate::tensor::bits::WeightCode;

impl Builder<'_> {
    pub(super) fn centred_weights(&mut self, shape: [usize; 4], role: Role) -> Result<Weights> {
        let w = self.latent(shape, role)?;
        let ste = self.unscaled_ste(w, shape[0])?;
        let mean = self.g.mean(w, &[1, 2, 3])?;
        let mean = self.g.reshape(mean, [shape[0], 1, 1, 1])?;
        let centred = self.g.sub(w, mean)?;
        let bits = self.g.sign(centred, ste)?;
        Ok(Weights { latent: Some(w), packed: Some((bits, WeightCode::PlusMinus)), magnitudes: Some(w) })
    }
}
