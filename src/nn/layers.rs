//! Real-valued layers: each appends its nodes and owns its parameters, named as PyTorch names them.

use super::builder::{Builder, Mode, Scaled};
use super::spec::{Activation, InitKind};
use crate::error::Result;
use crate::graph::{Init, Meta, Role, Value};
use crate::ops::norm::{BatchNormLeaves, BatchNormMode};
use crate::tensor::DType;

impl Builder<'_> {
    /// How the weights `[o, k, k, c]` of a convolution start.
    pub(super) fn conv_init(&self, o: usize, k: usize, c: usize) -> Init {
        match self.spec.init {
            InitKind::Usual | InitKind::Kaiming => Init::kaiming_normal(k * k * c),
            InitKind::Framework => Init::fan_in_uniform(k * k * c),
            InitKind::FanOut => Init::kaiming_normal(k * k * o),
            InitKind::Positive => Init::Positive(1e-3),
        }
    }

    /// Float convolution without bias: weight `[o, k, k, c]`, padding k / 2.
    pub fn conv(&mut self, name: &str, x: Value, o: usize, k: usize, stride: usize) -> Result<Scaled> {
        let c = self.channels(x);
        let init = self.conv_init(o, k, c);
        self.scoped(name, |b| {
            let w = b.backbone("weight", &[o, k, k, c], init, Role::Weight)?;
            let y = b.g.conv2d(x, w, stride, k / 2, 1)?;
            b.count.real_weights += (o * k * k * c) as u64;
            b.count.real_macs += (b.pixels(y) * o * k * k * c) as u64;
            Ok(Scaled { y, scale: None })
        })
    }

    /// Pixels of one image of an activation.
    pub(super) fn pixels(&self, x: Value) -> usize {
        let shape = self.g.shape(x);
        shape.elements() / shape[0] / shape.columns()
    }

    /// A 3x3 or 1x1 inner convolution: binary if the network is.
    pub fn inner_conv(&mut self, name: &str, x: Value, o: usize, k: usize, stride: usize) -> Result<Scaled> {
        match self.spec.binary {
            true => self.binary_conv(name, x, o, k, stride, Role::BinaryWeight),
            false => self.conv(name, x, o, k, stride),
        }
    }

    /// 2x2 max pooling of a convolution's output. The integers of a binary one become floats here.
    pub fn pooled(&mut self, x: Scaled) -> Result<Scaled> {
        let y = match x.scale {
            Some(s) => self.g.mul(x.y, s)?,
            None if self.g.dtype(x.y) == DType::F32 => x.y,
            None => self.g.scale(x.y, 1.0)?,
        };
        Ok(Scaled { y: self.g.max_pool2d(y, 2, 2, 0)?, scale: None })
    }

    /// Batch normalisation over all but the last axis (PyTorch's momentum 0.1 and eps 1e-5).
    pub fn batch_norm(&mut self, name: &str, x: Scaled) -> Result<Value> {
        self.batch_norm_from(name, x, self.spec.bn_gain.unwrap_or(1.0))
    }

    fn batch_norm_from(&mut self, name: &str, x: Scaled, gain: f32) -> Result<Value> {
        let c = self.channels(x.y);
        let (mode, gate) = (self.mode, self.gate);
        self.scoped(name, |b| {
            let stat = Meta::new([c], DType::F32);
            let leaves = BatchNormLeaves {
                gamma: b.backbone("weight", &[c], Init::Constant(gain), Role::Norm)?,
                beta: b.backbone("bias", &[c], Init::Zeros, Role::Norm)?,
                running_mean: b.g.state("running_mean", stat.clone(), Init::Zeros)?,
                running_var: b.g.state("running_var", stat, Init::Constant(1.0))?,
            };
            b.count.norm += 2 * c as u64;
            let mode = match mode {
                Mode::Train => BatchNormMode::Train { momentum: 0.1, gate },
                Mode::Batch | Mode::FixedBatch => BatchNormMode::Batch,
                Mode::Eval | Mode::Fixed | Mode::Packed => BatchNormMode::Eval,
                Mode::Frozen => BatchNormMode::Frozen,
                Mode::Settle => BatchNormMode::Settle { momentum: 0.1, gate },
            };
            b.g.batch_norm(x.y, x.scale, &leaves, mode, 1e-5)
        })
    }

    /// The network's nonlinearity.
    pub fn activate(&mut self, name: &str, x: Value) -> Result<Value> {
        self.activate_by(self.spec.activation(), name, x)
    }

    /// A nonlinearity.
    pub(super) fn activate_by(&mut self, activation: Activation, name: &str, x: Value) -> Result<Value> {
        let c = self.channels(x);
        match activation {
            Activation::None => Ok(x),
            Activation::Relu => self.g.relu(x),
            Activation::Hardtanh => self.g.hardtanh(x),
            Activation::Prelu => self.scoped(name, |b| {
                let slope = b.backbone("weight", &[c], Init::Constant(0.25), Role::Other)?;
                b.count.slopes += c as u64;
                b.g.prelu(x, slope)
            }),
            Activation::Rprelu => self.scoped(name, |b| {
                let shift_in = b.param("shift_in", [c], Init::Zeros, Role::Other)?;
                let slope = b.param("weight", [c], Init::Constant(0.25), Role::Other)?;
                let shift_out = b.param("shift_out", [c], Init::Zeros, Role::Other)?;
                b.count.slopes += 3 * c as u64;
                b.g.rprelu(x, shift_in, slope, shift_out)
            }),
        }
    }

    /// Pooled features `[n, d]` to logits `[n, classes]`: normalised first, or through a layer of their own, if the network says so, then
    /// a linear layer, unless there are no classes.
    pub fn head(&mut self, x: Value, classes: usize) -> Result<Value> {
        let x = match self.spec.head_norm {
            true => self.batch_norm_from("bn_head", Scaled { y: x, scale: None }, 1.0)?,
            false => x,
        };
        let x = match self.spec.feature_layer {
            true => {
                let x = self.linear("features", x, self.channels(x))?;
                self.g.relu(x)?
            }
            false => x,
        };
        self.features = Some(x);
        if classes == 0 { Ok(x) } else { self.linear("fc", x, classes) }
    }

    /// Float linear layer `[n, in] -> [n, out]` with bias.
    pub fn linear(&mut self, name: &str, x: Value, out: usize) -> Result<Value> {
        let k = self.channels(x);
        let usual = Init::fan_in_uniform(k);
        let (weight, bias) = match self.spec.init {
            InitKind::Usual | InitKind::Framework => (usual, usual),
            InitKind::Kaiming => (Init::kaiming_normal(k), usual),
            InitKind::FanOut => (Init::Normal(0.01), Init::Zeros),
            InitKind::Positive => (usual, usual),
        };
        self.scoped(name, |b| {
            let w = b.param("weight", [out, k], weight, Role::Weight)?;
            let bias = b.param("bias", [out], bias, Role::Other)?;
            b.count.real_weights += (out * k + out) as u64;
            b.count.real_macs += (out * k) as u64;
            b.g.linear(x, w, Some(bias))
        })
    }
}
