//! t-SNE (L. van der Maaten, G. Hinton, "Visualizing data using t-SNE", JMLR 2008) by the bhtsne crate, Barnes-Hut with its
//! usual theta of 0.5. It starts from the first two principal components (D. Kobak, P. Berens, "The art of using t-SNE for
//! single-cell transcriptomics", 2019), which keeps the large in its place.

use super::super::rows::{Rows, in_parts};
use crate::error::{Error, Result};
use crate::rng::{Philox, streams};
use bhtsne::Neighbor;

const PERPLEXITY: f64 = 30.0;
const THETA: f64 = 0.5;
/// Deviation of the start along the first axis, and of the noise that parts equal points.
const START: f64 = 1e-4;
const NOISE: f64 = 1e-6;

/// 30, or a third of the neighbours that a point has.
pub(super) fn perplexity(n: usize) -> f64 {
    PERPLEXITY.min((n - 1) as f64 / 3.0)
}

/// Where `rows` lie on the map, starting from `flat`. At least 5 of them.
pub(super) fn embed(rows: &Rows, flat: &[[f64; 2]], seed: u64) -> Result<Vec<[f64; 2]>> {
    let n = rows.n();
    let perplexity = perplexity(n);
    // Our own neighbours: the crate's search tree is built with random numbers that cannot be seeded.
    let neighbours = neighbours(rows, (3.0 * perplexity) as usize);
    let samples: Vec<&[f32]> = rows.rows().collect();
    let start = start(flat, seed);
    // One thread: the crate's sums depend on how many there are.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.map_err(|e| Error::Config(format!("map: cannot start a thread: {e}; close other programs")))?;
    let flat = pool.install(|| {
        let mut tsne = bhtsne::tSNE::<f64, &[f32]>::new(&samples);
        tsne.perplexity(perplexity).initial_embedding(start).barnes_hut_with_neighbors(THETA, &neighbours);
        tsne.embedding()
    });
    if let Some(i) = flat.iter().position(|v| !v.is_finite()) {
        return Err(Error::NonFinite(format!("map: t-SNE put point {} at {}; please report it", i / 2, flat[i])));
    }
    Ok(flat.chunks_exact(2).map(|p| [p[0], p[1]]).collect())
}

/// The `k` nearest others of each row, the nearest first; among equally near ones those with the smaller numbers.
fn neighbours(rows: &Rows, k: usize) -> Vec<Vec<Neighbor<f64>>> {
    let n = rows.n();
    let of = |i: usize| {
        let row = rows.row(i);
        let squared = |j: usize| row.iter().zip(rows.row(j)).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        let mut near: Vec<(f32, usize)> = (0..n).filter(|j| *j != i).map(|j| (squared(j), j)).collect();
        let order = |a: &(f32, usize), b: &(f32, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if k < near.len() {
            near.select_nth_unstable_by(k, order);
            near.truncate(k);
        }
        near.sort_unstable_by(order);
        near.iter().map(|(squared, index)| Neighbor { index: *index, distance: (*squared as f64).sqrt() }).collect()
    };
    in_parts(n, |part| part.map(of).collect::<Vec<_>>()).concat()
}

fn start(flat: &[[f64; 2]], seed: u64) -> Vec<f64> {
    let rng = Philox::new(seed, streams::MAP);
    // The components have mean 0.
    let deviation = (flat.iter().map(|p| p[0] * p[0]).sum::<f64>() / flat.len() as f64).sqrt();
    let scale = if deviation > 0.0 { START / deviation } else { 0.0 };
    let noise = |i: usize| NOISE * rng.normal(0, i as u64) as f64;
    flat.iter().flatten().enumerate().map(|(i, v)| scale * v + noise(i)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_the_nearest_in_order() {
        let rows = Rows::new(vec![0.0, 1.0, 3.0, 1.0, 7.0], 1).unwrap();
        let near = neighbours(&rows, 3);
        let found = |i: usize| near[i].iter().map(|n| (n.index, n.distance)).collect::<Vec<_>>();
        assert_eq!(found(0), [(1, 1.0), (3, 1.0), (2, 3.0)]);
        assert_eq!(found(4), [(2, 4.0), (1, 6.0), (3, 6.0)]);
        assert_eq!(neighbours(&rows, 4)[2].len(), 4);
    }
}
