//! How a gradient becomes a step.

use super::formulas::{
    AdamStep, AddScaled, BopTurn, DecayBy, MovedBy, RunningMean, RunningSquare, SgdStep, TrustRatio, Trusted,
};
use super::spec::scalar_of;
use crate::error::{Error, Result};
use crate::graph::{Graph, Init, Role, Value};

/// The rules. `d` is the gradient plus weight decay times the parameter, but for AdamW.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// `b = momentum b + d`, `p -= lr b`, without dampening (PyTorch's SGD); with `nesterov`
    /// `p -= lr (d + momentum b)`.
    Sgd {
        /// Share of the last direction.
        momentum: f32,
        /// Look ahead.
        nesterov: bool,
    },
    /// Kingma and Ba 2015, weight decay as part of the gradient (PyTorch's Adam).
    Adam {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        eps: f32,
    },
    /// Loshchilov and Hutter 2019: `p *= 1 - lr decay` before the step (PyTorch's AdamW).
    AdamW {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        eps: f32,
    },
    /// You, Gitman, Ginsburg 2017 ("Large batch training of convolutional networks"), algorithm 1:
    /// `b = momentum b + lr r d`, `p -= b` with `r = trust |p| / (|g| + decay |p| + eps)` for each layer.
    /// Scales, shifts and biases take plain steps (r = 1), as in SimCLR and BYOL.
    Lars {
        /// Share of the last direction.
        momentum: f32,
        /// The layer's trust coefficient.
        trust: f32,
        /// Keeps the quotient finite.
        eps: f32,
    },
    /// NVIDIA apex's LARC around SGD: the gradient is replaced by `r d`, with `clip` at most by `d`
    /// (r = min(r / lr, 1)). All parameters adapt.
    Larc {
        /// Share of the last direction.
        momentum: f32,
        /// The layer's trust coefficient.
        trust: f32,
        /// Keeps the quotient finite.
        eps: f32,
        /// Never larger than the plain step.
        clip: bool,
    },
    /// Helwegen et al. 2019: binary weights have no latent ones. Each is -1 or +1, and with the running mean of its gradients,
    /// `m = m + gamma (g - m)`, it is turned where `w m > threshold`; at first it becomes its sign. There is no learning rate in it. All
    /// other parameters take Adam's steps.
    Bop {
        /// How fast the mean follows, in the first step; the scalar `optim.gamma` of a step.
        gamma: f32,
        /// Where it ends, falling linearly over training, if it falls so.
        gamma_end: Option<f32>,
        /// After how many epochs it falls to a tenth, each time, if it falls so.
        gamma_every: Option<u64>,
        /// What turns a weight.
        threshold: f32,
        /// Of Adam.
        beta1: f64,
        /// Of Adam.
        beta2: f64,
        /// Of Adam.
        eps: f32,
    },
}

/// The scalar of how fast Bop's mean follows.
pub const GAMMA: &str = "optim.gamma";

/// One parameter's update under way.
pub(super) struct Step<'a> {
    pub p: Value,
    /// Where the step starts: p, unless it was moved before (see [`Graph::rebase`]).
    pub base: Value,
    pub grad: Value,
    pub lr: Value,
    pub decay: f32,
    pub role: Role,
    pub gate: Option<Value>,
    /// Prefix of the scalars.
    pub group: &'a str,
}

