//! Layer normalisation over the last axis (Ba et al. 2016): `(x - mean) / sqrt(var + eps)`. Its variance is biased;
//! with the unbiased one, Σ (x - mean)² / (n - 1), it is how IR-Net and SiMaN standardise the weights of a filter. Backward
//! keeps the result and 1/std of every row; x can die.

use crate::error::{Error, Result};
use crate::graph::{EPS, Grads, Graph, Meta, Value};
use crate::ops::rows::{Extent, RowOp, Rows, total};

/// `x [.., D]` -> normalised `[.., D]`, 1/std `[.., 1]`.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    /// Added to the variance.
    pub eps: f32,
    /// Divides by n - 1 instead of n.
    pub unbiased: bool,
}

/// By what the sum of n squares is divided.
fn degrees(n: usize, unbiased: bool) -> f64 {
    (n - unbiased as usize) as f64
}

impl RowOp for LayerNorm {
    const INPUTS: &'static [Extent] = &[Extent::Row];
    const OUTPUTS: &'static [Extent] = &[Extent::Row, Extent::One];

    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn shader(&self) -> &'static str {
        "norm/layer_norm"
    }

    fn constants(&self) -> Vec<(&'static str, f64)> {
        vec![("EPS", self.eps as f64), ("TAKEN", self.unbiased as u8 as f64)]
    }

    fn row(&self, x: &[&[f32]], y: &mut [&mut [f32]]) {
        let x = x[0];
        let n = x.len() as f32;
        let mean = total(x.len(), |i| x[i]) / n;
        let var = total(x.len(), |i| (x[i] - mean) * (x[i] - mean)) / degrees(x.len(), self.unbiased) as f32;
        let inv_std = 1.0 / (var + self.eps).sqrt();
        for (y, &x) in y[0].iter_mut().zip(x) {
            *y = (x - mean) * inv_std;
        }
        y[1][0] = inv_std;
    }

    fn reference(&self, x: &[&[f64]], y: &mut [&mut [f64]]) {
        let count = x[0].len() as f64;
        let mean = x[0].iter().sum::<f64>() / count;
        let squares: f64 = x[0].iter().map(|x| (x - mean).powi(2)).sum();
        let variance = if self.unbiased { squares / (count - 1.0) } else { squares / count };
        let std = libm::sqrt(variance + self.eps as f64);
        y[0].iter_mut().zip(x[0]).for_each(|(y, x)| *y = (x - mean) / std);
        y[1][0] = 1.0 / std;
    }

    /// The mean is off by at most δ = (n + 6) EPS mean|x|. The variance is off by (n + 10) EPS of itself
    /// and by δ² (the first-order term cancels), half of which, relatively, reaches 1/std; then x - mean and
    /// the product are rounded.
    fn bound(&self, x: &[&[f64]], y: &[&[f64]]) -> Vec<Vec<f64>> {
        let n = x[0].len() as f64;
        let inv_std = y[1][0];
        let magnitude = x[0].iter().map(|v| v.abs()).sum::<f64>() / n;
        let of_mean = (n + 6.0) * EPS * magnitude;
        let of_inv_std = (n + 20.0) * EPS + (2.0 * of_mean * inv_std).powi(2);
        let of_row = y[0].iter().map(|v| of_mean * inv_std * 2.0 + (of_inv_std + 4.0 * EPS) * v.abs()).collect();
        vec![of_row, vec![of_inv_std * inv_std]]
    }

    fn grad(&self, g: &mut Graph, _x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        if dy[1].is_some() {
            return Err(Error::Config("layer_norm: its 1/std has no gradient".to_string()));
        }
        let Some(d) = dy[0] else { return Ok(vec![None]) };
        Ok(vec![Some(g.apply1(Rows(LayerNormGrad { unbiased: self.unbiased }), &[d, y[0], y[1]])?)])
    }
}

/// `dx = inv_std (dy - mean(dy) - y Σ dy y / n)`, y being the normalised row, and n - 1 standing for the second n if the
/// variance is unbiased.
#[derive(Clone, Debug)]
pub struct LayerNormGrad {
    /// Whether the variance is.
    pub unbiased: bool,
}

