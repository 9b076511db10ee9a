//! What a recipe says of its optimiser, and the step that it means.

use super::rule::{GAMMA, Rule, Step};
use crate::error::{Error, Result};
use crate::graph::{Graph, Phase, Role, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An optimiser: how a gradient becomes a step, and how parameters decay. In a recipe it is one flat
/// table, `kind = "sgd"`, `momentum = 0.9`, `weight_decay = 5e-4`; a setting that the kind does not have
/// is refused.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Settings", into = "Settings")]
pub struct OptimSpec {
    /// How a gradient becomes a step.
    pub rule: Rule,
    /// Weight decay of real-valued weights and of scores ([`Role::Weight`], [`Role::Score`]).
    pub weight_decay: f32,
    /// Weight decay of the latent weights of binary layers ([`Role::BinaryWeight`]) and of their learned scales:
    /// 0 unless asked for, because their size has no meaning of its own.
    pub binary_weight_decay: f32,
    /// Weight decay of binary shortcuts ([`Role::BinaryShortcut`]): that of other binary layers unless asked for.
    pub binary_shortcut_decay: Option<f32>,
    /// Weight decay of normalisations, shifts, slopes and biases ([`Role::Norm`], [`Role::Other`]): 0 unless asked
    /// for.
    pub other_weight_decay: f32,
}

/// The flat form.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// sgd, adam, adamw, lars, larc or bop.
    kind: String,
    /// Of sgd (0 unless given), lars and larc (0.9).
    #[serde(skip_serializing_if = "Option::is_none")]
    momentum: Option<f32>,
    /// Of sgd: Nesterov's momentum; false unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    nesterov: Option<bool>,
    /// Of adam, adamw and bop (which is Adam's for what is not binary): decay of the mean of the gradients; 0.9 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    beta1: Option<f64>,
    /// Of adam, adamw and bop: decay of the mean of their squares; 0.999 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    beta2: Option<f64>,
    /// Of lars (0.001 unless given) and larc (0.02): the share of a weight's norm that a step may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    trust: Option<f32>,
    /// Of adam, adamw, lars, larc and bop: what keeps quotients finite; 1e-8 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    eps: Option<f32>,
    /// Of larc: steps are never longer than those of the learning rate alone; true unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    clip: Option<bool>,
    /// Of bop: how fast the mean of a binary weight's gradients follows; 1e-4 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    gamma: Option<f32>,
    /// Of bop: where gamma ends, falling linearly over training.
    #[serde(skip_serializing_if = "Option::is_none")]
    gamma_end: Option<f32>,
    /// Of bop: after how many epochs gamma falls to a tenth, each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    gamma_every: Option<u64>,
    /// Of bop: what that mean must exceed to turn the weight; 1e-8 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f32>,
    /// Decay of real-valued weights and of scores; 0 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    weight_decay: Option<f32>,
    /// Decay of the latent weights of binary layers and of their learned scales; 0 unless given, because their size
    /// has no meaning of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_weight_decay: Option<f32>,
    /// Decay of binary shortcuts; that of other binary layers unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_shortcut_decay: Option<f32>,
    /// Decay of normalisations, shifts, slopes and biases; 0 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    other_weight_decay: Option<f32>,
}

impl TryFrom<Settings> for OptimSpec {
    type Error = Error;

