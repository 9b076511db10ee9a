//! Comparing and choosing: maximum, minimum, clamp, equal, greater, select, gate, finite_flag.
//! All exact (a device may flush a result below the normal f32 numbers to zero).

use crate::error::{Error, Result};
use crate::graph::{Graph, Value};

const EXACT: f64 = f32::MIN_POSITIVE as f64;

pointwise! {
    /// The larger of a and b. At a tie the gradient goes to a.
    Maximum {} "maximum" (a, b) => if a >= b { a } else { b };
    reference a.max(b);
    bound |_x, _y| EXACT;
    grad |_me, g, x, y, dy| {
        let first = g.greater_equal(x[0], x[1])?;
        split(g, first, dy)
    }
}

pointwise! {
    /// The smaller of a and b. At a tie the gradient goes to a.
    Minimum {} "minimum" (a, b) => if a <= b { a } else { b };
    reference a.min(b);
    bound |_x, _y| EXACT;
    grad |_me, g, x, y, dy| {
        let first = g.greater_equal(x[1], x[0])?;
        split(g, first, dy)
    }
}

/// `dy` to the first of two inputs where the flag is 1, to the second elsewhere.
fn split(g: &mut Graph, first: Value, dy: Value) -> Result<Vec<Option<Value>>> {
    let zero = g.fill([], 0.0);
    Ok(vec![Some(g.select(first, dy, zero)?), Some(g.select(first, zero, dy)?)])
}

pointwise! {
    /// x, but at least `low` and at most `high`; NaN stays NaN.
    Clamp { low: f32, high: f32 } "clamp" as "clamp_to" (x) =>
        if x < low { low } else if x > high { high } else { x };
    reference x.clamp(low, high);
    bound |_x, _y| EXACT;
    grad |me, g, x, y, dy| Ok(vec![Some(g.apply1(ClampGrad { low: me.low, high: me.high }, &[x[0], dy])?)])
}

pointwise! {
    /// `dy` where x lies in [low, high], else 0.
    ClampGrad { low: f32, high: f32 } "clamp_grad" (x, dy) =>
        if x >= low && x <= high { dy } else { 0.0 };
    reference if (low..=high).contains(&x) { dy } else { 0.0 };
    bound |_x, _y| EXACT;
    grad |me, g, x, y, d| {
        Ok(vec![None, Some(g.apply1(ClampGrad { low: me.low, high: me.high }, &[x[0], d])?)])
    }
}

pointwise! {
    /// 1 where `a == b`, else 0.
    Equal {} "equal" (a, b) => if a == b { 1.0 } else { 0.0 };
    reference (a == b) as u8 as f64;
    bound |_x, _y| 0.0;
    grad |_me, g, x, y, dy| Ok(vec![None, None])
}

pointwise! {
    /// 1 where `a > b`, else 0.
    Greater {} "greater" (a, b) => if a > b { 1.0 } else { 0.0 };
    reference (a > b) as u8 as f64;
    bound |_x, _y| 0.0;
    grad |_me, g, x, y, dy| Ok(vec![None, None])
}

pointwise! {
    /// 1 where `a >= b`, else 0.
    GreaterEqual {} "greater_equal" (a, b) => if a >= b { 1.0 } else { 0.0 };
    reference (b <= a) as u8 as f64;
    bound |_x, _y| 0.0;
    grad |_me, g, x, y, dy| Ok(vec![None, None])
}

pointwise! {
    /// `a` where the condition is not 0, else `b`; the other one does not matter, not even as NaN.
    Select {} "select" as "select_if" (condition, a, b) => if condition == 0.0 { b } else { a };
    reference match condition != 0.0 { true => a, false => b };
    bound |_x, _y| EXACT;
    grad |_me, g, x, y, dy| {
        let mut d = split(g, x[0], dy)?;
        d.insert(0, None);
        Ok(d)
    }
}

pointwise! {
    /// 1 where x is infinite or NaN, else 0. The shader looks at the exponent's bits, because
    /// compilers may assume that there is no such number.
    FiniteFlag {} "finite_flag" (x) => if x.is_finite() { 0.0 } else { 1.0 };
    reference if x.abs() < f64::INFINITY { 0.0 } else { 1.0 };
    bound |_x, _y| 0.0;
    grad |_me, g, x, y, dy| Ok(vec![None])
}

pointwise! {
    /// 1 where `x > threshold`, else 0; the gradient goes straight through to x (Self-Masking Networks, equation 1).
    StepAbove {} "step_above" as "greater" (x, threshold) => if x > threshold { 1.0 } else { 0.0 };
    reference (x > threshold) as u8 as f64;
    bound |_x, _y| 0.0;
    gradient Definition;
    grad |_me, g, x, y, dy| Ok(vec![Some(dy), None])
}

impl Graph {
    /// 1 where `x > threshold`, else 0, broadcast; the gradient of x is that of the result.
    pub fn step_above(&mut self, x: Value, threshold: Value) -> Result<Value> {
        self.apply1(StepAbove {}, &[x, threshold])
    }

    /// The larger of a and b, broadcast.
    pub fn maximum(&mut self, a: Value, b: Value) -> Result<Value> {
        self.apply1(Maximum {}, &[a, b])
    }

    /// The smaller of a and b, broadcast.
    pub fn minimum(&mut self, a: Value, b: Value) -> Result<Value> {
        self.apply1(Minimum {}, &[a, b])
    }

    /// x, but at least `low` and at most `high`; gradient 1 on the closed range, else 0.
    pub fn clamp(&mut self, x: Value, low: f32, high: f32) -> Result<Value> {
        if !(low <= high && low.is_finite() && high.is_finite()) {
            return Err(Error::Config(format!("clamp needs finite bounds in order, got {low} and {high}")));
        }
        self.apply1(Clamp { low, high }, &[x])
    }

    /// 1 where `a == b`, else 0; no gradient.
    pub fn equal(&mut self, a: Value, b: Value) -> Result<Value> {
        self.apply1(Equal {}, &[a, b])
    }

    /// 1 where `a > b`, else 0; no gradient.
    pub fn greater(&mut self, a: Value, b: Value) -> Result<Value> {
        self.apply1(Greater {}, &[a, b])
    }

    /// 1 where `a >= b`, else 0; no gradient.
    pub fn greater_equal(&mut self, a: Value, b: Value) -> Result<Value> {
        self.apply1(GreaterEqual {}, &[a, b])
    }

    /// `a` where `condition` is not 0, else `b`, broadcast.
    pub fn select(&mut self, condition: Value, a: Value, b: Value) -> Result<Value> {
        self.apply1(Select {}, &[condition, a, b])
    }

    /// `new` where `flag` is 0, else `old`: exactly, even when `new` is not finite.
    pub fn gate(&mut self, flag: Value, new: Value, old: Value) -> Result<Value> {
        self.select(flag, old, new)
    }

    /// 1 where x is infinite or NaN, else 0; no gradient.
    pub fn finite_flag(&mut self, x: Value) -> Result<Value> {
        self.apply1(FiniteFlag {}, &[x])
    }
}
