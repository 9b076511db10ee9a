//! Convolution of floats; a linear layer is one of single pixels.

use super::super::bytes::{DILATED, PLAIN, Read, Reader, Writer};
use super::super::value::{Inferred, Meta, Window};
use super::{Operation, Runs, Stored};
use crate::tensor::bits::{pack, unpack};

/// Convolution of floats.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    /// Filters.
    pub outputs: usize,
    /// Where they look.
    pub window: Window,
    /// Groups of channels, each with as many of the filters.
    pub groups: usize,
    /// `[outputs, rows, columns, channels of a group]`.
    pub weights: Vec<f32>,
}

impl Operation for Conv {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        let g = self.window.geometry(inputs[0].shape, self.outputs, self.groups)?;
        let wanted = g.o * g.kh * g.kw * (g.c / g.groups);
        if self.weights.len() != wanted {
            return Err(format!("has {} weights, not {wanted}", self.weights.len()));
        }
        Ok(Meta::float([g.oh, g.ow, g.o]))
    }

    /// Of weights of one magnitude a tap; where all are positive, as of a blur, there is nothing to tell apart.
    fn bits(&self) -> usize {
        let are_signs = self.magnitudes().is_some() && self.weights.iter().any(|w| w.is_sign_negative());
        if are_signs { self.weights.len() } else { 0 }
    }

    fn numbers(&self) -> usize {
        self.magnitudes().map_or(self.weights.len(), |magnitudes| magnitudes.len())
    }

    fn since(&self) -> u32 {
        let plain = self.groups == 1 && self.window.dilation == 1 && self.magnitudes().is_none();
        if plain { PLAIN } else { DILATED }
    }

    fn multiply_adds(&self, _x: Meta, made: Meta) -> [usize; 2] {
        [0, made.pixels() * self.weights.len()]
    }
}

/// How weights are stored.
const FLOATS: u8 = 0;
/// As the sign of each, where all of a tap have one magnitude: convolutions of signs that were trained with a scale a tap
/// (RBCN), or over channels that are too few to be counted.
const SIGNS: u8 = 1;

impl Conv {
    /// The magnitude that all weights of a tap have, of each, where there are fewer taps than weights in a filter.
    fn magnitudes(&self) -> Option<Vec<f32>> {
        let taps = self.window.size[0] * self.window.size[1];
        let filter = self.weights.len() / self.outputs;
        let channels = filter / taps;
        if self.weights.len() < 4 * taps {
            return None;
        }
        let of = |tap: usize| self.weights[tap * channels].abs();
        let magnitudes: Vec<f32> = (0..taps).map(of).collect();
        let is_one = |(i, w): (usize, &f32)| w.abs().to_bits() == magnitudes[i % filter / channels].to_bits();
        self.weights.iter().enumerate().all(is_one).then_some(magnitudes)
    }
}

impl Stored for Conv {
    fn write(&self, w: &mut Writer) {
        w.u32(self.outputs);
        w.window(&self.window);
        if w.version < DILATED {
            return w.floats(&self.weights);
        }
        w.u32(self.groups);
        match self.magnitudes() {
            None => {
                w.bytes.push(FLOATS);
                w.floats(&self.weights);
            }
            Some(magnitudes) => {
                w.bytes.push(SIGNS);
                w.floats(&magnitudes);
                w.u32(self.weights.len());
                w.words(&pack(self.weights.len(), self.weights.iter().map(|w| w.is_sign_positive())));
            }
        }
    }

    fn read(r: &mut Reader<'_>) -> Read<Self> {
        let (outputs, window) = (r.u32()?, r.window()?);
        if r.version < DILATED {
            return Ok(Conv { outputs, window, groups: 1, weights: r.floats()? });
        }
        let groups = r.u32()?;
        let weights = match r.byte()? {
            FLOATS => r.floats()?,
            SIGNS => signs(r, outputs)?,
            other => return Err(format!("byte {} is {other}, which is no way to store weights", r.at - 1)),
        };
        Ok(Conv { outputs, window, groups, weights })
    }
}

