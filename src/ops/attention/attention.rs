//! `softmax(q kᵀ / sqrt(d)) v` of each image and head, d being the channels of a head. A softmax needs its whole row, but not
//! at once: where a larger score is found, what was summed until then is scaled. Backward keeps the result and one logarithm a
//! query and head, and no matrix of queries and keys (Rabe and Staats 2021; Dao et al. 2022).

use super::{AttentionGrad, Head, constants, copies, extents, is_packed};
use crate::error::{Error, Result};
use crate::graph::{CpuIo, EPS, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::kernels;
use crate::launch::{Launch, Lowering, Operand, fold_groups};
use crate::ops::inputs::exactly;
use crate::ops::softmax::log_sum_exp;
use crate::tensor::{DType, RefTensor};

/// Queries `[n, q, c]`, keys and values `[n, k, c]` -> the result `[n, q, c]`, and the logarithm of the sum below each softmax
/// `[n, q, heads]`. A head owns `c / heads` neighbouring channels, 64 at most.
#[derive(Clone, Debug)]
pub struct Attention {
    /// Heads.
    pub heads: usize,
}

impl Op for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [q, ..] = exactly::<3>(self.name(), inputs)?;
        let e = extents(self.name(), self.heads, inputs)?;
        Ok(vec![q.clone(), Meta::f32([e.n, e.queries, e.heads])])
    }

    fn grad(&self, g: &mut Graph, x: &[Value], y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        if dy[1].is_some() {
            return Err(Error::Config("attention: its logarithms have no gradient".to_string()));
        }
        let Some(d) = dy[0] else { return Ok(vec![None; 3]) };
        let made = g.apply(AttentionGrad { heads: self.heads }, &[x[0], x[1], x[2], d, y[1], y[0]])?;
        Ok(made.into_iter().map(Some).collect())
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let metas: Vec<Meta> = inputs.iter().map(|t| Meta::f32(t.shape.clone())).collect();
        let e = extents(self.name(), self.heads, &metas).expect("checked by infer");
        let [mut y, mut log_sums] = [0, 1].map(|port: usize| vec![0.0; outputs[port].shape.elements()]);
        for head in Head::all(e, inputs) {
            for token in 0..e.queries {
                let (scores, _) = head.scores(token);
                let log_sum = log_sum_exp(&scores);
                log_sums[head.number(token)] = log_sum;
                let y = &mut y[head.begin(token, e.queries)..][..e.d];
                for (key, score) in scores.iter().enumerate() {
                    let share = libm::exp(score - log_sum);
                    y.iter_mut().zip(head.of_key(2, key)).for_each(|(y, v)| *y += share * v);
                }
            }
        }
        [y, log_sums].into_iter().zip(outputs).map(|(y, m)| RefTensor::new(m.shape.clone(), DType::F32, y)).collect()
    }

    /// An exponential has twice the error of a score in its exponent, those of differences to the largest score until then and
    /// of the exponentials of their steps, `(6 + 5 d) EPS` with d summed over the steps; there are k / 16 of them at most. A
    /// sum of k terms has their errors by their shares and k + k / 16 roundings, and so has the result, which is divided.
    fn bound(&self, inputs: &[&RefTensor], _outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let metas: Vec<Meta> = inputs.iter().map(|t| Meta::f32(t.shape.clone())).collect();
        let e = extents(self.name(), self.heads, &metas).expect("checked by infer");
        let mut of_y = vec![0.0; inputs[0].data.len()];
        let mut of_log_sum = vec![0.0; of_y.len() / e.d];
        let (k, steps) = (e.keys as f64, 2.0 + e.keys as f64 / 16.0);
        for head in Head::all(e, inputs) {
            for token in 0..e.queries {
                let (scores, of_score) = head.scores(token);
                let log_sum = log_sum_exp(&scores);
                let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let share = |score: f64| libm::exp(score - log_sum);
                let of_term = |score: f64| 2.0 * of_score + (8.0 * steps + 6.0 * (most - score)) * EPS;
                let of_sum = (k + steps) * EPS + scores.iter().map(|&s| share(s) * of_term(s)).sum::<f64>();
                let at = head.number(token);
                of_log_sum[at] = of_score + of_sum + 2f64.powi(-20) + 8.0 * EPS * (log_sum.abs() + most.abs());
                let of_y = &mut of_y[head.begin(token, e.queries)..][..e.d];
                for (key, &score) in scores.iter().enumerate() {
                    let relative = of_term(score) + of_sum + (2.0 * k + steps + 4.0) * EPS;
                    // Numbers below the normal ones may be lost.
                    let term = share(score) * relative + 2.0 * f64::from(f32::MIN_POSITIVE);
                    of_y.iter_mut().zip(head.of_key(2, key)).for_each(|(of_y, v)| *of_y += term * v.abs());
                }
                of_y.iter_mut().for_each(|of_y| *of_y += 2.0 * f64::from(f32::MIN_POSITIVE));
            }
        }
        vec![of_y, of_log_sum]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let metas = [0, 1, 2].map(|i| io.meta(i).clone());
        let e = extents(self.name(), self.heads, &metas).expect("checked by infer");
        let (isa, inputs) = (io.isa(), [0, 1, 2].map(|i| io.f32(i)));
        let (y, log_sum) = io.out2();
        kernels::attention(isa, e, inputs, y, log_sum);
        Ok(())
    }

    fn operations(&self, inputs: &[Meta], _outputs: &[Meta]) -> (f64, bool) {
        let e = extents(self.name(), self.heads, inputs).expect("checked by infer");
        (4.0 * e.products() as f64, false)
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let e = extents(self.name(), self.heads, cx.inputs).expect("checked by infer");
        let packed = is_packed(cx.target);
        let (words, mut launches) = if packed { copies(cx.inputs, &[0, 1, 2]) } else { (0, vec![]) };
        let inputs = if packed { vec![Operand::Temp(0)] } else { [0, 1, 2].map(Operand::In).to_vec() };
        launches.push(Launch {
            shader: "attention/attention",
            defines: vec![("PACKED", packed.into()), ("CHANNELS", e.d.div_ceil(4) as u32)],
            constants: constants(&e),
            workgroups: fold_groups(e.n * e.heads * e.queries.div_ceil(16)),
            operands: [inputs, vec![Operand::Out(0), Operand::Out(1)]].concat(),
        });
        Ok(Lowering { temps: if packed { vec![words] } else { vec![] }, launches })
    }
}

impl Graph {
    /// `softmax(q kᵀ / sqrt(c / heads)) v` of each image and head: queries `[n, q, c]`, keys and values `[n, k, c]`, to
    /// `[n, q, c]`.
    ///
    /// # Errors
    /// If they do not go together, or a head has more than [`MOST_CHANNELS`](crate::ops::attention::MOST_CHANNELS).
    pub fn multi_head_attention(&mut self, q: Value, k: Value, v: Value, heads: usize) -> Result<Value> {
        Ok(self.apply(Attention { heads }, &[q, k, v])?[0])
    }
}
