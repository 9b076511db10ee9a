//! WGSL: assembly of shader files, generated kernels of fused ops, and how ops launch them.

pub mod assemble;
pub mod fused;
pub mod launch;
pub mod sources;
