//! Statistics and normalisation: one and more stages, narrow and wide rows, floats and integers.

use crate::error::Result;
use crate::graph::{Init, Meta, Value};
use crate::ops::norm::{BatchNormLeaves, BatchNormMode};
use crate::tensor::{DType, HostTensor};
use crate::verify::{Case, CaseSpec};

/// A mode, given the gate of its running statistics.
type Mode = fn(Option<Value>) -> BatchNormMode;

const MODES: [(&str, Mode); 4] = [
    ("train", |gate| BatchNormMode::Train { momentum: 0.1, gate }),
    ("eval", |_| BatchNormMode::Eval),
    ("frozen", |_| BatchNormMode::Frozen),
    ("settle", |gate| BatchNormMode::Settle { momentum: 0.1, gate }),
];

/// Integers around `mean` as a convolution of bits makes them.
fn integers(c: &mut Case, shape: &[usize], mean: i64) -> Value {
    let n: usize = shape.iter().product();
    let values: Vec<f64> = (0..n).map(|i| ((i * i * 7 + i * 3) % 41) as f64 - 20.0 + mean as f64).collect();
    c.input(HostTensor::from_f64(shape, DType::I16, &values))
}

pub(super) fn leaves(c: &mut Case, channels: usize) -> Result<BatchNormLeaves> {
    let gamma = c.uniform([channels], 0.5, 1.5);
    let beta = c.random([channels]);
    let mut state = |name: &str, low: f32| {
        let values = (0..channels).map(|i| low + 0.1 * (i % 100) as f32).collect();
        c.leaves.insert(name.to_string(), HostTensor::from_f32([channels], values));
        c.graph.state(name, Meta::f32([channels]), Init::Zeros)
    };
    Ok(BatchNormLeaves { gamma, beta, running_mean: state("mean", -0.3)?, running_var: state("var", 0.8)? })
}

/// The cases of this family.
pub fn cases() -> Vec<CaseSpec> {
    let mut all = Vec::new();
    let shapes: [&[usize]; 10] = [
        &[2, 1],
        &[1, 3],
        &[5, 3],
        &[2, 3, 4, 31],
        &[7, 64],
        &[130, 33],
        &[9, 130],
        &[2, 8, 9, 16],
        &[3000, 3],
        &[8300, 1],
    ];
    for shape in shapes {
        all.push(CaseSpec::new("channel_stats", format!("{shape:?}"), move |c| {
            let x = c.random(shape);
            let x = c.graph.offset(x, 3.0)?;
            let (mean, var) = c.graph.channel_stats(x)?;
            c.keep(var)?;
            let y = c.graph.mul(mean, var)?;
            let y = c.graph.add(y, mean)?;
            c.grad(y)
        }));
        all.push(CaseSpec::new("channel_stats", format!("{shape:?}, integers"), move |c| {
            let x = integers(c, shape, 5);
            let (mean, var) = c.graph.channel_stats(x)?;
            c.keep(mean)?;
            c.keep(var)
        }));
    }
    all.push(CaseSpec::new("channel_stats", "a mean of a thousand deviations", move |c| {
        let x = c.random([600, 5]);
        let x = c.graph.offset(x, 1000.0)?;
        let (mean, var) = c.graph.channel_stats(x)?;
        c.keep(mean)?;
        c.keep(var)
    }));
    for (name, mode) in MODES {
        batch_norm_cases(&mut all, name, mode);
    }
    for flag in [0.0, 1.0] {
        all.push(CaseSpec::new("batch_norm", format!("running statistics gated by {flag}"), move |c| {
            let (x, l, flag) = (c.random([6, 5]), leaves(c, 5)?, c.scalar(flag));
            let mode = BatchNormMode::Train { momentum: 0.1, gate: Some(flag) };
            let y = c.graph.batch_norm(x, None, &l, mode, 1e-5)?;
            c.grad(y)
        }));
    }
    layer_norm_cases(&mut all);
    all
}

