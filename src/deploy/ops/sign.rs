//! From numbers to bits and back.

use super::super::bytes::{Read, Reader, Writer};
use super::super::value::{Inferred, Kind, Meta};
use super::{Operation, Runs, Stored, a_channel};

/// `x >= 0` as a bit.
#[derive(Clone, Debug, PartialEq)]
pub struct Sign;

/// Of integers: `x >= at` as a bit or, where `down` is set, `x <= at`: normalisation and sign in one, exactly.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// A number a channel.
    pub at: Vec<i16>,
    /// A bit a channel.
    pub down: Vec<bool>,
}

/// Bits as -1 and +1.
#[derive(Clone, Debug, PartialEq)]
pub struct Signed;

impl Operation for Sign {
    fn name(&self) -> &'static str {
        "sign"
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        Ok(Meta { kind: Kind::Bits, ..inputs[0] })
    }
}

impl Operation for Threshold {
    fn name(&self) -> &'static str {
        "threshold"
    }

    fn takes(&self) -> &'static [Kind] {
        &[Kind::Int]
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        a_channel(&inputs[0], "thresholds", self.at.len())?;
        a_channel(&inputs[0], "directions", self.down.len())?;
        Ok(Meta { kind: Kind::Bits, ..inputs[0] })
    }

    fn numbers(&self) -> usize {
        self.at.len()
    }
}

impl Operation for Signed {
    fn name(&self) -> &'static str {
        "signed"
    }

    fn takes(&self) -> &'static [Kind] {
        &[Kind::Bits]
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        Ok(Meta::float(inputs[0].shape))
    }
}

impl Stored for Sign {
    fn read(_r: &mut Reader<'_>) -> Read<Self> {
        Ok(Sign)
    }
}

impl Stored for Threshold {
    fn write(&self, w: &mut Writer) {
        w.u32(self.at.len());
        self.at.iter().for_each(|x| w.bytes.extend(x.to_le_bytes()));
        let byte = |eight: &[bool]| eight.iter().enumerate().fold(0u8, |b, (i, d)| b | (*d as u8) << i);
        w.bytes.extend(self.down.chunks(8).map(byte));
    }

    fn read(r: &mut Reader<'_>) -> Read<Self> {
        let n = r.u32()?;
        let bytes = r.take(n.checked_mul(2).ok_or("a count that is too large")?)?;
        let at = bytes.as_chunks::<2>().0.iter().map(|b| i16::from_le_bytes(*b)).collect();
        let bits = r.take(n.div_ceil(8))?;
        Ok(Threshold { at, down: (0..n).map(|i| bits[i / 8] >> (i % 8) & 1 == 1).collect() })
    }
}

impl Stored for Signed {
    fn read(_r: &mut Reader<'_>) -> Read<Self> {
        Ok(Signed)
    }
}

impl Runs for Sign {}
impl Runs for Threshold {}
impl Runs for Signed {}

#[cfg(feature = "train")]
mod ships {
    use super::super::super::{onnx, pack::Packer};
    use super::super::Ships;
    use super::*;
    use crate::error::Result;
    use crate::graph::{Graph, Node, Value};
    use crate::ops::pointwise::Ste;
    use crate::tensor::HostTensor;

    /// Where `condition` +1, elsewhere -1.
    fn signs(b: &mut onnx::Builder, condition: &str) -> String {
        let (one, minus) = (b.floats(&[], &[1.0]), b.floats(&[], &[-1.0]));
        b.node("Where", &[condition, &one, &minus], &[])
    }

    impl Ships for Sign {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            if node.op.name() != "sign" || node.op.pointwise().is_none() {
                return Ok(None);
            }
            let x = p.of(node.inputs[0])?;
            p.push(Sign, &[x]).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], _from: &[Meta], _batch: usize) -> Result<Value> {
            g.sign(x[0], Ste::Identity)
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], _from: Meta) -> String {
            let zero = b.floats(&[], &[0.0]);
            let condition = b.node("GreaterOrEqual", &[x[0], &zero], &[]);
            signs(b, &condition)
        }
    }

    impl Ships for Threshold {
        /// No node is one: it is made of others when all is packed.
        fn pack(_p: &mut Packer<'_>, _node: &Node) -> Result<Option<usize>> {
            Ok(None)
        }

        /// `y <= t` is `t - y >= 0`; integers of 16 bits are exact.
        fn graph(&self, g: &mut Graph, x: &[Value], from: &[Meta], _batch: usize) -> Result<Value> {
            let c = from[0].shape[2];
            let sign: Vec<f32> = self.down.iter().map(|d| if *d { -1.0 } else { 1.0 }).collect();
            let shift = self.at.iter().zip(&sign).map(|(t, s)| -s * *t as f32).collect();
            let sign = g.constant(HostTensor::from_f32([c], sign));
            let shift = g.constant(HostTensor::from_f32([c], shift));
            let y = g.mul(x[0], sign)?;
            let y = g.add(y, shift)?;
            g.sign(y, Ste::Identity)
        }

        /// `y <= t` is `-y >= -t`.
        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], _from: Meta) -> String {
            let sign: Vec<f32> = self.down.iter().map(|d| if *d { -1.0 } else { 1.0 }).collect();
            let at: Vec<f32> = self.at.iter().zip(&sign).map(|(t, s)| s * *t as f32).collect();
            let (sign, at) = (b.channels(&sign), b.channels(&at));
            let y = b.node("Mul", &[x[0], &sign], &[]);
            let condition = b.node("GreaterOrEqual", &[&y, &at], &[]);
            signs(b, &condition)
        }
    }

    impl Ships for Signed {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            if node.op.name() != "signed" || node.op.pointwise().is_none() {
                return Ok(None);
            }
            let x = p.of(node.inputs[0])?;
            p.push(Signed, &[x]).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], _from: &[Meta], _batch: usize) -> Result<Value> {
            g.signed(x[0])
        }

        /// Bits are -1 and +1 already.
        fn onnx(&self, _b: &mut onnx::Builder, x: &[&str], _from: Meta) -> String {
            x[0].to_string()
        }
    }
}
