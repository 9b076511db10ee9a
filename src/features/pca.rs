//! Principal components.

use super::Rows;
use crate::error::{Error, Result};
use nalgebra::{DMatrix, SymmetricEigen};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The directions of largest variance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pca {
    /// Mean of the features, `[d]`.
    pub mean: Vec<f64>,
    /// Unit vectors, `[k][d]`, largest variance first; the largest number of each is positive.
    pub components: Vec<Vec<f64>>,
    /// Number of images that they were made from.
    pub images: usize,
    /// Singular values of the centred features: square roots of n times the variances.
    pub singular: Vec<f64>,
}

impl Pca {
    /// The first `k` components of features, or all if there are fewer.
    ///
    /// # Errors
    /// If there are no features.
    pub fn fit(features: &Rows, k: usize) -> Result<Pca> {
        let (n, d) = (features.n(), features.d);
        if n == 0 || d == 0 {
            return Err(Error::Config("principal components want features, there are none".into()));
        }
        let mut mean = vec![0.0; d];
        for row in features.iter() {
            mean.iter_mut().zip(row).for_each(|(m, x)| *m += *x as f64 / n as f64);
        }
        // Each row of the covariance sums over the images in their order, whatever thread does it.
        let rows: Vec<Vec<f64>> = (0..d)
            .into_par_iter()
            .map(|i| {
                let mut sums = vec![0.0; d - i];
                for row in features.iter() {
                    let a = row[i] as f64 - mean[i];
                    sums.iter_mut().zip(&row[i..]).zip(&mean[i..]).for_each(|((s, x), m)| *s += a * (*x as f64 - m));
                }
                sums
            })
            .collect();
        let matrix = DMatrix::from_fn(d, d, |i, j| rows[i.min(j)][i.max(j) - i.min(j)]);
        let eigen = SymmetricEigen::new(matrix);
        let mut order: Vec<usize> = (0..d).collect();
        order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
        order.truncate(k);
        let components = order.iter().map(|&i| {
            let v: Vec<f64> = eigen.eigenvectors.column(i).iter().copied().collect();
            let largest = v.iter().fold(0f64, |m, x| if x.abs() > m.abs() { *x } else { m });
            v.iter().map(|x| x * largest.signum()).collect()
        });
        let components = components.collect();
        let singular = order.iter().map(|&i| eigen.eigenvalues[i].max(0.0).sqrt()).collect();
        Ok(Pca { mean, components, images: n, singular })
    }

    /// Features along the components, `[n, k]`.
    pub fn project(&self, features: &Rows) -> Rows {
        self.along(features, |x, _| x)
    }

    /// The same divided by the singular values: all have the same variance. Where there is none, it is 0.
    pub fn whiten(&self, features: &Rows) -> Rows {
        let tiny = 1e-6 * self.singular.first().copied().unwrap_or(0.0);
        self.along(features, |x, s| if s > tiny { x / s } else { 0.0 })
    }

    fn along(&self, features: &Rows, f: impl Fn(f64, f64) -> f64 + Sync) -> Rows {
        let one = |row: &[f32]| -> Vec<f32> {
            let centred: Vec<f64> = row.iter().zip(&self.mean).map(|(x, m)| *x as f64 - m).collect();
            let axis = |(c, s): (&Vec<f64>, &f64)| f(c.iter().zip(&centred).map(|(c, x)| c * x).sum(), *s) as f32;
            self.components.iter().zip(&self.singular).map(axis).collect()
        };
        let data = features.data.par_chunks(features.d).flat_map_iter(one).collect();
        Rows { data, d: self.components.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Philox;

    /// A stretched and turned cloud.
    pub(crate) fn cloud(n: usize) -> Rows {
        let p = Philox::new(3, 0);
        let row = |i: usize| {
            let z: Vec<f32> = (0..3).map(|j| p.normal(0, (3 * i + j) as u64) * [5.0, 1.0, 0.2][j]).collect();
            [z[0] + z[1] + 1.0, z[0] - z[1] - 2.0, z[2] + 3.0, 0.5 * z[0]]
        };
        Rows { data: (0..n).flat_map(row).collect(), d: 4 }
    }

    #[test]
    fn whitened_features_have_mean_0_and_one_variance() {
        let x = cloud(500);
        let pca = Pca::fit(&x, 3).unwrap();
        let w = pca.whiten(&x);
        for k in 0..3 {
            let column: Vec<f64> = w.iter().map(|r| r[k] as f64).collect();
            let (mean, square) = (column.iter().sum::<f64>() / 500.0, column.iter().map(|x| x * x).sum::<f64>());
            assert!(mean.abs() < 1e-6 && (square - 1.0).abs() < 1e-3, "{mean} {square}");
        }
        assert!(pca.singular.is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn components_are_orthonormal_and_bring_the_features_back() {
        let x = cloud(200);
        let pca = Pca::fit(&x, 9).unwrap();
        assert_eq!(pca.components.len(), 4);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for (i, a) in pca.components.iter().enumerate() {
            for (j, b) in pca.components.iter().enumerate() {
                assert!((dot(a, b) - (i == j) as u8 as f64).abs() < 1e-9);
            }
        }
        let z = pca.project(&x);
        for (row, z) in x.iter().zip(z.iter()) {
            for (i, x) in row.iter().enumerate() {
                let back = pca.mean[i] + z.iter().zip(&pca.components).map(|(z, c)| *z as f64 * c[i]).sum::<f64>();
                assert!((back - *x as f64).abs() < 1e-4);
            }
        }
        // Three directions hold all variance: the fourth is left out of whitening.
        assert!(pca.whiten(&x).iter().all(|r| r[3] == 0.0));
    }
}