fn batch_norm_cases(all: &mut Vec<CaseSpec>, name: &'static str, mode: Mode) {
    // In evaluation gamma and beta have no gradient.
    let finish = move |c: &mut Case, x: Value, y: Value| match name {
        "eval" => {
            c.keep(y)?;
            let loss = c.graph.mean_all(y)?;
            let dx = c.graph.backward(loss, &[x])?[0];
            c.keep(dx)
        }
        _ => c.grad(y),
    };
    for shape in [&[2usize, 1][..], &[5, 3], &[2, 3, 4, 31], &[6, 64], &[150, 33], &[2, 5, 7, 8]] {
        let channels = *shape.last().expect("not empty");
        all.push(CaseSpec::new("batch_norm", format!("{name}, {shape:?}"), move |c| {
            let x = c.random(shape);
            let l = leaves(c, channels)?;
            let y = c.graph.batch_norm(x, None, &l, mode(None), 1e-2)?;
            finish(c, x, y)
        }));
        all.push(CaseSpec::new("batch_norm", format!("{name}, {shape:?}, scaled"), move |c| {
            let x = c.random(shape);
            let l = leaves(c, channels)?;
            let values = (0..channels).map(|i| 0.05 + 0.01 * i as f32).collect();
            let scale = c.input(HostTensor::from_f32([channels], values));
            let y = c.graph.batch_norm(x, Some(scale), &l, mode(None), 1e-2)?;
            finish(c, x, y)
        }));
        all.push(CaseSpec::new("batch_norm", format!("{name}, {shape:?}, scaled integers"), move |c| {
            let x = integers(c, shape, 3);
            let l = leaves(c, channels)?;
            let values = (0..channels).map(|i| 0.05 + 0.01 * i as f32).collect();
            let scale = c.input(HostTensor::from_f32([channels], values));
            let y = c.graph.batch_norm(x, Some(scale), &l, mode(None), 1e-5)?;
            if name != "eval" {
                let y = c.graph.relu(y)?;
                c.grad(y)?;
            }
            let loss = c.graph.square(y)?;
            let loss = c.graph.mean_all(loss)?;
            let dx = c.graph.backward(loss, &[x])?[0];
            c.keep(dx)
        }));
    }
    all.push(CaseSpec::new("batch_norm", format!("{name}, sums of three stages"), move |c| {
        let x = c.random([8300, 1]);
        let l = leaves(c, 1)?;
        let y = c.graph.batch_norm(x, None, &l, mode(None), 1e-2)?;
        finish(c, x, y)
    }));
    all.push(CaseSpec::new("batch_norm", format!("{name}, then shortcut, relu and sign"), move |c| {
        let (x, shortcut) = (c.random([3, 4, 5, 33]), c.random([3, 4, 5, 33]));
        let l = leaves(c, 33)?;
        let mode = if name == "eval" { BatchNormMode::Frozen } else { mode(None) };
        let y = c.graph.batch_norm(x, None, &l, mode, 1e-5)?;
        let y = c.graph.add(y, shortcut)?;
        let y = c.graph.relu(y)?;
        let y = c.graph.offset(y, -0.5)?;
        let y = c.graph.sign(y, crate::ops::pointwise::Ste::ClippedIdentity)?;
        c.estimated_grad(y)
    }));
}

fn layer_norm_cases(all: &mut Vec<CaseSpec>) {
    // One invocation a row, and, for few long rows, sixty-four.
    for shape in [&[1usize, 2][..], &[5, 3], &[2, 3, 31], &[3, 64], &[2, 300], &[70, 100], &[63, 65]] {
        all.push(CaseSpec::new("layer_norm", format!("{shape:?}"), move |c| {
            let x = c.random(shape);
            let x = c.graph.offset(x, 0.5)?;
            let d = *shape.last().expect("not empty");
            let (gamma, beta) = (c.uniform([d], 0.5, 1.5), c.random([d]));
            let y = c.graph.layer_norm(x, gamma, beta, 1e-2)?;
            c.grad(y)
        }));
    }
    for shape in [&[1usize, 2][..], &[5, 33], &[16, 144], &[2, 4608], &[70, 300]] {
        for eps in [0.0, 1e-5] {
            all.push(CaseSpec::new("layer_norm", format!("unbiased, {shape:?}, eps {eps}"), move |c| {
                let x = c.random(shape);
                let y = c.graph.standardize(x, eps)?;
                c.grad(y)
            }));
        }
    }
}
