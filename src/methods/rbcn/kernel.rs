//! The kernel loss `(λ1/2) Σ_l Σ_i ‖W_i - C ⊙ sign(W_i)‖²`, which ties latent weights to their scaled signs, and the
//! update of the scale matrices C.

use super::{KernelPath, RbcnSpec};
use crate::error::Result;
use crate::graph::{Graph, Init, Phase, Role, Value};
use crate::methods::tracking::halted_before;
use crate::methods::{PASSED_ON, parts};
use crate::nn::Network;
use crate::ops::pointwise::Ste;
use crate::optim::{OptimSpec, Rule};
use crate::tensor::Shape;

/// Plain steps, without momentum and decay.
const PLAIN: OptimSpec = OptimSpec::new(Rule::Sgd { momentum: 0.0, nesterov: false });

/// A binary layer with a matrix, as another graph finds it again.
pub(super) struct Layer {
    name: String,
    weight: Shape,
    weight_init: (Init, Role),
    matrix: Shape,
    matrix_init: (Init, Role),
}

impl Layer {
    /// W and C in another graph.
    fn leaves(&self, g: &mut Graph) -> Result<(Value, Value)> {
        g.scoped(self.name.clone(), |g| {
            let (init, role) = self.weight_init;
            let w = g.param("weight", self.weight.clone(), init, role)?;
            let (init, role) = self.matrix_init;
            Ok((w, g.param("matrix", self.matrix.clone(), init, role)?))
        })
    }
}

/// The layers of a network that have a matrix.
pub(super) fn layers(g: &Graph, net: &Network) -> Result<Vec<Layer>> {
    let mut all = Vec::new();
    for layer in &net.binary {
        let Some((matrix, _)) = layer.matrix else { continue };
        let weight = g.find(&format!("{}.weight", layer.name)).expect("a layer with a matrix has latent weights");
        all.push(Layer {
            name: layer.name.clone(),
            weight: g.shape(weight).clone(),
            weight_init: g.init(weight).expect("a parameter"),
            matrix: g.shape(matrix).clone(),
            matrix_init: g.init(matrix).expect("a parameter"),
        });
    }
    Ok(all)
}

/// The loss of all layers, for the student: its gradient goes to W by the paths that are asked for, and not to C.
pub(super) fn loss(g: &mut Graph, net: &Network, spec: &RbcnSpec) -> Result<Value> {
    let mut sum: Option<Value> = None;
    for layer in &net.binary {
        let (Some(w), Some(bits), Some((c, _))) = (layer.weight, layer.bits, layer.matrix) else { continue };
        let signs = g.signed(bits)?;
        let c = g.detach(c)?;
        let (w, signs) = match spec.kernel_path {
            KernelPath::Direct => (w, g.detach(signs)?),
            KernelPath::Ste => (g.detach(w)?, signs),
            KernelPath::Both => (w, signs),
        };
        let squares = residual(g, w, c, signs)?;
        sum = Some(match sum {
            Some(others) => g.add(others, squares)?,
            None => squares,
        });
    }
    match sum {
        Some(sum) => g.scale(sum, 0.5 * spec.lambda_kernel),
        None => Ok(g.fill([], 0.0)),
    }
}

/// `Σ (W - C ⊙ signs)²`.
fn residual(g: &mut Graph, w: Value, c: Value, signs: Value) -> Result<Value> {
    let tied = g.mul(signs, c)?;
    let rest = g.sub(w, tied)?;
    let n = g.shape(rest).elements();
    let rest = g.reshape(rest, [n])?;
    let sum = g.sum_squares(rest, &[0])?;
    g.reshape(sum, [])
}

/// A leaf that hands the gradient of a matrix from the student's part to that of the matrices.
fn passed_of(g: &mut Graph, matrix: Value) -> Result<Value> {
    let (name, meta) = (format!("{PASSED_ON}{}", g.name(matrix)), g.meta(matrix).clone());
    g.state(&name, meta, Init::Zeros)
}

/// Keeps dL/dC of the student's loss for the part that updates the matrices.
pub(super) fn pass_on(g: &mut Graph, matrices: &[Value], gradients: &[Value]) -> Result<()> {
    g.in_phase(Phase::Update, |g| {
        for (&c, &gradient) in matrices.iter().zip(gradients) {
            let leaf = passed_of(g, c)?;
            g.assign(leaf, gradient)?;
        }
        Ok(())
    })
}

