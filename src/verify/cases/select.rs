//! Selecting and sorting: elements by rank, the largest of long rows block by block, sorted rows, the cut closest by the cosine, and bits over a threshold.

use crate::error::Result;
use crate::graph::Value;
use crate::ops::reduce::KeepLargest;
use crate::tensor::{DType, HostTensor};
use crate::verify::{Case, CaseSpec};

/// Long rows are one layer of a network in one row.
const SHAPES: [&[usize]; 9] =
    [&[1], &[2], &[5, 7], &[70, 33], &[3, 300], &[2, 3, 64], &[4, 2049], &[2, 4608], &[1, 20_000]];

/// Magnitudes as weights have them.
fn magnitudes(c: &mut Case, shape: &[usize]) -> Value {
    let x = c.random(shape);
    c.graph.abs(x).expect("any shape will do")
}

fn ties(c: &mut Case, shape: &[usize]) -> Value {
    let levels = c.integers(shape, DType::U32, 3);
    c.graph.offset(levels, 0.0).expect("any shape will do")
}

/// What is kept of a block of a search, where this was kept before.
fn keep_largest(c: &mut Case, x: Value, kept: Vec<f32>, span: [u32; 2]) -> Result<()> {
    let rows = c.graph.shape(x).rows();
    let k = kept.len() / rows;
    let before = |row: usize| kept[row * k..][..k].iter().map(|v| v.to_bits()).chain((0..k as u32).map(|p| 7 * p));
    let kept = c.input(HostTensor::from_u32([rows, 2 * k], (0..rows).flat_map(before).collect()));
    let span = c.input(HostTensor::from_u32([2], span.to_vec()));
    let kept = c.graph.keep_largest(x, kept, span)?;
    c.keep(kept)
}

/// Numbers at which bit tricks go wrong.
fn odd() -> HostTensor {
    let values =
        vec![0.0, -0.0, 1.0, -1.0, f32::MIN_POSITIVE, -f32::MIN_POSITIVE, f32::MAX, f32::MIN, 1e-30, -1e-30, 0.5];
    HostTensor::from_f32([1, 11], values)
}

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    let mut all = Vec::new();
    for shape in SHAPES {
        let n = *shape.last().expect("not empty");
        let mut ranks = shape.to_vec();
        *ranks.last_mut().expect("not empty") = 1;
        all.push(CaseSpec::new("kth_value", format!("{shape:?}"), move |c| {
            let x = c.random(shape);
            let rank = c.integers(ranks.clone(), DType::U32, n as u32);
            let rank = c.graph.offset(rank, 0.0)?;
            let y = c.graph.kth_value(x, rank)?;
            let median = c.graph.lower_median(x)?;
            c.keep(median)?;
            c.keep(y)
        }));
        all.push(CaseSpec::new("kth_value", format!("{shape:?}, ties"), move |c| {
            let x = ties(c, shape);
            let y = c.graph.lower_median(x)?;
            c.keep(y)
        }));
        all.push(CaseSpec::new("sort_rows", format!("{shape:?}"), move |c| {
            let x = c.random(shape);
            let y = c.graph.sort_rows(x)?;
            c.keep(y)
        }));
        all.push(CaseSpec::new("cosine_cut", format!("{shape:?}"), move |c| {
            let m = magnitudes(c, shape);
            let threshold = c.graph.cosine_split_threshold(m)?;
            c.keep(threshold)
        }));
    }
    all.push(CaseSpec::new("kth_value", "every rank of odd numbers, and past the end", |c| {
        let x = c.input(odd());
        for rank in 0..13 {
            let rank = c.input(HostTensor::from_f32([1, 1], vec![rank as f32]));
            let y = c.graph.kth_value(x, rank)?;
            c.keep(y)?;
        }
        Ok(())
    }));
    for (rows, n, k, valid) in
        [(1, 1, 1, 1), (5, 7, 3, 7), (5, 7, 3, 0), (3, 40, 64, 33), (70, 33, 1, 40), (3, 1000, 200, 999)]
    {
        let name = format!("{k} of {rows}x{n}, {valid} of them valid");
        all.push(CaseSpec::new("keep_largest", name.clone(), move |c| {
            let x = c.random([rows, n]);
            let kept = (0..rows * k).map(|i| (1.7 * i as f32).sin()).collect();
            keep_largest(c, x, kept, [1 << 21, valid])
        }));
        all.push(CaseSpec::new("keep_largest", format!("{name}, ties"), move |c| {
            let x = ties(c, &[rows, n]);
            let kept = (0..rows * k).map(|i| (i * i % 3) as f32).collect();
            keep_largest(c, x, kept, [1 << 21, valid])
        }));
    }
    all.push(CaseSpec::new("keep_largest", "odd numbers, in two blocks of a search", |c| {
        let (x, span) = (c.input(odd()), c.input(HostTensor::from_u32([2], vec![0, 11])));
        let kept = c.input(KeepLargest::nothing(1, 7));
        let kept = c.graph.keep_largest(x, kept, span)?;
        let span = c.input(HostTensor::from_u32([2], vec![11, 9]));
        let kept = c.graph.keep_largest(x, kept, span)?;
        c.keep(kept)
    }));
    all.push(CaseSpec::new("sort_rows", "odd numbers", |c| {
        let x = c.input(odd());
        let y = c.graph.sort_rows(x)?;
        c.keep(y)
    }));
    all.push(CaseSpec::new("cosine_cut", "ties, zeros, large and small rows, one that falls and rises", |c| {
        let rows = [[1.0, 0.4, 0.4], [0.0; 3], [1.0; 3], [1e30, 4e29, 0.0], [1e-30, 4e-31, 4e-31]];
        let m = c.input(HostTensor::from_f32([5, 3], rows.concat()));
        let threshold = c.graph.cosine_split_threshold(m)?;
        c.keep(threshold)
    }));
    all.push(CaseSpec::large("sort_rows", "a row of 300,000, then its cut", |c| {
        let m = magnitudes(c, &[1, 300_000]);
        let y = c.graph.sort_rows(m)?;
        c.keep(y)?;
        let threshold = c.graph.cosine_split_threshold(m)?;
        c.keep(threshold)
    }));
    for channels in [1, 32, 33] {
        all.push(CaseSpec::new("split", format!("{channels} channels, over and at the threshold"), move |c| {
            let levels = c.integers([5, 3, channels], DType::U32, 4);
            let (x, own) = (c.graph.offset(levels, -1.0)?, c.random([5, 3, channels]));
            let threshold = c.input(HostTensor::from_f32([5, 1, 1], vec![0.0, 1.0, -1.0, 2.0, 0.5]));
            for x in [x, own] {
                let above = c.graph.above(x, threshold)?;
                let at_least = c.graph.at_least(x, threshold)?;
                c.keep(above)?;
                c.keep(at_least)?;
            }
            let bits = c.graph.above(own, threshold)?;
            let y = c.graph.signed(bits)?;
            c.estimated_grad(y)
        }));
    }
    all
}
