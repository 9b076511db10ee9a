//! `onebit` trains, checks, profiles and ships 1-bit vision networks on any GPU that WebGPU reaches.

#[cfg(feature = "train")]
pub mod data;
pub mod error;
#[cfg(feature = "train")]
pub mod kernels;
#[cfg(feature = "train")]
pub mod rng;
pub mod tensor;
