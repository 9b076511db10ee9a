//! Clusters by merging: every row starts alone, and the two clusters whose merging adds least to the squared distances
//! from their means become one, until as many are left as are wanted (Ward 1963), by the crate kodama.

use super::rows::Rows;
use crate::error::{Error, Result};
use kodama::{Method, linkage};
use rayon::prelude::*;

/// More rows have too many pairs to keep: 40,000 take 3.2 GB.
const MOST: usize = 40_000;

/// The cluster of each row, `[n]`; clusters are numbered by their first row.
///
/// # Errors
/// If there are fewer rows than clusters, or over 40,000.
pub fn agglomerative(rows: &Rows, clusters: usize) -> Result<Vec<u32>> {
    let n = rows.n();
    if clusters == 0 || clusters > n {
        return Err(Error::Config(format!("merging: {clusters} clusters of {n} rows; take 1 to {n}")));
    }
    if n > MOST {
        return Err(Error::Limit(format!(
            "merging: {n} rows have {} pairs, which do not fit memory; take at most {MOST} rows, or k-means",
            n * (n - 1) / 2
        )));
    }
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
    let root = |mut i: usize| {
        while into[i] != i {
            i = into[i];
        }
        i
    };
    let mut seen = Vec::new();
    let number = |root: usize, seen: &mut Vec<usize>| {
        seen.iter().position(|s| *s == root).unwrap_or_else(|| {
            seen.push(root);
            seen.len() - 1
        }) as u32
    };
    Ok((0..n).map(|i| number(root(i), &mut seen)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_and_numbered_by_their_first_row() {
        let rows = Rows::new(vec![5.0, 0.1, 5.2, 9.0, 0.0, 9.1, 0.2], 1).unwrap();
        assert_eq!(agglomerative(&rows, 3).unwrap(), [0, 1, 0, 2, 1, 2, 1]);
        assert_eq!(agglomerative(&rows, 2).unwrap(), [0, 1, 0, 0, 1, 0, 1]);
        assert_eq!(agglomerative(&rows, 7).unwrap(), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(agglomerative(&rows, 1).unwrap(), [0; 7]);
        assert!(agglomerative(&rows, 8).unwrap_err().to_string().contains("8 clusters of 7 rows"));
    }
}
