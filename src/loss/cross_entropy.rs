//! Cross-entropy with labels and label smoothing (Szegedy et al. 2016).
//!
//! With K classes and smoothing ε the target is `t_k = (1 - ε) [k = label] + ε / K`, the loss of a row
//! `-Σ t_k log softmax(x)_k` and its gradient `softmax(x) - t`. Backward keeps the logits and one number a row;
//! the gradient is a chain of pointwise ops that becomes one kernel.

use crate::error::{Error, Result};
use crate::graph::{EPS, Grads, Graph, Pointwise, Value};
use crate::ops::rows::{Extent, RowOp, Rows, largest, total};
use crate::ops::softmax::{exp_sum_error, log_sum_exp};
use crate::tensor::{HostTensor, Shape};

/// `logits [N, K]`, `labels [N, 1]` u32 -> loss `[N, 1]`, `ln Σ exp(x)` `[N, 1]`. A label that is no class
/// makes the loss NaN.
#[derive(Clone, Debug)]
pub struct CrossEntropy {
    /// Share of the target that is spread over all classes.
    pub smoothing: f32,
}

impl RowOp for CrossEntropy {
    const INPUTS: &'static [Extent] = &[Extent::Row, Extent::Class];
    const OUTPUTS: &'static [Extent] = &[Extent::One, Extent::One];

    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn shader(&self) -> &'static str {
        "loss/cross_entropy"
    }

    fn constants(&self) -> Vec<(&'static str, f64)> {
        vec![("SMOOTHING", self.smoothing as f64)]
    }

    fn row(&self, x: &[&[f32]], y: &mut [&mut [f32]]) {
        let (logits, label) = (x[0], x[1][0]);
        let n = logits.len();
        let max = largest(logits);
        let log_sum = total(n, |i| (logits[i] - max).exp()).ln();
        let hit = (0..n).find(|&i| i as f32 == label).map_or(f32::NAN, |i| logits[i] - max);
        let all = total(n, |i| logits[i] - max);
        y[0][0] = log_sum - ((1.0 - self.smoothing) * hit + self.smoothing / n as f32 * all);
        y[1][0] = max + log_sum;
    }

    fn reference(&self, x: &[&[f64]], y: &mut [&mut [f64]]) {
        let (logits, label, smoothing) = (x[0], x[1][0] as usize, self.smoothing as f64);
        let log_sum = log_sum_exp(logits);
        let target = |k: usize| {
            let hit = if k == label { 1.0 } else { 0.0 };
            (1.0 - smoothing) * hit + smoothing / logits.len() as f64
        };
        let terms = logits.iter().enumerate().map(|(k, x)| -target(k) * (x - log_sum));
        y[0][0] = if label < logits.len() { terms.sum() } else { f64::NAN };
        y[1][0] = log_sum;
    }

    /// The sum's relative error under the logarithm, the logarithm's own (2^-21 or 3 units in the last
    /// place), a sum of n differences, and the roundings of the terms.
    fn bound(&self, x: &[&[f64]], y: &[&[f64]]) -> Vec<Vec<f64>> {
        let n = x[0].len() as f64;
        let max = largest(x[0]);
        let all: f64 = x[0].iter().map(|v| max - v).sum();
        let hit = x[0].get(x[1][0] as usize).map_or(0.0, |v| max - v);
        let log_sum = y[1][0] - max;
        let of_log = exp_sum_error(x[0].len()) + 2f64.powi(-21) + 8.0 * EPS * log_sum.abs();
        let of_terms = EPS * (5.0 * hit + (n + 10.0) * self.smoothing as f64 / n * all + 3.0 * log_sum.abs());
        vec![vec![of_log + of_terms], vec![of_log + EPS * (2.0 * y[1][0].abs() + log_sum.abs())]]
    }

    fn grad(&self, g: &mut Graph, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let (logits, labels) = (x[0], x[1]);
        let shape = g.shape(logits).clone();
        let cold = self.smoothing / shape.columns() as f32;
        let shifted = g.sub(logits, y[1])?;
        let p = g.exp(shifted)?;
        let of_loss = match dy[0] {
            Some(d) => {
                let target = SmoothedTarget { shape, hot: 1.0 - self.smoothing + cold, cold };
                let target = g.apply1(target, &[labels])?;
                let difference = g.sub(p, target)?;
                Some(g.mul(difference, d)?)
            }
            None => None,
        };
        let of_log_sum = dy[1].map(|d| g.mul(p, d)).transpose()?;
        let dx = match (of_loss, of_log_sum) {
            (Some(a), Some(b)) => Some(g.add(a, b)?),
            (a, b) => a.or(b),
        };
        Ok(vec![dx, None])
    }
}

/// `[N, 1]` labels -> `[N, K]`: `hot` in the label's column, `cold` in the others. With 1 and 0 it is one-hot.
#[derive(Clone, Debug)]
pub struct SmoothedTarget {
    /// `[N, K]`.
    pub shape: Shape,
    /// Target of the label's class.
    pub hot: f32,
    /// Target of every other class.
    pub cold: f32,
}

