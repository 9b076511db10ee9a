//! Assignments to centres. Coordinates are small integers, so that distances are exact and equal ones are equal.

use crate::ops::cluster::{MostShared, NOT_SAMPLED, Ties};
use crate::rng::Philox;
use crate::tensor::{DType, HostTensor};
use crate::verify::CaseSpec;

/// Each set looks at its own `m` of `d` places, in ascending order.
fn columns(sets: usize, m: usize, d: usize) -> HostTensor {
    let places = (0..sets).flat_map(|set| {
        let mut some = Philox::new(7, 1).permutation(set as u64, d as u32);
        some.truncate(m);
        some.sort_unstable();
        some
    });
    HostTensor::from_u32([sets, m], places.collect())
}

/// Centres of integers with their squares behind.
fn with_squares([sets, k, m]: [usize; 3], below: u32) -> HostTensor {
    let p = Philox::new(7, 2);
    let mut numbers = Vec::new();
    for centre in 0..sets * k {
        let of = (0..m).map(|q| p.draws(centre as u64, q as u64).below(below) as f32);
        let of: Vec<f32> = of.collect();
        let squares = of.iter().map(|x| x * x).sum();
        numbers.extend(of);
        numbers.push(squares);
    }
    HostTensor::from_f32([sets, k, m + 1], numbers)
}

/// Halves as tensors hold them.
fn halves([sets, k, m]: [usize; 3], letters: u32, unsampled: bool) -> HostTensor {
    let p = Philox::new(7, 3);
    let letter = |i: usize| match p.draws(i as u64, 0).below(if unsampled { 2 * letters } else { letters }) {
        l if l < letters => l as u16,
        _ => NOT_SAMPLED,
    };
    let values: Vec<f64> = (0..sets * k * m).map(|i| letter(i) as i16 as f64).collect();
    HostTensor::from_f64([sets, k, m], DType::I16, &values)
}

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    let mut all = Vec::new();
    // One of everything; tails of every tile; several tiles of points, coordinates and centres; more sets than one.
    for [n, d, sets, k, m] in [[1, 1, 1, 1, 1], [5, 7, 2, 3, 4], [67, 40, 1, 65, 33], [200, 20, 3, 150, 16]] {
        for (below, what) in [(3, "ties"), (40, "far apart")] {
            let name = format!("{n} points, {k} centres, {m} of {d}, {sets} sets, {what}");
            all.push(CaseSpec::new("nearest", name, move |c| {
                let x = c.integers([n, d], DType::U32, below);
                let x = c.graph.scale(x, 1.0)?;
                let columns = c.input(columns(sets, m, d));
                let centres = c.input(with_squares([sets, k, m], below));
                let y = c.graph.nearest(x, columns, centres)?;
                c.keep(y)
            }));
        }
        for (ties, euclidean, unsampled) in [
            (Ties::Random, false, false),
            (Ties::Random, false, true),
            (Ties::Random, true, true),
            (Ties::Lowest, false, true),
        ] {
            let name = format!(
                "{n} codes, {k} centres, {m} of {d}, {sets} sets, ties {ties:?}, euclidean: {euclidean}, all places: {}",
                !unsampled
            );
            all.push(CaseSpec::new("most_shared", name, move |c| {
                let codes = c.integers([n, d], DType::I16, 3);
                let columns = c.input(columns(sets, m, d));
                let centres = c.input(halves([sets, k, m], 3, unsampled));
                let y = c.graph.most_shared(MostShared { ties, euclidean }, codes, columns, centres)?;
                c.keep(y)
            }));
        }
    }
    all.push(CaseSpec::new("most_shared", "columns that codes do not have", |c| {
        let codes = c.integers([70, 5], DType::I16, 3);
        let columns = c.input(HostTensor::from_u32([1, 4], vec![0, 4, 5, u32::MAX]));
        let centres = c.input(halves([1, 20, 4], 3, true));
        let y = c.graph.most_shared(MostShared { ties: Ties::Random, euclidean: true }, codes, columns, centres)?;
        c.keep(y)
    }));
    // Letters over 32767.
    all.push(CaseSpec::new("most_shared", "letters up to 65534", |c| {
        let letters: Vec<f64> = (0..90).map(|i| (65_534 - i % 7) as u16 as i16 as f64).collect();
        let codes = c.input(HostTensor::from_f64([30, 3], DType::I16, &letters));
        let columns = c.input(columns(1, 3, 3));
        let centres = c.input(HostTensor::from_f64([1, 10, 3], DType::I16, &letters[..30]));
        let y = c.graph.most_shared(MostShared { ties: Ties::Random, euclidean: false }, codes, columns, centres)?;
        c.keep(y)
    }));
    all
}
