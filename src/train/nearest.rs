//! The most similar rows of a large bank, found on the device in blocks: of queries, and for each of them of the bank.

use crate::device::{Device, Executable, Store};
use crate::error::Result;
use crate::features::Rows;
use crate::graph::{Graph, Init, Meta};
use crate::ops::reduce::KeepLargest;
use crate::tensor::{DType, HostTensor};
use rayon::prelude::*;
use std::ops::Range;

/// Rows of a block, queries and those of the bank: their similarities are 64 MiB.
const BLOCK: usize = 4096;
/// Numbers of a block of rows: 64 MiB, half of what the least of devices binds at once.
const NUMBERS: usize = 1 << 24;

const QUERIES: &str = "queries";
const BANK: &str = "bank";
const SPAN: &str = "span";
const KEPT: &str = "kept";

/// A search for the k rows of a bank that are most similar to each of other rows, by the cosine. Of equally similar ones the
/// first counts as nearer. What is held beside the rows does not grow with them.
pub(super) struct Search<'a> {
    bank: Normed<'a>,
    queries: Normed<'a>,
    k: usize,
    store: Store,
    step: Executable,
}

impl<'a> Search<'a> {
    /// Of the `k` nearest of `bank`, which has as many at least.
    pub(super) fn new(device: &Device, bank: &'a Rows, queries: &'a Rows, k: usize) -> Result<Search<'a>> {
        Search::in_blocks(device, bank, queries, k, BLOCK)
    }

    fn in_blocks(device: &Device, bank: &'a Rows, queries: &'a Rows, k: usize, block: usize) -> Result<Search<'a>> {
        let block = block.min((NUMBERS / bank.d()).max(1));
        let (bank, queries) = (Normed::new(bank, block), Normed::new(queries, block));
        let (m, n, d) = (queries.block, bank.block, bank.rows.d());
        let mut g = Graph::new();
        let (a, b) = (g.input(QUERIES, Meta::f32([m, d]))?, g.input(BANK, Meta::f32([n, d]))?);
        let span = g.input(SPAN, Meta::new([2], DType::U32))?;
        let kept = g.state(KEPT, Meta::new([m, 2 * k], DType::U32), Init::Zeros)?;
        let similarities = g.matmul(a, b, false, true)?;
        let next = g.keep_largest(similarities, kept, span)?;
        g.assign(kept, next)?;
        let mut store = Store::new(device.clone());
        let step = store.load(g)?;
        Ok(Search { bank, queries, k, store, step })
    }

    /// Calls `each`, query by query, with the similarities of the nearest rows of the bank and with their numbers, by ascending
    /// numbers.
    pub(super) fn run(mut self, mut each: impl FnMut(&[f32], &[u32]) -> Result<()>) -> Result<()> {
        let m = self.queries.block;
        for rows in self.queries.blocks() {
            self.store.write(QUERIES, &self.queries.of(rows.clone()))?;
            self.store.write(KEPT, &KeepLargest::nothing(m, self.k))?;
            for own in self.bank.blocks() {
                // Made while the device is at the one before, which it must be done with: no more than that may wait for it.
                let block = self.bank.of(own.clone());
                self.store.device().wait()?;
                self.store.write(BANK, &block)?;
                self.store.write(SPAN, &HostTensor::from_u32([2], vec![own.start as u32, own.len() as u32]))?;
                self.step.run(&[])?;
            }
            let found = self.store.read(KEPT)?;
            let found = found.words().chunks(2 * self.k).take(rows.len()).map(KeepLargest::values_and_places);
            found.into_iter().try_for_each(|(similarities, places)| each(similarities, places))?;
        }
        Ok(())
    }
}

/// Rows with their lengths, to be read in blocks of rows of length 1.
struct Normed<'a> {
    rows: &'a Rows,
    norms: Vec<f32>,
    /// Rows of a block.
    block: usize,
}

impl<'a> Normed<'a> {
    fn new(rows: &'a Rows, block: usize) -> Normed<'a> {
        Normed { rows, norms: rows.rows().map(norm).collect(), block: block.min(rows.n().max(1)) }
    }

    fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (n, block) = (self.rows.n(), self.block);
        (0..n).step_by(block).map(move |i| i..n.min(i + block))
    }

