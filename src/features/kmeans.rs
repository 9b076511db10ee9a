//! k-means with k-means++ starts (Arthur and Vassilvitskii 2007).

use super::Rows;
use crate::error::{Error, Result};
use crate::rng::{Philox, streams};

/// Rounds at most; it has nearly always settled before.
const ROUNDS: usize = 100;

/// The cluster of each row and the sum of squared distances to their centres: the best of `starts`.
///
/// # Errors
/// If there are fewer rows than clusters, or no cluster.
pub fn kmeans(x: &Rows, k: usize, starts: usize, seed: u64) -> Result<(Vec<u32>, f64)> {
    if k == 0 || x.n() < k || starts == 0 {
        return Err(Error::Config(format!("{} points do not make {k} clusters from {starts} starts", x.n())));
    }
    let runs = (0..starts).map(|s| settle(x, plus_plus(x, k, seed, s as u64)));
    Ok(runs.min_by(|a, b| a.1.total_cmp(&b.1)).expect("there is a start"))
}

fn distance(a: &[f32], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (*a as f64 - b).powi(2)).sum()
}

/// Each next centre is a point, the likelier the further it lies from the others.
fn plus_plus(x: &Rows, k: usize, seed: u64, start: u64) -> Vec<Vec<f64>> {
    let p = Philox::new(seed, streams::CLUSTERS);
    let centre = |i: usize| x.row(i).iter().map(|x| *x as f64).collect::<Vec<f64>>();
    let draw = |j: usize| p.uniform(start, j as u64) as f64;
    let mut centres = vec![centre((draw(0) * x.n() as f64) as usize)];
    let mut far: Vec<f64> = x.iter().map(|r| distance(r, &centres[0])).collect();
    while centres.len() < k {
        let mut left = draw(centres.len()) * far.iter().sum::<f64>();
        let next = far.iter().position(|d| {
            left -= d;
            left < 0.0
        });
        let new = centre(next.unwrap_or(x.n() - 1));
        far.iter_mut().zip(x.iter()).for_each(|(f, r)| *f = f.min(distance(r, &new)));
        centres.push(new);
    }
    centres
}

/// Lloyd's rounds until no point changes its cluster.
fn settle(x: &Rows, mut centres: Vec<Vec<f64>>) -> (Vec<u32>, f64) {
    let mut of = vec![u32::MAX; x.n()];
    let mut cost = 0.0;
    for _ in 0..ROUNDS {
        let mut changed = false;
        cost = 0.0;
        let mut sums = vec![(vec![0.0; x.d], 0.0); centres.len()];
        for (row, of) in x.iter().zip(&mut of) {
            let near = centres.iter().enumerate().map(|(c, m)| (c as u32, distance(row, m)));
            let (c, d) = near.min_by(|a, b| a.1.total_cmp(&b.1)).expect("there is a centre");
            changed |= std::mem::replace(of, c) != c;
            cost += d;
            let (sum, n) = &mut sums[c as usize];
            sum.iter_mut().zip(row).for_each(|(s, x)| *s += *x as f64);
            *n += 1.0;
        }
        if !changed {
            break;
        }
        for (centre, (sum, n)) in centres.iter_mut().zip(sums) {
            // A centre that nobody is near stays.
            if n > 0.0 {
                *centre = sum.iter().map(|s| s / n).collect();
            }
        }
    }
    (of, cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three groups of points.
    pub(crate) fn groups(n: usize) -> Rows {
        let p = Philox::new(5, 0);
        let row = |i: usize| {
            (0..2).map(move |j| [[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]][i % 3][j] + p.normal(0, (2 * i + j) as u64))
        };
        Rows { data: (0..n).flat_map(row).collect(), d: 2 }
    }

    #[test]
    fn groups_are_found() {
        let (of, cost) = kmeans(&groups(90), 3, 5, 1).unwrap();
        assert!((0..90).all(|i| of[i] == of[i % 3]) && of[0] != of[1] && of[1] != of[2] && of[0] != of[2]);
        assert!(cost < 2.5 * 90.0);
        assert_eq!(kmeans(&groups(90), 3, 5, 1).unwrap(), (of, cost));
        assert!(kmeans(&groups(2), 3, 5, 1).unwrap_err().to_string().contains("2 points"));
    }
}