impl Pointwise for SmoothedTarget {
    fn name(&self) -> &'static str {
        "smoothed_target"
    }

    fn arity(&self) -> usize {
        1
    }

    fn shape(&self) -> Option<&Shape> {
        Some(&self.shape)
    }

    fn constants(&self) -> Vec<f32> {
        vec![self.shape.columns() as f32, self.hot, self.cold]
    }

    fn uses_index(&self) -> bool {
        true
    }

    fn eval(&self, _port: usize, index: usize, x: &[&[f32]], y: &mut [f32]) {
        let classes = self.shape.columns();
        for (i, (y, &label)) in y.iter_mut().zip(x[0]).enumerate() {
            *y = if ((index + i) % classes) as f32 == label { self.hot } else { self.cold };
        }
    }

    fn eval64(&self, _port: usize, index: usize, x: &[f64]) -> f64 {
        (if (index % self.shape.columns()) as f64 == x[0] { self.hot } else { self.cold }) as f64
    }

    fn bound(&self, _port: usize, _x: &[f64], _y: f64) -> f64 {
        0.0
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None])
    }
}

impl Graph {
    /// Mean cross-entropy of `logits [N, K]` with `labels` u32 `[N]`, as a scalar. `smoothing` in [0, 1) is the
    /// share of the target that is spread evenly over all classes.
    pub fn cross_entropy(&mut self, logits: Value, labels: Value, smoothing: f32) -> Result<Value> {
        let rows = self.cross_entropy_rows(logits, labels, smoothing)?;
        self.mean_all(rows)
    }

    /// As [`Graph::cross_entropy`], where the loss of a row counts with the weight of its label's class: `Σ w_label loss / Σ w_label`
    /// over the rows, which without smoothing is PyTorch's `CrossEntropyLoss(weight = w)`. `weights` has one number for each
    /// column.
    pub fn weighted_cross_entropy(
        &mut self,
        logits: Value,
        labels: Value,
        smoothing: f32,
        weights: &[f32],
    ) -> Result<Value> {
        let rows = self.cross_entropy_rows(logits, labels, smoothing)?;
        let classes = self.shape(logits).columns();
        if weights.len() != classes || weights.iter().any(|w| !(*w >= 0.0 && w.is_finite())) {
            let m = format!("weights of {classes} classes are so many numbers from 0 on, got {weights:?}");
            return Err(Error::Config(m));
        }
        let table = self.constant(HostTensor::from_f32([classes], weights.to_vec()));
        let weight = self.gather(table, labels)?;
        let weighted = self.mul(rows, weight)?;
        let (loss, all) = (self.mean_all(weighted)?, self.mean_all(weight)?);
        self.div(loss, all)
    }

    /// As [`Graph::cross_entropy`], for every row: `[N]`.
    pub fn cross_entropy_rows(&mut self, logits: Value, labels: Value, smoothing: f32) -> Result<Value> {
        if !(0.0..1.0).contains(&smoothing) {
            return Err(Error::Config(format!("label smoothing must lie in [0, 1), got {smoothing}")));
        }
        let labels = self.label_column("cross_entropy", logits, labels)?;
        let n = self.shape(logits).rows();
        let loss = self.apply(Rows(CrossEntropy { smoothing }), &[logits, labels])?[0];
        self.reshape(loss, [n])
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::{Graph, Meta};
    use crate::tensor::DType;

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut g = Graph::new();
        let logits = g.input("logits", Meta::f32([4, 10])).unwrap();
        let labels = g.input("labels", Meta::new([4], DType::U32)).unwrap();
        let short = g.input("short", Meta::new([3], DType::U32)).unwrap();
        let floats = g.input("floats", Meta::f32([4])).unwrap();
        for wrong in [short, floats, logits] {
            let e = g.cross_entropy(logits, wrong, 0.0).unwrap_err().to_string();
            assert!(e.contains("labels u32[N], got f32[4, 10] and"), "{e}");
            assert!(g.correct_top_k(logits, wrong, 1).is_err());
        }
        for smoothing in [-0.1, 1.0, f32::NAN] {
            let e = g.cross_entropy(logits, labels, smoothing).unwrap_err().to_string();
            assert!(e.contains("smoothing"), "{e}");
        }
        for weights in [vec![1.0; 9], vec![f32::NAN; 10], vec![-1.0; 10]] {
            let e = g.weighted_cross_entropy(logits, labels, 0.0, &weights).unwrap_err().to_string();
            assert!(e.contains("10 classes"), "{e}");
        }
        assert!(g.correct_top_k(logits, labels, 0).is_err());
        assert!(g.kl_divergence(logits, logits, 0.0, true).is_err());
        assert!(g.kl_divergence(logits, floats, 1.0, true).is_err());
    }
}
