//! A matrix of features: one row an image.

use crate::error::{Error, Result};
use rayon::prelude::*;
use std::ops::Range;

/// `n` rows of `d` finite numbers, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    data: Vec<f32>,
    d: usize,
}

impl Rows {
    /// `data` as rows of `d` numbers.
    ///
    /// # Errors
    /// If `d` is 0 or does not divide the length of `data`, or if a number is not finite.
    pub fn new(data: Vec<f32>, d: usize) -> Result<Rows> {
        if d == 0 || !data.len().is_multiple_of(d) {
            let n = data.len();
            return Err(Error::Config(format!(
                "features: {n} numbers are no rows of {d}; give n * d numbers, d above 0"
            )));
        }
        if let Some(at) = data.iter().position(|v| !v.is_finite()) {
            let (row, column, value) = (at / d, at % d, data[at]);
            return Err(Error::NonFinite(format!(
                "features: number {column} of row {row} is {value}; the network that made them has diverged, take an \
                 earlier checkpoint"
            )));
        }
        Ok(Rows { data, d })
    }

    /// All rows of several matrices, one after the other.
    ///
    /// # Errors
    /// If their rows are not of one length.
    pub fn joined(parts: &[Rows]) -> Result<Rows> {
        let d = parts.first().map_or(1, |first| first.d);
        if let Some(other) = parts.iter().find(|part| part.d != d) {
            return Err(Error::Config(format!(
                "features: rows of {d} and of {} numbers; give rows of one length",
                other.d
            )));
        }
        Ok(Rows { data: parts.iter().flat_map(|part| &part.data).copied().collect(), d })
    }

    /// Number of rows.
    pub fn n(&self) -> usize {
        self.data.len() / self.d
    }

    /// Length of a row.
    pub fn d(&self) -> usize {
        self.d
    }

    /// Row `i`.
    ///
    /// # Panics
    /// If there is none.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.d..(i + 1) * self.d]
    }

    /// All rows, in order.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.data.chunks_exact(self.d)
    }

    /// All numbers, row after row.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The rows `which`, in that order.
    ///
    /// # Panics
    /// If one of them does not exist.
    pub fn select(&self, which: &[u32]) -> Rows {
        Rows { data: which.iter().flat_map(|i| self.row(*i as usize)).copied().collect(), d: self.d }
    }

    /// The rows `which` less `mean`, in f64, into `out`.
    pub(super) fn centred(&self, which: Range<usize>, mean: &[f64], out: &mut Vec<f64>) {
        out.clear();
        for i in which {
            out.extend(self.row(i).iter().zip(mean).map(|(x, m)| *x as f64 - m));
        }
    }

    /// The mean of all rows.
    pub(super) fn mean(&self) -> Vec<f64> {
        let sums = in_parts(self.n(), |part| {
            let mut sum = vec![0.0; self.d];
            part.for_each(|i| sum.iter_mut().zip(self.row(i)).for_each(|(s, x)| *s += *x as f64));
            sum
        });
        let n = self.n() as f64;
        total(sums).into_iter().map(|s| s / n).collect()
    }

    /// An error of `who` unless there are rows, and rows of length `d`.
    pub(super) fn expect(&self, who: &str, d: usize) -> Result<()> {
        match (self.n(), self.d) {
            (0, _) => Err(Error::Config(format!("{who}: there are no features; give at least one row"))),
            (_, found) if found != d => Err(Error::Config(format!(
                "{who}: rows of {found} numbers, but it was fitted to rows of {d}; give features of the same layer"
            ))),
            _ => Ok(()),
        }
    }
}

/// Rows that are worked on at once: they and what becomes of them stay in the cache.
pub(super) const BLOCK: usize = 256;

/// `f` of consecutive parts of `0..n`, in order. Where the parts lie depends on `n` alone, so that sums over them are the
/// same with any number of threads.
pub(super) fn in_parts<T: Send>(n: usize, f: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    /// As many threads as this keeps busy, each with a copy of the sums, which for a covariance of 2,048 numbers are 32 MiB.
    const PARTS: usize = 16;
    let size = n.div_ceil(PARTS).next_multiple_of(BLOCK);
    (0..n.div_ceil(size.max(1))).into_par_iter().map(|i| f(i * size..n.min((i + 1) * size))).collect()
}

/// `part` in pieces of at most [`BLOCK`].
pub(super) fn blocks(part: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    part.clone().step_by(BLOCK).map(move |i| i..part.end.min(i + BLOCK))
}

/// The sum of `parts`, first to last.
pub(super) fn total(parts: Vec<Vec<f64>>) -> Vec<f64> {
    let mut parts = parts.into_iter();
    let mut sum = parts.next().unwrap_or_default();
    for part in parts {
        sum.iter_mut().zip(part).for_each(|(s, p)| *s += p);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_checked_and_found() {
        let rows = Rows::new((0..6).map(|v| v as f32).collect(), 2).unwrap();
        assert_eq!((rows.n(), rows.d(), rows.row(2)), (3, 2, [4.0, 5.0].as_slice()));
        assert_eq!(rows.select(&[2, 0]).data(), [4.0, 5.0, 0.0, 1.0]);
        assert_eq!(rows.mean(), [2.0, 3.0]);
        assert_eq!(Rows::joined(&[rows.select(&[2]), rows.select(&[0, 1])]).unwrap(), rows.select(&[2, 0, 1]));
        let message = Rows::joined(&[rows.clone(), Rows::new(vec![0.0; 3], 3).unwrap()]).unwrap_err().to_string();
        assert!(message.contains("rows of 2 and of 3 numbers"), "{message}");
        assert!(Rows::new(vec![0.0; 5], 2).unwrap_err().to_string().contains("5 numbers are no rows of 2"));
        assert!(Rows::new(Vec::new(), 0).is_err());
        let message = Rows::new(vec![0.0, 1.0, 2.0, f32::NAN], 2).unwrap_err().to_string();
        assert!(message.contains("number 1 of row 1 is NaN"), "{message}");
        assert!(rows.expect("a probe", 3).unwrap_err().to_string().contains("rows of 2 numbers"));
    }

    #[test]
    fn parts_and_blocks_cover_everything_once() {
        for n in [0, 1, 255, 256, 257, 5000, 100_000] {
            let parts = in_parts(n, |part| blocks(part).flatten().collect::<Vec<_>>());
            assert!(parts.len() <= 16, "{n}");
            assert!(parts.into_iter().flatten().eq(0..n), "{n}");
        }
    }
}
