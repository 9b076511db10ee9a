//! Of two values one.

use super::super::bytes::{DILATED, Read, Reader};
use super::super::value::{Inferred, Meta};
use super::{Operation, Runs, Stored};
use crate::kernels::Isa;
use std::ops::Range;

/// The sum of two values of equal extents.
#[derive(Clone, Debug, PartialEq)]
pub struct Add;

/// The product of two values of equal extents; or the second has one pixel, whose channels are the factors of all pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Mul;

/// The channels of two values one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Concat;

impl Operation for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        match inputs[1] == inputs[0] {
            true => Ok(inputs[0]),
            false => Err(format!("adds {:?} to {:?}", inputs[1], inputs[0])),
        }
    }
}

impl Operation for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn since(&self) -> u32 {
        DILATED
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        let (x, y) = (inputs[0], inputs[1]);
        match y == x || y == Meta::float([1, 1, x.shape[2]]) {
            true => Ok(x),
            false => Err(format!("multiplies {x:?} by {y:?}")),
        }
    }
}

impl Operation for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        let (x, y) = (inputs[0], inputs[1]);
        match y.kind == x.kind && y.shape[..2] == x.shape[..2] {
            true => Ok(Meta::float([x.shape[0], x.shape[1], x.shape[2] + y.shape[2]])),
            false => Err(format!("joins {y:?} to {x:?}")),
        }
    }
}

impl Stored for Add {
    const ARITY: usize = 2;

    fn read(_r: &mut Reader<'_>) -> Read<Self> {
        Ok(Add)
    }
}

impl Stored for Mul {
    const ARITY: usize = 2;

    fn read(_r: &mut Reader<'_>) -> Read<Self> {
        Ok(Mul)
    }
}

impl Stored for Concat {
    const ARITY: usize = 2;

    fn read(_r: &mut Reader<'_>) -> Read<Self> {
        Ok(Concat)
    }
}

impl Runs for Add {}
impl Runs for Mul {}

impl Runs for Concat {
    fn by_pixels(&self) -> bool {
        true
    }

    fn run(&self, _isa: Isa, x: &[&[f32]], from: &[Meta], y: &mut [f32], pixels: Range<usize>, made: Meta) {
        let (a, b) = (from[0].shape[2], from[1].shape[2]);
        for (p, y) in pixels.zip(y.chunks_exact_mut(made.shape[2])) {
            let (first, second) = y.split_at_mut(a);
            first.copy_from_slice(&x[0][p * a..][..a]);
            second.copy_from_slice(&x[1][p * b..][..b]);
        }
    }
}

#[cfg(feature = "train")]
mod ships {
    use super::super::super::{onnx, pack::Packer};
    use super::super::{Affine, Ships};
    use super::*;
    use crate::error::Result;
    use crate::graph::{Graph, Node, Value};
    use crate::ops::shape;
    use std::any::Any;

    impl Ships for Add {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let [x, y] = p.moving(node)[..] else { return Ok(None) };
            let (x, mut y) = (p.of(x)?, p.of(y)?);
            match (node.op.name(), node.op.pointwise().is_some()) {
                ("add", true) => {}
                // x - y is x + (-1) y, to the bit.
                ("sub", true) => {
                    let c = p.meta(y).shape[2];
                    y = p.push(Affine { scale: vec![-1.0; c], shift: vec![0.0; c] }, &[y])?;
                }
                _ => return Ok(None),
            }
            p.push(Add, &[x, y]).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], _from: &[Meta], _batch: usize) -> Result<Value> {
            g.add(x[0], x[1])
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], _from: Meta) -> String {
            b.node("Add", x, &[])
        }
    }

    impl Ships for Mul {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let [x, y] = p.moving(node)[..] else { return Ok(None) };
            if node.op.name() != "mul" || node.op.pointwise().is_none() {
                return Ok(None);
            }
            let (x, y) = (p.of(x)?, p.of(y)?);
            // A product is the same either way around.
            let few_first = p.meta(x).pixels() == 1;
            p.push(Mul, &if few_first { [y, x] } else { [x, y] }).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], from: &[Meta], batch: usize) -> Result<Value> {
            let factors = match from[1] == from[0] {
                true => x[1],
                false => g.reshape(x[1], [batch, 1, 1, from[1].shape[2]])?,
            };
            g.mul(x[0], factors)
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], _from: Meta) -> String {
            b.node("Mul", x, &[])
        }
    }

    impl Ships for Concat {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let op: &dyn Any = node.op.as_ref();
            let Some(shape::Concat { axis: 3 }) = op.downcast_ref() else { return Ok(None) };
            let all = node.inputs.iter().map(|v| p.of(*v)).collect::<Result<Vec<_>>>()?;
            let mut joined = all[0];
            for next in &all[1..] {
                joined = p.push(Concat, &[joined, *next])?;
            }
            Ok(Some(joined))
        }

        fn graph(&self, g: &mut Graph, x: &[Value], _from: &[Meta], _batch: usize) -> Result<Value> {
            g.concat(x, 3)
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], _from: Meta) -> String {
            b.node("Concat", x, &[onnx::Attribute::Int("axis", 1)])
        }
    }
}
