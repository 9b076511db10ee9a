//! Runs a fused kernel in blocks that stay in the first-level cache: each op of the chain sweeps over
//! a block of some hundred elements before the next op does.

use super::memory::{Buffer, TakenOut};
use crate::graph::{Graph, Value};
use crate::kernels::isa::vectorised;
use crate::kernels::lines::Lines;
use crate::program::{Access, Expr, Fused};
use crate::tensor::{DType, Shape};
use rayon::prelude::*;
use std::marker::PhantomData;

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
    /// All numbers of a smaller input, and how far apart they lie along each axis of the domain.
    Broadcast(Vec<f32>, &'a [usize]),
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
    /// The target, for each expression, that it is computed in.
    in_place: Vec<Option<usize>>,
    columns: usize,
}

/// Runs `fused` over its whole domain. What it stores is taken out of `buffers` meanwhile.
pub(super) fn run_fused(
    graph: &Graph,
    fused: &Fused,
    place: &[Option<usize>],
    buffers: &mut [Buffer],
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
    let mut taken = TakenOut::new(buffers, places.clone());
    let (buffers, stored) = taken.parts();
    let sources = fused.loads.iter().map(|(v, access)| {
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
            Access::Strided(strides) => Source::Broadcast(all(), strides),
        }
    });
    let sources: Vec<Source> = sources.collect();
    let targets: Vec<Target> =
        fused.stores.iter().zip(stored).map(|((v, _), words)| Target::new(packing(*v), words)).collect();
    let in_place = computed_in_place(fused, &sources, &targets);
    Kernel { graph, fused, sources, targets, in_place, columns }.run(rows, block_rows);
}

/// Floats are computed where they are stored, unless a load reads what was there before.
fn computed_in_place(fused: &Fused, sources: &[Source], targets: &[Target]) -> Vec<Option<usize>> {
    let mut in_place = vec![None; fused.exprs.len()];
    for (store, (_, e)) in fused.stores.iter().enumerate() {
        let overwrites = sources.iter().any(|s| matches!(s, Source::Overwritten(_, o) if *o == store));
        let is_computed = matches!(fused.exprs[*e], Expr::Apply { .. });
        if targets[store].packing.dtype == DType::F32 && is_computed && !overwrites {
            in_place[*e].get_or_insert(store);
        }
    }
    in_place
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
    let mut out = vec![0.0; shape.elements()];
    decode_rows(words, dtype, shape.columns(), &mut out);
    out
}

/// Rows as words and as elements, each with the length of one: a single one where rows fill their words, and so follow each
/// other without a gap.
fn row(words: usize, dtype: DType, columns: usize, elements: usize) -> (usize, usize) {
    let gaps = !columns.is_multiple_of(dtype.per_word());
    if gaps { (dtype.row_words(columns), columns) } else { (words.max(1), elements.max(1)) }
}

/// Stored rows as f32.
fn decode_rows(words: &[u32], dtype: DType, columns: usize, out: &mut [f32]) {
    let (row_words, columns) = row(words.len(), dtype, columns, out.len());
    vectorised(
        #[inline(always)]
        || {
            for (row, out) in words.chunks_exact(row_words).zip(out.chunks_exact_mut(columns)) {
                decode_row(row, dtype, out);
            }
        },
    );
}

/// The first elements of stored words as f32.
#[inline(always)]
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
            // Eight at a time: loops of a known length, and masks, as few machines shift each lane by another number.
            let (eights, rest) = out.as_chunks_mut::<8>();
            let last = words.get(eights.len() / 4).map_or(0, |w| w >> (eights.len() % 4 * 8));
            for (k, out) in eights.iter_mut().enumerate() {
                let byte = words[k / 4] >> (k % 4 * 8);
                *out = [1, 2, 4, 8, 16, 32, 64, 128].map(|mask| if byte & mask != 0 { 1.0 } else { 0.0 });
            }
            rest.iter_mut().enumerate().for_each(|(i, o)| *o = (last >> i & 1) as f32);
        }
    }
}

