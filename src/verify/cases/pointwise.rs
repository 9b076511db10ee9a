//! Pointwise ops: broadcasting, packing, fusion, in-place reuse.

use crate::ops::pointwise::Ste;
use crate::tensor::HostTensor;
use crate::verify::CaseSpec;

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    let mut all = Vec::new();
    for shape in [&[1][..], &[3, 5], &[2, 3, 4, 8], &[2, 33], &[7, 64]] {
        all.push(CaseSpec::new("add", format!("{shape:?}"), move |c| {
            let (a, b) = (c.random(shape), c.random(shape));
            let y = c.graph.add(a, b)?;
            c.grad(y)
        }));
    }
    for (a, b) in [(&[4, 5, 8][..], &[8][..]), (&[4, 5, 8], &[5, 1]), (&[3, 1, 7], &[2, 7]), (&[6, 3], &[])] {
        for op in ["add", "sub", "mul", "div"] {
            all.push(CaseSpec::new(op, format!("{a:?} with {b:?}"), move |c| {
                let (x, z) = (c.random(a), c.uniform(b, 0.5, 2.0));
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
    all.push(CaseSpec::new("scale", "a chain with a scalar of the step", move |c| {
        let (x, s) = (c.random([3, 20]), c.scalar(0.37));
        let y = c.graph.scale(x, -2.5)?;
        let y = c.graph.offset(y, 0.25)?;
        let y = c.graph.mul(y, s)?;
        let y = c.graph.mul(y, x)?;
        c.grad(y)
    }));
    for columns in [1, 3, 31, 32, 33, 64, 100] {
        all.push(CaseSpec::new("sign", format!("{columns} channels, mask kept"), move |c| {
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
        all.push(CaseSpec::new("sign", name, move |c| {
            let x = c.random([5, 36]);
            let bits = c.graph.sign(x, ste)?;
            c.estimated_grad(bits)
        }));
    }
    all.push(CaseSpec::new("sign", "clipped identity without the scale", move |c| {
        let alpha = HostTensor::from_f32([5, 1, 1, 1], vec![0.1, 0.3, 0.5, 0.7, 0.9]);
        let (x, alpha) = (c.random([5, 1, 1, 36]), c.input(alpha));
        let bits = c.graph.sign(x, Ste::ClippedUnscaled { alpha })?;
        c.estimated_grad(bits)
    }));
    all.push(CaseSpec::new("step_above", "scores at, over and under a threshold", move |c| {
        let x = c.leaf(HostTensor::from_f32([2, 4], vec![-1.0, -0.0, 0.0, 1e-30, 0.5, 0.25, 1.0, 3.0]));
        let t = c.input(HostTensor::from_f32([2, 1], vec![0.0, 0.5]));
        let y = c.graph.step_above(x, t)?;
        c.estimated_grad(y)
    }));
    // Where the estimators' windows end, and at zero.
    for (name, ste) in [("clipped identity", Ste::ClippedIdentity), ("ApproxSign", Ste::ApproxSign)] {
        all.push(CaseSpec::new("sign", format!("{name} at its edges"), move |c| {
            let x = c.leaf(HostTensor::from_f32([8], vec![-1.5, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 1.5]));
            let bits = c.graph.sign(x, ste)?;
            c.estimated_grad(bits)
        }));
    }
    all.push(CaseSpec::new("sign", "clipped identity without the scale at its edges", move |c| {
        let x = c.leaf(HostTensor::from_f32([2, 1, 1, 4], vec![-1.5, -1.0, 0.5, 1.0, 1.0, -1.0, -0.0, 1.5]));
        let alpha = c.input(HostTensor::from_f32([2, 1, 1, 1], vec![0.5, 0.25]));
        let bits = c.graph.sign(x, Ste::ClippedUnscaled { alpha })?;
        c.estimated_grad(bits)
    }));
    all.push(CaseSpec::new("sign", "EDE", move |c| {
        let (x, t, k) = (c.random([5, 36]), c.scalar(2.0), c.scalar(1.0));
        let bits = c.graph.sign(x, Ste::Ede { t, k })?;
        c.estimated_grad(bits)
    }));
    all
}
