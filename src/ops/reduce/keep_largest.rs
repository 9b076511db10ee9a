//! The k largest elements of rows that are too long to hold: they come block by block.

use crate::error::{Error, Result};
use crate::graph::{CpuIo, Grads, Graph, LowerCx, Meta, Op, Value};
use crate::launch::{Launch, Lowering, Operand, fold_groups};
use crate::ops::inputs::exactly;
use crate::tensor::{DType, HostTensor, RefTensor};
use rayon::prelude::*;
use std::cmp::Ordering;

/// `x [.., N], kept [.., 2 K] (u32), span [2] (u32) -> kept`: along the last axis, the K largest of what was kept and of the
/// first `span[1]` columns of x, and where in the whole row they are; the first column of x has place `span[0]`. Of each row K
/// values are kept, by their bits, and then their K places: one tensor, so that four storage buffers are enough. They stay in
/// the order in which they came, and of equal ones the first stay; so rows that are given in order keep what one look at the
/// whole of them would have kept, by ascending places. A search starts with [`KeepLargest::nothing`]. The values are elements,
/// to the bit: nothing is computed. -0 is below +0; x holds no NaN.
#[derive(Clone, Debug)]
pub struct KeepLargest;

impl KeepLargest {
    /// What is kept of `rows` rows before their search begins: `k` times less than any number, nowhere.
    pub fn nothing(rows: usize, k: usize) -> HostTensor {
        let row = [vec![f32::MIN.to_bits(); k], vec![u32::MAX; k]].concat();
        HostTensor::from_u32([rows, 2 * k], row.repeat(rows))
    }

    /// The values and the places of a row that was kept.
    pub fn values_and_places(row: &[u32]) -> (&[f32], &[u32]) {
        let (values, places) = row.split_at(row.len() / 2);
        (bytemuck::cast_slice(values), places)
    }
}

/// What comes into question: a value, its place, and how many came before it.
type Candidate = (f32, u32, usize);

/// The larger one first, of equal ones that which came first.
fn by_size(a: &Candidate, b: &Candidate) -> Ordering {
    b.0.total_cmp(&a.0).then(a.2.cmp(&b.2))
}

/// Of one row: replaces `kept` and `places`. `found` is scratch.
fn keep(x: &[f32], first: u32, kept: &mut [f32], places: &mut [u32], found: &mut Vec<Candidate>) {
    let k = kept.len();
    let least = kept.iter().copied().min_by(f32::total_cmp).expect("k is at least 1");
    found.clear();
    found.extend(kept.iter().zip(&*places).enumerate().map(|(i, (v, p))| (*v, *p, i)));
    // One that equals the least of K that came before has no place among them.
    let more = (0u32..).zip(x).filter(|(_, v)| v.total_cmp(&least).is_gt());
    found.extend(more.map(|(i, v)| (*v, first + i, k + i as usize)));
    if found.len() == k {
        return;
    }
    found.select_nth_unstable_by(k, by_size);
    let stay = &mut found[..k];
    stay.sort_unstable_by_key(|(.., came)| *came);
    for ((v, p, _), (kept, place)) in stay.iter().zip(kept.iter_mut().zip(places)) {
        (*kept, *place) = (*v, *p);
    }
}

impl Op for KeepLargest {
    fn name(&self) -> &'static str {
        "keep_largest"
    }

    fn infer(&self, inputs: &[Meta]) -> Result<Vec<Meta>> {
        let [x, kept, span] = exactly("keep_largest", inputs)?;
        let rows = |m: &Meta| m.shape.split_last().map(|(_, rows)| rows.to_vec());
        let fits = x.dtype == DType::F32
            && kept.dtype == DType::U32
            && rows(x).is_some()
            && rows(x) == rows(kept)
            && kept.shape.columns() > 0
            && kept.shape.columns().is_multiple_of(2)
            && *span == Meta::new([2], DType::U32);
        if !fits {
            return Err(Error::shape("keep_largest", format!("{x}, {kept} kept of it and {span} do not go together")));
        }
        Ok(vec![kept.clone()])
    }

    fn grad(&self, _g: &mut Graph, _x: &[Value], _y: &[Value], _dy: &[Option<Value>]) -> Result<Grads> {
        Err(Error::Config("keep_largest has no gradient: detach its input".into()))
    }

    /// Sorts all candidates of each row.
    fn reference(&self, inputs: &[&RefTensor], outputs: &[Meta]) -> Vec<RefTensor> {
        let (n, k) = (inputs[0].shape.columns(), inputs[1].shape.columns() / 2);
        let (first, valid) = (inputs[2].data[0], (inputs[2].data[1] as usize).min(n));
        let mut kept = Vec::new();
        for (x, row) in inputs[0].data.chunks_exact(n).zip(inputs[1].data.chunks_exact(2 * k)) {
            let value = |bits: f64| f32::from_bits(bits as u32) as f64;
            let old = (0..k).map(|i| (value(row[i]), row[k + i]));
            let new = x[..valid].iter().enumerate().map(|(i, v)| (*v, first + i as f64));
            let all: Vec<(f64, f64)> = old.chain(new).collect();
            let mut order: Vec<usize> = (0..all.len()).collect();
            // Stable: of equal ones the first comes first.
            order.sort_by(|a, b| all[*b].0.total_cmp(&all[*a].0));
            order.truncate(k);
            order.sort();
            kept.extend(order.iter().map(|i| (all[*i].0 as f32).to_bits() as f64));
            kept.extend(order.iter().map(|i| all[*i].1));
        }
        vec![RefTensor::new(outputs[0].shape.clone(), DType::U32, kept)]
    }

    fn bound(&self, _inputs: &[&RefTensor], outputs: &[RefTensor]) -> Vec<Vec<f64>> {
        outputs.iter().map(|o| vec![0.0; o.data.len()]).collect()
    }

    fn cpu(&self, io: &mut CpuIo<'_>) -> Result<()> {
        let (x, kept, span) = (io.f32(0), io.words(1), io.words(2));
        let (n, k) = (io.meta(0).shape.columns(), io.meta(1).shape.columns() / 2);
        let (first, valid) = (span[0], (span[1] as usize).min(n));
        let out = io.out_words(0);
        out.copy_from_slice(kept);
        let rows = out.par_chunks_mut(2 * k).zip(x.par_chunks(n));
        rows.with_min_len((16 * 1024 / n).max(1)).for_each_init(Vec::new, |found, (row, x)| {
            let (values, places) = row.split_at_mut(k);
            keep(&x[..valid], first, bytemuck::cast_slice_mut(values), places, found);
        });
        Ok(())
    }

    fn lower(&self, cx: &LowerCx<'_>) -> Result<Lowering> {
        let (x, kept) = (&cx.inputs[0].shape, &cx.inputs[1].shape);
        Ok(Lowering::from(Launch {
            shader: "reduce/keep_largest",
            defines: vec![],
            constants: vec![("ROWS", x.rows() as f64), ("N", x.columns() as f64), ("K", (kept.columns() / 2) as f64)],
            workgroups: fold_groups(x.rows()),
            operands: vec![Operand::In(0), Operand::In(1), Operand::In(2), Operand::Out(0)],
        }))
    }
}

impl Graph {
    /// One block `x` `[.., N]` of a search for the K largest elements of long rows: what is kept after it of what was kept before
    /// ([`KeepLargest`]). `span` `[2]` has the place of the block's first column and how many of its columns count. No gradient.
    pub fn keep_largest(&mut self, x: Value, kept: Value, span: Value) -> Result<Value> {
        self.apply1(KeepLargest, &[x, kept, span])
    }
}