/// Packs rows of zeros and ones.
fn pack_rows(values: &[f32], columns: usize, out: &mut [u32]) {
    let (row_words, columns) = row(out.len(), DType::Bits, columns, values.len());
    vectorised(
        #[inline(always)]
        || {
            for (values, out) in values.chunks_exact(columns).zip(out.chunks_exact_mut(row_words)) {
                let (whole, rest) = values.as_chunks::<32>();
                let (words, last) = out.split_at_mut(whole.len());
                for (values, word) in whole.iter().zip(words) {
                    *word = pack(values);
                }
                if let Some(word) = last.first_mut() {
                    let mut values = [0.0; 32];
                    values[..rest.len()].copy_from_slice(rest);
                    *word = pack(&values);
                }
            }
        },
    );
}

/// A word of bits, 1 where a number is one and not zero.
#[inline(always)]
fn pack(values: &[f32; 32]) -> u32 {
    let fours = values.as_chunks::<4>().0.iter().enumerate();
    fours.fold(0, |word, (k, four)| word | four_bits(four) << (4 * k))
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn four_bits(values: &[f32; 4]) -> u32 {
    use std::arch::x86_64::{_mm_cmpgt_ps, _mm_loadu_ps, _mm_movemask_ps, _mm_set1_ps};
    // SAFETY: every x86-64 machine has SSE, and the pointer is to four floats.
    unsafe { _mm_movemask_ps(_mm_cmpgt_ps(_mm_loadu_ps(values.as_ptr()), _mm_set1_ps(0.5))) as u32 }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn four_bits(values: &[f32; 4]) -> u32 {
    values.iter().enumerate().fold(0, |bits, (i, v)| bits | u32::from(*v > 0.5) << i)
}

/// Elements of a broadcast input from number `first` of the domain on, along its last axis at once.
fn broadcast(x: &[f32], strides: &[usize], domain: &Shape, first: usize, out: &mut [f32]) {
    let (&columns, axes) = domain.split_last().expect("what is broadcast has an axis");
    let (&stride, strides) = strides.split_last().expect("as many as axes");
    let (mut row, mut column, mut rest) = (first / columns, first % columns, out);
    while !rest.is_empty() {
        let (run, after) = rest.split_at_mut(rest.len().min(columns - column));
        let mut index = row;
        let of_row = axes.iter().zip(strides).rev().map(|(extent, stride)| {
            let along = index % extent;
            index /= extent;
            along * stride
        });
        let from = of_row.sum::<usize>() + column * stride;
        match stride {
            0 => run.fill(x[from]),
            1 => run.copy_from_slice(&x[from..][..run.len()]),
            _ => run.iter_mut().zip(x[from..].iter().step_by(stride)).for_each(|(to, x)| *to = *x),
        }
        (row, column, rest) = (row + 1, 0, after);
    }
}

impl Packing {
    /// The words of a block, as the first one and how many: whole rows, or a piece of one.
    fn words(self, b: Block) -> (usize, usize) {
        let piece = self.dtype.row_words(b.columns);
        let count = if b.rows == 1 { piece } else { b.rows * self.row_words };
        (b.row * self.row_words + b.first / self.dtype.per_word(), count)
    }
}

impl Kernel<'_> {
    fn run(&self, rows: usize, block_rows: usize) {
        let pieces = self.columns.div_ceil(BLOCK);
        let blocks = rows.div_ceil(block_rows) * pieces;
        let run = |scratch: &mut Vec<Lines<f32>>, b: usize| {
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

    fn block(&self, scratch: &mut Vec<Lines<f32>>, b: Block) {
        let n = b.rows * b.columns;
        let start = b.row * self.columns + b.first;
        scratch.resize_with(self.fused.exprs.len(), Lines::default);
        let mut made: Vec<&[f32]> = Vec::with_capacity(scratch.len());
        for ((expr, memory), in_place) in self.fused.exprs.iter().zip(scratch.iter_mut()).zip(&self.in_place) {
            let value: &[f32] = match expr {
                Expr::Load(l) => match self.floats(*l, b, n) {
                    Some(floats) => floats,
                    // One number: still there from a block of that size.
                    None if matches!(self.sources[*l], Source::Splat(_)) && memory.len() >= n => &memory[..n],
                    None => {
                        memory.resize(n);
                        self.load(*l, b, memory);
                        memory
                    }
                },
                Expr::Apply { node, port, args } => {
                    let op = self.graph.nodes()[*node].op.pointwise().expect("only pointwise nodes are fused");
                    // Without an allocation for as many inputs as the crate's own ops have.
                    let (mut few, mut many) = ([&[][..]; 12], Vec::new());
                    let x: &mut [&[f32]] = match few.get_mut(..args.len()) {
                        Some(few) => few,
                        None => {
                            many.resize(args.len(), &[][..]);
                            &mut many
                        }
                    };
                    for (x, a) in x.iter_mut().zip(args) {
                        *x = made[*a];
                    }
                    let out = match in_place {
                        // SAFETY: words belong to one block, each block is run by one thread, and no load reads these.
                        Some(store) => bytemuck::cast_slice_mut(unsafe { self.words_of(*store, b) }),
                        None => {
                            memory.resize(n);
                            &mut memory[..]
                        }
                    };
                    op.eval(*port, start, x, out);
                    out
                }
            };
            made.push(value);
        }
        for (store, (_, e)) in self.fused.stores.iter().enumerate() {
            if self.in_place[*e] == Some(store) {
                continue;
            }
            // SAFETY: words belong to one block, and each block is run by one thread, which has no other slice of them now:
            // `load` gave back the one that it read, and nothing is computed in them.
            let out = unsafe { self.words_of(store, b) };
            if self.targets[store].packing.dtype == DType::Bits {
                pack_rows(made[*e], b.columns, out);
            } else {
                bytemuck::cast_slice_mut(out).copy_from_slice(made[*e]);
            }
        }
    }

    /// The words of a block in what store number `store` writes.
    ///
    /// # Safety
    /// As [`Target::part`].
    #[allow(clippy::mut_from_ref)]
    unsafe fn words_of(&self, store: usize, b: Block) -> &mut [u32] {
        let target = &self.targets[store];
        let (first, words) = target.packing.words(b);
        // SAFETY: the caller's.
        unsafe { target.part(first, words) }
    }

    /// What a load gives where it lies in memory as floats that nothing overwrites.
    fn floats(&self, l: usize, b: Block, n: usize) -> Option<&[f32]> {
        let start = b.row * self.columns + b.first;
        match &self.sources[l] {
            Source::Pattern(p) => Some(&p[b.first..][..n]),
            Source::Stored(Packing { dtype: DType::F32, .. }, stored) => {
                Some(bytemuck::cast_slice(&stored[start..][..n]))
            }
            _ => None,
        }
    }

    /// Copies what a load gives.
    fn load(&self, l: usize, b: Block, out: &mut [f32]) {
        match &self.sources[l] {
            Source::Splat(v) => out.fill(*v),
            Source::Stored(packing, stored) => {
                let (first, words) = packing.words(b);
                decode_rows(&stored[first..][..words], packing.dtype, b.columns, out);
            }
            Source::Overwritten(packing, store) => {
                let (first, words) = packing.words(b);
                // SAFETY: as where a block stores: these are its own words, and it has not come to storing.
                let stored = unsafe { self.targets[*store].part(first, words) };
                decode_rows(stored, packing.dtype, b.columns, out);
            }
            Source::Broadcast(x, strides) => {
                broadcast(x, strides, &self.fused.domain, b.row * self.columns + b.first, out);
            }
            Source::Pattern(_) => unreachable!("floats that are there"),
        }
    }
}
