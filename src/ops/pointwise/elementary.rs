//! Elementary functions: exp, ln, sqrt, rsqrt, square, abs.
//!
//! Bounds are WGSL's promises: exp 3 + 2|x| units in the last place (a unit is at most 2 [`EPS`] of the
//! number), log 2^-21 absolute on [0.5, 2] and 3 units elsewhere, inverseSqrt 2 units, sqrt that of
//! 1 / inverseSqrt.

use crate::error::Result;
use crate::graph::{EPS, Graph, Value};
use std::cmp::Ordering;

const TINY: f64 = f32::MIN_POSITIVE as f64;

pointwise! {
    /// `e^x`.
    Exp {} "exp" as "exp_of" (x) => x.exp();
    reference libm::exp(x);
    bound |x, y| (6.0 + 4.0 * x[0].abs()) * EPS * y.abs() + TINY;
    grad |_me, g, x, y, dy| Ok(vec![Some(g.mul(dy, y[0])?)])
}

pointwise! {
    /// Natural logarithm.
    Ln {} "ln" (x) => x.ln();
    reference libm::log(x);
    bound |_x, y| 2f64.powi(-21) + 8.0 * EPS * y.abs();
    grad |_me, g, x, y, dy| Ok(vec![Some(g.div(dy, x[0])?)])
}

pointwise! {
    /// Square root.
    Sqrt {} "sqrt" as "sqrt_of" (x) => x.sqrt();
    reference libm::sqrt(x);
    bound |_x, y| 10.0 * EPS * y.abs() + TINY;
    grad |_me, g, x, y, dy| {
        let half = g.scale(dy, 0.5)?;
        Ok(vec![Some(g.div(half, y[0])?)])
    }
}

pointwise! {
    /// `1 / sqrt(x)`.
    Rsqrt {} "rsqrt" (x) => 1.0 / x.sqrt();
    reference 1.0 / libm::sqrt(x);
    bound |_x, y| 6.0 * EPS * y.abs() + TINY;
    grad |_me, g, x, y, dy| Ok(vec![Some(g.apply1(RsqrtGrad {}, &[y[0], dy])?)])
}

pointwise! {
    /// `-dy y³ / 2`, y being the output.
    RsqrtGrad {} "rsqrt_grad" (y, dy) => -0.5 * dy * y * y * y;
    reference -dy * y.powi(3) / 2.0;
    grad |_me, g, x, y, d| {
        let ddy = g.apply1(RsqrtGrad {}, &[x[0], d])?;
        let slope = g.square(x[0])?;
        let slope = g.mul(slope, x[1])?;
        let slope = g.scale(slope, -1.5)?;
        Ok(vec![Some(g.mul(slope, d)?), Some(ddy)])
    }
}

pointwise! {
    /// `x²`.
    Square {} "square" (x) => x * x;
    reference x.powi(2);
    grad |_me, g, x, y, dy| {
        let slope = g.scale(x[0], 2.0)?;
        Ok(vec![Some(g.mul(dy, slope)?)])
    }
}

pointwise! {
    /// `|x|`.
    Abs {} "abs" as "abs_of" (x) => x.abs();
    reference if x < 0.0 { -x } else { x };
    bound |_x, _y| TINY;
    grad |_me, g, x, y, dy| Ok(vec![Some(g.apply1(AbsGrad {}, &[x[0], dy])?)])
}

pointwise! {
    /// `dy` with the sign of x, 0 where x is 0.
    AbsGrad {} "abs_grad" (x, dy) =>
        if x > 0.0 { dy } else if x < 0.0 { -dy } else { 0.0 };
    reference match x.partial_cmp(&0.0) {
        Some(Ordering::Greater) => dy,
        Some(Ordering::Less) => -dy,
        _ => 0.0,
    };
    bound |_x, _y| TINY;
    grad |_me, g, x, y, d| Ok(vec![None, Some(g.apply1(AbsGrad {}, &[x[0], d])?)])
}

impl Graph {
    /// `e^x`.
    pub fn exp(&mut self, x: Value) -> Result<Value> {
        self.apply1(Exp {}, &[x])
    }

    /// Natural logarithm.
    pub fn ln(&mut self, x: Value) -> Result<Value> {
        self.apply1(Ln {}, &[x])
    }

    /// Square root.
    pub fn sqrt(&mut self, x: Value) -> Result<Value> {
        self.apply1(Sqrt {}, &[x])
    }

    /// `1 / sqrt(x)`.
    pub fn rsqrt(&mut self, x: Value) -> Result<Value> {
        self.apply1(Rsqrt {}, &[x])
    }

    /// `x²`.
    pub fn square(&mut self, x: Value) -> Result<Value> {
        self.apply1(Square {}, &[x])
    }

    /// `|x|`, with gradient 0 at 0.
    pub fn abs(&mut self, x: Value) -> Result<Value> {
        self.apply1(Abs {}, &[x])
    }

    /// `dy` with the sign of x, 0 where x is 0: the gradient of what adds magnitudes up.
    pub(crate) fn abs_grad(&mut self, x: Value, dy: Value) -> Result<Value> {
        self.apply1(AbsGrad {}, &[x, dy])
    }
}
