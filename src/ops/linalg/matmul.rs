//! `C = op(A) op(B)`, where op may transpose, for one pair of matrices or a batch.
//!
//! A is `[m, k]` or `[batch, m, k]` (`[k, m]` if transposed), B `[k, n]` or `[batch, k, n]` (`[n, k]`
//! if transposed), C `[m, n]` or `[batch, m, n]`. A single matrix serves a whole batch.

use crate::error::{Error, Result};
use crate::graph::{CpuIo, EPS, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::kernels;
use crate::launch::{self, Lowering, Variants};
use crate::ops::inputs::exactly;
use crate::tensor::{DType, MatMulExtents, RefTensor, Shape};

/// Matrix product.
#[derive(Clone, Debug)]
pub struct MatMul {
    /// Whether A is stored transposed.
    pub transpose_a: bool,
    /// Whether B is stored transposed.
    pub transpose_b: bool,
}

impl MatMul {
    fn extents(&self, a: &Shape, b: &Shape) -> Option<MatMulExtents> {
        let split = |s: &Shape| match s[..] {
            [r, c] => Some((None, r, c)),
            [n, r, c] => Some((Some(n), r, c)),
            _ => None,
        };
        let flip = |t: bool, r: usize, c: usize| if t { (c, r) } else { (r, c) };
        let ((ba, ra, ca), (bb, rb, cb)) = (split(a)?, split(b)?);
        let ((m, k), (k2, n)) = (flip(self.transpose_a, ra, ca), flip(self.transpose_b, rb, cb));
        let batch = match (ba, bb) {
            (Some(x), Some(y)) if x != y => return None,
            (x, y) => x.or(y),
        };
        (k == k2).then_some(MatMulExtents {
            batch: batch.unwrap_or(1),
            m,
            n,
            k,
            transpose_a: self.transpose_a,
            transpose_b: self.transpose_b,
            batched_a: ba.is_some(),
            batched_b: bb.is_some(),
        })
    }
}

impl Op for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [a, b] = exactly("matmul", inputs)?;
        let fits = a.dtype == DType::F32 && b.dtype == DType::F32;
        let e = self.extents(&a.shape, &b.shape).filter(|_| fits).ok_or_else(|| {
            let t = |t: bool| if t { " transposed" } else { "" };
            Error::shape("matmul", format!("{a}{} times {b}{} does not fit", t(self.transpose_a), t(self.transpose_b)))
        })?;
        Ok(vec![Meta::f32(if e.batched_a || e.batched_b { vec![e.batch, e.m, e.n] } else { vec![e.m, e.n] })])
    }

    fn grad(&self, g: &mut Graph, x: &[Value], _y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let Some(dy) = dy[0] else { return Ok(vec![None, None]) };
        let (a, b) = (x[0], x[1]);
        let da = match self.transpose_a {
            false => g.matmul(dy, b, false, !self.transpose_b)?,
            true => g.matmul(b, dy, self.transpose_b, true)?,
        };
        let db = match self.transpose_b {
            false => g.matmul(a, dy, !self.transpose_a, false)?,
            true => g.matmul(dy, a, true, self.transpose_a)?,
        };
        let (sa, sb) = (g.shape(a).clone(), g.shape(b).clone());
        Ok(vec![Some(g.sum_to(da, sa)?), Some(g.sum_to(db, sb)?)])
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let (a, b) = (inputs[0], inputs[1]);
        let e = self.extents(&a.shape, &b.shape).expect("checked by infer");
        let at = |t: &RefTensor, batched: bool, transposed: bool, i: usize, row: usize, col: usize| {
            let (r, c) = if transposed { (col, row) } else { (row, col) };
            if batched { t.at(&[i, r, c]) } else { t.at(&[r, c]) }
        };
        let mut data = Vec::with_capacity(e.batch * e.m * e.n);
        for i in 0..e.batch {
            for row in 0..e.m {
                for col in 0..e.n {
                    let products = (0..e.k).map(|k| {
                        at(a, e.batched_a, e.transpose_a, i, row, k) * at(b, e.batched_b, e.transpose_b, i, k, col)
                    });
                    data.push(products.sum());
                }
            }
        }
        vec![RefTensor::new(outputs[0].shape.clone(), DType::F32, data)]
    }

    /// Each sum has k products: k roundings of products and k of partial sums, each at most
    /// eps * sum |a b|, whatever the order: 2 k eps sum |a b|.
    fn bound(&self, inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let e = self.extents(&inputs[0].shape, &inputs[1].shape).expect("checked by infer");
        let magnitude = self.reference(&[&inputs[0].abs(), &inputs[1].abs()], &[Meta::f32(outputs[0].shape.clone())]);
        vec![magnitude[0].data.iter().map(|m| 2.0 * e.k as f64 * EPS * m).collect()]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let e = self.extents(&io.meta(0).shape, &io.meta(1).shape).expect("checked by infer");
        let (a, b) = (io.f32(0), io.f32(1));
        kernels::matmul(io.isa(), &e, a, b, io.out(0));
        Ok(())
    }

    fn operations(&self, inputs: &[Meta], _outputs: &[Meta]) -> (f64, bool) {
        let e = self.extents(&inputs[0].shape, &inputs[1].shape).expect("checked by infer");
        (2.0 * (e.batch * e.m * e.n * e.k) as f64, false)
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let e = self.extents(&cx.inputs[0].shape, &cx.inputs[1].shape).expect("checked by infer");
        Ok(launch::matmul(&e, cx.target))
    }

    fn variants(&self, cx: &LowerCx<'_>) -> Option<Variants> {
        let e = self.extents(&cx.inputs[0].shape, &cx.inputs[1].shape)?;
        Some(launch::matmul_variants(&e, cx.target))
    }
}

impl Graph {
    /// `op(a) op(b)`, op transposing where told.
    pub fn matmul(&mut self, a: Value, b: Value, transpose_a: bool, transpose_b: bool) -> Result<Value> {
        self.apply1(MatMul { transpose_a, transpose_b }, &[a, b])
    }

    /// `x wᵀ + bias`: x `[n, in]`, w `[out, in]`, bias `[out]`.
    pub fn linear(&mut self, x: Value, w: Value, bias: Option<Value>) -> Result<Value> {
        let y = self.matmul(x, w, false, true)?;
        match bias {
            Some(b) => self.add(y, b),
            None => Ok(y),
        }
    }
}
