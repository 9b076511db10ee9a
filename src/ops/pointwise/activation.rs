//! Piecewise linear activations. Where the sign of the output tells the slope, the gradient is taken
//! from the output, so that the input need not be kept.

use crate::error::{Error, Result};
use crate::graph::{Graph, Value};
use crate::ops::norm::{ChannelSums, Factor};

/// Exact but for a result too small for a normal f32, which a device may flush to zero.
const EXACT: f64 = f32::MIN_POSITIVE as f64;

pointwise! {
    /// `max(x, 0)`; NaN stays NaN.
    Relu {} "relu" (x) => if x < 0.0 { 0.0 } else { x };
    reference if x <= 0.0 { 0.0 } else { x };
    bound |_x, _y| EXACT;
    grad |_me, g, x, y, dy| Ok(vec![Some(g.apply1(ReluGrad {}, &[y[0], dy])?)])
}

pointwise! {
    /// `dy` where the output is positive, else 0.
    ReluGrad {} "relu_grad" (y, dy) => if y > 0.0 { dy } else { 0.0 };
    reference match y > 0.0 { true => dy, false => 0.0 };
    bound |_x, _y| EXACT;
    grad |_me, g, x, y, d| Ok(vec![None, Some(g.apply1(ReluGrad {}, &[x[0], d])?)])
}

pointwise! {
    /// `x` where positive, else `slope * x`.
    LeakyRelu { slope: f32 } "leaky_relu" (x) => if x < 0.0 { slope * x } else { x };
    reference x * if x < 0.0 { slope } else { 1.0 };
    // A slope of at least 0 keeps the sign, so the output tells which side the input was on.
    grad |me, g, x, y, dy| Ok(vec![Some(g.apply1(LeakyReluGrad { slope: me.slope }, &[y[0], dy])?)])
}

pointwise! {
    /// `dy` where the output is positive, else `slope * dy`.
    LeakyReluGrad { slope: f32 } "leaky_relu_grad" (y, dy) => if y > 0.0 { dy } else { slope * dy };
    reference dy * if y > 0.0 { 1.0 } else { slope };
    grad |me, g, x, y, d| Ok(vec![None, Some(g.apply1(LeakyReluGrad { slope: me.slope }, &[x[0], d])?)])
}

pointwise! {
    /// `x` where positive, else `slope * x`, the slope trained (He et al. 2015).
    Prelu {} "prelu" (x, slope) => if x < 0.0 { slope * x } else { x };
    reference x * if x < 0.0 { slope } else { 1.0 };
    grad |_me, g, x, y, dy| {
        let dx = g.apply1(PreluGrad {}, &[x[0], x[1], dy])?;
        let channels = g.shape(x[0]).columns();
        let by_channel = g.shape(x[1])[..] == [channels];
        let dslope = if by_channel {
            g.apply(ChannelSums { factor: Factor::Negative }, &[dy, x[0]])?[1]
        } else {
            g.apply1(PreluSlopeGrad {}, &[x[0], dy])?
        };
        Ok(vec![Some(dx), Some(dslope)])
    }
}

pointwise! {
    /// `dy` where x is positive, else `slope * dy`.
    PreluGrad {} "prelu_grad" (x, slope, dy) => if x > 0.0 { dy } else { slope * dy };
    reference dy * if x > 0.0 { 1.0 } else { slope };
    grad |_me, g, x, y, d| {
        let ddy = g.apply1(PreluGrad {}, &[x[0], x[1], d])?;
        let negative = g.apply1(PreluSlope {}, &[x[0], x[2]])?;
        Ok(vec![None, Some(g.mul(negative, d)?), Some(ddy)])
    }
}

pointwise! {
    /// `dy` where x is not positive, else 0: what the slope multiplies in the gradient.
    PreluSlope {} "prelu_slope" (x, dy) => if x > 0.0 { 0.0 } else { dy };
    reference match x > 0.0 { true => 0.0, false => dy };
    bound |_x, _y| EXACT;
    grad |_me, g, x, y, d| Ok(vec![None, Some(g.apply1(PreluSlope {}, &[x[0], d])?)])
}

pointwise! {
    /// `dy * min(x, 0)`: an element's part of the slope's gradient.
    PreluSlopeGrad {} "prelu_slope_grad" (x, dy) => if x < 0.0 { x * dy } else { 0.0 };
    reference dy * x.min(0.0);
    grad |_me, g, x, y, d| {
        let negative = g.apply1(PreluSlope {}, &[x[0], x[1]])?;
        let dx = g.mul(negative, d)?;
        Ok(vec![Some(dx), Some(g.apply1(PreluSlopeGrad {}, &[x[0], d])?)])
    }
}

pointwise! {
    /// `min(max(x, -1), 1)`; NaN stays NaN.
    Hardtanh {} "hardtanh" (x) => x.clamp(-1.0, 1.0);
    reference if x.abs() <= 1.0 { x } else { x.signum() };
    bound |_x, _y| EXACT;
    grad |_me, g, x, y, dy| Ok(vec![Some(g.apply1(HardtanhGrad {}, &[y[0], dy])?)])
}

pointwise! {
    /// `dy` where the output lies strictly between -1 and 1, else 0.
    HardtanhGrad {} "hardtanh_grad" (y, dy) => if y.abs() < 1.0 { dy } else { 0.0 };
    reference if -1.0 < y && y < 1.0 { dy } else { 0.0 };
    bound |_x, _y| EXACT;
    grad |_me, g, x, y, d| Ok(vec![None, Some(g.apply1(HardtanhGrad {}, &[x[0], d])?)])
}

impl Graph {
    /// `max(x, 0)`. The gradient reads the output: x need not be kept.
    pub fn relu(&mut self, x: Value) -> Result<Value> {
        self.apply1(Relu {}, &[x])
    }

    /// `x` where positive, else `slope * x`, with a fixed slope of at least 0.
    pub fn leaky_relu(&mut self, x: Value, slope: f32) -> Result<Value> {
        if !(slope >= 0.0 && slope.is_finite()) {
            return Err(Error::Config(format!("leaky_relu needs a slope of at least 0, got {slope}")));
        }
        self.apply1(LeakyRelu { slope }, &[x])
    }

    /// `x` where positive, else `slope * x`; `slope` is `[C]` (or broadcasts to x).
    pub fn prelu(&mut self, x: Value, slope: Value) -> Result<Value> {
        self.apply1(Prelu {}, &[x, slope])
    }

    /// `min(max(x, -1), 1)`. The gradient reads the output: x need not be kept.
    pub fn hardtanh(&mut self, x: Value) -> Result<Value> {
        self.apply1(Hardtanh {}, &[x])
    }

    /// RPReLU (Liu et al. 2020, ReActNet): `prelu(x - shift_in, slope) + shift_out`, all `[C]`.
    pub fn rprelu(&mut self, x: Value, shift_in: Value, slope: Value, shift_out: Value) -> Result<Value> {
        let shifted = self.sub(x, shift_in)?;
        let bent = self.prelu(shifted, slope)?;
        self.add(bent, shift_out)
    }

    /// RSign (Liu et al. 2020, ReActNet): the packed signs of `x - threshold`, the threshold `[C]`.
    pub fn rsign(&mut self, x: Value, threshold: Value, ste: super::Ste) -> Result<Value> {
        let shifted = self.sub(x, threshold)?;
        self.sign(shifted, ste)
    }
}
