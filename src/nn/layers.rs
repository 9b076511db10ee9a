//! Real-valued layers: each appends its nodes and owns its parameters, named as PyTorch names them.

use super::builder::{Builder, Mode, Scaled};
use super::spec::{Activation, InitKind};
use crate::error::Result;
use crate::graph::{Init, Meta, Role, Value};
use crate::ops::norm::{BatchNormLeaves, BatchNormMode};
use crate::tensor::{DType, HostTensor, Windows};

/// The filters of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filters {
    /// How many.
    pub width: usize,
    /// Rows and columns of taps.
    pub kernel: usize,
    /// Where they look.
    pub windows: Windows,
    /// Whether each adds a number of its own.
    pub bias: bool,
}

impl Filters {
    /// Over all channels, padded by half of the kernel.
    pub fn new(width: usize, kernel: usize, stride: usize) -> Filters {
        Filters { width, kernel, windows: Windows::new(stride, kernel / 2), bias: false }
    }
}

impl Builder<'_> {
    /// How the weights `[o, k, k, c]` of a convolution start.
    pub(super) fn conv_init(&self, o: usize, k: usize, c: usize) -> Init {
        match self.spec.init {
            InitKind::Usual | InitKind::Kaiming => Init::kaiming_normal(k * k * c),
            // Positive are the weights of binary convolutions alone.
            InitKind::Framework | InitKind::Positive => Init::fan_in_uniform(k * k * c),
            InitKind::FanOut => Init::kaiming_normal(k * k * o),
            InitKind::Transformer => Init::Normal(0.02),
        }
    }

    /// How the biases of a layer of so many inputs start.
    fn bias_init(&self, inputs: usize) -> Init {
        if self.spec.init == InitKind::Transformer { Init::Zeros } else { Init::fan_in_uniform(inputs) }
    }

    /// Float convolution without bias: weight `[o, k, k, c]`, padding k / 2.
    pub fn conv(&mut self, name: &str, x: Value, o: usize, k: usize, stride: usize) -> Result<Scaled> {
        self.conv_by(name, x, Filters::new(o, k, stride))
    }

    /// Float convolution: weight `[o, k, k, c / groups]`.
    pub fn conv_by(&mut self, name: &str, x: Value, filters: Filters) -> Result<Scaled> {
        let Filters { width: o, kernel: k, windows, bias } = filters;
        let c = self.channels(x) / windows.groups;
        let init = self.conv_init(o, k, c);
        let weights = o * k * k * c;
        let (role, of_bias) = self.adapted_roles(k == 1 && bias);
        self.scoped(name, |b| {
            let w = b.backbone("weight", &[o, k, k, c], init, role)?;
            let y = b.g.conv2d_by(x, w, windows)?;
            b.count.real_weights += weights as u64;
            b.count.real_macs += (b.pixels(y) * weights) as u64;
            let y = match bias {
                true => {
                    let bias = b.backbone("bias", &[o], b.bias_init(k * k * c), of_bias)?;
                    b.count.real_weights += o as u64;
                    b.g.add(y, bias)?
                }
                false => y,
            };
            Ok(Scaled { y, scale: None })
        })
    }

    /// Depthwise convolution with binomial weights, which are no parameters (Zhang 2019).
    pub(super) fn blur_pool(&mut self, x: Value, kernel: usize, stride: usize) -> Result<Value> {
        if !(1..=15).contains(&kernel) {
            return Err(crate::error::Error::Config(format!("kernel = {kernel}: give one from 1 to 15")));
        }
        let c = self.channels(x);
        // A row of Pascal's triangle.
        let row = (1..kernel).fold(vec![1u32], |row, _| {
            let next = |i: usize| row.get(i).unwrap_or(&0) + i.checked_sub(1).map_or(0, |i| row[i]);
            (0..=row.len()).map(next).collect()
        });
        let total = f32::from(1u16 << (kernel - 1)).powi(2);
        let filter: Vec<f32> = row.iter().flat_map(|a| row.iter().map(move |b| (a * b) as f32 / total)).collect();
        let w = self.g.constant(HostTensor::from_f32([c, kernel, kernel, 1], filter.repeat(c)));
        let windows = Windows { groups: c, ..Windows::new(stride, kernel / 2) };
        let y = self.g.conv2d_by(x, w, windows)?;
        self.count.real_macs += (self.pixels(y) * c * kernel * kernel) as u64;
        Ok(y)
    }

    /// Every `stride`-th pixel.
    pub(super) fn every_nth_pixel(&mut self, x: Value, stride: usize) -> Result<Value> {
        match (stride, &self.g.shape(x)[..]) {
            (1, _) => Ok(x),
            (_, &[n, h, w, c]) => self.g.slice_axes(x, &[(0..n, 1), (0..h, stride), (0..w, stride), (0..c, 1)]),
            _ => unreachable!("activations are NHWC"),
        }
    }

    /// Pixels of one image of an activation.
    pub(super) fn pixels(&self, x: Value) -> usize {
        let shape = self.g.shape(x);
        shape.elements() / shape[0] / shape.columns()
    }

    /// A 3x3 or 1x1 inner convolution: binary if the network is.
    pub fn inner_conv(&mut self, name: &str, x: Value, o: usize, k: usize, stride: usize) -> Result<Scaled> {
        self.inner_conv_by(name, x, Filters::new(o, k, stride), Role::BinaryWeight)
    }

    /// As [`Builder::inner_conv`], of any filters; the role is that of binary weights.
    pub fn inner_conv_by(&mut self, name: &str, x: Value, filters: Filters, role: Role) -> Result<Scaled> {
        match self.spec.is_binary() {
            true => self.binary_conv_by(name, x, filters, role),
            false => self.conv_by(name, x, filters),
        }
    }

    /// What a convolution made with its factor applied. The integers of a binary one become floats here.
    pub fn unscaled(&mut self, x: Scaled) -> Result<Value> {
        match x.scale {
            Some(s) => self.g.mul(x.y, s),
            None if self.g.dtype(x.y) == DType::F32 => Ok(x.y),
            None => self.g.scale(x.y, 1.0),
        }
    }

    /// 2x2 max pooling of a convolution's output.
    pub fn pooled(&mut self, x: Scaled) -> Result<Scaled> {
        let y = self.unscaled(x)?;
        Ok(Scaled { y: self.g.max_pool2d(y, 2, 2, 0)?, scale: None })
    }

    /// Batch normalisation over all but the last axis (PyTorch's momentum 0.1 and eps 1e-5).
    pub fn batch_norm(&mut self, name: &str, x: Scaled) -> Result<Value> {
        self.batch_norm_from(name, x, self.spec.bn_gain.unwrap_or(1.0))
    }

    pub(super) fn batch_norm_from(&mut self, name: &str, x: Scaled, gain: f32) -> Result<Value> {
        let c = self.channels(x.y);
        self.scoped(name, |b| {
            let gamma = b.backbone("weight", &[c], Init::Constant(gain), Role::Norm)?;
            let beta = b.backbone("bias", &[c], Init::Zeros, Role::Norm)?;
            b.count.norm += 2 * c as u64;
            b.normalised(x, gamma, beta)
        })
    }

    /// Batch normalisation without factors and offsets.
    pub(super) fn standardised(&mut self, name: &str, x: Scaled) -> Result<Value> {
        let c = self.channels(x.y);
        self.scoped(name, |b| {
            let (gamma, beta) = (b.g.fill([c], 1.0), b.g.fill([c], 0.0));
            b.normalised(x, gamma, beta)
        })
    }

    /// By running statistics of the scope at hand, or those of the batch.
    fn normalised(&mut self, x: Scaled, gamma: Value, beta: Value) -> Result<Value> {
        let stat = Meta::new([self.channels(x.y)], DType::F32);
        let leaves = BatchNormLeaves {
            gamma,
            beta,
            running_mean: self.g.state("running_mean", stat.clone(), Init::Zeros)?,
            running_var: self.g.state("running_var", stat, Init::Constant(1.0))?,
        };
        let gate = self.gate;
        let mode = match self.mode {
            Mode::Train => BatchNormMode::Train { momentum: 0.1, gate },
            Mode::Batch | Mode::FixedBatch => BatchNormMode::Batch,
            Mode::Eval | Mode::Fixed | Mode::Packed => BatchNormMode::Eval,
            Mode::Frozen => BatchNormMode::Frozen,
            Mode::Settle => BatchNormMode::Settle { momentum: 0.1, gate },
        };
        self.g.batch_norm(x.y, x.scale, &leaves, mode, 1e-5)
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
            Activation::Gelu => self.g.gelu(x),
            Activation::QuickGelu => self.g.quick_gelu(x),
            Activation::Prelu => self.scoped(name, |b| {
                let slope = b.backbone("weight", &[c], Init::Constant(0.25), Role::Other)?;
                b.count.slopes += c as u64;
                b.g.prelu(x, slope)
            }),
            // With f = max(x, 0): positive f + negative (x - f).
            Activation::Maxout => self.scoped(name, |b| {
                let positive = b.param("positive", [c], Init::Constant(1.0), Role::Other)?;
                let negative = b.param("negative", [c], Init::Constant(0.25), Role::Other)?;
                b.count.slopes += 2 * c as u64;
                let over = b.g.relu(x)?;
                let under = b.g.sub(x, over)?;
                let over = b.g.mul(over, positive)?;
                let under = b.g.mul(under, negative)?;
                b.g.add(over, under)
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
        self.linear_by(name, x, out, true)
    }

    pub(super) fn linear_by(&mut self, name: &str, x: Value, out: usize, has_bias: bool) -> Result<Value> {
        let k = self.channels(x);
        let usual = Init::fan_in_uniform(k);
        let (weight, bias) = match self.spec.init {
            InitKind::Usual | InitKind::Framework => (usual, usual),
            InitKind::Kaiming => (Init::kaiming_normal(k), usual),
            InitKind::FanOut => (Init::Normal(0.01), Init::Zeros),
            InitKind::Transformer => (Init::Normal(0.02), Init::Zeros),
            InitKind::Positive => (usual, usual),
        };
        self.scoped(name, |b| {
            let w = b.param("weight", [out, k], weight, Role::Weight)?;
            let bias = if has_bias { Some(b.param("bias", [out], bias, Role::Other)?) } else { None };
            b.count.real_weights += (out * k + bias.map_or(0, |_| out)) as u64;
            b.count.real_macs += (out * k) as u64;
            b.g.linear(x, w, bias)
        })
    }
}
