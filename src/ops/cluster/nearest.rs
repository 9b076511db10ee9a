//! The nearest of many centres, seen along some of the coordinates, for several sets of centres at once. The matrix of
//! distances is never stored.

use super::sets::{Extents, extents};
use crate::error::{Error, Result};
use crate::graph::{CpuIo, EPS, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::kernels::{self, NEAR_TIE};
use crate::launch::Lowering;
use crate::ops::inputs::exactly;
use crate::tensor::{DType, RefTensor};

/// `x f32 [n, d]`, `columns u32 [g, m]`, `centres f32 [g, k, m + 1]` -> `u32 [g, n]`: for each set of centres and each
/// point the number of the centre at the smallest squared distance, along the coordinates `columns` of the point; the
/// first of equally near ones. The last number of a centre is the sum of the squares of its others. Computed as
///
/// ```text
/// argmin over j of |c_j|² - 2 x·c_j
/// ```
///
/// (specification of MBN, section 2.1). [`NEAR_TIE`] is set where the second centre is so near that rounding could
/// decide between the two. No gradient.
#[derive(Clone, Debug)]
pub struct Nearest;

/// Two scores closer than this times `2 |c|² + |x|²` are a near-tie. A score of m products rounds at most
/// `(m + 2) eps (|c|² + 2 Σ|x c|)`, and `2 Σ|x c| <= |x|² + |c|²`; twice, because two scores are compared.
pub fn nearness(m: usize) -> f32 {
    (2.0 * (m + 2) as f64 * EPS) as f32
}

fn of(inputs: &[Meta]) -> Option<Extents> {
    extents(inputs, DType::F32, 1)
}

impl Op for Nearest {
    fn name(&self) -> &'static str {
        "nearest"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x, columns, centres] = exactly("nearest", inputs)?;
        let e = of(inputs).ok_or_else(|| {
            let m = format!("wants f32 [n, d], u32 [g, m], f32 [g, k, m + 1], got {x}, {columns}, {centres}");
            Error::shape("nearest", m)
        })?;
        Ok(vec![Meta::new([e.g, e.n], DType::U32)])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Ok(vec![None, None, None])
    }

    /// The squared distances themselves, from the coordinates alone.
    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let (x, columns, centres) = (inputs[0], inputs[1], inputs[2]);
        let (d, m, k) = (x.shape.columns(), columns.shape.columns(), centres.shape[1]);
        let mut found = Vec::with_capacity(outputs[0].shape.elements());
        for (columns, centres) in columns.data.chunks(m).zip(centres.data.chunks(k * (m + 1))) {
            for point in x.data.chunks(d) {
                let seen: Vec<f64> = columns.iter().map(|c| point.get(*c as usize).copied().unwrap_or(0.0)).collect();
                let distances: Vec<f64> =
                    centres.chunks(m + 1).map(|c| seen.iter().zip(c).map(|(x, c)| (x - c) * (x - c)).sum()).collect();
                let best = (0..k).fold(0, |best, j| if distances[j] < distances[best] { j } else { best });
                let second = (0..k).filter(|j| *j != best).map(|j| distances[j]).fold(f64::INFINITY, f64::min);
                let size = 2.0 * centres[best * (m + 1) + m] + seen.iter().map(|x| x * x).sum::<f64>();
                let near = second - distances[best] <= nearness(m) as f64 * size;
                found.push((best as u32 | if near { NEAR_TIE } else { 0 }) as f64);
            }
        }
        vec![RefTensor::new(outputs[0].shape.clone(), DType::U32, found)]
    }

    fn bound(&self, _inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        vec![vec![0.0; outputs[0].data.len()]]
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let e = of(&[io.meta(0).clone(), io.meta(1).clone(), io.meta(2).clone()]).expect("checked by infer");
        let (x, columns, centres) = (io.f32(0), io.words(1), io.f32(2));
        kernels::nearest(io.isa(), (e.d, e.m, e.k), nearness(e.m), x, columns, centres, io.out_words(0));
        Ok(())
    }

    fn operations(&self, inputs: &[Meta], _outputs: &[Meta]) -> (f64, bool) {
        let e = of(inputs).expect("checked by infer");
        (e.operations(), false)
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let e = of(cx.inputs).expect("checked by infer");
        let constants = [("D", e.d as f64), ("NEARNESS", nearness(e.m) as f64)];
        Ok(e.launch("cluster/nearest", (16, false), constants))
    }
}

impl Graph {
    /// The nearest centre of each point `x` `[n, d]` in each of `g` sets, as [`Nearest`] has it.
    pub fn nearest(&mut self, x: Value, columns: Value, centres: Value) -> Result<Value> {
        self.apply1(Nearest, &[x, columns, centres])
    }
}
