//! Sums, differences, products and quotients, with broadcasting.

use crate::error::Result;
use crate::graph::{EPS, Graph, Value};

pointwise! {
    /// `a + b`.
    Add {} "add" (a, b) => a + b;
    reference a + b;
    grad |_me, g, x, y, dy| Ok(vec![Some(dy), Some(dy)])
}

pointwise! {
    /// `a - b`.
    Sub {} "sub" (a, b) => a - b;
    reference a - b;
    grad |_me, g, x, y, dy| Ok(vec![Some(dy), Some(g.scale(dy, -1.0)?)])
}

pointwise! {
    /// `a * b`.
    Mul {} "mul" (a, b) => a * b;
    reference a * b;
    grad |_me, g, x, y, dy| Ok(vec![Some(g.mul(dy, x[1])?), Some(g.mul(dy, x[0])?)])
}

pointwise! {
    /// `a / b`; WGSL allows 2.5 units in the last place.
    Div {} "div" (a, b) => a / b;
    reference a / b;
    bound |_x, y| 5.0 * EPS * y.abs() + f32::MIN_POSITIVE as f64;
    grad |_me, g, x, y, dy| {
        let da = g.div(dy, x[1])?;
        let t = g.mul(da, y[0])?;
        Ok(vec![Some(da), Some(g.scale(t, -1.0)?)])
    }
}

pointwise! {
    /// `factor * x`, the factor fixed when the graph is built.
    Scale { factor: f32 } "scale" (x) => x * factor;
    reference factor * x;
    grad |me, g, x, y, dy| Ok(vec![Some(g.scale(dy, me.factor)?)])
}

pointwise! {
    /// `x + term`, the term fixed when the graph is built.
    Offset { term: f32 } "offset" (x) => x + term;
    reference term + x;
    grad |_me, g, x, y, dy| Ok(vec![Some(dy)])
}

pointwise! {
    /// `v` where `a == b`, else 0.
    EqualThen {} "equal_then" (a, b, v) => if a == b { v } else { 0.0 };
    reference match a == b { true => v, false => 0.0 };
    grad |_me, g, x, y, dy| Ok(vec![None, None, Some(g.equal_then(x[0], x[1], dy)?)])
}

impl Graph {
    /// `v` where `a == b`, else 0.
    pub fn equal_then(&mut self, a: Value, b: Value, v: Value) -> Result<Value> {
        self.apply1(EqualThen {}, &[a, b, v])
    }

    /// `a + b`, broadcast.
    pub fn add(&mut self, a: Value, b: Value) -> Result<Value> {
        self.apply1(Add {}, &[a, b])
    }

    /// `a - b`, broadcast.
    pub fn sub(&mut self, a: Value, b: Value) -> Result<Value> {
        self.apply1(Sub {}, &[a, b])
    }

    /// `a * b`, broadcast.
    pub fn mul(&mut self, a: Value, b: Value) -> Result<Value> {
        self.apply1(Mul {}, &[a, b])
    }

    /// `a / b`, broadcast.
    pub fn div(&mut self, a: Value, b: Value) -> Result<Value> {
        self.apply1(Div {}, &[a, b])
    }

    /// `factor * x`.
    pub fn scale(&mut self, x: Value, factor: f32) -> Result<Value> {
        self.apply1(Scale { factor }, &[x])
    }

    /// `x + term`.
    pub fn offset(&mut self, x: Value, term: f32) -> Result<Value> {
        self.apply1(Offset { term }, &[x])
    }
}
