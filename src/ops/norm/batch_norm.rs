//! Batch normalisation by channel (Ioffe and Szegedy 2015), as PyTorch defines it.
//!
//! With batch mean m and variance v: `y = gamma (x - m) / sqrt(v + eps) + beta`, computed as `x a + c` with
//! `a = gamma / sqrt(v + eps)` and `c = beta - m a`, both `[C]`: one pointwise op with two small operands,
//! which fuses with whatever follows. Backward keeps x, m and 1/sqrt(v + eps); with n rows,
//!
//! ```text
//! dbeta = Σ dy      dgamma = Σ dy (x - m) / sqrt(v + eps)
//! dx = a (dy - Σ dy / n - (x - m) / (v + eps) Σ dy (x - m) / n)
//! ```
//!
//! A factor `scale` `[C]` that belongs to x, such as that of a binary convolution, is absorbed: `scale * x`
//! has mean `scale m` and variance `scale² v`, so with `1/std = scale / sqrt(scale² v + eps)` the formulas above
//! hold for x itself, which may then be the integers of the convolution.

use super::{ChannelStats, ChannelSums, Factor};
use crate::error::{Error, Result};
use crate::graph::{EPS, GradientOf, Grads, Graph, Meta, Phase, Pointwise, Value};
use crate::kernels::isa::vectorised;
use crate::tensor::HostTensor;

/// The leaves of a batch normalisation, all f32 `[C]`.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormLeaves {
    /// Factor.
    pub gamma: Value,
    /// Offset.
    pub beta: Value,
    /// Running mean, a state.
    pub running_mean: Value,
    /// Running unbiased variance, a state.
    pub running_var: Value,
}

/// Which statistics normalise, and what is trained.
#[derive(Clone, Copy, Debug)]
pub enum BatchNormMode {
    /// Those of the batch; the running statistics move towards them.
    Train {
        /// Weight of the batch in the running statistics (PyTorch: 0.1).
        momentum: f32,
        /// One number; where it is not 0, the running statistics stay as they are.
        gate: Option<Value>,
    },
    /// Those of the batch; the running statistics stay as they are.
    Batch,
    /// The running ones; nothing is trained.
    Eval,
    /// The running ones; gamma and beta are trained.
    Frozen,
    /// The running ones, which move towards those of the batch; gamma and beta are trained.
    Settle {
        /// As in [`BatchNormMode::Train`].
        momentum: f32,
        /// As in [`BatchNormMode::Train`].
        gate: Option<Value>,
    },
}

/// `x a + c`, whose gradient with respect to x includes, for batch statistics, the way through them.
#[derive(Clone, Debug)]
pub struct BatchNormApply {
    /// What is subtracted from x before it is multiplied with dy, so that little cancels: the mean.
    pub centre: Value,
    /// 1/std of the batch if a and c were made from statistics of x itself, centre being their mean.
    pub inv_std: Option<Value>,
}

impl Pointwise for BatchNormApply {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn arity(&self) -> usize {
        3
    }

    fn wgsl(&self, _port: usize) -> &'static str {
        "scale_shift"
    }

    fn eval(&self, _port: usize, _index: usize, x: &[&[f32]], y: &mut [f32]) {
        vectorised(
            #[inline(always)]
            || {
                for (((y, x), a), c) in y.iter_mut().zip(x[0]).zip(x[1]).zip(x[2]) {
                    *y = x * a + c;
                }
            },
        );
    }

    fn eval64(&self, _port: usize, _index: usize, x: &[f64]) -> f64 {
        x[0] * x[1] + x[2]
    }

    /// Two roundings, or one where the device fuses them.
    fn bound(&self, _port: usize, x: &[f64], _y: f64) -> f64 {
        2.0 * EPS * ((x[0] * x[1]).abs() + x[2].abs()) + f32::MIN_POSITIVE as f64
    }

    fn grad(&self, g: &mut Graph, x: &[Value], _y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let Some(dy) = dy[0] else { return Ok(vec![None; 3]) };
        let (x, a) = (x[0], x[1]);
        let sums = g.apply(ChannelSums { factor: Factor::Centred }, &[dy, x, self.centre])?;
        let (sum, product) = (sums[0], sums[1]);
        // Σ dy x, of which the gradient of c takes centre Σ dy away again on the way to gamma.
        let da = g.scale_shift(self.centre, sum, product)?;
        let dx = match self.inv_std {
            None => g.mul(dy, a)?,
            Some(inv_std) => {
                let n = g.shape(x).rows() as f32;
                let slope = g.square(inv_std)?;
                let slope = g.mul(slope, product)?;
                let slope = g.mul(slope, a)?;
                let slope = g.scale(slope, -1.0 / n)?;
                let level = g.mul(a, sum)?;
                let level = g.scale(level, -1.0 / n)?;
                let at_centre = g.mul(slope, self.centre)?;
                let level = g.sub(level, at_centre)?;
                let rest = g.scale_shift(x, slope, level)?;
                g.scale_shift(dy, a, rest)?
            }
        };
        Ok(vec![Some(dx), Some(da), Some(sum)])
    }

    fn gradient_of(&self) -> GradientOf {
        if self.inv_std.is_some() { GradientOf::Detached } else { GradientOf::Inputs }
    }
}

