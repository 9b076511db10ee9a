//! Attention of bits: signs of queries, keys and values, and probabilities of one bit by elastic binarisation (BiT, Liu et al.
//! 2022; BinaryViT). With `P = softmax(q kᵀ / sqrt(d))` of signs and a trained level γ, at least 1e-5:
//!
//! ```text
//! y = γ p v,   p = 1 where P > γ/2, else 0
//! dP = dy vᵀ where P <= γ, else 0;   dv = γ pᵀ dy;   dq, dk as of a softmax
//! dγ = Σ dy vᵀ (1 where P > γ, else p - P/γ)
//! ```
//!
//! (BiT divides dγ by the root of the number of probabilities, BinaryViT does not.) Scores are integers, so that exponentials come
//! out of a table, and what is chosen is equal on every device, to the bit.

use super::copies;
use crate::error::{Error, Result};
use crate::graph::{CpuIo, EPS, GradientOf, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::kernels::bit_attention::{BitHeads, bit_attention, exponentials, row_of_exponentials};
use crate::kernels::gemm::{View, product};
use crate::launch::{Launch, Lowering, Operand};
use crate::ops::attention::MOST_CHANNELS;
use crate::ops::inputs::{exactly, same};
use crate::tensor::bits::unpack;
use crate::tensor::{DType, HostTensor, RefTensor};
use rayon::prelude::*;

/// The least level.
pub const LEAST_LEVEL: f32 = 1e-5;

/// Queries, keys and values as bits `[n, .., c]`, the level and the table of exponentials `[c / heads + 2]` -> `[n, .., c]`. A
/// head's channels are whole words.
#[derive(Clone, Debug)]
pub struct BitAttention {
    /// Heads.
    pub heads: usize,
}

/// Queries, keys, values, level and table, dy -> gradients of queries, keys, values, and of the level (the table has zeros).
#[derive(Clone, Debug)]
pub struct BitAttentionGrad {
    /// Heads.
    pub heads: usize,
}

/// Images, and what each is.
fn extents(op: &'static str, heads: usize, inputs: &[Meta]) -> Result<(usize, BitHeads)> {
    let fail = || {
        let all: Vec<String> = inputs.iter().map(Meta::to_string).collect();
        let all = all.join(", ");
        Error::shape(
            op,
            format!(
                "wants queries, keys and values as bits [n, .., c] of equal extents, {heads} heads of 32 or {MOST_CHANNELS} channels \
                 each, and a level with its table, f32 [c / heads + 2], got {all}"
            ),
        )
    };
    let [q, k, v, scale, ..] = inputs else { return Err(fail()) };
    let c = q.shape.last().copied().unwrap_or(0);
    let d = c.checked_div(heads).filter(|d| d * heads == c && [32, MOST_CHANNELS].contains(d)).ok_or_else(fail)?;
    let fits = q.dtype == DType::Bits && k == q && v == q && q.shape.len() >= 3 && q.shape.elements() > 0;
    if !fits || *scale != Meta::f32([d + 2]) {
        return Err(fail());
    }
    let n = q.shape[0];
    Ok((n, BitHeads { tokens: q.shape.elements() / n / c, heads, d }))
}

/// A row of a head for references: what its keys have, and how near each decision is.
struct Row {
    /// P, and how far an f32 may lie from it, relatively.
    shares: Vec<f64>,
    of_share: f64,
    /// Whether P is over half of the level, and over the level; and whether a rounding may decide otherwise.
    chosen: Vec<(bool, bool)>,
    beyond: Vec<(bool, bool)>,
}

/// Numbers of a head, `[tokens, d]`, of a tensor.
fn head_of(x: &RefTensor, h: BitHeads, image: usize, head: usize) -> Vec<f64> {
    let c = h.heads * h.d;
    let row = |token: usize| &x.data[(image * h.tokens + token) * c + head * h.d..][..h.d];
    (0..h.tokens).flat_map(row).copied().collect()
}

fn level_of(scale: &RefTensor) -> f64 {
    scale.data[0].max(f64::from(LEAST_LEVEL))
}

impl Row {
    /// Each sum of exponentials has a rounding a key; products with the level and quotients have a few more.
    fn new(q: &[f64], keys: &[f64], scale: &RefTensor) -> Row {
        let d = q.len();
        let differing: Vec<usize> = keys.chunks(d).map(|k| q.iter().zip(k).filter(|(a, b)| a != b).count()).collect();
        let least = differing.iter().copied().min().expect("there are keys");
        let e: Vec<f64> = differing.iter().map(|h| scale.data[1 + h - least]).collect();
        let (sum, level) = (e.iter().sum::<f64>(), level_of(scale));
        let of_share = (e.len() as f64 + 8.0) * EPS;
        let decided = |at: f64| move |e: &f64| (*e > at * sum, (e - at * sum).abs() <= of_share * at * sum);
        Row {
            shares: e.iter().map(|e| e / sum).collect(),
            of_share,
            chosen: e.iter().map(decided(level / 2.0)).collect(),
            beyond: e.iter().map(decided(level)).collect(),
        }
    }
}

impl Op for BitAttention {
    fn name(&self) -> &'static str {
        "bit_attention"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [q, ..] = exactly::<4>(self.name(), inputs)?;
        extents(self.name(), self.heads, inputs)?;
        Ok(vec![Meta::f32(q.shape.clone())])
    }

    fn grad(&self, g: &mut Graph, x: &[Value], _y: &[Value], dy: &[Option<Value>]) -> Result<Grads> {
        let Some(dy) = dy[0] else { return Ok(vec![None; 4]) };
        let made = g.apply(BitAttentionGrad { heads: self.heads }, &[x[0], x[1], x[2], x[3], dy])?;
        Ok(made.into_iter().map(Some).collect())
    }

    fn gradient_of(&self) -> GradientOf {
        GradientOf::Definition
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        vec![self.made(inputs, outputs[0].clone(), |chosen, level, v| if chosen.0 { level * v } else { 0.0 })]
    }

    /// Counts are exact, their product with the level is rounded; where a rounding may decide, it is a level more or less.
    fn bound(&self, inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let meta = Meta::f32(outputs[0].shape.clone());
        let near = self.made(inputs, meta, |chosen, level, v| if chosen.1 { level * v.abs() } else { 0.0 });
        vec![near.data.iter().zip(&outputs[0].data).map(|(near, y)| near * 1.001 + EPS * y.abs()).collect()]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let metas: Vec<Meta> = (0..4).map(|i| io.meta(i).clone()).collect();
        let (_, h) = extents(self.name(), self.heads, &metas)?;
        let [q, k, v] = [0, 1, 2].map(|i| io.words(i));
        let (level, table) = (io.f32(3)[0].max(LEAST_LEVEL), &io.f32(3)[1..]);
        let words = h.tokens * h.row();
        io.out(0).par_chunks_mut(h.tokens * h.heads * h.d).enumerate().for_each(|(i, y)| {
            let [q, k, v] = [q, k, v].map(|x| &x[i * words..][..words]);
            bit_attention(h, level, table, [q, k, v], y, 0..h.tokens);
        });
        Ok(())
    }

    fn operations(&self, inputs: &[Meta], _outputs: &[Meta]) -> (f64, bool) {
        let (n, h) = extents(self.name(), self.heads, inputs).expect("checked by infer");
        (4.0 * (n * h.tokens * h.tokens * h.heads * h.d) as f64, true)
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let (n, h) = extents(self.name(), self.heads, cx.inputs)?;
        let (words, mut launches) = copies(cx.inputs, &[0, 1, 2, 3]);
        let operands = vec![Operand::Temp(0), Operand::Out(0)];
        launches.push(Launch::each(n * h.heads * h.tokens, "attention/bit_attention", constants(n, h), operands));
        Ok(Lowering { temps: vec![words], launches })
    }
}

