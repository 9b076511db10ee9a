//! Runs a fused kernel in blocks that stay in the first-level cache: each op of the chain sweeps over
//! a block of some hundred elements before the next op does.

use crate::graph::{Graph, Value};
use crate::ops::pointwise::broadcast_offsets;
use crate::program::{Access, Expr, Fused};
use crate::tensor::{DType, Shape};
use rayon::prelude::*;
use std::marker::PhantomData;
use std::mem::take;

/// Elements of a block: 4 KiB for each expression of a chain, so that some eight of them stay in a first-level cache of
/// 32 KiB. A multiple of 32, so that a piece of a row of bits ends on a word.
const BLOCK: usize = 1024;
/// Elements below which threads cost more than they bring: 16 blocks, some microseconds of work, which is what waking
/// threads takes.
const SERIAL: usize = 16 * BLOCK;

/// What a load gives to a block.
enum Source<'a> {
    /// One number, repeated.
    Splat(f32),
    /// Channel values, repeated for as many rows as a block may have.
    Pattern(Vec<f32>),
    /// Stored words of a full input.
    Stored(Packing, &'a [u32]),
    /// A full input that this store overwrites: a block reads its own elements there before it writes them.
    Overwritten(Packing, usize),
    /// Materialised broadcast.
    Whole(Vec<f32>),
}

/// Where the elements of a block lie in a stored tensor.
#[derive(Clone, Copy)]
struct Packing {
    dtype: DType,
    row_words: usize,
}

/// What a block is: some whole rows of the domain, or a piece of one that ends on a word.
#[derive(Clone, Copy)]
struct Block {
    row: usize,
    rows: usize,
    first: usize,
    columns: usize,
}

/// The words of a tensor that blocks write, each its own.
struct Target<'a> {
    packing: Packing,
    words: *mut u32,
    len: usize,
    borrowed: PhantomData<&'a mut [u32]>,
}

// SAFETY: a target is a `&'a mut [u32]` of which threads take parts, and `Target::part` has them disjoint.
unsafe impl Sync for Target<'_> {}

impl<'a> Target<'a> {
    fn new(packing: Packing, words: &'a mut [u32]) -> Self {
        Target { packing, words: words.as_mut_ptr(), len: words.len(), borrowed: PhantomData }
    }

    /// `n` words from `first` on.
    ///
    /// # Safety
    /// While the slice lives nobody else may have one with a word of it.
    #[allow(clippy::mut_from_ref)]
    unsafe fn part(&self, first: usize, n: usize) -> &mut [u32] {
        assert!(first <= self.len && n <= self.len - first, "a block ends behind its tensor");
        // SAFETY: inside of the words that `new` borrowed for as long as this lives; the caller sees to aliasing.
        unsafe { std::slice::from_raw_parts_mut(self.words.add(first), n) }
    }
}

struct Kernel<'a> {
    graph: &'a Graph,
    fused: &'a Fused,
    sources: Vec<Source<'a>>,
    targets: Vec<Target<'a>>,
    columns: usize,
}

/// Runs `fused` over its whole domain. What it stores is taken out of `buffers` meanwhile.
pub(super) fn run_fused(
    graph: &Graph,
    fused: &Fused,
    place: &[Option<usize>],
    buffers: &mut [Box<[u32]>],
    scalars: &[f32],
) {
    let at = |v: Value| place[v.index()].expect("what a kernel touches has a buffer");
    let (rows, columns) = extents(graph, fused);
    if rows * columns == 0 {
        return;
    }
    let block_rows = (BLOCK / columns).clamp(1, rows);
    let packing = |v: Value| Packing { dtype: graph.dtype(v), row_words: graph.dtype(v).row_words(columns) };
    let places: Vec<usize> = fused.stores.iter().map(|(v, _)| at(*v)).collect();
    let mut stored: Vec<Box<[u32]>> = places.iter().map(|p| take(&mut buffers[*p])).collect();
    let source = |(v, access): &(Value, Access)| {
        let meta = graph.meta(*v);
        // Of a buffer that was taken out nothing is left: only a full load may find it so.
        let words = || &buffers[at(*v)][..meta.words()];
        let all = || decode(words(), meta.dtype, &meta.shape);
        match access {
            Access::Scalar(slot) => Source::Splat(scalars[*slot]),
            Access::Single => Source::Splat(all()[0]),
            Access::Channel => Source::Pattern(all().repeat(block_rows)),
            Access::Full => match places.iter().position(|p| *p == at(*v)) {
                Some(store) => Source::Overwritten(packing(*v), store),
                None => Source::Stored(packing(*v), words()),
            },
            Access::Strided(_) => {
                let x = all();
                Source::Whole(broadcast_offsets(&meta.shape, &fused.domain).into_iter().map(|o| x[o]).collect())
            }
        }
    };
    let sources = fused.loads.iter().map(source).collect();
    let targets = fused.stores.iter().zip(&mut stored).map(|((v, _), words)| Target::new(packing(*v), words)).collect();
    Kernel { graph, fused, sources, targets, columns }.run(rows, block_rows);
    places.into_iter().zip(stored).for_each(|(p, words)| buffers[p] = words);
}

/// Rows and columns that the kernel runs over. Rows are merged into one when nothing depends on where they end.
fn extents(graph: &Graph, fused: &Fused) -> (usize, usize) {
    let packed = |v: Value| graph.dtype(v).per_word() > 1;
    let merge = fused.loads.iter().all(|(v, a)| match a {
        Access::Full => !packed(*v),
        Access::Single | Access::Scalar(_) | Access::Strided(_) => true,
        Access::Channel => false,
    }) && fused.stores.iter().all(|(v, _)| !packed(*v));
    match merge {
        true => (1, fused.domain.elements()),
        false => (fused.domain.rows(), fused.domain.columns()),
    }
}

