//! The discriminators: one a stage, on its feature map after normalisation and shortcut and before the nonlinearity.
//! Maps are averaged to at most 4x4 pixels and flattened; then 256, 64 and one unit with LeakyReLU(0.2) between them, and
//! a sigmoid.

use crate::error::Result;
use crate::graph::{Graph, Init, Phase, Role, Value};
use crate::ops::norm::{BatchNormLeaves, BatchNormMode};
use crate::optim::{OptimSpec, Rule};

/// How they learn: Adam with betas 0.5 and 0.999, no decay.
pub(super) const ADAM: OptimSpec = OptimSpec::new(Rule::Adam { beta1: 0.5, beta2: 0.999, eps: 1e-8 });

const WIDTHS: [usize; 3] = [256, 64, 1];
const SLOPE: f32 = 0.2;
/// Logarithms see probabilities no closer to 0 and 1 than this.
const LEAST: f32 = 1e-6;

/// All of them.
pub(super) struct Discriminators {
    /// Whether each channel of a map is brought to mean 0 and variance 1 first.
    pub standardise: bool,
}

/// What a discriminator makes of a batch of real and one of fake maps.
pub(super) struct Comparison {
    /// `-(mean log D(R) + mean log(1 - D(T)))`.
    pub loss: Value,
    /// Share of real maps taken for real, `[]`.
    pub right_on_real: Value,
    /// Share of fake maps taken for fake, `[]`.
    pub right_on_fake: Value,
}

impl Discriminators {
    /// What a discriminator sees of a map `[n, h, w, c]`: `[n, d]`.
    pub(super) fn view(&self, g: &mut Graph, map: Value) -> Result<Value> {
        let map = if self.standardise { standardised(g, map)? } else { map };
        let (h, w) = (g.shape(map)[1], g.shape(map)[2]);
        let window = h.max(w).div_ceil(4);
        let small = if window > 1 { g.avg_pool2d(map, window, window, 0, true)? } else { map };
        let shape = g.shape(small).clone();
        g.reshape(small, [shape[0], shape.elements() / shape[0]])
    }

    /// Of the discriminator of stage `s`, whose parameters it makes.
    pub(super) fn compare(&self, g: &mut Graph, s: usize, real: Value, fake: Value) -> Result<Comparison> {
        let on_real = probability(g, s, real, true)?;
        let on_fake = probability(g, s, fake, true)?;
        let one = g.fill([], 1.0);
        let not_fake = g.sub(one, on_fake)?;
        let mean_log = |g: &mut Graph, p: Value| {
            let p = g.clamp(p, LEAST, 1.0 - LEAST)?;
            let log = g.ln(p)?;
            g.mean_all(log)
        };
        let real_term = mean_log(g, on_real)?;
        let fake_term = mean_log(g, not_fake)?;
        let sum = g.add(real_term, fake_term)?;
        let loss = g.scale(sum, -1.0)?;
        let share_over_half = |g: &mut Graph, p: Value| {
            g.in_phase(Phase::Update, |g| {
                let half = g.fill([], 0.5);
                let over = g.greater(p, half)?;
                g.mean_all(over)
            })
        };
        let right_on_real = share_over_half(g, on_real)?;
        let right_on_fake = share_over_half(g, not_fake)?;
        Ok(Comparison { loss, right_on_real, right_on_fake })
    }

    /// `mean (1 - D(T))²`: what the student pays for being found out. The discriminator is not a parameter here.
    pub(super) fn deceive(&self, g: &mut Graph, s: usize, fake: Value) -> Result<Value> {
        let p = probability(g, s, fake, false)?;
        let one = g.fill([], 1.0);
        let missed = g.sub(one, p)?;
        let squares = g.square(missed)?;
        g.mean_all(squares)
    }
}

/// D_s of views `[n, d]`: probabilities of being real, `[n, 1]`.
fn probability(g: &mut Graph, s: usize, view: Value, trained: bool) -> Result<Value> {
    g.scoped(format!("discriminator.{s}"), |g| {
        let mut x = view;
        for (i, &width) in WIDTHS.iter().enumerate() {
            let k = g.shape(x).columns();
            let init = Init::fan_in_uniform(k);
            let mut leaf = |name: String, shape: Vec<usize>, role: Role| match trained {
                true => g.param(&name, shape, init, role),
                false => g.state(&name, crate::graph::Meta::f32(shape), init),
            };
            let w = leaf(format!("{i}.weight"), vec![width, k], Role::Weight)?;
            let b = leaf(format!("{i}.bias"), vec![width], Role::Other)?;
            x = g.linear(x, w, Some(b))?;
            if i + 1 < WIDTHS.len() {
                x = g.leaky_relu(x, SLOPE)?;
            }
        }
        g.sigmoid(x)
    })
}

/// Batch normalisation without factors and running statistics.
fn standardised(g: &mut Graph, map: Value) -> Result<Value> {
    let c = g.shape(map).columns();
    let (zero, one) = (g.fill([c], 0.0), g.fill([c], 1.0));
    let leaves = BatchNormLeaves { gamma: one, beta: zero, running_mean: zero, running_var: one };
    g.batch_norm(map, None, &leaves, BatchNormMode::Batch, 1e-5)
}
