//! dw: tables hold sums over four positions of dy for a vector's lanes of outputs, the bits are those of the activations, turned
//! so that a word holds 64 positions of a channel.
//!
//! A tap outside of the image is a zero bit, which a table reads as -1: what it takes away is added back.

use super::positions::{Pixels, Positions};
use super::table::{copy_row, fill, load_row, look_up, offset, row, store_row, table};
use super::turn::transpose;
use super::{FLOATS, R, ROWS, V};
use crate::kernels::isa::Isa;
use crate::kernels::lines::{Lines, soon};
use crate::tensor::Conv2dGeometry;
use crate::tensor::bits::WORD;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// Positions of a word of turned bits.
const TURNED: usize = 64;
/// Parts of the batch that are summed apart where outputs alone are too few tasks: as many as cores that a small machine
/// has, each for a copy of all sums.
const PARTS: usize = 4;

/// Pixels of the next word that are asked for at a time.
const AHEAD: usize = 8;

/// The activations of each channel along the line of positions.
struct Turned {
    /// `[word of positions][phase][channel]`, with `before` words of zeros at either end.
    words: Vec<u64>,
    before: usize,
    /// Words of one step along the line, and channels, rounded up to what is summed at once.
    step: usize,
    channels: usize,
}

/// Bits of a word of positions.
struct Turn<'a> {
    rows: &'a [Option<&'a [u32]>; TURNED],
    out: &'a mut [u64],
}

impl WithSimd for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (word, out) in self.out.chunks_mut(WORD).enumerate() {
            let bits: [u32; TURNED] =
                std::array::from_fn(|p| self.rows[p].map_or(0, |row| row.get(word).copied().unwrap_or(0)));
            let (low, high) = bits.split_at(WORD);
            let [low, high] = [low, high].map(|half| transpose_bits(half.try_into().expect("half of them")));
            for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
                *out = u64::from(low) | u64::from(high) << WORD;
            }
        }
    }
}

/// Bit `j` of word `i` becomes bit `i` of word `j`: halves of ever smaller blocks change places.
#[inline(always)]
fn transpose_bits(mut x: [u32; WORD]) -> [u32; WORD] {
    let mut mask = u32::MAX;
    for half in [16, 8, 4, 2, 1] {
        mask ^= mask << half;
        for block in (0..WORD).step_by(2 * half) {
            for i in block..block + half {
                let moved = (x[i] >> half ^ x[i + half]) & mask;
                x[i] ^= moved << half;
                x[i + half] ^= moved;
            }
        }
    }
    x
}

impl Turned {
    fn new(isa: Isa, g: &Conv2dGeometry, positions: &Positions, x: &[u32]) -> Turned {
        let words = g.c.div_ceil(WORD);
        let channels = g.c.next_multiple_of(R);
        let step = g.stride * g.stride * channels;
        let before = positions.reach().div_ceil(TURNED) + 1;
        let count = (g.n * positions.per_image()).div_ceil(TURNED);
        let pixels: Vec<Pixels> =
            (0..g.stride * g.stride).map(|phase| positions.inputs(g, [phase / g.stride, phase % g.stride])).collect();
        let mut turned = vec![0; (count + 2 * before) * step];
        turned[before * step..][..count * step].par_chunks_mut(step).enumerate().for_each(|(block, out)| {
            for (pixels, out) in pixels.iter().zip(out.chunks_mut(channels)) {
                let mut pixels = pixels.from(block * TURNED);
                let rows = std::array::from_fn(|_| pixels.next()?.map(|pixel| &x[pixel * words..][..words]));
                isa.arch().dispatch(Turn { rows: &rows, out });
            }
        });
        Turned { words: turned, before, step, channels }
    }

    /// The channels of a phase, `shift` positions from the first one of a word on.
    #[inline(always)]
    fn window(&self, block: usize, phase: usize, shift: isize) -> impl Iterator<Item = u64> {
        let (skipped, bits) = (shift.div_euclid(TURNED as isize), shift.rem_euclid(TURNED as isize) as u32);
        let at = (self.before + block).wrapping_add_signed(skipped) * self.step + phase * self.channels;
        let (low, high) = (&self.words[at..][..self.channels], &self.words[at + self.step..][..self.channels]);
        // In two steps, as a shift by all bits is none.
        low.iter().zip(high).map(move |(low, high)| low >> bits | high << 1 << (63 - bits))
    }
}

