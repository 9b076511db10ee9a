//! Clusters by k-means: Lloyd's iterations from the starts of k-means++ (D. Arthur, S. Vassilvitskii, "k-means++: the
//! advantages of careful seeding", SODA 2007).

use super::rows::{Rows, in_parts, total};
use crate::error::{Error, Result};
use crate::rng::{Philox, streams};
use serde::{Deserialize, Serialize};

const ITERATIONS: u32 = 300;

/// Centres of clusters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KMeans {
    /// Length of a feature.
    pub d: usize,
    /// `[k, d]`, row-major.
    pub centres: Vec<f64>,
    /// Sum of the squared distances of the rows that were fitted from their centres.
    pub inertia: f64,
    /// Iterations until no row changed its cluster, 300 at most.
    pub iterations: u32,
}

impl KMeans {
    /// The best of `restarts` runs on `rows` `[n, d]` with `k` clusters.
    ///
    /// # Errors
    /// If there are fewer rows than clusters, or `k` or `restarts` is 0.
    pub fn fit(rows: &Rows, k: usize, restarts: u32, seed: u64) -> Result<KMeans> {
        check("k-means", rows, k, restarts)?;
        let runs = (0..restarts).map(|run| KMeans::once(rows, k, seed, run));
        // The first of the best.
        let best = runs.reduce(|a, b| if b.inertia < a.inertia { b } else { a });
        best.ok_or_else(|| Error::Config("k-means: no run; ask for at least 1".into()))
    }

    /// Run number `run`.
    pub(super) fn once(rows: &Rows, k: usize, seed: u64, run: u32) -> KMeans {
        let d = rows.d();
        let centres = start(rows, k, seed, run);
        let mut found = KMeans { d, centres, inertia: 0.0, iterations: 0 };
        let mut last = Vec::new();
        loop {
            let nearest = found.nearest(rows);
            found.inertia = in_parts(rows.n(), |part| nearest[part].iter().map(|n| n.1).sum::<f64>()).iter().sum();
            let now: Vec<u32> = nearest.iter().map(|n| n.0).collect();
            if now == last || found.iterations == ITERATIONS {
                return found;
            }
            found.centres = centres_of(rows, k, nearest);
            found.iterations += 1;
            last = now;
        }
    }

    /// The cluster of each row, `[n]`; the first of equally near ones.
    ///
    /// # Errors
    /// If there are no rows or they have another length than those of the fit.
    pub fn assign(&self, rows: &Rows) -> Result<Vec<u32>> {
        rows.expect("k-means", self.d)?;
        Ok(self.nearest(rows).into_iter().map(|n| n.0).collect())
    }

    /// The nearest centre of each row and its squared distance.
    fn nearest(&self, rows: &Rows) -> Vec<(u32, f64)> {
        let nearest = |row: &[f32]| {
            let mut best = (0, f64::INFINITY);
            for (j, centre) in self.centres.chunks_exact(self.d).enumerate() {
                let distance = squared(row, centre);
                if distance < best.1 {
                    best = (j as u32, distance);
                }
            }
            best
        };
        in_parts(rows.n(), |part| part.map(|i| nearest(rows.row(i))).collect::<Vec<_>>()).concat()
    }
}

/// What clusters are asked of: an error unless there are enough rows.
pub(super) fn check(who: &str, rows: &Rows, k: usize, restarts: u32) -> Result<()> {
    rows.expect(who, rows.d())?;
    let n = rows.n();
    if k == 0 || k > n || u32::try_from(n).is_err() {
        return Err(Error::Config(format!("{who}: {k} clusters of {n} rows; take 1 to {n}, of fewer than 2^32 rows")));
    }
    if restarts == 0 {
        return Err(Error::Config(format!("{who}: 0 restarts; ask for at least 1")));
    }
    Ok(())
}

/// k-means++: the first centre is any row, each further one a row drawn in proportion to its squared distance from the
/// nearest centre so far.
fn start(rows: &Rows, k: usize, seed: u64, run: u32) -> Vec<f64> {
    let (n, d) = (rows.n(), rows.d());
    let mut draws = Philox::new(seed, streams::CLUSTER).draws(run as u64, 0);
    let mut next = draws.below(n as u32) as usize;
    let mut centres = Vec::with_capacity(k * d);
    let mut distances = vec![f64::INFINITY; n];
    loop {
        let centre: Vec<f64> = rows.row(next).iter().map(|x| *x as f64).collect();
        centres.extend_from_slice(&centre);
        if centres.len() == k * d {
            return centres;
        }
        let closer = |part: std::ops::Range<usize>| -> Vec<f64> {
            part.map(|i| squared(rows.row(i), &centre).min(distances[i])).collect()
        };
        distances = in_parts(n, closer).concat();
        let mut left = draws.unit() as f64 * distances.iter().sum::<f64>();
        let drawn = distances.iter().position(|d| {
            left -= d;
            left < 0.0
        });
        // None where rounding ran over the end, or where all rows lie on centres.
        next = drawn.unwrap_or(n - 1);
    }
}