impl RowOp for LayerNormGrad {
    const INPUTS: &'static [Extent] = &[Extent::Row, Extent::Row, Extent::One];
    const OUTPUTS: &'static [Extent] = &[Extent::Row];

    fn name(&self) -> &'static str {
        "layer_norm_grad"
    }

    fn shader(&self) -> &'static str {
        "norm/layer_norm_grad"
    }

    fn constants(&self) -> Vec<(&'static str, f64)> {
        vec![("TAKEN", self.unbiased as u8 as f64)]
    }

    fn row(&self, x: &[&[f32]], dx: &mut [&mut [f32]]) {
        let (dy, y, inv_std) = (x[0], x[1], x[2][0]);
        let n = dy.len() as f32;
        let level = total(dy.len(), |i| dy[i]) / n;
        let slope = total(dy.len(), |i| dy[i] * y[i]) / degrees(dy.len(), self.unbiased) as f32;
        for ((dx, &dy), &y) in dx[0].iter_mut().zip(dy).zip(y) {
            *dx = inv_std * (dy - level - y * slope);
        }
    }

    fn reference(&self, x: &[&[f64]], dx: &mut [&mut [f64]]) {
        let (dy, y, inv_std) = (x[0], x[1], x[2][0]);
        let count = dy.len() as f64;
        let mean = dy.iter().sum::<f64>() / count;
        let products: f64 = dy.iter().zip(y).map(|(dy, y)| dy * y).sum();
        let along = products / if self.unbiased { count - 1.0 } else { count };
        dx[0].iter_mut().enumerate().for_each(|(i, dx)| *dx = inv_std * (dy[i] - mean) - inv_std * along * y[i]);
    }

    /// Two sums of n terms, and some roundings of the terms of the formula.
    fn bound(&self, x: &[&[f64]], _dx: &[&[f64]]) -> Vec<Vec<f64>> {
        let (dy, y, inv_std) = (x[0], x[1], x[2][0]);
        let n = dy.len() as f64;
        let level = dy.iter().map(|d| d.abs()).sum::<f64>() / n;
        let slope = dy.iter().zip(y).map(|(d, y)| (d * y).abs()).sum::<f64>() / degrees(dy.len(), self.unbiased);
        vec![
            dy.iter()
                .zip(y)
                .map(|(d, y)| {
                    inv_std * EPS * ((n + 12.0) * (level + y.abs() * slope) + 4.0 * d.abs()) + f32::MIN_POSITIVE as f64
                })
                .collect(),
        ]
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Err(Error::Config("layer_norm has no second derivative".to_string()))
    }
}

impl Graph {
    /// Layer normalisation over the last axis, then `gamma` and `beta` `[D]`.
    pub fn layer_norm(&mut self, x: Value, gamma: Value, beta: Value, eps: f32) -> Result<Value> {
        let d = self.shape(x).columns();
        for v in [gamma, beta] {
            if *self.meta(v) != Meta::f32([d]) {
                let (x, v) = (self.meta(x), self.meta(v));
                return Err(Error::shape("layer_norm", format!("gamma and beta of {x} must be f32[{d}], got {v}")));
            }
        }
        let normalised = self.apply(Rows(LayerNorm { eps, unbiased: false }), &[x])?[0];
        self.scale_shift(normalised, gamma, beta)
    }

    /// Each row (last axis) brought to mean 0 and variance 1: `(x - mean) / sqrt(var + eps)`, var unbiased (SiMaN's
    /// code; IR-Net's with eps = 0). The gradient of a row sums to 0.
    pub fn standardize(&mut self, x: Value, eps: f32) -> Result<Value> {
        if self.shape(x).is_empty() || self.shape(x).columns() < 2 {
            let m = format!("a row of one number has no variance, and {} has such rows", self.meta(x));
            return Err(Error::shape("standardize", m));
        }
        Ok(self.apply(Rows(LayerNorm { eps, unbiased: true }), &[x])?[0])
    }
}
