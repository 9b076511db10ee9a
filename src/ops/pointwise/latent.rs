//! What training does to latent weights besides a gradient step: moving them before the step, limiting their
//! magnitudes, rounding a scale to a power of two.

use crate::error::Result;
use crate::graph::{GradientOf, Grads, Graph, Pointwise, Value};

pointwise! {
    /// The second input; the gradient goes to the first: a parameter that was moved outside of differentiation.
    StandIn {} "stand_in" (leaf, moved) => { let _ = leaf; moved };
    reference { let _ = leaf; moved };
    bound |_x, _y| f32::MIN_POSITIVE as f64;
    gradient Definition;
    grad |_me, g, x, y, dy| Ok(vec![Some(dy), None])
}

pointwise! {
    /// `sign(x) clamp(|x|, low, high)` with sign(0) = +1 (SiMaN's release, before each forward pass).
    ClampMagnitude {} "clamp_magnitude" (x, low, high) => {
        let m = x.abs();
        let m = if m < low { low } else if m > high { high } else { m };
        if x < 0.0 { -m } else { m }
    };
    reference x.abs().clamp(low, high) * if x < 0.0 { -1.0 } else { 1.0 };
    bound |_x, _y| f32::MIN_POSITIVE as f64;
    gradient Definition;
    grad |_me, g, x, y, dy| Ok(vec![None; 3])
}

/// `2^round(log2 x)` of a positive, normal x (IR-Net's scale, which is then a shift). From x's own exponent, so that
/// the result is exact: the mantissa rounds up from sqrt(2) on.
#[derive(Clone, Debug)]
pub struct NearestPowerOfTwo;

/// The mantissa of the smallest f32 over sqrt(2): from here on the logarithm rounds up.
const SQRT_2: u32 = 0x0035_04f4;

fn nearest_power_of_two(x: f32) -> f32 {
    let bits = x.to_bits();
    let exponent = (bits >> 23) + (bits & 0x007f_ffff >= SQRT_2) as u32;
    f32::from_bits(exponent << 23)
}

impl Pointwise for NearestPowerOfTwo {
    fn name(&self) -> &'static str {
        "nearest_power_of_two"
    }

    fn arity(&self) -> usize {
        1
    }

    fn eval(&self, _port: usize, _index: usize, x: &[&[f32]], y: &mut [f32]) {
        y.iter_mut().zip(x[0]).for_each(|(y, &x)| *y = nearest_power_of_two(x));
    }

    fn eval64(&self, _port: usize, _index: usize, x: &[f64]) -> f64 {
        libm::exp2(libm::round(libm::log2(x[0])))
    }

    fn bound(&self, _port: usize, _x: &[f64], _y: f64) -> f64 {
        0.0
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None])
    }

    fn gradient_of(&self) -> GradientOf {
        GradientOf::Definition
    }
}

impl Graph {
    /// `moved`, whose gradient is taken for that of the parameter `leaf`.
    pub fn stand_in(&mut self, leaf: Value, moved: Value) -> Result<Value> {
        self.apply1(StandIn {}, &[leaf, moved])
    }

    /// `sign(x) clamp(|x|, low, high)`, broadcast; no gradient.
    pub fn clamp_magnitude(&mut self, x: Value, low: Value, high: Value) -> Result<Value> {
        self.apply1(ClampMagnitude {}, &[x, low, high])
    }

    /// `2^round(log2 x)` of a positive x; no gradient.
    pub fn nearest_power_of_two(&mut self, x: Value) -> Result<Value> {
        self.apply1(NearestPowerOfTwo, &[x])
    }
}
