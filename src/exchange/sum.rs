//! Sums over ranks whose bytes are those of one program that adds the same terms one after the other.

use super::Exchange;
use crate::error::Result;
use rayon::prelude::*;
use std::ops::Range;

/// A sum of vectors, several of each rank: `((x_0 + x_1) + x_2) + ...`, in the order of the ranks and, over several calls of
/// [`Sum::add`], of the calls. Each rank adds up a share of the elements, which all get in the end: what a rank sends is about
/// twice the vector, however many ranks there are. Memory is kept for the next sum.
#[derive(Default)]
pub struct Sum {
    /// Of this rank's share.
    share: Vec<f32>,
    /// Whether there is a term in it.
    begun: bool,
    /// What other ranks gave, by rank.
    terms: Vec<u32>,
    len: usize,
}

/// The elements that rank `rank` adds up.
fn share(len: usize, rank: usize, ranks: usize) -> Range<usize> {
    len * rank / ranks..len * (rank + 1) / ranks
}

/// Elements that are added up at a time: their terms are in the nearest cache then.
const BLOCK: usize = 4096;
/// As many as one thread adds up before others would have begun.
const FEW: usize = 16 * BLOCK;

impl Sum {
    /// Adds a term of each rank.
    ///
    /// # Errors
    /// As [`Exchange::swap_known`].
    ///
    /// # Panics
    /// If terms differ in length.
    pub fn add(&mut self, exchange: &dyn Exchange, own: &[f32]) -> Result<()> {
        let (rank, ranks) = (exchange.rank(), exchange.ranks());
        let (mine, words) = (share(own.len(), rank, ranks), bytemuck::cast_slice::<f32, u32>(own));
        let n = mine.len();
        if self.begun {
            assert_eq!(self.len, own.len(), "terms of a sum are of one length");
        }
        self.len = own.len();
        self.terms.resize(n * (ranks - 1), 0);
        self.share.resize(n, 0.0);
        let to = |r: usize| if r == rank { &[] } else { &words[share(own.len(), r, ranks)] };
        let mut rooms = self.terms.chunks_exact_mut(n.max(1));
        let mut room = |r: usize| if r == rank { None } else { rooms.next() }.unwrap_or_default();
        let mut got: Vec<&mut [u32]> = (0..ranks).map(&mut room).collect();
        exchange.swap_known(&(0..ranks).map(to).collect::<Vec<_>>(), &mut got)?;
        let terms: Vec<&[f32]> = got
            .iter()
            .enumerate()
            .map(|(r, got)| if r == rank { &own[mine.clone()] } else { bytemuck::cast_slice(got) })
            .collect();
        let begun = std::mem::replace(&mut self.begun, true);
        let add = |(block, sum): (usize, &mut [f32])| {
            for (r, term) in terms.iter().enumerate() {
                let term = &term[block * BLOCK..][..sum.len()];
                match r == 0 && !begun {
                    true => sum.copy_from_slice(term),
                    false => sum.iter_mut().zip(term).for_each(|(sum, x)| *sum += x),
                }
            }
        };
        match n > FEW {
            true => self.share.par_chunks_mut(BLOCK).enumerate().for_each(add),
            false => self.share.chunks_mut(BLOCK).enumerate().for_each(add),
        }
        Ok(())
    }

    /// Puts the sum into `whole`, in all ranks; nothing of no terms. The next one begins with its first term.
    ///
    /// # Errors
    /// As [`Exchange::swap_known`].
    pub fn finish(&mut self, exchange: &dyn Exchange, whole: &mut Vec<f32>) -> Result<()> {
        let (rank, ranks) = (exchange.rank(), exchange.ranks());
        let len = if std::mem::take(&mut self.begun) { self.len } else { 0 };
        whole.resize(len, 0.0);
        let own = &self.share[..share(len, rank, ranks).len()];
        whole[share(len, rank, ranks)].copy_from_slice(own);
        let mut rest = bytemuck::cast_slice_mut::<f32, u32>(whole);
        let mut got = Vec::with_capacity(ranks);
        for r in 0..ranks {
            let (room, after) = rest.split_at_mut(share(len, r, ranks).len());
            got.push(room);
            rest = after;
        }
        exchange.swap_known(&vec![bytemuck::cast_slice(own); ranks], &mut got)
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
        for (ranks, rounds, len) in [
            (1, 1, 5),
            (2, 1, 9),
            (2, 2, 3 * BLOCK),
            (3, 1, 2 * BLOCK + 5),
            (2, 2, 3 * FEW),
            (3, 2, 100),
            (8, 3, 5),
            (4, 1, 0),
        ] {
            let expected = (1..ranks * rounds)
                .fold(term(0, len), |sum, n| sum.iter().zip(term(n, len)).map(|(a, b)| a + b).collect());
            let sums = on_ranks(ranks, |ex| {
                let mut sum = Sum::default();
                for round in 0..rounds {
                    sum.add(ex, &term(round * ranks + ex.rank(), len)).unwrap();
                }
                let mut whole = vec![9.0; 3];
                sum.finish(ex, &mut whole).unwrap();
                // The next one knows nothing of it.
                sum.add(ex, &vec![1.0; len]).unwrap();
                let mut ones = Vec::new();
                sum.finish(ex, &mut ones).unwrap();
                assert_eq!(ones, vec![ranks as f32; len]);
                whole
            });
            for sum in sums {
                assert!(sum.iter().map(|x| x.to_bits()).eq(expected.iter().map(|x| x.to_bits())), "{ranks} ranks");
            }
        }
    }
}