impl Graph {
    /// Batch normalisation of `scale * x` over all axes but the last; `x` is f32 or i16, `scale` (taken as
    /// 1 if `None`, positive, without gradient) and the leaves are `[C]`.
    ///
    /// In [`BatchNormMode::Train`] and [`BatchNormMode::Settle`] it assigns the running statistics at the end of the
    /// step: `running += momentum * (batch - running)`, with the unbiased variance.
    pub fn batch_norm(
        &mut self,
        x: Value,
        scale: Option<Value>,
        leaves: &BatchNormLeaves,
        mode: BatchNormMode,
        eps: f32,
    ) -> Result<Value> {
        let shape = self.shape(x).clone();
        let channels = shape.columns();
        let BatchNormLeaves { gamma, beta, running_mean, running_var } = *leaves;
        for v in [gamma, beta, running_mean, running_var].into_iter().chain(scale) {
            if *self.meta(v) != Meta::f32([channels]) || shape.is_empty() {
                let (x, name, v) = (self.meta(x), self.name(v), self.meta(v));
                return Err(Error::shape("batch_norm", format!("{name} is {v} where {x} is normalised")));
            }
        }
        let scale = scale.map(|s| self.detach(s)).transpose()?;
        let scaled = |g: &mut Graph, v: Value| scale.map_or(Ok(v), |s| g.mul(v, s));

        if let BatchNormMode::Eval | BatchNormMode::Frozen | BatchNormMode::Settle { .. } = mode {
            let (gamma, beta) = match mode {
                BatchNormMode::Eval => (self.detach(gamma)?, self.detach(beta)?),
                _ => (gamma, beta),
            };
            if let BatchNormMode::Settle { momentum, gate } = mode {
                let stats = self.batch_stats(x, scale)?;
                self.follow(leaves, &stats, momentum, gate)?;
            }
            let inv_std = self.offset(running_var, eps)?;
            let inv_std = self.rsqrt(inv_std)?;
            let a = self.mul(gamma, inv_std)?;
            let shift = self.mul(running_mean, a)?;
            let c = self.sub(beta, shift)?;
            let a = scaled(self, a)?;
            let centre = match scale {
                Some(_) => self.constant(HostTensor::zeros([channels], crate::tensor::DType::F32)),
                None => running_mean,
            };
            return self.apply1(BatchNormApply { centre, inv_std: None }, &[x, a, c]);
        }
        let stats = self.batch_stats(x, scale)?;
        let inv_std = self.offset(stats.var, eps)?;
        let inv_std = self.rsqrt(inv_std)?;
        let inv_std = scaled(self, inv_std)?;
        let a = self.mul(gamma, inv_std)?;
        let shift = self.mul(stats.mean, a)?;
        let c = self.sub(beta, shift)?;
        if let BatchNormMode::Train { momentum, gate } = mode {
            self.follow(leaves, &stats, momentum, gate)?;
        }
        self.apply1(BatchNormApply { centre: stats.mean, inv_std: Some(inv_std) }, &[x, a, c])
    }

    /// The statistics of a batch. The gradient through them is in that of [`BatchNormApply`].
    fn batch_stats(&mut self, x: Value, scale: Option<Value>) -> Result<BatchStats> {
        let rows = self.shape(x).rows();
        if rows < 2 {
            let m = format!("training needs at least two rows for a variance, {} has one", self.meta(x));
            return Err(Error::shape("batch_norm", m));
        }
        let stats = self.apply(ChannelStats, &[x])?;
        let (mean, var) = (self.detach(stats[0])?, self.detach(stats[1])?);
        let var = match scale {
            Some(s) => {
                let square = self.square(s)?;
                self.mul(var, square)?
            }
            None => var,
        };
        Ok(BatchStats { mean, var, scale, rows })
    }

    /// `running += momentum (batch - running)` at the end of the step; a layer that sees several batches in a step follows
    /// one after the other.
    fn follow(
        &mut self,
        leaves: &BatchNormLeaves,
        stats: &BatchStats,
        momentum: f32,
        gate: Option<Value>,
    ) -> Result<()> {
        self.in_phase(Phase::Update, |g| {
            let mean = stats.scale.map_or(Ok(stats.mean), |s| g.mul(stats.mean, s))?;
            let unbiased = g.scale(stats.var, stats.rows as f32 / (stats.rows - 1) as f32)?;
            for (leaf, batch) in [(leaves.running_mean, mean), (leaves.running_var, unbiased)] {
                let before = g.next(leaf);
                let old = g.scale(before, 1.0 - momentum)?;
                let new = g.scale(batch, momentum)?;
                let new = g.add(old, new)?;
                let new = gate.map_or(Ok(new), |flag| g.gate(flag, new, leaf))?;
                g.assign_next(leaf, new)?;
            }
            Ok(())
        })
    }
}

