//! A packed model as a graph again: it then runs on every device of the engine, many images at once.

use super::net::{Kind, Meta, Net, Op, Window};
use crate::error::Result;
use crate::graph::{self, Graph, Value};
use crate::methods::{EVAL_IMAGES, LOGITS};
use crate::ops::pointwise::Ste;
use crate::tensor::{DType, HostTensor};

/// The graph of a network for `batch` images: [`EVAL_IMAGES`] `[batch, h * w * c]` bytes to [`LOGITS`] `[batch, outputs]`.
///
/// # Errors
/// If the network does not fit together.
pub fn graph(net: &Net, batch: usize) -> Result<Graph> {
    let metas = net.infer()?;
    let g = &mut Graph::new();
    let image = metas[0];
    let mut values = vec![g.input(EVAL_IMAGES, graph::Meta::new([batch, image.len()], DType::U8))?];
    for (i, node) in net.nodes.iter().enumerate() {
        let x = values[node.inputs[0]];
        let from = metas[node.inputs[0]];
        g.enter(format!("{}.{i}", node.op.name().replace(' ', "-")));
        values.push(apply(g, &node.op, x, || values[node.inputs[1]], from, batch)?);
        g.leave();
    }
    let last = values[values.len() - 1];
    let outputs = metas[metas.len() - 1].len();
    let logits = g.reshape(last, [batch, outputs])?;
    g.output(LOGITS, logits);
    Ok(std::mem::take(g))
}

fn apply(g: &mut Graph, op: &Op, x: Value, second: impl Fn() -> Value, from: Meta, batch: usize) -> Result<Value> {
    let [h, w, c] = from.shape;
    Ok(match op {
        Op::Affine { scale, shift } => {
            // Bytes lie in one row an image.
            let bytes = from.kind == Kind::Bytes;
            let repeated = |v: &[f32]| if bytes { v.repeat(h * w) } else { v.to_vec() };
            let n = if bytes { h * w * c } else { c };
            let scale = g.constant(HostTensor::from_f32([n], repeated(scale)));
            let shift = g.constant(HostTensor::from_f32([n], repeated(shift)));
            let y = g.mul(x, scale)?;
            let y = g.add(y, shift)?;
            if bytes { g.reshape(y, [batch, h, w, c])? } else { y }
        }
        Op::Conv { outputs, window, weights } => {
            let [kh, kw] = window.size;
            let weights = g.constant(HostTensor::from_f32([*outputs, kh, kw, c], weights.clone()));
            g.conv2d(x, weights, window.stride, window.padding, 1)?
        }
        Op::BinaryConv { outputs, window, code, bits, .. } => {
            let [kh, kw] = window.size;
            let bits = HostTensor::from_words([*outputs, kh, kw, c], DType::Bits, bits.clone());
            let bits = g.constant(bits);
            g.xnor_conv2d(x, bits, window.stride, window.padding, *code)?
        }
        Op::Sign => g.sign(x, Ste::Identity)?,
        Op::Threshold { at, down } => {
            // `y <= t` is `t - y >= 0`; integers of 16 bits are exact.
            let sign: Vec<f32> = down.iter().map(|d| if *d { -1.0 } else { 1.0 }).collect();
            let shift = at.iter().zip(&sign).map(|(t, s)| -s * *t as f32).collect();
            let sign = g.constant(HostTensor::from_f32([c], sign));
            let shift = g.constant(HostTensor::from_f32([c], shift));
            let y = g.mul(x, sign)?;
            let y = g.add(y, shift)?;
            g.sign(y, Ste::Identity)?
        }
        Op::Signed => g.signed(x)?,
        Op::Relu => g.relu(x)?,
        Op::Hardtanh => g.hardtanh(x)?,
        Op::Prelu { slope } => {
            let slope = g.constant(HostTensor::from_f32([c], slope.clone()));
            g.prelu(x, slope)?
        }
        Op::Add => g.add(x, second())?,
        Op::MaxPool(Window { size, stride, padding }) => g.max_pool2d(x, size[0], *stride, *padding)?,
        Op::AvgPool(Window { size, stride, padding }) => g.avg_pool2d(x, size[0], *stride, *padding, true)?,
        Op::PixelSum => g.sum(x, &[1, 2])?,
        Op::Slice { start, step, size } => {
            let range = |axis: usize| {
                let end = start[axis] + (size[axis] - 1) * step[axis] + 1;
                (start[axis]..end, step[axis])
            };
            g.slice_axes(x, &[(0..batch, 1), range(0), range(1), (0..c, 1)])?
        }
        Op::PadChannels { before, behind } => g.pad(x, &[(0, 0), (0, 0), (0, 0), (*before, *behind)], 0.0)?,
        Op::Concat => g.concat(&[x, second()], 3)?,
        Op::Standardise { eps } => {
            let rows = g.reshape(x, [batch, h * w * c])?;
            let rows = g.standardize(rows, *eps)?;
            g.reshape(rows, [batch, h, w, c])?
        }
        Op::Flatten => g.reshape(x, [batch, 1, 1, h * w * c])?,
    })
}
