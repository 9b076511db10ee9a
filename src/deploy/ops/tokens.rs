//! What transformers do with pixels as tokens, besides attention.

use super::super::bytes::{Read, Reader, TOKENS, Writer};
use super::super::value::{Inferred, Meta};
use super::{Operation, Runs, Stored, a_channel};
use crate::kernels::Isa;
use std::ops::Range;

/// Each pixel's channels brought to mean 0 and variance 1 (of n).
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNorm {
    /// Added to the variance.
    pub eps: f32,
}

/// A pixel before all others, which become one row: the class token.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepend {
    /// Its channels.
    pub token: Vec<f32>,
}

/// A summand for each number: the embedding of places.
#[derive(Clone, Debug, PartialEq)]
pub struct Places {
    /// In the order of rows, columns and channels.
    pub values: Vec<f32>,
}

impl Operation for LayerNorm {
    fn name(&self) -> &'static str {
        "layer norm"
    }

    fn since(&self) -> u32 {
        TOKENS
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        Ok(inputs[0])
    }
}

impl Operation for Prepend {
    fn name(&self) -> &'static str {
        "prepend"
    }

    fn since(&self) -> u32 {
        TOKENS
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        a_channel(&inputs[0], "the token", self.token.len())?;
        Ok(Meta::float([1, 1 + inputs[0].pixels(), self.token.len()]))
    }

    fn numbers(&self) -> usize {
        self.token.len()
    }
}

impl Operation for Places {
    fn name(&self) -> &'static str {
        "places"
    }

    fn since(&self) -> u32 {
        TOKENS
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        match self.values.len() == inputs[0].len() {
            true => Ok(inputs[0]),
            false => Err(format!("has {} numbers for {}", self.values.len(), inputs[0].len())),
        }
    }

    fn numbers(&self) -> usize {
        self.values.len()
    }
}

impl Stored for LayerNorm {
    fn write(&self, w: &mut Writer) {
        w.f32(self.eps);
    }

    fn read(r: &mut Reader<'_>) -> Read<Self> {
        let eps = r.f32()?;
        match eps >= 0.0 && eps.is_finite() {
            true => Ok(LayerNorm { eps }),
            false => Err(format!("eps at byte {} is {eps}", r.at - 4)),
        }
    }
}

impl Stored for Prepend {
    fn write(&self, w: &mut Writer) {
        w.floats(&self.token);
    }

    fn read(r: &mut Reader<'_>) -> Read<Self> {
        Ok(Prepend { token: r.floats()? })
    }
}

impl Stored for Places {
    fn write(&self, w: &mut Writer) {
        w.floats(&self.values);
    }

    fn read(r: &mut Reader<'_>) -> Read<Self> {
        Ok(Places { values: r.floats()? })
    }
}

impl Runs for LayerNorm {
    fn by_pixels(&self) -> bool {
        true
    }

    fn run(&self, isa: Isa, x: &[&[f32]], _from: &[Meta], y: &mut [f32], pixels: Range<usize>, made: Meta) {
        let c = made.shape[2];
        let x = &x[0][pixels.start * c..pixels.end * c];
        isa.run(
            #[inline(always)]
            || {
                for (x, y) in x.chunks_exact(c).zip(y.chunks_exact_mut(c)) {
                    let mean = sum(x, |x| x) / c as f32;
                    let variance = sum(x, |x| (x - mean) * (x - mean)) / c as f32;
                    let factor = 1.0 / (variance + self.eps).sqrt();
                    y.iter_mut().zip(x).for_each(|(y, x)| *y = (x - mean) * factor);
                }
            },
        );
    }
}

/// In eight sums, as training adds them.
#[inline(always)]
fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut s = [0.0f32; 8];
    let (whole, rest) = x.as_chunks::<8>();
    for x in whole {
        s.iter_mut().zip(x).for_each(|(s, x)| *s += f(*x));
    }
    s.iter_mut().zip(rest).for_each(|(s, x)| *s += f(*x));
    ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]))
}

impl Runs for Prepend {
    fn by_pixels(&self) -> bool {
        true
    }

    fn run(&self, _isa: Isa, x: &[&[f32]], _from: &[Meta], y: &mut [f32], pixels: Range<usize>, _made: Meta) {
        let c = self.token.len();
        for (pixel, y) in pixels.zip(y.chunks_exact_mut(c)) {
            y.copy_from_slice(pixel.checked_sub(1).map_or(&self.token, |pixel| &x[0][pixel * c..][..c]));
        }
    }
}

impl Runs for Places {
    fn by_pixels(&self) -> bool {
        true
    }

    fn run(&self, isa: Isa, x: &[&[f32]], _from: &[Meta], y: &mut [f32], pixels: Range<usize>, made: Meta) {
        let part = pixels.start * made.shape[2]..pixels.end * made.shape[2];
        let (x, values) = (&x[0][part.clone()], &self.values[part]);
        isa.run(
            #[inline(always)]
            || y.iter_mut().zip(x).zip(values).for_each(|((y, x), value)| *y = x + value),
        );
    }
}

