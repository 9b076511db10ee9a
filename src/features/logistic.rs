//! The linear probe: multinomial logistic regression on features as they are, not normalised. Source: A. Taboada
//! Warmerdam, M. Caron, Y. M. Asano, "Self-Masking Networks for Unsupervised Adaptation", 2024.
//!
//! ```text
//! minimise  1/N sum_i cross_entropy(W [x_i, 1], y_i)  +  (0.01 / N) / 2 * |W|^2
//! ```
//!
//! The bias is the weight of a constant feature 1, so it is penalised as well. L-BFGS (argmin's, with the line search of
//! Moré and Thuente and ten pairs of memory, as SciPy has it) starts at W = 0 and stops when no entry of the gradient
//! exceeds 1e-3, after 500 iterations at the latest. All sums are in f64: a line search compares losses that differ by
//! less than f32 tells apart.

use super::rows::{Rows, blocks, in_parts, total};
use crate::error::{Error, Result};
use crate::kernels::Isa;
use crate::kernels::gemm::{View, product};
use argmin::core::{
    CostFunction, Error as ArgminError, Executor, Gradient, IterState, KV, Problem, Solver, State, TerminationReason,
    TerminationStatus,
};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

/// These three are the paper's: the weight of `|W|² / 2N`, the largest entry of a gradient that is near enough to zero, and
/// when to give up.
const PENALTY: f64 = 0.01;
const TOLERANCE: f64 = 1e-3;
const ITERATIONS: u64 = 500;
/// Pairs that L-BFGS keeps: SciPy's default (`maxcor`), with which the paper's probe was fitted.
const MEMORY: usize = 10;

/// A linear classifier on features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Length of a feature.
    pub d: usize,
    /// Number of classes.
    pub classes: usize,
    /// `[d + 1, classes]`, row-major; the last row is the bias.
    pub weights: Vec<f64>,
    /// Iterations of L-BFGS that it took.
    pub iterations: u64,
    /// Whether the gradient came below the tolerance within the iterations allowed.
    pub converged: bool,
    /// The largest entry of the gradient, by magnitude.
    pub gradient: f64,
    /// The objective, penalty included.
    pub loss: f64,
}

impl Probe {
    /// The probe of `features` `[n, d]` with `labels` `[n]` below `classes`.
    ///
    /// # Errors
    /// If there are no features, not as many labels, or a label that is not below `classes`. Not to converge is no error.
    pub fn fit(features: &Rows, labels: &[u32], classes: usize) -> Result<Probe> {
        Probe::fit_to(features, labels, classes, TOLERANCE)
    }

    fn fit_to(features: &Rows, labels: &[u32], classes: usize, tolerance: f64) -> Result<Probe> {
        let (n, d) = (features.n(), features.d());
        features.expect("linear probe", d)?;
        if labels.len() != n {
            let found = labels.len();
            return Err(Error::Config(format!("linear probe: {n} features and {found} labels; give a label for each")));
        }
        if let Some(i) = labels.iter().position(|l| *l as usize >= classes) {
            let label = labels[i];
            return Err(Error::Config(format!(
                "linear probe: feature {i} has label {label}, but there are {classes} classes; labels go from 0"
            )));
        }
        let isa = Isa::chosen()?;
        let lines = MoreThuenteLineSearch::new();
        // Its own rules of stopping look at other norms; tolerance 0 turns them off.
        let solver = LBFGS::new(lines, MEMORY).with_tolerance_grad(0.0).and_then(|s| s.with_tolerance_cost(0.0));
        let solver = UntilFlat { solver: solver.map_err(|e| failed(&e))?, tolerance };
        let start = vec![0.0; (d + 1) * classes];
        let objective = Objective { isa, features, labels, classes, last: RefCell::default() };
        let mut state = Executor::new(objective, solver)
            .configure(|state| state.param(start).max_iters(ITERATIONS))
            .ctrlc(false)
            .timer(false)
            .run()
            .map_err(|e| failed(&e))?
            .state;
        // The best one: after a line search that found no lower point there is no last one.
        let weights = state.take_best_param().ok_or_else(|| failed(&"it returned no weights"))?;
        let (loss, gradient) = loss_and_gradient(isa, features, labels, classes, &weights);
        let gradient = largest(&gradient);
        let iterations = state.get_iter();
        Ok(Probe { d, classes, weights, iterations, converged: gradient <= tolerance, gradient, loss })
    }

