//! `x_i - ln Σ exp(x_j)` over the last axis, from differences to the row's maximum.

use super::{exp_sum_error, log_sum_exp};
use crate::error::Result;
use crate::graph::{EPS, Grads, Graph, Value};
use crate::ops::rows::{Extent, RowOp, Rows, largest, total};

/// Logarithm of the softmax of every row.
#[derive(Clone, Debug)]
pub struct LogSoftmax;

impl RowOp for LogSoftmax {
    const INPUTS: &'static [Extent] = &[Extent::Row];
    const OUTPUTS: &'static [Extent] = &[Extent::Row];

    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn shader(&self) -> &'static str {
        "softmax/log_softmax"
    }

    fn row(&self, x: &[&[f32]], y: &mut [&mut [f32]]) {
        let x = x[0];
        let max = largest(x);
        let log_sum = total(x.len(), |i| (x[i] - max).exp()).ln();
        for (y, &x) in y[0].iter_mut().zip(x) {
            *y = (x - max) - log_sum;
        }
    }

    fn reference(&self, x: &[&[f64]], y: &mut [&mut [f64]]) {
        let log_sum = log_sum_exp(x[0]);
        y[0].iter_mut().zip(x[0]).for_each(|(y, x)| *y = x - log_sum);
    }

    /// The difference, the sum's relative error under the logarithm, the logarithm's own error (2^-21 or
    /// 3 units in the last place), the last difference.
    fn bound(&self, x: &[&[f64]], y: &[&[f64]]) -> Vec<Vec<f64>> {
        let max = largest(x[0]);
        let of_sum = exp_sum_error(x[0].len()) + 2f64.powi(-21);
        let of = |(x, y): (&f64, &f64)| {
            let d = max - x;
            EPS * d + of_sum + 8.0 * EPS * (y.abs() - d).abs() + 2.0 * EPS * y.abs()
        };
        vec![x[0].iter().zip(y[0]).map(of).collect()]
    }

    fn grad(&self, g: &mut Graph, _x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let Some(d) = dy[0] else { return Ok(vec![None]) };
        Ok(vec![Some(g.apply1(Rows(LogSoftmaxGrad), &[d, y[0]])?)])
    }
}

/// `dy - exp(y) Σ dy`.
#[derive(Clone, Debug)]
pub struct LogSoftmaxGrad;

impl RowOp for LogSoftmaxGrad {
    const INPUTS: &'static [Extent] = &[Extent::Row, Extent::Row];
    const OUTPUTS: &'static [Extent] = &[Extent::Row];

    fn name(&self) -> &'static str {
        "log_softmax_grad"
    }

    fn shader(&self) -> &'static str {
        "softmax/log_softmax_grad"
    }

    fn row(&self, x: &[&[f32]], dx: &mut [&mut [f32]]) {
        let (dy, y) = (x[0], x[1]);
        let sum = total(dy.len(), |i| dy[i]);
        for ((dx, &dy), &y) in dx[0].iter_mut().zip(dy).zip(y) {
            *dx = dy - y.exp() * sum;
        }
    }

    /// By the Jacobian `[i = j] - p_i`, p being the softmax.
    fn reference(&self, x: &[&[f64]], dx: &mut [&mut [f64]]) {
        let all: f64 = x[0].iter().sum();
        dx[0].iter_mut().zip(x[0].iter().zip(x[1])).for_each(|(dx, (dy, y))| *dx = dy - all * libm::exp(*y));
    }

    /// A sum of n terms, exp with (6 + 4|y|) EPS, a product, a difference.
    fn bound(&self, x: &[&[f64]], dx: &[&[f64]]) -> Vec<Vec<f64>> {
        let (dy, y) = (x[0], x[1]);
        let sum: f64 = dy.iter().map(|d| d.abs()).sum();
        let n = dy.len() as f64;
        let of = |(y, dx): (&f64, &f64)| {
            EPS * (y.exp() * sum * (n + 8.0 + 4.0 * y.abs()) + dx.abs()) + f32::MIN_POSITIVE as f64 * (1.0 + sum)
        };
        vec![y.iter().zip(dx[0]).map(of).collect()]
    }

    /// d/d(dy) is `d - Σ d exp(y)`, d/dy is `-d exp(y) Σ dy`.
    fn grad(&self, g: &mut Graph, x: &[Value], _y: &[Value], d: &[Option<Value>]) -> Result<Grads> {
        let Some(d) = d[0] else { return Ok(vec![None, None]) };
        let (dy, y) = (x[0], x[1]);
        let last = g.shape(y).len() - 1;
        let p = g.exp(y)?;
        let weighted = g.mul(d, p)?;
        let t = g.sum(weighted, &[last])?;
        let of_dy = g.sub(d, t)?;
        let s = g.sum(dy, &[last])?;
        let of_y = g.mul(weighted, s)?;
        Ok(vec![Some(of_dy), Some(g.scale(of_y, -1.0)?)])
    }
}

impl Graph {
    /// Logarithm of the softmax over the last axis.
    pub fn log_softmax(&mut self, x: Value) -> Result<Value> {
        self.apply1(Rows(LogSoftmax), &[x])
    }
}
