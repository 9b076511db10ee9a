//! A trained network that is adapted to other images: its weights stay and one bit a weight says which of them count
//! (Self-Masking Networks, Taboada Warmerdam et al., GCPR 2024, arXiv 2409.07577), or they are trained on, or nothing but
//! the statistics of its normalisations changes.
//!
//! With weights θ that stay, scores S of the same shape and a threshold μ:
//!
//! ```text
//! M = 1 if S > μ, else 0        ā = mean of M over the tensor        θ' = θ M / sqrt(ā)
//! dL/dS = dL/dM                  (straight through; with the way through ā, if asked for)
//! ```
//!
//! A tensor with all bits off gives zeros.

use super::builder::Builder;
use crate::error::Result;
use crate::graph::{Graph, Init, Meta, Role, Value};
use crate::tensor::HostTensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Adapted {
    /// One bit a weight.
    #[default]
    Masks,
    /// The weights themselves: full fine-tuning.
    Weights,
    /// The running statistics alone: a control.
    Statistics,
}

/// How a network is adapted. Its own normalisations' factors and offsets stay in any case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adapt {
    /// What changes.
    pub what: Adapted,
    /// μ.
    pub threshold: f32,
    /// Where scores start.
    pub start: f32,
    /// Whether the gradient takes the way through ā too.
    pub scale_gradient: bool,
    /// Keeps this share of each tensor, the largest scores, whatever the threshold (Ramanujan et al. 2020).
    pub keep: Option<f32>,
    /// Adapts factors and offsets of normalisations on shortcuts too, as the release does by their name.
    pub shortcut_norms: bool,
    /// Adapts linear layers alone, with their biases: of vision transformers, whose patches, tokens and places stay.
    pub linear_alone: bool,
}

/// A tensor with a mask.
#[derive(Clone, Debug)]
pub struct Masked {
    /// Its full name.
    pub name: String,
    /// The weights that stay.
    pub weight: Value,
    /// 1 where they count, 0 elsewhere.
    pub mask: Value,
    /// ā, `[]`.
    pub active: Value,
}

/// Name of the scores of a tensor.
pub fn scores_of(tensor: &str) -> String {
    format!("{tensor}.scores")
}

impl Builder<'_> {
    /// A tensor of a convolution or of a normalisation behind one: a parameter, unless the network is being adapted.
    pub(super) fn backbone(&mut self, name: &str, shape: &[usize], init: Init, role: Role) -> Result<Value> {
        let Some(adapt) = self.spec.adapt else { return self.param(name, shape, init, role) };
        let path = self.g.path(name);
        let adapted = role == Role::Weight || (adapt.shortcut_norms && path.contains("downsample."));
        if adapted && adapt.what == Adapted::Weights {
            return self.param(name, shape, init, role);
        }
        let leaf = self.g.state(name, Meta::f32(shape), init)?;
        if adapted && adapt.what == Adapted::Masks { self.masked(&adapt, name, leaf) } else { Ok(leaf) }
    }

    /// The roles of a convolution's weights and biases, which say whether they are adapted.
    pub(super) fn adapted_roles(&self, is_linear: bool) -> (Role, Role) {
        match self.spec.adapt {
            Some(Adapt { linear_alone: true, .. }) if is_linear => (Role::Weight, Role::Weight),
            Some(Adapt { linear_alone: true, .. }) => (Role::Other, Role::Other),
            _ => (Role::Weight, Role::Other),
        }
    }

    /// `θ M / sqrt(ā)`.
    fn masked(&mut self, adapt: &Adapt, name: &str, weight: Value) -> Result<Value> {
        let shape = self.g.shape(weight).clone();
        let n = shape.elements();
        let start = match adapt.keep {
            // PyTorch's Kaiming-uniform with a = sqrt(5); tensors of one axis start alike there.
            Some(_) if shape.len() > 1 => Init::fan_in_uniform(n / shape[0]),
            Some(_) => Init::Constant(5f32.sqrt()),
            None => Init::Constant(adapt.start),
        };
        let scores = self.param(&scores_of(name), shape.clone(), start, Role::Score)?;
        let g = &mut *self.g;
        let threshold = match adapt.keep {
            None => g.fill([], adapt.threshold),
            Some(keep) => match ((1.0 - keep as f64) * n as f64) as usize {
                0 => g.fill([], f32::MIN),
                off => {
                    let fixed = g.detach(scores)?;
                    let row = g.reshape(fixed, [1, n])?;
                    let rank = g.constant(HostTensor::from_f32([1, 1], vec![off as f32 - 1.0]));
                    let largest_off = g.kth_value(row, rank)?;
                    g.reshape(largest_off, [])?
                }
            },
        };
        let mask = g.step_above(scores, threshold)?;
        let (out, active) = masked_weight(g, weight, mask, adapt.scale_gradient)?;
        let name = g.path(name);
        self.masks.push(Masked { name, weight, mask, active });
        Ok(out)
    }
}

/// `θ M / sqrt(ā)` of a tensor and its mask of zeros and ones, and ā, `[]`; exactly θ where all bits are on.
pub fn masked_weight(g: &mut Graph, weight: Value, mask: Value, scale_gradient: bool) -> Result<(Value, Value)> {
    let axes: Vec<usize> = (0..g.shape(weight).len()).collect();
    let n = g.shape(weight).elements() as f32;
    let count = g.sum(mask, &axes)?;
    let count = g.reshape(count, [])?;
    let mean = g.scale(count, 1.0 / n)?;
    let counted = if scale_gradient { mean } else { g.detach(mean)? };
    // Half a weight, where there is none.
    let least = g.fill([], 0.5 / n);
    let active = g.maximum(counted, least)?;
    let factor = g.rsqrt(active)?;
    // With all bits on it is exactly 1, whatever a device makes of the root.
    let whole = g.fill([], n);
    let fixed = g.detach(count)?;
    let all_on = g.equal(fixed, whole)?;
    let one = g.fill([], 1.0);
    let made = g.detach(factor)?;
    let exact = g.select(all_on, one, made)?;
    let factor = g.stand_in(factor, exact)?;
    let kept = g.mul(weight, mask)?;
    Ok((g.mul(kept, factor)?, mean))
}