    /// Logits `[n, classes]` of `features` `[n, d]`.
    ///
    /// # Errors
    /// If there are no features or they have another length than those of the fit.
    pub fn logits(&self, features: &Rows) -> Result<Rows> {
        features.expect("linear probe", self.d)?;
        let (isa, k, c) = (Isa::chosen()?, self.d + 1, self.classes);
        let parts = in_parts(features.n(), |part| {
            let (mut x, mut logits) = (Vec::new(), Vec::new());
            let mut out = Vec::with_capacity(part.len() * c);
            for block in blocks(part) {
                let b = block.len();
                with_one(features, block, &mut x);
                logits.resize(b * c, 0.0);
                product(isa, (b, c, k), View::rows(&x, k), View::rows(&self.weights, c), (&mut logits, c), false);
                out.extend(logits.iter().map(|v| *v as f32));
            }
            out
        });
        Rows::new(parts.concat(), c)
    }
}

fn failed(e: &dyn std::fmt::Display) -> Error {
    Error::Config(format!("linear probe: L-BFGS failed: {e}; please report it"))
}

fn largest(gradient: &[f64]) -> f64 {
    gradient.iter().fold(0.0, |a, g| a.max(g.abs()))
}

/// The rows `which` in f64, each with a 1 behind it.
fn with_one(features: &Rows, which: std::ops::Range<usize>, out: &mut Vec<f64>) {
    out.clear();
    for i in which {
        out.extend(features.row(i).iter().map(|x| *x as f64));
        out.push(1.0);
    }
}

/// The objective at `w` `[d + 1, classes]` and its gradient there.
fn loss_and_gradient(isa: Isa, features: &Rows, labels: &[u32], classes: usize, w: &[f64]) -> (f64, Vec<f64>) {
    let (n, k, c) = (features.n(), features.d() + 1, classes);
    let parts = in_parts(n, |part| {
        let (mut x, mut residual) = (Vec::new(), Vec::new());
        // The gradient, and behind it the loss.
        let mut sums = vec![0.0; k * c + 1];
        for block in blocks(part) {
            let b = block.len();
            with_one(features, block.clone(), &mut x);
            residual.resize(b * c, 0.0);
            product(isa, (b, c, k), View::rows(&x, k), View::rows(w, c), (&mut residual, c), false);
            for (row, label) in residual.chunks_exact_mut(c).zip(&labels[block]) {
                sums[k * c] += cross_entropy(row, *label as usize);
            }
            let (x, residual) = (View::rows(&x, k).t(), View::rows(&residual, c));
            product(isa, (k, c, b), x, residual, (&mut sums[..k * c], c), true);
        }
        sums
    });
    let mut gradient = total(parts);
    let mut loss = gradient.pop().unwrap_or_default();
    let n = n as f64;
    gradient.iter_mut().zip(w).for_each(|(g, w)| *g = (*g + PENALTY * w) / n);
    loss += 0.5 * PENALTY * w.iter().map(|w| w * w).sum::<f64>();
    (loss / n, gradient)
}

/// Turns logits into probabilities less the one-hot label; returns the cross-entropy.
fn cross_entropy(row: &mut [f64], label: usize) -> f64 {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let of_label = row[label] - max;
    row.iter_mut().for_each(|v| *v = (*v - max).exp());
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|v| *v /= sum);
    row[label] -= 1.0;
    sum.ln() - of_label
}

type Found = IterState<Vec<f64>, Vec<f64>, (), (), (), f64>;
type Lbfgs = LBFGS<MoreThuenteLineSearch<Vec<f64>, Vec<f64>, f64>, Vec<f64>, Vec<f64>, f64>;

