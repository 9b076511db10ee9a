//! Forward pass by popcount: a block of outputs and a tile of windows at once, by the instructions that a machine has.
//!
//! Borders are zero bits, which xor would count as -1: what the taps outside the image add is known
//! beforehand for each of the few patterns of such taps, and is part of the constant that a count is
//! added to.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod form;
#[cfg(target_arch = "aarch64")]
mod neon;
mod words;

use crate::kernels::entry::{check_length, check_one_group, check_sums};
use crate::kernels::grid::Grid;
use crate::kernels::isa::Isa;
use crate::kernels::lines::Lines;
use crate::kernels::taps::{Place, joined, output_taps};
use crate::tensor::Conv2dGeometry;
use crate::tensor::bits::WeightCode;
use form::Form;
use std::ops::Range;

/// A packed image with its border, in the form that the kernels of an instruction set read. They read it without asking:
/// so panels alone make and fill it.
#[derive(Clone, Debug)]
pub struct Padded {
    words: Lines<u32>,
    form: Form,
}

/// Weights laid out for vectors, and what a count becomes: `y = constant ∓ 2 count`.
#[derive(Clone, Debug)]
pub struct Panel {
    form: Form,
    code: WeightCode,
    grid: Grid,
    places: Vec<Place>,
    /// The words of a window, from its begin on: runs that lie side by side, none longer than [`Form::run`].
    runs: Vec<Range<usize>>,
    /// Words of a window.
    window: usize,
    /// Of each output pixel, where its row of `constants` begins.
    patterns: Vec<usize>,
    /// Weights `[block of outputs][word of the window][outputs of a block]`, a word as [`Form::split`] has it.
    weights: Lines<u32>,
    /// `[pattern][outputs, a multiple of those of a block]`.
    constants: Vec<i16>,
    o: usize,
}

/// For every output row or column, which taps lie inside, as a list of distinct ranges and the index of
/// each one's range.
fn ranges(outs: usize, kernel: usize, tap: impl Fn(usize, usize) -> bool) -> (Vec<Vec<bool>>, Vec<usize>) {
    let mut distinct: Vec<Vec<bool>> = Vec::new();
    let index = (0..outs)
        .map(|out| {
            let inside: Vec<bool> = (0..kernel).map(|k| tap(out, k)).collect();
            distinct.iter().position(|d| *d == inside).unwrap_or_else(|| {
                distinct.push(inside);
                distinct.len() - 1
            })
        })
        .collect();
    (distinct, index)
}

impl Panel {
    /// Most windows that a kernel takes at once: parts of pixels that are multiples of it leave no rest but the last.
    pub const TILE: usize = 8;

    /// Of packed weights `[o, kh, kw, c]`.
    ///
    /// # Panics
    /// If `g` contradicts itself ([`Conv2dGeometry::check`]) or has groups, or if these are not its weights.
    pub fn new(g: &Conv2dGeometry, code: WeightCode, w: &[u32], isa: Isa) -> Panel {
        check_one_group("a panel of bits", g);
        check_sums("a panel of bits", g);
        let form = Form::of(isa);
        let words = g.c.div_ceil(32);
        let (grid, taps) = output_taps(g, words);
        let (count, window) = (g.kh * g.kw, g.kh * g.kw * words);
        check_length("a panel of bits", "the weights", w.len(), g.o * window);
        let lanes = form.lanes(g.o);
        let outputs = g.o.next_multiple_of(lanes);
        let mut weights = Lines::zeros(outputs * window * form.split_words());
        for (o, filter) in w.chunks_exact(window).enumerate() {
            for (i, &word) in filter.iter().enumerate() {
                form.split(word, &mut weights, ((o / lanes) * window + i) * lanes, (o % lanes, lanes));
            }
        }
        let ones: Vec<i32> = w.chunks_exact(words).map(|tap| tap.iter().map(|w| w.count_ones() as i32).sum()).collect();
        let (rows, row_of) = ranges(g.oh, g.kh, |out, k| g.tap(out, k, g.h).is_some());
        let (columns, column_of) = ranges(g.ow, g.kw, |out, k| g.tap(out, k, g.w).is_some());
        let mut constants = Vec::with_capacity(rows.len() * columns.len() * outputs);
        for row in &rows {
            for column in &columns {
                let inside = |tap: usize| row[tap / g.kw] && column[tap % g.kw];
                constants.extend((0..outputs).map(|o| {
                    let Some(ones) = ones.get(o * count..(o + 1) * count) else { return 0 };
                    (0..count)
                        .map(|tap| match (code, inside(tap)) {
                            (WeightCode::PlusMinus, true) => g.c as i32,
                            (WeightCode::PlusMinus, false) => 2 * ones[tap],
                            (WeightCode::ZeroOne, true) => -ones[tap],
                            (WeightCode::ZeroOne, false) => 0,
                        })
                        // Sums fit into 16 bits, of which alone a result is made.
                        .sum::<i32>() as i16
                }));
            }
        }
        let pattern = |p: usize| (row_of[p / g.ow] * columns.len() + column_of[p % g.ow]) * outputs;
        let patterns = (0..g.oh * g.ow).map(pattern).collect();
        let runs = runs(taps.taps.iter().map(|(offset, _)| offset * words..(offset + 1) * words), form.run());
        Panel { form, code, grid, places: taps.places, runs, window, patterns, weights, constants, o: g.o }
    }

