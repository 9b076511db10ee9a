//! Ops that move elements: odd extents, steps, every axis, numbers that repeat or lie outside.

use crate::tensor::{DType, HostTensor};
use crate::verify::CaseSpec;

/// Elements before and after, an axis each.
type Pairs = &'static [(usize, usize)];
/// Start, end and step, an axis each.
type Ranges = &'static [(usize, usize, usize)];

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    let mut all = Vec::new();
    let pads: [(&[usize], Pairs, f32); 5] = [
        (&[1], &[(0, 0)], 0.0),
        (&[5], &[(2, 3)], -1.5),
        (&[2, 5, 3, 33], &[(0, 0), (1, 2), (3, 0), (0, 0)], 0.0),
        (&[2, 3, 31], &[(0, 1), (0, 0), (1, 1)], 2.0),
        (&[1, 2, 1, 3, 2, 2], &[(1, 0), (0, 0), (0, 1), (0, 0), (2, 2), (0, 1)], 0.5),
    ];
    for (shape, around, value) in pads {
        all.push(CaseSpec::new("pad", format!("{shape:?} by {around:?}"), move |c| {
            let x = c.random(shape);
            let y = c.graph.pad(x, around, value)?;
            c.grad(y)
        }));
    }
    let slices: [(&[usize], Ranges); 5] = [
        (&[7], &[(1, 7, 2)]),
        (&[7], &[(6, 7, 9)]),
        (&[2, 9, 8, 3], &[(0, 2, 1), (0, 9, 2), (1, 8, 2), (0, 3, 1)]),
        (&[3, 70], &[(1, 3, 1), (3, 68, 3)]),
        (&[2, 2, 3, 2, 4, 3], &[(1, 2, 1), (0, 2, 1), (0, 3, 2), (0, 2, 1), (1, 3, 1), (0, 3, 2)]),
    ];
    for (shape, axes) in slices {
        all.push(CaseSpec::new("slice", format!("{shape:?} at {axes:?}"), move |c| {
            let x = c.random(shape);
            let axes: Vec<_> = axes.iter().map(|&(a, b, s)| (a..b, s)).collect();
            let y = c.graph.slice_axes(x, &axes)?;
            c.grad(y)
        }));
    }
    for axis in 0..4 {
        all.push(CaseSpec::new("concat", format!("three along axis {axis}"), move |c| {
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
    all.push(CaseSpec::new("concat", "seven vectors, which bind more buffers than a kernel may", move |c| {
        let parts: Vec<_> = (1..8).map(|n| c.random([n])).collect();
        let y = c.graph.concat(&parts, 0)?;
        c.grad(y)
    }));
    all.push(CaseSpec::new("concat", "integers", move |c| {
        let (a, b) = (c.integers([3, 2], DType::U32, 1 << 31), c.integers([3, 5], DType::U32, 1 << 31));
        let y = c.graph.concat(&[a, b], 1)?;
        c.keep(y)
    }));
    let turns: [(&[usize], &[usize]); 6] = [
        (&[5, 7], &[1, 0]),
        (&[64, 130], &[1, 0]),
        (&[2, 5, 3, 4], &[0, 3, 1, 2]),
        (&[2, 5, 3, 4], &[3, 2, 1, 0]),
        (&[3, 1, 33], &[2, 0, 1]),
        (&[2, 1, 3, 2, 2, 3], &[5, 0, 3, 1, 4, 2]),
    ];
    for (shape, perm) in turns {
        all.push(CaseSpec::new("transpose", format!("{shape:?} as {perm:?}"), move |c| {
            let x = c.random(shape);
            let y = c.graph.transpose(x, perm)?;
            c.grad(y)
        }));
    }
    for (rows, columns, picks) in [(1, 1, 1), (10, 33, 7), (5, 3, 200), (300, 8, 64)] {
        all.push(CaseSpec::new("gather", format!("{picks} of {rows} rows of {columns}"), move |c| {
            let x = c.random([rows, columns]);
            // One number past the last row now and then.
            let index = c.integers([picks], DType::U32, rows as u32 + 1);
            let y = c.graph.gather(x, index)?;
            c.grad(y)
        }));
    }
    all.push(CaseSpec::new("gather", "an index of two axes into a table of three", move |c| {
        let x = c.random([6, 2, 5]);
        let index = c.integers([3, 4], DType::U32, 6);
        let y = c.graph.gather(x, index)?;
        c.grad(y)
    }));
    for classes in [1, 10, 33] {
        all.push(CaseSpec::new("one_hot", format!("{classes} classes"), move |c| {
            let labels = c.integers([9], DType::U32, classes as u32 + 1);
            let y = c.graph.one_hot(labels, classes)?;
            c.keep(y)
        }));
    }
    all.push(CaseSpec::new("one_hot", "fused with what reads it", move |c| {
        let labels = c.input(HostTensor::from_u32([2, 3], vec![0, 4, 2, 1, 7, 3]));
        let x = c.random([2, 3, 5]);
        let hot = c.graph.one_hot(labels, 5)?;
        let y = c.graph.mul(x, hot)?;
        c.grad(y)
    }));
    all
}