impl BitAttention {
    /// For each query and head the sum over keys of `of(whether it is chosen, level, value)`.
    fn made(&self, inputs: &[&RefTensor], out: Meta, of: impl Fn((bool, bool), f64, f64) -> f64) -> RefTensor {
        let (n, h) = extents_of(self.name(), self.heads, inputs);
        let (signs, level) = ([0, 1, 2].map(|i: usize| inputs[i].signed()), level_of(inputs[3]));
        let mut y = vec![0.0; out.shape.elements()];
        for (image, head) in (0..n).flat_map(|image| (0..h.heads).map(move |head| (image, head))) {
            let [q, k, v] = [0, 1, 2].map(|i: usize| head_of(&signs[i], h, image, head));
            for token in 0..h.tokens {
                let row = Row::new(&q[token * h.d..][..h.d], &k, inputs[3]);
                let y = &mut y[((image * h.tokens + token) * h.heads + head) * h.d..][..h.d];
                for (chosen, v) in row.chosen.iter().zip(v.chunks(h.d)) {
                    y.iter_mut().zip(v).for_each(|(y, v)| *y += of(*chosen, level, *v));
                }
            }
        }
        RefTensor::new(out.shape, DType::F32, y)
    }
}

fn extents_of(op: &'static str, heads: usize, inputs: &[&RefTensor]) -> (usize, BitHeads) {
    let metas: Vec<Meta> = inputs.iter().map(|t| Meta::new(t.shape.clone(), t.dtype)).collect();
    extents(op, heads, &metas).expect("checked by infer")
}

