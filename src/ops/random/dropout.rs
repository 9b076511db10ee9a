//! Dropout (Srivastava et al. 2014), scaled while training.

use super::{for_words, key_halves, unit, word};
use crate::error::{Error, Result};
use crate::graph::{EPS, Grads, Graph, Pointwise, Value};
use crate::rng::Philox;

/// `x / (1 - p)` where the element's random number is at least p, else 0. The gradient is the same op on
/// `dy`: the mask is made again from (seed, stream, step, element), so that nothing is kept for it.
#[derive(Clone, Debug)]
pub struct Dropout {
    /// Share of elements that become 0.
    pub p: f32,
    /// The stream.
    pub philox: Philox,
}

impl Dropout {
    fn keeps(&self, word: u32) -> bool {
        unit(word, 8) >= self.p
    }

    fn factor(&self) -> f32 {
        1.0 / (1.0 - self.p)
    }
}

impl Pointwise for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn arity(&self) -> usize {
        2
    }

    fn constants(&self) -> Vec<f32> {
        let [a, b, c, d] = key_halves(&self.philox);
        vec![a, b, c, d, self.p, self.factor()]
    }

    fn uses_index(&self) -> bool {
        true
    }

    fn eval(&self, _port: usize, index: usize, x: &[&[f32]], y: &mut [f32]) {
        let factor = self.factor();
        let n = y.len();
        for_words(
            &self.philox,
            index,
            n,
            |i| x[1][i] as u64,
            |i, w| {
                y[i] = if self.keeps(w) { x[0][i] * factor } else { 0.0 };
            },
        );
    }

    fn eval64(&self, _port: usize, index: usize, x: &[f64]) -> f64 {
        // The upper 24 bits of the word are the digits of a number in 0..1.
        let number = (word(&self.philox, x[1] as u64, index) / 256) as f64 / 16_777_216.0;
        // What the others are multiplied by is a number of the graph, in f32.
        if number < self.p as f64 { 0.0 } else { x[0] * (1.0 / (1.0 - self.p)) as f64 }
    }

    fn bound(&self, _port: usize, _x: &[f64], y: f64) -> f64 {
        EPS * y.abs() + f32::MIN_POSITIVE as f64
    }

    fn grad(&self, g: &mut Graph, x: &[Value], _y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![dy[0].map(|d| g.apply1(self.clone(), &[d, x[1]])).transpose()?, None])
    }
}

impl Graph {
    /// Dropout of a share `p` of the elements; `step` is one number, such as a scalar.
    pub fn dropout(&mut self, x: Value, p: f32, seed: u64, stream: u64, step: Value) -> Result<Value> {
        if !(0.0..1.0).contains(&p) || self.shape(step).elements() != 1 {
            let m = format!("wants a share in 0..1 and a step of one number, got {p} and {}", self.meta(step));
            return Err(Error::shape("dropout", m));
        }
        if p == 0.0 {
            return Ok(x);
        }
        self.apply1(Dropout { p, philox: Philox::new(seed, stream) }, &[x, step])
    }
}
