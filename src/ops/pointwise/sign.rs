//! sign(x) as packed bits, with a straight-through estimator of its gradient.
//!
//! Forward: bit 1 (+1) where x >= 0. Backward: `dx = dy * s(x)` where s is the estimator. For the
//! clipped identity one more bit an element is all that backward needs, so the op has a second
//! output, the mask `|x| <= 1`, made where the sign is made; the float x need not be kept.

use crate::error::Result;
use crate::graph::{Grads, Graph, Pointwise, Value};
use crate::kernels::isa::vectorised;
use crate::tensor::DType;
use std::fmt::Debug;

/// A straight-through estimator of another crate: what stands in for the derivative of sign, as nodes of the graph. One that is
/// added to [`ESTIMATORS`](crate::nn::ESTIMATORS) has a name in recipes.
///
/// # Example
///
/// An estimator with its own WGSL, checked node by node on the CPU and on every GPU:
///
/// ```ignore
#[doc = include_str!("../../../tests/examples/own_estimator.rs")]
/// ```
pub trait Estimator: Debug + Send + Sync {
    /// Its name, in recipes too.
    fn name(&self) -> &'static str;

    /// The gradient with respect to `x` that it makes of `dy`, that with respect to the signs of `x`.
    fn grad(&self, g: &mut Graph, x: Value, dy: Value) -> Result<Value>;
}

/// Estimators are told apart by their names.
impl PartialEq for dyn Estimator {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for dyn Estimator {}

/// What stands in for the derivative of sign. Sources: BinaryConnect / BNN (clipped identity),
/// Bi-Real Net (ApproxSign), IR-Net (EDE).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ste {
    /// 1 on [-1, 1], both ends included, else 0.
    ClippedIdentity,
    /// 1 on (-1, 1), both ends left out, else 0 (XNOR-Net's activations).
    ClippedOpen,
    /// max(0, 2 - 2|x|): the derivative of a piecewise quadratic.
    ApproxSign,
    /// k t (1 - tanh²(t x)), with t and k scalars of the step.
    Ede {
        /// Steepness, grows over training.
        t: Value,
        /// max(1/t, 1).
        k: Value,
    },
    /// 1 everywhere.
    Identity,
    /// 1 / alpha on [-1, 1], else 0: of weights whose scale alpha stays out of the gradient (S2-BNN's release).
    ClippedUnscaled {
        /// Mean magnitude of each filter, `[o, 1, 1, 1]`.
        alpha: Value,
    },
    /// `(n 1[|w| < 1] + 1 / alpha) (1 - 1 / c)`: XNOR-Net's released rule for weights, where dy is the gradient with
    /// respect to the sign, alpha the mean magnitude of the filter (`[o, 1, 1, 1]`), n its length and c its channels.
    XnorWeights {
        /// Mean magnitude of each filter.
        alpha: Value,
        /// Weights of a filter.
        n: f32,
        /// Channels of a filter.
        c: f32,
    },
    /// One of another crate.
    Own(&'static dyn Estimator),
}

/// sign(x) -> bits; port 1 is the mask `|x| <= 1`, or `|x| < 1` where the estimator leaves the ends out.
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

    fn arity(&self) -> usize {
        1
    }

    fn ports(&self) -> usize {
        2
    }

    fn dtype(&self, _port: usize) -> DType {
        DType::Bits
    }

    fn wgsl(&self, port: usize) -> &'static str {
        match (port, self.ste) {
            (0, _) => "sign_bit",
            (_, Ste::ClippedOpen) => "ste_mask_open",
            _ => "ste_mask",
        }
    }

    fn eval(&self, port: usize, _index: usize, x: &[&[f32]], y: &mut [f32]) {
        #[inline(always)]
        fn each(x: &[f32], y: &mut [f32], bit: impl Fn(f32) -> bool) {
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = bit(x) as u8 as f32);
        }
        vectorised(
            #[inline(always)]
            || match (port, self.ste) {
                (0, _) => each(x[0], y, |x| x >= 0.0),
                (_, Ste::ClippedOpen) => each(x[0], y, |x| x.abs() < 1.0),
                _ => each(x[0], y, |x| x.abs() <= 1.0),
            },
        );
    }

    fn eval64(&self, port: usize, _index: usize, x: &[f64]) -> f64 {
        let bit = match (port, self.ste) {
            (0, _) => x[0] >= 0.0,
            (_, Ste::ClippedOpen) => x[0].abs() < 1.0,
            _ => x[0].abs() <= 1.0,
        };
        bit as u8 as f64
    }

    fn grad(&self, g: &mut Graph, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let Some(dy) = dy[0] else { return Ok(vec![None]) };
        Ok(vec![Some(match self.ste {
            Ste::ClippedIdentity if self.input_kept => g.apply1(ClipGrad {}, &[x[0], dy])?,
            Ste::ClippedIdentity | Ste::ClippedOpen => g.mul(y[1], dy)?,
            Ste::ApproxSign => g.apply1(ApproxSignGrad {}, &[x[0], dy])?,
            Ste::Ede { t, k } => g.apply1(EdeGrad {}, &[x[0], dy, t, k])?,
            Ste::Identity => dy,
            Ste::Own(estimator) => estimator.grad(g, x[0], dy)?,
            Ste::ClippedUnscaled { alpha } => g.apply1(ClipGradUnscaled {}, &[x[0], dy, alpha])?,
            Ste::XnorWeights { alpha, n, c } => {
                g.apply1(XnorWeightsGrad { n, factor: 1.0 - 1.0 / c }, &[x[0], dy, alpha])?
            }
        })])
    }
}