/// Mean of x, biased variance of `scale * x`, both `[C]`.
struct BatchStats {
    mean: Value,
    var: Value,
    scale: Option<Value>,
    rows: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Init, Role};
    use crate::ops::pointwise::Ste;
    use crate::program::{Backend, Program};

    /// A normalised x, shifted by a shortcut, then relu and sign, differentiated.
    fn program() -> (Program, Value) {
        let mut g = Graph::new();
        let leaf = |g: &mut Graph, name: &str, n: usize| g.param(name, [n], Init::Zeros, Role::Other).unwrap();
        let w = g.param("w", [4, 6, 5], Init::Zeros, Role::Weight).unwrap();
        let shortcut = g.input("shortcut", Meta::f32([4, 6, 5])).unwrap();
        let x = g.exp(w).unwrap();
        let x = g.softmax(x).unwrap();
        let leaves = BatchNormLeaves {
            gamma: leaf(&mut g, "gamma", 5),
            beta: leaf(&mut g, "beta", 5),
            running_mean: g.state("mean", Meta::f32([5]), Init::Zeros).unwrap(),
            running_var: g.state("var", Meta::f32([5]), Init::Zeros).unwrap(),
        };
        let mode = BatchNormMode::Train { momentum: 0.1, gate: None };
        let y = g.batch_norm(x, None, &leaves, mode, 1e-5).unwrap();
        let y = g.add(y, shortcut).unwrap();
        let y = g.hardtanh(y).unwrap();
        let bits = g.sign(y, Ste::ClippedIdentity).unwrap();
        let signs = g.signed(bits).unwrap();
        let loss = g.mean_all(signs).unwrap();
        let d = g.backward(loss, &[w, leaves.gamma, leaves.beta]).unwrap();
        for (i, d) in d.into_iter().enumerate() {
            g.output(format!("d{i}"), d);
        }
        (Program::compile(g, Backend::Cpu).unwrap(), x)
    }

    #[test]
    fn it_fuses_with_shortcut_activation_and_sign() {
        let (p, _) = program();
        let names: Vec<String> = (0..p.steps.len()).map(|i| p.step_name(i)).collect();
        assert!(names.iter().any(|n| n.starts_with("batch_norm+add+hardtanh+sign")), "{names:?}");
    }

    #[test]
    fn it_keeps_its_input_and_numbers_by_channel() {
        let (p, x) = program();
        let kept: Vec<&crate::graph::ValueInfo> = p.kept().iter().map(|v| &p.graph.values()[v.index()]).collect();
        let large: Vec<_> =
            kept.iter().filter(|i| i.meta.dtype == crate::tensor::DType::F32 && i.meta.shape.len() > 1).collect();
        // exp and hardtanh keep their outputs, softmax its own, which is x.
        assert_eq!(large.len(), 3, "{large:?}");
        assert!(large.iter().any(|i| i.name == p.graph.name(x)));
        assert!(!large.iter().any(|i| i.name == "batch_norm"), "{large:?}");
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let mut g = Graph::new();
        let one_row = g.input("x", Meta::f32([1, 3])).unwrap();
        let rows = g.input("rows", Meta::f32([4, 5])).unwrap();
        let leaf = |g: &mut Graph, name: &str| g.state(name, Meta::f32([3]), Init::Zeros).unwrap();
        let leaves = BatchNormLeaves {
            gamma: leaf(&mut g, "gamma"),
            beta: leaf(&mut g, "beta"),
            running_mean: leaf(&mut g, "mean"),
            running_var: leaf(&mut g, "var"),
        };
        let mode = BatchNormMode::Train { momentum: 0.1, gate: None };
        let e = g.batch_norm(one_row, None, &leaves, mode, 1e-5).unwrap_err().to_string();
        assert!(e.contains("at least two rows"), "{e}");
        let e = g.batch_norm(rows, None, &leaves, BatchNormMode::Eval, 1e-5).unwrap_err().to_string();
        assert!(e.contains("gamma is f32[3] where f32[4, 5] is normalised"), "{e}");
        let ints = g.input("ints", Meta::new([4, 3], crate::tensor::DType::U8)).unwrap();
        let e = g.batch_norm(ints, None, &leaves, mode, 1e-5).unwrap_err().to_string();
        assert!(e.contains("takes f32 or i16"), "{e}");
    }
}