/// The mean of each cluster. An empty cluster takes the row that is farthest from its own centre.
fn centres_of(rows: &Rows, k: usize, mut nearest: Vec<(u32, f64)>) -> Vec<f64> {
    let d = rows.d();
    let mut count = vec![0u32; k];
    nearest.iter().for_each(|n| count[n.0 as usize] += 1);
    for j in 0..k {
        if count[j] == 0 {
            // The first of the farthest, out of a cluster that keeps another row.
            let shared = (0..rows.n()).filter(|i| count[nearest[*i].0 as usize] > 1);
            let farthest = shared.reduce(|a, b| if nearest[b].1 > nearest[a].1 { b } else { a });
            if let Some(i) = farthest {
                count[nearest[i].0 as usize] -= 1;
                count[j] = 1;
                nearest[i] = (j as u32, 0.0);
            }
        }
    }
    let mut sums = total(in_parts(rows.n(), |part| {
        let mut sum = vec![0.0; k * d];
        for i in part {
            let at = nearest[i].0 as usize * d;
            sum[at..at + d].iter_mut().zip(rows.row(i)).for_each(|(s, x)| *s += *x as f64);
        }
        sum
    }));
    for (sum, count) in sums.chunks_exact_mut(d).zip(count) {
        sum.iter_mut().for_each(|s| *s /= count as f64);
    }
    sums
}

fn squared(row: &[f32], centre: &[f64]) -> f64 {
    // Four sums, so that the additions need not wait for each other.
    let mut sums = [0.0; 4];
    let (rows, centres) = (row.chunks_exact(4), centre.chunks_exact(4));
    let rest = rows.remainder().iter().zip(centres.remainder()).map(|(x, c)| (*x as f64 - c).powi(2)).sum::<f64>();
    for (x, c) in rows.zip(centres) {
        (0..4).for_each(|i| sums[i] += (x[i] as f64 - c[i]).powi(2));
    }
    sums[0] + sums[1] + sums[2] + sums[3] + rest
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// `n` points around each of `centres`, with deviations `spread` along the axes; and whose they are.
    pub(in crate::features) fn clusters(centres: &[&[f32]], spread: &[f32], n: usize, seed: u64) -> (Rows, Vec<u32>) {
        let (k, d) = (centres.len(), spread.len());
        let mut data = vec![0.0; n * k * d];
        Philox::new(seed, 0).fill_normal(0, &mut data);
        data.iter_mut().enumerate().for_each(|(i, v)| *v = centres[i / d % k][i % d] + spread[i % d] * *v);
        (Rows::new(data, d).unwrap(), (0..n * k).map(|i| (i % k) as u32).collect())
    }

    /// Whether `a` and `b` part the rows in the same way.
    pub(in crate::features) fn same_parts(a: &[u32], b: &[u32]) -> bool {
        let pairs: std::collections::BTreeSet<_> = a.iter().zip(b).collect();
        let distinct = |x: &[u32]| x.iter().collect::<std::collections::BTreeSet<_>>().len();
        pairs.len() == distinct(a) && pairs.len() == distinct(b)
    }

    #[test]
    fn clusters_are_found_and_their_centres_are_means() {
        let centres: [&[f32]; 5] = [&[0.0, 0.0, 9.0], &[9.0, 0.0, 0.0], &[0.0, 9.0, 0.0], &[-9.0; 3], &[30.0; 3]];
        let (rows, truth) = clusters(&centres, &[1.0; 3], 100, 4);
        let found = KMeans::fit(&rows, 5, 4, 1).unwrap();
        let assigned = found.assign(&rows).unwrap();
        assert!(same_parts(&assigned, &truth));
        let mut inertia = 0.0;
        for j in 0..5 {
            let of_it: Vec<u32> = (0..500).filter(|i| assigned[*i as usize] == j).collect();
            let mean = rows.select(&of_it).mean();
            let centre = &found.centres[j as usize * 3..][..3];
            mean.iter().zip(centre).for_each(|(m, c)| assert!((m - c).abs() < 1e-9));
            inertia += of_it.iter().map(|i| squared(rows.row(*i as usize), &mean)).sum::<f64>();
        }
        assert!((inertia - found.inertia).abs() < 1e-6);
        assert_eq!(found, KMeans::fit(&rows, 5, 4, 1).unwrap());
    }

    #[test]
    fn more_restarts_are_never_worse() {
        let rows = Rows::new((0..900).map(|i| (i as f32 * 1.7).sin() * (i % 7) as f32).collect(), 3).unwrap();
        let inertia: Vec<f64> = [1, 3, 10].iter().map(|r| KMeans::fit(&rows, 8, *r, 2).unwrap().inertia).collect();
        assert!(inertia[1] <= inertia[0] && inertia[2] <= inertia[1], "{inertia:?}");
        assert!(KMeans::fit(&rows, 8, 10, 3).unwrap().iterations > 1);
    }

    #[test]
    fn as_many_clusters_as_rows_and_equal_rows() {
        let rows = Rows::new(vec![1.0, 2.0, 4.0, 8.0], 1).unwrap();
        assert_eq!(KMeans::fit(&rows, 4, 1, 0).unwrap().inertia, 0.0);
        let equal = KMeans::fit(&Rows::new(vec![3.0; 6], 1).unwrap(), 3, 2, 0).unwrap();
        assert_eq!(equal.centres, [3.0; 3]);
        let message = KMeans::fit(&rows, 5, 1, 0).unwrap_err().to_string();
        assert!(message.contains("5 clusters of 4 rows"), "{message}");
        assert!(KMeans::fit(&rows, 2, 0, 0).is_err());
    }
}
