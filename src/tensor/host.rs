//! A tensor in host memory: what is uploaded, downloaded and written to files.

use super::{DType, Shape, bits};

/// A tensor in host memory, stored in 32-bit words as every device stores it.
#[derive(Clone, PartialEq, Debug)]
pub struct HostTensor {
    shape: Shape,
    dtype: DType,
    words: Vec<u32>,
}

impl HostTensor {
    /// A tensor from its stored words.
    ///
    /// # Panics
    /// If the number of words is not that of the shape and type.
    pub fn from_words(shape: impl Into<Shape>, dtype: DType, words: Vec<u32>) -> Self {
        let shape = shape.into();
        assert_eq!(words.len(), dtype.words(&shape), "{dtype}{shape} has another number of words");
        HostTensor { shape, dtype, words }
    }

    /// Zeros.
    pub fn zeros(shape: impl Into<Shape>, dtype: DType) -> Self {
        let shape = shape.into();
        let words = vec![0; dtype.words(&shape)];
        HostTensor { shape, dtype, words }
    }

    /// An f32 tensor.
    pub fn from_f32(shape: impl Into<Shape>, values: Vec<f32>) -> Self {
        Self::from_words(shape, DType::F32, bytemuck::cast_vec(values))
    }

    /// A u32 tensor.
    pub fn from_u32(shape: impl Into<Shape>, values: Vec<u32>) -> Self {
        Self::from_words(shape, DType::U32, values)
    }

    /// A byte tensor; rows of the last axis are padded to whole words.
    pub fn from_u8(shape: impl Into<Shape>, values: &[u8]) -> Self {
        let shape = shape.into();
        let words = values
            .chunks(shape.columns().max(1))
            .flat_map(|row| {
                row.chunks(4).map(|four| {
                    let mut b = [0; 4];
                    b[..four.len()].copy_from_slice(four);
                    u32::from_le_bytes(b)
                })
            })
            .collect();
        Self::from_words(shape, DType::U8, words)
    }

    /// The packed signs of an f32 array.
    pub fn signs(shape: impl Into<Shape>, values: &[f32]) -> Self {
        let shape = shape.into();
        let words = bits::pack_signs(shape.columns(), values);
        Self::from_words(shape, DType::Bits, words)
    }

    /// Extents.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The stored words.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// The stored words, to change.
    pub fn words_mut(&mut self) -> &mut [u32] {
        &mut self.words
    }

    /// The elements of an f32 tensor.
    ///
    /// # Panics
    /// If the tensor is of another type.
    pub fn f32s(&self) -> &[f32] {
        assert_eq!(self.dtype, DType::F32, "not an f32 tensor");
        bytemuck::cast_slice(&self.words)
    }

    /// The elements of an f32 tensor, to change.
    ///
    /// # Panics
    /// If the tensor is of another type.
    pub fn f32s_mut(&mut self) -> &mut [f32] {
        assert_eq!(self.dtype, DType::F32, "not an f32 tensor");
        bytemuck::cast_slice_mut(&mut self.words)
    }

    /// Every element as f64, in row-major order; bits as 0 and 1.
    pub fn to_f64(&self) -> Vec<f64> {
        let columns = self.shape.columns();
        let row_words = self.dtype.row_words(columns);
        if columns == 0 || row_words == 0 {
            return Vec::new();
        }
        self.words
            .chunks_exact(row_words)
            .flat_map(|row| {
                (0..columns).map(move |c| match self.dtype {
                    DType::F32 => f32::from_bits(row[c]) as f64,
                    DType::I32 => row[c] as i32 as f64,
                    DType::U32 => row[c] as f64,
                    DType::I16 => (row[c / 2] >> (16 * (c % 2))) as u16 as i16 as f64,
                    DType::U8 => (row[c / 4] >> (8 * (c % 4))) as u8 as f64,
                    DType::Bits => (row[c / 32] >> (c % 32) & 1) as f64,
                })
            })
            .collect()
    }

    /// The inverse of [`HostTensor::to_f64`]: floats are rounded to f32, bits are set where the value is over 0.5.
    pub fn from_f64(shape: impl Into<Shape>, dtype: DType, values: &[f64]) -> Self {
        let shape = shape.into();
        assert_eq!(values.len(), shape.elements(), "{shape} has another number of elements");
        let mut words = Vec::with_capacity(dtype.words(&shape));
        let per = dtype.per_word();
        for row in values.chunks(shape.columns().max(1)) {
            for chunk in row.chunks(per) {
                words.push(match dtype {
                    DType::F32 => (chunk[0] as f32).to_bits(),
                    DType::I32 => chunk[0] as i32 as u32,
                    DType::U32 => chunk[0] as u32,
                    DType::I16 => {
                        chunk.iter().enumerate().fold(0, |w, (i, &v)| w | (v as i16 as u16 as u32) << (16 * i))
                    }
                    DType::U8 => chunk.iter().enumerate().fold(0, |w, (i, &v)| w | (v as u8 as u32) << (8 * i)),
                    DType::Bits => chunk.iter().enumerate().fold(0, |w, (i, &v)| w | ((v > 0.5) as u32) << i),
                });
            }
        }
        HostTensor { shape, dtype, words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_round_trips_with_odd_rows() {
        for dtype in [DType::F32, DType::I32, DType::U32, DType::I16, DType::U8, DType::Bits] {
            let values: Vec<f64> = (0..3 * 35)
                .map(|i| if dtype == DType::Bits { (i % 3 == 0) as u8 as f64 } else { (i % 101) as f64 })
                .collect();
            let t = HostTensor::from_f64([3, 35], dtype, &values);
            assert_eq!(t.words().len(), 3 * dtype.row_words(35));
            assert_eq!(t.to_f64(), values, "{dtype}");
        }
        let t = HostTensor::from_f64([1, 3], DType::I16, &[-4608.0, 4608.0, -1.0]);
        assert_eq!(t.to_f64(), [-4608.0, 4608.0, -1.0]);
    }
}
