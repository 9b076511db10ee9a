//! A packed model.

use super::error::{detached, exception, guarded};
use super::fork;
use super::images::Images;
use super::json::object;
use crate::data::{Background, PixelRules, Truncated, image_file};
use crate::deploy::{Kind, Net, Runtime, Summary, by_probability, open};
use crate::error::{Error, Result};
use crate::memory;
use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Threads that a model may have.
const MOST_THREADS: usize = 256;

/// A packed model, ready to run on the CPU; `onebit.load` reads one.
///
/// Images are uint8 from 0 to 255, of shape (N, rows, columns, channels) or (rows, columns, channels) for one, with any strides;
/// where there is one channel, the last axis may be left out. Of one image the results lack the first axis. The model normalises
/// images itself. While it computes, other Python threads run; calls of one model take turns. Ctrl-C is seen between
/// images, once a megabyte of them.
///
/// All methods raise `ArrayError` where the images are no array, of another dtype or shape, or empty.
#[pyclass(frozen, module = "onebit")]
pub struct Model {
    path: PathBuf,
    net: Net,
    bytes: usize,
    threads: usize,
    /// The process that it was made in.
    home: u32,
    whole: Mutex<Runtime>,
    /// Up to what the last layer reads; made when it is asked for.
    up_to_features: Mutex<Option<Runtime>>,
}

/// Reads a packed model, which `onebit.export` and `onebit export` write.
///
/// Args:
///     path: the file, `model.1bit`.
///     base: of a model of masks, the packed model that they are on.
///     threads: how many share the work of an image, 1 to 256.
///
/// Raises:
///     FileError: there is no such file, or it cannot be read.
///     DataError: it is damaged, or no packed model.
///     ConfigError: no such number of threads.
#[pyfunction]
#[pyo3(signature = (path, base=None, threads=1))]
pub fn load(py: Python<'_>, path: PathBuf, base: Option<PathBuf>, threads: usize) -> PyResult<Model> {
    detached(py, move || {
        if !(1..=MOST_THREADS).contains(&threads) {
            return Err(Error::Config(format!("threads = {threads}: give 1 to {MOST_THREADS}")));
        }
        let net = open(&path, base.as_deref())?;
        let bytes = std::fs::metadata(&path).map_err(Error::io(&path, "read"))?.len() as usize;
        let whole = Mutex::new(Runtime::new(&net, threads)?);
        Ok(Model { path, net, bytes, threads, home: std::process::id(), whole, up_to_features: Mutex::default() })
    })
}

#[pymethods]
impl Model {
    /// Rows, columns and channels of the images that it takes.
    #[getter]
    fn input(&self) -> (usize, usize, usize) {
        let [h, w, c] = self.net.input;
        (h, w, c)
    }

    /// Names of the classes; empty of a model that gives features.
    #[getter]
    fn classes(&self) -> Vec<String> {
        self.net.classes.clone()
    }

    /// Numbers that it gives for an image.
    #[getter]
    fn outputs(&self) -> PyResult<usize> {
        let metas = self.net.infer().map_err(exception)?;
        Ok(metas.last().map_or(0, |last| last.len()))
    }

    /// Threads that share an image's work.
    #[getter]
    fn threads(&self) -> usize {
        self.threads
    }

    /// The numbers that it gives: float32 of shape (N, outputs).
    fn logits<'py>(&self, py: Python<'py>, images: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let images = Images::of(images, self.net.input)?;
        let rows = self.rows(py, &images, |y| y.to_vec())?;
        shaped(py, rows, &images)
    }

    /// Shares of the classes, the softmax of the logits: float32 of shape (N, classes).
    ///
    /// Raises:
    ///     DataError: the model has no classes.
    fn probabilities<'py>(&self, py: Python<'py>, images: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.check_classes("probabilities")?;
        let images = Images::of(images, self.net.input)?;
        let shares = |y: &[f32]| {
            let mut shares = vec![0f32; y.len()];
            by_probability(y).into_iter().for_each(|(class, p)| shares[class] = p);
            shares
        };
        let rows = self.rows(py, &images, shares)?;
        shaped(py, rows, &images)
    }

    /// The likeliest classes, as numbers into `classes`: int64 of shape (N,); of one image an int.
    ///
    /// Raises:
    ///     DataError: the model has no classes.
    fn predict<'py>(&self, py: Python<'py>, images: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.check_classes("predict")?;
        let images = Images::of(images, self.net.input)?;
        let first = |y: &[f32]| vec![(0..y.len()).fold(0, |best, i| if y[i] > y[best] { i } else { best }) as i64];
        let classes = self.rows(py, &images, first)?;
        match images.single {
            true => Ok(classes[0].into_pyobject(py)?.into_any()),
            false => Ok(PyArray1::from_vec(py, classes).into_any()),
        }
    }

    /// What the last layer reads, or what a model without classes gives: float32 of shape (N, features).
    ///
    /// Raises:
    ///     DataError: the last layer reads no row of floats.
    fn features<'py>(&self, py: Python<'py>, images: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let images = Images::of(images, self.net.input)?;
        self.check_threads()?;
        if self.net.classes.is_empty() {
            let rows = self.rows(py, &images, |y| y.to_vec())?;
            return shaped(py, rows, &images);
        }
        let ready = || -> Result<()> {
            let mut made = self.up_to_features.lock().unwrap_or_else(PoisonError::into_inner);
            if made.is_none() {
                *made = Some(Runtime::new(&self.body()?, self.threads)?);
            }
            Ok(())
        };
        detached(py, ready)?;
        let rows = each(py, &images, |piece, bytes, out| {
            let mut runtime = self.up_to_features.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(runtime) = runtime.as_mut() else { return Ok(()) };
            piece.chunks_exact(bytes).try_for_each(|image| put(out, runtime.run(image)?))
        })?;
        shaped(py, rows, &images)
    }

    /// What is in it, as `onebit inspect --json` prints it: a dict of `input`, `classes`, `bytes`, `binary_weights`, `other_numbers`,
    /// multiply-adds and `operations` of one image, `ratio_to_f32`, and `layers`.
    fn summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let summary = guarded(|| Summary::of(&self.net, self.bytes))?;
        object(py, &summary)
    }

    /// A picture from its file, brought to the model's size as training does it: uint8 of shape (rows, columns, channels).
    ///
    /// Raises:
    ///     FileError, DataError: it cannot be read or decoded.
    fn read_image<'py>(&self, py: Python<'py>, path: PathBuf) -> PyResult<Bound<'py, PyAny>> {
        let pixels = detached(py, || {
            let background = Background::of_level(self.net.background)
                .ok_or_else(|| Error::data(&self.path, "the model's background is neither white nor black"))?;
            let rules = PixelRules { background, truncated: Truncated::Stop };
            image_file(&path, self.net.input, &rules, "another program")
        })?;
        Ok(PyArray1::from_vec(py, pixels).reshape(self.net.input)?.into_any())
    }

    fn __repr__(&self) -> String {
        let [h, w, c] = self.net.input;
        let gives = match self.net.classes.len() {
            0 => "features".to_string(),
            n => format!("{n} classes"),
        };
        format!("<onebit.Model {}: images {h}x{w}x{c}, {gives}>", self.path.display())
    }
}

