//! SwAV (Caron et al., NeurIPS 2020): codes of a batch by the Sinkhorn-Knopp algorithm, and the loss that predicts the
//! codes of one view from the scores of another.

use crate::error::{Error, Result};
use crate::graph::{Graph, Value};

impl Graph {
    /// Codes `[B, K]` of scores `[B, K]`: a soft assignment of the samples to the prototypes that uses all prototypes alike
    /// (Sinkhorn-Knopp; no gradient). Rows sum to 1; columns sum to B / K only as the iterations go on.
    ///
    /// `exp(scores / ε)` is scaled by columns, then by rows, `iterations` times. Here in logarithms, where no ε is too
    /// small: with u = scores / ε and factors f of the columns, `log_softmax(u + f) - f` is u with its rows scaled, and the
    /// codes are `softmax(u + f)`. The constants ln B and ln K shift f as a whole, which a softmax does not see.
    ///
    /// # Errors
    /// If the scores are no matrix, ε is not over 0, or there is no iteration.
    pub fn sinkhorn(&mut self, scores: Value, epsilon: f32, iterations: usize) -> Result<Value> {
        self.sinkhorn_without(None, scores, epsilon, iterations)
    }

    /// As [`Graph::sinkhorn`], where the samples that `left_out` `[B, 1]` marks with 1 take no part: the codes of the others
    /// (0 there) are those that they would have alone.
    ///
    /// # Errors
    /// As [`Graph::sinkhorn`].
    pub fn sinkhorn_without(
        &mut self,
        left_out: Option<Value>,
        scores: Value,
        epsilon: f32,
        iterations: usize,
    ) -> Result<Value> {
        let shape = self.shape(scores).clone();
        if shape.len() != 2 {
            return Err(Error::shape("sinkhorn", format!("scores are {shape}, not [samples, prototypes]")));
        }
        if !(epsilon > 0.0 && epsilon.is_finite()) || iterations == 0 {
            let m = format!("sinkhorn wants epsilon over 0 and iterations from 1, got {epsilon} and {iterations}");
            return Err(Error::Config(m));
        }
        let scores = self.detach(scores)?;
        let u = self.scale(scores, 1.0 / epsilon)?;
        // e to the power of this is 0, and it is below every logarithm of a sample that counts.
        let absent = left_out.map(|l| self.scale(l, -1e5)).transpose()?;
        let mut rows_scaled = u;
        for i in 0..iterations {
            let counted = absent.map_or(Ok(rows_scaled), |a| self.add(rows_scaled, a))?;
            let sums = self.log_sum_exp_of_columns(counted)?;
            let balanced = self.sub(u, sums)?;
            if i + 1 == iterations {
                return self.softmax(balanced);
            }
            let log_rows = self.log_softmax(balanced)?;
            rows_scaled = self.add(log_rows, sums)?;
        }
        unreachable!("there is an iteration")
    }

    /// `ln Σ_b exp(x[b, k])`, `[1, K]`.
    fn log_sum_exp_of_columns(&mut self, x: Value) -> Result<Value> {
        let k = self.shape(x).columns();
        let largest = self.max(x, &[0])?;
        let largest = self.reshape(largest, [1, k])?;
        let rest = self.sub(x, largest)?;
        let rest = self.exp(rest)?;
        let sum = self.sum(rest, &[0])?;
        let sum = self.reshape(sum, [1, k])?;
        let log = self.ln(sum)?;
        self.add(log, largest)
    }

    /// SwAV's loss of the scores `[B, K]` of all views, given the codes of those that have some, `(view, codes)`:
    ///
    /// ```text
    /// L = 1/|A| Σ_{i in A} 1/(V-1) Σ_{v ≠ i} mean over b of -Σ_k q_i[b, k] log softmax(s_v / τ)[b, k]
    /// ```
    ///
    /// # Errors
    /// If there are fewer than two views, or no codes.
    pub fn swapped_prediction(
        &mut self,
        scores: &[Value],
        codes: &[(usize, Value)],
        temperature: f32,
    ) -> Result<Value> {
        if scores.len() < 2 || codes.is_empty() {
            let m = format!(
                "SwAV's loss is about two views and codes of one at least, got {} and {}",
                scores.len(),
                codes.len()
            );
            return Err(Error::Config(m));
        }
        let predictions: Vec<Value> =
            scores.iter().map(|s| self.scale(*s, 1.0 / temperature)).collect::<Result<_>>()?;
        let mut sum: Option<Value> = None;
        for &(i, q) in codes {
            for (_, &p) in predictions.iter().enumerate().filter(|(v, _)| *v != i) {
                let term = self.soft_cross_entropy(p, q)?;
                sum = Some(match sum {
                    Some(others) => self.add(others, term)?,
                    None => term,
                });
            }
        }
        let terms = codes.len() * (scores.len() - 1);
        self.scale(sum.expect("there are codes and another view"), 1.0 / terms as f32)
    }
}
