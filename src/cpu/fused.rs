//! Runs a fused kernel in blocks that stay in the first-level cache: each op of the chain sweeps over
//! a block of some hundred elements before the next op does.

use super::executable::CpuBuffer;
use crate::graph::{Graph, Value};
use crate::ops::pointwise::broadcast_offsets;
use crate::program::{Access, Expr, Fused};
use crate::tensor::{DType, Shape};
use rayon::prelude::*;

/// Elements of a block.
const BLOCK: usize = 1024;
/// Elements below which threads cost more than they bring.
const SERIAL: usize = 16 * 1024;

/// What a load gives to a block.
enum Source {
    /// One number, repeated.
    Splat(f32),
    /// Channel values, repeated for as many rows as a block may have.
    Pattern(Vec<f32>),
    /// Stored words of a full input.
    Stored { words: *const u32, dtype: DType, row_words: usize },
    /// Materialised broadcast.
    Whole(Vec<f32>),
}

struct Store {
    words: *mut u32,
    bits: bool,
    row_words: usize,
}

struct Kernel<'a> {
    graph: &'a Graph,
    fused: &'a Fused,
    sources: Vec<Source>,
    stores: Vec<Store>,
    columns: usize,
}

// SAFETY: blocks read and write disjoint ranges through the pointers: every element (and every word
// of a packed row) belongs to one block, and loads that share a buffer with a store are read at the
// block's own elements only.
unsafe impl Sync for Kernel<'_> {}

/// Runs `fused` over its whole domain.
pub(super) fn run_fused(graph: &Graph, fused: &Fused, place: &[Option<usize>], buffers: &[CpuBuffer], scalars: &[f32]) {
    let buffer = |v: Value| &buffers[place[v.index()].expect("what a kernel touches has a buffer")];
    let domain = &fused.domain;
    let packed = |v: Value| graph.dtype(v).per_word() > 1;
    // Rows may be merged into one when nothing depends on where they end.
    let merge = fused.loads.iter().all(|(v, a)| match a {
        Access::Full => !packed(*v),
        Access::Single | Access::Scalar(_) | Access::Strided(_) => true,
        Access::Channel => false,
    }) && fused.stores.iter().all(|(v, _)| !packed(*v));
    let (rows, columns) = if merge { (1, domain.elements()) } else { (domain.rows(), domain.columns()) };
    if rows * columns == 0 {
        return;
    }
    let block_rows = (BLOCK / columns).clamp(1, rows);
    let sources = fused
        .loads
        .iter()
        .map(|(v, access)| {
            let meta = graph.meta(*v);
            // SAFETY: read before any block runs.
            let all = || unsafe { decode(buffer(*v).slice(meta.words()), meta.dtype, &meta.shape) };
            match access {
                Access::Scalar(slot) => Source::Splat(scalars[*slot]),
                Access::Single => Source::Splat(all()[0]),
                Access::Channel => Source::Pattern(all().repeat(block_rows)),
                Access::Full => Source::Stored {
                    words: buffer(*v).pointer(),
                    dtype: meta.dtype,
                    row_words: meta.dtype.row_words(columns),
                },
                Access::Strided(_) => {
                    let x = all();
                    Source::Whole(broadcast_offsets(&meta.shape, domain).into_iter().map(|o| x[o]).collect())
                }
            }
        })
        .collect();
    let stores = fused
        .stores
        .iter()
        .map(|(v, _)| Store {
            words: buffer(*v).pointer(),
            bits: graph.dtype(*v) == DType::Bits,
            row_words: graph.dtype(*v).row_words(columns),
        })
        .collect();
    let kernel = Kernel { graph, fused, sources, stores, columns };

    // A block is some whole rows, or a piece of one that ends on a word.
    let pieces = columns.div_ceil(BLOCK);
    let blocks = rows.div_ceil(block_rows) * pieces;
    let run = |scratch: &mut Vec<Vec<f32>>, b: usize| {
        let (r, p) = (b / pieces * block_rows, b % pieces * BLOCK);
        let rows_here = block_rows.min(rows - r);
        let columns_here = if pieces == 1 { columns } else { BLOCK.min(columns - p) };
        kernel.block(scratch, r, rows_here, p, columns_here);
    };
    if rows * columns <= SERIAL {
        let mut scratch = Vec::new();
        (0..blocks).for_each(|b| run(&mut scratch, b));
    } else {
        (0..blocks).into_par_iter().with_min_len(8).for_each_init(Vec::new, run);
    }
}

