//! How parameters and state start, and which optimiser group a parameter belongs to.

use crate::graph::{Graph, Value};
use crate::hash::fnv1a;
use crate::rng::Philox;
use crate::tensor::{DType, HostTensor, Shape};

/// Initial content of a leaf.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Zeros.
    Zeros,
    /// One number.
    Constant(f32),
    /// Normal with mean 0 and this standard deviation.
    Normal(f32),
    /// Uniform in ± this bound.
    Uniform(f32),
    /// Uniform from 0 to this bound.
    Positive(f32),
}

/// What a parameter is for: decides weight decay and how it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Real-valued weights of a convolution or linear layer.
    Weight,
    /// Latent weights of a binary layer, of which the network uses one bit each.
    BinaryWeight,
    /// The same of a 1x1 convolution on a shortcut, which SiMaN's release decays as it decays real weights.
    BinaryShortcut,
    /// Learned scale of a binary layer's output.
    BinaryScale,
    /// Scores of which a mask's bits are made.
    Score,
    /// Factor or offset of a normalisation.
    Norm,
    /// Shifts, slopes, biases, statistics.
    Other,
}

impl Role {
    /// Whether the network uses one bit of each number.
    pub fn is_binary(self) -> bool {
        matches!(self, Role::BinaryWeight | Role::BinaryShortcut)
    }
}

impl Init {
    /// He et al. 2015, fan-in, for ReLU: normal with std sqrt(2 / fan_in).
    pub fn kaiming_normal(fan_in: usize) -> Self {
        Init::Normal((2.0 / fan_in as f32).sqrt())
    }

    /// PyTorch's default for convolutions and linear layers: uniform in ± 1/sqrt(fan_in).
    pub fn fan_in_uniform(fan_in: usize) -> Self {
        Init::Uniform(1.0 / (fan_in as f32).sqrt())
    }

    /// The content of the leaf `name` under `seed`: independent of the order in which leaves are made.
    pub fn make(self, shape: &Shape, seed: u64, name: &str) -> HostTensor {
        let n = shape.elements();
        // The name is the random stream.
        let p = Philox::new(seed, fnv1a(name.bytes()));
        let values = match self {
            Init::Zeros => vec![0.0; n],
            Init::Constant(v) => vec![v; n],
            Init::Normal(std) => (0..n).map(|i| std * p.normal(0, i as u64)).collect(),
            Init::Positive(bound) => (0..n).map(|i| bound * p.uniform(0, i as u64)).collect(),
            Init::Uniform(bound) => (0..n).map(|i| bound * (2.0 * p.uniform(0, i as u64) - 1.0)).collect(),
        };
        HostTensor::from_f32(shape.clone(), values)
    }
}

impl Graph {
    /// What the parameter or state `v` holds at first, under `seed`: its [`Init`], or zeros of another type.
    pub fn initial(&self, v: Value, seed: u64) -> HostTensor {
        let meta = self.meta(v);
        match self.init(v) {
            Some((init, _)) if meta.dtype == DType::F32 => init.make(&meta.shape, seed, self.name(v)),
            _ => HostTensor::zeros(meta.shape.clone(), meta.dtype),
        }
    }
}
