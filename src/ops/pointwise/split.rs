//! Bits of what lies above a threshold, whose gradient passes straight through (SiMaN's magnitudes, the scores of a mask).
//! Numbers are compared as they are; a device that takes subnormal numbers for zero does so here too.

use crate::error::Result;
use crate::graph::{Grads, Graph, Pointwise, Value};
use crate::kernels::isa::vectorised;
use crate::tensor::DType;

/// `x, threshold` -> bits: 1 where `x > threshold`, or where `x >= threshold`.
#[derive(Clone, Debug)]
pub struct Split {
    /// Whether an element at the threshold is 1.
    pub inclusive: bool,
}

impl Pointwise for Split {
    fn name(&self) -> &'static str {
        "split"
    }

    fn arity(&self) -> usize {
        2
    }

    fn dtype(&self, _port: usize) -> DType {
        DType::Bits
    }

    fn wgsl(&self, _port: usize) -> &'static str {
        if self.inclusive { "greater_equal" } else { "greater" }
    }

    fn eval(&self, _port: usize, _index: usize, x: &[&[f32]], y: &mut [f32]) {
        vectorised(
            #[inline(always)]
            || {
                for ((y, x), t) in y.iter_mut().zip(x[0]).zip(x[1]) {
                    *y = if self.inclusive { x >= t } else { x > t } as u8 as f32;
                }
            },
        );
    }

    fn eval64(&self, _port: usize, _index: usize, x: &[f64]) -> f64 {
        (if self.inclusive { x[0] >= x[1] } else { x[0] > x[1] }) as u8 as f64
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![dy[0], None])
    }
}

impl Graph {
    /// Bits: 1 where `x > threshold`, broadcast. The gradient of the bits is taken for that of x.
    pub fn above(&mut self, x: Value, threshold: Value) -> Result<Value> {
        self.apply1(Split { inclusive: false }, &[x, threshold])
    }

    /// Bits: 1 where `x >= threshold`, broadcast. The gradient of the bits is taken for that of x.
    pub fn at_least(&mut self, x: Value, threshold: Value) -> Result<Value> {
        self.apply1(Split { inclusive: true }, &[x, threshold])
    }
}