/// Part 3: `C <- C - η2 (dL_S/dC + dL_adv/dC + dL_kernel/dC)`, the last one with the new W:
/// `-λ1 Σ_i (W_i - C ⊙ sign(W_i)) ⊙ sign(W_i)`.
pub(super) fn matrices(layers: &[Layer], lambda: f32) -> Result<Graph> {
    let (g, ()) = parts::graph(|g| {
        let halted = halted_before(g)?;
        let (mut all, mut gradients) = (Vec::new(), Vec::new());
        for layer in layers {
            let (w, c) = layer.leaves(g)?;
            let mut gradient = passed_of(g, c)?;
            if lambda > 0.0 {
                let signs = g.sign(w, Ste::Identity)?;
                let signs = g.signed(signs)?;
                let squares = residual(g, w, c, signs)?;
                let loss = g.scale(squares, 0.5 * lambda)?;
                let tie = g.backward(loss, &[c])?[0];
                gradient = g.add(gradient, tie)?;
            }
            all.push(c);
            gradients.push(gradient);
        }
        PLAIN.step_of("matrices", g, &all, &gradients, Some(halted))
    })?;
    Ok(g)
}

/// Before the first step: C becomes the mean of |W| over the filters, where the kernel loss is smallest.
pub(super) fn start(layers: &[Layer]) -> Result<Graph> {
    let (g, ()) = parts::graph(|g| {
        for layer in layers {
            let (w, c) = layer.leaves(g)?;
            let (of_w, of_c) = (g.shape(w).clone(), g.shape(c).clone());
            let axes: Vec<usize> = (0..of_w.len()).filter(|&a| of_c[a] == 1 && of_w[a] > 1).collect();
            let mean = if axes.is_empty() { g.abs(w)? } else { g.mean_abs(w, &axes)? };
            let mean = g.reshape(mean, of_c)?;
            g.assign(c, mean)?;
        }
        Ok(())
    })?;
    Ok(g)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{BinaryLayer, Count, MatrixShape};
    use crate::rng::Philox;
    use crate::tensor::RefTensor;
    use crate::verify::run_reference;
    use std::collections::BTreeMap;

    /// Loss of one layer and its gradients by W and C, in f64. W is `[filters, 3, 3, 2]`.
    fn kernel_loss(path: KernelPath, lambda: f32, w: &[f64], of_c: [usize; 4], c: &[f64]) -> (f64, Vec<f64>, Vec<f64>) {
        let shape = [w.len() / 18, 3, 3, 2];
        let g = &mut Graph::new();
        let wv = g.param("l.weight", shape, Init::Zeros, Role::BinaryWeight).unwrap();
        let cv = g.param("l.matrix", of_c, Init::Zeros, Role::BinaryScale).unwrap();
        let bits = g.sign(wv, Ste::ApproxSign).unwrap();
        let layer = BinaryLayer {
            name: "l".into(),
            weight: Some(wv),
            bits: Some(bits),
            scale: None,
            centre: None,
            matrix: Some((cv, MatrixShape::Kernel)),
        };
        let net = Network {
            residuals: Vec::new(),
            logits: wv,
            features: wv,
            stages: Vec::new(),
            binary: vec![layer],
            masks: Vec::new(),
            count: Count::default(),
            layers: Vec::new(),
        };
        let spec = RbcnSpec { kernel_path: path, lambda_kernel: lambda, ..RbcnSpec::default() };
        let student = loss(g, &net, &spec).unwrap();
        let by_w = g.backward(student, &[wv]).unwrap()[0];
        // What the part of the matrices does with nothing passed on and a learning rate of 1.
        let layers = layers(g, &net).unwrap();
        let own = matrices(&layers, lambda).unwrap();
        let leaves: BTreeMap<String, RefTensor> = [
            ("l.weight", RefTensor::f32(shape, w.to_vec())),
            ("l.matrix", RefTensor::f32(of_c, c.to_vec())),
            ("passed.l.matrix", RefTensor::f32(of_c, vec![0.0; c.len()])),
            ("metrics.halted", RefTensor::f32([1], vec![0.0])),
        ]
        .map(|(n, t)| (n.to_string(), t))
        .into();
        let made = run_reference(g, &leaves, &[]);
        let after = run_reference(&own, &leaves, &[1.0]);
        let matrix = own.params().into_iter().find(|v| own.name(*v).ends_with("matrix")).unwrap();
        let new = own.assigns().iter().find(|(leaf, _)| *leaf == matrix).expect("the part updates it").1;
        let by_c = c.iter().zip(&after[new.index()].data).map(|(old, new)| old - new).collect();
        (made[student.index()].data[0], made[by_w.index()].data.clone(), by_c)
    }

    fn weights(filters: usize) -> Vec<f64> {
        let p = Philox::new(3, 0);
        (0..filters * 18).map(|i| 0.3 * p.normal(0, i as u64) as f64).collect()
    }

    const SHAPES: [[usize; 4]; 3] = [[1, 1, 1, 1], [1, 3, 3, 1], [1, 3, 3, 2]];

    /// Which entry of a matrix belongs to weight i.
    fn entry(of_c: [usize; 4], i: usize) -> usize {
        match of_c {
            [1, 1, ..] => 0,
            [.., 1] => i / 2 % 9,
            _ => i % 18,
        }
    }

    /// Mean of |W| over what shares an entry.
    fn best(of_c: [usize; 4], w: &[f64]) -> Vec<f64> {
        let n: usize = of_c.iter().product();
        let share = n as f64 / w.len() as f64;
        let mut c = vec![0.0; n];
        w.iter().enumerate().for_each(|(i, w)| c[entry(of_c, i)] += share * w.abs());
        c
    }

    #[test]
    fn rbcn_03_gradient_of_the_matrix() {
        let w = weights(4);
        for of_c in SHAPES {
            let n: usize = of_c.iter().product();
            let c: Vec<f64> = (0..n).map(|i| 0.1 + 0.02 * i as f64).collect();
            let (_, _, by_c) = kernel_loss(KernelPath::Both, 0.5, &w, of_c, &c);
            let mut expected = vec![0.0; n];
            for (i, w) in w.iter().enumerate() {
                let sign = if *w >= 0.0 { 1.0 } else { -1.0 };
                expected[entry(of_c, i)] -= 0.5 * (w - c[entry(of_c, i)] * sign) * sign;
            }
            for (got, expected) in by_c.iter().zip(&expected) {
                assert!((got - expected).abs() < 1e-6, "{of_c:?}: {got}, {expected}");
            }
            let (_, _, at_best) = kernel_loss(KernelPath::Both, 0.5, &w, of_c, &best(of_c, &w));
            assert!(at_best.iter().all(|d| d.abs() < 1e-12), "{of_c:?}: {at_best:?}");
        }
    }

    #[test]
    fn rbcn_04_the_least_loss_is_the_spread_of_magnitudes() {
        let w = weights(4);
        for of_c in SHAPES {
            let c = best(of_c, &w);
            let (loss, ..) = kernel_loss(KernelPath::Both, 0.5, &w, of_c, &c);
            let spread: f64 = w.iter().enumerate().map(|(i, w)| (w.abs() - c[entry(of_c, i)]).powi(2)).sum();
            assert!((loss - 0.25 * spread).abs() < 1e-9, "{of_c:?}");
        }
    }

    #[test]
    fn rbcn_06_where_each_path_takes_a_weight() {
        let flow = |path: KernelPath, start: f64| {
            let mut w = vec![start; 18];
            for _ in 0..4000 {
                let (_, by_w, _) = kernel_loss(path, 1.0, &w, [1, 1, 1, 1], &[0.1]);
                w.iter_mut().zip(by_w).for_each(|(w, d)| *w -= 0.05 * d);
            }
            w[0]
        };
        for path in [KernelPath::Direct, KernelPath::Both] {
            for start in [0.3, 0.05] {
                let end = flow(path, start);
                assert!((end - 0.1).abs() < 1e-3, "{path:?} from {start} to {end}");
            }
        }
        assert!(flow(KernelPath::Ste, 0.3) > 0.95, "{}", flow(KernelPath::Ste, 0.3));
        assert!(flow(KernelPath::Ste, 0.05).abs() < 0.02, "{}", flow(KernelPath::Ste, 0.05));
    }
}
