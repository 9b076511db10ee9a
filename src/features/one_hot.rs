//! Principal components of codes as one-hot vectors, which are never written out: of `v` numbers below `k` the vector has
//! `v k` entries, of which `v` are 1. By subspace iteration on the centred matrix, whose mean is subtracted implicitly, with
//! Rayleigh-Ritz (specification of MBN, sections 2.2 and 2.4), in f64.

use super::rows::{Rows, in_parts, total};
use crate::error::{Error, Result};
use crate::rng::{Philox, streams};
use nalgebra::{DMatrix, SymmetricEigen};
use std::ops::Range;

/// Vectors that are iterated beside those that are wanted.
const MORE: usize = 8;
/// Iterations at most.
const ITERATIONS: u32 = 200;
/// It has converged when no wanted variance changes by more than this share of the largest. The error of a variance is the
/// square of that of its direction.
const CONVERGED: f64 = 1e-12;

/// The directions in which one-hot codes spread most.
#[derive(Clone, Debug, PartialEq)]
pub struct OneHotPca {
    /// Numbers of a code.
    pub v: usize,
    /// Every number is below it.
    pub k: usize,
    /// Share of the codes that have each number in each place, `[v k]`.
    pub mean: Vec<f64>,
    /// `[v k, q]`, row-major: columns are orthonormal, the one of the largest spread first. The entry of largest magnitude
    /// of each is positive.
    pub components: Vec<f64>,
    /// Variance along each component, `[q]`.
    pub variance: Vec<f64>,
    /// Iterations that it took.
    pub iterations: u32,
}

/// Codes `[n, v]` of numbers below `k`.
#[derive(Clone, Copy)]
struct Codes<'a> {
    data: &'a [u16],
    v: usize,
    k: usize,
}

impl Codes<'_> {
    fn n(&self) -> usize {
        self.data.len() / self.v
    }

    /// Where the ones of code `i` are.
    fn ones(&self, i: usize) -> impl Iterator<Item = usize> {
        self.data[i * self.v..(i + 1) * self.v].iter().enumerate().map(|(u, c)| u * self.k + *c as usize)
    }

    /// `(X - 1 mᵀ) W` of some codes, `W` `[v k, p]`, row-major.
    fn times(&self, part: Range<usize>, w: &[f64], mean_times_w: &[f64]) -> Vec<f64> {
        let p = mean_times_w.len();
        let mut y = Vec::with_capacity(part.len() * p);
        for i in part {
            let start = y.len();
            y.extend(mean_times_w.iter().map(|m| -m));
            for at in self.ones(i) {
                y[start..].iter_mut().zip(&w[at * p..]).for_each(|(y, w)| *y += w);
            }
        }
        y
    }
}

/// `mᵀ W`.
fn weighted(mean: &[f64], w: &[f64], p: usize) -> Vec<f64> {
    let mut sum = vec![0.0; p];
    for (m, row) in mean.iter().zip(w.chunks_exact(p)) {
        sum.iter_mut().zip(row).for_each(|(s, w)| *s += m * w);
    }
    sum
}

impl OneHotPca {
    /// The first `q` components of `codes` `[n, v]`, whose numbers are below `k`. Fewer if there are fewer dimensions.
    ///
    /// # Errors
    /// If there are no codes, `q` is 0, or a number is not below `k`.
    pub fn fit(codes: &[u16], v: usize, k: usize, q: usize, seed: u64) -> Result<OneHotPca> {
        let fail = |m: String| Err(Error::Config(format!("components of a code: {m}")));
        if v == 0 || codes.is_empty() || !codes.len().is_multiple_of(v) || q == 0 {
            return fail(format!(
                "{q} components of {} numbers in rows of {v}; give at least one of each",
                codes.len()
            ));
        }
        if let Some(c) = codes.iter().find(|c| **c as usize >= k) {
            return fail(format!("it has the number {c}, but numbers are below {k}"));
        }
        let x = Codes { data: codes, v, k };
        let (n, d) = (x.n(), v * k);
        let (q, p) = (q.min(d), (q + MORE).min(d));
        let counted = |part: Range<usize>| {
            let mut count = vec![0.0; d];
            part.for_each(|i| x.ones(i).for_each(|at| count[at] += 1.0));
            count
        };
        let mean: Vec<f64> = total(in_parts(n, counted)).into_iter().map(|c| c / n as f64).collect();
        let mut start = vec![0.0; d * p];
        Philox::new(seed, streams::SUBSPACE).fill_normal(0, &mut start);
        let mut w = orthonormal(start.into_iter().map(f64::from).collect(), p);
        let mut variance = vec![0.0; p];
        let mut iterations = 0;
        loop {
            iterations += 1;
            // Xᵀ (X W) in one pass over the codes, and (X W)ᵀ (X W) beside it.
            let mean_times_w = weighted(&mean, &w, p);
            let both = total(in_parts(n, |part| {
                let mut sums = vec![0.0; d * p + p * p + p];
                let (z, rest) = sums.split_at_mut(d * p);
                let (gram, column) = rest.split_at_mut(p * p);
                for i in part {
                    let y = x.times(i..i + 1, &w, &mean_times_w);
                    for at in x.ones(i) {
                        z[at * p..][..p].iter_mut().zip(&y).for_each(|(z, y)| *z += y);
                    }
                    for (row, a) in gram.chunks_exact_mut(p).zip(&y) {
                        row.iter_mut().zip(&y).for_each(|(g, b)| *g += a * b);
                    }
                    column.iter_mut().zip(&y).for_each(|(c, y)| *c += y);
                }
                sums
            }));
            let (z, rest) = both.split_at(d * p);
            let (gram, column) = rest.split_at(p * p);
            let ritz = SymmetricEigen::new(DMatrix::from_row_slice(p, p, gram));
            let mut order: Vec<usize> = (0..p).collect();
            order.sort_by(|a, b| ritz.eigenvalues[*b].total_cmp(&ritz.eigenvalues[*a]));
            let now: Vec<f64> = order.iter().map(|i| (ritz.eigenvalues[*i] / n as f64).max(0.0)).collect();
            let moved = now.iter().zip(&variance).take(q).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            let done = moved <= CONVERGED * now[0] || iterations == ITERATIONS || p == d && iterations == 2;
            variance = now;
            // Columns turned to the directions that were found.
            let turn = |rows: &[f64], columns: usize| -> Vec<f64> {
                let mut out = Vec::with_capacity(rows.len() / p * columns);
                for row in rows.chunks_exact(p) {
                    let at =
                        |i: &usize| row.iter().enumerate().map(|(r, w)| w * ritz.eigenvectors[(r, *i)]).sum::<f64>();
                    out.extend(order[..columns].iter().map(at));
                }
                out
            };
            if done {
                let mut components = turn(&w, q);
                signs(&mut components, q);
                variance.truncate(q);
                return Ok(OneHotPca { v, k, mean, components, variance, iterations });
            }
            let centred: Vec<f64> = z
                .chunks_exact(p)
                .zip(&mean)
                .flat_map(|(row, m)| row.iter().zip(column).map(move |(z, c)| z - m * c).collect::<Vec<_>>())
                .collect();
            w = orthonormal(turn(&centred, p), p);
        }
    }