#[cfg(feature = "train")]
mod ships {
    use super::super::super::{onnx, onnx::Attribute, pack::Packer};
    use super::super::Ships;
    use super::*;
    use crate::error::Result;
    use crate::graph::{Graph, Node, Value};
    use crate::ops::rows::Rows;
    use crate::ops::{norm, shape};
    use crate::tensor::HostTensor;
    use std::any::Any;

    impl Ships for LayerNorm {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let op: &dyn Any = node.op.as_ref();
            let Some(Rows(norm::LayerNorm { eps, unbiased: false })) = op.downcast_ref() else { return Ok(None) };
            let x = p.of(node.inputs[0])?;
            p.push(LayerNorm { eps: *eps }, &[x]).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], _from: &[Meta], _batch: usize) -> Result<Value> {
            Ok(g.apply(Rows(norm::LayerNorm { eps: self.eps, unbiased: false }), &[x[0]])?[0])
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], _from: Meta) -> String {
            let keep = [Attribute::Ints("axes", &[1]), Attribute::Int("keepdims", 1)];
            let mean = b.node("ReduceMean", &[x[0]], &keep);
            let centred = b.node("Sub", &[x[0], &mean], &[]);
            let squares = b.node("Mul", &[&centred, &centred], &[]);
            let variance = b.node("ReduceMean", &[&squares], &keep);
            let eps = b.floats(&[], &[self.eps]);
            let variance = b.node("Add", &[&variance, &eps], &[]);
            let deviation = b.node("Sqrt", &[&variance], &[]);
            b.node("Div", &[&centred, &deviation], &[])
        }
    }

    impl Ships for Prepend {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let op: &dyn Any = node.op.as_ref();
            let (Some(shape::Concat { axis: 2 }), &[token, x]) = (op.downcast_ref(), &node.inputs[..]) else {
                return Ok(None);
            };
            let (Ok(token), Ok(x)) = (p.constant(token), p.of(x)) else { return Ok(None) };
            let token = token.f32s().to_vec();
            match token.len() == p.meta(x).shape[2] {
                true => p.push(Prepend { token }, &[x]).map(Some),
                false => Ok(None),
            }
        }

        fn graph(&self, g: &mut Graph, x: &[Value], from: &[Meta], batch: usize) -> Result<Value> {
            let c = self.token.len();
            let token = g.constant(HostTensor::from_f32([1, 1, 1, c], self.token.clone()));
            let token = g.broadcast_to(token, [batch, 1, 1, c])?;
            let x = g.reshape(x[0], [batch, 1, from[0].pixels(), c])?;
            g.concat(&[token, x], 2)
        }

        /// The token is repeated for as many images as there are.
        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], from: Meta) -> String {
            let (c, pixels) = (self.token.len() as i64, from.pixels() as i64);
            let shape = b.ints(&[0, c, 1, pixels]);
            let row = b.node("Reshape", &[x[0], &shape], &[]);
            let token = b.channels(&self.token);
            let extents = b.node("Shape", &[&row], &[]);
            let [start, end, rest] = [vec![0], vec![1], vec![c, 1, 1]].map(|ints| b.ints(&ints));
            let images = b.node("Slice", &[&extents, &start, &end], &[]);
            let extents = b.node("Concat", &[&images, &rest], &[Attribute::Int("axis", 0)]);
            let token = b.node("Expand", &[&token, &extents], &[]);
            b.node("Concat", &[&token, &row], &[Attribute::Int("axis", 3)])
        }
    }

    impl Ships for Places {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let [moving] = p.moving(node)[..] else { return Ok(None) };
            if node.op.name() != "add" || node.op.pointwise().is_none() {
                return Ok(None);
            }
            let x = p.of(moving)?;
            let other = node.inputs[usize::from(node.inputs[0] == moving)];
            let values = p.constant(other)?.f32s().to_vec();
            let c = p.meta(x).shape[2];
            // The same for each pixel is a number a channel.
            let differs = values.len() == p.meta(x).len() && values.chunks(c).any(|pixel| pixel != &values[..c]);
            if differs { p.push(Places { values }, &[x]).map(Some) } else { Ok(None) }
        }

        fn graph(&self, g: &mut Graph, x: &[Value], from: &[Meta], _batch: usize) -> Result<Value> {
            let values = g.constant(HostTensor::from_f32(from[0].shape, self.values.clone()));
            g.add(x[0], values)
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], from: Meta) -> String {
            let [h, w, c] = from.shape;
            let turned: Vec<f32> = (0..c).flat_map(|i| self.values.iter().skip(i).step_by(c).copied()).collect();
            let values = b.floats(&[1, c, h, w], &turned);
            b.node("Add", &[x[0], &values], &[])
        }
    }
}
