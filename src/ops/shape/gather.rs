//! Rows of a table by their numbers: `y[k, :] = x[index[k], :]`. A number past the last row reads zeros.

use super::strided::for_rows;
use crate::error::{Error, Result};
use crate::graph::{CpuIo, EPS, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand};
use crate::ops::inputs::{exactly, same};
use crate::tensor::{DType, RefTensor, Shape};

/// `x [rows, …]`, `index u32 [k…]` -> `[k…, …]`.
#[derive(Clone, Debug)]
pub struct Gather;

/// The gradient of [`Gather`] with respect to the table: `index u32 [k…]`, `dy [k…, …]` -> `[rows, …]`,
/// where each row is the sum of the rows of `dy` that were read from it, in order of k. Every element
/// looks through all k numbers (rows * columns * k steps on a GPU), which needs neither atomics nor a
/// sort; right for batches of labels and prototypes, slow for millions of numbers.
#[derive(Clone, Debug)]
pub struct GatherGrad {
    /// Shape of the table.
    pub table: Shape,
}

/// Rows and elements of a row of a table.
fn rows_of(shape: &[usize]) -> (usize, usize) {
    (shape[0], shape[1..].iter().product())
}

fn launch(shader: &'static str, rows: usize, columns: usize, picks: usize, count: usize) -> Lowering {
    let constants =
        vec![("COUNT", count as f64), ("ROWS", rows as f64), ("COLUMNS", columns as f64), ("PICKS", picks as f64)];
    Lowering::from(Launch::each(count, shader, constants, vec![Operand::In(0), Operand::In(1), Operand::Out(0)]))
}

impl Op for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x, index] = exactly("gather", inputs)?;
        if x.shape.is_empty() || x.dtype.per_word() != 1 || index.dtype != DType::U32 {
            let m = format!("wants a table of 32-bit elements and a u32 index, got {x} and {index}");
            return Err(Error::shape("gather", m));
        }
        Ok(vec![Meta::new([&index.shape[..], &x.shape[1..]].concat(), x.dtype)])
    }

    fn grad(&self, g: &mut Graph, x: &[Value], _y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let table = g.shape(x[0]).clone();
        Ok(vec![dy[0].map(|d| g.apply1(GatherGrad { table }, &[x[1], d])).transpose()?, None])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let (rows, columns) = rows_of(&inputs[0].shape);
        let mut data = Vec::new();
        for &r in &inputs[1].data {
            match r as usize {
                r if r < rows => data.extend(&inputs[0].data[r * columns..][..columns]),
                _ => data.extend(vec![0.0; columns]),
            }
        }
        vec![RefTensor::new(outputs[0].shape.clone(), outputs[0].dtype, data)]
    }

    fn bound(&self, _inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        vec![vec![0.0; outputs[0].data.len()]]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let (rows, columns) = rows_of(&io.meta(0).shape);
        let (x, index) = (io.words(0), io.words(1));
        for_rows(io.out_words(0), columns, |k, y| match index[k] as usize {
            r if r < rows => y.copy_from_slice(&x[r * columns..][..columns]),
            _ => y.fill(0),
        });
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let (rows, columns) = rows_of(&cx.inputs[0].shape);
        Ok(launch("shape/gather", rows, columns, cx.inputs[1].shape.elements(), cx.outputs[0].shape.elements()))
    }
}

impl Op for GatherGrad {
    fn name(&self) -> &'static str {
        "gather_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [index, _] = exactly("gather_grad", inputs)?;
        let Some((_, row)) = self.table.split_first() else {
            return Err(Error::shape("gather_grad", "a table has rows, that of the gradient has no axis"));
        };
        let dy = Meta::f32([&index.shape[..], row].concat());
        same("gather_grad", inputs, &[Meta::new(index.shape.clone(), DType::U32), dy])?;
        Ok(vec![Meta::f32(self.table.clone())])
    }

    /// The sum of rows is linear in `dy`, and its gradient is the gather itself.
    fn grad(&self, g: &mut Graph, x: &[Value], _y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None, dy[0].map(|d| g.gather(d, x[0])).transpose()?])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let (rows, columns) = rows_of(&self.table);
        let mut data = vec![0.0; rows * columns];
        for (k, &r) in inputs[0].data.iter().enumerate() {
            for c in 0..columns {
                if (r as usize) < rows {
                    data[r as usize * columns + c] += inputs[1].data[k * columns + c];
                }
            }
        }
        vec![RefTensor::f32(outputs[0].shape.clone(), data)]
    }

    /// At most one rounding for each number, of partial sums that are at most the sum of magnitudes.
    fn bound(&self, inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let magnitude = self.reference(&[inputs[0], &inputs[1].abs()], &[Meta::f32(outputs[0].shape.clone())]);
        vec![magnitude[0].data.iter().map(|m| inputs[0].data.len() as f64 * EPS * m).collect()]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let (_, columns) = rows_of(&self.table);
        let (index, dy) = (io.words(0), io.f32(1));
        for_rows(io.out_words(0), columns, |r, y| {
            let y: &mut [f32] = bytemuck::cast_slice_mut(y);
            y.fill(0.0);
            for (k, _) in index.iter().enumerate().filter(|(_, i)| **i as usize == r) {
                y.iter_mut().zip(&dy[k * columns..][..columns]).for_each(|(y, d)| *y += d);
            }
        });
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let (rows, columns) = rows_of(&self.table);
        Ok(launch("shape/gather_grad", rows, columns, cx.inputs[0].shape.elements(), rows * columns))
    }
}

impl Graph {
    /// Rows `index` (u32, any shape) of the table `x`, along its first axis. Numbers past the last row
    /// read zeros.
    pub fn gather(&mut self, x: Value, index: Value) -> Result<Value> {
        self.apply1(Gather, &[x, index])
    }
}
