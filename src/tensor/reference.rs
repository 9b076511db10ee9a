//! A tensor of the textbook reference: every element in f64, whatever the device type.

use super::{DType, HostTensor, Shape};

/// A tensor of the reference: f64 elements, with the type that a device would store them in.
/// Integers and bits (0 and 1) are exact.
#[derive(Clone, PartialEq, Debug)]
pub struct RefTensor {
    /// Extents.
    pub shape: Shape,
    /// What a device stores.
    pub dtype: DType,
    /// Elements in row-major order.
    pub data: Vec<f64>,
}

impl RefTensor {
    /// A tensor from its elements.
    ///
    /// # Panics
    /// If the number of elements is not that of the shape.
    pub fn new(shape: impl Into<Shape>, dtype: DType, data: Vec<f64>) -> Self {
        let shape = shape.into();
        assert_eq!(shape.elements(), data.len(), "{shape} has another number of elements");
        RefTensor { shape, dtype, data }
    }

    /// A float tensor from its elements.
    pub fn f32(shape: impl Into<Shape>, data: Vec<f64>) -> Self {
        Self::new(shape, DType::F32, data)
    }

    /// The element at `index`.
    pub fn at(&self, index: &[usize]) -> f64 {
        self.data[self.offset(index)]
    }

    /// Place of `index` in `data`.
    pub fn offset(&self, index: &[usize]) -> usize {
        index.iter().zip(self.shape.iter()).fold(0, |o, (i, n)| o * n + i)
    }

    /// The same with every element replaced by its magnitude: what error bounds are made of.
    pub fn abs(&self) -> Self {
        RefTensor { data: self.data.iter().map(|v| v.abs()).collect(), ..self.clone() }
    }

    /// For bits that stand for {-1,+1}: the values. Other types are returned as they are.
    pub fn signed(&self) -> Self {
        match self.dtype {
            DType::Bits => RefTensor { data: self.data.iter().map(|v| 2.0 * v - 1.0).collect(), ..self.clone() },
            _ => self.clone(),
        }
    }
}

impl From<&HostTensor> for RefTensor {
    fn from(t: &HostTensor) -> Self {
        RefTensor { shape: t.shape().clone(), dtype: t.dtype(), data: t.to_f64() }
    }
}

impl From<&RefTensor> for HostTensor {
    fn from(t: &RefTensor) -> Self {
        HostTensor::from_f64(t.shape.clone(), t.dtype, &t.data)
    }
}
