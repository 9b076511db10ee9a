//! Nonlinearities, a number at a time.

use super::super::bytes::{DILATED, PLAIN, Read, Reader, TOKENS, Writer};
use super::super::pointwise::Each;
use super::super::value::{Inferred, Meta};
use super::{Operation, Runs, Stored, a_channel};
use crate::kernels::Isa;
use crate::kernels::smooth::{erfc, exp};

/// `max(x, 0)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Relu;

/// `clamp(x, -1, 1)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Hardtanh;

/// `1 / (1 + e^-x)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sigmoid;

/// Hyperbolic tangent.
#[derive(Clone, Debug, PartialEq)]
pub struct Tanh;

/// `x Φ(x)` with the normal distribution function.
#[derive(Clone, Debug, PartialEq)]
pub struct Gelu;

/// `x / (1 + e^(-1.702 x))`, the gelu of CLIP.
#[derive(Clone, Debug, PartialEq)]
pub struct QuickGelu;

/// `clamp(x, low, high)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// The least that it gives.
    pub low: f32,
    /// The most.
    pub high: f32,
}

/// `x` over 0, `slope x` else, a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Prelu {
    /// A number a channel.
    pub slope: Vec<f32>,
}

/// An operation without numbers of its own: its name here, in graphs and in ONNX, and its formula.
macro_rules! formula {
    ($name:ident $here:literal since $since:expr, $graph:literal by $method:ident, ONNX $onnx:expr, $x:ident => $formula:expr) => {
        impl Operation for $name {
            fn name(&self) -> &'static str {
                $here
            }

            fn since(&self) -> u32 {
                $since
            }

            fn infer(&self, inputs: &[Meta]) -> Inferred {
                Ok(inputs[0])
            }
        }

        impl Stored for $name {
            fn read(_r: &mut Reader<'_>) -> Read<Self> {
                Ok($name)
            }
        }

        impl Runs for $name {
            fn each(&self) -> Option<Box<dyn Each>> {
                Some(Box::new($name))
            }
        }

        impl Each for $name {
            fn apply(&self, isa: Isa, x: &mut [f32], _c: usize) {
                isa.run(
                    #[inline(always)]
                    || x.iter_mut().for_each(|x| *x = (|$x: f32| -> f32 { $formula })(*x)),
                );
            }
        }

        #[cfg(feature = "train")]
        impl super::Ships for $name {
            fn pack(
                p: &mut super::super::pack::Packer<'_>,
                node: &crate::graph::Node,
            ) -> crate::error::Result<Option<usize>> {
                match (node.op.name(), node.op.pointwise().is_some()) {
                    ($graph, true) => {
                        let x = p.of(node.inputs[0])?;
                        p.push($name, &[x]).map(Some)
                    }
                    _ => Ok(None),
                }
            }

            fn graph(
                &self,
                g: &mut crate::graph::Graph,
                x: &[crate::graph::Value],
                _from: &[Meta],
                _batch: usize,
            ) -> crate::error::Result<crate::graph::Value> {
                g.$method(x[0])
            }

            fn onnx(&self, b: &mut super::super::onnx::Builder, x: &[&str], _from: Meta) -> String {
                let write: fn(&mut super::super::onnx::Builder, &str) -> String = $onnx;
                write(b, x[0])
            }
        }
    };
}

formula!(Relu "relu" since PLAIN, "relu" by relu, ONNX |b, x| b.node("Relu", &[x], &[]), x => if x > 0.0 { x } else { 0.0 });
formula!(Hardtanh "hardtanh" since PLAIN, "hardtanh" by hardtanh, ONNX |b, x| {
    let (low, high) = (b.floats(&[], &[-1.0]), b.floats(&[], &[1.0]));
    b.node("Clip", &[x, &low, &high], &[])
}, x => x.clamp(-1.0, 1.0));
formula!(Sigmoid "sigmoid" since DILATED, "sigmoid" by sigmoid, ONNX |b, x| b.node("Sigmoid", &[x], &[]), x => {
    // From e^-|x|, so that nothing overflows.
    let t = (-x.abs()).exp();
    let r = 1.0 / (1.0 + t);
    if x < 0.0 { t * r } else { r }
});
formula!(Tanh "tanh" since DILATED, "tanh" by tanh, ONNX |b, x| b.node("Tanh", &[x], &[]), x => x.tanh());
formula!(Gelu "gelu" since DILATED, "gelu" by gelu, ONNX |b, x| {
    // The operators of this version have erf, and no gelu.
    let [root, one, half] = [std::f32::consts::FRAC_1_SQRT_2, 1.0, 0.5].map(|x| b.floats(&[], &[x]));
    let scaled = b.node("Mul", &[x, &root], &[]);
    let erf = b.node("Erf", &[&scaled], &[]);
    let twice = b.node("Add", &[&erf, &one], &[]);
    let cdf = b.node("Mul", &[&twice, &half], &[]);
    b.node("Mul", &[x, &cdf], &[])
}, x => {
    let tail = 0.5 * x * erfc(x.abs() * std::f32::consts::FRAC_1_SQRT_2);
    if x < 0.0 { tail } else { x - tail }
});
formula!(QuickGelu "quick gelu" since TOKENS, "quick_gelu" by quick_gelu, ONNX |b, x| {
    let factor = b.floats(&[], &[1.702]);
    let scaled = b.node("Mul", &[x, &factor], &[]);
    let gate = b.node("Sigmoid", &[&scaled], &[]);
    b.node("Mul", &[x, &gate], &[])
}, x => {
    let t = exp(-(1.702 * x).abs());
    let r = 1.0 / (1.0 + t);
    x * if x < 0.0 { t * r } else { r }
});

