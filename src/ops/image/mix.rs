//! Each image of a batch with the one before it: blended (H. Zhang et al., "mixup: Beyond Empirical Risk Minimization",
//! ICLR 2018), or with a box of it (S. Yun et al., "CutMix", ICCV 2019).

use super::{batch, boxes, columns};
use crate::error::Result;
use crate::graph::{CpuIo, EPS, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand, fold_groups};
use crate::tensor::RefTensor;
use rayon::prelude::*;

/// `x [n, h, w, c]`, parameters -> the same shape: `share x_i + (1 - share) x_(i-1)`, or `x_(i-1)` in the box and `x_i` around
/// it; before the first image comes the last.
#[derive(Clone, Debug)]
pub struct MixImages;

const BOX: boxes::Columns = [columns::MIX_Y, columns::MIX_X, columns::MIX_HEIGHT, columns::MIX_WIDTH];

/// The number before `i` of `0..n`, on a circle.
fn before(i: usize, n: usize) -> usize {
    if i == 0 { n - 1 } else { i - 1 }
}

impl Op for MixImages {
    fn name(&self) -> &'static str {
        "mix_images"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        batch("mix_images", inputs)?;
        Ok(vec![inputs[0].clone()])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None, None])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let x = inputs[0];
        let [n, h, w, c] = [x.shape[0], x.shape[1], x.shape[2], x.shape[3]];
        let each = h * w * c;
        let element = |(i, v): (usize, &f64)| {
            let image = i / each;
            let other = x.data[(image + n - 1) % n * each + i % each];
            let row = &inputs[1].data[image * columns::COUNT..];
            if row[columns::MIX_HEIGHT] <= 0.0 {
                return other + row[columns::MIX_SHARE] * (v - other);
            }
            let inside = boxes::holds(row, BOX, [i / (w * c) % h, i / c % w]);
            if inside { other } else { *v }
        };
        vec![RefTensor::f32(outputs[0].shape.clone(), x.data.iter().enumerate().map(element).collect())]
    }

    /// Two products of numbers of at most the larger of both, with a share that is rounded, and their sum.
    fn bound(&self, inputs: &[&RefTensor], _outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let x = inputs[0];
        let (n, each) = (x.shape[0], x.shape[1..].iter().product::<usize>());
        let element = |(i, v): (usize, &f64)| {
            let image = i / each;
            let other = x.data[(image + n - 1) % n * each + i % each];
            let row = &inputs[1].data[image * columns::COUNT..];
            let share = row[columns::MIX_SHARE].abs();
            if row[columns::MIX_HEIGHT] > 0.0 { 0.0 } else { 4.0 * EPS * (1.0 + share) * v.abs().max(other.abs()) }
        };
        vec![x.data.iter().enumerate().map(element).collect()]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let shape = io.meta(0).shape.clone();
        let [n, h, w, c] = [shape[0], shape[1], shape[2], shape[3]];
        let each = h * w * c;
        let (x, params) = (io.f32(0), io.f32(1));
        io.out(0).par_chunks_mut(each.max(1)).enumerate().for_each(|(i, y)| {
            let (own, other) = (&x[i * each..][..each], &x[before(i, n) * each..][..each]);
            let row = &params[i * columns::COUNT..][..columns::COUNT];
            if row[columns::MIX_HEIGHT] > 0.0 {
                y.copy_from_slice(own);
                let [lines, across] = boxes::parts(row, BOX, [h, w]);
                for line in lines {
                    let part = (line * w + across.start) * c..(line * w + across.end) * c;
                    y[part.clone()].copy_from_slice(&other[part]);
                }
            } else {
                let share = row[columns::MIX_SHARE];
                let pairs = own.iter().zip(other);
                y.iter_mut().zip(pairs).for_each(|(y, (a, b))| *y = share * a + (1.0 - share) * b);
            }
        });
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let [n, h, w, c] = batch("mix_images", cx.inputs)?;
        let count = n * h * w * c;
        let constants = [("COUNT", count), ("IMAGES", n), ("H", h), ("W", w), ("C", c)];
        Ok(Lowering {
            temps: vec![],
            launches: vec![Launch {
                shader: "image/mix_images",
                defines: columns::DEFINES.to_vec(),
                constants: constants.map(|(name, v)| (name, v as f64)).to_vec(),
                workgroups: fold_groups(count.div_ceil(64)),
                operands: vec![Operand::In(0), Operand::In(1), Operand::Out(0)],
            }],
        })
    }
}

/// The labels of a batch whose images are mixed.
#[derive(Clone, Copy, Debug)]
pub struct MixedLabels {
    /// Classes of the images themselves, u32 `[n]`.
    pub own: Value,
    /// Classes of the images before them, u32 `[n]`.
    pub other: Value,
    /// Share of their own, f32 `[n]`.
    pub share: Value,
}

impl Graph {
    /// Mixes each image with the one before it, as its parameters say.
    pub fn mix_images(&mut self, x: Value, params: Value) -> Result<Value> {
        self.apply1(MixImages, &[x, params])
    }

    /// The labels of the images that [`Graph::mix_images`] makes: `labels` u32 `[n]`, the same parameters.
    pub fn mix_labels(&mut self, labels: Value, params: Value) -> Result<MixedLabels> {
        let n = self.shape(labels)[0];
        let last = self.slice(labels, 0, n - 1..n, 1)?;
        let other = match n {
            1 => labels,
            _ => {
                let rest = self.slice(labels, 0, 0..n - 1, 1)?;
                self.concat(&[last, rest], 0)?
            }
        };
        let share = self.slice(params, 1, columns::MIX_SHARE..columns::MIX_SHARE + 1, 1)?;
        Ok(MixedLabels { own: labels, other, share: self.reshape(share, [n])? })
    }
}