/// Where taps lie outside of the image.
struct Outside {
    /// Ones where a tap is inside, for the positions from each of an image on, `[tap][position]`.
    inside: Vec<Vec<u64>>,
    /// The taps outside, for each position.
    taps: Vec<Vec<usize>>,
}

impl Outside {
    fn new(positions: &Positions) -> Outside {
        let n = positions.per_image();
        let words = |inside: &[bool]| {
            let ahead = |p: usize| u64::from(inside[p % n]) << (TURNED - 1);
            let mut word = (0..TURNED - 1).fold(0, |word, p| word >> 1 | ahead(p));
            let words = (0..n).map(|p| {
                word = word >> 1 | ahead(p + TURNED - 1);
                word
            });
            words.collect()
        };
        Outside {
            inside: positions.taps.iter().map(|t| words(&t.inside)).collect(),
            taps: (0..n)
                .map(|p| (0..positions.taps.len()).filter(|t| !positions.taps[*t].inside[p]).collect())
                .collect(),
        }
    }
}

struct Layer<'a> {
    g: &'a Conv2dGeometry,
    positions: Positions,
    outside: Outside,
    turned: Turned,
    outputs: Pixels,
    dy: &'a [f32],
}

/// Sums over words of positions for the outputs of a row of a table.
struct Sums<'a> {
    layer: &'a Layer<'a>,
    /// Words of positions.
    words: std::ops::Range<usize>,
    first: usize,
    outputs: usize,
    /// `[output][tap][channel]`.
    out: &'a mut [f32],
}

impl WithSimd for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Sums { layer, words, first, outputs, out } = self;
        let k = out.len() / outputs;
        for first_here in (0..outputs).step_by(row::<S>()) {
            let here = row::<S>().min(outputs - first_here);
            let sums = layer.sums(simd, words.clone(), first + first_here, here);
            let lanes = row::<S>();
            for (tap, sums) in sums.chunks_exact(layer.turned.channels * lanes).enumerate() {
                transpose((sums, lanes), (&mut out[first_here * k + tap * layer.g.c..], k), layer.g.c, here);
            }
        }
    }
}

impl Layer<'_> {
    /// Sums for `here` outputs from `first` on: `[tap][channel][lane]`.
    #[inline(always)]
    fn sums<S: Simd>(&self, simd: S, words: std::ops::Range<usize>, first: usize, here: usize) -> Lines<f32> {
        // As many tables at once as lie in 16 KiB.
        let (lanes, size) = (row::<S>(), table::<S>());
        let at_once = (16 * 1024 / (size * size_of::<f32>())).clamp(1, TURNED / FLOATS);
        let (taps, channels) = (&self.positions.taps, self.turned.channels);
        let mut sums = Lines::zeros(taps.len() * channels * lanes);
        let mut taken = vec![0.0; taps.len() * lanes];
        let mut rows = Lines::zeros(TURNED * lanes);
        let mut tables = Lines::zeros(at_once * size);
        for word in words {
            self.rows::<S>(word, first, here, &mut rows, &mut taken);
            let p = word * TURNED % self.positions.per_image();
            let (mut next, mut left) = (self.outputs.place((word + 1) * TURNED), TURNED);
            for part in (0..TURNED / FLOATS).step_by(at_once) {
                for (t, table) in tables.chunks_exact_mut(size).enumerate() {
                    let four: [&[f32]; FLOATS] =
                        std::array::from_fn(|i| &rows[((part + t) * FLOATS + i) * lanes..][..lanes]);
                    fill(simd, true, four, table);
                }
                for (t, tap) in taps.iter().enumerate() {
                    // What the next word reads lies far apart in memory: asked for a few at a time meanwhile.
                    for _ in 0..AHEAD.min(left) {
                        if let Some(pixel) = self.outputs.at(next) {
                            soon(self.dy, pixel * self.g.o + first);
                        }
                        next = self.outputs.after(next);
                    }
                    left = left.saturating_sub(AHEAD);
                    let inside = self.outside.inside[t][p];
                    let phase = tap.phase[0] * self.g.stride + tap.phase[1];
                    let sums = &mut sums[t * channels * lanes..][..channels * lanes];
                    let mut window = self.turned.window(word, phase, tap.shift);
                    for sums in sums.chunks_exact_mut(R * lanes) {
                        let bits: [u64; R] =
                            std::array::from_fn(|_| (window.next().unwrap_or(0) & inside) >> (part * FLOATS));
                        let mut held: [[S::f32s; V]; R] = std::array::from_fn(|r| load_row::<S>(sums, r * lanes));
                        let at = |r: usize, t: usize| {
                            let bits = (bits[r] >> (t * FLOATS)) as usize & (ROWS - 1);
                            t * size * size_of::<f32>() + offset::<S>(bits)
                        };
                        // SAFETY: four bits are a row, and there are `at_once` tables.
                        unsafe { look_up(simd, &mut held, &tables, at_once, at) };
                        for (r, held) in held.into_iter().enumerate() {
                            store_row::<S>(sums, r * lanes, held);
                        }
                    }
                }
            }
        }
        for (sums, taken) in sums.chunks_exact_mut(channels * lanes).zip(taken.chunks_exact(lanes)) {
            for sums in sums.chunks_exact_mut(lanes) {
                sums.iter_mut().zip(taken).for_each(|(s, t)| *s += t);
            }
        }
        sums
    }

    /// The outputs of a word of positions `[position][lane]`; adds to `taken` what their taps outside take away.
    #[inline(always)]
    fn rows<S: Simd>(&self, word: usize, first: usize, here: usize, rows: &mut [f32], taken: &mut [f32]) {
        let lanes = rows.len() / TURNED;
        let mut next = self.outputs.place(word * TURNED);
        for row in rows.chunks_exact_mut(lanes) {
            let place = next;
            next = self.outputs.after(place);
            let Some(pixel) = self.outputs.at(place) else {
                row.fill(0.0);
                continue;
            };
            let outputs = &self.dy[pixel * self.g.o + first..][..here];
            if here == lanes {
                // Most are: vectors, where the length is not known there would be a call.
                copy_row::<S>(outputs, row);
            } else {
                row[..here].copy_from_slice(outputs);
                row[here..].fill(0.0);
            }
            for tap in &self.outside.taps[place.within] {
                taken[tap * lanes..][..lanes].iter_mut().zip(&*row).for_each(|(t, v)| *t += v);
            }
        }
    }
}