impl Step<'_> {
    /// A state tensor of the parameter's shape, zero at first.
    fn slot(&self, g: &mut Graph, slot: &str) -> Result<Value> {
        let name = format!("optim.{}.{slot}", g.name(self.p));
        g.state(&name, g.meta(self.p).clone(), Init::Zeros)
    }

    /// Makes `new` the next content of `leaf`, unless the gate is up; what will be stored.
    fn assign(&self, g: &mut Graph, leaf: Value, new: Value) -> Result<Value> {
        let new = match self.gate {
            Some(flag) => g.gate(flag, new, leaf)?,
            None => new,
        };
        g.assign(leaf, new)?;
        Ok(new)
    }

    /// The gradient plus weight decay.
    fn decayed(&self, g: &mut Graph) -> Result<Value> {
        match self.decay {
            0.0 => Ok(self.grad),
            factor => g.apply1(AddScaled { factor }, &[self.grad, self.base]),
        }
    }

    /// `p -= lr * direction`.
    fn sgd(&self, g: &mut Graph, direction: Value) -> Result<()> {
        let p = g.apply1(SgdStep {}, &[self.base, direction, self.lr])?;
        self.assign(g, self.p, p).map(drop)
    }

    /// `b = momentum b + d`; the new b.
    fn momentum(&self, g: &mut Graph, momentum: f32, d: Value) -> Result<Value> {
        let b = self.slot(g, "momentum")?;
        let new = g.apply1(AddScaled { factor: momentum }, &[d, b])?;
        self.assign(g, b, new)
    }

    /// The gradient scaled by the layer's trust ratio.
    fn trusted(&self, g: &mut Graph, trust: f32, eps: f32, clip: bool) -> Result<Value> {
        let norm = |g: &mut Graph, v: Value| -> Result<Value> {
            let flat = g.reshape(v, [g.shape(v).elements()])?;
            let sum = g.sum_squares(flat, &[0])?;
            g.reshape(sum, [])
        };
        let (pp, gg) = (norm(g, self.base)?, norm(g, self.grad)?);
        let op = TrustRatio { trust, decay: self.decay, eps, clip: clip as u8 as f32 };
        let ratio = g.apply1(op, &[pp, gg, self.lr])?;
        g.apply1(Trusted { decay: self.decay }, &[self.grad, self.base, ratio])
    }

    /// Turns binary weights, or brings them to -1 and +1.
    fn turned(&self, g: &mut Graph, threshold: f32) -> Result<()> {
        let gamma = g.scalar(&scalar_of(self.group, GAMMA))?;
        let m = self.slot(g, "m")?;
        let new = g.apply1(MovedBy {}, &[m, self.grad, gamma])?;
        let new = self.assign(g, m, new)?;
        let p = g.apply1(BopTurn { threshold }, &[self.base, new])?;
        self.assign(g, self.p, p).map(drop)
    }

    fn adam(&self, g: &mut Graph, beta: [f64; 2], eps: f32, decoupled: bool) -> Result<()> {
        let (c1, c2) = (
            g.scalar(&scalar_of(self.group, "optim.correction1"))?,
            g.scalar(&scalar_of(self.group, "optim.correction2"))?,
        );
        let (m, v) = (self.slot(g, "m")?, self.slot(g, "v")?);
        let d = if decoupled { self.grad } else { self.decayed(g)? };
        let [(k1, t1), (k2, t2)] = beta.map(|b| (b as f32, (1.0 - b) as f32));
        let new_m = g.apply1(RunningMean { keep: k1, take: t1 }, &[m, d])?;
        let new_m = self.assign(g, m, new_m)?;
        let new_v = g.apply1(RunningSquare { keep: k2, take: t2 }, &[v, d])?;
        let new_v = self.assign(g, v, new_v)?;
        let p = match decoupled && self.decay != 0.0 {
            true => g.apply1(DecayBy { decay: self.decay }, &[self.base, self.lr])?,
            false => self.base,
        };
        let p = g.apply1(AdamStep { eps }, &[p, new_m, new_v, self.lr, c1, c2])?;
        self.assign(g, self.p, p).map(drop)
    }
}

