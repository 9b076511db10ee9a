//! How many of the largest magnitudes of a row bits should mark, so that they are closest to the magnitudes by the cosine
//! (SiMaN, section 2.1).

use crate::error::{Error, Result};
use crate::graph::{CpuIo, GradientOf, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand, fold_groups};
use crate::ops::inputs::exactly;
use crate::tensor::{DType, HostTensor, RefTensor};
use rayon::prelude::*;

/// `m [.., D]` in descending order and not negative, `1/k [D]` -> threshold `[.., 1]`: with
/// `S_k = m_1 + .. + m_k`, `k* = argmax_k S_k / sqrt(k)` over all k, which is not unimodal; the smallest of equal ones.
/// The threshold is m_k*; a best cut never parts equal magnitudes. A row of zeros gives 0, so all of it.
///
/// k* must be the same on every device, so the op is defined in f32, with operations that every device rounds alike, and
/// in a fixed order: the row is scaled by the power of two that brings m_1 to [1, 2) (a row below the normal numbers
/// counts as zeros); sums run in chunks of 64, `S_k = (sum of the chunks before) + (sum within the chunk)`, each from left
/// to right; scores are `(S_k S_k) (1/k)`, the reciprocals being given. What that costs is a k* whose cosine is within
/// rounding of the best one.
#[derive(Clone, Debug)]
pub struct CosineCut;

/// Elements of a chunk.
const CHUNK: usize = 64;

/// The definition, in one pass: position of the cut (k* - 1) of one row.
fn cut(m: &[f32], reciprocals: &[f32]) -> Option<usize> {
    let exponent = m[0].to_bits() >> 23 & 0xff;
    if exponent == 0 {
        return None;
    }
    let scale = f32::from_bits((254 - exponent).max(1) << 23);
    let (mut best, mut at) = (-1.0f32, 0);
    let mut before = 0.0f32;
    for (chunk, (m, r)) in m.chunks(CHUNK).zip(reciprocals.chunks(CHUNK)).enumerate() {
        let mut within = 0.0f32;
        for (i, (m, r)) in m.iter().zip(r).enumerate() {
            within += m * scale;
            let sum = before + within;
            let score = sum * sum * r;
            if score > best {
                (best, at) = (score, chunk * CHUNK + i);
            }
        }
        before += within;
    }
    Some(at)
}

/// The definition again, for the reference: all sums, then all scores, then the first of the largest.
fn textbook(m: &[f64], reciprocals: &[f64]) -> f64 {
    if m[0] < f32::MIN_POSITIVE as f64 {
        return 0.0;
    }
    // A power of two over 2^126 has no normal reciprocal.
    let scale = libm::exp2(-libm::floor(libm::log2(m[0])).min(126.0));
    let scaled: Vec<f32> = m.iter().map(|m| (m * scale) as f32).collect();
    let left_to_right = |x: &[f32]| x.iter().fold(0.0f32, |sum, x| sum + x);
    let chunks: Vec<f32> = scaled.chunks(CHUNK).map(left_to_right).collect();
    let score = |k: usize| {
        let sum = left_to_right(&chunks[..k / CHUNK]) + left_to_right(&scaled[k / CHUNK * CHUNK..=k]);
        sum * sum * reciprocals[k] as f32
    };
    let scores: Vec<f32> = (0..m.len()).map(score).collect();
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    m[scores.iter().position(|s| *s == most).expect("finite scores")]
}

impl Op for CosineCut {
    fn name(&self) -> &'static str {
        "cosine_cut"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [m, r] = exactly("cosine_cut", inputs)?;
        let fits = !m.shape.is_empty() && m.dtype == DType::F32 && (1..1 << 24).contains(&m.shape.columns());
        if !fits || *r != Meta::f32([m.shape.columns()]) {
            return Err(Error::shape("cosine_cut", format!("magnitudes {m} and reciprocals {r} do not fit")));
        }
        let mut dims = m.shape.to_vec();
        *dims.last_mut().expect("has axes") = 1;
        Ok(vec![Meta::f32(dims)])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None, None])
    }

    fn gradient_of(&self) -> GradientOf {
        GradientOf::Definition
    }

    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let reciprocals = &inputs[1].data;
        let cuts = inputs[0].data.chunks_exact(reciprocals.len()).map(|row| textbook(row, reciprocals));
        vec![RefTensor::f32(outputs[0].shape.clone(), cuts.collect())]
    }

    fn bound(&self, _inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        outputs.iter().map(|o| vec![0.0; o.data.len()]).collect()
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let (m, r) = (io.f32(0), io.f32(1));
        let n = r.len();
        let rows = io.out(0).par_iter_mut().zip(m.par_chunks(n));
        rows.with_min_len((16 * 1024 / n).max(1)).for_each(|(t, row)| {
            *t = cut(row, r).map_or(0.0, |at| row[at]);
        });
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let (rows, n) = (cx.inputs[0].shape.rows(), cx.inputs[0].shape.columns());
        let chunks = n.div_ceil(CHUNK);
        Ok(Lowering {
            temps: vec![rows * chunks],
            launches: vec![Launch {
                shader: "reduce/cosine_cut",
                defines: vec![],
                constants: vec![("ROWS", rows as f64), ("N", n as f64), ("CHUNKS", chunks as f64)],
                workgroups: fold_groups(rows),
                operands: vec![Operand::In(0), Operand::In(1), Operand::Temp(0), Operand::Out(0)],
            }],
        })
    }
}

impl Graph {
    /// Of magnitudes `m` `[.., D]`, row by row: the threshold from which on bits should be 1 to be closest to them by the
    /// cosine, `[.., 1]`; no gradient.
    pub fn cosine_split_threshold(&mut self, m: Value) -> Result<Value> {
        let sorted = self.sort_rows(m)?;
        let n = self.shape(m).columns();
        let reciprocals = (1..=n).map(|k| 1.0 / k as f32).collect();
        let reciprocals = self.constant(HostTensor::from_f32([n], reciprocals));
        self.apply1(CosineCut, &[sorted, reciprocals])
    }
}