/// dw from dy and the packed activations.
pub fn weight_grad(isa: Isa, g: &Conv2dGeometry, dy: &[f32], x: &[u32], dw: &mut [f32]) {
    let positions = Positions::new(g);
    let turned = Turned::new(isa, g, &positions, x);
    let layer = Layer { g, outside: Outside::new(&positions), turned, outputs: positions.outputs(g), positions, dy };
    let k = g.kh * g.kw * g.c;
    /// Outputs of a task: a row of tables of vectors of 16 floats.
    const OUTPUTS: usize = 32;
    /// Outputs of a row of tables of vectors of eight floats.
    const NARROW: usize = V * 8;
    let tasks = g.o.div_ceil(OUTPUTS);
    let words = (g.n * layer.positions.per_image()).div_ceil(TURNED);
    let parts = if tasks >= 2 * PARTS { 1 } else { PARTS.min(words) };
    let per_part = words.div_ceil(parts);
    // The sums of one part alone are the gradient.
    let mut partial = vec![0.0; if parts == 1 { 0 } else { parts * dw.len() }];
    let work: Vec<Sums> = if parts == 1 { &mut *dw } else { &mut partial[..] }
        .chunks_mut(g.o * k)
        .enumerate()
        .flat_map(|(part, sums)| {
            let words = part * per_part..((part + 1) * per_part).min(words);
            let layer = &layer;
            sums.chunks_mut(OUTPUTS * k).enumerate().map(move |(task, out)| {
                let (first, outputs) = (task * OUTPUTS, out.len() / k);
                Sums { layer, words: words.clone(), first, outputs, out }
            })
        })
        .collect();
    // A row of two vectors of 16 floats would be half empty.
    let arch = if g.o <= NARROW { isa.arch_of_eight() } else { isa.arch_of_tables() };
    work.into_par_iter().for_each(|task| arch.dispatch(task));
    if parts == 1 {
        return;
    }
    dw.par_chunks_mut(k).enumerate().for_each(|(o, dw)| {
        dw.fill(0.0);
        for sums in partial.chunks(partial.len() / parts) {
            for (dw, s) in dw.iter_mut().zip(&sums[o * k..]) {
                *dw += s;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_turned() {
        let rows: [u32; WORD] = std::array::from_fn(|i| (i as u32 + 1).wrapping_mul(2_654_435_761));
        let turned = transpose_bits(rows);
        for (i, row) in rows.iter().enumerate() {
            for (j, column) in turned.iter().enumerate() {
                assert_eq!(row >> j & 1, column >> i & 1, "bit {j} of word {i}");
            }
        }
    }
}
