//! A box of each image filled with one number (Z. Zhong et al., "Random Erasing Data Augmentation", AAAI 2020).

use super::{batch, boxes, columns};
use crate::error::Result;
use crate::graph::{CpuIo, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand, fold_groups};
use crate::tensor::RefTensor;
use rayon::prelude::*;

/// `x [n, h, w, c]`, parameters -> the same shape.
#[derive(Clone, Debug)]
pub struct Erase {
    /// What the box is filled with.
    pub value: f32,
}

const BOX: boxes::Columns = [columns::ERASE_Y, columns::ERASE_X, columns::ERASE_HEIGHT, columns::ERASE_WIDTH];

impl Op for Erase {
    fn name(&self) -> &'static str {
        "erase"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        batch("erase", inputs)?;
        Ok(vec![inputs[0].clone()])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None, None])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let x = inputs[0];
        let [h, w, c] = [x.shape[1], x.shape[2], x.shape[3]];
        let element = |(i, v): (usize, &f64)| {
            let row = &inputs[1].data[i / (h * w * c) * columns::COUNT..];
            if boxes::holds(row, BOX, [i / (w * c) % h, i / c % w]) { self.value as f64 } else { *v }
        };
        vec![RefTensor::f32(outputs[0].shape.clone(), x.data.iter().enumerate().map(element).collect())]
    }

    /// Numbers are only moved.
    fn bound(&self, _inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        vec![vec![0.0; outputs[0].data.len()]]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let shape = io.meta(0).shape.clone();
        let [h, w, c] = [shape[1], shape[2], shape[3]];
        let (x, params) = (io.f32(0), io.f32(1));
        let images = io.out(0).par_chunks_mut((h * w * c).max(1)).zip(x.par_chunks((h * w * c).max(1)));
        images.zip(params.par_chunks(columns::COUNT)).for_each(|((y, x), row)| {
            y.copy_from_slice(x);
            let [lines, across] = boxes::parts(row, BOX, [h, w]);
            for line in lines {
                y[(line * w + across.start) * c..(line * w + across.end) * c].fill(self.value);
            }
        });
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let [n, h, w, c] = batch("erase", cx.inputs)?;
        let count = n * h * w * c;
        Ok(Lowering {
            temps: vec![],
            launches: vec![Launch {
                shader: "image/erase",
                defines: columns::DEFINES.to_vec(),
                constants: vec![
                    ("COUNT", count as f64),
                    ("H", h as f64),
                    ("W", w as f64),
                    ("C", c as f64),
                    ("VALUE", self.value as f64),
                ],
                workgroups: fold_groups(count.div_ceil(64)),
                operands: vec![Operand::In(0), Operand::In(1), Operand::Out(0)],
            }],
        })
    }
}

impl Graph {
    /// Fills the box of each image that its parameters name, which is whole pixels, with `value`.
    pub fn erase(&mut self, x: Value, params: Value, value: f32) -> Result<Value> {
        self.apply1(Erase { value }, &[x, params])
    }
}
