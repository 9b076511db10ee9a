//! How well clusters agree with classes, or with other clusters.

use pathfinding::kuhn_munkres::kuhn_munkres;
use pathfinding::matrix::Matrix;

/// How often items of cluster `i` are of class `j`: square, the smaller side filled up with zeros.
fn table(clusters: &[u32], classes: &[u32]) -> Vec<Vec<i64>> {
    let most = clusters.iter().chain(classes).max().map_or(1, |m| *m as usize + 1);
    let mut counts = vec![vec![0; most]; most];
    clusters.iter().zip(classes).for_each(|(a, b)| counts[*a as usize][*b as usize] += 1);
    counts
}

/// The share of items that are right under the best one-to-one map of clusters to classes (the Hungarian method); 0 of
/// nothing.
pub fn clustering_accuracy(clusters: &[u32], classes: &[u32]) -> f64 {
    let counts = Matrix::from_rows(table(clusters, classes)).expect("a square table");
    let (right, _) = kuhn_munkres(&counts);
    right as f64 / clusters.len().max(1) as f64
}

/// Mutual information over the mean of both entropies: 1 for equal partitions, 0 if one of them has a single part
/// (arithmetic normalisation).
pub fn normalized_mutual_information(a: &[u32], b: &[u32]) -> f64 {
    let counts = table(a, b);
    let n = a.len() as f64;
    let entropy =
        |sums: &[i64]| -> f64 { sums.iter().filter(|s| **s > 0).map(|s| *s as f64 / n).map(|p| -p * p.ln()).sum() };
    let rows: Vec<i64> = counts.iter().map(|row| row.iter().sum()).collect();
    let columns: Vec<i64> = (0..counts.len()).map(|j| counts.iter().map(|row| row[j]).sum()).collect();
    let cells: Vec<i64> = counts.into_iter().flatten().collect();
    let (ha, hb, joint) = (entropy(&rows), entropy(&columns), entropy(&cells));
    match ha + hb {
        both if both > 0.0 => ((ha + hb - joint) / (both / 2.0)).clamp(0.0, 1.0),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let classes = [0, 0, 0, 1, 1, 2];
        assert_eq!(clustering_accuracy(&[2, 2, 2, 0, 0, 1], &classes), 1.0);
        assert_eq!(clustering_accuracy(&[0; 6], &classes), 0.5);
        // More clusters than classes: the best of each.
        assert_eq!(clustering_accuracy(&[0, 0, 1, 2, 2, 3], &classes), 5.0 / 6.0);
        assert!((normalized_mutual_information(&[5, 5, 5, 1, 1, 0], &classes) - 1.0).abs() < 1e-12);
        assert_eq!(normalized_mutual_information(&[0; 6], &classes), 0.0);
        assert_eq!(normalized_mutual_information(&[0; 6], &[0; 6]), 0.0);
        // Independent: no information. Half known: H(b) = ln 2, I = ln 2, H(a) = 2 ln 2.
        assert!(normalized_mutual_information(&[0, 0, 1, 1], &[0, 1, 0, 1]).abs() < 1e-12);
        assert!((normalized_mutual_information(&[0, 1, 2, 3], &[0, 0, 1, 1]) - 2.0 / 3.0).abs() < 1e-12);
    }
}
