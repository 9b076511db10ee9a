//! A mixture of Gaussians with full covariances, by expectation maximisation from k-means.

use super::{Rows, kmeans};
use crate::error::{Error, Result};
use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

/// Added to each variance, as scikit-learn has it.
const REGULARISATION: f64 = 1e-6;
/// It ends when the mean log-likelihood rises by less.
const TOLERANCE: f64 = 1e-3;
const ROUNDS: usize = 100;
const STARTS: usize = 5;

/// One Gaussian.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Part {
    log_weight: f64,
    mean: Vec<f64>,
    /// Cholesky factor L of the covariance, row by row.
    factor: Vec<Vec<f64>>,
}

/// The mixture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mixture {
    parts: Vec<Part>,
}

impl Mixture {
    /// Of points, with `k` parts.
    ///
    /// # Errors
    /// If there are fewer points than parts, or a covariance cannot be factored.
    pub fn fit(x: &Rows, k: usize, seed: u64) -> Result<Mixture> {
        Ok(Self::followed(x, k, seed)?.0)
    }

    /// With the mean log-likelihood of each round.
    fn followed(x: &Rows, k: usize, seed: u64) -> Result<(Mixture, Vec<f64>)> {
        let (of, _) = kmeans(x, k, STARTS, seed)?;
        let mut shares: Vec<Vec<f64>> =
            of.iter().map(|c| (0..k).map(|i| (i == *c as usize) as u8 as f64).collect()).collect();
        let mut likelihoods = Vec::new();
        loop {
            let mixture = Mixture { parts: (0..k).map(|c| part(x, &shares, c)).collect::<Result<_>>()? };
            let mut sum = 0.0;
            for (row, shares) in x.iter().zip(&mut shares) {
                let logs = mixture.logs(row);
                let largest = logs.iter().fold(f64::MIN, |m, l| m.max(*l));
                let total = largest + logs.iter().map(|l| (l - largest).exp()).sum::<f64>().ln();
                shares.iter_mut().zip(logs).for_each(|(s, l)| *s = (l - total).exp());
                sum += total;
            }
            likelihoods.push(sum / x.n() as f64);
            let settled = matches!(likelihoods[..], [.., a, b] if b - a < TOLERANCE);
            if settled || likelihoods.len() == ROUNDS {
                return Ok((mixture, likelihoods));
            }
        }
    }

    /// The likeliest part of each point.
    pub fn assign(&self, x: &Rows) -> Vec<u32> {
        let best = |row: &[f32]| {
            let logs = self.logs(row);
            // Of equal ones the first.
            (0..logs.len()).rev().max_by(|a, b| logs[*a].total_cmp(&logs[*b])).unwrap_or(0) as u32
        };
        x.iter().map(best).collect()
    }

    /// Logarithms of weight and density of each part at a point.
    fn logs(&self, row: &[f32]) -> Vec<f64> {
        self.parts.iter().map(|p| p.log_weight + p.log_density(row)).collect()
    }
}

impl Part {
    fn log_density(&self, row: &[f32]) -> f64 {
        let d = self.mean.len();
        // Forward substitution: L y = x - mean.
        let mut y = vec![0.0; d];
        let mut log_determinant = 0.0;
        for i in 0..d {
            let known: f64 = self.factor[i][..i].iter().zip(&y).map(|(l, y)| l * y).sum();
            y[i] = (row[i] as f64 - self.mean[i] - known) / self.factor[i][i];
            log_determinant += self.factor[i][i].ln();
        }
        let square: f64 = y.iter().map(|y| y * y).sum();
        -0.5 * (d as f64 * (2.0 * std::f64::consts::PI).ln() + square) - log_determinant
    }
}

/// The Gaussian of the points with their shares in part `c`.
fn part(x: &Rows, shares: &[Vec<f64>], c: usize) -> Result<Part> {
    let d = x.d;
    let weight = shares.iter().map(|s| s[c]).sum::<f64>().max(10.0 * f64::EPSILON);
    let mut mean = DVector::zeros(d);
    for (row, s) in x.iter().zip(shares) {
        mean.iter_mut().zip(row).for_each(|(m, x): (&mut f64, _)| *m += s[c] * *x as f64 / weight);
    }
    let mut covariance = DMatrix::zeros(d, d);
    for (row, s) in x.iter().zip(shares) {
        let centred = DVector::from_iterator(d, row.iter().zip(mean.iter()).map(|(x, m)| *x as f64 - m));
        covariance.ger(s[c] / weight, &centred, &centred, 1.0);
    }
    (0..d).for_each(|i| covariance[(i, i)] += REGULARISATION);
    let factor = covariance.cholesky().ok_or_else(|| {
        Error::Config(format!("part {c} of the mixture has no covariance: too few points, or points that are alike"))
    })?;
    let factor = factor.l();
    Ok(Part {
        log_weight: (weight / x.n() as f64).ln(),
        mean: mean.iter().copied().collect(),
        factor: (0..d).map(|i| (0..d).map(|j| factor[(i, j)]).collect()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Philox;

    /// A long group and a round one.
    fn points(n: usize) -> Rows {
        let p = Philox::new(6, 0);
        let row = |i: usize| {
            let [a, b] = [0, 1].map(|j| p.normal(0, (2 * i + j) as u64));
            if i.is_multiple_of(2) { [6.0 * a, 0.3 * b] } else { [a, 5.0 + b] }
        };
        Rows { data: (0..n).flat_map(row).collect(), d: 2 }
    }

    #[test]
    fn likelihood_rises_and_groups_are_found() {
        let x = points(400);
        let (mixture, likelihoods) = Mixture::followed(&x, 2, 1).unwrap();
        assert!(likelihoods.windows(2).all(|w| w[1] >= w[0] - 1e-9), "{likelihoods:?}");
        let of = mixture.assign(&x);
        let right = (0..400).filter(|i| of[*i] == of[i % 2]).count();
        assert!(right > 390 && of[0] != of[1], "{right}");
        let shares: f64 = mixture.parts.iter().map(|p| p.log_weight.exp()).sum();
        assert!((shares - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_stored_assigns_alike() {
        let x = points(300);
        let mixture = Mixture::fit(&x, 3, 2).unwrap();
        let stored: Mixture = serde_json::from_str(&serde_json::to_string(&mixture).unwrap()).unwrap();
        assert_eq!(stored.assign(&x), mixture.assign(&x));
    }
}
