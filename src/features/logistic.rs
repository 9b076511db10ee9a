//! Multinomial logistic regression, the linear probe of Self-Masking Networks (section 4.1 of its paper's specification): on
//! features as they are,
//!
//! ```text
//! mean over images of -log softmax(W [f, 1])_label + (0.01 / N) / 2 |W|²
//! ```
//!
//! The bias is the weight of a constant feature 1, and is penalised too. L-BFGS until the gradient's length is under 1e-3, at
//! most 500 iterations.

use super::Rows;
use crate::error::{Error, Result};
use crate::kernels::{MatMulExtents, matmul};
use argmin::core::{CostFunction, Executor, Gradient, State, TerminationReason, TerminationStatus};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;

const PENALTY: f64 = 0.01;
const TOLERANCE: f64 = 1e-3;
const ITERATIONS: u64 = 500;
/// Steps that L-BFGS remembers.
const MEMORY: usize = 10;

/// A linear classifier of features.
#[derive(Clone, Debug)]
pub struct Probe {
    /// `[classes, d + 1]`, the bias last.
    weights: Vec<f32>,
    classes: usize,
    /// Iterations of L-BFGS.
    pub iterations: u64,
    /// Whether the gradient became short enough.
    pub converged: bool,
}

impl Probe {
    /// Of features and their labels.
    ///
    /// # Errors
    /// If there is no feature, or the search fails.
    pub fn fit(features: &Rows, labels: &[u32], classes: usize) -> Result<Probe> {
        let n = features.n();
        if n == 0 || labels.len() != n || classes == 0 {
            let m = format!("a probe wants a label for each feature, got {n} features and {} labels", labels.len());
            return Err(Error::Config(m));
        }
        let problem = Problem { x: with_constant(features), labels, classes, penalty: PENALTY / n as f64 };
        let start = vec![0.0; classes * problem.x.d];
        let fail = |e: argmin::core::Error| Error::Config(format!("the linear probe could not be fitted: {e}"));
        let search = LBFGS::new(MoreThuenteLineSearch::new(), MEMORY).with_tolerance_grad(TOLERANCE).map_err(fail)?;
        // The cost may stand still for a step while the gradient does not.
        let search = search.with_tolerance_cost(0.0).map_err(fail)?;
        let run = Executor::new(problem, search).configure(|s| s.param(start).max_iters(ITERATIONS)).run();
        let run = run.map_err(fail)?;
        let best = run.state.get_best_param().ok_or_else(|| Error::Config("the linear probe found nothing".into()))?;
        let converged =
            *run.state.get_termination_status() == TerminationStatus::Terminated(TerminationReason::SolverConverged);
        let weights = best.iter().map(|w| *w as f32).collect();
        Ok(Probe { weights, classes, iterations: run.state.get_iter(), converged })
    }

    /// Logits `[n, classes]`.
    pub fn logits(&self, features: &Rows) -> Rows {
        let x = with_constant(features);
        Rows { data: products(&x, &self.weights, self.classes), d: self.classes }
    }
}

/// Features with a 1 behind each.
fn with_constant(features: &Rows) -> Rows {
    let data = features.iter().flat_map(|row| row.iter().copied().chain([1.0])).collect();
    Rows { data, d: features.d + 1 }
}

/// `X Wᵀ`.
fn products(x: &Rows, w: &[f32], classes: usize) -> Vec<f32> {
    let mut out = vec![0.0; x.n() * classes];
    let e = MatMulExtents {
        batch: 1,
        m: x.n(),
        n: classes,
        k: x.d,
        transpose_a: false,
        transpose_b: true,
        batched_a: false,
        batched_b: false,
    };
    matmul(&e, &x.data, w, &mut out);
    out
}

struct Problem<'a> {
    x: Rows,
    labels: &'a [u32],
    classes: usize,
    penalty: f64,
}

