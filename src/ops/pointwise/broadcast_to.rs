//! Repeats a tensor along new or unit axes.

use crate::error::Result;
use crate::graph::{Grads, Graph, Pointwise, Value};
use crate::tensor::Shape;

/// `x`, repeated to a shape.
#[derive(Clone, Debug)]
pub struct BroadcastTo {
    /// The shape.
    pub shape: Shape,
}

impl Pointwise for BroadcastTo {
    fn name(&self) -> &'static str {
        "broadcast_to"
    }

    fn arity(&self) -> usize {
        1
    }

    fn shape(&self) -> Option<&Shape> {
        Some(&self.shape)
    }

    fn eval(&self, _port: usize, _index: usize, x: &[&[f32]], y: &mut [f32]) {
        y.copy_from_slice(x[0]);
    }

    fn eval64(&self, _port: usize, _index: usize, x: &[f64]) -> f64 {
        x[0]
    }

    fn bound(&self, _port: usize, _x: &[f64], _y: f64) -> f64 {
        0.0
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![dy[0]])
    }
}

impl Graph {
    /// `x`, repeated to `shape` by NumPy's rule.
    pub fn broadcast_to(&mut self, x: Value, shape: impl Into<Shape>) -> Result<Value> {
        let shape = shape.into();
        if *self.shape(x) == shape {
            return Ok(x);
        }
        self.apply1(BroadcastTo { shape }, &[x])
    }
}