fn constants(n: usize, h: BitHeads) -> Vec<(&'static str, f64)> {
    vec![
        ("PAIRS", (n * h.heads) as f64),
        ("HEADS", h.heads as f64),
        ("D", h.d as f64),
        ("TOKENS", h.tokens as f64),
        ("SCALE", 1.0 / (h.d as f64).sqrt()),
    ]
}

/// Gradients of queries, keys, values and the level; or, of the same sums, bounds of their errors.
struct Gradients([Vec<f64>; 4]);

impl BitAttentionGrad {
    /// Adds up the terms of the formula, or how far each may be off.
    fn add_up(&self, inputs: &[&RefTensor], errors: bool) -> Gradients {
        let (n, h) = extents_of(self.name(), self.heads, inputs);
        let (signs, level) = ([0, 1, 2].map(|i: usize| inputs[i].signed()), level_of(inputs[3]));
        let (d, scale) = (h.d, 1.0 / libm::sqrt(h.d as f64));
        let mut made = [inputs[0], inputs[1], inputs[2], inputs[3]].map(|t| vec![0.0; t.data.len()]);
        let of_sums = (2.0 * h.tokens as f64 + 8.0) * EPS;
        let all = (2.0 * (n * h.heads * h.tokens * h.tokens) as f64 + 8.0) * EPS;
        for (image, head) in (0..n).flat_map(|image| (0..h.heads).map(move |head| (image, head))) {
            let [q, k, v] = [0, 1, 2].map(|i: usize| head_of(&signs[i], h, image, head));
            let dy = head_of(inputs[4], h, image, head);
            let at = |token: usize| ((image * h.tokens + token) * h.heads + head) * d;
            for token in 0..h.tokens {
                let own = |x: &[f64]| x[token * d..][..d].to_vec();
                let (q, dy) = (own(&q), own(&dy));
                let row = Row::new(&q, &k, inputs[3]);
                let sizes: f64 = dy.iter().map(|x| x.abs()).sum();
                let of_along = 2.0 * d as f64 * EPS * sizes;
                let along: Vec<f64> = v.chunks(d).map(|v| dy.iter().zip(v).map(|(a, b)| a * b).sum()).collect();
                // dP and its error.
                let of_keys = || along.iter().zip(&row.beyond).zip(&row.shares);
                let dp: Vec<f64> = of_keys().map(|((g, beyond), _)| if beyond.0 { 0.0 } else { *g }).collect();
                let of_dp = |i: usize| of_along + if row.beyond[i].1 { along[i].abs() } else { 0.0 };
                let taken: f64 = dp.iter().zip(&row.shares).map(|(dp, p)| dp * p).sum();
                let of_taken: f64 =
                    (0..h.tokens).map(|i| row.shares[i] * (of_dp(i) + (of_sums + row.of_share) * dp[i].abs())).sum();
                for key in 0..h.tokens {
                    let (p, g, chosen, beyond) = (row.shares[key], along[key], row.chosen[key], row.beyond[key]);
                    let ds = p * (dp[key] - taken) * scale;
                    let weight = if beyond.0 { 1.0 } else { f64::from(u8::from(chosen.0)) - p / level };
                    let share = if chosen.0 { level } else { 0.0 };
                    let (ds, share, of_level) = if errors {
                        let rounded = (row.of_share + 4.0 * EPS + of_sums) * (dp[key].abs() + taken.abs());
                        let of_ds = p * scale * (of_dp(key) + of_taken + rounded);
                        let of_weight =
                            row.of_share * p / level + 4.0 * EPS + f64::from(u8::from(chosen.1 || beyond.1));
                        let near = if chosen.1 { level } else { 0.0 };
                        let of_level =
                            of_along * weight.abs() + (g.abs() + of_along) * of_weight + all * (g * weight).abs();
                        (of_ds, near + of_sums * share, of_level)
                    } else {
                        (ds, share, g * weight)
                    };
                    let sized = |x: f64| if errors { x.abs() } else { x };
                    made[3][0] += of_level;
                    for c in 0..d {
                        made[0][at(token) + c] += ds * sized(k[key * d + c]);
                        made[1][at(key) + c] += ds * sized(q[c]);
                        made[2][at(key) + c] += share * sized(dy[c]);
                    }
                }
            }
        }
        Gradients(made)
    }
}

