//! Integers and bits as floats.

use crate::error::{Error, Result};
use crate::graph::{Graph, Value};
use crate::tensor::DType;

pointwise! {
    /// The number as f32: bits as 0 and 1, integers exactly up to 2^24.
    ToF32 {} "to_f32" (x) => x;
    reference x;
    bound |_x, y| if y.abs() <= 16_777_216.0 { f32::MIN_POSITIVE as f64 } else { crate::graph::EPS * y.abs() };
    grad |_me, g, x, y, dy| Ok(vec![Some(dy)])
}

pointwise! {
    /// Packed signs as -1 and +1. A gradient with respect to bits is one with respect to the signs
    /// that they stand for, so it passes unchanged.
    Signed {} "signed" as "signed_of" (bit) => bit + bit - 1.0;
    reference if bit == 1.0 { 1.0 } else { -1.0 };
    bound |_x, _y| 0.0;
    bits PlusMinus;
    grad |_me, g, x, y, dy| Ok(vec![Some(dy)])
}

impl Graph {
    /// `x` as f32: bits as 0 and 1, integers exactly up to 2^24.
    pub fn to_f32(&mut self, x: Value) -> Result<Value> {
        match self.dtype(x) {
            DType::F32 => Ok(x),
            _ => self.apply1(ToF32 {}, &[x]),
        }
    }

    /// Packed bits as -1 and +1.
    pub fn signed(&mut self, bits: Value) -> Result<Value> {
        if self.dtype(bits) != DType::Bits {
            return Err(Error::shape("signed", format!("takes packed bits, got {}", self.meta(bits))));
        }
        self.apply1(Signed {}, &[bits])
    }
}