impl Model {
    /// That its threads are here, if it has some beside the caller's.
    fn check_threads(&self) -> PyResult<()> {
        if self.threads == 1 { Ok(()) } else { fork::same_as(self.home).map_err(exception) }
    }

    fn check_classes(&self, what: &str) -> PyResult<()> {
        match self.net.classes.is_empty() {
            false => Ok(()),
            true => Err(exception(Error::data(
                &self.path,
                format!("{what}: this model was trained without labels and has no classes: ask for its features"),
            ))),
        }
    }

    /// What `of` makes of the outputs for each image, one after the other.
    fn rows<T: Send>(
        &self,
        py: Python<'_>,
        images: &Images<'_>,
        of: impl Fn(&[f32]) -> Vec<T> + Sync,
    ) -> PyResult<Vec<T>> {
        self.check_threads()?;
        each(py, images, |piece, bytes, out| {
            // Only here, without the interpreter's lock: whoever holds the model may want that.
            let mut runtime = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
            piece.chunks_exact(bytes).try_for_each(|image| {
                let row = of(runtime.run(image)?);
                room(out, row.len())?;
                out.extend(row);
                Ok(())
            })
        })
    }

    /// The network up to what its last layer with weights reads.
    fn body(&self) -> Result<Net> {
        let metas = self.net.infer()?;
        let layers = self.net.nodes.iter().enumerate().rev();
        let last = layers.map(|(i, node)| (node, node.op.multiply_adds(metas[node.inputs[0]], metas[i + 1])));
        let read = last.filter(|(_, counts)| *counts != [0, 0]).map(|(node, _)| node.inputs[0]).next();
        let fail = |what: String| Err(Error::data(&self.path, what));
        match read {
            Some(v) if v > 0 && metas[v].kind == Kind::Float && metas[v].pixels() == 1 => {
                let nodes = self.net.nodes[..v].to_vec();
                Ok(Net { nodes, classes: Vec::new(), ..self.net.clone() })
            }
            Some(v) => {
                let ([h, w, c], kind) = (metas[v].shape, metas[v].kind);
                fail(format!("its last layer reads {kind:?} of {h}x{w}x{c}, and no row of floats: it has no features"))
            }
            None => fail("none of its layers has weights: it has no features".into()),
        }
    }
}

/// Runs on all images, some at a time, without the interpreter's lock; Ctrl-C is seen between them.
fn each<T: Send>(
    py: Python<'_>,
    images: &Images<'_>,
    run: impl Fn(&[u8], usize, &mut Vec<T>) -> Result<()> + Sync,
) -> PyResult<Vec<T>> {
    let mut out = Vec::new();
    let bytes = images.bytes();
    for piece in images.pieces() {
        let out = &mut out;
        detached(py, || run(&piece, bytes, out))?;
        py.check_signals()?;
    }
    Ok(out)
}

fn put<T: Copy>(out: &mut Vec<T>, row: &[T]) -> Result<()> {
    room(out, row.len())?;
    out.extend_from_slice(row);
    Ok(())
}

/// Makes room for more, where there is some.
fn room<T>(out: &mut Vec<T>, more: usize) -> Result<()> {
    if out.capacity() - out.len() >= more {
        return Ok(());
    }
    let bytes = (2 * (out.len() + more)).saturating_mul(size_of::<T>());
    memory::check(bytes as u64)
        .map_err(|e| Error::Limit(format!("the results take {e}: give fewer images at a time")))?;
    let reserved = out.try_reserve((out.len()).max(more));
    reserved.map_err(|e| Error::Limit(format!("the results of all images have no room: {e}; give fewer at a time")))
}

/// Rows as an array: of one image without the first axis.
fn shaped<'py>(py: Python<'py>, rows: Vec<f32>, images: &Images<'_>) -> PyResult<Bound<'py, PyAny>> {
    let width = rows.len() / images.n;
    let flat = PyArray1::from_vec(py, rows);
    Ok(match images.single {
        true => flat.into_any(),
        false => flat.reshape([images.n, width])?.into_any(),
    })
}
