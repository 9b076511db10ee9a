//! Losses against a distribution instead of a label.

use crate::error::{Error, Result};
use crate::graph::{Graph, Value};

impl Graph {
    /// Mean over the rows of `-Σ_k q_k log softmax(logits)_k`; no gradient flows into the targets q.
    pub fn soft_cross_entropy(&mut self, logits: Value, targets: Value) -> Result<Value> {
        let (shape, other) = (self.shape(logits).clone(), self.shape(targets).clone());
        if shape != other || shape.is_empty() {
            return Err(Error::shape("soft_cross_entropy", format!("logits {shape} and targets {other} differ")));
        }
        let targets = self.detach(targets)?;
        let log_p = self.log_softmax(logits)?;
        let products = self.mul(targets, log_p)?;
        let mean = self.mean_all(products)?;
        self.scale(mean, -(shape.columns() as f32))
    }

    /// The distribution loss of ReActNet (Liu et al. 2020): mean over the rows of
    /// `-Σ_k p_k(teacher) log p_k(student)`; no gradient flows into the teacher.
    pub fn distribution_loss(&mut self, teacher: Value, student: Value) -> Result<Value> {
        let teacher = self.detach(teacher)?;
        let p = self.softmax(teacher)?;
        self.soft_cross_entropy(student, p)
    }

    /// Knowledge distillation (Hinton et al. 2015): mean over the rows of `KL(p || q)`, p and q being the
    /// softmax of teacher and student logits divided by the temperature, times the temperature's
    /// square if `times_square`; no gradient flows into the teacher.
    pub fn kl_divergence(
        &mut self,
        teacher: Value,
        student: Value,
        temperature: f32,
        times_square: bool,
    ) -> Result<Value> {
        let teacher = self.detach(teacher)?;
        let kl = self.kl_of_both(teacher, student, temperature)?;
        if times_square { self.scale(kl, temperature * temperature) } else { Ok(kl) }
    }

    /// Mean over the rows of `KL(p || q)`, p and q being the softmax of target and student logits divided by the
    /// temperature. The gradient flows into both: with n rows, `(q - p) / (T n)` into the student's logits and
    /// `p ((log p - log q) - KL of the row) / (T n)` into the target's (BURN, arXiv 2110.08851).
    pub fn kl_of_both(&mut self, target: Value, student: Value, temperature: f32) -> Result<Value> {
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(Error::Config(format!("the temperature of kl_divergence must be over 0, got {temperature}")));
        }
        let (shape, other) = (self.shape(target).clone(), self.shape(student).clone());
        if shape != other || shape.is_empty() {
            return Err(Error::shape("kl_divergence", format!("target {shape} and student {other} differ")));
        }
        let target = self.scale(target, 1.0 / temperature)?;
        let student = self.scale(student, 1.0 / temperature)?;
        let log_p = self.log_softmax(target)?;
        let log_q = self.log_softmax(student)?;
        let p = self.exp(log_p)?;
        let difference = self.sub(log_p, log_q)?;
        let products = self.mul(p, difference)?;
        let mean = self.mean_all(products)?;
        self.scale(mean, shape.columns() as f32)
    }

    /// Mean over the rows of `|a/|a| - b/|b||² = 2 - 2 cos(a, b)` (BURN's feature similarity); no gradient flows into b.
    ///
    /// # Errors
    /// If a and b are not matrices of one shape.
    pub fn feature_similarity(&mut self, a: Value, b: Value) -> Result<Value> {
        let (shape, other) = (self.shape(a).clone(), self.shape(b).clone());
        if shape != other || shape.len() != 2 {
            return Err(Error::shape(
                "feature_similarity",
                format!("features {shape} and {other} are not two of one shape"),
            ));
        }
        let b = self.detach(b)?;
        let (a, b) = (self.l2_normalize(a, 1e-12)?, self.l2_normalize(b, 1e-12)?);
        let mean = self.mse(a, b)?;
        self.scale(mean, shape.columns() as f32)
    }

    /// Of the rows of logits divided by a temperature, as distributions p: the entropy of their mean, and the mean of their
    /// entropies, both `[]` in nats. The difference is the mutual information of sample and output in the batch: 0 where all
    /// rows are alike or all are uniform.
    pub fn entropies(&mut self, logits: Value, temperature: f32) -> Result<(Value, Value)> {
        let k = self.shape(logits).columns() as f32;
        let sharp = self.scale(logits, 1.0 / temperature)?;
        let log_p = self.log_softmax(sharp)?;
        let p = self.exp(log_p)?;
        let terms = self.mul(p, log_p)?;
        let mean = self.mean_all(terms)?;
        let mean_of_entropies = self.scale(mean, -k)?;
        let together = self.mean(p, &[0])?;
        // 0 ln 0 is 0.
        let safe = self.offset(together, 1e-12)?;
        let log = self.ln(safe)?;
        let terms = self.mul(together, log)?;
        let mean = self.mean_all(terms)?;
        let entropy_of_mean = self.scale(mean, -k)?;
        Ok((entropy_of_mean, mean_of_entropies))
    }
}
