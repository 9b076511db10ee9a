//! Mean 0 and variance 1 (of n - 1) over all numbers.

use super::super::bytes::{Read, Reader, Writer};
use super::super::value::{Inferred, Meta};
use super::{Operation, Runs, Stored};
use crate::kernels::Isa;
use std::ops::Range;

/// Mean 0 and variance 1 (of n - 1) over all numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardise {
    /// Added to the variance.
    pub eps: f32,
}

impl Operation for Standardise {
    fn name(&self) -> &'static str {
        "standardise"
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        match inputs[0].len() < 2 {
            true => Err("of a single number".into()),
            false => Ok(inputs[0]),
        }
    }
}

impl Stored for Standardise {
    fn write(&self, w: &mut Writer) {
        w.f32(self.eps);
    }

    fn read(r: &mut Reader<'_>) -> Read<Self> {
        let eps = r.f32()?;
        match eps >= 0.0 && eps.is_finite() {
            true => Ok(Standardise { eps }),
            false => Err(format!("eps at byte {} is {eps}", r.at - 4)),
        }
    }
}

impl Runs for Standardise {
    fn run(&self, _isa: Isa, x: &[&[f32]], _from: &[Meta], y: &mut [f32], _pixels: Range<usize>, made: Meta) {
        let n = made.len() as f64;
        let mean = sum(x[0], |x| x) / n;
        let variance = sum(x[0], |x| (x - mean) * (x - mean)) / (n - 1.0);
        let factor = 1.0 / (variance + self.eps as f64).sqrt();
        y.iter_mut().zip(x[0]).for_each(|(y, x)| *y = ((*x as f64 - mean) * factor) as f32);
    }
}

/// In as many sums as processors add at once, always the same ones.
fn sum(x: &[f32], f: impl Fn(f64) -> f64) -> f64 {
    let (whole, rest) = x.as_chunks::<16>();
    let mut sums = [0.0; 16];
    for x in whole {
        sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += f(f64::from(*x)));
    }
    sums.iter().sum::<f64>() + rest.iter().map(|x| f(f64::from(*x))).sum::<f64>()
}

#[cfg(feature = "train")]
mod ships {
    use super::super::super::{onnx, onnx::Attribute, pack::Packer};
    use super::super::Ships;
    use super::*;
    use crate::error::Result;
    use crate::graph::{Graph, Node, Value};
    use crate::ops::norm::LayerNorm;
    use crate::ops::rows::Rows;
    use std::any::Any;

    impl Ships for Standardise {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let op: &dyn Any = node.op.as_ref();
            let Some(Rows(LayerNorm { eps, unbiased: true })) = op.downcast_ref() else { return Ok(None) };
            let x = p.of(node.inputs[0])?;
            p.push(Standardise { eps: *eps }, &[x]).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], from: &[Meta], batch: usize) -> Result<Value> {
            let [h, w, c] = from[0].shape;
            let rows = g.reshape(x[0], [batch, h * w * c])?;
            let rows = g.standardize(rows, self.eps)?;
            g.reshape(rows, [batch, h, w, c])
        }

        /// By the unbiased variance.
        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], from: Meta) -> String {
            let (axes, n) = ([1, 2, 3], from.len() as f32);
            let keep = [Attribute::Ints("axes", &axes), Attribute::Int("keepdims", 1)];
            let mean = b.node("ReduceMean", &[x[0]], &keep);
            let centred = b.node("Sub", &[x[0], &mean], &[]);
            let squares = b.node("Mul", &[&centred, &centred], &[]);
            let variance = b.node("ReduceMean", &[&squares], &keep);
            let (unbiased, eps) = (b.floats(&[], &[n / (n - 1.0)]), b.floats(&[], &[self.eps]));
            let variance = b.node("Mul", &[&variance, &unbiased], &[]);
            let variance = b.node("Add", &[&variance, &eps], &[]);
            let deviation = b.node("Sqrt", &[&variance], &[]);
            b.node("Div", &[&centred, &deviation], &[])
        }
    }
}
