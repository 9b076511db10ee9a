//! A mixture of Gaussians with full covariances, fitted by expectation and maximisation (A. P. Dempster, N. M. Laird,
//! D. B. Rubin, 1977). As in scikit-learn k-means gives the start and 1e-6 is added to the diagonals; it goes on until the
//! mean log-likelihood gains less than 1e-5, for 300 iterations at most: with scikit-learn's 1e-3 and 100 it stops on the
//! flat stretch after the start, where components that k-means has cut across are still so.
//!
//! Whitened rows (variance 1/n) are too small for that 1e-6: scale them by sqrt(n) first.

use super::kmeans::{KMeans, check};
use super::rows::{BLOCK, Rows, blocks, in_parts, total};
use crate::error::{Error, Result};
use crate::kernels::Isa;
use crate::kernels::gemm::{View, product};
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

/// Added to the diagonals: scikit-learn's `reg_covar`.
const REGULARISATION: f64 = 1e-6;
/// The gain that ends it, and iterations at most: beyond scikit-learn's 1e-3 and 100, as is said above. A hundredth of the
/// gain takes some times as many iterations, which on features of some hundred numbers are seconds.
const GAIN: f64 = 1e-5;
const ITERATIONS: u32 = 300;

/// A density of `k` Gaussians. What `assign` answers follows from these numbers alone, so a stored one answers the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mixture {
    /// Length of a feature.
    pub d: usize,
    /// Share of each component, `[k]`.
    pub weights: Vec<f64>,
    /// `[k, d]`, row-major.
    pub means: Vec<f64>,
    /// `[k, d, d]`, row-major.
    pub covariances: Vec<f64>,
    /// Mean log-likelihood of the rows that were fitted.
    pub log_likelihood: f64,
    /// Iterations that it took.
    pub iterations: u32,
    /// Whether the gain fell below 1e-5 within the iterations allowed.
    pub converged: bool,
}

impl Mixture {
    /// The likeliest of `restarts` mixtures of `k` components for `rows` `[n, d]`.
    ///
    /// # Errors
    /// If there are fewer rows than components, `k` or `restarts` is 0, or a covariance has no inverse for all that is
    /// added to it.
    pub fn fit(rows: &Rows, k: usize, restarts: u32, seed: u64) -> Result<Mixture> {
        check("mixture", rows, k, restarts)?;
        let mut best = Mixture::once(rows, k, seed, 0, GAIN)?.0;
        for run in 1..restarts {
            let other = Mixture::once(rows, k, seed, run, GAIN)?.0;
            if other.log_likelihood > best.log_likelihood {
                best = other;
            }
        }
        Ok(best)
    }

    /// Run number `run`, and the mean log-likelihood before each of its iterations and at the end.
    fn once(rows: &Rows, k: usize, seed: u64, run: u32, gain: f64) -> Result<(Mixture, Vec<f64>)> {
        let isa = Isa::chosen()?;
        let start = KMeans::once(rows, k, seed, run).assign(rows)?;
        let mut shares = vec![0.0; rows.n() * k];
        start.iter().enumerate().for_each(|(i, j)| shares[i * k + *j as usize] = 1.0);
        let mut mixture = Mixture::of(isa, rows, k, &shares);
        let mut history = Vec::new();
        loop {
            let (posteriors, log_likelihood) = mixture.expect(rows)?;
            mixture.log_likelihood = log_likelihood;
            mixture.converged = history.last().is_some_and(|last| log_likelihood - last < gain);
            history.push(log_likelihood);
            if mixture.converged || mixture.iterations == ITERATIONS {
                return Ok((mixture, history));
            }
            let iterations = mixture.iterations + 1;
            mixture = Mixture { iterations, ..Mixture::of(isa, rows, k, &posteriors) };
        }
    }

    /// Maximisation: the mixture of rows that belong to its components by `shares` `[n, k]`.
    fn of(isa: Isa, rows: &Rows, k: usize, shares: &[f64]) -> Mixture {
        let (n, d) = (rows.n(), rows.d());
        // Sums of shares, and behind them sums of shared rows.
        let mut sums = total(in_parts(n, |part| {
            let mut sum = vec![0.0; k + k * d];
            for i in part {
                for (j, share) in shares[i * k..(i + 1) * k].iter().enumerate() {
                    sum[j] += share;
                    let of_it = sum[k + j * d..].iter_mut().zip(rows.row(i));
                    of_it.for_each(|(s, x)| *s += share * *x as f64);
                }
            }
            sum
        }));
        let mut means = sums.split_off(k);
        // A component that nothing belongs to keeps a place at 0 instead of nowhere.
        sums.iter_mut().for_each(|s| *s += 10.0 * f64::EPSILON);
        for (mean, sum) in means.chunks_exact_mut(d).zip(&sums) {
            mean.iter_mut().for_each(|m| *m /= sum);
        }
        let mut covariances = Vec::with_capacity(k * d * d);
        for (j, mean) in means.chunks_exact(d).enumerate() {
            let mut covariance = shared_scatter(isa, rows, mean, |i| shares[i * k + j]);
            covariance.iter_mut().for_each(|v| *v /= sums[j]);
            (0..d).for_each(|i| covariance[i * d + i] += REGULARISATION);
            covariances.extend(covariance);
        }
        let all: f64 = sums.iter().sum();
        let weights = sums.iter().map(|s| s / all).collect();
        Mixture { d, weights, means, covariances, log_likelihood: f64::NAN, iterations: 0, converged: false }
    }

