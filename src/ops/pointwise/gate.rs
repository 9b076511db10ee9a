//! Keeps what was there when a flag is up: how a step that went wrong changes nothing.

use crate::error::Result;
use crate::graph::{Graph, Value};

pointwise! {
    /// `made` where the flag is 0, else `old`. A selection, not a product: exact whatever the other one
    /// is, NaN included.
    Gate {} "gate" (flag, made, old) => if flag != T::c(0.0) { old } else { made };
    bound |_x, _y| 0.0;
    grad |_me, g, x, y, dy| {
        let zero = g.fill([], 0.0);
        Ok(vec![None, Some(g.gate(x[0], dy, zero)?), Some(g.gate(x[0], zero, dy)?)])
    }
}

impl Graph {
    /// `made` where `flag` is 0, else `old`, broadcast.
    pub fn gate(&mut self, flag: Value, made: Value, old: Value) -> Result<Value> {
        self.apply1(Gate {}, &[flag, made, old])
    }
}
