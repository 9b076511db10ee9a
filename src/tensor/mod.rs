//! Shapes, types, host tensors and the packing of bits. Knows nothing of graphs or devices.

pub mod bits;
#[cfg(feature = "train")]
pub mod columns;
mod dtype;
pub mod geometry;
mod host;
#[cfg(feature = "train")]
mod reference;
mod shape;
#[cfg(feature = "train")]
pub mod strides;

pub use dtype::DType;
pub use geometry::{Conv2dGeometry, MatMulExtents, Windows};
pub use host::HostTensor;
#[cfg(feature = "train")]
pub use reference::RefTensor;
pub use shape::Shape;
