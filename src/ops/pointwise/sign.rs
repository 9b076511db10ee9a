//! sign(x) as packed bits, with a straight-through estimator of its gradient.
//!
//! Forward: bit 1 (+1) where x >= 0. Backward: `dx = dy * s(x)` where s is the estimator. For the
//! clipped identity one more bit an element is all that backward needs, so the op has a second
//! output, the mask `|x| <= 1`, made where the sign is made; the float x need not be kept.

use crate::error::Result;
use crate::graph::{Grads, Graph, Pointwise, Value};
use crate::tensor::DType;

/// What stands in for the derivative of sign. Sources: BinaryConnect / BNN (clipped identity),
/// Bi-Real Net (ApproxSign), IR-Net (EDE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ste {
    /// 1 on [-1, 1], both ends included, else 0.
    ClippedIdentity,
    /// max(0, 2 - 2|x|): the derivative of a piecewise quadratic.
    ApproxSign,
    /// k t (1 - tanh²(t x)), with t and k scalars of the step.
    Ede {
        /// Steepness, grows over training.
        t: Value,
        /// max(1/t, 1).
        k: Value,
    },
    /// 1 everywhere (SiMaN's weights).
    Identity,
}

/// sign(x) -> bits; port 1 is the mask `|x| <= 1`.
#[derive(Clone, Debug)]
pub struct Sign {
    /// Estimator of the gradient.
    pub ste: Ste,
    /// Whether x is kept anyway (a parameter), so that backward reads it instead of the mask.
    pub input_kept: bool,
}

impl Pointwise for Sign {
    fn name(&self) -> &'static str {
        "sign"
    }

    fn ports(&self) -> usize {
        2
    }

    fn dtype(&self, _port: usize) -> DType {
        DType::Bits
    }

    fn wgsl(&self, port: usize) -> &'static str {
        ["sign_bit", "ste_mask"][port]
    }

    fn eval(&self, port: usize, _index: usize, x: &[&[f32]], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x[0]) {
            *y = if port == 0 { x >= 0.0 } else { x.abs() <= 1.0 } as u8 as f32;
        }
    }

    fn eval64(&self, port: usize, _index: usize, x: &[f64]) -> f64 {
        (if port == 0 { x[0] >= 0.0 } else { x[0].abs() <= 1.0 }) as u8 as f64
    }

    fn grad(&self, g: &mut Graph, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let Some(dy) = dy[0] else { return Ok(vec![None]) };
        Ok(vec![Some(match self.ste {
            Ste::ClippedIdentity if self.input_kept => g.apply1(ClipGrad {}, &[x[0], dy])?,
            Ste::ClippedIdentity => g.mul(y[1], dy)?,
            Ste::ApproxSign => g.apply1(ApproxSignGrad {}, &[x[0], dy])?,
            Ste::Ede { t, k } => g.apply1(EdeGrad {}, &[x[0], dy, t, k])?,
            Ste::Identity => dy,
        })])
    }
}

pointwise! {
    /// `dy` where |x| <= 1, else 0: gradient of the clipped identity.
    ClipGrad {} "clip_grad" (x, dy) => if x.abs() <= T::c(1.0) { dy } else { T::c(0.0) };
    grad |_me, g, x, y, d| Ok(vec![None, Some(g.apply1(ClipGrad {}, &[x[0], d])?)])
}

pointwise! {
    /// `dy * max(0, 2 - 2|x|)`: Bi-Real Net's ApproxSign, section 3.
    ApproxSignGrad {} "approx_sign_grad" (x, dy) => dy * (T::c(2.0) - T::c(2.0) * x.abs()).max(T::c(0.0));
    bound |x, _y| 4.0 * crate::graph::EPS * x[1].abs() * (2.0 + 2.0 * x[0].abs()) + f32::MIN_POSITIVE as f64;
    grad |_me, g, x, y, d| Ok(vec![None, Some(g.apply1(ApproxSignGrad {}, &[x[0], d])?)])
}

pointwise! {
    /// `dy * k t (1 - tanh²(t x))`: IR-Net's error decay estimator.
    EdeGrad {} "ede_grad" (x, dy, t, k) => { let th = (t * x).tanh(); dy * k * t * (T::c(1.0) - th * th) };
    // 1 - tanh² cancels near |tx| large: the error of tanh (at most ~2^-10 relative in WGSL terms of exp) is absolute.
    bound |x, _y| (x[1] * x[3] * x[2]).abs() * 64.0 * crate::graph::EPS * (1.0 + (x[0] * x[2]).abs()) + f32::MIN_POSITIVE as f64;
    grad |_me, g, x, y, d| {
        let dx = g.apply1(EdeGrad {}, &[x[0], d, x[2], x[3]])?;
        Ok(vec![None, Some(dx), None, None])
    }
}

impl Graph {
    /// The packed signs of `x`, whose gradient is estimated by `ste`.
    pub fn sign(&mut self, x: Value, ste: Ste) -> Result<Value> {
        let input_kept = self.is_leaf(x);
        Ok(self.apply(Sign { ste, input_kept }, &[x])?[0])
    }
}
