//! `onebit` trains, checks, profiles and ships 1-bit vision networks on any GPU that WebGPU reaches.

#[cfg(feature = "train")]
pub mod cli;
#[cfg(feature = "train")]
pub mod cpu;
#[cfg(feature = "train")]
pub mod data;
#[cfg(feature = "train")]
pub mod device;
pub mod error;
#[cfg(feature = "train")]
pub mod gpu;
#[cfg(feature = "train")]
pub mod graph;
#[cfg(feature = "train")]
pub mod kernels;
#[cfg(feature = "train")]
pub mod loss;
#[cfg(feature = "train")]
pub mod methods;
#[cfg(feature = "train")]
pub mod nn;
#[cfg(feature = "train")]
#[macro_use]
pub mod nn;
#[cfg(feature = "train")]
#[macro_use]
pub mod ops;
#[cfg(feature = "train")]
pub mod optim;
#[cfg(feature = "train")]
pub mod program;
#[cfg(feature = "train")]
pub mod rng;
#[cfg(feature = "train")]
pub mod shader;
pub mod tensor;
#[cfg(feature = "train")]
pub mod train;
#[cfg(feature = "train")]
pub mod verify;
