//! Rows as directions: `x / max(|x|, eps)`, and their cosine.

use crate::error::{Error, Result};
use crate::graph::{EPS, Grads, Graph, Value};
use crate::ops::rows::{Extent, RowOp, Rows, total};

/// `x [.., D]` -> `x / max(|x|, eps)`, and the factor `1 / max(|x|, eps)` `[.., 1]`.
#[derive(Clone, Debug)]
pub struct L2Normalize {
    /// Smallest norm to divide by.
    pub eps: f32,
}

impl RowOp for L2Normalize {
    const INPUTS: &'static [Extent] = &[Extent::Row];
    const OUTPUTS: &'static [Extent] = &[Extent::Row, Extent::One];

    fn name(&self) -> &'static str {
        "l2_normalize"
    }

    fn shader(&self) -> &'static str {
        "softmax/l2_normalize"
    }

    fn constants(&self) -> Vec<(&'static str, f64)> {
        vec![("EPS", self.eps as f64)]
    }

    fn row(&self, x: &[&[f32]], y: &mut [&mut [f32]]) {
        let x = x[0];
        let norm = total(x.len(), |i| x[i] * x[i]).sqrt();
        let factor = 1.0 / if norm > self.eps { norm } else { self.eps };
        for (y, &x) in y[0].iter_mut().zip(x) {
            *y = x * factor;
        }
        y[1][0] = factor;
    }

    fn reference(&self, x: &[&[f64]], y: &mut [&mut [f64]]) {
        let length = libm::sqrt(x[0].iter().map(|x| x.powi(2)).sum());
        let divisor = length.max(self.eps as f64);
        y[0].iter_mut().zip(x[0]).for_each(|(y, x)| *y = x / divisor);
        y[1][0] = 1.0 / divisor;
    }

    /// Half the relative error of a sum of n squares, a root (10 EPS), a division (5), a product.
    fn bound(&self, x: &[&[f64]], y: &[&[f64]]) -> Vec<Vec<f64>> {
        let relative = (0.5 * x[0].len() as f64 + 18.0) * EPS;
        let of = |y: &f64| relative * y.abs() + f32::MIN_POSITIVE as f64;
        vec![y[0].iter().map(of).collect(), y[1].iter().map(of).collect()]
    }

    fn grad(&self, g: &mut Graph, _x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        if dy[1].is_some() {
            return Err(Error::Config("l2_normalize: its factor has no gradient".to_string()));
        }
        let Some(d) = dy[0] else { return Ok(vec![None]) };
        Ok(vec![Some(g.apply1(Rows(L2NormalizeGrad { eps: self.eps }), &[d, y[0], y[1]])?)])
    }
}

/// `factor (dy - y Σ dy y)`; below the smallest norm, where the factor is a constant, `factor dy`.
#[derive(Clone, Debug)]
pub struct L2NormalizeGrad {
    /// Smallest norm to divide by.
    pub eps: f32,
}

impl L2NormalizeGrad {
    /// Factors from here on are those of norms that were too small (but for rounding).
    fn limit(&self) -> f64 {
        (0.999_99 / self.eps as f64).min(f32::MAX as f64)
    }
}

impl RowOp for L2NormalizeGrad {
    const INPUTS: &'static [Extent] = &[Extent::Row, Extent::Row, Extent::One];
    const OUTPUTS: &'static [Extent] = &[Extent::Row];

    fn name(&self) -> &'static str {
        "l2_normalize_grad"
    }

    fn shader(&self) -> &'static str {
        "softmax/l2_normalize_grad"
    }

    fn constants(&self) -> Vec<(&'static str, f64)> {
        vec![("LIMIT", self.limit())]
    }

    fn row(&self, x: &[&[f32]], dx: &mut [&mut [f32]]) {
        let (dy, y, factor) = (x[0], x[1], x[2][0]);
        let along = match factor < self.limit() as f32 {
            true => total(dy.len(), |i| dy[i] * y[i]),
            false => 0.0,
        };
        for ((dx, &dy), &y) in dx[0].iter_mut().zip(dy).zip(y) {
            *dx = factor * (dy - y * along);
        }
    }

    /// What lies along y is taken away, unless the length was not what x was divided by.
    fn reference(&self, x: &[&[f64]], dx: &mut [&mut [f64]]) {
        let (dy, y, factor) = (x[0], x[1], x[2][0]);
        let fixed = factor >= self.limit();
        let component: f64 = if fixed { 0.0 } else { dy.iter().zip(y).map(|(dy, y)| dy * y).sum() };
        dx[0].iter_mut().enumerate().for_each(|(i, dx)| *dx = factor * dy[i] - factor * component * y[i]);
    }

    /// A sum of n products, and three roundings.
    fn bound(&self, x: &[&[f64]], _dx: &[&[f64]]) -> Vec<Vec<f64>> {
        let (dy, y, factor) = (x[0], x[1], x[2][0]);
        let along: f64 = dy.iter().zip(y).map(|(d, y)| (d * y).abs()).sum();
        let n = dy.len() as f64;
        let of = |(d, y): (&f64, &f64)| {
            factor * EPS * ((n + 5.0) * y.abs() * along + 3.0 * d.abs()) + f32::MIN_POSITIVE as f64
        };
        vec![dy.iter().zip(y).map(of).collect()]
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Err(Error::Config("l2_normalize has no second derivative".to_string()))
    }
}

impl Graph {
    /// `x / max(|x|, eps)` over the last axis (PyTorch's eps is 1e-12).
    pub fn l2_normalize(&mut self, x: Value, eps: f32) -> Result<Value> {
        if !(eps > 0.0 && eps.is_finite()) {
            return Err(Error::Config(format!("l2_normalize needs an eps over 0, got {eps}")));
        }
        Ok(self.apply(Rows(L2Normalize { eps }), &[x])?[0])
    }

    /// Cosine of the angle between the rows (last axis) of a and b: `[.., D]` -> `[.., 1]`.
    pub fn cosine_similarity(&mut self, a: Value, b: Value, eps: f32) -> Result<Value> {
        let a = self.l2_normalize(a, eps)?;
        let b = self.l2_normalize(b, eps)?;
        let products = self.mul(a, b)?;
        let last = self.shape(products).len() - 1;
        self.sum(products, &[last])
    }
}
