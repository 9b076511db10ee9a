//! What is in the directories of runs.

use super::error::{detached, exception};
use super::json::object;
use super::train::word;
use crate::error::{Error, Result};
use crate::experiments::{EXPERIMENTS, Which, compared};
use crate::files::read_text;
use crate::recipe::{DEFAULT, Text, built_in};
use crate::report::Comparison;
use crate::sweep::runs_of;
use crate::tensor::{DType, HostTensor};
use crate::tensor_file;
use crate::train::origin::Origin;
use crate::train::run::{MetricsFile, RunDir};
use bytemuck::{AnyBitPattern, NoUninit};
use numpy::{Element, PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

type Tensors = HashMap<String, HostTensor>;

/// `config.toml`: the recipe, and under `run` where it ran.
#[pyfunction]
pub fn config(py: Python<'_>, run: PathBuf) -> PyResult<Bound<'_, PyAny>> {
    let config = detached(py, || {
        is_there(&run)?;
        let file = run.join("config.toml");
        let table: toml::Table = read_text(&file)?.parse().map_err(|e| Error::data(&file, format!("{e}")))?;
        Ok(table)
    })?;
    object(py, &config)
}

/// `summary.json`, or `None` of a run that is not finished.
#[pyfunction]
pub fn summary(py: Python<'_>, run: PathBuf) -> PyResult<Bound<'_, PyAny>> {
    let summary = detached(py, || {
        is_there(&run)?;
        let file = run.join("summary.json");
        if !file.is_file() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&read_text(&file)?).map_err(|e| Error::data(&file, format!("this is not a summary: {e}")))
    })?;
    object(py, &summary)
}

/// The lines of `metrics.jsonl`; none before the first is written.
#[pyfunction]
pub fn metrics(py: Python<'_>, run: PathBuf) -> PyResult<Bound<'_, PyAny>> {
    let lines = detached(py, || {
        is_there(&run)?;
        match run.join("metrics.jsonl").is_file() {
            true => MetricsFile::read(&RunDir::at(&run)),
            false => Ok(Vec::new()),
        }
    })?;
    object(py, &lines)
}

/// The tensors of a checkpoint by name.
#[pyfunction]
#[pyo3(signature = (run, checkpoint=None))]
pub fn tensors<'py>(py: Python<'py>, run: PathBuf, checkpoint: Option<String>) -> PyResult<Bound<'py, PyDict>> {
    let of_gradients = detached(py, || {
        is_there(&run)?;
        is_of_gradients(&run)
    })?;
    if !of_gradients {
        return stored_arrays(py, &RunDir::at(&run).last());
    }
    let tensors = detached(py, || {
        let which = word::<Which>("checkpoint", checkpoint.as_deref())?;
        let (dir, recipe, info) = RunDir::open(&run)?;
        let path = match which {
            None => dir.chosen(&info)?,
            Some(Which::Last) => dir.last(),
            Some(Which::Best) => dir.best(),
        };
        check_file(&path)?;
        Ok(dir.checkpoint(&path, &recipe, &info)?.tensors)
    })?;
    arrays(py, tensors)
}

/// The weights and statistics of a network, of a run or made elsewhere, by our names: convolutions (out, rows, columns, in).
#[pyfunction]
pub fn weights(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyDict>> {
    let origin = detached(py, || Origin::open(&path))?;
    arrays(py, origin.tensors)
}

/// Runs side by side, as `onebit compare --format json` prints them.
#[pyfunction]
#[pyo3(signature = (paths, against=None))]
pub fn compare<'py>(py: Python<'py>, paths: Vec<PathBuf>, against: Option<PathBuf>) -> PyResult<Bound<'py, PyAny>> {
    let table = detached(py, || {
        let runs = paths.iter().map(|path| runs_of(path)).collect::<Result<Vec<_>>>()?.concat();
        let mut table = Comparison::of(&runs, compared);
        if table.is_empty() {
            let why: Vec<String> =
                table.left_out().iter().map(|(path, why)| format!("{}: {why}", path.display())).collect();
            return Err(Error::Config(format!("there is nothing to compare: {}", why.join("; "))));
        }
        let against = against.as_deref().map(|run| table.row_of(run)).transpose()?;
        Ok(table.json(against))
    })?;
    object(py, &table)
}

