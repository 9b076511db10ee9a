//! What a network costs, by the field's counting convention (Bi-Real Net, ReActNet and most after them): a real
//! multiply-accumulate counts 1, a binary one 1/64 (in groups, which are summed as floats, 1); normalisations, nonlinearities, pooling and additions count
//! nothing. Memory is one bit a binary weight and 32 bits a real parameter; running statistics are not counted. These are
//! counts: nothing of them is a measured time.

use serde::{Deserialize, Serialize};

/// Of one image through one network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Binary multiply-accumulates.
    pub binary_macs: u64,
    /// Real ones.
    pub real_macs: u64,
    /// Output elements of binary convolutions: what a scale multiplies.
    pub binary_outputs: u64,
    /// Weights of one bit.
    pub binary_weights: u64,
    /// Real weights and biases of convolutions and linear layers.
    pub real_weights: u64,
    /// Factors and offsets of normalisations.
    pub norm: u64,
    /// Scales of binary convolutions.
    pub scales: u64,
    /// Slopes and shifts of nonlinearities and signs.
    pub slopes: u64,
}

impl std::ops::Sub for Count {
    type Output = Count;

    /// What has been added since.
    fn sub(self, before: Count) -> Count {
        Count {
            binary_macs: self.binary_macs - before.binary_macs,
            real_macs: self.real_macs - before.real_macs,
            binary_outputs: self.binary_outputs - before.binary_outputs,
            binary_weights: self.binary_weights - before.binary_weights,
            real_weights: self.real_weights - before.real_weights,
            norm: self.norm - before.norm,
            scales: self.scales - before.scales,
            slopes: self.slopes - before.slopes,
        }
    }
}

impl Count {
    /// Parameters.
    pub fn parameters(&self) -> u64 {
        self.binary_weights + self.real_parameters()
    }

    /// All multiply-accumulates.
    pub fn macs(&self) -> u64 {
        self.binary_macs + self.real_macs
    }

    /// Operations: real multiply-accumulates, 1/64 of the binary ones, and `per_output` real multiplications for each
    /// output element of a binary convolution (2 for XNOR-Net's alpha and K).
    pub fn operations(&self, per_output: u64) -> f64 {
        self.real_macs as f64 + self.binary_macs as f64 / 64.0 + (per_output * self.binary_outputs) as f64
    }

    /// How many times fewer operations than in float.
    pub fn speed_ratio(&self, per_output: u64) -> f64 {
        self.macs() as f64 / self.operations(per_output)
    }

    /// Parameters that stay real.
    pub fn real_parameters(&self) -> u64 {
        self.real_weights + self.norm + self.scales + self.slopes
    }

    /// Bits of the parameters.
    pub fn bits(&self) -> u64 {
        self.binary_weights + 32 * self.real_parameters()
    }

    /// Bits of the float network of the same layers, which needs no scales.
    pub fn float_bits(&self) -> u64 {
        32 * (self.binary_weights + self.real_weights + self.norm + self.slopes)
    }
}

/// XNOR-Net's speed-up of one layer of `c` input channels and `kernel` taps, one real operation an output (section 3.2).
pub fn xnor_speedup(c: u64, kernel: u64) -> f64 {
    let n = (c * kernel) as f64;
    64.0 * n / (n + 64.0)
}
