//! dx: tables hold sums over four outputs of dy for a vector's lanes of positions, the bits are those of the weights.
//!
//! For each tap and channel the sum over all outputs is made for `V` vectors of positions, and added to the plane of the
//! channel as far along as the tap lies. Positions whose tap lies outside of the image add zeros.

use super::positions::Positions;
use super::table::{add_row, fill, load_row, look_up, offset, row, table};
use super::turn::{block, transpose};
use super::{FLOATS, R, V};
use crate::kernels::isa::Isa;
use crate::kernels::lines::Lines;
use crate::tensor::Conv2dGeometry;
use crate::tensor::bits::{WORD, WeightCode};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Tables that are looked up together: 16 of 1 KiB with AVX2.
const TABLES: usize = 16;
/// Positions of a task, at least, if there are as many: the last vectors of a task may be partly filled.
const POSITIONS: usize = 128;
/// Floats of the widest row of a table.
const WIDEST: usize = V * 16;

struct Layer<'a> {
    g: &'a Conv2dGeometry,
    positions: Positions,
    minus: bool,
    /// Images of a task.
    images: usize,
    /// The pixel of dy at each position of a task, counted from its first one.
    outputs: Vec<Option<usize>>,
    /// Zeros and ones, for these positions of each tap.
    inside: Vec<f32>,
    /// dy where there is no pixel.
    nothing: Vec<f32>,
    /// Bytes of rows `[block of tables][tap][R channels][table][channel]`.
    rows: Vec<u16>,
}

impl Layer<'_> {
    fn groups(&self) -> usize {
        self.g.o.div_ceil(FLOATS)
    }

    /// Channels, rounded up to what is summed at once.
    fn channels(&self) -> usize {
        self.g.c.next_multiple_of(R)
    }
}

/// Writes the rows that the weights ask for.
struct Rows<'a> {
    g: &'a Conv2dGeometry,
    w: &'a [u32],
    /// First table, how many, and the tap.
    of: (usize, usize, usize),
    out: &'a mut [u16],
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Rows { g, w, of: (first, count, tap), out } = self;
        let words = g.c.div_ceil(WORD);
        for t in 0..count {
            for word in 0..words {
                let filters: [u32; FLOATS] = std::array::from_fn(|i| {
                    let o = (first + t) * FLOATS + i;
                    if o < g.o { w[(o * g.kh * g.kw + tap) * words + word] } else { 0 }
                });
                let [a, b, c, d] = filters;
                let at: [u16; WORD] = std::array::from_fn(|i| {
                    let bits = a >> i & 1 | (b >> i & 1) << 1 | (c >> i & 1) << 2 | (d >> i & 1) << 3;
                    (t * table::<S>() * size_of::<f32>() + offset::<S>(bits as usize)) as u16
                });
                let whole = out.chunks_exact_mut(count * R).skip(word * (WORD / R));
                for (out, at) in whole.zip(at.as_chunks::<R>().0) {
                    out[t * R..][..R].copy_from_slice(at);
                }
            }
        }
    }
}

/// Neighbouring images.
struct Images<'a> {
    layer: &'a Layer<'a>,
    count: usize,
    /// Their outputs.
    dy: &'a [f32],
    dx: &'a mut [f32],
    memory: &'a mut Memory,
}

/// What a task works with.
#[derive(Default)]
struct Memory {
    /// dy of a block of tables: `[output][position]`.
    turned: Lines<f32>,
    tables: Lines<f32>,
    /// dx `[phase][channel][position]`, with room for taps on both sides.
    planes: Lines<f32>,
}

