//! Attention, image by image and head by head: scores are made where they are used, and never kept.

use super::entry::check_length;
use super::gemm::{View, product};
use super::isa::Isa;
use super::smooth::exp;
use rayon::prelude::*;

/// Extents of attention: queries `[n, queries, heads, d]`, keys and values `[n, keys, heads, d]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionExtents {
    /// Images.
    pub n: usize,
    /// Tokens that ask.
    pub queries: usize,
    /// Tokens that are asked.
    pub keys: usize,
    /// Heads.
    pub heads: usize,
    /// Channels of a head.
    pub d: usize,
}

impl AttentionExtents {
    /// What queries are multiplied by.
    pub fn scale(&self) -> f32 {
        (self.d as f32).sqrt().recip()
    }

    /// Channels of a token.
    fn row(&self) -> usize {
        self.heads * self.d
    }

    /// Numbers of an image's queries, and of its keys.
    fn image(&self) -> [usize; 2] {
        [self.queries * self.row(), self.keys * self.row()]
    }

    /// Multiply-adds of one product of all queries with all keys.
    pub fn products(&self) -> usize {
        self.n * self.queries * self.keys * self.row()
    }
}

/// `y = softmax(q kᵀ / sqrt(d)) v`, and `log_sum [n, queries, heads]`, the logarithm of the sum below each softmax.
///
/// # Panics
/// If a slice has not the numbers that the extents say.
pub fn attention(isa: Isa, e: AttentionExtents, [q, k, v]: [&[f32]; 3], y: &mut [f32], log_sum: &mut [f32]) {
    let [of_queries, of_keys] = e.image();
    for (name, found, expected) in [
        ("queries", q.len(), e.n * of_queries),
        ("keys", k.len(), e.n * of_keys),
        ("values", v.len(), e.n * of_keys),
        ("result", y.len(), e.n * of_queries),
        ("logarithms", log_sum.len(), e.n * e.queries * e.heads),
    ] {
        check_length("attention", name, found, expected);
    }
    let (d, row) = (e.d, e.row());
    let images = y.par_chunks_mut(of_queries).zip(log_sum.par_chunks_mut(e.queries * e.heads)).enumerate();
    images.for_each_init(
        || vec![0.0; e.queries * e.keys],
        |scores, (i, (y, log_sum))| {
            let (q, k, v) = (&q[i * of_queries..], &k[i * of_keys..], &v[i * of_keys..]);
            for head in 0..e.heads {
                let at = head * d;
                let (q, k, v) = (View::rows(&q[at..], row), View::rows(&k[at..], row), View::rows(&v[at..], row));
                product(isa, (e.queries, e.keys, d), q, k.t(), (scores, e.keys), false);
                isa.run(
                    #[inline(always)]
                    || {
                        for (scores, log_sum) in
                            scores.chunks_exact_mut(e.keys).zip(log_sum[head..].iter_mut().step_by(e.heads))
                        {
                            *log_sum = softmax(scores, e.scale());
                        }
                    },
                );
                product(isa, (e.queries, d, e.keys), View::rows(scores, e.keys), v, (&mut y[at..], row), false);
            }
        },
    );
}

/// Softmax of `scale x` in place; the logarithm of the sum below it.
#[inline(always)]
fn softmax(x: &mut [f32], scale: f32) -> f32 {
    let mut most = [f32::NEG_INFINITY; 8];
    for x in x.chunks(8) {
        for (most, x) in most.iter_mut().zip(x) {
            *most = if *x <= *most { *most } else { *x };
        }
    }
    let most = scale * most.into_iter().fold(f32::NEG_INFINITY, |m, x| if x <= m { m } else { x });
    let mut sums = [0.0f32; 8];
    for x in x.chunks_mut(8) {
        for (sum, x) in sums.iter_mut().zip(x) {
            *x = exp(scale * *x - most);
            *sum += *x;
        }
    }
    let sum: f32 = sums.iter().sum();
    let share = 1.0 / sum;
    x.iter_mut().for_each(|x| *x *= share);
    most + sum.ln()
}

/// Gradients of queries, keys and values, from those of the result: with `P` the softmax, made again from the logarithms,
/// `dv = Pᵀ dy`, `dS = P (dy vᵀ - Σ dy y)`, `dq = dS k / sqrt(d)`, `dk = dSᵀ q / sqrt(d)`.
///
/// # Panics
/// If a slice has not the numbers that the extents say.
pub fn attention_grad(
    isa: Isa,
    e: AttentionExtents,
    [q, k, v]: [&[f32]; 3],
    [y, log_sum, dy]: [&[f32]; 3],
    [dq, dk, dv]: [&mut [f32]; 3],
) {
    let [of_queries, of_keys] = e.image();
    for (name, found, expected) in [
        ("queries", q.len(), e.n * of_queries),
        ("keys", k.len(), e.n * of_keys),
        ("values", v.len(), e.n * of_keys),
        ("result", y.len(), e.n * of_queries),
        ("logarithms", log_sum.len(), e.n * e.queries * e.heads),
        ("slopes", dy.len(), e.n * of_queries),
        ("queries' gradients", dq.len(), e.n * of_queries),
        ("keys' gradients", dk.len(), e.n * of_keys),
        ("values' gradients", dv.len(), e.n * of_keys),
    ] {
        check_length("attention_grad", name, found, expected);
    }
    let (d, row, extents) = (e.d, e.row(), (e.queries, e.keys, e.d));
    let images = dq.par_chunks_mut(of_queries).zip(dk.par_chunks_mut(of_keys)).zip(dv.par_chunks_mut(of_keys));
    images.enumerate().for_each_init(
        || [(); 2].map(|()| vec![0.0; e.queries * e.keys]),
        |[shares, slopes], (i, ((dq, dk), dv))| {
            let (q, y, dy) = (&q[i * of_queries..], &y[i * of_queries..], &dy[i * of_queries..]);
            let (k, v) = (&k[i * of_keys..], &v[i * of_keys..]);
            let log_sum = &log_sum[i * e.queries * e.heads..];
            for head in 0..e.heads {
                let at = head * d;
                let of = |x| View::rows(x, row);
                let (of_q, of_k, of_v, of_dy) = (of(&q[at..]), of(&k[at..]), of(&v[at..]), of(&dy[at..]));
                product(isa, extents, of_q, of_k.t(), (shares, e.keys), false);
                product(isa, extents, of_dy, of_v.t(), (slopes, e.keys), false);
                isa.run(
                    #[inline(always)]
                    || {
                        let rows = shares.chunks_exact_mut(e.keys).zip(slopes.chunks_exact_mut(e.keys)).enumerate();
                        for (token, (shares, slopes)) in rows {
                            let (y, dy) = (&y[token * row + at..][..d], &dy[token * row + at..][..d]);
                            let along = dot(y, dy);
                            let log_sum = log_sum[token * e.heads + head];
                            for (p, ds) in shares.iter_mut().zip(slopes) {
                                *p = exp(e.scale() * *p - log_sum);
                                *ds = *p * (*ds - along) * e.scale();
                            }
                        }
                    },
                );
                let (p, ds) = (View::rows(shares, e.keys), View::rows(slopes, e.keys));
                product(isa, (e.queries, d, e.keys), ds, of_k, (&mut dq[at..], row), false);
                product(isa, (e.keys, d, e.queries), ds.t(), of_q, (&mut dk[at..], row), false);
                product(isa, (e.keys, d, e.queries), p.t(), of_dy, (&mut dv[at..], row), false);
            }
        },
    );
}

/// The sum of products, in eight sums that fit a register.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}