fn decode(words: &[u32], dtype: DType, shape: &Shape) -> Vec<f32> {
    let columns = shape.columns();
    let row_words = dtype.row_words(columns);
    let mut out = vec![0.0; shape.elements()];
    for (row, out) in words.chunks_exact(row_words).zip(out.chunks_mut(columns)) {
        decode_row(row, dtype, 0, out);
    }
    out
}

/// Elements `first..` of a stored row as f32.
fn decode_row(row: &[u32], dtype: DType, first: usize, out: &mut [f32]) {
    match dtype {
        DType::F32 => out.copy_from_slice(bytemuck::cast_slice(&row[first..first + out.len()])),
        DType::U32 => out.iter_mut().zip(&row[first..]).for_each(|(o, &w)| *o = w as f32),
        DType::I32 => out.iter_mut().zip(&row[first..]).for_each(|(o, &w)| *o = w as i32 as f32),
        DType::I16 => {
            let halves: &[i16] = bytemuck::cast_slice(row);
            out.iter_mut().zip(&halves[first..]).for_each(|(o, &h)| *o = h as f32);
        }
        DType::U8 => {
            let bytes: &[u8] = bytemuck::cast_slice(row);
            out.iter_mut().zip(&bytes[first..]).for_each(|(o, &b)| *o = b as f32);
        }
        DType::Bits => {
            for (out, &word) in out.chunks_mut(32).zip(&row[first / 32..]) {
                for (i, o) in out.iter_mut().enumerate() {
                    *o = (word >> i & 1) as f32;
                }
            }
        }
    }
}

impl Kernel<'_> {
    /// `rows` rows from `row`, columns `first..first + columns` of each.
    fn block(&self, scratch: &mut Vec<Vec<f32>>, row: usize, rows: usize, first: usize, columns: usize) {
        let n = rows * columns;
        let start = row * self.columns + first;
        scratch.resize_with(self.fused.exprs.len(), Vec::new);
        for i in 0..self.fused.exprs.len() {
            let (done, rest) = scratch.split_at_mut(i);
            let out = &mut rest[0];
            out.resize(n.max(out.len()), 0.0);
            let out = &mut out[..n];
            match &self.fused.exprs[i] {
                Expr::Load(l) => self.load(*l, row, rows, first, columns, out),
                Expr::Apply { node, port, args } => {
                    let op = self.graph.nodes()[*node].op.pointwise().expect("only pointwise nodes are fused");
                    let mut x: [&[f32]; 12] = [&[]; 12];
                    for (x, a) in x.iter_mut().zip(args) {
                        *x = &done[*a][..n];
                    }
                    op.eval(*port, start, &x[..args.len()], out);
                }
            }
        }
        for (store, (_, e)) in self.stores.iter().zip(&self.fused.stores) {
            let made = &scratch[*e][..n];
            // SAFETY: these elements belong to this block alone (see `Sync`).
            unsafe {
                if store.bits {
                    for (r, values) in made.chunks_exact(columns).enumerate() {
                        let at = store.words.add((row + r) * store.row_words + first / 32);
                        for (w, values) in values.chunks(32).enumerate() {
                            let mut word = 0u32;
                            for (i, &v) in values.iter().enumerate() {
                                word |= ((v > 0.5) as u32) << i;
                            }
                            *at.add(w) = word;
                        }
                    }
                } else {
                    std::slice::from_raw_parts_mut(store.words.add(start) as *mut f32, n).copy_from_slice(made);
                }
            }
        }
    }

    fn load(&self, l: usize, row: usize, rows: usize, first: usize, columns: usize, out: &mut [f32]) {
        let start = row * self.columns + first;
        match &self.sources[l] {
            Source::Splat(v) => out.fill(*v),
            Source::Pattern(p) => out.copy_from_slice(&p[first..first + out.len()]),
            Source::Whole(x) => out.copy_from_slice(&x[start..start + out.len()]),
            Source::Stored { words, dtype, row_words } => {
                // SAFETY: in bounds by the plan; nobody else writes these elements (see `Sync`).
                unsafe {
                    if dtype.per_word() == 1 {
                        let x = std::slice::from_raw_parts(words.add(start), out.len());
                        decode_row(x, *dtype, 0, out);
                    } else {
                        for (r, out) in out.chunks_exact_mut(columns).enumerate().take(rows) {
                            let x = std::slice::from_raw_parts(words.add((row + r) * row_words), *row_words);
                            decode_row(x, *dtype, first, out);
                        }
                    }
                }
            }
        }
    }
}
