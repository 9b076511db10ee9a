//! Smooth activations: sigmoid, tanh, gelu, and the gelu of CLIP.
//!
//! WGSL promises of exp(x) an error of at most 3 + 2|x| units in the last place, and of a division
//! 2.5; a unit in the last place is at most 2 [`EPS`] of the number. Bounds below add these up.

use crate::error::Result;
use crate::graph::{EPS, Graph, Value};
use crate::kernels::smooth::{erfc, exp};

const TINY: f64 = f32::MIN_POSITIVE as f64;
const SQRT_HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// 1 / sqrt(2 pi).
const NORMAL: f64 = 0.398_942_280_401_432_7;

/// The standard normal distribution: Φ(x), the probability of what is at most x, and its density φ(x).
fn normal(x: f64) -> (f64, f64) {
    (0.5 * libm::erfc(-x / libm::sqrt(2.0)), libm::exp(-x.powi(2) / 2.0) / libm::sqrt(std::f64::consts::TAU))
}

pointwise! {
    /// `1 / (1 + e^-x)`, from e^-|x| so that nothing overflows.
    Sigmoid {} "sigmoid" (x) => {
        let t = (-x.abs()).exp();
        let r = 1.0 / (1.0 + t);
        if x < 0.0 { t * r } else { r }
    };
    reference 1.0 / (1.0 + libm::exp(-x));
    bound |x, y| (20.0 + 4.0 * x[0].abs()) * EPS * y.abs() + TINY;
    grad |_me, g, x, y, dy| Ok(vec![Some(g.apply1(SigmoidGrad {}, &[y[0], dy])?)])
}

pointwise! {
    /// `dy * y * (1 - y)`, y being the output.
    SigmoidGrad {} "sigmoid_grad" (y, dy) => dy * y * (1.0 - y);
    reference dy * (y - y * y);
    grad |_me, g, x, y, d| {
        let ddy = g.apply1(SigmoidGrad {}, &[x[0], d])?;
        let twice = g.scale(x[0], -2.0)?;
        let slope = g.offset(twice, 1.0)?;
        let dx = g.mul(x[1], slope)?;
        Ok(vec![Some(g.mul(dx, d)?), Some(ddy)])
    }
}

pointwise! {
    /// Hyperbolic tangent. WGSL's own may be off by 1e-5, so the shader has a formula: an odd
    /// polynomial below 1/4, and above `(1 - t) / (1 + t)` with t = e^-2|x|, whose relative error of
    /// (6 + 8|x|) EPS makes at most 16 EPS of the result (at 1/4); the rest makes 8.
    Tanh {} "tanh" as "tanh_of" (x) => x.tanh();
    reference libm::tanh(x);
    bound |_x, y| 32.0 * EPS * y.abs() + TINY;
    grad |_me, g, x, y, dy| Ok(vec![Some(g.apply1(TanhGrad {}, &[y[0], dy])?)])
}

pointwise! {
    /// `dy * (1 - y²)`, y being the output.
    TanhGrad {} "tanh_grad" (y, dy) => dy * (1.0 - y * y);
    reference dy * (1.0 - y) * (1.0 + y);
    bound |x, _y| 4.0 * EPS * x[1].abs() + TINY;
    grad |_me, g, x, y, d| {
        let ddy = g.apply1(TanhGrad {}, &[x[0], d])?;
        let slope = g.mul(x[0], x[1])?;
        let slope = g.scale(slope, -2.0)?;
        Ok(vec![Some(g.mul(slope, d)?), Some(ddy)])
    }
}

pointwise! {
    /// `x Φ(x)` with the normal distribution function, not its tanh approximation (Hendrycks and
    /// Gimpel 2016).
    ///
    /// The shader has the rational approximation of erfc with a relative error of 1.2e-7 (2.1 EPS)
    /// everywhere (Press et al., Numerical Recipes, section 6.2); its exponent, of magnitude
    /// a <= z² + 1.27, is rounded and raised with a relative error below (30 + 12 z²) EPS, and
    /// erfc(z) (30 + 12 z²) <= 31. So has the CPU.
    Gelu {} "gelu" (x) => {
        let tail = 0.5 * x * erfc(x.abs() * SQRT_HALF);
        if x < 0.0 { tail } else { x - tail }
    };
    reference x * normal(x).0;
    bound |x, y| 18.0 * EPS * x[0].abs() + 8.0 * EPS * y.abs() + TINY;
    grad |_me, g, x, y, dy| Ok(vec![Some(g.apply1(GeluGrad {}, &[x[0], dy])?)])
}