impl Rule {
    /// The name in recipes.
    pub fn name(&self) -> &'static str {
        match self {
            Rule::Sgd { .. } => "sgd",
            Rule::Adam { .. } => "adam",
            Rule::AdamW { .. } => "adamw",
            Rule::Lars { .. } => "lars",
            Rule::Larc { .. } => "larc",
            Rule::Bop { .. } => "bop",
        }
    }

    /// Checks all values.
    pub(super) fn validate(&self) -> Result<()> {
        let fail = |m: String| Err(Error::Config(format!("optimiser.{m}")));
        let share = |name: &str, v: f64| match (0.0..1.0).contains(&v) {
            true => Ok(()),
            false => fail(format!("{name} = {v}: give a number from 0 up to, but not, 1")),
        };
        let positive = |name: &str, v: f32| match v > 0.0 && v.is_finite() {
            true => Ok(()),
            false => fail(format!("{name} = {v}: give a number over 0")),
        };
        match *self {
            Rule::Sgd { momentum, nesterov } => {
                if nesterov && momentum == 0.0 {
                    return fail("nesterov = true: wants a momentum over 0".to_string());
                }
                share("momentum", momentum as f64)
            }
            Rule::Adam { beta1, beta2, eps } | Rule::AdamW { beta1, beta2, eps } => {
                share("beta1", beta1)?;
                share("beta2", beta2)?;
                positive("eps", eps)
            }
            Rule::Lars { momentum, trust, eps } | Rule::Larc { momentum, trust, eps, .. } => {
                share("momentum", momentum as f64)?;
                positive("trust", trust)?;
                positive("eps", eps)
            }
            Rule::Bop { gamma, gamma_end, gamma_every, threshold, beta1, beta2, eps } => {
                for (name, gamma) in [("gamma", gamma), ("gamma_end", gamma_end.unwrap_or(gamma))] {
                    if !(gamma > 0.0 && gamma <= 1.0) {
                        return fail(format!("{name} = {gamma}: give a number over 0, at most 1"));
                    }
                }
                if gamma_end.is_some() && gamma_every.is_some() {
                    return fail("gamma_end and optimiser.gamma_every are both set: choose one".to_string());
                }
                if gamma_every == Some(0) {
                    return fail("gamma_every = 0: give a number of epochs".to_string());
                }
                if !(threshold >= 0.0 && threshold.is_finite()) {
                    return fail(format!("threshold = {threshold}: give a number from 0 on"));
                }
                share("beta1", beta1)?;
                share("beta2", beta2)?;
                positive("eps", eps)
            }
        }
    }

    /// How fast Bop's mean follows after a share of training and so many epochs; of other rules nothing.
    pub fn gamma(&self, share: f64, epochs: u64) -> Option<f32> {
        let Rule::Bop { gamma, gamma_end, gamma_every, .. } = *self else { return None };
        let start = f64::from(gamma);
        Some(match (gamma_end, gamma_every) {
            (Some(end), _) => start + (f64::from(end) - start) * share,
            (None, Some(every)) => start * 0.1f64.powi((epochs / every) as i32),
            (None, None) => start,
        } as f32)
    }

    /// Appends the update of one parameter.
    pub(super) fn append(&self, g: &mut Graph, step: &Step<'_>) -> Result<()> {
        match *self {
            Rule::Sgd { momentum, nesterov } => {
                let d = step.decayed(g)?;
                if momentum == 0.0 {
                    return step.sgd(g, d);
                }
                let b = step.momentum(g, momentum, d)?;
                let direction = if nesterov { g.apply1(AddScaled { factor: momentum }, &[d, b])? } else { b };
                step.sgd(g, direction)
            }
            Rule::Adam { beta1, beta2, eps } => step.adam(g, [beta1, beta2], eps, false),
            Rule::AdamW { beta1, beta2, eps } => step.adam(g, [beta1, beta2], eps, true),
            Rule::Lars { momentum, trust, eps } => {
                let d = match step.role {
                    Role::Norm | Role::BinaryScale | Role::Other => step.decayed(g)?,
                    Role::Weight | Role::BinaryWeight | Role::BinaryShortcut | Role::Score => {
                        step.trusted(g, trust, eps, false)?
                    }
                };
                let scaled = g.mul(d, step.lr)?;
                let b = step.momentum(g, momentum, scaled)?;
                let p = g.sub(step.base, b)?;
                step.assign(g, step.p, p).map(drop)
            }
            Rule::Bop { threshold, beta1, beta2, eps, .. } => match step.role.is_binary() {
                true => step.turned(g, threshold),
                false => step.adam(g, [beta1, beta2], eps, false),
            },
            Rule::Larc { momentum, trust, eps, clip } => {
                let d = step.trusted(g, trust, eps, clip)?;
                let b = step.momentum(g, momentum, d)?;
                step.sgd(g, b)
            }
        }
    }
}