/// argmin asks for the loss and the gradient of a point one after the other; one pass over the features makes both.
struct Objective<'a> {
    isa: Isa,
    features: &'a Rows,
    labels: &'a [u32],
    classes: usize,
    last: RefCell<Evaluated>,
}

#[derive(Default)]
struct Evaluated {
    at: Vec<f64>,
    loss: f64,
    gradient: Vec<f64>,
}

impl Objective<'_> {
    fn evaluate(&self, at: &[f64]) -> Result<std::cell::Ref<'_, Evaluated>, ArgminError> {
        if self.last.borrow().at != at {
            // A step that has no numbers would keep the line search going for ever.
            if !at.iter().all(|w| w.is_finite()) {
                return Err(ArgminError::msg("the step is not finite"));
            }
            let (loss, gradient) = loss_and_gradient(self.isa, self.features, self.labels, self.classes, at);
            *self.last.borrow_mut() = Evaluated { at: at.to_vec(), loss, gradient };
        }
        Ok(self.last.borrow())
    }
}

impl CostFunction for Objective<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, at: &Vec<f64>) -> Result<f64, ArgminError> {
        Ok(self.evaluate(at)?.loss)
    }
}

impl Gradient for Objective<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, at: &Vec<f64>) -> Result<Vec<f64>, ArgminError> {
        Ok(self.evaluate(at)?.gradient.clone())
    }
}

/// L-BFGS that stops by the largest entry of the gradient instead of its length.
struct UntilFlat {
    solver: Lbfgs,
    tolerance: f64,
}

impl<'a> Solver<Objective<'a>, Found> for UntilFlat {
    fn name(&self) -> &str {
        "L-BFGS"
    }

    fn init(&mut self, problem: &mut Problem<Objective<'a>>, state: Found) -> Result<(Found, Option<KV>), ArgminError> {
        self.solver.init(problem, state)
    }

    fn next_iter(
        &mut self,
        problem: &mut Problem<Objective<'a>>,
        state: Found,
    ) -> Result<(Found, Option<KV>), ArgminError> {
        self.solver.next_iter(problem, state)
    }

