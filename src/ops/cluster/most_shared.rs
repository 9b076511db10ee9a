//! The centre whose code has most in common with a point's, for several sets of centres at once: codes are rows of small
//! integers, and what is counted is in how many sampled places they are equal. One-hot vectors are never written out.

use super::sets::{Extents, extents};
use crate::error::{Error, Result};
use crate::graph::{CpuIo, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::kernels::{self, NO_PLACE, NOT_SAMPLED, digest, tie_key};
use crate::launch::Lowering;
use crate::ops::inputs::exactly;
use crate::tensor::{DType, RefTensor};

/// What of equally similar centres is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ties {
    /// Any, by a hash of the point's sampled code and the centre's number: the same point always gets the same centre.
    #[default]
    Random,
    /// The one of the lowest number.
    Lowest,
}

/// `codes i16 [n, v]`, `columns u32 [g, m]`, `centres i16 [g, k, m]` -> `u32 [g, n]`: for each set of centres and each
/// point the number j of the centre with the largest
///
/// ```text
/// score(j) = #{ u : codes[columns[u]] = centres[j][u] }
/// ```
///
/// which is the inner product of the one-hot codes (specification of MBN, section 2.2). The halves are compared bit for
/// bit, so they count to 65,534 if read as unsigned; a centre's [`NOT_SAMPLED`] equals nothing, and a column that codes do not have
/// reads as [`NO_PLACE`]. With `euclidean` the
/// largest `2 score(j) - #{ u : centres[j][u] sampled }` wins: the smallest Euclidean distance of the one-hot codes.
/// Integers throughout: equal on every device. No gradient.
#[derive(Clone, Debug)]
pub struct MostShared {
    /// What of equally similar centres is taken.
    pub ties: Ties,
    /// By Euclidean distance instead: the ablation that fails when dimensions are sampled one by one (section 2.1).
    pub euclidean: bool,
}

/// Numbers of centres and counts of places have 16 bits where they are listed.
fn of(inputs: &[Meta]) -> Option<Extents> {
    extents(inputs, DType::I16, 0).filter(|e| e.k <= 1 << 16 && e.m < 1 << 16)
}

impl Op for MostShared {
    fn name(&self) -> &'static str {
        "most_shared"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x, columns, centres] = exactly("most_shared", inputs)?;
        let e = of(inputs).ok_or_else(|| {
            let m =
                format!("wants i16 [n, v], u32 [g, m], i16 [g, k, m] of 16-bit extents, got {x}, {columns}, {centres}");
            Error::shape("most_shared", m)
        })?;
        Ok(vec![Meta::new([e.g, e.n], DType::U32)])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None, None, None])
    }

    /// Through the one-hot vectors: `2 x·c - |c|²`, or `x·c`.
    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let (codes, columns, centres) = (inputs[0], inputs[1], inputs[2]);
        let (v, m, k) = (codes.shape.columns(), columns.shape.columns(), centres.shape[1]);
        let half = |x: &f64| *x as i16 as u16;
        let mut found = Vec::with_capacity(outputs[0].shape.elements());
        for (columns, centres) in columns.data.chunks(m).zip(centres.data.chunks(k * m)) {
            for code in codes.data.chunks(v) {
                let seen: Vec<u16> = columns.iter().map(|c| code.get(*c as usize).map_or(NO_PLACE, half)).collect();
                let score = |j: usize| -> i64 {
                    let centre = centres[j * m..][..m].iter().map(half);
                    let ones = centre.clone().filter(|c| *c != NOT_SAMPLED).count() as i64;
                    let shared = centre.zip(&seen).filter(|(c, s)| c == *s && *c != NOT_SAMPLED).count() as i64;
                    if self.euclidean { 2 * shared - ones } else { shared }
                };
                let key = |j: usize| match self.ties {
                    Ties::Random => tie_key(digest(seen.iter().copied()), j as u32),
                    Ties::Lowest => 0,
                };
                let best = (0..k).min_by_key(|&j| (-score(j), key(j), j)).expect("k is not 0");
                found.push(best as f64);
            }
        }
        vec![RefTensor::new(outputs[0].shape.clone(), DType::U32, found)]
    }

    fn bound(&self, _inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        vec![vec![0.0; outputs[0].data.len()]]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let e = of(&[io.meta(0).clone(), io.meta(1).clone(), io.meta(2).clone()]).expect("checked by infer");
        let (codes, columns, centres) = (io.words(0), io.words(1), io.words(2));
        let (random, euclidean) = (self.ties == Ties::Random, self.euclidean);
        kernels::most_shared(io.isa(), (e.d, e.m, e.k), (random, euclidean), codes, columns, centres, io.out_words(0));
        Ok(())
    }

    fn operations(&self, inputs: &[Meta], _outputs: &[Meta]) -> (f64, bool) {
        let e = of(inputs).expect("checked by infer");
        (e.operations(), false)
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let e = of(cx.inputs).expect("checked by infer");
        let constants = [("V", e.d as f64), ("LOWEST", (self.ties == Ties::Lowest) as u8 as f64)];
        Ok(e.launch("cluster/most_shared", (1, self.euclidean), constants))
    }
}

impl Graph {
    /// The centre that shares most with each point's code, in each of `g` sets, as [`MostShared`] has it.
    pub fn most_shared(&mut self, op: MostShared, codes: Value, columns: Value, centres: Value) -> Result<Value> {
        self.apply1(op, &[codes, columns, centres])
    }
}
