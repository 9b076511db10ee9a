//! Errors of the library as exceptions, the classes of `onebit/errors.py`; and panics, which are none of the caller's fault.

use crate::error::{Error, Result};
use pyo3::prelude::*;
use pyo3::types::PyType;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The exception of an error, with the same sentence.
pub fn exception(e: Error) -> PyErr {
    let class = match &e {
        Error::Shape { .. } => "ShapeError",
        Error::Data { .. } => "DataError",
        Error::Io { .. } => "FileError",
        Error::Config(_) => "ConfigError",
        Error::Device(_) => "DeviceError",
        Error::Limit(_) => "LimitError",
        Error::Shader { .. } => "ShaderError",
        Error::NonFinite(_) => "NonFiniteError",
    };
    of_class(class, e.to_string())
}

/// An array that cannot be taken: its name, what it is, and what is wanted.
pub fn bad_array(sentence: String) -> PyErr {
    of_class("ArrayError", sentence)
}

fn of_class(class: &str, sentence: String) -> PyErr {
    Python::attach(|py| {
        let found = py.import("onebit.errors").and_then(|m| Ok(m.getattr(class)?.cast_into::<PyType>()?));
        match found {
            Ok(class) => PyErr::from_type(class, (sentence,)),
            Err(e) => e,
        }
    })
}

/// Does what may panic; a panic becomes an exception.
pub fn guarded<T>(work: impl FnOnce() -> Result<T>) -> PyResult<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(exception),
        Err(panic) => Err(fault(&*panic)),
    }
}

/// As [`guarded`], and without the interpreter's lock.
pub fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    py.detach(|| guarded(work))
}

fn fault(panic: &(dyn Any + Send)) -> PyErr {
    let what = panic.downcast_ref::<String>().map(String::as_str);
    let what = what.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    let version = env!("CARGO_PKG_VERSION");
    of_class("Fault", format!("this is a fault of onebit {version}, please report it: {what}"))
}