impl WithSimd for Images<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Images { layer, count, dy, dx, memory } = self;
        let (g, positions, lanes) = (layer.g, &layer.positions, row::<S>());
        let (per_image, channels, groups) = (positions.per_image(), layer.channels(), layer.groups());
        let (length, reach) = (layer.outputs.len(), positions.reach());
        let pitch = length + 2 * reach;
        let plane = |phase: [usize; 2], c: usize| ((phase[0] * g.stride + phase[1]) * channels + c) * pitch + reach;
        let Memory { turned, tables, planes } = memory;
        planes.resize(g.stride * g.stride * channels * pitch);
        planes.fill(0.0);
        turned.resize(TABLES * FLOATS * lanes);
        tables.resize(TABLES * table::<S>());
        for at in (0..count * per_image).step_by(lanes) {
            let pixels = &layer.outputs[at..at + lanes];
            for first in (0..groups).step_by(TABLES) {
                let here = TABLES.min(groups - first);
                let turned = &mut turned[..here * FLOATS * lanes];
                turn(&layer.nothing, dy, pixels, first * FLOATS, turned);
                for (table, rows) in
                    tables.chunks_exact_mut(table::<S>()).zip(turned.chunks_exact(FLOATS * lanes)).take(here)
                {
                    let rows: [&[f32]; FLOATS] = std::array::from_fn(|i| &rows[i * lanes..][..lanes]);
                    fill(simd, layer.minus, rows, table);
                }
                let rows =
                    &layer.rows[positions.taps.len() * channels * first..][..positions.taps.len() * channels * here];
                for ((tap, rows), inside) in
                    positions.taps.iter().zip(rows.chunks_exact(channels * here)).zip(layer.inside.chunks_exact(length))
                {
                    let inside = load_row::<S>(inside, at);
                    let start = (plane(tap.phase, 0) + at).wrapping_add_signed(tap.shift);
                    // The planes of a phase from there on, as far as their last one is written.
                    let planes = &mut planes[start..][..(channels - 1) * pitch + lanes];
                    for (c, rows) in rows.chunks_exact(here * R).enumerate() {
                        let mut sums = [[simd.splat_f32s(0.0); V]; R];
                        // SAFETY: `rows` has a row of each of `here` tables for every sum.
                        unsafe {
                            look_up(simd, &mut sums, tables, here, |r, t| *rows.get_unchecked(t * R + r) as usize)
                        };
                        for (r, sum) in sums.into_iter().enumerate() {
                            // SAFETY: there are `channels` planes, R of them for each of these rows.
                            unsafe { add_row(simd, planes, (c * R + r) * pitch, sum, inside) };
                        }
                    }
                }
            }
        }
        for (image, dx) in dx.chunks_exact_mut(g.h * g.w * g.c).enumerate() {
            for y in 0..g.h {
                for a in 0..g.stride.min(g.w) {
                    let columns = (g.w - a).div_ceil(g.stride);
                    let from = plane([y % g.stride, a], 0) + image * per_image + y / g.stride * positions.size[1];
                    transpose((&planes[from..], pitch), (&mut dx[(y * g.w + a) * g.c..], g.stride * g.c), g.c, columns);
                }
            }
        }
    }
}

/// Outputs of pixels from `first` on, turned: `[output][pixel]`. Where there is no pixel they are those of `nothing`, zeros.
#[inline(always)]
fn turn(nothing: &[f32], dy: &[f32], pixels: &[Option<usize>], first: usize, out: &mut [f32]) {
    let (lanes, o) = (pixels.len(), nothing.len());
    let row = |pixel: &Option<usize>| pixel.and_then(|p| dy.get(p * o..(p + 1) * o)).unwrap_or(nothing);
    for (some, pixels) in pixels.chunks(4).enumerate() {
        let rows: [&[f32]; 4] = std::array::from_fn(|i| pixels.get(i).map_or(nothing, row));
        for (group, out) in out.chunks_exact_mut(FLOATS * lanes).enumerate() {
            let at = first + group * FLOATS;
            let whole = rows.map(|row| row.get(at..).and_then(<[f32]>::first_chunk));
            if let ([Some(a), Some(b), Some(c), Some(d)], 4) = (whole, pixels.len()) {
                for (i, turned) in block([a, b, c, d]).iter().enumerate() {
                    out[i * lanes + some * 4..][..4].copy_from_slice(turned);
                }
                continue;
            }
            for (p, row) in rows.iter().enumerate().take(pixels.len()) {
                for i in 0..FLOATS {
                    out[i * lanes + some * 4 + p] = row.get(at + i).copied().unwrap_or(0.0);
                }
            }
        }
    }
}

/// dx from dy and the packed weights.
pub fn input_grad(isa: Isa, g: &Conv2dGeometry, code: WeightCode, dy: &[f32], w: &[u32], dx: &mut [f32]) {
    let positions = Positions::new(g);
    let per_image = positions.per_image();
    let images = POSITIONS.div_ceil(per_image).min(g.n.div_ceil(2)).max(1);
    // Whole rows of tables, for all instruction sets alike.
    let length = (images * per_image).next_multiple_of(WIDEST);
    let inside = positions.taps.iter().flat_map(|t| (0..length).map(|p| f32::from(t.inside[p % per_image]))).collect();
    let outputs = positions.outputs(g);
    let outputs = outputs.from(0).take(images * per_image).chain(std::iter::repeat(None)).take(length).collect();
    let minus = code == WeightCode::PlusMinus;
    let nothing = vec![0.0; g.o];
    let mut layer = Layer { g, positions, minus, images, outputs, inside, nothing, rows: Vec::new() };
    let (taps, channels, groups) = (layer.positions.taps.len(), layer.channels(), layer.groups());
    let mut rows = vec![0; taps * channels * groups];
    let mut tasks = Vec::new();
    let mut rest = &mut rows[..];
    for first in (0..groups).step_by(TABLES) {
        let count = TABLES.min(groups - first);
        for tap in 0..taps {
            let (out, after) = rest.split_at_mut(channels * count);
            tasks.push(Rows { g, w, of: (first, count, tap), out });
            rest = after;
        }
    }
    tasks.into_par_iter().for_each(|task| isa.arch_of_tables().dispatch(task));
    layer.rows = rows;
    let (image, outputs) = (g.h * g.w * g.c, g.oh * g.ow * g.o);
    dx.par_chunks_mut(layer.images * image).zip(dy.par_chunks(layer.images * outputs)).for_each_init(
        Memory::default,
        |memory, (dx, dy)| {
            isa.arch_of_tables().dispatch(Images { layer: &layer, count: dx.len() / image, dy, dx, memory })
        },
    );
}
