//! The k largest elements of each row, and where they are.

use crate::error::{Error, Result};
use crate::graph::{CpuIo, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand};
use crate::ops::inputs::{exactly, same};
use crate::tensor::{DType, RefTensor, Shape};
use rayon::prelude::*;

/// Along the last axis: values (f32) and indices (u32), largest first, equal ones by index. Found by k
/// passes over the row, each looking for the largest element behind the one before: right for small k.
#[derive(Clone, Debug)]
pub struct TopK {
    /// How many.
    pub k: usize,
}

/// `index, dvalues -> dx`: the gradients at their places, 0 elsewhere.
#[derive(Clone, Debug)]
pub struct TopKGrad {
    /// Shape of the input.
    pub shape: Shape,
}

/// The k-passes selection; calls `found` with rank, index and value. `x` holds no NaN.
fn select<T: PartialOrd + Copy>(x: &[T], k: usize, mut found: impl FnMut(usize, usize, T)) {
    let mut last: Option<usize> = None;
    for rank in 0..k {
        // Behind the last one: smaller, or equal and later.
        let open = |i: usize| last.is_none_or(|l| x[i] < x[l] || (x[i] == x[l] && i > l));
        let mut best: Option<usize> = None;
        for i in (0..x.len()).filter(|&i| open(i)) {
            if best.is_none_or(|b| x[i] > x[b]) {
                best = Some(i);
            }
        }
        let at = best.unwrap_or(x.len() - 1);
        found(rank, at, x[at]);
        last = Some(at);
    }
}

impl Op for TopK {
    fn name(&self) -> &'static str {
        "top_k"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x] = exactly("top_k", inputs)?;
        if x.shape.is_empty() || x.dtype != DType::F32 || self.k == 0 || self.k > x.shape.columns() {
            return Err(Error::shape("top_k", format!("there are no {} largest of each row of {x}", self.k)));
        }
        let mut dims = x.shape.to_vec();
        *dims.last_mut().expect("has axes") = self.k;
        Ok(vec![Meta::f32(dims.clone()), Meta::new(dims, DType::U32)])
    }

    fn grad(&self, g: &mut Graph, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let shape = g.shape(x[0]).clone();
        Ok(vec![dy[0].map(|d| g.apply1(TopKGrad { shape }, &[y[1], d])).transpose()?])
    }

    /// Sorts each row.
    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let (mut values, mut places) = (Vec::new(), Vec::new());
        for row in inputs[0].data.chunks_exact(inputs[0].shape.columns()) {
            let mut order: Vec<usize> = (0..row.len()).collect();
            order.sort_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
            values.extend(order[..self.k].iter().map(|&i| row[i]));
            places.extend(order[..self.k].iter().map(|&i| i as f64));
        }
        vec![
            RefTensor::f32(outputs[0].shape.clone(), values),
            RefTensor::new(outputs[1].shape.clone(), DType::U32, places),
        ]
    }

    fn bound(&self, _inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        outputs.iter().map(|o| vec![0.0; o.data.len()]).collect()
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let (x, n, k) = (io.f32(0), io.meta(0).shape.columns(), self.k);
        let (values, places) = io.out2();
        let places: &mut [u32] = bytemuck::cast_slice_mut(places);
        let rows = values.par_chunks_mut(k).zip(places.par_chunks_mut(k)).zip(x.par_chunks(n));
        rows.with_min_len((16 * 1024 / (n * k)).max(1)).for_each(|((values, places), x)| {
            select(x, k, |rank, at, value| {
                values[rank] = value;
                places[rank] = at as u32;
            });
        });
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let x = &cx.inputs[0].shape;
        Ok(Lowering::from(Launch::each(
            x.rows(),
            "reduce/top_k",
            vec![("ROWS", x.rows() as f64), ("N", x.columns() as f64), ("K", self.k as f64)],
            vec![Operand::In(0), Operand::Out(0), Operand::Out(1)],
        )))
    }
}

impl Op for TopKGrad {
    fn name(&self) -> &'static str {
        "top_k_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [index, _] = exactly("top_k_grad", inputs)?;
        let rows = |s: &[usize]| s.split_last().map(|(_, rows)| rows.to_vec());
        let k = index.shape.columns();
        let fits = rows(&self.shape).is_some() && rows(&self.shape) == rows(&index.shape) && k <= self.shape.columns();
        if !fits || k == 0 {
            let m = format!("places {index} are not the {k} largest of each row of {}", self.shape);
            return Err(Error::shape("top_k_grad", m));
        }
        let (index, dy) = (Meta::new(index.shape.clone(), DType::U32), Meta::f32(index.shape.clone()));
        same("top_k_grad", inputs, &[index, dy])?;
        Ok(vec![Meta::f32(self.shape.clone())])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Err(Error::Config("top_k has no second derivative".into()))
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let (k, n) = (inputs[0].shape.columns(), self.shape.columns());
        let mut dx = vec![0.0; outputs[0].shape.elements()];
        for (i, (at, d)) in inputs[0].data.iter().zip(&inputs[1].data).enumerate() {
            dx[i / k * n + *at as usize] += d;
        }
        vec![RefTensor::f32(self.shape.clone(), dx)]
    }

    /// The indices of a row differ: nothing is added.
    fn bound(&self, _inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        vec![vec![0.0; outputs[0].data.len()]]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let (index, dy, k, n) = (io.words(0), io.f32(1), io.meta(0).shape.columns(), self.shape.columns());
        let dx = io.out(0);
        dx.fill(0.0);
        // As on a GPU, a place that is none gets nothing.
        for (i, (at, d)) in index.iter().zip(dy).enumerate().filter(|(_, (at, _))| (**at as usize) < n) {
            dx[i / k * n + *at as usize] += d;
        }
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let count = self.shape.elements();
        Ok(Lowering::from(Launch::each(
            count,
            "reduce/top_k_grad",
            vec![
                ("COUNT", count as f64),
                ("N", self.shape.columns() as f64),
                ("K", cx.inputs[0].shape.columns() as f64),
            ],
            vec![Operand::In(0), Operand::In(1), Operand::Out(0)],
        )))
    }
}

impl Graph {
    /// The `k` largest elements along the last axis and their indices (u32), largest first, equal ones
    /// by index.
    pub fn top_k(&mut self, x: Value, k: usize) -> Result<(Value, Value)> {
        let y = self.apply(TopK { k }, &[x])?;
        Ok((y[0], y[1]))
    }
}
