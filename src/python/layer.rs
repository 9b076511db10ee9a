//! A binary convolution alone, forward and backward, by the textbook reference in f64: what a layer of a network in training is,
//! built by the same builder.

use super::error::{bad_array, detached};
use super::fork;
use crate::error::{Error, Result};
use crate::graph::{Graph, Meta, Role, Value};
use crate::methods::{Progress, parts};
use crate::nn::{Builder, Filters, Mode};
use crate::recipe::{DEFAULT, Recipe};
use crate::tensor::{RefTensor, Windows};
use crate::verify::run_reference;
use numpy::{PyArray1, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::BTreeMap;

/// Numbers of a layer's windows at most.
const MOST: usize = 64;
/// Multiply-adds of a layer at most: some minutes of plain loops.
const MOST_WORK: u128 = 1 << 33;

/// The layer's name in its graph.
const NAME: &str = "layer";

/// What is computed.
struct Asked {
    /// `[n, h, w, c]`, `[o, k, k, c / groups]`, and the gradient of the outputs, if it is given.
    x: RefTensor,
    w: RefTensor,
    dy: Option<RefTensor>,
    /// Other parameters by name.
    others: BTreeMap<String, RefTensor>,
    windows: Windows,
    settings: Vec<String>,
    epochs: (u64, u64),
}

/// What is found: outputs, and gradients by parameter.
struct Found {
    y: RefTensor,
    gradients: Vec<(String, RefTensor)>,
}

/// Outputs and gradients of a binary convolution; all arrays float64, images (N, H, W, C), weights (O, K, K, C / groups).
#[pyfunction]
#[pyo3(signature = (x, weight, grad, others, stride, padding, dilation, groups, settings, epoch, epochs))]
pub fn binary_conv2d<'py>(
    py: Python<'py>,
    x: PyReadonlyArrayDyn<'py, f64>,
    weight: PyReadonlyArrayDyn<'py, f64>,
    grad: Option<PyReadonlyArrayDyn<'py, f64>>,
    others: BTreeMap<String, PyReadonlyArrayDyn<'py, f64>>,
    stride: usize,
    padding: usize,
    dilation: usize,
    groups: usize,
    settings: Vec<String>,
    epoch: u64,
    epochs: u64,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyDict>)> {
    let others = others.iter().map(|(name, a)| Ok((name.clone(), tensor(name, a)?))).collect::<PyResult<_>>()?;
    let asked = Asked {
        x: tensor("x", &x)?,
        w: tensor("weight", &weight)?,
        dy: grad.as_ref().map(|dy| tensor("grad", dy)).transpose()?,
        others,
        windows: Windows { stride, padding, dilation, groups },
        settings,
        epochs: (epoch, epochs),
    };
    drop((x, weight, grad));
    let found = detached(py, || fork::check().and_then(|()| asked.find()))?;
    let gradients = PyDict::new(py);
    for (name, gradient) in found.gradients {
        gradients.set_item(name, array(py, gradient)?)?;
    }
    Ok((array(py, found.y)?, gradients))
}

fn tensor(name: &str, a: &PyReadonlyArrayDyn<'_, f64>) -> PyResult<RefTensor> {
    let data: Vec<f64> = a.as_array().iter().copied().collect();
    if let Some(i) = data.iter().position(|v| !v.is_finite()) {
        return Err(bad_array(format!("{name} of shape {:?}: element {i} is {}", a.shape(), data[i])));
    }
    Ok(RefTensor::f32(a.shape(), data))
}

