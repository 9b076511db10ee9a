//! Pointwise ops: broadcasting, packing, fusion, in-place reuse.

use crate::ops::pointwise::Ste;
use crate::verify::Case;

/// The cases of this family.
pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for shape in [vec![1], vec![3, 5], vec![2, 3, 4, 8], vec![2, 33], vec![7, 64]] {
        all.push(Case::new("add", format!("{shape:?}"), |c| {
            let (a, b) = (c.random(shape.clone()), c.random(shape.clone()));
            let y = c.graph.add(a, b)?;
            c.grad(y)
        }));
    }
    for (a, b) in
        [(vec![4, 5, 8], vec![8]), (vec![4, 5, 8], vec![5, 1]), (vec![3, 1, 7], vec![2, 7]), (vec![6, 3], vec![])]
    {
        for op in ["add", "sub", "mul", "div"] {
            all.push(Case::new(op, format!("{a:?} with {b:?}"), |c| {
                let (x, z) = (c.random(a.clone()), c.uniform(b.clone(), 0.5, 2.0));
                let y = match op {
                    "add" => c.graph.add(x, z)?,
                    "sub" => c.graph.sub(x, z)?,
                    "mul" => c.graph.mul(x, z)?,
                    _ => c.graph.div(x, z)?,
                };
                c.grad(y)
            }));
        }
    }
    all.push(Case::new("scale", "a chain with a scalar of the step", |c| {
        let (x, s) = (c.random([3, 20]), c.scalar(0.37));
        let y = c.graph.scale(x, -2.5)?;
        let y = c.graph.offset(y, 0.25)?;
        let y = c.graph.mul(y, s)?;
        let y = c.graph.mul(y, x)?;
        c.grad(y)
    }));
    for columns in [1, 3, 31, 32, 33, 64, 100] {
        all.push(Case::new("sign", format!("{columns} channels, mask kept"), |c| {
            let (x, b) = (c.random([2, 3, columns]), c.random([columns]));
            let shifted = c.graph.add(x, b)?;
            let bits = c.graph.sign(shifted, Ste::ClippedIdentity)?;
            c.estimated_grad(bits)
        }));
    }
    for (name, ste) in [
        ("clipped identity of a parameter", Ste::ClippedIdentity),
        ("ApproxSign", Ste::ApproxSign),
        ("identity", Ste::Identity),
    ] {
        all.push(Case::new("sign", name, |c| {
            let x = c.random([5, 36]);
            let bits = c.graph.sign(x, ste)?;
            c.estimated_grad(bits)
        }));
    }
    all.push(Case::new("sign", "EDE", |c| {
        let (x, t, k) = (c.random([5, 36]), c.scalar(2.0), c.scalar(1.0));
        let bits = c.graph.sign(x, Ste::Ede { t, k })?;
        c.estimated_grad(bits)
    }));
    all
}
