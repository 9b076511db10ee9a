//! `onebit` trains, checks, profiles and ships 1-bit vision networks on any GPU that WebGPU reaches,
//! and on the CPU.
//!
//! A training step is data: a [`graph::Graph`] is built, differentiated by appending ordinary nodes,
//! compiled to a [`program::Program`] whose kernels, buffers and offsets are known before anything is
//! allocated, and replayed on a [`device::Device`]. Activations are NHWC, weights OHWI; packed bits lie
//! in 32-bit words along the last axis. `src/README.md` is the map of the modules; [`guide`] shows the program, chapter by chapter.
//!
//! # A layer of one bit, trained
//!
//! ```
//! use onebit::device::{Device, Store};
//! use onebit::graph::{Graph, Init, Meta, Role};
//! use onebit::ops::pointwise::Ste;
//! use onebit::optim::{OptimSpec, Rule};
//! use onebit::tensor::bits::WeightCode;
//! use onebit::tensor::{DType, HostTensor};
//!
//! # fn main() -> onebit::error::Result<()> {
//! // Sixteen signs in, three classes out; activations and weights are packed, the product is a popcount.
//! let mut g = Graph::new();
//! let x = g.input("x", Meta::f32([6, 16]))?;
//! let labels = g.input("labels", Meta::new([6], DType::U32))?;
//! let w = g.param("w", [3, 16], Init::Uniform(0.1), Role::BinaryWeight)?;
//! let (xb, wb) = (g.sign(x, Ste::ClippedIdentity)?, g.sign(w, Ste::ClippedIdentity)?);
//! let y = g.xnor_linear(xb, wb, WeightCode::PlusMinus)?;
//! let logits = g.to_f32(y)?;
//! let loss = g.cross_entropy(logits, labels, 0.0)?;
//! g.output("loss", loss);
//! let grads = g.backward(loss, &[w])?;
//! let sgd = OptimSpec::new(Rule::Sgd { momentum: 0.9, nesterov: false });
//! sgd.step(&mut g, &[w], &grads, None)?;
//!
//! // The CPU here; `Device::Gpu` runs the same graph.
//! let mut store = Store::new(Device::Cpu);
//! let mut step = store.load(g)?;
//! store.write("w", &Init::Uniform(0.1).make(&[3, 16].into(), 1, "w"))?;
//! let images = (0..96).map(|i| ((i * i + i / 16) as f32).sin()).collect();
//! store.write("x", &HostTensor::from_f32([6, 16], images))?;
//! store.write("labels", &HostTensor::from_u32([6], vec![0, 1, 2, 0, 1, 2]))?;
//! let learning_rate = [0.01];
//! step.run(&learning_rate)?;
//! let first = step.read("loss")?.f32s()[0];
//! for _ in 0..50 {
//!     step.run(&learning_rate)?;
//! }
//! assert!(step.read("loss")?.f32s()[0] < first);
//! # Ok(())
//! # }
//! ```
//!
//! # What a program can add
//!
//! Nothing has to be changed in the crate for one of these; each trait shows a program of `tests/examples` that does it, and
//! that the tests run:
//!
//! | what | how | example |
//! | --- | --- | --- |
//! | a straight-through estimator | [`Estimator`](ops::pointwise::Estimator), given to [`ESTIMATORS`](nn::ESTIMATORS): recipes name it | `own_estimator.rs` |
//! | an op that works element by element | [`pointwise!`], or [`Pointwise`](graph::Pointwise): it is fused with its neighbours | `own_estimator.rs` |
//! | another op | [`Op`](graph::Op), with its WGSL ([`Op::shaders`](graph::Op::shaders)), which devices run with bounds checks | |
//! | a layer | [`OwnLayer`](nn::OwnLayer), given to [`LAYERS`](nn::LAYERS): recipes list it | `own_layer.rs` |
//! | a network | a list of layers in a recipe; or [`Builder`](nn::Builder), layer by layer | `own_network.rs` |
//! | a method | [`Method`](methods::Method), given to [`METHODS`](methods::METHODS): recipes name it, the loop runs it | `own_method.rs` |
//! | another kind of run | [`Experiment`](experiments::Experiment), given to [`EXPERIMENTS`](experiments::EXPERIMENTS) | `own_experiment.rs` |
//!
//! A program that adds something and then calls [`cli::main`](crate#the-program) is `onebit` with that in it:
//!
//! ```no_run
//! use onebit::error::Result;
//! use onebit::graph::{Graph, Value};
//! use onebit::ops::pointwise::Estimator;
//!
//! #[derive(Debug)]
//! struct Half;
//!
//! impl Estimator for Half {
//!     fn name(&self) -> &'static str {
//!         "half"
//!     }
//!
//!     fn grad(&self, g: &mut Graph, _x: Value, dy: Value) -> Result<Value> {
//!         g.scale(dy, 0.5)
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     // From here on `net.binarization.weight_ste = "half"` is a setting like any other.
//!     onebit::nn::ESTIMATORS.add(&Half).expect("no other has its name");
//!     onebit::cli::main()
//! }
//! ```
//!
//! [`verify::compare`] holds what was added against its formula in f64, node by node, on any device.
//!
//! # Modules
//!
//! * Steps and what they are made of: [`tensor`], [`graph`], [`ops`], [`loss`], [`optim`], [`nn`].
//! * Where they run: [`device`], which is [`gpu`] or [`cpu`]; compiled by [`program`], with kernels from [`launch`], [`shader`] and
//!   [`kernels`].
//! * Runs: [`data`], [`recipe`], [`methods`], [`train`], [`experiments`]; random numbers from [`rng`].
//! * Without gradients: [`features`], [`mbn`].
//! * Files: [`tensor_file`], [`foreign`] (those of others), [`masks`], [`deploy`] (what ships), [`web`], [`report`].
//! * To check and to measure: [`verify`], [`mod@bench`], [`tune`], [`profile`], [`cache`] (what was measured before).
//!
//! # The program
//!
//! `cli::main` is `onebit` itself; what its commands say comes from [`console`]. Nothing else of the command line is public.
//!
//! # Features
//!
//! `train` (default) is everything. Without it the crate builds only what an edge device needs. `python` adds the native module of
//! the Python package.

