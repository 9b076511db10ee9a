//! Attention of bits between all pixels of an image.

use super::super::bytes::{Read, Reader, TOKENS, Writer};
use super::super::value::{Inferred, Kind, Meta};
use super::{Operation, Runs, Stored};
use crate::kernels::Isa;
use crate::kernels::bit_attention::{BitHeads, bit_attention, exponentials};
use std::ops::Range;

/// `γ p v` of queries, keys and values of bits and equal extents: p is 1 where the softmax of `q kᵀ / sqrt(d)` is over γ/2, else 0.
/// Pixels are tokens; each head owns d = 32 or 64 neighbouring channels.
#[derive(Clone, Debug, PartialEq)]
pub struct BitAttention {
    /// Heads.
    pub heads: usize,
    /// γ.
    pub level: f32,
}

impl Operation for BitAttention {
    fn name(&self) -> &'static str {
        "bit attention"
    }

    fn takes(&self) -> &'static [Kind] {
        &[Kind::Bits]
    }

    fn since(&self) -> u32 {
        TOKENS
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        let (x, heads) = (inputs[0], self.heads);
        if inputs.iter().any(|other| *other != x) {
            return Err(format!("of queries {x:?}, keys {:?} and values {:?}", inputs[1], inputs[2]));
        }
        match [32, 64].iter().any(|d| Some(x.shape[2]) == heads.checked_mul(*d)) {
            true => Ok(Meta::float(x.shape)),
            false => Err(format!("has {heads} heads for {} channels, not of 32 or 64 each", x.shape[2])),
        }
    }

    fn numbers(&self) -> usize {
        1
    }

    fn multiply_adds(&self, x: Meta, _made: Meta) -> [usize; 2] {
        [2 * x.pixels() * x.len(), 0]
    }
}

impl Stored for BitAttention {
    const ARITY: usize = 3;

    fn write(&self, w: &mut Writer) {
        w.u32(self.heads);
        w.f32(self.level);
    }

    fn read(r: &mut Reader<'_>) -> Read<Self> {
        let (heads, level) = (r.u32()?, r.f32()?);
        match level > 0.0 && level.is_finite() {
            true => Ok(BitAttention { heads, level }),
            false => Err(format!("the level at byte {} is {level}", r.at - 4)),
        }
    }
}

impl Runs for BitAttention {
    fn by_pixels(&self) -> bool {
        true
    }

    fn run(&self, _isa: Isa, x: &[&[f32]], _from: &[Meta], y: &mut [f32], pixels: Range<usize>, made: Meta) {
        let heads = BitHeads { tokens: made.pixels(), heads: self.heads, d: made.shape[2] / self.heads };
        let bits = [0, 1, 2].map(|i| bytemuck::cast_slice(x[i]));
        bit_attention(heads, self.level, &exponentials(heads.d), bits, y, pixels);
    }
}

#[cfg(feature = "train")]
mod ships {
    use super::super::super::{onnx, onnx::Attribute, pack::Packer};
    use super::super::Ships;
    use super::*;
    use crate::error::Result;
    use crate::graph::{Graph, Node, Value};
    use crate::ops::attention;
    use crate::tensor::HostTensor;
    use std::any::Any;

    impl Ships for BitAttention {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let op: &dyn Any = node.op.as_ref();
            let Some(attention::BitAttention { heads }) = op.downcast_ref() else { return Ok(None) };
            let [q, k, v, scale] = node.inputs[..] else { return Ok(None) };
            let level = p.constant(scale)?.f32s()[0].max(attention::LEAST_LEVEL);
            let inputs = [p.of(q)?, p.of(k)?, p.of(v)?];
            p.push(BitAttention { heads: *heads, level }, &inputs).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], _from: &[Meta], _batch: usize) -> Result<Value> {
            let level = g.constant(HostTensor::from_f32([1], vec![self.level]));
            g.bit_attention(x[0], x[1], x[2], level, self.heads)
        }

        /// By floats: -1 and +1, a softmax, and a comparison of it.
        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], from: Meta) -> String {
            let [h, w, c] = from.shape.map(|n| n as i64);
            let heads = self.heads as i64;
            let split = b.ints(&[0, heads, c / heads, h * w]);
            let [q, k, v] = [0, 1, 2].map(|i| b.node("Reshape", &[x[i], &split], &[]));
            let turn = [Attribute::Ints("perm", &[0, 1, 3, 2])];
            let [q, v] = [q, v].map(|x| b.node("Transpose", &[&x], &turn));
            let scores = b.node("MatMul", &[&q, &k], &[]);
            let scale = b.floats(&[], &[((c / heads) as f32).sqrt().recip()]);
            let scores = b.node("Mul", &[&scores, &scale], &[]);
            let shares = b.node("Softmax", &[&scores], &[Attribute::Int("axis", -1)]);
            let [half, level, zero] = [self.level / 2.0, self.level, 0.0].map(|x| b.floats(&[], &[x]));
            let over = b.node("Greater", &[&shares, &half], &[]);
            let chosen = b.node("Where", &[&over, &level, &zero], &[]);
            let made = b.node("MatMul", &[&chosen, &v], &[]);
            let made = b.node("Transpose", &[&made], &turn);
            let shape = b.ints(&[0, c, h, w]);
            b.node("Reshape", &[&made, &shape], &[])
        }
    }
}
