//! Tensors behind each other along one axis.

use super::strided::{for_rows, indices, movable};
use crate::error::{Error, Result};
use crate::graph::{CpuIo, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand};
use crate::tensor::{DType, RefTensor};

/// Concatenates along `axis`. Seen as `[outer, extent_i, inner]`, input i fills a block of every outer
/// row of the result; one dispatch an input, so that any number of inputs binds two buffers.
#[derive(Clone, Debug)]
pub struct Concat {
    /// The axis along which extents add up.
    pub axis: usize,
}

impl Op for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let Some(first) = inputs.first() else {
            return Err(Error::shape("concat", "there is nothing to join"));
        };
        for x in inputs {
            movable("concat", x)?;
            let same = x.dtype == first.dtype
                && x.shape.len() == first.shape.len()
                && self.axis < x.shape.len()
                && (0..x.shape.len()).all(|a| a == self.axis || x.shape[a] == first.shape[a]);
            if !same {
                return Err(Error::shape("concat", format!("{first} and {x} do not fit along axis {}", self.axis)));
            }
        }
        let mut dims = first.shape.to_vec();
        dims[self.axis] = inputs.iter().map(|m| m.shape[self.axis]).sum();
        Ok(vec![Meta::new(dims, first.dtype)])
    }

    fn grad(&self, g: &mut Graph, x: &[Value], _y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let Some(dy) = dy[0] else { return Ok(vec![None; x.len()]) };
        let mut first = 0;
        x.iter()
            .map(|&x| {
                let range = first..first + g.shape(x)[self.axis];
                first = range.end;
                if g.dtype(x) != DType::F32 {
                    return Ok(None);
                }
                g.slice(dy, self.axis, range, 1).map(Some)
            })
            .collect()
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let data = indices(&outputs[0].shape)
            .map(|mut c| {
                for x in inputs {
                    if c[self.axis] < x.shape[self.axis] {
                        return x.at(&c);
                    }
                    c[self.axis] -= x.shape[self.axis];
                }
                unreachable!("the extents add up")
            })
            .collect();
        vec![RefTensor::new(outputs[0].shape.clone(), outputs[0].dtype, data)]
    }

    fn bound(&self, _inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        vec![vec![0.0; outputs[0].data.len()]]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let row: usize = io.output_metas()[0].shape[self.axis..].iter().product();
        let parts: Vec<(&[u32], usize)> =
            (0..io.input_count()).map(|i| (io.words(i), io.meta(i).shape[self.axis..].iter().product())).collect();
        for_rows(io.out_words(0), row, |outer, mut y| {
            for (x, n) in &parts {
                let (part, rest) = y.split_at_mut(*n);
                part.copy_from_slice(&x[outer * n..][..*n]);
                y = rest;
            }
        });
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let row: usize = cx.outputs[0].shape[self.axis..].iter().product();
        let mut offset = 0;
        let launches = (0..cx.inputs.len())
            .map(|i| {
                let count = cx.inputs[i].shape.elements();
                let part: usize = cx.inputs[i].shape[self.axis..].iter().product();
                let constants = vec![
                    ("COUNT", count as f64),
                    ("PART", part as f64),
                    ("ROW", row as f64),
                    ("OFFSET", offset as f64),
                ];
                offset += part;
                Launch::each(count, "shape/concat", constants, vec![Operand::In(i), Operand::Out(0)])
            })
            .collect();
        Ok(Lowering { temps: vec![], launches })
    }
}

impl Graph {
    /// The tensors of `parts` behind each other along `axis`.
    pub fn concat(&mut self, parts: &[Value], axis: usize) -> Result<Value> {
        match parts {
            [] => Err(Error::shape("concat", "wants at least one tensor")),
            [one] if axis < self.shape(*one).len() => Ok(*one),
            _ => self.apply1(Concat { axis }, parts),
        }
    }
}