// Tests that lie in both places name it from outside.
#[cfg(all(test, feature = "train"))]
extern crate self as onebit;

#[cfg(feature = "train")]
pub mod bench;
#[cfg(feature = "train")]
pub mod cache;
#[cfg(feature = "train")]
mod cache_folder;
// Its doc comments are the texts of `--help`, whose command lines are no Rust to test.
#[cfg(all(feature = "train", not(doctest)))]
pub mod cli;
#[cfg(feature = "train")]
pub mod console;
#[cfg(feature = "train")]
pub mod cpu;
#[cfg(feature = "train")]
pub mod data;
pub mod deploy;
#[cfg(feature = "train")]
pub mod device;
// The devices of all tests, those of this crate too, which it is `onebit` for.
#[cfg(all(test, feature = "train"))]
#[path = "../tests/common/devices.rs"]
mod devices;
pub mod error;
#[cfg(feature = "train")]
pub mod exchange;
#[cfg(feature = "train")]
pub mod experiments;
#[cfg(feature = "train")]
pub mod features;
#[cfg(feature = "train")]
mod files;
#[cfg(feature = "train")]
pub mod foreign;
#[cfg(feature = "train")]
pub mod gpu;
#[cfg(feature = "train")]
pub mod graph;
// Texts alone, which only the documentation needs.
#[cfg(all(doc, feature = "train"))]
pub mod guide;
#[cfg(feature = "train")]
mod hash;
pub mod kernels;
#[cfg(feature = "train")]
pub mod launch;
#[cfg(feature = "train")]
pub mod loss;
#[cfg(feature = "train")]
pub mod masks;
#[cfg(feature = "train")]
pub mod mbn;
#[cfg(feature = "train")]
mod memory;
#[cfg(feature = "train")]
pub mod methods;
#[cfg(feature = "train")]
pub mod nn;
#[cfg(feature = "train")]
#[macro_use]
pub mod ops;
#[cfg(feature = "train")]
pub mod optim;
#[cfg(feature = "train")]
mod pickle;
#[cfg(feature = "train")]
pub mod profile;
#[cfg(feature = "train")]
pub mod program;
#[cfg(feature = "python")]
mod python;
#[cfg(feature = "train")]
pub mod recipe;
#[cfg(feature = "train")]
mod registry;
#[cfg(feature = "train")]
pub mod report;
#[cfg(feature = "train")]
pub mod rng;
#[cfg(feature = "train")]
pub mod shader;
#[cfg(feature = "train")]
mod suggest;
#[cfg(feature = "train")]
pub mod sweep;
pub mod tensor;
#[cfg(feature = "train")]
pub mod tensor_file;
#[cfg(feature = "train")]
pub mod train;
#[cfg(feature = "train")]
pub mod tune;
#[cfg(feature = "train")]
pub mod verify;
#[cfg(feature = "train")]
pub mod web;