impl Problem<'_> {
    /// The mean cross-entropy, and its derivative by the logits.
    fn at(&self, w: &[f64]) -> (f64, Vec<f32>) {
        let w: Vec<f32> = w.iter().map(|w| *w as f32).collect();
        let mut logits = products(&self.x, &w, self.classes);
        let mut loss = 0.0;
        let n = self.x.n() as f64;
        for (row, &label) in logits.chunks_mut(self.classes).zip(self.labels) {
            let largest = row.iter().fold(f32::MIN, |m, x| m.max(*x)) as f64;
            let sum: f64 = row.iter().map(|x| (*x as f64 - largest).exp()).sum();
            loss += sum.ln() + largest - row[label as usize] as f64;
            for (class, x) in row.iter_mut().enumerate() {
                let p = (*x as f64 - largest).exp() / sum;
                *x = ((p - (class == label as usize) as u8 as f64) / n) as f32;
            }
        }
        (loss / n, logits)
    }
}

impl CostFunction for Problem<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, w: &Vec<f64>) -> std::result::Result<f64, argmin::core::Error> {
        let square: f64 = w.iter().map(|w| w * w).sum();
        Ok(self.at(w).0 + 0.5 * self.penalty * square)
    }
}

impl Gradient for Problem<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, w: &Vec<f64>) -> std::result::Result<Vec<f64>, argmin::core::Error> {
        let (_, d) = self.at(w);
        let mut out = vec![0.0; self.classes * self.x.d];
        let e = MatMulExtents {
            batch: 1,
            m: self.classes,
            n: self.x.d,
            k: self.x.n(),
            transpose_a: true,
            transpose_b: false,
            batched_a: false,
            batched_b: false,
        };
        matmul(&e, &d, &self.x.data, &mut out);
        Ok(out.iter().zip(w).map(|(g, w)| *g as f64 + self.penalty * w).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Philox;

    /// Points around three centres, a fifth of them with another label.
    fn points(n: usize) -> (Rows, Vec<u32>) {
        let p = Philox::new(1, 0);
        let labels: Vec<u32> = (0..n as u32).map(|i| if i % 5 == 0 { (i / 5) % 3 } else { i % 3 }).collect();
        let centre = [[2.0, 0.0, 0.0, 1.0], [0.0, 2.0, 0.0, 1.0], [0.0, 0.0, 2.0, 1.0]];
        let row = |i: usize| (0..4).map(move |j| centre[i % 3][j] + p.normal(0, (4 * i + j) as u64));
        (Rows { data: (0..n).flat_map(row).collect(), d: 4 }, labels)
    }

    #[test]
    fn the_gradient_vanishes_where_it_ends() {
        let (x, labels) = points(600);
        let probe = Probe::fit(&x, &labels, 3).unwrap();
        assert!(probe.converged && probe.iterations < ITERATIONS, "{probe:?}");
        // In f64 from the definition.
        let mut gradient: Vec<f64> = probe.weights.iter().map(|w| PENALTY / 600.0 * *w as f64).collect();
        for (row, label) in x.iter().zip(&labels) {
            let row: Vec<f64> = row.iter().map(|x| *x as f64).chain([1.0]).collect();
            let logit =
                |c: usize| probe.weights[5 * c..][..5].iter().zip(&row).map(|(w, x)| *w as f64 * x).sum::<f64>();
            let sum: f64 = (0..3).map(|c| logit(c).exp()).sum();
            for c in 0..3 {
                let d = logit(c).exp() / sum - (c == *label as usize) as u8 as f64;
                gradient[5 * c..][..5].iter_mut().zip(&row).for_each(|(g, x)| *g += d * x / 600.0);
            }
        }
        let length = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        assert!(length < 1.01e-3, "{length}");
    }

    #[test]
    fn what_can_be_told_apart_is() {
        let (x, _) = points(300);
        let clean: Vec<u32> = (0..300).map(|i| i % 3).collect();
        let probe = Probe::fit(&x, &clean, 3).unwrap();
        let logits = probe.logits(&x);
        let right = logits.iter().zip(&clean).filter(|(row, l)| {
            let best = (0..3).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
            best == **l as usize
        });
        assert!(right.count() > 250);
        let wrong = Probe::fit(&x, &clean[1..], 3).unwrap_err().to_string();
        assert!(wrong.contains("300 features and 299 labels"));
    }
}
