//! From latent weights to bits, one file a rule.

mod adaptive;
mod centred;
mod magnitude;
mod periodic;
mod rectified;
mod sign;
mod standardised;
mod xnor;

pub use rectified::TAIL;

use super::binarization::{Binarization, Coding, WeightRule};
use super::builder::{Builder, Mode};
use super::spec::InitKind;
use crate::error::Result;
use crate::graph::{Init, Meta, Role, Value};
use crate::tensor::bits::{WeightCode, sign_bit};
use crate::tensor::{DType, HostTensor};

impl Binarization {
    /// The signs that a rule takes of latent weights, on the host: of what is left when the mean of a tap's channels
    /// (XNOR-Net) or of a filter (IR-Net, ReCU, AdaBin, BinaryViT) is taken away, or of their wave (BiPer). Rules whose bits are no signs store them.
    pub fn signs(&self, w: &HostTensor) -> Vec<bool> {
        let x = w.f32s();
        let together = match self.weights {
            WeightRule::Sine | WeightRule::SquareWave => {
                let half_periods = self.half_periods();
                return x.iter().map(|v| (v * half_periods).floor().rem_euclid(2.0) == 0.0).collect();
            }
            WeightRule::Xnor => w.shape().columns(),
            WeightRule::Centred | WeightRule::Standardised | WeightRule::Rectified | WeightRule::Adaptive => {
                x.len() / w.shape()[0]
            }
            WeightRule::Sign | WeightRule::Magnitude | WeightRule::Real => {
                return x.iter().map(|v| sign_bit(*v) == 1).collect();
            }
        };
        x.chunks(together)
            .flat_map(|part| {
                let mean = part.iter().map(|v| *v as f64).sum::<f64>() / part.len() as f64;
                part.iter().map(move |v| *v as f64 >= mean)
            })
            .collect()
    }
}

/// The weights of a binary convolution.
pub struct Weights {
    /// Latent weights `[o, k, k, c]`; `None` where only stored bits are used.
    pub latent: Option<Value>,
    /// Their bits and what those stand for; `None` if the weights stay real.
    pub packed: Option<(Value, WeightCode)>,
    /// What a scale is the mean magnitude of.
    pub magnitudes: Option<Value>,
}

impl Weights {
    /// The bits.
    pub fn bits(&self) -> Option<Value> {
        self.packed.map(|p| p.0)
    }

    /// One that has the shape of the weights.
    pub fn shaped(&self) -> Value {
        self.bits().or(self.latent).expect("weights are bits or numbers")
    }
}

impl Builder<'_> {
    /// The weights of the layer in whose scope it is called, by the network's rule.
    pub(super) fn weights(&mut self, shape: [usize; 4], role: Role) -> Result<Weights> {
        if self.mode == Mode::Packed && !self.spec.binarization.weights.is_real() {
            let packed = Some((self.stored_bits(shape)?, self.code()));
            return Ok(Weights { latent: None, packed, magnitudes: None });
        }
        match self.spec.binarization.weights {
            WeightRule::Sign => self.sign_weights(shape, role),
            WeightRule::Xnor => self.xnor_weights(shape, role),
            WeightRule::Centred => self.centred_weights(shape, role),
            WeightRule::Standardised => self.standardised_weights(shape, role),
            WeightRule::Rectified => self.rectified_weights(shape, role),
            WeightRule::Magnitude => self.magnitude_weights(shape, role),
            WeightRule::Real => self.real_weights(shape, role),
            WeightRule::Sine => self.sine_weights(shape),
            WeightRule::SquareWave => self.square_wave_weights(shape, role),
            WeightRule::Adaptive => unreachable!("a convolution of two-valued weights is built as a whole"),
        }
    }

    /// The bits that a training step left behind.
    fn stored_bits(&mut self, shape: [usize; 4]) -> Result<Value> {
        self.g.state("bits", Meta::new(shape, DType::Bits), Init::Zeros)
    }

    /// What they stand for.
    fn code(&self) -> WeightCode {
        match self.spec.binarization.magnitude.unwrap_or_default().coding {
            Coding::PlusMinus => WeightCode::PlusMinus,
            Coding::ZeroOne => WeightCode::ZeroOne,
        }
    }

    /// The latent weights.
    fn latent(&mut self, shape: [usize; 4], role: Role) -> Result<Value> {
        let [o, k, _, c] = shape;
        let init = match (self.spec.init, self.spec.binarization.weights) {
            // Of weights that stay real no sign is to be kept back.
            (InitKind::Positive, rule) if !rule.is_real() => Init::Positive(1e-3),
            _ => self.conv_init(o, k, c),
        };
        self.param("weight", shape, init, role)
    }
}
