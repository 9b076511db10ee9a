//! Attention between all pixels of an image.

use super::super::bytes::{Read, Reader, TOKENS, Writer};
use super::super::value::{Inferred, Meta};
use super::{Operation, Runs, Stored};
use crate::kernels::Isa;
use crate::kernels::smooth::exp;
use std::ops::Range;

/// Channels of a head, at most.
const MOST_CHANNELS: usize = 64;

/// `softmax(q kᵀ / sqrt(d)) v` of queries, keys and values of equal extents: pixels are tokens, and each of `heads` heads owns
/// d neighbouring channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// Heads.
    pub heads: usize,
}

impl Operation for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn since(&self) -> u32 {
        TOKENS
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        let (x, heads) = (inputs[0], self.heads);
        if inputs.iter().any(|other| *other != x) {
            return Err(format!("of queries {x:?}, keys {:?} and values {:?}", inputs[1], inputs[2]));
        }
        match heads > 0 && x.shape[2].is_multiple_of(heads) && x.shape[2] / heads <= MOST_CHANNELS {
            true => Ok(x),
            false => Err(format!("has {heads} heads for {} channels, of {MOST_CHANNELS} each at most", x.shape[2])),
        }
    }

    fn multiply_adds(&self, x: Meta, _made: Meta) -> [usize; 2] {
        [0, 2 * x.pixels() * x.len()]
    }
}

impl Stored for Attention {
    const ARITY: usize = 3;

    fn write(&self, w: &mut Writer) {
        w.u32(self.heads);
    }

    fn read(r: &mut Reader<'_>) -> Read<Self> {
        Ok(Attention { heads: r.u32()? })
    }
}

impl Runs for Attention {
    fn by_pixels(&self) -> bool {
        true
    }

    fn run(&self, isa: Isa, x: &[&[f32]], _from: &[Meta], y: &mut [f32], pixels: Range<usize>, made: Meta) {
        let (c, tokens) = (made.shape[2], made.pixels());
        let d = c / self.heads;
        let scale = (d as f32).sqrt().recip();
        let mut shares = vec![0.0; tokens];
        for (pixel, y) in pixels.zip(y.chunks_exact_mut(c)) {
            for (head, y) in y.chunks_exact_mut(d).enumerate() {
                let of = |which: usize, token: usize| &x[which][token * c + head * d..][..d];
                let q = of(0, pixel);
                isa.run(
                    #[inline(always)]
                    || {
                        for (token, share) in shares.iter_mut().enumerate() {
                            *share = dot(q, of(1, token)) * scale;
                        }
                        let most = shares.iter().fold(f32::NEG_INFINITY, |most, s| if *s <= most { most } else { *s });
                        shares.iter_mut().for_each(|share| *share = exp(*share - most));
                        let sum: f32 = shares.iter().sum();
                        y.fill(0.0);
                        for (token, share) in shares.iter().enumerate() {
                            y.iter_mut().zip(of(2, token)).for_each(|(y, v)| *y += share / sum * v);
                        }
                    },
                );
            }
        }
    }
}

/// In sixteen sums, which fill a register or two.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let ((a, last_a), (b, last_b)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + last_a.iter().zip(last_b).map(|(a, b)| a * b).sum::<f32>()
}

#[cfg(feature = "train")]
mod ships {
    use super::super::super::{onnx, onnx::Attribute, pack::Packer};
    use super::super::Ships;
    use super::*;
    use crate::error::Result;
    use crate::graph::{Graph, Node, Value};
    use crate::ops::attention;
    use std::any::Any;

    impl Ships for Attention {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let op: &dyn Any = node.op.as_ref();
            let Some(attention::Attention { heads }) = op.downcast_ref() else { return Ok(None) };
            let inputs = node.inputs.iter().map(|v| p.of(*v)).collect::<Result<Vec<_>>>()?;
            p.push(Attention { heads: *heads }, &inputs).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], from: &[Meta], batch: usize) -> Result<Value> {
            let [h, w, c] = from[0].shape;
            let rows = x.iter().map(|x| g.reshape(*x, [batch, h * w, c])).collect::<Result<Vec<_>>>()?;
            let made = g.multi_head_attention(rows[0], rows[1], rows[2], self.heads)?;
            g.reshape(made, [batch, h, w, c])
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], from: Meta) -> String {
            let [h, w, c] = from.shape.map(|n| n as i64);
            let heads = self.heads as i64;
            let split = b.ints(&[0, heads, c / heads, h * w]);
            let [q, k, v] = [0, 1, 2].map(|i| b.node("Reshape", &[x[i], &split], &[]));
            let turn = [Attribute::Ints("perm", &[0, 1, 3, 2])];
            let [q, v] = [q, v].map(|x| b.node("Transpose", &[&x], &turn));
            let scale = b.floats(&[], &[((c / heads) as f32).sqrt().recip()]);
            let q = b.node("Mul", &[&q, &scale], &[]);
            let scores = b.node("MatMul", &[&q, &k], &[]);
            let shares = b.node("Softmax", &[&scores], &[Attribute::Int("axis", -1)]);
            let made = b.node("MatMul", &[&shares, &v], &[]);
            let made = b.node("Transpose", &[&made], &turn);
            let shape = b.ints(&[0, c, h, w]);
            b.node("Reshape", &[&made, &shape], &[])
        }
    }
}
