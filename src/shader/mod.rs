//! WGSL: the files of the shaders, and their assembly.

pub mod assemble;
pub mod sources;