    /// Number of components.
    pub fn q(&self) -> usize {
        self.variance.len()
    }

    /// Coordinates `[n, q]` of codes `[n, v]`.
    ///
    /// # Errors
    /// If there are no codes of that length, or a number is none of the fit's.
    pub fn project(&self, codes: &[u16]) -> Result<Rows> {
        if codes.is_empty() || !codes.len().is_multiple_of(self.v) || codes.iter().any(|c| *c as usize >= self.k) {
            return Err(Error::Config(format!(
                "components of a code: these are no codes of {} numbers below {}",
                self.v, self.k
            )));
        }
        let x = Codes { data: codes, v: self.v, k: self.k };
        let shift = weighted(&self.mean, &self.components, self.q());
        let parts = in_parts(x.n(), |part| x.times(part, &self.components, &shift));
        Rows::new(parts.into_iter().flatten().map(|y| y as f32).collect(), self.q())
    }
}

/// An orthonormal basis of what the columns of `a` `[d, p]` (row-major) span.
fn orthonormal(a: Vec<f64>, p: usize) -> Vec<f64> {
    let d = a.len() / p;
    DMatrix::from_row_slice(d, p, &a).qr().q().transpose().as_slice().to_vec()
}

/// Turns columns so that the entry of largest magnitude is positive.
fn signs(columns: &mut [f64], q: usize) {
    for j in 0..q {
        let largest = columns.iter().skip(j).step_by(q).fold(0.0, |a: f64, v| if v.abs() > a.abs() { *v } else { a });
        if largest < 0.0 {
            columns.iter_mut().skip(j).step_by(q).for_each(|v| *v = -*v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pca::Pca;
    use super::*;

    fn codes(n: usize, v: usize, k: usize) -> Vec<u16> {
        let p = Philox::new(3, 0);
        // Groups of points that agree often, so that variances differ.
        let letter = |i: usize, u: usize| {
            let mut draws = p.draws(i as u64, u as u64);
            if draws.below(3) == 0 { draws.below(k as u32) } else { (i as u32 % 5 + u as u32) % k as u32 }
        };
        (0..n).flat_map(|i| (0..v).map(move |u| (i, u))).map(|(i, u)| letter(i, u) as u16).collect()
    }

    #[test]
    fn it_equals_the_components_of_the_dense_matrix() {
        let (n, v, k, q) = (400, 12, 6, 4);
        let codes = codes(n, v, k);
        let dense: Vec<f32> = codes
            .chunks(v)
            .flat_map(|row| row.iter().flat_map(|c| (0..k).map(move |j| (*c as usize == j) as u8 as f32)))
            .collect();
        let rows = Rows::new(dense, v * k).unwrap();
        let (implicit, explicit) = (OneHotPca::fit(&codes, v, k, q, 0).unwrap(), Pca::fit(&rows, q).unwrap());
        for j in 0..q {
            let cosine: f64 =
                (0..v * k).map(|i| implicit.components[i * q + j] * explicit.components[j * v * k + i]).sum();
            assert!(cosine.abs() > 1.0 - 1e-8, "{j}: {cosine}");
            let variance = explicit.singular[j].powi(2) / n as f64;
            assert!((implicit.variance[j] / variance - 1.0).abs() < 1e-9, "{j}");
        }
        assert!(implicit.variance.is_sorted_by(|a, b| a >= b));
        let (a, b) = (implicit.project(&codes).unwrap(), explicit.project(&rows).unwrap());
        assert!(a.data().iter().zip(b.data()).all(|(a, b)| (a - b).abs() < 1e-5));
    }

    #[test]
    fn equal_codes_have_no_spread_and_wrong_ones_are_named() {
        let pca = OneHotPca::fit(&[1; 40], 4, 3, 2, 0).unwrap();
        assert!(pca.variance.iter().all(|v| v.abs() < 1e-12));
        assert!(pca.project(&[1; 8]).unwrap().data().iter().all(|x| x.abs() < 1e-6));
        assert!(OneHotPca::fit(&[3], 1, 3, 1, 0).unwrap_err().to_string().contains("the number 3"));
        assert!(
            OneHotPca::fit(&[], 1, 3, 1, 0).is_err() && pca.project(&[1; 3]).is_err() && pca.project(&[9; 4]).is_err()
        );
    }
}