    fn try_from(mut s: Settings) -> Result<Self> {
        // Takes what the kind has; what is left afterwards does not belong.
        let rule = match s.kind.as_str() {
            "sgd" => {
                Rule::Sgd { momentum: s.momentum.take().unwrap_or(0.0), nesterov: s.nesterov.take().unwrap_or(false) }
            }
            "adam" | "adamw" => {
                let (beta1, beta2) = (s.beta1.take().unwrap_or(0.9), s.beta2.take().unwrap_or(0.999));
                let eps = s.eps.take().unwrap_or(1e-8);
                if s.kind == "adam" { Rule::Adam { beta1, beta2, eps } } else { Rule::AdamW { beta1, beta2, eps } }
            }
            "lars" | "larc" => {
                let (momentum, eps) = (s.momentum.take().unwrap_or(0.9), s.eps.take().unwrap_or(1e-8));
                let trust = s.trust.take();
                if s.kind == "lars" {
                    Rule::Lars { momentum, trust: trust.unwrap_or(1e-3), eps }
                } else {
                    Rule::Larc { momentum, trust: trust.unwrap_or(0.02), eps, clip: s.clip.take().unwrap_or(true) }
                }
            }
            "bop" => Rule::Bop {
                gamma: s.gamma.take().unwrap_or(1e-4),
                gamma_end: s.gamma_end.take(),
                gamma_every: s.gamma_every.take(),
                threshold: s.threshold.take().unwrap_or(1e-8),
                beta1: s.beta1.take().unwrap_or(0.9),
                beta2: s.beta2.take().unwrap_or(0.999),
                eps: s.eps.take().unwrap_or(1e-8),
            },
            other => {
                let m = format!("optimiser kind {other:?} is not known: choose sgd, adam, adamw, lars, larc or bop");
                return Err(Error::Config(m));
            }
        };
        let left = [
            ("momentum", s.momentum.is_some()),
            ("nesterov", s.nesterov.is_some()),
            ("beta1", s.beta1.is_some()),
            ("beta2", s.beta2.is_some()),
            ("trust", s.trust.is_some()),
            ("eps", s.eps.is_some()),
            ("clip", s.clip.is_some()),
            ("gamma", s.gamma.is_some()),
            ("gamma_end", s.gamma_end.is_some()),
            ("gamma_every", s.gamma_every.is_some()),
            ("threshold", s.threshold.is_some()),
        ];
        if let Some((name, _)) = left.iter().find(|(_, set)| *set) {
            return Err(Error::Config(format!("{name} is no setting of the optimiser {}: remove it", s.kind)));
        }
        let spec = OptimSpec {
            rule,
            weight_decay: s.weight_decay.unwrap_or(0.0),
            binary_weight_decay: s.binary_weight_decay.unwrap_or(0.0),
            binary_shortcut_decay: s.binary_shortcut_decay,
            other_weight_decay: s.other_weight_decay.unwrap_or(0.0),
        };
        spec.validate()?;
        Ok(spec)
    }
}

impl From<OptimSpec> for Settings {
    fn from(o: OptimSpec) -> Settings {
        let s = Settings {
            weight_decay: Some(o.weight_decay),
            binary_weight_decay: Some(o.binary_weight_decay),
            binary_shortcut_decay: o.binary_shortcut_decay,
            other_weight_decay: Some(o.other_weight_decay),
            ..Default::default()
        };
        let kind = o.rule.name().to_string();
        match o.rule {
            Rule::Sgd { momentum, nesterov } => {
                Settings { kind, momentum: Some(momentum), nesterov: Some(nesterov), ..s }
            }
            Rule::Adam { beta1, beta2, eps } | Rule::AdamW { beta1, beta2, eps } => {
                Settings { kind, beta1: Some(beta1), beta2: Some(beta2), eps: Some(eps), ..s }
            }
            Rule::Bop { gamma, gamma_end, gamma_every, threshold, beta1, beta2, eps } => Settings {
                kind,
                gamma: Some(gamma),
                gamma_end,
                gamma_every,
                threshold: Some(threshold),
                beta1: Some(beta1),
                beta2: Some(beta2),
                eps: Some(eps),
                ..s
            },
            Rule::Lars { momentum, trust, eps } => {
                Settings { kind, momentum: Some(momentum), trust: Some(trust), eps: Some(eps), ..s }
            }
            Rule::Larc { momentum, trust, eps, clip } => {
                Settings { kind, momentum: Some(momentum), trust: Some(trust), eps: Some(eps), clip: Some(clip), ..s }
            }
        }
    }
}

impl OptimSpec {
    /// An optimiser without weight decay.
    pub const fn new(rule: Rule) -> Self {
        OptimSpec {
            rule,
            weight_decay: 0.0,
            binary_weight_decay: 0.0,
            binary_shortcut_decay: None,
            other_weight_decay: 0.0,
        }
    }

