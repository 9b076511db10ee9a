//! Convolution of bits: integers.

use super::super::bytes::{DILATED, PLAIN, Read, Reader, Writer};
use super::super::value::{Inferred, Kind, Meta, Window};
use super::{Operation, Runs, Stored};
use crate::tensor::Conv2dGeometry;
use crate::tensor::bits::{WeightCode, pack, unpack};

/// Convolution of bits: integers.
#[derive(Clone, Debug, PartialEq)]
pub struct BinaryConv {
    /// Filters.
    pub outputs: usize,
    /// Channels that they look at.
    pub channels: usize,
    /// Where they look.
    pub window: Window,
    /// What a bit of the weights stands for; one of an activation is -1 or +1.
    pub code: WeightCode,
    /// Bits `[outputs, rows, columns, channels]`, packed along channels.
    pub bits: Vec<u32>,
}

impl Operation for BinaryConv {
    fn name(&self) -> &'static str {
        "binary conv"
    }

    fn takes(&self) -> &'static [Kind] {
        &[Kind::Bits]
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        let g = sums_of_bits(inputs[0], self.channels, self.outputs, &self.window, self.bits.len())?;
        Ok(Meta { shape: [g.oh, g.ow, g.o], kind: Kind::Int })
    }

    fn bits(&self) -> usize {
        self.outputs * self.channels * self.window.size[0] * self.window.size[1]
    }

    fn since(&self) -> u32 {
        if self.window.dilation == 1 { PLAIN } else { DILATED }
    }

    fn multiply_adds(&self, _x: Meta, made: Meta) -> [usize; 2] {
        [made.pixels() * self.bits(), 0]
    }
}

impl Stored for BinaryConv {
    fn write(&self, w: &mut Writer) {
        w.u32s(&[self.outputs, self.channels]);
        w.window(&self.window);
        w.bytes.push((self.code == WeightCode::ZeroOne) as u8);
        w.words(&without_gaps(self.channels, &self.bits));
    }

    fn read(r: &mut Reader<'_>) -> Read<Self> {
        let (outputs, channels, window) = (r.u32()?, r.u32()?, r.window()?);
        let code = match r.byte()? {
            0 => WeightCode::PlusMinus,
            1 => WeightCode::ZeroOne,
            other => return Err(format!("byte {} is {other}, which is no code of weights", r.at - 1)),
        };
        let words = r.words(u32::from_le_bytes)?;
        let extents = [outputs, channels, window.size[0], window.size[1]];
        let weights = extents.into_iter().try_fold(1usize, |n, extent| n.checked_mul(extent));
        let fits = weights.filter(|n| *n > 0 && n.div_ceil(32) == words.len());
        let weights = fits.ok_or_else(|| format!("{} words for weights of extents {extents:?}", words.len()))?;
        Ok(BinaryConv { outputs, channels, window, code, bits: with_gaps(channels, weights, words) })
    }
}

/// The geometry of sums over an image of bits, if so many words are the filters' and the sums fit 16 bits.
pub(super) fn sums_of_bits(
    x: Meta,
    channels: usize,
    outputs: usize,
    window: &Window,
    bits: usize,
) -> std::result::Result<Conv2dGeometry, String> {
    if channels != x.shape[2] {
        return Err(format!("has {channels} numbers of channels for {} channels", x.shape[2]));
    }
    let g = window.geometry(x.shape, outputs, 1)?;
    let words = g.o * g.kh * g.kw * g.c.div_ceil(32);
    if bits != words {
        return Err(format!("has {bits} words of bits, not {words}"));
    }
    // A sum of so many signs must fit 16 bits.
    if g.kh * g.kw * g.c > i16::MAX as usize {
        return Err(format!("sums {} bits, more than 16-bit integers hold", g.kh * g.kw * g.c));
    }
    Ok(g)
}

/// Rows of bits, each of which starts a word, one after the other.
pub(super) fn without_gaps(columns: usize, words: &[u32]) -> Vec<u32> {
    if columns.is_multiple_of(32) {
        return words.to_vec();
    }
    let bits = unpack(columns, words);
    pack(bits.len(), bits)
}

/// `n` bits one after the other as rows, each of which starts a word.
pub(super) fn with_gaps(columns: usize, n: usize, words: Vec<u32>) -> Vec<u32> {
    if columns.is_multiple_of(32) { words } else { pack(columns, unpack(n, &words)) }
}

impl Runs for BinaryConv {}

#[cfg(feature = "train")]
mod ships {
    use super::super::super::{onnx, pack::Packer};
    use super::super::Ships;
    use super::*;
    use crate::error::Result;
    use crate::graph::{Graph, Node, Value};
    use crate::ops::conv::XnorConv2d;
    use crate::tensor::{DType, HostTensor};
    use std::any::Any;

    impl Ships for BinaryConv {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let op: &dyn Any = node.op.as_ref();
            let Some(XnorConv2d { windows, code }) = op.downcast_ref() else { return Ok(None) };
            let w = p.constant(node.inputs[1])?;
            let shape = w.shape();
            let conv = BinaryConv {
                outputs: shape[0],
                channels: shape[3],
                window: Window::of([shape[1], shape[2]], windows),
                code: *code,
                bits: w.words().to_vec(),
            };
            let x = p.of(node.inputs[0])?;
            p.push(conv, &[x]).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], from: &[Meta], _batch: usize) -> Result<Value> {
            let [kh, kw] = self.window.size;
            let shape = [self.outputs, kh, kw, from[0].shape[2]];
            let bits = g.constant(HostTensor::from_words(shape, DType::Bits, self.bits.clone()));
            g.xnor_conv2d_by(x[0], bits, self.window.windows(), self.code)
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], from: Meta) -> String {
            let low = if self.code == WeightCode::ZeroOne { 0.0 } else { -1.0 };
            let bits = unpack(from.shape[2], &self.bits).into_iter();
            let weights: Vec<f32> = bits.map(|bit| if bit { 1.0 } else { low }).collect();
            b.conv(x[0], self.outputs, &self.window, (from.shape[2], 1), &weights)
        }
    }
}
