//! What is made of the last layer's codes: components, and clusters of them.

use super::codes::Codes;
use super::spec::{Application, MbnSpec};
use crate::error::Result;
use crate::features::{KMeans, OneHotPca, Rows, agglomerative};

/// Components of the last code and clusters of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// From codes to coordinates.
    pub pca: OneHotPca,
    /// Coordinates of the points that the model was fitted to, `[n, q]`.
    pub coordinates: Rows,
    /// Their clusters, `[n]`.
    pub clusters: Vec<u32>,
    /// The mean of each cluster, by which other points are assigned.
    pub centres: KMeans,
}

impl Output {
    /// Of the last codes, whose numbers are below `k`.
    pub fn fit(spec: &MbnSpec, codes: &Codes, k: usize, seed: u64) -> Result<Output> {
        let pca = OneHotPca::fit(codes.data(), codes.v(), k, spec.components, seed)?;
        let coordinates = pca.project(codes.data())?;
        let (clusters, centres) = match spec.application {
            Application::KMeans => {
                let centres = KMeans::fit(&coordinates, spec.clusters, spec.restarts, seed)?;
                (centres.assign(&coordinates)?, centres)
            }
            Application::Agglomerative => {
                let clusters = agglomerative(&coordinates, spec.clusters)?;
                let centres = means(&coordinates, &clusters, spec.clusters);
                (clusters, centres)
            }
        };
        Ok(Output { pca, coordinates, clusters, centres })
    }

    /// Coordinates and clusters of other points, from their last codes.
    ///
    /// # Errors
    /// If these are no codes of the model.
    pub fn of(&self, codes: &Codes) -> Result<(Rows, Vec<u32>)> {
        let coordinates = self.pca.project(codes.data())?;
        let clusters = self.centres.assign(&coordinates)?;
        Ok((coordinates, clusters))
    }
}

fn means(rows: &Rows, clusters: &[u32], k: usize) -> KMeans {
    let d = rows.d();
    let (mut centres, mut count) = (vec![0.0; k * d], vec![0.0; k]);
    for (row, c) in rows.rows().zip(clusters) {
        let at = *c as usize;
        centres[at * d..][..d].iter_mut().zip(row).for_each(|(s, x)| *s += *x as f64);
        count[at] += 1.0;
    }
    for (centre, n) in centres.chunks_exact_mut(d).zip(count) {
        centre.iter_mut().for_each(|s| *s /= f64::max(n, 1.0));
    }
    let squared = |(row, c): (&[f32], &u32)| -> f64 {
        row.iter().zip(&centres[*c as usize * d..]).map(|(x, m)| (*x as f64 - m).powi(2)).sum()
    };
    let inertia = rows.rows().zip(clusters).map(squared).sum();
    KMeans { d, centres, inertia, iterations: 0 }
}
