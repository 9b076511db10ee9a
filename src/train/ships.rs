//! What ships of a run's network: what a table says of its size and its operations.

use crate::deploy::{file, pack};
use crate::error::Result;
use crate::masks::plain;
use crate::methods::Task;
use crate::tensor::HostTensor;
use crate::train::inference::inference_tensors;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The packed model in numbers, as `onebit inspect` counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ships {
    /// Bytes of the file.
    pub bytes: u64,
    /// Weights of one bit.
    pub binary_weights: u64,
    /// Other numbers, 32 bits each: weights, factors, thresholds.
    pub numbers: u64,
    /// Multiply-adds of bits of one image.
    pub binary_macs: u64,
    /// Those of floats.
    pub real_macs: u64,
}

impl Ships {
    /// Of a network, from the tensors of a checkpoint.
    ///
    /// # Errors
    /// If it has an operation that does not ship, or the tensors are not its own.
    pub fn of(task: &Task<'_>, tensors: &HashMap<String, HostTensor>) -> Result<Ships> {
        let plain = plain(task.recipe, task.images, tensors)?;
        let (recipe, tensors) = plain.as_ref().map_or((task.recipe, tensors), |(r, t)| (r, t));
        let task = Task { recipe, ..*task };
        let net = pack::pack(&task, &inference_tensors(&task, tensors)?, &[])?;
        let ((bits, numbers), (binary, real)) = (net.parameters()?, net.multiply_adds()?);
        Ok(Ships {
            bytes: file::encode(&net).len() as u64,
            binary_weights: bits as u64,
            numbers: numbers as u64,
            binary_macs: binary as u64,
            real_macs: real as u64,
        })
    }

    /// Bits of all numbers.
    pub fn bits(&self) -> u64 {
        self.binary_weights + 32 * self.numbers
    }

    /// Operations of one image by the field's convention (Bi-Real Net): multiply-adds of floats, and 1/64 of those of bits.
    pub fn operations(&self) -> f64 {
        self.real_macs as f64 + self.binary_macs as f64 / 64.0
    }

    /// How many times fewer that is than all of them in float.
    pub fn fewer(&self) -> f64 {
        (self.real_macs + self.binary_macs) as f64 / self.operations()
    }
}
