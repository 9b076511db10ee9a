//! What ships to the edge: the packed model, the runtime that runs it, and other forms of it.
//!
//! [`Net`] is a network as a short list of operations, [`mod@file`] its bytes (`README.md` beside this file describes them one
//! by one), [`masked`] those of one that shares its weights with others, [`Runtime`] runs it on a CPU, image by image. These build without the feature `train`: no GPU, no command line.
//!
//! With it, [`pack`] makes a [`Net`] of a trained network, [`graph`] makes a graph of one again, for any device of the engine, [`onnx`] a file that
//! other runtimes read, and [`web`] a page.

mod bytes;
pub mod capi;
pub mod file;
#[cfg(feature = "train")]
pub mod graph;
pub mod masked;
pub mod net;
#[cfg(feature = "train")]
pub mod onnx;
pub mod ops;
#[cfg(feature = "train")]
pub mod pack;
mod plan;
mod pointwise;
mod pool;
mod runtime;
#[cfg(feature = "train")]
mod summary;
mod value;
#[cfg(feature = "train")]
pub mod web;

use crate::error::{Error, Result};
use std::path::Path;

pub use net::{Net, Node};
pub use ops::{Affine, BinaryConv, Conv, Op, Operation};
pub use runtime::{Runtime, by_probability};
#[cfg(feature = "train")]
pub use summary::{Layer, Summary};
pub use value::{Inferred, Kind, Meta, Window};

/// A packed model from its file, on its base if it needs one.
///
/// # Errors
/// If one of them is no file, or as [`file::load`] and [`masked::load`].
pub fn open(model: &Path, base: Option<&Path>) -> Result<Net> {
    // A pipe would be waited for.
    for path in [Some(model), base].into_iter().flatten() {
        if std::fs::metadata(path).is_ok_and(|m| !m.is_file()) {
            return Err(Error::data(path, "is not a file: give the packed model (onebit export RUN -o model.1bit)"));
        }
    }
    base.map_or_else(|| file::load(model), |base| masked::load(model, base))
}
