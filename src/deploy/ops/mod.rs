//! What a shipped network is made of. An operation is described once, in its family's file: what it makes, its bytes, what it
//! weighs and costs, how the runtime does it and, with the feature `train`, how it is found in the graph of a trained network,
//! and what it is as nodes of a graph again (for GPUs, for the page) and of ONNX.

mod activation;
mod affine;
mod attention;
mod binary_conv;
mod bit_attention;
mod conv;
mod join;
mod place;
mod pool;
mod set_conv;
mod sign;
mod standardise;
mod tokens;

pub use activation::{Clip, Gelu, Hardtanh, Prelu, QuickGelu, Relu, Sigmoid, Tanh};
pub use affine::Affine;
pub use attention::Attention;
pub use binary_conv::BinaryConv;
pub use bit_attention::BitAttention;
pub use conv::Conv;
pub use join::{Add, Concat, Mul};
pub use place::{Channels, Flatten, PadChannels, PadPixels, Slice};
pub use pool::{AvgPool, MaxPool, PixelSum};
pub use set_conv::SetConv;
pub(super) use set_conv::Sums;
pub use sign::{Sign, Signed, Threshold};
pub use standardise::Standardise;
pub use tokens::{LayerNorm, Places, Prepend};

use super::bytes::{PLAIN, Read, Reader, Writer};
use super::net::Node;
#[cfg(feature = "train")]
use super::onnx;
#[cfg(feature = "train")]
use super::pack::Packer;
use super::pointwise::Each;
use super::value::{Inferred, Kind, Meta};
#[cfg(feature = "train")]
use crate::error::Result;
#[cfg(feature = "train")]
use crate::graph::{self, Graph, Value};
use crate::kernels::Isa;
use std::fmt::Debug;
use std::ops::Range;

/// An operation on one image's values. Vectors with a number a channel have as many as the input has channels.
pub trait Operation: Debug {
    /// The name in listings.
    fn name(&self) -> &'static str;

    /// What its first input may be.
    fn takes(&self) -> &'static [Kind] {
        &[Kind::Float]
    }

    /// What it makes of as many inputs as it takes, or why that cannot be.
    fn infer(&self, inputs: &[Meta]) -> Inferred;

    /// Weights of one bit.
    fn bits(&self) -> usize {
        0
    }

    /// Numbers of weights, scales and the like, those of one bit left out.
    fn numbers(&self) -> usize {
        0
    }

    /// The version of the packed model that can hold it.
    fn since(&self) -> u32 {
        PLAIN
    }

    /// Multiply-adds on single bits and on floats that make `made` of `x`.
    fn multiply_adds(&self, _x: Meta, _made: Meta) -> [usize; 2] {
        [0; 2]
    }
}

/// How an operation is stored.
pub(super) trait Stored: Operation + Sized {
    /// Values that it takes.
    const ARITY: usize = 1;

    /// What stands behind its byte and its inputs.
    fn write(&self, _w: &mut Writer) {}

    fn read(r: &mut Reader<'_>) -> Read<Self>;
}

/// How the runtime does an operation that has no work of its own there.
pub(super) trait Runs: Sync {
    /// What becomes of each number, if it is that.
    fn each(&self) -> Option<Box<dyn Each>> {
        None
    }

    /// Whether the pixels of the result can be computed apart from each other, by several threads.
    fn by_pixels(&self) -> bool {
        false
    }