pointwise! {
    /// `dy * (Φ(x) + x φ(x))`.
    GeluGrad {} "gelu_grad" (x, dy) => {
        let tail = 0.5 * erfc(x.abs() * SQRT_HALF);
        let below = if x < 0.0 { tail } else { 1.0 - tail };
        dy * (below + x * NORMAL as f32 * exp(-0.5 * x * x))
    };
    reference dy * (normal(x).0 + x * normal(x).1);
    // Φ as in gelu, 18 EPS; |x| φ(x) <= 0.25 with an error of (10 + 3 x²) EPS, at most 6 EPS in all.
    bound |x, _y| 32.0 * EPS * x[1].abs() + TINY;
    grad |_me, g, x, y, d| {
        let ddy = g.apply1(GeluGrad {}, &[x[0], d])?;
        let slope = g.apply1(GeluCurve {}, &[x[0]])?;
        let slope = g.mul(slope, x[1])?;
        Ok(vec![Some(g.mul(slope, d)?), Some(ddy)])
    }
}

pointwise! {
    /// `φ(x) (2 - x²)`: the second derivative of gelu.
    GeluCurve {} "gelu_curve" (x) => NORMAL as f32 * (-0.5 * x * x).exp() * (2.0 - x * x);
    reference (2.0 - x.powi(2)) * normal(x).1;
    bound |x, _y| (20.0 + 4.0 * x[0] * x[0]) * EPS * (2.0 + x[0] * x[0]) * (-0.5 * x[0] * x[0]).exp() + TINY;
    grad |_me, g, x, y, d| {
        // φ(x) (x³ - 4x)
        let square = g.square(x[0])?;
        let bell = g.scale(square, -0.5)?;
        let bell = g.exp(bell)?;
        let bell = g.scale(bell, NORMAL as f32)?;
        let cubic = g.offset(square, -4.0)?;
        let cubic = g.mul(cubic, x[0])?;
        let slope = g.mul(bell, cubic)?;
        Ok(vec![Some(g.mul(slope, d)?)])
    }
}

/// Of [`QuickGelu`].
const QUICK: f32 = 1.702;

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

#[inline(always)]
fn quick(x: f32) -> f32 {
    let t = exp(-(QUICK * x).abs());
    let r = 1.0 / (1.0 + t);
    if x < 0.0 { t * r } else { r }
}

pointwise! {
    /// `x σ(1.702 x)`: the gelu of CLIP's networks (Hendrycks and Gimpel 2016, their sigmoid approximation).
    ///
    /// The exponent's product and constant are rounded, 3.5 |x| EPS, and it is raised with an error of (6 + 7 |x|) EPS.
    QuickGelu {} "quick_gelu" (x) => x * quick(x);
    reference x * logistic(1.702 * x);
    bound |x, y| (20.0 + 12.0 * x[0].abs()) * EPS * y.abs() + TINY;
    grad |_me, g, x, y, dy| Ok(vec![Some(g.apply1(QuickGeluGrad {}, &[x[0], dy])?)])
}

pointwise! {
    /// `dy σ (1 + 1.702 x (1 - σ))`, σ of 1.702 x.
    QuickGeluGrad {} "quick_gelu_grad" (x, dy) => dy * quick(x) * (1.0 + QUICK * x * quick(-x));
    reference dy * (logistic(1.702 * x) + 1.702 * x * logistic(1.702 * x) * logistic(-1.702 * x));
    bound |x, _y| (40.0 + 24.0 * x[0].abs()) * EPS * x[1].abs() * logistic(1.702 * x[0]) * (1.0 + 1.702 * x[0].abs() * logistic(-1.702 * x[0])) + TINY;
    grad |_me, g, x, y, d| {
        let ddy = g.apply1(QuickGeluGrad {}, &[x[0], d])?;
        // a σ(1 - σ) (2 + a x (1 - 2σ))
        let scaled = g.scale(x[0], QUICK)?;
        let s = g.sigmoid(scaled)?;
        let square = g.square(s)?;
        let slope = g.sub(s, square)?;
        let turn = g.scale(s, -2.0)?;
        let turn = g.offset(turn, 1.0)?;
        let turn = g.mul(turn, scaled)?;
        let turn = g.offset(turn, 2.0)?;
        let curve = g.mul(slope, turn)?;
        let curve = g.scale(curve, QUICK)?;
        let curve = g.mul(curve, x[1])?;
        Ok(vec![Some(g.mul(curve, d)?), Some(ddy)])
    }
}

impl Graph {
    /// `x σ(1.702 x)`.
    pub fn quick_gelu(&mut self, x: Value) -> Result<Value> {
        self.apply1(QuickGelu {}, &[x])
    }

    /// `1 / (1 + e^-x)`.
    pub fn sigmoid(&mut self, x: Value) -> Result<Value> {
        self.apply1(Sigmoid {}, &[x])
    }

    /// Hyperbolic tangent.
    pub fn tanh(&mut self, x: Value) -> Result<Value> {
        self.apply1(Tanh {}, &[x])
    }

    /// `x Φ(x)`, in the exact (erf) form.
    pub fn gelu(&mut self, x: Value) -> Result<Value> {
        self.apply1(Gelu {}, &[x])
    }
}