    /// An image of zeros with its border, to be filled.
    pub fn padded(&self) -> Padded {
        Padded { words: Lines::zeros(self.grid.elements() * self.form.split_words()), form: self.form }
    }

    /// Puts a packed image into the middle of its border.
    ///
    /// # Panics
    /// If the border is that of another panel, or the image is not of this one's size.
    pub fn fill(&self, image: &[u32], padded: &mut Padded) {
        self.check(padded);
        check_length("a panel of bits", "the image", image.len(), self.grid.size.iter().product());
        if self.form.split_words() == 1 {
            return self.grid.fill(image, &mut padded.words);
        }
        for (from, to, n) in self.grid.runs() {
            self.form.spread(&image[from..from + n], &mut padded.words[to * self.form.split_words()..]);
        }
    }

    fn check(&self, padded: &Padded) {
        let words = self.grid.elements() * self.form.split_words();
        assert!(padded.form == self.form && padded.words.len() == words, "an image of another panel");
    }

    /// Output pixels `pixels` of a padded image into `y`, which is theirs alone: 16-bit integers, rows of `o` numbers padded
    /// to a whole word.
    ///
    /// # Panics
    /// If `x` is of another panel, or there are no such pixels, or `y` is not as long as they are.
    pub fn rows(&self, x: &Padded, y: &mut [u16], pixels: Range<usize>) {
        self.check(x);
        let x = &x.words;
        let row = self.o.next_multiple_of(2);
        assert!(pixels.end <= self.places.len() && y.len() == row * pixels.len(), "output of other pixels");
        match self.form {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the machine has the instructions (else there would be no `Isa` of them), and a `Padded` of the panel's size, made for its
            // instructions, is an image in its grid.
            Form::Avx512 => unsafe { avx512::rows(self, x, y, pixels) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Form::Avx2 => unsafe { avx2::rows(self, x, y, pixels) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Form::Neon => unsafe { neon::rows(self, x, y, pixels) },
            Form::Words => words::rows(self, x, y, pixels),
        }
    }

    /// All outputs of some pixels, `L` outputs of `T` windows at a time.
    #[inline(always)]
    fn each_tile<const L: usize, const T: usize>(&self, y: &mut [u16], pixels: Range<usize>, tiles: impl Tiles<L>) {
        let row = self.o.next_multiple_of(2);
        let (start, places) = (pixels.start, &self.places[pixels]);
        let (whole, rest) = places.as_chunks::<T>();
        let (mut out, mut one) = ([[0; L]; T], [[0; L]]);
        for block in 0..self.o.div_ceil(L) {
            let (first, width) = (block * L, L.min(self.o - block * L));
            for tile in whole {
                tiles.tile(block, tile, &mut out);
                for (place, out) in tile.iter().zip(&out) {
                    y[(place.to - start) * row + first..][..width].copy_from_slice(&out[..width]);
                }
            }
            for place in rest {
                tiles.tile(block, &[*place], &mut one);
                y[(place.to - start) * row + first..][..width].copy_from_slice(&one[0][..width]);
            }
        }
        if row != self.o {
            places.iter().for_each(|place| y[(place.to - start) * row + self.o] = 0);
        }
    }

    /// The weights of a block of `L` outputs.
    #[inline(always)]
    fn block<const L: usize>(&self, block: usize) -> &[u32] {
        let words = self.window * L * self.form.split_words();
        &self.weights[block * words..][..words]
    }

    /// What the counts of an output pixel are added to, in a block of `L` outputs.
    #[inline(always)]
    fn constants<const L: usize>(&self, place: &Place, block: usize) -> &[i16; L] {
        self.constants[self.patterns[place.to] + block * L..].first_chunk().expect("whole blocks")
    }
}

/// Ranges, those that continue each other joined, none longer than `most`.
fn runs(ranges: impl Iterator<Item = Range<usize>>, most: usize) -> Vec<Range<usize>> {
    let cut = |r: Range<usize>| r.clone().step_by(most).map(move |start| start..r.end.min(start.saturating_add(most)));
    joined(ranges).into_iter().flat_map(cut).collect()
}

/// Makes `T` windows of a block of `L` outputs.
trait Tiles<const L: usize> {
    fn tile<const T: usize>(&self, block: usize, places: &[Place; T], out: &mut [[u16; L]; T]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_joined_and_cut() {
        let all = |most| runs([0..2, 2..4, 4..6, 10..12].into_iter(), most);
        assert_eq!(all(usize::MAX), [0..6, 10..12]);
        assert_eq!(all(4), [0..4, 4..6, 10..12]);
    }
}