pointwise! {
    /// `dy` where |x| <= 1, else 0: gradient of the clipped identity.
    ClipGrad {} "clip_grad" (x, dy) => if x.abs() <= 1.0 { dy } else { 0.0 };
    reference if (-1.0..=1.0).contains(&x) { dy } else { 0.0 };
    grad |_me, g, x, y, d| Ok(vec![None, Some(g.apply1(ClipGrad {}, &[x[0], d])?)])
}

pointwise! {
    /// `dy / alpha` where |w| <= 1, else 0.
    ClipGradUnscaled {} "clip_grad_unscaled" (w, dy, alpha) =>
        if w.abs() <= 1.0 { dy / alpha.max(1e-30) } else { 0.0 };
    reference if (-1.0..=1.0).contains(&w) { dy / alpha.max(1e-30) } else { 0.0 };
    bound |_x, y| 4.0 * crate::graph::EPS * y.abs() + f32::MIN_POSITIVE as f64;
    grad |me, g, x, y, d| Ok(vec![None, Some(g.apply1(me.clone(), &[x[0], d, x[2]])?), None])
}

pointwise! {
    /// `dy * max(0, 2 - 2|x|)`: Bi-Real Net's ApproxSign, section 3.
    ApproxSignGrad {} "approx_sign_grad" (x, dy) => { let t = 2.0 - 2.0 * x.abs(); dy * if t > 0.0 { t } else { 0.0 } };
    reference dy * match x {
        _ if (-1.0..0.0).contains(&x) => 2.0 + 2.0 * x,
        _ if (0.0..1.0).contains(&x) => 2.0 - 2.0 * x,
        _ => 0.0,
    };
    bound |x, _y| 4.0 * crate::graph::EPS * x[1].abs() * (2.0 + 2.0 * x[0].abs()) + f32::MIN_POSITIVE as f64;
    grad |_me, g, x, y, d| Ok(vec![None, Some(g.apply1(ApproxSignGrad {}, &[x[0], d])?)])
}

pointwise! {
    /// `dy * k t (1 - tanh²(t x))`: IR-Net's error decay estimator.
    EdeGrad {} "ede_grad" (x, dy, t, k) => { let th = (t * x).tanh(); dy * k * t * (1.0 - th * th) };
    reference dy * k * t / libm::cosh(t * x).powi(2);
    // 1 - tanh² cancels near |tx| large: the error of tanh (at most ~2^-10 relative in WGSL terms of exp) is absolute.
    bound |x, _y| (x[1] * x[3] * x[2]).abs() * 64.0 * crate::graph::EPS * (1.0 + (x[0] * x[2]).abs()) + f32::MIN_POSITIVE as f64;
    grad |_me, g, x, y, d| {
        let dx = g.apply1(EdeGrad {}, &[x[0], d, x[2], x[3]])?;
        Ok(vec![None, Some(dx), None, None])
    }
}

pointwise! {
    /// `dy (n 1[|w| < 1] + 1 / alpha) factor`: what XNOR-Net's release makes of the gradient for SGD.
    XnorWeightsGrad { n: f32, factor: f32 } "xnor_weights_grad" (w, dy, alpha) => {
        let inside = if w.abs() < 1.0 { n } else { 0.0 };
        dy * ((inside + 1.0 / alpha) * factor)
    };
    reference factor * dy * (1.0 / alpha + if -1.0 < w && w < 1.0 { n } else { 0.0 });
    bound |_x, y| 12.0 * crate::graph::EPS * y.abs() + f32::MIN_POSITIVE as f64;
    grad |me, g, x, y, d| {
        let ddy = g.apply1(me.clone(), &[x[0], d, x[2]])?;
        Ok(vec![None, Some(ddy), None])
    }
}

impl Graph {
    /// The packed signs of `x`, whose gradient is estimated by `ste`.
    pub fn sign(&mut self, x: Value, ste: Ste) -> Result<Value> {
        let input_kept = self.is_leaf(x);
        Ok(self.apply(Sign { ste, input_kept }, &[x])?[0])
    }
}