/// The recipes that come along: name, description, and whether it is the default.
#[pyfunction]
pub fn recipes(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let all = detached(py, || {
        let one = |(name, text): (&str, &str)| {
            let text = Text { name: name.into(), text: text.into(), origin: name.into() };
            let description = EXPERIMENTS.of_text(&text.text).describe(&text)?.description;
            Ok(json!({ "name": name, "description": description, "default": name == DEFAULT }))
        };
        built_in().into_iter().map(one).collect::<Result<Vec<_>>>()
    })?;
    object(py, &all)
}

/// That there is a run at a path.
fn is_there(run: &Path) -> Result<()> {
    match run.join("config.toml").is_file() && !is_of_gradients(run)? {
        true => Ok(()),
        false => RunDir::open(run).map(|_| ()),
    }
}

fn is_of_gradients(run: &Path) -> Result<bool> {
    Ok(EXPERIMENTS.of_run(run)?.name() == "gradients")
}

fn check_file(path: &Path) -> Result<()> {
    match path.is_file() {
        true => Ok(()),
        false => Err(Error::data(path, "there is no such checkpoint")),
    }
}

/// The tensors of a file that is no network's, each of its own type.
fn stored_arrays<'py>(py: Python<'py>, path: &Path) -> PyResult<Bound<'py, PyDict>> {
    let bytes = detached(py, || {
        check_file(path)?;
        std::fs::read(path).map_err(Error::io(path, "read the model"))
    })?;
    let none = || Error::data(path, "this safetensors file is not of onebit: its metadata lacks the entry `onebit`");
    let (_, file) = detached(py, || tensor_file::open(path, &bytes)?.ok_or_else(none))?;
    let dict = PyDict::new(py);
    let mut all: Vec<(&str, TensorView<'_>)> = file.iter().collect();
    all.sort_unstable_by_key(|(name, _)| *name);
    for (name, view) in all {
        let array = match view.dtype() {
            Dtype::U8 => shaped::<u8>(py, &view)?,
            Dtype::U16 => shaped::<u16>(py, &view)?,
            Dtype::U32 => shaped::<u32>(py, &view)?,
            Dtype::I32 => shaped::<i32>(py, &view)?,
            Dtype::F32 => shaped::<f32>(py, &view)?,
            Dtype::F64 => shaped::<f64>(py, &view)?,
            other => return Err(exception(Error::data(path, format!("{name} is {other:?}, which no model has")))),
        };
        dict.set_item(name, array)?;
    }
    Ok(dict)
}

fn shaped<'py, T: Element + AnyBitPattern + NoUninit>(
    py: Python<'py>,
    view: &TensorView<'_>,
) -> PyResult<Bound<'py, PyAny>> {
    let data: Vec<T> = bytemuck::pod_collect_to_vec(view.data());
    Ok(PyArray1::from_vec(py, data).reshape(view.shape().to_vec())?.into_any())
}

/// As NumPy has them: words that hold bits as uint32.
fn arrays(py: Python<'_>, tensors: Tensors) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    let mut all: Vec<(String, HostTensor)> = tensors.into_iter().collect();
    all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    for (name, t) in all {
        let shape = t.shape().to_vec();
        let array = match t.dtype() {
            DType::F32 => PyArray1::from_slice(py, t.f32s()).reshape(shape)?.into_any(),
            DType::I32 => {
                PyArray1::from_slice(py, bytemuck::cast_slice::<u32, i32>(t.words())).reshape(shape)?.into_any()
            }
            DType::U32 => PyArray1::from_slice(py, t.words()).reshape(shape)?.into_any(),
            DType::I16 | DType::U8 | DType::Bits => PyArray1::from_slice(py, t.words()).into_any(),
        };
        dict.set_item(name, array)?;
    }
    Ok(dict)
}