    /// The rows `which`, `[block, d]`: zeros where there are fewer.
    fn of(&self, which: Range<usize>) -> HostTensor {
        let d = self.rows.d();
        let mut block = vec![0.0; self.block * d];
        block.par_chunks_mut(d).with_min_len(64).zip(which).for_each(|(out, i)| {
            out.iter_mut().zip(self.rows.row(i)).for_each(|(out, x)| *out = x / self.norms[i]);
        });
        HostTensor::from_f32([self.block, d], block)
    }
}

fn norm(row: &[f32]) -> f32 {
    row.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12)
}

/// The numbers of rows of length 1.
pub(super) fn unit(rows: &Rows) -> Vec<f32> {
    let one = |row: &[f32]| {
        let norm = norm(row);
        row.iter().map(|x| x / norm).collect::<Vec<f32>>()
    };
    rows.rows().flat_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::devices;
    use crate::rng::Philox;

    fn random(n: usize, d: usize, stream: u64) -> Rows {
        let p = Philox::new(3, stream);
        Rows::new((0..n * d).map(|i| p.normal(0, i as u64)).collect(), d).unwrap()
    }

    /// What is found: similarities and places of each query.
    fn found(device: &Device, bank: &Rows, queries: &Rows, k: usize, block: usize) -> Vec<(Vec<f32>, Vec<u32>)> {
        let mut all = Vec::new();
        let each = |s: &[f32], p: &[u32]| {
            all.push((s.to_vec(), p.to_vec()));
            Ok(())
        };
        Search::in_blocks(device, bank, queries, k, block).unwrap().run(each).unwrap();
        all
    }

    /// Similarities in f64 of all pairs, from the definition.
    fn cosines(bank: &Rows, query: &[f32]) -> Vec<f64> {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| *a as f64 * *b as f64).sum::<f64>();
        bank.rows().map(|row| dot(row, query) / (dot(row, row) * dot(query, query)).sqrt()).collect()
    }

    #[test]
    fn none_that_is_nearer_but_for_rounding_is_missed_in_blocks_of_any_size() {
        let (bank, queries, k) = (random(1030, 24, 1), random(37, 24, 2), 20);
        // A row's length and each product of a sum of 24 are rounded, and so are their sums: some 60 roundings of 2^-24.
        let rounding = 60.0 * f64::exp2(-24.0);
        for (name, device) in devices() {
            for block in [4096, 256, 9] {
                let all = found(&device, &bank, &queries, k, block);
                assert_eq!(all.len(), queries.n(), "{name}");
                for ((similarities, places), row) in all.iter().zip(queries.rows()) {
                    let truth = cosines(&bank, row);
                    assert!(places.windows(2).all(|p| p[0] < p[1]), "{name}, blocks of {block}: {places:?}");
                    let least = places.iter().map(|p| truth[*p as usize]).fold(f64::INFINITY, f64::min);
                    let missed = (0..1030u32).filter(|i| !places.contains(i)).map(|i| truth[i as usize]);
                    let most = missed.fold(f64::NEG_INFINITY, f64::max);
                    assert!(least >= most - 2.0 * rounding, "{name}, blocks of {block}: {least} before {most}");
                    for (s, p) in similarities.iter().zip(places) {
                        let e = (*s as f64 - truth[*p as usize]).abs();
                        assert!(e <= rounding, "{name}, blocks of {block}: off by {e}");
                    }
                }
            }
        }
    }

    #[test]
    fn of_equally_similar_ones_the_first_are_taken() {
        // Five directions over and over: the nearest one fills all places.
        let corner = |i: usize| (0..5).map(move |c| (c == i % 5) as u8 as f32);
        let bank = Rows::new((0..100).flat_map(corner).collect(), 5).unwrap();
        let queries = Rows::new((0..5).flat_map(corner).collect(), 5).unwrap();
        for (name, device) in devices() {
            for block in [4096, 32, 7] {
                for (i, (similarities, places)) in found(&device, &bank, &queries, 6, block).iter().enumerate() {
                    let first: Vec<u32> = (0..6).map(|j| (i + 5 * j) as u32).collect();
                    assert_eq!((&similarities[..], places), (&[1.0; 6][..], &first), "{name}, blocks of {block}");
                }
            }
        }
    }

    #[test]
    fn all_of_a_small_bank_are_near() {
        let (bank, queries) = (random(3, 4, 5), random(2, 4, 6));
        for (_, places) in found(&Device::Cpu, &bank, &queries, 3, 2) {
            assert_eq!(places, [0, 1, 2]);
        }
    }
}
