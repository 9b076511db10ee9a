//! `exp(x_i) / Σ exp(x_j)` over the last axis, from differences to the row's maximum.

use super::{exp_sum_error, log_sum_exp};
use crate::error::Result;
use crate::graph::{EPS, Grads, Graph, Value};
use crate::ops::rows::{Extent, RowOp, Rows, largest, total};

/// Softmax of every row.
#[derive(Clone, Debug)]
pub struct Softmax;

impl RowOp for Softmax {
    const INPUTS: &'static [Extent] = &[Extent::Row];
    const OUTPUTS: &'static [Extent] = &[Extent::Row];

    fn name(&self) -> &'static str {
        "softmax"
    }

    fn shader(&self) -> &'static str {
        "softmax/softmax"
    }

    fn row(&self, x: &[&[f32]], y: &mut [&mut [f32]]) {
        let x = x[0];
        let max = largest(x);
        for (y, &x) in y[0].iter_mut().zip(x) {
            *y = (x - max).exp();
        }
        let sum = total(x.len(), |i| y[0][i]);
        y[0].iter_mut().for_each(|y| *y /= sum);
    }

    fn reference(&self, x: &[&[f64]], y: &mut [&mut [f64]]) {
        let log_sum = log_sum_exp(x[0]);
        y[0].iter_mut().zip(x[0]).for_each(|(y, x)| *y = libm::exp(x - log_sum));
    }

    /// The numerator's error, (7 + 5|d|) EPS, that of the sum, and a division.
    fn bound(&self, x: &[&[f64]], y: &[&[f64]]) -> Vec<Vec<f64>> {
        let max = largest(x[0]);
        let of_sum = exp_sum_error(x[0].len());
        let of = |(x, y): (&f64, &f64)| y * ((14.0 + 5.0 * (max - x)) * EPS + of_sum) + 2.0 * f32::MIN_POSITIVE as f64;
        vec![x[0].iter().zip(y[0]).map(of).collect()]
    }

    fn grad(&self, g: &mut Graph, _x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let Some(d) = dy[0] else { return Ok(vec![None]) };
        Ok(vec![Some(g.apply1(Rows(SoftmaxGrad), &[d, y[0]])?)])
    }
}

/// `y (dy - Σ dy y)`.
#[derive(Clone, Debug)]
pub struct SoftmaxGrad;

impl RowOp for SoftmaxGrad {
    const INPUTS: &'static [Extent] = &[Extent::Row, Extent::Row];
    const OUTPUTS: &'static [Extent] = &[Extent::Row];

    fn name(&self) -> &'static str {
        "softmax_grad"
    }

    fn shader(&self) -> &'static str {
        "softmax/softmax_grad"
    }

    fn row(&self, x: &[&[f32]], dx: &mut [&mut [f32]]) {
        let (dy, y) = (x[0], x[1]);
        let sum = total(dy.len(), |i| dy[i] * y[i]);
        for ((dx, &dy), &y) in dx[0].iter_mut().zip(dy).zip(y) {
            *dx = y * (dy - sum);
        }
    }

    /// By the Jacobian `y_i ([i = j] - y_j)`.
    fn reference(&self, x: &[&[f64]], dx: &mut [&mut [f64]]) {
        let weighted: f64 = x[0].iter().zip(x[1]).map(|(dy, y)| dy * y).sum();
        dx[0].iter_mut().zip(x[0].iter().zip(x[1])).for_each(|(dx, (dy, y))| *dx = dy * y - y * weighted);
    }

    /// A sum of n products, a difference, a product.
    fn bound(&self, x: &[&[f64]], _dx: &[&[f64]]) -> Vec<Vec<f64>> {
        let (dy, y) = (x[0], x[1]);
        let sum: f64 = dy.iter().zip(y).map(|(d, y)| (d * y).abs()).sum();
        let n = dy.len() as f64;
        let of = |(d, y): (&f64, &f64)| y.abs() * EPS * ((n + 4.0) * sum + 2.0 * d.abs()) + f32::MIN_POSITIVE as f64;
        vec![dy.iter().zip(y).map(of).collect()]
    }

    /// With s = Σ dy y: d/d(dy) is the same map again; d/dy is `d (dy - s) - dy Σ d y`.
    fn grad(&self, g: &mut Graph, x: &[Value], _y: &[Value], d: &[Option<Value>]) -> Result<Grads> {
        let Some(d) = d[0] else { return Ok(vec![None, None]) };
        let (dy, y) = (x[0], x[1]);
        let last = g.shape(y).len() - 1;
        let of_dy = g.apply1(Rows(SoftmaxGrad), &[d, y])?;
        let s = g.mul(dy, y)?;
        let s = g.sum(s, &[last])?;
        let t = g.mul(d, y)?;
        let t = g.sum(t, &[last])?;
        let first = g.sub(dy, s)?;
        let first = g.mul(d, first)?;
        let second = g.mul(dy, t)?;
        Ok(vec![Some(of_dy), Some(g.sub(first, second)?)])
    }
}

impl Graph {
    /// Softmax over the last axis.
    pub fn softmax(&mut self, x: Value) -> Result<Value> {
        self.apply1(Rows(Softmax), &[x])
    }
}
