//! The discriminators: one a stage, on its feature map after normalisation and shortcut and before the nonlinearity.
//! Maps are averaged to at most 4x4 pixels and flattened; then 256, 64 and one unit with LeakyReLU(0.2) between them, and
//! a sigmoid.

use crate::error::Result;
use crate::graph::{Graph, Init, Phase, Role, Value};
use crate::ops::norm::{BatchNormLeaves, BatchNormMode};
use crate::optim::{OptimSpec, Rule};

/// How they learn: Adam with betas 0.5 and 0.999, no decay.
pub(super) const ADAM: OptimSpec = OptimSpec::new(Rule::Adam { beta1: 0.5, beta2: 0.999, eps: 1e-8 });

/// Linear layers with LeakyReLU is all that the authors say. Widths are ours: the first takes the 16 pixels of a map to about as
/// many numbers as it has channels, and all together cost little beside a layer of the network. The slope is DCGAN's (Radford et al.
/// 2016), as are Adam's betas.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Meta;
    use crate::rng::Philox;
    use crate::tensor::RefTensor;
    use crate::verify::run_reference;
    use std::collections::BTreeMap;

    const D: Discriminators = Discriminators { standardise: false };

    /// A discriminator of views `[6, 10]` with random weights below the last layer, and there `last` times random ones
    /// and the bias `bias`.
    fn leaves(g: &Graph, last: f64, bias: f64) -> BTreeMap<String, RefTensor> {
        let mut all = BTreeMap::new();
        for (k, v) in g.params().into_iter().chain(g.states()).enumerate() {
            let p = Philox::new(k as u64, 0);
            let n = g.shape(v).elements();
            let scale = match g.name(v) {
                "discriminator.0.2.weight" => last,
                "discriminator.0.2.bias" => 0.0,
                _ => 0.3,
            };
            let offset = if g.name(v) == "discriminator.0.2.bias" { bias } else { 0.0 };
            let data = (0..n).map(|i| offset + scale * p.normal(0, i as u64) as f64).collect();
            all.insert(g.name(v).to_string(), RefTensor::f32(g.shape(v).clone(), data));
        }
        all
    }

    #[test]
    fn rbcn_08_the_students_gradient_by_what_the_discriminator_says() {
        let g = &mut Graph::new();
        let view = g.param("view", [6, 10], Init::Zeros, Role::Other).unwrap();
        let loss = D.deceive(g, 0, view).unwrap();
        let by_loss = g.backward(loss, &[view]).unwrap()[0];
        // -mean D through the same weights.
        let p = probability(g, 0, view, false).unwrap();
        let mean = g.mean_all(p).unwrap();
        let by_d = g.backward(mean, &[view]).unwrap()[0];
        // D = 1: nothing to gain.
        let made = run_reference(g, &leaves(g, 0.0, 800.0), &[]);
        assert!(made[by_loss.index()].data.iter().all(|d| *d == 0.0));
        // D near 0.5: (1 - D)² falls with D at a rate of -1.
        let made = run_reference(g, &leaves(g, 1e-9, 0.0), &[]);
        let (by_loss, by_d) = (&made[by_loss.index()].data, &made[by_d.index()].data);
        assert!(by_d.iter().any(|d| d.abs() > 1e-13));
        for (a, b) in by_loss.iter().zip(by_d) {
            assert!((a + b).abs() < 1e-6 * b.abs(), "{a}, {b}");
        }
    }

    #[test]
    fn rbcn_09_real_and_fake_change_places() {
        let build = |swapped: bool| {
            let g = &mut Graph::new();
            let real = g.state("real", Meta::f32([6, 10]), Init::Zeros).unwrap();
            let fake = g.state("fake", Meta::f32([6, 10]), Init::Zeros).unwrap();
            let (a, b) = if swapped { (fake, real) } else { (real, fake) };
            let made = D.compare(g, 0, a, b).unwrap();
            let bias = g.find("discriminator.0.2.bias").unwrap();
            let d = g.backward(made.loss, &[bias]).unwrap()[0];
            (std::mem::take(g), made.loss, d)
        };
        // Where D says 0.5 of everything, real maps pull its bias up as strongly as fake ones pull it down; with weights
        // behind, swapping the two turns the gradient of those around.
        let gradient_of_last = |swapped: bool| {
            let (mut g, loss, _) = build(swapped);
            let w = g.find("discriminator.0.2.weight").unwrap();
            let d = g.backward(loss, &[w]).unwrap()[0];
            run_reference(&g, &leaves(&g, 0.0, 0.0), &[])[d.index()].data.clone()
        };
        let (plain, swapped) = (gradient_of_last(false), gradient_of_last(true));
        assert!(plain.iter().any(|d| d.abs() > 1e-4));
        plain.iter().zip(&swapped).for_each(|(a, b)| assert!((a + b).abs() < 1e-12, "{a}, {b}"));

        // Equal maps: the best D is 0.5, at a loss of 2 ln 2; to either side it is larger.
        let (g, loss, d) = build(false);
        let at = |bias: f64| {
            let mut leaves = leaves(&g, 0.0, bias);
            let real = leaves["real"].clone();
            leaves.insert("fake".into(), real);
            let made = run_reference(&g, &leaves, &[]);
            (made[loss.index()].data[0], made[d.index()].data[0])
        };
        let (least, slope) = at(0.0);
        assert!((least - 2.0 * std::f64::consts::LN_2).abs() < 1e-7 && slope.abs() < 1e-12, "{least}, {slope}");
        assert!(at(0.1).0 > least && at(-0.1).0 > least);
    }
}
