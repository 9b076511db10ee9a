//! `x * a + b`: the affine map by channel that normalisation ends with.

use crate::error::Result;
use crate::graph::{EPS, Graph, Value};

pointwise! {
    /// `x * a + b`.
    ScaleShift {} "scale_shift" (x, a, b) => x * a + b;
    reference a * x + b;
    // Two roundings, or one where the device fuses them.
    bound |x, _y| 2.0 * EPS * ((x[0] * x[1]).abs() + x[2].abs()) + f32::MIN_POSITIVE as f64;
    grad |_me, g, x, y, dy| Ok(vec![Some(g.mul(dy, x[1])?), Some(g.mul(dy, x[0])?), Some(dy)])
}

impl Graph {
    /// `x * a + b`, broadcast.
    pub fn scale_shift(&mut self, x: Value, a: Value, b: Value) -> Result<Value> {
        self.apply1(ScaleShift {}, &[x, a, b])
    }
}