    /// Computes some pixels of the result, all of them unless [`Runs::by_pixels`].
    fn run(&self, _isa: Isa, _x: &[&[f32]], _from: &[Meta], _y: &mut [f32], _pixels: Range<usize>, _made: Meta) {
        unreachable!("the planner gives it another work")
    }
}

/// What an operation is elsewhere in the house.
#[cfg(feature = "train")]
pub(super) trait Ships: Sized {
    /// Appends what `node` is of a trained network's graph, if it is this operation; the value that it makes.
    fn pack(p: &mut Packer<'_>, node: &graph::Node) -> Result<Option<usize>>;

    /// As nodes of a graph, for `batch` images at once.
    fn graph(&self, g: &mut Graph, x: &[Value], from: &[Meta], batch: usize) -> Result<Value>;

    /// As nodes of ONNX, whose values are NCHW; the name of the last one.
    fn onnx(&self, b: &mut onnx::Builder, x: &[&str], from: Meta) -> String;
}

macro_rules! operations {
    ($($tag:literal $name:ident: $doc:literal,)*) => {
        /// What is computed.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Op {
            $(#[doc = $doc] $name($name),)*
        }

        impl std::ops::Deref for Op {
            type Target = dyn Operation;

            fn deref(&self) -> &(dyn Operation + 'static) {
                match self {
                    $(Op::$name(op) => op,)*
                }
            }
        }

        $(impl From<$name> for Op {
            fn from(op: $name) -> Op {
                Op::$name(op)
            }
        })*

        impl Op {
            /// Values that it takes.
            pub fn arity(&self) -> usize {
                match self {
                    $(Op::$name(_) => <$name as Stored>::ARITY,)*
                }
            }

            pub(super) fn runs(&self) -> &dyn Runs {
                match self {
                    $(Op::$name(op) => op,)*
                }
            }

            /// Its byte.
            fn tag(&self) -> u8 {
                match self {
                    $(Op::$name(_) => $tag,)*
                }
            }

            fn write(&self, w: &mut Writer) {
                match self {
                    $(Op::$name(op) => op.write(w),)*
                }
            }

            #[cfg(feature = "train")]
            pub(super) fn graph(&self, g: &mut Graph, x: &[Value], from: &[Meta], batch: usize) -> Result<Value> {
                match self {
                    $(Op::$name(op) => op.graph(g, x, from, batch),)*
                }
            }

            #[cfg(feature = "train")]
            pub(super) fn onnx(&self, b: &mut onnx::Builder, x: &[&str], from: Meta) -> String {
                match self {
                    $(Op::$name(op) => op.onnx(b, x, from),)*
                }
            }

            /// Appends what a node of a trained network's graph is, by the first operation that knows it.
            #[cfg(feature = "train")]
            pub(super) fn pack(p: &mut Packer<'_>, node: &graph::Node) -> Result<Option<usize>> {
                $(if let Some(made) = <$name as Ships>::pack(p, node)? {
                    return Ok(Some(made));
                })*
                Ok(None)
            }
        }

        /// A node whose byte has been read.
        pub(super) fn read(tag: u8, r: &mut Reader<'_>) -> Read<Option<Node>> {
            Ok(Some(match tag {
                $($tag => {
                    let inputs = (0..<$name as Stored>::ARITY).map(|_| r.u32()).collect::<Read<Vec<_>>>()?;
                    Node { op: Op::$name(Stored::read(r)?), inputs }
                })*
                _ => return Ok(None),
            }))
        }
    };
}

// In the order in which they are looked for in a graph.
operations! {
    27 SetConv: "Convolution of bits that stand for two numbers each.",
    31 Places: "A summand for each number: the embedding of places.",
    1 Affine: "A factor and a summand a channel.",
    2 Conv: "Convolution of floats.",
    3 BinaryConv: "Convolution of bits: integers.",
    4 Sign: "`x >= 0` as a bit.",
    5 Threshold: "A comparison of integers as a bit: normalisation and sign in one.",
    6 Signed: "Bits as -1 and +1.",
    7 Relu: "`max(x, 0)`.",
    8 Hardtanh: "`clamp(x, -1, 1)`.",
    9 Prelu: "A slope a channel below 0.",
    10 Add: "The sum of two values.",
    11 MaxPool: "The largest of each window.",
    12 AvgPool: "The mean of each window.",
    13 PixelSum: "The sum over all pixels.",
    14 Slice: "Some pixels.",
    15 PadChannels: "Channels of zeros before and behind.",
    16 Concat: "The channels of two values.",
    17 Standardise: "Mean 0 and variance 1 over all numbers.",
    18 Flatten: "All numbers as the channels of one pixel.",
    20 Channels: "Some channels.",
    21 Mul: "The product of two values.",
    22 Sigmoid: "`1 / (1 + e^-x)`.",
    23 Tanh: "Hyperbolic tangent.",
    24 Gelu: "`x Φ(x)`.",
    25 PadPixels: "Zeros around the pixels.",
    26 Clip: "`clamp(x, low, high)`.",
    28 LayerNorm: "Mean 0 and variance 1 of each pixel's channels.",
    29 Attention: "Attention between all pixels.",
    30 Prepend: "A pixel before all others: the class token.",
    33 BitAttention: "Attention of bits between all pixels.",
    32 QuickGelu: "`x / (1 + e^(-1.702 x))`.",
}

impl Op {
    /// Appends a node of it.
    pub(super) fn write_node(&self, inputs: &[usize], w: &mut Writer) {
        w.bytes.push(self.tag());
        w.u32s(inputs);
        self.write(w);
    }

    /// [`Operation::infer`], of inputs that may be of another kind than it takes.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn checked(&self, inputs: &[Meta]) -> Inferred {
        match inputs.first() {
            Some(x) if inputs.len() == self.arity() && self.takes().contains(&x.kind) => self.infer(inputs),
            Some(x) if inputs.len() == self.arity() => Err(format!("takes {:?}, not {:?}", self.takes(), x.kind)),
            _ => Err(format!("takes {} values, not {}", self.arity(), inputs.len())),
        }
    }
}

/// Whether `n` numbers are one for each channel of `x`.
fn a_channel(x: &Meta, name: &str, n: usize) -> std::result::Result<(), String> {
    match n == x.shape[2] {
        true => Ok(()),
        false => Err(format!("has {n} numbers of {name} for {} channels", x.shape[2])),
    }
}
