//! Principal components, by the eigenvectors of the covariance matrix (nalgebra's) in f64.

use super::rows::{BLOCK, Rows, blocks, in_parts, total};
use crate::error::{Error, Result};
use crate::kernels::Isa;
use crate::kernels::gemm::{View, product};
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

/// A singular value below this share of the largest is 0: features are f32, and the square root of an eigenvalue in f64
/// tells no more apart than about 1e-8.
const NOTHING: f64 = 1e-6;

/// The directions in which features spread most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pca {
    /// Length of a feature.
    pub d: usize,
    /// `[d]`.
    pub mean: Vec<f64>,
    /// `[k, d]`, row-major, orthonormal, the one of the largest spread first. The entry of largest magnitude of each is
    /// positive.
    pub components: Vec<f64>,
    /// Singular values `[k]` of the features less their mean.
    pub singular: Vec<f64>,
    /// Sum of the squares of the features less their mean; `singular[i]^2 / spread` is the share of component `i`.
    pub spread: f64,
}

impl Pca {
    /// The first `k` components of `rows` `[n, d]`. Beyond the rank of the rows there are directions too, with singular
    /// values of about 0.
    ///
    /// # Errors
    /// If there are no rows, `k` is not in `1..=d`, or the eigenvalues are not found.
    pub fn fit(rows: &Rows, k: usize) -> Result<Pca> {
        let d = rows.d();
        rows.expect("PCA", d)?;
        if k == 0 || k > d {
            return Err(Error::Config(format!("PCA: {k} components of features of length {d}; take 1 to {d}")));
        }
        let mean = rows.mean();
        let scatter = scatter(Isa::chosen()?, rows, &mean);
        let spread = (0..d).map(|i| scatter[i * d + i]).sum();
        // 30 sweeps an eigenvalue is what LAPACK allows.
        let eigen = DMatrix::from_vec(d, d, scatter).try_symmetric_eigen(f64::EPSILON, 30 * d).ok_or_else(|| {
            Error::NonFinite(format!(
                "PCA: the {d} eigenvalues do not converge; are the features much larger than 1? scale them"
            ))
        })?;
        let mut order: Vec<usize> = (0..d).collect();
        order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
        order.truncate(k);
        let singular = order.iter().map(|i| eigen.eigenvalues[*i].max(0.0).sqrt()).collect();
        let mut components = Vec::with_capacity(k * d);
        for i in order {
            let component = eigen.eigenvectors.column(i);
            let largest = component.iter().fold(0.0, |a: f64, v| if v.abs() > a.abs() { *v } else { a });
            components.extend(component.iter().map(|v| v * largest.signum()));
        }
        Ok(Pca { d, mean, components, singular, spread })
    }

    /// Number of components.
    pub fn k(&self) -> usize {
        self.singular.len()
    }

    /// Coordinates `[n, k]` of `rows` `[n, d]` along the components.
    ///
    /// # Errors
    /// If there are no rows or they have another length than those of the fit.
    pub fn project(&self, rows: &Rows) -> Result<Rows> {
        self.along(rows, &vec![1.0; self.k()])
    }

    /// [`Pca::project`], then divided by the singular values: rows that were fitted get variance 1/n along each component.
    /// A component along which they had none gives 0.
    ///
    /// # Errors
    /// As [`Pca::project`].
    pub fn whiten(&self, rows: &Rows) -> Result<Rows> {
        let least = NOTHING * self.singular.first().copied().unwrap_or_default();
        let scale: Vec<f64> = self.singular.iter().map(|s| if *s > least { 1.0 / s } else { 0.0 }).collect();
        self.along(rows, &scale)
    }

    fn along(&self, rows: &Rows, scale: &[f64]) -> Result<Rows> {
        rows.expect("PCA", self.d)?;
        let (isa, d, k) = (Isa::chosen()?, self.d, self.k());
        let parts = in_parts(rows.n(), |part| {
            let (mut x, mut made) = (Vec::new(), vec![0.0; BLOCK * k]);
            let mut out = Vec::with_capacity(part.len() * k);
            for block in blocks(part) {
                let b = block.len();
                rows.centred(block, &self.mean, &mut x);
                let components = View::rows(&self.components, d).t();
                product(isa, (b, k, d), View::rows(&x, d), components, (&mut made, k), false);
                let scaled = |row: &[f64]| row.iter().zip(scale).map(|(v, s)| (v * s) as f32).collect::<Vec<_>>();
                out.extend(made[..b * k].chunks_exact(k).flat_map(scaled));
            }
            out
        });
        Rows::new(parts.concat(), k)
    }
}