impl Op for BitAttentionGrad {
    fn name(&self) -> &'static str {
        "bit_attention_grad"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [q, k, v, scale, _] = exactly::<5>(self.name(), inputs)?;
        extents(self.name(), self.heads, inputs)?;
        let like = Meta::f32(q.shape.clone());
        same(self.name(), inputs, &[q.clone(), k.clone(), v.clone(), scale.clone(), like.clone()])?;
        Ok(vec![like.clone(), like.clone(), like, scale.clone()])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Err(Error::Config("bit_attention has no second derivative".to_string()))
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let Gradients(made) = self.add_up(inputs, false);
        made.into_iter().zip(outputs).map(|(x, m)| RefTensor::new(m.shape.clone(), DType::F32, x)).collect()
    }

    fn bound(&self, inputs: &[&RefTensor], _outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        let Gradients(mut bounds) = self.add_up(inputs, true);
        bounds[..3].iter_mut().flatten().for_each(|b| *b += 2.0 * f64::from(f32::MIN_POSITIVE));
        bounds.to_vec()
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let metas: Vec<Meta> = (0..5).map(|i| io.meta(i).clone()).collect();
        let (_, h) = extents(self.name(), self.heads, &metas)?;
        let (isa, scale, dy) = (io.isa(), io.f32(3), io.f32(4));
        let signed = |x: &[u32]| -> Vec<f32> {
            unpack(h.heads * h.d, x).into_iter().map(|bit| if bit { 1.0 } else { -1.0 }).collect()
        };
        let words = h.tokens * h.row();
        let [q, k, v] = [0, 1, 2].map(|i| io.words(i));
        let image = h.tokens * h.heads * h.d;
        let [dq, dk, dv, d_scale] = io.out4();
        let outputs = dq.par_chunks_mut(image).zip(dk.par_chunks_mut(image)).zip(dv.par_chunks_mut(image));
        let of_level = outputs.enumerate().map(|(i, ((dq, dk), dv))| {
            let of_image = |x: &[u32]| signed(&x[i * words..][..words]);
            let x = [of_image(q), of_image(k), of_image(v)];
            (0..h.heads).map(|head| head_grad(isa, h, head, &x, scale, &dy[i * image..], [dq, dk, dv])).sum::<f32>()
        });
        let of_level: Vec<f32> = of_level.collect();
        d_scale.fill(0.0);
        d_scale[0] = of_level.iter().sum();
        Ok(())
    }

    fn operations(&self, inputs: &[Meta], _outputs: &[Meta]) -> (f64, bool) {
        let (n, h) = extents(self.name(), self.heads, inputs).expect("checked by infer");
        (8.0 * (n * h.tokens * h.tokens * h.heads * h.d) as f64, false)
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let (n, h) = extents(self.name(), self.heads, cx.inputs)?;
        let (words, mut launches) = copies(cx.inputs, &[0, 1, 2, 3, 4]);
        let rows = n * h.heads * h.tokens;
        let of = |shader: &'static str, more: &[Operand]| {
            let operands = [&[Operand::Temp(0), Operand::Temp(1)], more].concat();
            Launch::each(rows, shader, constants(n, h), operands)
        };
        launches.push(of("attention/bit_attention_query_grad", &[Operand::Out(0)]));
        launches.push(of("attention/bit_attention_key_grad", &[Operand::Out(1), Operand::Out(2)]));
        launches.push(Launch {
            shader: "attention/bit_attention_level_grad",
            constants: vec![("ROWS", rows as f64), ("COUNT", (h.d + 2) as f64)],
            workgroups: [1; 3],
            operands: vec![Operand::Temp(1), Operand::Out(3)],
            ..Launch::default()
        });
        Ok(Lowering { temps: vec![words, 4 * rows], launches })
    }
}

