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
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(Error::Config(format!("the temperature of kl_divergence must be over 0, got {temperature}")));
        }
        let (shape, other) = (self.shape(teacher).clone(), self.shape(student).clone());
        if shape != other || shape.is_empty() {
            return Err(Error::shape("kl_divergence", format!("teacher {shape} and student {other} differ")));
        }
        let teacher = self.detach(teacher)?;
        let teacher = self.scale(teacher, 1.0 / temperature)?;
        let student = self.scale(student, 1.0 / temperature)?;
        let log_p = self.log_softmax(teacher)?;
        let log_q = self.log_softmax(student)?;
        let p = self.exp(log_p)?;
        let difference = self.sub(log_p, log_q)?;
        let products = self.mul(p, difference)?;
        let mean = self.mean_all(products)?;
        let factor = if times_square { temperature * temperature } else { 1.0 };
        self.scale(mean, factor * shape.columns() as f32)
    }
}
