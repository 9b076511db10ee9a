//! Layers: each appends its nodes and owns its parameters, named as PyTorch names them.

use super::spec::{Activation, NetSpec, Scale, SteKind};
use crate::error::Result;
use crate::graph::{Graph, Init, Meta, Role, Value};
use crate::ops::norm::{BatchNormLeaves, BatchNormMode};
use crate::ops::pointwise::Ste;
use crate::tensor::DType;
use crate::tensor::bits::WeightCode;

/// What a network is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics; running statistics are updated.
    Train,
    /// Running statistics.
    Eval,
    /// Running statistics, but gradients flow: frozen batch normalisation.
    Frozen,
}

/// A network under construction.
pub struct Built<'a> {
    /// The graph that it is appended to.
    pub g: &'a mut Graph,
    /// Its description.
    pub spec: &'a NetSpec,
    mode: Mode,
    gate: Option<Value>,
    ede: Option<(Value, Value)>,
}

/// What a convolution made: its output and the positive per-channel factor that is still to be
/// applied to it, which batch normalisation absorbs.
pub struct Scaled {
    /// The output: f32, or integers.
    pub y: Value,
    /// `[O]`.
    pub scale: Option<Value>,
}

impl<'a> Built<'a> {
    pub(super) fn new(g: &'a mut Graph, spec: &'a NetSpec, mode: Mode, gate: Option<Value>) -> Result<Self> {
        let b = &spec.binarization;
        let wants_ede = spec.binary && (b.activation_ste == SteKind::Ede || b.weight_ste == SteKind::Ede);
        let ede = if wants_ede { Some((g.scalar("ede.t")?, g.scalar("ede.k")?)) } else { None };
        Ok(Built { g, spec, mode, gate, ede })
    }

    /// Builds a part under a name.
    pub fn scoped<T>(&mut self, name: impl Into<String>, f: impl FnOnce(&mut Built<'_>) -> T) -> T {
        let (spec, mode, gate, ede) = (self.spec, self.mode, self.gate, self.ede);
        self.g.scoped(name, |g| f(&mut Built { g, spec, mode, gate, ede }))
    }

    /// Channels of an activation.
    pub fn channels(&self, x: Value) -> usize {
        self.g.shape(x).columns()
    }

    fn ste(&self, kind: SteKind) -> Ste {
        match kind {
            SteKind::Clipped => Ste::ClippedIdentity,
            SteKind::ApproxSign => Ste::ApproxSign,
            SteKind::Identity => Ste::Identity,
            SteKind::Ede => {
                let (t, k) = self.ede.expect("made when the network has EDE signs");
                Ste::Ede { t, k }
            }
        }
    }

    /// Float convolution without bias: weight `[o, k, k, c]`, padding k / 2.
    pub fn conv(&mut self, name: &str, x: Value, o: usize, k: usize, stride: usize) -> Result<Scaled> {
        let c = self.channels(x);
        self.scoped(name, |b| {
            let init = Init::kaiming_normal(k * k * c);
            let w = b.g.param("weight", [o, k, k, c], init, Role::Weight)?;
            Ok(Scaled { y: b.g.conv2d(x, w, stride, k / 2, 1)?, scale: None })
        })
    }

    /// Binary convolution: sign of the activations, sign of the weights, integers out.
    pub fn binary_conv(&mut self, name: &str, x: Value, o: usize, k: usize, stride: usize) -> Result<Scaled> {
        let c = self.channels(x);
        let recipe = self.spec.binarization.clone();
        let (act, weight) = (self.ste(recipe.activation_ste), self.ste(recipe.weight_ste));
        self.scoped(name, |b| {
            let x = match recipe.rsign {
                true => {
                    let threshold = b.g.param("threshold", [c], Init::Zeros, Role::Other)?;
                    b.g.sub(x, threshold)?
                }
                false => x,
            };
            let bits = b.g.sign(x, act)?;
            let w = b.g.param("weight", [o, k, k, c], Init::kaiming_normal(k * k * c), Role::BinaryWeight)?;
            let packed = b.g.sign(w, weight)?;
            let y = b.g.xnor_conv2d(bits, packed, stride, k / 2, WeightCode::PlusMinus)?;
            let scale = match recipe.scale {
                Scale::None => None,
                Scale::Channel | Scale::Layer => {
                    let magnitude = b.g.detach(w)?;
                    let magnitude = b.g.abs(magnitude)?;
                    let mean = match recipe.scale {
                        Scale::Channel => b.g.mean(magnitude, &[1, 2, 3])?,
                        _ => b.g.mean(magnitude, &[0, 1, 2, 3])?,
                    };
                    let mean = b.g.broadcast_to(mean, [o, 1, 1, 1])?;
                    Some(b.g.reshape(mean, [o])?)
                }
            };
            Ok(Scaled { y, scale })
        })
    }

    /// A 3x3 or 1x1 inner convolution: binary if the network is.
    pub fn inner_conv(&mut self, name: &str, x: Value, o: usize, k: usize, stride: usize) -> Result<Scaled> {
        match self.spec.binary {
            true => self.binary_conv(name, x, o, k, stride),
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
        let c = self.channels(x.y);
        let (mode, gate) = (self.mode, self.gate);
        self.scoped(name, |b| {
            let stat = Meta::new([c], DType::F32);
            let leaves = BatchNormLeaves {
                gamma: b.g.param("weight", [c], Init::Constant(1.0), Role::Other)?,
                beta: b.g.param("bias", [c], Init::Zeros, Role::Other)?,
                running_mean: b.g.state("running_mean", stat.clone(), Init::Zeros)?,
                running_var: b.g.state("running_var", stat, Init::Constant(1.0))?,
            };
            let mode = match mode {
                Mode::Train => BatchNormMode::Train { momentum: 0.1, gate },
                Mode::Eval => BatchNormMode::Eval,
                Mode::Frozen => BatchNormMode::Frozen,
            };
            b.g.batch_norm(x.y, x.scale, &leaves, mode, 1e-5)
        })
    }

    /// The network's nonlinearity.
    pub fn activate(&mut self, name: &str, x: Value) -> Result<Value> {
        let c = self.channels(x);
        match self.spec.activation() {
            Activation::None => Ok(x),
            Activation::Relu => self.g.relu(x),
            Activation::Hardtanh => self.g.hardtanh(x),
            Activation::Prelu => self.scoped(name, |b| {
                let slope = b.g.param("weight", [c], Init::Constant(0.25), Role::Other)?;
                b.g.prelu(x, slope)
            }),
            Activation::Rprelu => self.scoped(name, |b| {
                let shift_in = b.g.param("shift_in", [c], Init::Zeros, Role::Other)?;
                let slope = b.g.param("weight", [c], Init::Constant(0.25), Role::Other)?;
                let shift_out = b.g.param("shift_out", [c], Init::Zeros, Role::Other)?;
                b.g.rprelu(x, shift_in, slope, shift_out)
            }),
        }
    }

    /// Float linear layer `[n, in] -> [n, out]` with bias.
    pub fn linear(&mut self, name: &str, x: Value, out: usize) -> Result<Value> {
        let k = self.channels(x);
        self.scoped(name, |b| {
            let init = Init::fan_in_uniform(k);
            let w = b.g.param("weight", [out, k], init, Role::Weight)?;
            let bias = b.g.param("bias", [out], init, Role::Other)?;
            b.g.linear(x, w, Some(bias))
        })
    }
}
