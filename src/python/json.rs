//! From what serde can write to Python's dicts, lists and numbers.

use super::error::exception;
use crate::error::Error;
use pyo3::prelude::*;
use serde::Serialize;

/// The same as a Python object. Numbers that are not finite are `None`.
pub fn object<'py>(py: Python<'py>, value: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    let text = serde_json::to_string(value).map_err(|e| exception(Error::Config(format!("this is no JSON: {e}"))))?;
    py.import("json")?.call_method1("loads", (text,))
}