impl Operation for Clip {
    fn name(&self) -> &'static str {
        "clip"
    }

    fn since(&self) -> u32 {
        DILATED
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        match self.low <= self.high {
            true => Ok(inputs[0]),
            false => Err(format!("cuts off below {} and above {}", self.low, self.high)),
        }
    }
}

impl Stored for Clip {
    fn write(&self, w: &mut Writer) {
        w.f32(self.low);
        w.f32(self.high);
    }

    fn read(r: &mut Reader<'_>) -> Read<Self> {
        let (low, high) = (r.f32()?, r.f32()?);
        match low.is_finite() && high.is_finite() {
            true => Ok(Clip { low, high }),
            false => Err(format!("the bounds at byte {} are {low} and {high}", r.at - 8)),
        }
    }
}

impl Runs for Clip {
    fn each(&self) -> Option<Box<dyn Each>> {
        Some(Box::new(self.clone()))
    }
}

impl Each for Clip {
    fn apply(&self, isa: Isa, x: &mut [f32], _c: usize) {
        isa.run(
            #[inline(always)]
            || x.iter_mut().for_each(|x| *x = x.clamp(self.low, self.high)),
        );
    }
}

impl Operation for Prelu {
    fn name(&self) -> &'static str {
        "prelu"
    }

    fn infer(&self, inputs: &[Meta]) -> Inferred {
        a_channel(&inputs[0], "slopes", self.slope.len())?;
        Ok(inputs[0])
    }

    fn numbers(&self) -> usize {
        self.slope.len()
    }
}

impl Stored for Prelu {
    fn write(&self, w: &mut Writer) {
        w.floats(&self.slope);
    }

    fn read(r: &mut Reader<'_>) -> Read<Self> {
        Ok(Prelu { slope: r.floats()? })
    }
}

impl Runs for Prelu {
    fn each(&self) -> Option<Box<dyn Each>> {
        Some(Box::new(self.clone()))
    }
}

impl Each for Prelu {
    fn apply(&self, isa: Isa, x: &mut [f32], c: usize) {
        isa.run(
            #[inline(always)]
            || {
                for x in x.chunks_exact_mut(c) {
                    x.iter_mut().zip(&self.slope).for_each(|(x, s)| *x = if *x > 0.0 { *x } else { *x * s });
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

    impl Ships for Clip {
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let Some(pointwise) = node.op.pointwise() else { return Ok(None) };
            let bounds = pointwise.constants();
            let ("clamp", &[low, high]) = (node.op.name(), &bounds[..]) else { return Ok(None) };
            let x = p.of(node.inputs[0])?;
            p.push(Clip { low, high }, &[x]).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], _from: &[Meta], _batch: usize) -> Result<Value> {
            g.clamp(x[0], self.low, self.high)
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], _from: Meta) -> String {
            let (low, high) = (b.floats(&[], &[self.low]), b.floats(&[], &[self.high]));
            b.node("Clip", &[x[0], &low, &high], &[])
        }
    }

    impl Ships for Prelu {
        /// One fixed slope is one for each channel.
        fn pack(p: &mut Packer<'_>, node: &Node) -> Result<Option<usize>> {
            let (Some(pointwise), [moving]) = (node.op.pointwise(), &p.moving(node)[..]) else { return Ok(None) };
            let x = p.of(*moving)?;
            let slope = match node.op.name() {
                "prelu" if node.inputs[0] == *moving => p.channels(node.inputs[1], x)?,
                "leaky_relu" => vec![pointwise.constants()[0]; p.meta(x).shape[2]],
                _ => return Ok(None),
            };
            p.push(Prelu { slope }, &[x]).map(Some)
        }

        fn graph(&self, g: &mut Graph, x: &[Value], from: &[Meta], _batch: usize) -> Result<Value> {
            let slope = g.constant(HostTensor::from_f32([from[0].shape[2]], self.slope.clone()));
            g.prelu(x[0], slope)
        }

        fn onnx(&self, b: &mut onnx::Builder, x: &[&str], _from: Meta) -> String {
            let slope = b.floats(&[self.slope.len(), 1, 1], &self.slope);
            b.node("PRelu", &[x[0], &slope], &[])
        }
    }
}
