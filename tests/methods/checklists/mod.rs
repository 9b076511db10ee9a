//! The checklists of the specifications of the methods, line by line: a test is named after the number of its line.
//! What needs a device runs on the CPU and on every adapter.

mod baselines;
mod binary_layers;
mod burn;
mod mbn;
pub mod method;
mod moco;
mod rbcn;
mod real_to_binary;
mod released;
mod siman;
mod smn;
mod swav;
mod vit;

pub use crate::devices::devices;

use onebit::device::{Device, Store};
use onebit::graph::{Graph, Init, Meta, Role, Value};
use onebit::nn::{Binarization, Mode, NetKind, NetSpec, Network};
use onebit::rng::Philox;
use onebit::tensor::{HostTensor, Shape};
use std::collections::HashMap;

/// Runs a graph once; its outputs by name.
pub fn run(device: &Device, g: &Graph, leaves: &[(&str, HostTensor)], scalars: &[f32]) -> HashMap<String, HostTensor> {
    let mut store = Store::new(device.clone());
    let mut exe = store.load(g.clone()).unwrap();
    for (name, t) in leaves {
        store.write(name, t).unwrap();
    }
    exe.run(scalars).unwrap();
    g.outputs().iter().map(|(name, _)| (name.clone(), exe.read(name).unwrap())).collect()
}

/// Normal random numbers.
pub fn normal(shape: impl Into<Shape>, seed: u64) -> HostTensor {
    let shape = shape.into();
    let p = Philox::new(seed, 0);
    let values = (0..shape.elements()).map(|i| p.normal(0, i as u64)).collect();
    HostTensor::from_f32(shape, values)
}

/// +1 and -1, or 0 where `zero`, of bits.
pub fn values(bits: &HostTensor, zero: bool) -> Vec<f64> {
    bits.to_f64().into_iter().map(|b| if zero { b } else { 2.0 * b - 1.0 }).collect()
}

/// `Σ x c` with fixed random numbers c: a loss that gives every element another gradient. With c.
pub fn weighted_sum(g: &mut Graph, x: Value, seed: u64) -> (Value, HostTensor) {
    let c = normal(g.shape(x).clone(), seed);
    let factor = g.constant(c.clone());
    let product = g.mul(x, factor).unwrap();
    let axes: Vec<usize> = (0..g.shape(x).len()).collect();
    let sum = g.sum(product, &axes).unwrap();
    (g.reshape(sum, []).unwrap(), c)
}

/// A network whose one binary layer, `conv1`, has latent weights `[o, 3, 3, c]`; images `x` are `[2, 5, 5, 1]`.
pub fn one_layer(g: &mut Graph, binarization: Binarization, [o, c]: [usize; 2], mode: Mode) -> Network {
    let spec = NetSpec { widths: vec![c, o, o, o, o], binarization, ..NetSpec::new(NetKind::Convnet, true) };
    let x = g.input("x", Meta::f32([2, 5, 5, 1])).unwrap();
    spec.network(g, x, 3, mode, None).unwrap()
}

/// Bits `[o, 3, 3, c]` and scale `[o]` that a rule makes of the latent weights of `conv1`.
pub fn bits_of(
    device: &Device,
    binarization: &Binarization,
    w: &HostTensor,
    scalars: &[f32],
) -> (HostTensor, Option<HostTensor>) {
    let g = &mut Graph::new();
    let net = one_layer(g, binarization.clone(), [w.shape()[0], w.shape()[3]], Mode::Batch);
    let layer = &net.binary[0];
    assert_eq!(layer.name, "conv1");
    g.output("bits", layer.bits.unwrap());
    if let Some(scale) = layer.scale {
        g.output("scale", scale);
    }
    let mut made = run(device, g, &[("conv1.weight", w.clone())], scalars);
    (made.remove("bits").unwrap(), made.remove("scale"))
}

/// A leaf that is trained.
pub fn param(g: &mut Graph, name: &str, shape: impl Into<Shape>) -> Value {
    g.param(name, shape, Init::Zeros, Role::Weight).unwrap()
}

/// How far two lists of numbers are apart, as a share of the second's norm.
pub fn distance(a: impl IntoIterator<Item = f64>, b: &[f64]) -> f64 {
    let a: Vec<f64> = a.into_iter().collect();
    assert_eq!(a.len(), b.len());
    let difference: f64 = a.into_iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
    (difference / b.iter().map(|b| b * b).sum::<f64>().max(f64::MIN_POSITIVE)).sqrt()
}