fn signs(r: &mut Reader<'_>, outputs: usize) -> Read<Vec<f32>> {
    let (magnitudes, n) = (r.floats()?, r.u32()?);
    let words = r.words(u32::from_le_bytes)?;
    let filter = n.checked_div(outputs).unwrap_or(0);
    let channels = filter.checked_div(magnitudes.len()).unwrap_or(0);
    if words.len() != n.div_ceil(32) || n == 0 || channels * magnitudes.len() * outputs != n {
        return Err(format!(
            "{} words and {} scales for {n} weights of {outputs} filters",
            words.len(),
            magnitudes.len()
        ));
    }
    let bits = unpack(n, &words).into_iter().enumerate();
    Ok(bits
        .map(|(i, bit)| {
            let magnitude = magnitudes[i % filter / channels];
            if bit { magnitude } else { -magnitude }
        })
        .collect())
}

impl Runs for Conv {}

#[cfg(feature = "train")]
mod ships {
    use super::super::super::{onnx, pack::Packer};
    use super::super::Ships;
    use super::*;
    use crate::error::Result;
    use crate::graph::{Graph, Node, Value};
    use crate::ops::conv::Conv2d;
    use crate::ops::linalg::MatMul;
    use crate::tensor::{HostTensor, Windows};
    use std::any::Any;

    impl Ships for Conv {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let op: &dyn Any = node.op.as_ref();
            let (x, window, groups) = if let Some(Conv2d { windows }) = op.downcast_ref() {
                let shape = p.constant(node.inputs[1])?.shape();
                (p.of(node.inputs[0])?, Window::of([shape[1], shape[2]], windows), windows.groups)
            } else if let Some(MatMul { transpose_a: false, transpose_b: true }) = op.downcast_ref() {
                let x = p.of(node.inputs[0])?;
                (p.flat(x)?, Window::PIXEL, 1)
            } else {
                return Ok(None);
            };
            let w = p.constant(node.inputs[1])?;
            let conv = Conv { outputs: w.shape()[0], window, groups, weights: w.f32s().to_vec() };
            p.push(conv, &[x]).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], from: &[Meta], _batch: usize) -> Result<Value> {
            let [kh, kw] = self.window.size;
            let shape = [self.outputs, kh, kw, from[0].shape[2] / self.groups];
            let weights = g.constant(HostTensor::from_f32(shape, self.weights.clone()));
            g.conv2d_by(x[0], weights, Windows { groups: self.groups, ..self.window.windows() })
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], from: Meta) -> String {
            b.conv(x[0], self.outputs, &self.window, (from.shape[2], self.groups), &self.weights)
        }
    }

    impl Window {
        /// Those of a convolution in a graph.
        pub(in crate::deploy) fn of(size: [usize; 2], windows: &Windows) -> Window {
            Window { size, stride: windows.stride, padding: windows.padding, dilation: windows.dilation }
        }

        /// As a convolution of one group in a graph has them.
        pub(in crate::deploy) fn windows(&self) -> Windows {
            Windows { dilation: self.dilation, ..Windows::new(self.stride, self.padding) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_one_magnitude_a_tap_are_stored_as_signs() {
        let window = Window { size: [1, 2], ..Window::PIXEL };
        let signs: Vec<f32> = (0..140).map(|i| if i * i % 7 < 3 { 1.0 } else { -1.0 }).collect();
        let scales = [0.3f32, 1e-30];
        // [2 filters, 2 taps, 35 channels]
        let weights: Vec<f32> = signs.iter().enumerate().map(|(i, s)| s * scales[i / 35 % 2]).collect();
        let conv = Conv { outputs: 2, window, groups: 1, weights };
        let bytes = |conv: &Conv| {
            let mut w = Writer::new(DILATED);
            conv.write(&mut w);
            w.bytes
        };
        let back = |bytes: &[u8]| Conv::read(&mut Reader::new(bytes, DILATED));
        let small = bytes(&conv);
        assert!(small.len() < 80, "{}", small.len());
        assert_eq!(back(&small).unwrap(), conv);
        for n in 0..small.len() {
            assert!(back(&small[..n]).is_err(), "{n}");
        }
        let mut other = conv.clone();
        other.weights[139] *= 2.0;
        let large = bytes(&other);
        assert!(large.len() > 560);
        assert_eq!(back(&large).unwrap(), other);
    }
}
