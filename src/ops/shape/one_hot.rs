//! Class numbers as indicator rows.

use crate::error::{Error, Result};
use crate::graph::{Grads, Graph, Pointwise, Value};
use crate::tensor::{DType, Shape};

/// `y[…, c] = 1` where `c` is the number, else 0. Pointwise over its result, so that it fuses with the
/// loss that reads it and never reaches memory.
#[derive(Clone, Debug)]
pub struct OneHot {
    /// Extents of the result.
    pub shape: Shape,
}

impl Pointwise for OneHot {
    fn name(&self) -> &'static str {
        "one_hot"
    }

    fn arity(&self) -> usize {
        1
    }

    fn shape(&self) -> Option<&Shape> {
        Some(&self.shape)
    }

    fn constants(&self) -> Vec<f32> {
        vec![self.shape.columns() as f32]
    }

    fn uses_index(&self) -> bool {
        true
    }

    fn eval(&self, _port: usize, index: usize, x: &[&[f32]], y: &mut [f32]) {
        let classes = self.shape.columns();
        for (i, (y, &x)) in y.iter_mut().zip(x[0]).enumerate() {
            *y = (((index + i) % classes) as f32 == x) as u8 as f32;
        }
    }

    fn eval64(&self, _port: usize, index: usize, x: &[f64]) -> f64 {
        ((index % self.shape.columns()) as f64 == x[0]) as u8 as f64
    }

    fn bound(&self, _port: usize, _x: &[f64], _y: f64) -> f64 {
        0.0
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None])
    }
}

impl Graph {
    /// `[…]` class numbers (u32) as `[…, classes]` rows with a 1 at the number; a number from `classes`
    /// on gives a row of zeros.
    pub fn one_hot(&mut self, labels: Value, classes: usize) -> Result<Value> {
        if self.dtype(labels) != DType::U32 || classes == 0 || classes > 1 << 24 {
            let m = format!("wants u32 labels and 1 to 2^24 classes, got {} and {classes}", self.meta(labels));
            return Err(Error::shape("one_hot", m));
        }
        let from = self.shape(labels).clone();
        let column = self.reshape(labels, [&from[..], &[1]].concat())?;
        let shape = Shape::new([&from[..], &[classes]].concat());
        self.apply1(OneHot { shape }, &[column])
    }
}
