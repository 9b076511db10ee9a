//! `scale x + shift` a channel, the product rounded before the sum: normalisation.

use super::super::bytes::{Read, Reader, Writer};
use super::super::pointwise::Each;
use super::super::value::{Inferred, Kind, Meta};
use super::{Operation, Runs, Stored, a_channel};
use crate::kernels::Isa;

/// Numbers that are worked on side by side, at least.
const LANES: usize = 64;

/// A factor and a summand a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// A number a channel.
    pub scale: Vec<f32>,
    /// A number a channel.
    pub shift: Vec<f32>,
}

impl Operation for Affine {
    fn name(&self) -> &'static str {
        "affine"
    }

    fn takes(&self) -> &'static [Kind] {
        &[Kind::Bytes, Kind::Float, Kind::Int]
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        a_channel(&inputs[0], "scale", self.scale.len())?;
        a_channel(&inputs[0], "shift", self.shift.len())?;
        Ok(Meta::float(inputs[0].shape))
    }

    fn numbers(&self) -> usize {
        self.scale.len() + self.shift.len()
    }
}

impl Stored for Affine {
    fn write(&self, w: &mut Writer) {
        w.floats(&self.scale);
        w.floats(&self.shift);
    }

    fn read(r: &mut Reader<'_>) -> Read<Self> {
        Ok(Affine { scale: r.floats()?, shift: r.floats()? })
    }
}

impl Runs for Affine {
    fn each(&self) -> Option<Box<dyn Each>> {
        // Pixels of few channels side by side, as a loop over three numbers is no vector's.
        let pixels = LANES.div_ceil(self.scale.len().max(1));
        Some(Box::new(Affine { scale: self.scale.repeat(pixels), shift: self.shift.repeat(pixels) }))
    }
}

impl Each for Affine {
    fn apply(&self, isa: Isa, x: &mut [f32], _c: usize) {
        isa.run(
            #[inline(always)]
            || {
                for x in x.chunks_mut(self.scale.len().max(1)) {
                    x.iter_mut().zip(&self.scale).zip(&self.shift).for_each(|((x, a), b)| *x = *x * a + b);
                }
            },
        );
    }
}

#[cfg(feature = "train")]
mod ships {
    use super::super::super::{onnx, pack::Packer};
    use super::super::Ships;
    use super::*;
    use crate::error::Result;
    use crate::graph::{Graph, Node, Value};
    use crate::tensor::HostTensor;

    impl Ships for Affine {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let (Some(pointwise), [moving]) = (node.op.pointwise(), &p.moving(node)[..]) else { return Ok(None) };
            let (constants, first) = (pointwise.constants(), node.inputs[0] == *moving);
            let x = p.of(*moving)?;
            let c = p.meta(x).shape[2];
            let (ones, zeros) = (vec![1.0; c], vec![0.0; c]);
            let other = |p: &Packer<'_>| p.channels(node.inputs[first as usize], x);
            let negative = |v: Vec<f32>| v.into_iter().map(|x| -x).collect::<Vec<_>>();
            let (scale, shift) = match node.op.name() {
                "mul" => (other(p)?, zeros),
                "add" => (ones, other(p)?),
                "sub" if first => (ones, negative(other(p)?)),
                "sub" => (negative(ones), other(p)?),
                "div" if first => (other(p)?.into_iter().map(|x| 1.0 / x).collect(), zeros),
                "scale" => (vec![constants[0]; c], zeros),
                "offset" => (ones, vec![constants[0]; c]),
                "to_f32" => (ones, zeros),
                "batch_norm" | "scale_shift" if first => {
                    (p.channels(node.inputs[1], x)?, p.channels(node.inputs[2], x)?)
                }
                _ => return Ok(None),
            };
            p.push(Affine { scale, shift }, &[x]).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], from: &[Meta], batch: usize) -> Result<Value> {
            let [h, w, c] = from[0].shape;
            // Bytes lie in one row an image.
            let bytes = from[0].kind == Kind::Bytes;
            let repeated = |v: &[f32]| if bytes { v.repeat(h * w) } else { v.to_vec() };
            let n = if bytes { h * w * c } else { c };
            let scale = g.constant(HostTensor::from_f32([n], repeated(&self.scale)));
            let shift = g.constant(HostTensor::from_f32([n], repeated(&self.shift)));
            let y = g.mul(x[0], scale)?;
            let y = g.add(y, shift)?;
            if bytes { g.reshape(y, [batch, h, w, c]) } else { Ok(y) }
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], _from: Meta) -> String {
            let (scale, shift) = (b.channels(&self.scale), b.channels(&self.shift));
            let y = b.node("Mul", &[x[0], &scale], &[]);
            b.node("Add", &[&y, &shift], &[])
        }
    }
}
