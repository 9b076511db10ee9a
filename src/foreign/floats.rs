//! Element types of files, of which those of floats become f32.

use half::{bf16, f16};

/// What a tensor of a file holds.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Numbers {
    Float(Float),
    /// Of no use as a weight; the type by its name in the file.
    Other(String),
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Float {
    F16,
    Bf16,
    F32,
    F64,
}

impl Float {
    pub(super) fn bytes(self) -> usize {
        match self {
            Float::F16 | Float::Bf16 => 2,
            Float::F32 => 4,
            Float::F64 => 8,
        }
    }

    /// The element of these little-endian bytes. Doubles are rounded, those beyond f32 become infinite.
    pub(super) fn read(self, b: &[u8]) -> f32 {
        match self {
            Float::F16 => f16::from_le_bytes([b[0], b[1]]).to_f32(),
            Float::Bf16 => bf16::from_le_bytes([b[0], b[1]]).to_f32(),
            Float::F32 => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
            Float::F64 => f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_reads_the_same_number() {
        // 1.375 has few enough bits for all of them.
        assert_eq!(Float::F16.read(&[0x80, 0x3d]), 1.375);
        assert_eq!(Float::Bf16.read(&[0xb0, 0x3f]), 1.375);
        assert_eq!(Float::F32.read(&1.375f32.to_le_bytes()), 1.375);
        assert_eq!(Float::F64.read(&1.375f64.to_le_bytes()), 1.375);
        // The smallest subnormal, and a double that no f32 holds.
        assert_eq!(Float::F16.read(&[1, 0]), 2f32.powi(-24));
        assert_eq!(Float::F64.read(&1e300f64.to_le_bytes()), f32::INFINITY);
    }
}