fn decode(words: &[u32], dtype: DType, shape: &Shape) -> Vec<f32> {
    let columns = shape.columns();
    let row_words = dtype.row_words(columns);
    let mut out = vec![0.0; shape.elements()];
    for (row, out) in words.chunks_exact(row_words).zip(out.chunks_mut(columns)) {
        decode_row(row, dtype, out);
    }
    out
}

/// The first elements of stored words as f32.
fn decode_row(words: &[u32], dtype: DType, out: &mut [f32]) {
    match dtype {
        DType::F32 => out.copy_from_slice(bytemuck::cast_slice(&words[..out.len()])),
        DType::U32 => out.iter_mut().zip(words).for_each(|(o, &w)| *o = w as f32),
        DType::I32 => out.iter_mut().zip(words).for_each(|(o, &w)| *o = w as i32 as f32),
        DType::I16 => {
            let halves: &[i16] = bytemuck::cast_slice(words);
            out.iter_mut().zip(halves).for_each(|(o, &h)| *o = h as f32);
        }
        DType::U8 => {
            let bytes: &[u8] = bytemuck::cast_slice(words);
            out.iter_mut().zip(bytes).for_each(|(o, &b)| *o = b as f32);
        }
        DType::Bits => {
            for (out, &word) in out.chunks_mut(32).zip(words) {
                for (i, o) in out.iter_mut().enumerate() {
                    *o = (word >> i & 1) as f32;
                }
            }
        }
    }
}

impl Packing {
    /// Runs of words that hold a block of a domain of so many columns, as the first word and their number, each with how
    /// many elements it holds.
    fn runs(self, b: Block, columns: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        // Without packing rows follow each other, and a block of several is whole rows.
        let per = self.dtype.per_word();
        let (runs, each) = if per == 1 { (1, b.rows * b.columns) } else { (b.rows, b.columns) };
        (0..runs).map(move |r| match per {
            1 => (b.row * columns + b.first, each, each),
            _ => ((b.row + r) * self.row_words + b.first / per, each.div_ceil(per), each),
        })
    }
}

impl Kernel<'_> {
    fn run(&self, rows: usize, block_rows: usize) {
        let pieces = self.columns.div_ceil(BLOCK);
        let blocks = rows.div_ceil(block_rows) * pieces;
        let run = |scratch: &mut Vec<Vec<f32>>, b: usize| {
            let (row, first) = (b / pieces * block_rows, b % pieces * BLOCK);
            let columns = if pieces == 1 { self.columns } else { BLOCK.min(self.columns - first) };
            self.block(scratch, Block { row, rows: block_rows.min(rows - row), first, columns });
        };
        if rows * self.columns <= SERIAL {
            let mut scratch = Vec::new();
            (0..blocks).for_each(|b| run(&mut scratch, b));
        } else {
            (0..blocks).into_par_iter().with_min_len(8).for_each_init(Vec::new, run);
        }
    }

    fn block(&self, scratch: &mut Vec<Vec<f32>>, b: Block) {
        let n = b.rows * b.columns;
        let start = b.row * self.columns + b.first;
        scratch.resize_with(self.fused.exprs.len(), Vec::new);
        for i in 0..self.fused.exprs.len() {
            let (done, rest) = scratch.split_at_mut(i);
            let out = &mut rest[0];
            out.resize(n.max(out.len()), 0.0);
            let out = &mut out[..n];
            match &self.fused.exprs[i] {
                Expr::Load(l) => self.load(*l, b, out),
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
        for (target, (_, e)) in self.targets.iter().zip(&self.fused.stores) {
            let mut made = &scratch[*e][..n];
            for (first, words, elements) in target.packing.runs(b, self.columns) {
                let values;
                (values, made) = made.split_at(elements);
                // SAFETY: words belong to one block, and each block is run by one thread, which has no other slice of
                // them now: `load` gave back the one that it read.
                let out = unsafe { target.part(first, words) };
                if target.packing.dtype == DType::Bits {
                    for (word, values) in out.iter_mut().zip(values.chunks(32)) {
                        *word = values.iter().enumerate().fold(0, |w, (i, &v)| w | ((v > 0.5) as u32) << i);
                    }
                } else {
                    bytemuck::cast_slice_mut(out).copy_from_slice(values);
                }
            }
        }
    }

    fn load(&self, l: usize, b: Block, mut out: &mut [f32]) {
        let start = b.row * self.columns + b.first;
        match &self.sources[l] {
            Source::Splat(v) => out.fill(*v),
            Source::Pattern(p) => out.copy_from_slice(&p[b.first..b.first + out.len()]),
            Source::Whole(x) => out.copy_from_slice(&x[start..start + out.len()]),
            Source::Stored(packing, stored) => {
                for (first, words, elements) in packing.runs(b, self.columns) {
                    decode_row(
                        &stored[first..first + words],
                        packing.dtype,
                        out.split_off_mut(..elements).expect(HELD),
                    );
                }
            }
            Source::Overwritten(packing, store) => {
                for (first, words, elements) in packing.runs(b, self.columns) {
                    // SAFETY: as where a block stores: these are its own words, and it has not come to storing.
                    let stored = unsafe { self.targets[*store].part(first, words) };
                    decode_row(stored, packing.dtype, out.split_off_mut(..elements).expect(HELD));
                }
            }
        }
    }
}

/// Runs of a block are as long as the block.
const HELD: &str = "a block has the elements of its runs";