fn array(py: Python<'_>, t: RefTensor) -> PyResult<Bound<'_, PyAny>> {
    let shape = t.shape.to_vec();
    Ok(PyArray1::from_vec(py, t.data).reshape(shape)?.into_any())
}

impl Asked {
    /// That no size is beyond what can be computed.
    fn check(&self) -> Result<()> {
        let fail = |m: String| Err(Error::shape("binary_conv2d", m));
        let Windows { stride, padding, dilation, groups } = self.windows;
        let named = [("stride", stride, 1), ("padding", padding, 0), ("dilation", dilation, 1), ("groups", groups, 1)];
        for (name, value, least) in named {
            let most = if name == "groups" { usize::MAX } else { MOST };
            if value < least || value > most {
                return fail(format!("{name} = {value}: give a number from {least} on, at most {most}"));
            }
        }
        let (x, w) = (&self.x.shape[..], &self.w.shape[..]);
        let ([n, h, width, c], [o, k, k2, per_group]) = (x, w) else {
            return fail(format!("x is {x:?} and weight is {w:?}: both have four axes"));
        };
        if [x, w].concat().contains(&0) {
            return fail(format!("x of {x:?} and weight of {w:?}: one of them is empty"));
        }
        if k != k2 || c % groups != 0 || c / groups != *per_group || o % groups != 0 {
            return fail(format!(
                "x has {c} channels in {groups} groups, and weight is {w:?}: weights are (out, k, k, {}), square, and out divides \
                 into the groups",
                c / groups
            ));
        }
        let reach = (k - 1) * dilation + 1;
        if reach > h + 2 * padding || reach > width + 2 * padding {
            return fail(format!("windows of {reach} pixels on images of {h}x{width} with padding {padding}"));
        }
        let outputs = [h, width].map(|side| ((side + 2 * padding - reach) / stride + 1) as u128);
        let work =
            outputs.iter().product::<u128>() * [*n, *o, k * k, *per_group].map(|d| d as u128).iter().product::<u128>();
        if work > MOST_WORK {
            return Err(Error::Limit(format!(
                "binary_conv2d: {work} multiply-adds in plain loops, at most {MOST_WORK}: give fewer images or channels"
            )));
        }
        if self.epochs.1 == 0 || self.epochs.0 > self.epochs.1 {
            let (epoch, epochs) = self.epochs;
            return Err(Error::Config(format!(
                "epoch = {epoch} of epochs = {epochs}: give one from 0 to epochs, at least 1"
            )));
        }
        Ok(())
    }

    fn find(&self) -> Result<Found> {
        self.check()?;
        let settings: Vec<String> = self.settings.iter().map(|s| format!("net.binarization.{s}")).collect();
        let recipe = Recipe { epochs: self.epochs.1, ..Recipe::find(DEFAULT)?.1.with(&settings)? };
        let mut g = Graph::new();
        let x = g.input("x", Meta::f32(self.x.shape.clone()))?;
        let filters = Filters { width: self.w.shape[0], kernel: self.w.shape[1], windows: self.windows, bias: false };
        let mut b = Builder::new(&mut g, &recipe.net, Mode::Train, None)?;
        let made = b.binary_conv_by(NAME, x, filters, Role::BinaryWeight)?;
        let mut y = g.to_f32(made.y)?;
        if let Some(scale) = made.scale {
            y = g.mul(y, scale)?;
        }
        let params: Vec<Value> = g.params().into_iter().collect();
        let leaves = self.leaves(&g, &params, y)?;
        let gradients = match &self.dy {
            None => Vec::new(),
            Some(_) => {
                let dy = g.input("grad", Meta::f32(g.shape(y).clone()))?;
                let product = g.mul(y, dy)?;
                let axes: Vec<usize> = (0..g.shape(product).len()).collect();
                let loss = g.sum(product, &axes)?;
                let loss = g.reshape(loss, [])?;
                let wrt: Vec<Value> = std::iter::once(x).chain(params.iter().copied()).collect();
                let found = g.backward(loss, &wrt)?;
                wrt.into_iter().zip(found).collect()
            }
        };
        let progress = Progress::new(self.epochs.0, 1, self.epochs.1);
        let scalar = |name: &String| {
            let value = parts::scalar(&recipe, progress, name);
            value.map(f64::from).ok_or_else(|| Error::Config(format!("binary_conv2d: nothing says what {name} is")))
        };
        let scalars = g.scalars().iter().map(scalar).collect::<Result<Vec<f64>>>()?;
        let values = run_reference(&g, &leaves, &scalars);
        let of = |v: Value| values[v.index()].clone();
        let named = |(v, gradient): (Value, Value)| (short(g.name(v)).to_string(), of(gradient));
        Ok(Found { y: of(y), gradients: gradients.into_iter().map(named).collect() })
    }

    /// The content of the graph's leaves by name.
    fn leaves(&self, g: &Graph, params: &[Value], y: Value) -> Result<BTreeMap<String, RefTensor>> {
        let mut leaves = BTreeMap::from([("x".to_string(), self.x.clone())]);
        if let Some(dy) = &self.dy {
            if dy.shape != *g.shape(y) {
                return Err(Error::shape(
                    "binary_conv2d",
                    format!("grad is {}, and the outputs are {}", dy.shape, g.shape(y)),
                ));
            }
            leaves.insert("grad".into(), dy.clone());
        }
        let mut others = self.others.clone();
        for &v in params {
            let name = g.name(v);
            let given = match short(name) {
                "weight" => self.w.clone(),
                other => others.remove(other).ok_or_else(|| {
                    Error::Config(format!(
                        "binary_conv2d: this layer has a parameter {other} of shape {}: give it",
                        g.shape(v)
                    ))
                })?,
            };
            if given.shape != *g.shape(v) {
                let (other, shape) = (short(name), g.shape(v));
                return Err(Error::shape(
                    "binary_conv2d",
                    format!("{other} is {}, and {shape} is wanted", given.shape),
                ));
            }
            leaves.insert(name.to_string(), given);
        }
        for &v in &g.states() {
            leaves.insert(g.name(v).to_string(), RefTensor::from(&g.initial(v, 0)));
        }
        match others.keys().next() {
            Some(name) => Err(Error::Config(format!("binary_conv2d: this layer has no parameter {name}"))),
            None => Ok(leaves),
        }
    }
}

/// A parameter's name within the layer.
fn short(name: &str) -> &str {
    name.strip_prefix(NAME).map_or(name, |rest| rest.trim_start_matches('.'))
}