    /// Expectation: the posteriors `[n, k]`, and the mean log-likelihood.
    fn expect(&self, rows: &Rows) -> Result<(Vec<f64>, f64)> {
        let k = self.weights.len();
        let mut joint = self.joint(rows)?;
        let parts = in_parts(rows.n(), |part| {
            let mut posteriors = joint[part.start * k..part.end * k].to_vec();
            let sum = posteriors.chunks_exact_mut(k).map(normalise).sum::<f64>();
            (posteriors, sum)
        });
        joint.clear();
        let mut sum = 0.0;
        for (posteriors, of_part) in parts {
            joint.extend(posteriors);
            sum += of_part;
        }
        Ok((joint, sum / rows.n() as f64))
    }

    /// The component that each row most likely belongs to, `[n]`; the first of equally likely ones.
    ///
    /// # Errors
    /// If there are no rows or they have another length than those of the fit.
    pub fn assign(&self, rows: &Rows) -> Result<Vec<u32>> {
        rows.expect("mixture", self.d)?;
        let joint = self.joint(rows)?;
        let first_largest = |row: &[f64]| (1..row.len()).fold(0, |best, j| if row[j] > row[best] { j } else { best });
        Ok(joint.chunks_exact(self.weights.len()).map(|row| first_largest(row) as u32).collect())
    }

    /// `log(weight_j) + log N(x_i; mean_j, covariance_j)`, `[n, k]`.
    fn joint(&self, rows: &Rows) -> Result<Vec<f64>> {
        let (isa, n, d, k) = (Isa::chosen()?, rows.n(), self.d, self.weights.len());
        let mut joint = vec![0.0; n * k];
        for (j, (mean, covariance)) in self.means.chunks_exact(d).zip(self.covariances.chunks_exact(d * d)).enumerate()
        {
            let (whitener, log_det) = whitener(d, covariance).ok_or_else(|| {
                Error::NonFinite(format!(
                    "mixture: the covariance of component {j} is not positive definite; take fewer components than {k}, \
                     or fewer dimensions than {d} by PCA"
                ))
            })?;
            let constant = self.weights[j].ln() - 0.5 * (d as f64 * std::f64::consts::TAU.ln() + log_det);
            let of_j = in_parts(n, |part| {
                let (mut x, mut white) = (Vec::new(), vec![0.0; BLOCK * d]);
                let mut out = Vec::with_capacity(part.len());
                for block in blocks(part) {
                    let b = block.len();
                    rows.centred(block, mean, &mut x);
                    product(isa, (b, d, d), View::rows(&x, d), View::rows(&whitener, d), (&mut white, d), false);
                    let distance = |row: &[f64]| row.iter().map(|v| v * v).sum::<f64>();
                    out.extend(white[..b * d].chunks_exact(d).map(|row| constant - 0.5 * distance(row)));
                }
                out
            });
            of_j.concat().into_iter().enumerate().for_each(|(i, v)| joint[i * k + j] = v);
        }
        Ok(joint)
    }
}

/// Logarithms become shares of their sum; returns the logarithm of the sum.
fn normalise(row: &mut [f64]) -> f64 {
    let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    row.iter_mut().for_each(|v| *v = (*v - max).exp());
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|v| *v /= sum);
    max + sum.ln()
}

/// `W` `[d, d]` with `|x W|^2 = x^T covariance^-1 x`, and the logarithm of the determinant; `None` if it is not positive
/// definite. With `covariance = L L^T`, `W` is the transpose of the inverse of `L`.
fn whitener(d: usize, covariance: &[f64]) -> Option<(Vec<f64>, f64)> {
    let l = DMatrix::from_row_slice(d, d, covariance).cholesky()?.unpack();
    let log_det = 2.0 * l.diagonal().iter().map(|v| v.ln()).sum::<f64>();
    let inverse = l.solve_lower_triangular(&DMatrix::identity(d, d))?;
    // Column-major: the inverse of L as it lies there is its transpose, row-major.
    Some((inverse.as_slice().to_vec(), log_det))
}

/// `sum_i share_i (x_i - mean) (x_i - mean)^T` `[d, d]`.
fn shared_scatter(isa: Isa, rows: &Rows, mean: &[f64], share: impl Fn(usize) -> f64 + Sync) -> Vec<f64> {
    let d = rows.d();
    total(in_parts(rows.n(), |part| {
        let (mut x, mut sum) = (Vec::new(), vec![0.0; d * d]);
        for block in blocks(part) {
            rows.centred(block.clone(), mean, &mut x);
            let b = block.len();
            // The same root on both sides keeps the matrix symmetric to the last bit.
            for (row, i) in x.chunks_exact_mut(d).zip(block) {
                let root = share(i).sqrt();
                row.iter_mut().for_each(|v| *v *= root);
            }
            product(isa, (d, d, b), View::rows(&x, d).t(), View::rows(&x, d), (&mut sum, d), true);
        }
        sum
    }))
}

