//! Uniform random numbers.

use super::{for_words, key_halves, unit, word};
use crate::error::{Error, Result};
use crate::graph::{Grads, Graph, Pointwise, Value};
use crate::rng::Philox;
use crate::tensor::Shape;

/// `y[i]` in [0, 1): 24 bits of Philox word i of the step, of the stream and seed of `philox`. The
/// step is a scalar, exact below 2^24.
#[derive(Clone, Debug)]
pub struct RandomUniform {
    /// The stream.
    pub philox: Philox,
    /// The lowest of the 24 bits; 8 gives the upper ones, as [`Philox::uniform`] does.
    pub shift: u32,
    /// Extents.
    pub shape: Shape,
}

impl Pointwise for RandomUniform {
    fn name(&self) -> &'static str {
        "random_uniform"
    }

    fn arity(&self) -> usize {
        1
    }

    fn shape(&self) -> Option<&Shape> {
        Some(&self.shape)
    }

    fn constants(&self) -> Vec<f32> {
        let [a, b, c, d] = key_halves(&self.philox);
        vec![a, b, c, d, self.shift as f32]
    }

    fn uses_index(&self) -> bool {
        true
    }

    fn eval(&self, _port: usize, index: usize, x: &[&[f32]], y: &mut [f32]) {
        let n = y.len();
        for_words(&self.philox, index, n, |i| x[0][i] as u64, |i, w| y[i] = unit(w, self.shift));
    }

    fn eval64(&self, _port: usize, index: usize, x: &[f64]) -> f64 {
        let word = word(&self.philox, x[0] as u64, index) as f64;
        (word / libm::exp2(self.shift as f64)).floor() % 16_777_216.0 / 16_777_216.0
    }

    /// The same words on every device.
    fn bound(&self, _port: usize, _x: &[f64], _y: f64) -> f64 {
        0.0
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None])
    }
}

impl Graph {
    /// Uniform numbers in [0, 1) of 24 bits; `step` is one number, such as a scalar.
    pub fn random_uniform(&mut self, shape: impl Into<Shape>, seed: u64, stream: u64, step: Value) -> Result<Value> {
        if self.shape(step).elements() != 1 {
            return Err(Error::shape("random_uniform", format!("the step is one number, not {}", self.meta(step))));
        }
        let op = RandomUniform { philox: Philox::new(seed, stream), shift: 8, shape: shape.into() };
        self.apply1(op, &[step])
    }
}
