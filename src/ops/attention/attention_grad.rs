//! Gradients of attention: `dv = Pᵀ dy`, `dS = P (dy vᵀ - Σ dy y)`, `dq = dS k / sqrt(d)`, `dk = dSᵀ q / sqrt(d)`, where the
//! probabilities P are made again from the logarithms of their sums.

use super::{Head, constants, copies, extents, is_packed};
use crate::error::{Error, Result};
use crate::graph::{CpuIo, EPS, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::kernels::{self, AttentionExtents};
use crate::launch::{Launch, Lowering, Operand, fold_groups};
use crate::ops::inputs::{exactly, same};
use crate::tensor::{DType, RefTensor};

/// Queries, keys, values, the gradient of attention's result, its logarithms and its result -> gradients of queries, keys and
/// values.
#[derive(Clone, Debug)]
pub struct AttentionGrad {
    /// Heads.
    pub heads: usize,
}

/// What a query's row of gradients is made of.
struct Row {
    /// Probabilities, and their errors.
    shares: Vec<[f64; 2]>,
    /// Gradients of scores, divided by sqrt(d), and their errors.
    slopes: Vec<[f64; 2]>,
}

impl Row {
    /// A score has its error `of_score`; the exponential's and those of the difference are `(8 + 6 |S - L|) EPS`. `dy vᵀ` and
    /// `Σ dy y` are sums of d products.
    fn new(head: &Head<'_>, token: usize) -> Row {
        let (scores, of_score) = head.scores(token);
        let scale = 1.0 / libm::sqrt(head.e.d as f64);
        let (dy, y) = (head.of_query(3, token), head.of_query(5, token));
        let log_sum = head.inputs[4].data[head.number(token)];
        let dot = |x: &[f64]| dy.iter().zip(x).map(|(a, b)| a * b).sum::<f64>();
        let around = |x: &[f64]| dy.iter().zip(x).map(|(a, b)| (a * b).abs()).sum::<f64>();
        let of_sums = 2.0 * head.e.d as f64 * EPS;
        let (along, around_along) = (dot(y), around(y));
        let least = f64::from(f32::MIN_POSITIVE);
        let one = |(key, score): (usize, &f64)| {
            let v = head.of_key(2, key);
            let share = libm::exp(score - log_sum);
            let of_share = share * (of_score + (8.0 + 6.0 * (score - log_sum).abs()) * EPS) + 2.0 * least;
            let rest = dot(v) - along;
            let of_rest = (of_sums + 3.0 * EPS) * (around(v) + around_along);
            let of_slope = of_share * (rest.abs() + of_rest) + share * of_rest + 4.0 * EPS * (share * rest).abs();
            ([share, of_share], [share * rest * scale, of_slope * scale + least])
        };
        let (shares, slopes) = scores.iter().enumerate().map(one).unzip();
        Row { shares, slopes }
    }
}

impl AttentionGrad {
    fn extents(&self, inputs: &[Meta]) -> Result<AttentionExtents> {
        extents(self.name(), self.heads, inputs)
    }

    /// Adds up gradients of queries, keys and values: `term` makes what is added of a number of the row (with its error) and
    /// a number of another tensor.
    fn add_up(&self, inputs: &[&RefTensor], term: impl Fn([f64; 2], f64) -> f64) -> [Vec<f64>; 3] {
        let metas: Vec<Meta> = inputs.iter().map(|t| Meta::f32(t.shape.clone())).collect();
        let e = self.extents(&metas).expect("checked by infer");
        let [mut dq, mut dk, mut dv] = [0, 1, 2].map(|i: usize| vec![0.0; inputs[i].data.len()]);
        let add = |to: &mut [f64], of_row: [f64; 2], x: &[f64]| {
            to.iter_mut().zip(x).for_each(|(to, x)| *to += term(of_row, *x));
        };
        for head in Head::all(e, inputs) {
            for token in 0..e.queries {
                let row = Row::new(&head, token);
                let query = head.begin(token, e.queries);
                for (key, (share, slope)) in row.shares.iter().zip(&row.slopes).enumerate() {
                    let at = head.begin(key, e.keys);
                    add(&mut dq[query..][..e.d], *slope, head.of_key(1, key));
                    add(&mut dk[at..][..e.d], *slope, head.of_query(0, token));
                    add(&mut dv[at..][..e.d], *share, head.of_query(3, token));
                }
            }
        }
        [dq, dk, dv]
    }
}

impl Op for AttentionGrad {
    fn name(&self) -> &'static str {
        "attention_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [q, k, v, ..] = exactly::<6>(self.name(), inputs)?;
        let e = self.extents(inputs)?;
        let wanted = [q, k, v, q, &Meta::f32([e.n, e.queries, e.heads]), q].map(Meta::clone);
        same(self.name(), inputs, &wanted)?;
        Ok(vec![q.clone(), k.clone(), v.clone()])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Err(Error::Config("attention has no second derivative".to_string()))
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let made = self.add_up(inputs, |[number, _], x| number * x);
        made.into_iter().zip(outputs).map(|(y, m)| RefTensor::new(m.shape.clone(), DType::F32, y)).collect()
    }

    /// Errors of the terms, and roundings of their products and sums, of which there are as many as queries or keys.
    fn bound(&self, inputs: &[&RefTensor], _outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let terms = inputs[0].shape[1].max(inputs[1].shape[1]) as f64;
        let of_term = |[number, of_number]: [f64; 2], x: f64| {
            (of_number + (2.0 * terms + 6.0) * EPS * (number.abs() + of_number)) * x.abs()
        };
        let mut all = self.add_up(inputs, of_term);
        all.iter_mut().flatten().for_each(|bound| *bound += 2.0 * f64::from(f32::MIN_POSITIVE));
        all.to_vec()
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let metas: Vec<Meta> = (0..3).map(|i| io.meta(i).clone()).collect();
        let e = self.extents(&metas)?;
        let isa = io.isa();
        let [q, k, v, dy, log_sum, y] = [0, 1, 2, 3, 4, 5].map(|i| io.f32(i));
        kernels::attention_grad(isa, e, [q, k, v], [y, log_sum, dy], io.out3());
        Ok(())
    }

    fn operations(&self, inputs: &[Meta], _outputs: &[Meta]) -> (f64, bool) {
        let e = self.extents(inputs).expect("checked by infer");
        (10.0 * e.products() as f64, false)
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let e = self.extents(cx.inputs).expect("checked by infer");
        let packed = is_packed(cx.target);
        let (words, mut launches) = if packed { copies(cx.inputs, &[0, 1, 2, 3, 4]) } else { (0, vec![]) };
        let along = Operand::Temp(usize::from(packed));
        let rows = e.n * e.queries * e.heads;
        launches.push(Launch::each(
            rows,
            "attention/attention_along",
            vec![("COUNT", rows as f64), ("D", e.d as f64)],
            vec![Operand::In(3), Operand::In(5), along],
        ));
        let inputs = if packed { vec![Operand::Temp(0)] } else { [0, 1, 2, 3, 4].map(Operand::In).to_vec() };
        let inputs = [inputs, vec![along]].concat();
        let of = |shader: &'static str, tokens: usize, results: &[Operand]| Launch {
            shader,
            defines: vec![
                ("PACKED", packed.into()),
                ("CHANNELS", e.d.div_ceil(4) as u32),
                ("RESULT", inputs.len() as u32),
            ],
            constants: constants(&e),
            workgroups: fold_groups(e.n * e.heads * tokens.div_ceil(16)),
            operands: [&inputs[..], results].concat(),
        };
        launches.push(of("attention/attention_query_grad", e.queries, &[Operand::Out(0)]));
        launches.push(of("attention/attention_key_grad", e.keys, &[Operand::Out(1), Operand::Out(2)]));
        Ok(Lowering { temps: if packed { vec![words, rows] } else { vec![rows] }, launches })
    }
}
