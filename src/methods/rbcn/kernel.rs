//! The kernel loss `(λ1/2) Σ_l Σ_i ‖W_i - C ⊙ sign(W_i)‖²`, which ties latent weights to their scaled signs, and the
//! update of the scale matrices C.

use super::{KernelPath, RbcnSpec};
use crate::error::Result;
use crate::graph::{Graph, Init, Phase, Role, Value};
use crate::nn::Network;
use crate::ops::pointwise::Ste;
use crate::optim::{OptimSpec, Rule};
use crate::tensor::Shape;
use crate::train::checkpoint::PASSED_ON;
use crate::train::metrics::halted_before;

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
    let g = &mut Graph::new();
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
    PLAIN.step_of("matrices", g, &all, &gradients, Some(halted))?;
    Ok(std::mem::take(g))
}

/// Before the first step: C becomes the mean of |W| over the filters, where the kernel loss is smallest.
pub(super) fn start(layers: &[Layer]) -> Result<Graph> {
    let g = &mut Graph::new();
    for layer in layers {
        let (w, c) = layer.leaves(g)?;
        let magnitudes = g.abs(w)?;
        let (of_w, of_c) = (g.shape(w).clone(), g.shape(c).clone());
        let axes: Vec<usize> = (0..of_w.len()).filter(|&a| of_c[a] == 1 && of_w[a] > 1).collect();
        let mean = if axes.is_empty() { magnitudes } else { g.mean(magnitudes, &axes)? };
        let mean = g.reshape(mean, of_c)?;
        g.assign(c, mean)?;
    }
    Ok(std::mem::take(g))
}