#[cfg(test)]
mod tests {
    use super::super::kmeans::tests::{clusters, same_parts};
    use super::*;

    /// Three flat clouds side by side, that k-means would cut across.
    fn clouds() -> (Rows, Vec<u32>) {
        let centres: [&[f32]; 3] = [&[0.0, 0.0, 1.0], &[0.0, 5.0, 0.0], &[0.0, 10.0, -1.0]];
        clusters(&centres, &[4.0, 0.5, 1.0], 400, 8)
    }

    #[test]
    fn the_likelihood_never_falls() {
        let rows = Rows::new((0..3000).map(|i| (i as f32 * 1.7).sin() * (i % 7) as f32).collect(), 3).unwrap();
        for run in 0..4 {
            let (mixture, history) = Mixture::once(&rows, 6, 1, run, 1e-7).unwrap();
            assert_eq!(history.len() as u32, mixture.iterations + 1);
            assert!(mixture.iterations > 5, "{mixture:?}");
            // What is added to the diagonals is no part of the likelihood: it may cost its own size.
            assert!(history.windows(2).all(|w| w[1] > w[0] - 1e-6), "{history:?}");
        }
    }

    #[test]
    fn clouds_are_told_apart() {
        let (rows, truth) = clouds();
        let mixture = Mixture::fit(&rows, 3, 5, 1).unwrap();
        assert!(mixture.converged);
        assert!(same_parts(&mixture.assign(&rows).unwrap(), &truth), "{mixture:?}");
        assert!(mixture.weights.iter().all(|w| (w - 1.0 / 3.0).abs() < 1e-3), "{mixture:?}");
        for covariance in mixture.covariances.chunks(9) {
            let expected = [16.0, 0.25, 1.0];
            (0..3).for_each(|i| assert!((covariance[4 * i] / expected[i] - 1.0).abs() < 0.3, "{covariance:?}"));
        }
    }

    #[test]
    fn stored_and_read_again_it_assigns_the_same() {
        // Overlapping components: rows lie close to the borders.
        let rows = Rows::new((0..8000).map(|i| (i as f32 * 0.71).sin() + (i % 5) as f32).collect(), 4).unwrap();
        let mixture = Mixture::fit(&rows, 7, 2, 3).unwrap();
        let stored: Mixture = serde_json::from_str(&serde_json::to_string(&mixture).unwrap()).unwrap();
        assert_eq!(stored, mixture);
        assert_eq!(stored.assign(&rows).unwrap(), mixture.assign(&rows).unwrap());
        // The same posteriors that training ended with.
        let (posteriors, _) = mixture.expect(&rows).unwrap();
        for (row, j) in posteriors.chunks(7).zip(mixture.assign(&rows).unwrap()) {
            assert!(row.iter().all(|p| *p <= row[j as usize]));
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(|| Mixture::fit(&rows, 7, 2, 3).unwrap()), mixture);
    }

    /// `tests/golden/features.py` has scikit-learn fit the same rows to the end.
    #[test]
    fn the_optimum_is_that_of_scikit_learn() {
        let x = (0..120).map(|i| ((7 * i * i + 3 * i) % 41) as f32 / 8.0 + if i / 2 % 2 == 0 { 9.0 } else { 0.0 });
        let rows = Rows::new(x.collect(), 2).unwrap();
        let (mixture, _) = Mixture::once(&rows, 2, 0, 0, 1e-12).unwrap();
        const LOG_LIKELIHOOD: f64 = -4.191936624;
        const MEAN: [f64; 2] = [2.774999998, 2.766666665];
        const COVARIANCE: [f64; 4] = [1.929584340, 0.241770837, 0.241770837, 1.476806562];
        assert!((mixture.log_likelihood - LOG_LIKELIHOOD).abs() < 1e-8, "{}", mixture.log_likelihood);
        // The one on the left.
        let left = if mixture.means[0] < mixture.means[2] { 0 } else { 1 };
        let near = |a: &[f64], b: &[f64]| a.iter().zip(b).for_each(|(a, b)| assert!((a - b).abs() < 1e-6, "{a} {b}"));
        near(&mixture.means[left * 2..][..2], &MEAN);
        near(&mixture.covariances[left * 4..][..4], &COVARIANCE);
    }

    #[test]
    fn equal_rows_and_wrong_counts() {
        let rows = Rows::new(vec![3.0; 12], 2).unwrap();
        let mixture = Mixture::fit(&rows, 2, 1, 0).unwrap();
        assert_eq!(mixture.assign(&rows).unwrap().len(), 6);
        let message = Mixture::fit(&rows, 7, 1, 0).unwrap_err().to_string();
        assert!(message.contains("mixture: 7 clusters of 6 rows"), "{message}");
        assert!(mixture.assign(&Rows::new(vec![1.0; 3], 3).unwrap()).is_err());
    }
}
