//! Stands in for networks and optimisers until their branches are merged.
#![allow(missing_docs)]
use crate::error::Result;
use crate::graph::{Graph, Init, Role, Value};
use crate::tensor::HostTensor;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetKind {
    Convnet,
    Resnet20,
    Resnet18,
}
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetSpec {
    pub kind: NetKind,
    #[serde(default)]
    pub binary: bool,
    #[serde(default)]
    pub widths: Vec<usize>,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Train,
    Eval,
}
impl NetSpec {
    pub fn build(&self, g: &mut Graph, x: Value, classes: usize, _mode: Mode, _gate: Option<Value>) -> Result<Value> {
        let n = g.shape(x)[0];
        let k = g.shape(x).elements() / n;
        let x = g.reshape(x, [n, 1, k])?;
        let w = g.param("fc.weight", [classes, k], Init::Uniform(0.01), Role::Weight)?;
        let w = g.reshape(w, [1, classes, k])?;
        let y = g.mul(x, w)?;
        let y = g.sum(y, &[2])?;
        let y = g.reshape(y, [n, classes])?;
        let b = g.param("fc.bias", [classes], Init::Zeros, Role::Other)?;
        g.add(y, b)
    }
}
pub fn cross_entropy(g: &mut Graph, logits: Value, labels: Value, _smoothing: f32) -> Result<Value> {
    let (n, c) = (g.shape(logits)[0], g.shape(logits)[1]);
    let iota = g.constant(HostTensor::from_f32([1, c], (0..c).map(|i| i as f32).collect()));
    let one = g.fill([1, 1], 1.0);
    let labels = g.reshape(labels, [n, 1])?;
    let hot = g.equal_then(iota, labels, one)?;
    let d = g.sub(logits, hot)?;
    let d = g.mul(d, d)?;
    g.mean_all(d)
}
