//! Whether the label is among the k largest logits.

use crate::error::{Error, Result};
use crate::graph::{Grads, Graph, Value};
use crate::ops::rows::{Extent, RowOp, Rows};
use crate::tensor::DType;

/// `logits [N, K]`, `labels [N, 1]` u32 -> `[N, 1]`: 1 where fewer than k logits beat that of the label, else
/// 0. A larger logit beats it, and an equal one of a lower index. A label that is no class is wrong,
/// and so is one whose logit is not finite.
#[derive(Clone, Debug)]
pub struct CorrectTopK {
    /// How many guesses a row has.
    pub k: usize,
}

impl RowOp for CorrectTopK {
    const INPUTS: &'static [Extent] = &[Extent::Row, Extent::Class];
    const OUTPUTS: &'static [Extent] = &[Extent::One];

    fn name(&self) -> &'static str {
        "correct_top_k"
    }

    fn shader(&self) -> &'static str {
        "loss/correct_top_k"
    }

    fn constants(&self) -> Vec<(&'static str, f64)> {
        vec![("K", self.k as f64)]
    }

    fn row(&self, x: &[&[f32]], y: &mut [&mut [f32]]) {
        let (logits, label) = (x[0], x[1][0]);
        let correct = (0..logits.len()).find(|&i| i as f32 == label).is_some_and(|l| {
            let v = logits[l];
            let better = logits.iter().enumerate().filter(|(i, o)| **o > v || (**o == v && *i < l)).count();
            better < self.k && v.is_finite()
        });
        y[0][0] = correct as u8 as f32;
    }

    /// The guesses in their order, what is no number behind all others.
    fn reference(&self, x: &[&[f64]], y: &mut [&mut [f64]]) {
        let (logits, label) = (x[0], x[1][0] as usize);
        let height = |i: usize| if logits[i].is_nan() { f64::NEG_INFINITY } else { logits[i] };
        let mut guesses: Vec<usize> = (0..logits.len()).collect();
        guesses.sort_by(|a, b| height(*b).partial_cmp(&height(*a)).expect("numbers").then(a.cmp(b)));
        let correct = guesses.iter().take(self.k).any(|i| *i == label && logits[*i].is_finite());
        y[0][0] = if correct { 1.0 } else { 0.0 };
    }

    fn bound(&self, _x: &[&[f64]], _y: &[&[f64]]) -> Vec<Vec<f64>> {
        vec![vec![0.0]]
    }

    fn grad(&self, _g: &mut Graph, x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None; x.len()])
    }
}

impl Graph {
    /// Per row of `logits [N, K]` 1 if its label (u32 `[N]`) is among the k largest, else 0: f32 `[N]`.
    pub fn correct_top_k(&mut self, logits: Value, labels: Value, k: usize) -> Result<Value> {
        let labels = self.label_column("correct_top_k", logits, labels)?;
        if k == 0 {
            return Err(Error::Config("correct_top_k needs a k of at least 1".to_string()));
        }
        let n = self.shape(logits).rows();
        let y = self.apply1(Rows(CorrectTopK { k }), &[logits, labels])?;
        self.reshape(y, [n])
    }

    /// Labels u32 `[N]` of logits `[N, K]` as `[N, 1]`.
    pub(super) fn label_column(&mut self, op: &'static str, logits: Value, labels: Value) -> Result<Value> {
        let (x, l) = (self.meta(logits), self.meta(labels));
        let fits = x.shape.len() == 2 && l.shape.len() == 1 && l.shape[0] == x.shape[0] && l.dtype == DType::U32;
        if !fits {
            return Err(Error::shape(op, format!("takes logits [N, K] and labels u32[N], got {x} and {l}")));
        }
        let n = x.shape[0];
        self.reshape(labels, [n, 1])
    }
}
