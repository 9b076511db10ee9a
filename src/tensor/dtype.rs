//! Element types and how many 32-bit words a row of them takes.

use super::Shape;
use std::fmt;

/// Type of a tensor's elements. Everything is stored in 32-bit words (WGSL has no smaller ones);
/// the narrow types pack along the last axis, each row starting on a new word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "train", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum DType {
    /// 32-bit float.
    F32,
    /// 32-bit signed integer.
    I32,
    /// 32-bit unsigned integer.
    U32,
    /// 16-bit signed integer, two to a word, the lower half first.
    I16,
    /// Byte, four to a word, the lowest first.
    U8,
    /// One bit, 32 to a word; the convention is in [`super::bits`].
    Bits,
}

impl DType {
    /// Elements in a 32-bit word.
    pub const fn per_word(self) -> usize {
        match self {
            DType::F32 | DType::I32 | DType::U32 => 1,
            DType::I16 => 2,
            DType::U8 => 4,
            DType::Bits => 32,
        }
    }

    /// Words in a row of `columns` elements.
    pub const fn row_words(self, columns: usize) -> usize {
        columns.div_ceil(self.per_word())
    }

    /// Words in a tensor of this type; `usize::MAX` for more than can be counted.
    pub fn words(self, shape: &Shape) -> usize {
        shape.rows().saturating_mul(self.row_words(shape.columns()))
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::I32 => "i32",
            DType::U32 => "u32",
            DType::I16 => "i16",
            DType::U8 => "u8",
            DType::Bits => "bits",
        })
    }
}