    /// Checks all values.
    ///
    /// # Errors
    /// [`Error::Config`] naming the setting, its value and the range.
    pub fn validate(&self) -> Result<()> {
        let decays = [
            ("weight_decay", self.weight_decay),
            ("binary_weight_decay", self.binary_weight_decay),
            ("binary_shortcut_decay", self.binary_shortcut_decay.unwrap_or(0.0)),
            ("other_weight_decay", self.other_weight_decay),
        ];
        for (name, v) in decays {
            if !(v >= 0.0 && v.is_finite()) {
                return Err(Error::Config(format!("optimiser.{name} = {v}: give a number from 0 on")));
            }
        }
        let decays = self.binary_weight_decay != 0.0 || self.binary_shortcut_decay.is_some_and(|decay| decay != 0.0);
        if matches!(self.rule, Rule::Bop { .. }) && decays {
            let what = "binary weights of bop are -1 and +1, which nothing makes smaller: leave it out";
            return Err(Error::Config(format!("optimiser.binary_weight_decay: {what}")));
        }
        self.rule.validate()
    }

    /// Weight decay of a parameter, by its role.
    pub fn decay_of(&self, role: Role) -> f32 {
        match role {
            Role::Weight | Role::Score => self.weight_decay,
            Role::BinaryWeight | Role::BinaryScale => self.binary_weight_decay,
            Role::BinaryShortcut => self.binary_shortcut_decay.unwrap_or(self.binary_weight_decay),
            Role::Norm | Role::Other => self.other_weight_decay,
        }
    }

    /// Appends the update of `params` by their gradients, reading the scalar `lr` (and what
    /// [`OptimSpec::scalars`] names). Momenta and moments are state leaves called
    /// `optim.<parameter>.<slot>`. Where `gate` (one number) is not 0, parameters and state stay as they
    /// are, whatever the gradients hold.
    ///
    /// # Errors
    /// If a parameter and its gradient differ in shape, or a parameter is assigned already.
    pub fn step(&self, g: &mut Graph, params: &[Value], grads: &[Value], gate: Option<Value>) -> Result<()> {
        self.step_of("", g, params, grads, gate)
    }

    /// As [`OptimSpec::step`] for one of several optimisers of a run, whose scalars are called `<group>.lr` and so on.
    ///
    /// # Errors
    /// As [`OptimSpec::step`].
    pub fn step_of(
        &self,
        group: &str,
        g: &mut Graph,
        params: &[Value],
        grads: &[Value],
        gate: Option<Value>,
    ) -> Result<()> {
        if params.len() != grads.len() {
            let m = format!("{} parameters but {} gradients", params.len(), grads.len());
            return Err(Error::Config(m));
        }
        g.in_phase(Phase::Update, |g| {
            // Without axes it broadcasts to every parameter, those without axes included.
            let gate = gate.map(|gate| g.reshape(gate, [])).transpose()?;
            let lr = g.scalar(&scalar_of(group, "lr"))?;
            for (&p, &grad) in params.iter().zip(grads) {
                if g.shape(p) != g.shape(grad) {
                    let m = format!("{} is {}, its gradient {}", g.name(p), g.meta(p), g.meta(grad));
                    return Err(Error::shape("optimiser", m));
                }
                let role = g.init(p).map_or(Role::Other, |(_, role)| role);
                let decay = self.decay_of(role);
                let base = g.base(p);
                let step = Step { p, base, grad, lr, decay, role, gate, group };
                self.rule.append(g, &step)?;
            }
            Ok(())
        })
    }

    /// The scalars that [`OptimSpec::step`] reads, at learning rate `lr`, when `step` updates were made
    /// before.
    pub fn scalars(&self, step: u64, lr: f32) -> Vec<(String, f32)> {
        self.scalars_of("", step, lr)
    }

    /// The same for [`OptimSpec::step_of`].
    pub fn scalars_of(&self, group: &str, step: u64, lr: f32) -> Vec<(String, f32)> {
        let mut all = vec![(scalar_of(group, "lr"), lr)];
        if let Some(gamma) = self.rule.gamma(0.0, 0) {
            all.push((scalar_of(group, GAMMA), gamma));
        }
        if let Rule::Adam { beta1, beta2, .. } | Rule::AdamW { beta1, beta2, .. } | Rule::Bop { beta1, beta2, .. } =
            self.rule
        {
            let left = |beta: f64| 1.0 - beta.powf(step as f64 + 1.0);
            all.push((scalar_of(group, "optim.correction1"), (1.0 / left(beta1)) as f32));
            all.push((scalar_of(group, "optim.correction2"), (1.0 / left(beta2).sqrt()) as f32));
        }
        all
    }
}

/// The name of an optimiser's scalar.
pub(super) fn scalar_of(group: &str, name: &str) -> String {
    if group.is_empty() { name.to_string() } else { format!("{group}.{name}") }
}