    fn terminate(&mut self, state: &Found) -> TerminationStatus {
        match state.get_gradient() {
            Some(gradient) if largest(gradient) <= self.tolerance => {
                TerminationStatus::Terminated(TerminationReason::SolverConverged)
            }
            _ => TerminationStatus::NotTerminated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Philox;

    /// Three classes that overlap: `tests/golden/features.py` makes the same.
    fn golden() -> (Rows, Vec<u32>) {
        let x = (0..60).map(|i| ((7 * i * i + 3 * i) % 41) as f32 / 8.0 - 2.0).collect();
        (Rows::new(x, 3).unwrap(), (0..20).map(|i| (i * i + i / 3) % 3).collect())
    }

    /// scikit-learn's minimiser, `[d + 1, classes]`, and the objective there.
    const WEIGHTS: [f64; 12] = [
        -0.132791538,
        0.589759175,
        -0.456967637,
        -0.145096073,
        0.240312996,
        -0.095216923,
        -0.075291751,
        0.140009080,
        -0.064717329,
        0.434721255,
        -0.821999985,
        0.387278729,
    ];
    const LOSS: f64 = 0.980379391;

    #[test]
    fn the_minimiser_is_that_of_scikit_learn() {
        let (x, y) = golden();
        let exact = Probe::fit_to(&x, &y, 3, 1e-8).unwrap();
        assert!(exact.converged && exact.gradient <= 1e-8, "{exact:?}");
        assert!((exact.loss - LOSS).abs() < 1e-9, "{}", exact.loss);
        exact.weights.iter().zip(WEIGHTS).for_each(|(a, b)| assert!((a - b).abs() < 1e-5, "{a} {b}"));
        let probe = Probe::fit(&x, &y, 3).unwrap();
        assert!(probe.converged && probe.loss - LOSS < 1e-3 && probe.iterations < exact.iterations, "{probe:?}");
    }

    /// The formula, written down plainly.
    #[test]
    fn the_gradient_is_small_where_it_stops() {
        let (n, d, c) = (700, 6, 4);
        let rng = Philox::new(3, 0);
        let mut x = vec![0.0; n * d];
        rng.fill_normal(0, &mut x);
        // Features on different scales, not around zero, as ReLU leaves them.
        x.iter_mut().enumerate().for_each(|(i, v)| *v = v.abs() * [0.1, 1.0, 5.0][i % 3]);
        let y: Vec<u32> = (0..n as u64).map(|i| rng.word(1, i) % c as u32).collect();
        let x = Rows::new(x, d).unwrap();
        let probe = Probe::fit(&x, &y, c).unwrap();
        let weight = |k: usize, j: usize| probe.weights[k * c + j];
        let feature = |i: usize, k: usize| if k < d { x.row(i)[k] as f64 } else { 1.0 };
        let mut gradient = vec![0.0; (d + 1) * c];
        let mut loss = 0.0;
        for i in 0..n {
            let logits: Vec<f64> = (0..c).map(|j| (0..=d).map(|k| weight(k, j) * feature(i, k)).sum()).collect();
            let sum: f64 = logits.iter().map(|v| v.exp()).sum();
            loss += (sum.ln() - logits[y[i] as usize]) / n as f64;
            for j in 0..c {
                let residual = logits[j].exp() / sum - (y[i] as usize == j) as usize as f64;
                (0..=d).for_each(|k| gradient[k * c + j] += residual * feature(i, k) / n as f64);
            }
        }
        for (g, w) in gradient.iter_mut().zip(&probe.weights) {
            *g += 0.01 / n as f64 * w;
            loss += 0.01 / n as f64 / 2.0 * w * w;
        }
        assert!(probe.converged && largest(&gradient) <= 1e-3 + 1e-9, "{} {probe:?}", largest(&gradient));
        assert!((largest(&gradient) - probe.gradient).abs() < 1e-9 && (loss - probe.loss).abs() < 1e-9);
        let logits = probe.logits(&x).unwrap();
        assert_eq!((logits.n(), logits.d()), (n, c));
        let expected: f64 = (0..=d).map(|k| weight(k, 2) * feature(5, k)).sum();
        assert!((logits.row(5)[2] as f64 - expected).abs() < 1e-5);
    }

    #[test]
    fn what_can_be_separated_is() {
        let x: Vec<f32> = (0..40).flat_map(|i| [(i % 2) as f32 * 300.0 - 150.0, i as f32]).collect();
        let y: Vec<u32> = (0..40).map(|i| i % 2).collect();
        let x = Rows::new(x, 2).unwrap();
        let probe = Probe::fit(&x, &y, 2).unwrap();
        assert!(probe.converged, "{probe:?}");
        let logits = probe.logits(&x).unwrap();
        assert!(logits.rows().zip(&y).all(|(l, y)| l[*y as usize] > l[1 - *y as usize]));
        // Features that say nothing: the shares of the classes are all there is to learn.
        let flat = Probe::fit(&Rows::new(vec![0.0; 40], 1).unwrap(), &[vec![0; 30], vec![1; 10]].concat(), 2).unwrap();
        assert!((flat.weights[2] - flat.weights[3] - 3f64.ln()).abs() < 0.02, "{flat:?}");
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let x = Rows::new((0..6000).map(|i| (i as f32 * 0.37).sin()).collect(), 4).unwrap();
        let y: Vec<u32> = (0..1500).map(|i| i * i % 3).collect();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Probe::fit(&x, &y, 3).unwrap())
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn labels_are_checked() {
        let x = Rows::new(vec![0.0; 4], 2).unwrap();
        let message = |labels: &[u32]| Probe::fit(&x, labels, 3).unwrap_err().to_string();
        assert!(message(&[0]).contains("2 features and 1 labels"));
        assert!(message(&[0, 3]).contains("feature 1 has label 3, but there are 3 classes"));
        let probe = Probe::fit(&x, &[0, 1], 2).unwrap();
        assert!(probe.logits(&Rows::new(vec![0.0; 3], 3).unwrap()).is_err());
    }
}
