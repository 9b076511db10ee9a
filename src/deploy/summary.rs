//! What is in a packed model, counted.

use super::net::Net;
use super::value::{Kind, Meta};
use crate::error::Result;
use serde::Serialize;

/// A packed model in numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Rows, columns and channels of an image.
    pub input: [usize; 3],
    /// Names of the classes, or none.
    pub classes: Vec<String>,
    /// Bytes of the file.
    pub bytes: usize,
    /// Weights of one bit.
    pub binary_weights: usize,
    /// Other numbers of weights, scales and the like.
    pub other_numbers: usize,
    /// Multiply-adds on single bits of one image.
    pub binary_multiply_adds: usize,
    /// Multiply-adds on floats of one image.
    pub real_multiply_adds: usize,
    /// Both, where 64 of bits count as one (Bi-Real Net).
    pub operations: f64,
    /// How many times as large the same numbers are as f32.
    pub ratio_to_f32: f64,
    /// First to last.
    pub layers: Vec<Layer>,
}

/// An operation of the model.
#[derive(Clone, Debug, Serialize)]
pub struct Layer {
    /// Number of the value that it makes; 0 is the image.
    pub value: usize,
    /// What it does.
    pub op: &'static str,
    /// Numbers of the values that it reads.
    pub of: Vec<usize>,
    /// Rows, columns and channels of what it makes.
    pub shape: [usize; 3],
    /// What that is made of.
    #[serde(serialize_with = "lower")]
    pub kind: Kind,
    /// Its weights.
    pub weights: usize,
    /// Bits of each of them.
    pub bits_each: usize,
}

fn lower<S: serde::Serializer>(kind: &Kind, to: S) -> std::result::Result<S::Ok, S::Error> {
    to.serialize_str(&format!("{kind:?}").to_lowercase())
}

impl Summary {
    /// Of a model whose file has so many bytes.
    ///
    /// # Errors
    /// If the network does not fit together.
    pub fn of(net: &Net, bytes: usize) -> Result<Summary> {
        let metas = net.infer()?;
        let ((bits, numbers), (binary, real)) = (net.parameters()?, net.multiply_adds()?);
        let layer = |(i, node): (usize, &super::net::Node)| {
            let Meta { shape, kind } = metas[i + 1];
            let op = &node.op;
            let bits_each = if op.bits() > 0 { 1 } else { 32 };
            let (of, weights) = (node.inputs.clone(), op.bits() + op.numbers());
            Layer { value: i + 1, op: op.name(), of, shape, kind, weights, bits_each }
        };
        Ok(Summary {
            input: net.input,
            classes: net.classes.clone(),
            bytes,
            binary_weights: bits,
            other_numbers: numbers,
            binary_multiply_adds: binary,
            real_multiply_adds: real,
            operations: real as f64 + binary as f64 / 64.0,
            ratio_to_f32: 4.0 * (bits + numbers) as f64 / bytes as f64,
            layers: net.nodes.iter().enumerate().map(layer).collect(),
        })
    }

    /// Numbers that the model gives for an image.
    pub fn outputs(&self) -> usize {
        self.layers.last().map_or(0, |last| last.shape.iter().product())
    }
}