/// `X^T X` `[d, d]` of the rows less `mean`.
fn scatter(isa: Isa, rows: &Rows, mean: &[f64]) -> Vec<f64> {
    let d = rows.d();
    total(in_parts(rows.n(), |part| {
        let (mut x, mut sum) = (Vec::new(), vec![0.0; d * d]);
        for block in blocks(part) {
            let b = block.len();
            rows.centred(block, mean, &mut x);
            product(isa, (d, d, b), View::rows(&x, d).t(), View::rows(&x, d), (&mut sum, d), true);
        }
        sum
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Philox;

    /// Ten points in four dimensions: `tests/golden/features.py` makes the same.
    fn golden() -> Rows {
        Rows::new((0..40).map(|i| ((5 * i * i + 11 * i) % 37) as f32 / 4.0).collect(), 4).unwrap()
    }

    const MEAN: [f64; 4] = [3.45, 5.275, 4.05, 4.4];
    const SINGULAR: [f64; 3] = [12.205527945, 11.678940500, 5.995153036];
    const COMPONENTS: [f64; 12] = [
        0.358682645,
        0.695031365,
        0.033820120,
        0.622201223,
        0.817579068,
        -0.286353821,
        -0.483635035,
        -0.125152343,
        0.447557931,
        0.041120245,
        0.822464651,
        -0.348644405,
    ];

    #[test]
    fn the_components_are_those_of_numpy() {
        let pca = Pca::fit(&golden(), 3).unwrap();
        let near = |a: &[f64], b: &[f64]| {
            assert_eq!(a.len(), b.len());
            a.iter().zip(b).for_each(|(a, b)| assert!((a - b).abs() < 1e-7, "{a} {b}"));
        };
        near(&pca.mean, &MEAN);
        near(&pca.singular, &SINGULAR);
        near(&pca.components, &COMPONENTS);
    }

    /// 3000 points in a space of ten dimensions that fill only eight of them.
    fn cloud() -> Rows {
        let (n, rng) = (3000, Philox::new(5, 0));
        let mut z = vec![0.0; n * 8];
        rng.fill_normal(0, &mut z);
        let mixed = |row: &[f32], j: u64| (0..8).map(|i| row[i as usize] * rng.normal(1, 8 * j + i)).sum::<f32>();
        let mix = |row: &[f32]| (0..10).map(|j| 3.0 + mixed(row, j)).collect::<Vec<_>>();
        Rows::new(z.chunks(8).flat_map(mix).collect(), 10).unwrap()
    }

    #[test]
    fn whitened_features_have_mean_zero_and_equal_variance() {
        let rows = cloud();
        let pca = Pca::fit(&rows, 10).unwrap();
        assert!(pca.singular[8] < NOTHING * pca.singular[0], "{:?}", pca.singular);
        let white = pca.whiten(&rows).unwrap();
        let n = rows.n() as f64;
        for j in 0..10 {
            let column = || white.rows().map(|r| r[j] as f64);
            let mean = column().sum::<f64>() / n;
            let variance = column().map(|v| (v - mean).powi(2)).sum::<f64>();
            let expected = if j < 8 { 1.0 } else { 0.0 };
            assert!(mean.abs() * n.sqrt() < 1e-3 && (variance - expected).abs() < 1e-3, "{j}: {mean} {variance}");
        }
    }

    #[test]
    fn the_features_come_back_from_their_coordinates() {
        let rows = cloud();
        let pca = Pca::fit(&rows, 8).unwrap();
        let seen: f64 = pca.singular.iter().map(|s| s * s).sum();
        assert!((seen / pca.spread - 1.0).abs() < 1e-9);
        for (row, at) in rows.rows().zip(pca.project(&rows).unwrap().rows()) {
            for (j, x) in row.iter().enumerate() {
                let back: f64 = pca.mean[j] + (0..8).map(|i| at[i] as f64 * pca.components[i * 10 + j]).sum::<f64>();
                assert!((back - *x as f64).abs() < 1e-4, "{back} {x}");
            }
        }
        // Stored and read again it is the same.
        let stored: Pca = serde_json::from_str(&serde_json::to_string(&pca).unwrap()).unwrap();
        assert_eq!(stored, pca);
    }

    #[test]
    fn equal_rows_and_wrong_counts() {
        let pca = Pca::fit(&Rows::new(vec![2.0; 12], 3).unwrap(), 2).unwrap();
        assert_eq!(pca.whiten(&Rows::new(vec![2.0, 5.0, 1.0], 3).unwrap()).unwrap().data(), [0.0, 0.0]);
        let message = Pca::fit(&golden(), 5).unwrap_err().to_string();
        assert!(message.contains("5 components of features of length 4"), "{message}");
        assert!(pca.project(&golden()).is_err());
    }
}
