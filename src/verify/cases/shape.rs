//! Ops that move elements: odd extents, steps, every axis, numbers that repeat or lie outside.

use crate::tensor::{DType, HostTensor};
use crate::verify::Case;

/// Elements before and after, an axis each.
type Pairs = Vec<(usize, usize)>;
/// Start, end and step, an axis each.
type Ranges = Vec<(usize, usize, usize)>;

/// The cases of this family.
pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    let pads: [(Vec<usize>, Pairs, f32); 5] = [
        (vec![1], vec![(0, 0)], 0.0),
        (vec![5], vec![(2, 3)], -1.5),
        (vec![2, 5, 3, 33], vec![(0, 0), (1, 2), (3, 0), (0, 0)], 0.0),
        (vec![2, 3, 31], vec![(0, 1), (0, 0), (1, 1)], 2.0),
        (vec![1, 2, 1, 3, 2, 2], vec![(1, 0), (0, 0), (0, 1), (0, 0), (2, 2), (0, 1)], 0.5),
    ];
    for (shape, around, value) in pads {
        all.push(Case::new("pad", format!("{shape:?} by {around:?}"), |c| {
            let x = c.random(shape);
            let y = c.graph.pad(x, &around, value)?;
            c.grad(y)
        }));
    }
    let slices: [(Vec<usize>, Ranges); 5] = [
        (vec![7], vec![(1, 7, 2)]),
        (vec![7], vec![(6, 7, 9)]),
        (vec![2, 9, 8, 3], vec![(0, 2, 1), (0, 9, 2), (1, 8, 2), (0, 3, 1)]),
        (vec![3, 70], vec![(1, 3, 1), (3, 68, 3)]),
        (vec![2, 2, 3, 2, 4, 3], vec![(1, 2, 1), (0, 2, 1), (0, 3, 2), (0, 2, 1), (1, 3, 1), (0, 3, 2)]),
    ];
    for (shape, axes) in slices {
        all.push(Case::new("slice", format!("{shape:?} at {axes:?}"), |c| {
            let x = c.random(shape);
            let axes: Vec<_> = axes.iter().map(|&(a, b, s)| (a..b, s)).collect();
            let y = c.graph.slice_axes(x, &axes)?;
            c.grad(y)
        }));
    }
    for axis in 0..4 {
        all.push(Case::new("concat", format!("three along axis {axis}"), |c| {
            let parts: Vec<_> = [3, 1, 4]
                .map(|d| {
                    let mut shape = [2, 5, 3, 7];
                    shape[axis] = d;
                    c.random(shape)
                })
                .to_vec();
            let y = c.graph.concat(&parts, axis)?;
            c.grad(y)
        }));
    }
    all.push(Case::new("concat", "seven vectors, which bind more buffers than a kernel may", |c| {
        let parts: Vec<_> = (1..8).map(|n| c.random([n])).collect();
        let y = c.graph.concat(&parts, 0)?;
        c.grad(y)
    }));
    all.push(Case::new("concat", "integers", |c| {
        let (a, b) = (c.integers([3, 2], DType::U32, 1 << 31), c.integers([3, 5], DType::U32, 1 << 31));
        let y = c.graph.concat(&[a, b], 1)?;
        c.keep(y)
    }));
    let turns: [(Vec<usize>, Vec<usize>); 6] = [
        (vec![5, 7], vec![1, 0]),
        (vec![64, 130], vec![1, 0]),
        (vec![2, 5, 3, 4], vec![0, 3, 1, 2]),
        (vec![2, 5, 3, 4], vec![3, 2, 1, 0]),
        (vec![3, 1, 33], vec![2, 0, 1]),
        (vec![2, 1, 3, 2, 2, 3], vec![5, 0, 3, 1, 4, 2]),
    ];
    for (shape, perm) in turns {
        all.push(Case::new("transpose", format!("{shape:?} as {perm:?}"), |c| {
            let x = c.random(shape);
            let y = c.graph.transpose(x, &perm)?;
            c.grad(y)
        }));
    }
    for (rows, columns, picks) in [(1, 1, 1), (10, 33, 7), (5, 3, 200), (300, 8, 64)] {
        all.push(Case::new("gather", format!("{picks} of {rows} rows of {columns}"), |c| {
            let x = c.random([rows, columns]);
            // One number past the last row now and then.
            let index = c.integers([picks], DType::U32, rows as u32 + 1);
            let y = c.graph.gather(x, index)?;
            c.grad(y)
        }));
    }
    all.push(Case::new("gather", "an index of two axes into a table of three", |c| {
        let x = c.random([6, 2, 5]);
        let index = c.integers([3, 4], DType::U32, 6);
        let y = c.graph.gather(x, index)?;
        c.grad(y)
    }));
    for classes in [1, 10, 33] {
        all.push(Case::new("one_hot", format!("{classes} classes"), |c| {
            let labels = c.integers([9], DType::U32, classes as u32 + 1);
            let y = c.graph.one_hot(labels, classes)?;
            c.keep(y)
        }));
    }
    all.push(Case::new("one_hot", "fused with what reads it", |c| {
        let labels = c.input(HostTensor::from_u32([2, 3], vec![0, 4, 2, 1, 7, 3]));
        let x = c.random([2, 3, 5]);
        let hot = c.graph.one_hot(labels, 5)?;
        let y = c.graph.mul(x, hot)?;
        c.grad(y)
    }));
    all
}
