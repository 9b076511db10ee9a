//! The Python package's native module, `onebit._onebit`: what `onebit/*.py` beside this file is written on. It is built by maturin
//! (`pyproject.toml`), under the feature `python`.
//!
//! Whatever computes lets go of the interpreter's lock, and has its own copy of the arrays that it reads: other threads of the
//! interpreter may change or free them meanwhile. Errors are exceptions with the library's sentences, and so is a fault.

mod device;
mod error;
mod fork;
mod images;
mod json;
mod layer;
mod model;
mod run;
mod train;
mod work;

use crate::kernels::Isa;
use error::exception;
use pyo3::prelude::*;

/// What of onebit is native.
#[pymodule]
#[pyo3(name = "_onebit")]
fn native(m: &Bound<'_, PyModule>) -> PyResult<()> {
    // An instruction set that this machine lacks is refused before anything is begun.
    Isa::chosen().map_err(exception)?;
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    m.add_class::<model::Model>()?;
    m.add_class::<device::Device>()?;
    m.add_function(wrap_pyfunction!(model::load, m)?)?;
    m.add_function(wrap_pyfunction!(layer::binary_conv2d, m)?)?;
    m.add_function(wrap_pyfunction!(device::devices, m)?)?;
    m.add_function(wrap_pyfunction!(device::verify, m)?)?;
    m.add_function(wrap_pyfunction!(run::config, m)?)?;
    m.add_function(wrap_pyfunction!(run::summary, m)?)?;
    m.add_function(wrap_pyfunction!(run::metrics, m)?)?;
    m.add_function(wrap_pyfunction!(run::tensors, m)?)?;
    m.add_function(wrap_pyfunction!(run::weights, m)?)?;
    m.add_function(wrap_pyfunction!(run::compare, m)?)?;
    m.add_function(wrap_pyfunction!(run::recipes, m)?)?;
    m.add_function(wrap_pyfunction!(train::train, m)?)?;
    m.add_function(wrap_pyfunction!(train::evaluate, m)?)?;
    m.add_function(wrap_pyfunction!(train::export, m)?)
}
