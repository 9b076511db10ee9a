//! IR-Net (Qin et al. 2020): the sign of each filter brought to mean 0 and variance 1, which balances the two values. The
//! gradient goes on through the standardisation.

use super::Weights;
use crate::error::Result;
use crate::graph::Role;
use crate::nn::builder::Builder;
use crate::tensor::bits::WeightCode;

impl Builder<'_> {
    pub(super) fn standardised_weights(&mut self, shape: [usize; 4], role: Role) -> Result<Weights> {
        let [o, k, _, c] = shape;
        let ste = self.ste(self.spec.binarization.weight_ste);
        let w = self.latent(shape, role)?;
        let rows = self.g.reshape(w, [o, k * k * c])?;
        // The release divides by the deviation alone.
        let rows = self.g.standardize(rows, 0.0)?;
        let z = self.g.reshape(rows, shape)?;
        let bits = self.g.sign(z, ste)?;
        Ok(Weights { latent: Some(w), packed: Some((bits, WeightCode::PlusMinus)), magnitudes: Some(z) })
    }
}
