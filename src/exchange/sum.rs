//! Sums over ranks whose bytes are those of one program that adds the same terms one after the other.

use super::Exchange;
use crate::error::Result;
use std::ops::Range;

/// A sum of vectors, several of each rank: `((x_0 + x_1) + x_2) + ...`, in the order of the ranks and, over several calls of
/// [`Sum::add`], of the calls. Each rank adds up a share of the elements, which all get in the end: what a rank sends is about
/// twice the vector, however many ranks there are.
#[derive(Default)]
pub struct Sum {
    /// Of this rank's share; none before the first term.
    share: Option<Vec<f32>>,
    len: usize,
}

/// The elements that rank `rank` adds up.
fn share(len: usize, rank: usize, ranks: usize) -> Range<usize> {
    len * rank / ranks..len * (rank + 1) / ranks
}

impl Sum {
    /// Adds a term of each rank.
    ///
    /// # Errors
    /// As [`Exchange::swap`].
    ///
    /// # Panics
    /// If terms differ in length.
    pub fn add(&mut self, exchange: &dyn Exchange, own: &[f32]) -> Result<()> {
        let ranks = exchange.ranks();
        let words: &[u32] = bytemuck::cast_slice(own);
        let parts: Vec<&[u32]> = (0..ranks).map(|r| &words[share(own.len(), r, ranks)]).collect();
        for term in exchange.swap(&parts)? {
            let term: &[f32] = bytemuck::cast_slice(&term);
            match &mut self.share {
                None => self.share = Some(term.to_vec()),
                Some(sum) => {
                    assert_eq!(sum.len(), term.len(), "terms of a sum are of one length");
                    sum.iter_mut().zip(term).for_each(|(sum, x)| *sum += x);
                }
            }
        }
        self.len = own.len();
        Ok(())
    }

    /// The sum, in all ranks; nothing of no terms.
    ///
    /// # Errors
    /// As [`Exchange::swap`].
    pub fn finish(self, exchange: &dyn Exchange) -> Result<Vec<f32>> {
        let own = self.share.unwrap_or_default();
        let mut sum = Vec::with_capacity(self.len);
        for share in exchange.gather(bytemuck::cast_slice(&own))? {
            sum.extend_from_slice(bytemuck::cast_slice(&share));
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::simulated::on_ranks;
    use crate::rng::Philox;

    /// Numbers of many sizes, so that another order gives other bytes.
    fn term(number: usize, len: usize) -> Vec<f32> {
        let noise = Philox::new(3, 5);
        (0..len as u64).map(|i| noise.normal(number as u64, i) * 10f32.powi((i % 7) as i32 - 3)).collect()
    }

    #[test]
    fn the_sum_is_that_of_one_after_the_other() {
        for (ranks, rounds, len) in [(1, 1, 5), (2, 1, 9), (3, 2, 100), (8, 3, 5), (4, 1, 0)] {
            let expected = (1..ranks * rounds)
                .fold(term(0, len), |sum, n| sum.iter().zip(term(n, len)).map(|(a, b)| a + b).collect());
            let sums = on_ranks(ranks, |ex| {
                let mut sum = Sum::default();
                for round in 0..rounds {
                    sum.add(ex, &term(round * ranks + ex.rank(), len)).unwrap();
                }
                sum.finish(ex).unwrap()
            });
            for sum in sums {
                assert!(sum.iter().map(|x| x.to_bits()).eq(expected.iter().map(|x| x.to_bits())), "{ranks} ranks");
            }
        }
    }
}
