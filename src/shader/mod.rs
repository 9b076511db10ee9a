//! WGSL: the files of the shaders, their assembly, and what is known of the texts that come of it.

pub mod assemble;
pub mod sources;
mod wgsl;

pub use wgsl::Wgsl;