/// The gradients of a head of an image, of signs as numbers `[tokens, heads d]`; the level's.
fn head_grad(
    isa: crate::kernels::Isa,
    h: BitHeads,
    head: usize,
    [q, k, v]: &[Vec<f32>; 3],
    scale: &[f32],
    dy: &[f32],
    [dq, dk, dv]: [&mut [f32]; 3],
) -> f32 {
    let (t, d, row, at) = (h.tokens, h.d, h.heads * h.d, head * h.d);
    let (level, table) = (scale[0].max(LEAST_LEVEL), &scale[1..]);
    let root = (d as f32).sqrt().recip();
    let of = |x| View::rows(x, row);
    let (of_q, of_k, of_v, of_dy) = (of(&q[at..]), of(&k[at..]), of(&v[at..]), of(&dy[at..]));
    let [mut scores, mut along] = [0, 1].map(|_| vec![0.0; t * t]);
    product(isa, (t, t, d), of_q, of_k.t(), (&mut scores, t), false);
    product(isa, (t, t, d), of_dy, of_v.t(), (&mut along, t), false);
    let mut of_level = 0.0;
    let (mut differing, mut e) = (vec![0; t], vec![0.0; t]);
    // Scores become what values are multiplied by, and products along become dS.
    for (scores, along) in scores.chunks_exact_mut(t).zip(along.chunks_exact_mut(t)) {
        differing.iter_mut().zip(&*scores).for_each(|(h, s)| *h = (d as i32 - *s as i32) as u32 / 2);
        let sum = row_of_exponentials(&differing, table, &mut e);
        let (over, most) = (level * 0.5 * sum, level * sum);
        let mut taken = 0.0;
        for ((e, g), p) in e.iter().zip(&*along).zip(&mut *scores) {
            let share = e / sum;
            let chosen = f32::from(u8::from(*e > over));
            let (dp, weight) = if *e > most { (0.0, 1.0) } else { (*g, chosen - share / level) };
            taken += share * dp;
            of_level += g * weight;
            *p = level * chosen;
        }
        for (e, g) in e.iter().zip(along) {
            *g = root * (e / sum) * (if *e > most { 0.0 } else { *g } - taken);
        }
    }
    let (p, ds) = (View::rows(&scores, t), View::rows(&along, t));
    product(isa, (t, d, t), ds, of_k, (&mut dq[at..], row), false);
    product(isa, (t, d, t), ds.t(), of_q, (&mut dk[at..], row), false);
    product(isa, (t, d, t), p.t(), of_dy, (&mut dv[at..], row), false);
    of_level
}

impl Graph {
    /// Attention of bits: queries, keys and values `[n, .., c]` as bits, the level γ f32 `[1]`, to `[n, .., c]`.
    ///
    /// # Errors
    /// If they do not go together, or heads have not 32 or 64 channels.
    pub fn bit_attention(&mut self, q: Value, k: Value, v: Value, level: Value, heads: usize) -> Result<Value> {
        let d = self.shape(q).columns().checked_div(heads).unwrap_or(0);
        let table = self.constant(HostTensor::from_f32([d + 1], exponentials(d.max(1))[..d + 1].to_vec()));
        let scale = self.concat(&[level, table], 0)?;
        self.apply1(BitAttention { heads }, &[q, k, v, scale])
    }
}
