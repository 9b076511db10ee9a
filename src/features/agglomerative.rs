//! Clusters by merging: every row starts alone, and the two clusters whose merging adds least to the squared distances
//! from their means become one, until as many are left as are wanted (Ward 1963), by the crate kodama.

use super::chain::ward;
use super::rows::Rows;
use crate::error::{Error, Result};
use kodama::{Method, linkage};
use rayon::prelude::*;

/// More rows have too many pairs to keep: 40,000 take 3.2 GB.
const MOST: usize = 40_000;

/// The cluster of each row, `[n]`; clusters are numbered by their first row. Over 40,000 rows no distances are kept, which
/// gives the same clusters, where no two mergers cost the same, and takes longer.
///
/// # Errors
/// If there are fewer rows than clusters.
pub fn agglomerative(rows: &Rows, clusters: usize) -> Result<Vec<u32>> {
    let n = rows.n();
    if clusters == 0 || clusters > n {
        return Err(Error::Config(format!("merging: {clusters} clusters of {n} rows; take 1 to {n}")));
    }
    match n <= MOST {
        true => Ok(numbered(&by_pairs(rows, clusters))),
        false => Ok(numbered(&by_chains(rows, clusters))),
    }
}

/// From the distances of all pairs. Rows of one cluster have one number.
fn by_pairs(rows: &Rows, clusters: usize) -> Vec<usize> {
    let n = rows.n();
    let distance =
        |i: usize, j: usize| rows.row(i).iter().zip(rows.row(j)).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
    let of_row = |i: usize| (i + 1..n).map(|j| distance(i, j)).collect::<Vec<_>>();
    let mut pairs: Vec<f32> = (0..n).into_par_iter().map(of_row).collect::<Vec<_>>().concat();
    let merged = linkage(&mut pairs, n, Method::Ward);
    // Of every merger the cluster that it went into; numbers from n on are mergers.
    let steps = &merged.steps()[..n - clusters];
    let mut into: Vec<usize> = (0..n + steps.len()).collect();
    for (i, step) in steps.iter().enumerate() {
        into[step.cluster1] = n + i;
        into[step.cluster2] = n + i;
    }
    (0..n).map(|row| root(&into, row)).collect()
}

/// Without distances of pairs. Rows of one cluster have one number.
fn by_chains(rows: &Rows, clusters: usize) -> Vec<usize> {
    let n = rows.n();
    let mut into: Vec<usize> = (0..n).collect();
    for merger in ward(rows).into_iter().take(n - clusters) {
        let [a, b] = merger.rows.map(|row| root(&into, row));
        into[a.max(b)] = a.min(b);
    }
    (0..n).map(|row| root(&into, row)).collect()
}

fn root(into: &[usize], mut i: usize) -> usize {
    while into[i] != i {
        i = into[i];
    }
    i
}

/// Numbers from 0 on, in the order in which they are first met.
fn numbered(of_row: &[usize]) -> Vec<u32> {
    let mut seen = Vec::new();
    let mut number = |root: usize| {
        seen.iter().position(|s| *s == root).unwrap_or_else(|| {
            seen.push(root);
            seen.len() - 1
        }) as u32
    };
    of_row.iter().map(|root| number(*root)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Philox;

    #[test]
    fn groups_are_found_and_numbered_by_their_first_row() {
        let rows = Rows::new(vec![5.0, 0.1, 5.2, 9.0, 0.0, 9.1, 0.2], 1).unwrap();
        assert_eq!(agglomerative(&rows, 3).unwrap(), [0, 1, 0, 2, 1, 2, 1]);
        assert_eq!(agglomerative(&rows, 2).unwrap(), [0, 1, 0, 0, 1, 0, 1]);
        assert_eq!(agglomerative(&rows, 7).unwrap(), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(agglomerative(&rows, 1).unwrap(), [0; 7]);
        assert!(agglomerative(&rows, 8).unwrap_err().to_string().contains("8 clusters of 7 rows"));
    }

    /// Random rows, whose mergers cost differently, and groups of them.
    #[test]
    fn without_pairs_it_is_the_same() {
        let p = Philox::new(3, 0);
        for (n, d, groups) in [(1, 2, 1), (2, 1, 1), (60, 1, 3), (300, 3, 7), (5000, 10, 10)] {
            let number = |i: usize| {
                let (row, column) = (i / d, i % d);
                p.normal(0, i as u64) + 3.0 * ((row % groups * (column + 2)) % 5) as f32
            };
            let rows = Rows::new((0..n * d).map(number).collect(), d).unwrap();
            for clusters in [1, 2, groups, n / 2, n].into_iter().filter(|k| (1..=n).contains(k)) {
                let [pairs, chains] = [by_pairs(&rows, clusters), by_chains(&rows, clusters)].map(|c| numbered(&c));
                assert_eq!(pairs, chains, "{n} rows of {d}, {clusters} clusters");
            }
        }
    }

    /// Equal rows cost nothing to merge: chains among them end, and they come together first.
    #[test]
    fn equal_rows_come_together() {
        let rows = Rows::new((0..200).map(|i| (i % 4) as f32).collect(), 1).unwrap();
        let clusters = numbered(&by_chains(&rows, 4));
        assert!(clusters.iter().enumerate().all(|(i, c)| *c == i as u32 % 4), "{clusters:?}");
    }

    /// Three heaps at nearly equal costs from each other: of other sizes, so that rounding differs, and equal rows within.
    #[test]
    fn near_ties_end() {
        for c in [1_380_361.0f32, 2_057_519.0, 1_770_883.0, 1_399_605.0] {
            let heap = |n: usize, at: [f32; 6]| at.map(|x| c * x).repeat(n);
            let all =
                [heap(81, [0.; 6]), heap(135, [7., 2., 1., 1., 1., 0.]), heap(189, [5., 0., 0., 0., 0., 5.])].concat();
            let clusters = numbered(&by_chains(&Rows::new(all, 6).unwrap(), 3));
            let expected = [vec![0; 81], vec![1; 135], vec![2; 189]].concat();
            assert_eq!(clusters, expected);
        }
    }
}
