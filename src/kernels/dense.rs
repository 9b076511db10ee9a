//! Convolution of real numbers for one image on one thread: a tile of outputs stays in registers while weights and
//! windows pass by. Sums run from the first to the last number of a window.

use crate::kernels::entry::{check_geometry, check_length};
use crate::kernels::grid::Grid;
use crate::kernels::isa::Isa;
use crate::kernels::lines::Lines;
use crate::kernels::taps::{Place, joined, output_taps};
use crate::tensor::Conv2dGeometry;
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Weights laid out for the vectors of an instruction set.
#[derive(Clone, Debug)]
pub struct Dense {
    isa: Isa,
    grid: Grid,
    places: Vec<Place>,
    o: usize,
    filters: Filters,
}

#[derive(Clone, Debug)]
enum Filters {
    /// Those of each group of channels.
    Groups(Vec<Group>),
    /// One for each channel: where taps lie from the window's begin on, in numbers, and the weights `[tap][channel]`.
    Depthwise { taps: Vec<usize>, weights: Vec<f32> },
}

/// The filters over a group of channels.
#[derive(Clone, Debug)]
struct Group {
    /// The first of its outputs, and how many.
    first: usize,
    outputs: usize,
    /// The numbers of a window, from its begin on: runs that lie side by side.
    runs: Vec<Range<usize>>,
    k: usize,
    /// Outputs of a block.
    block: usize,
    /// Weights `[block of outputs][number of the window][output of the block]`, zeros past the last output.
    panel: Lines<f32>,
}

/// Numbers of a line of the caches.
const LINE: usize = 16;
/// Numbers of a panel that is not in the nearest caches when its turn comes: 64 KiB.
const FAR: usize = 16 << 10;

/// Asks for the line of an address, which need not be one of memory.
#[inline(always)]
fn fetch(at: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which never faults; every processor of this architecture has it.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Vectors of a block: with 32 registers of 16 numbers four, else two.
const fn vectors(lanes: usize) -> usize {
    if lanes >= 16 { 4 } else { 2 }
}

struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    fn with_simd<S: Simd>(self, _simd: S) -> usize {
        S::F32_LANES
    }
}

impl Dense {
    /// Windows of a tile: their sums, the weights and a number of a window fill the registers, 6 x 4 + 4 + 1 of the 32 of
    /// AVX-512, 6 x 2 + 2 + 1 of the 16 of AVX2.
    pub const TILE: usize = 6;

    /// Of weights `[o, kh, kw, c / groups]`.
    ///
    /// # Panics
    /// If `g` contradicts itself ([`Conv2dGeometry::check`]), or if these are not its weights.
    pub fn new(g: &Conv2dGeometry, w: &[f32], isa: Isa) -> Dense {
        check_geometry("a panel of numbers", g);
        let (ci, oi) = (g.c / g.groups, g.o / g.groups);
        check_length("a panel of numbers", "the weights", w.len(), g.o * g.kh * g.kw * ci);
        let (grid, taps) = output_taps(g, g.c);
        let begins: Vec<usize> = taps.taps.iter().map(|t| t.0 * g.c).collect();
        let filters = if g.groups > 1 && (ci, oi) == (1, 1) {
            let count = g.kh * g.kw;
            let weights = (0..count).flat_map(|tap| (0..g.c).map(move |c| w[c * count + tap])).collect();
            Filters::Depthwise { taps: begins, weights }
        } else {
            let lanes = isa.arch().dispatch(Lanes);
            let block = vectors(lanes) * lanes;
            let k = g.kh * g.kw * ci;
            let of = |group: usize| {
                let runs = joined(begins.iter().map(|tap| tap + group * ci..tap + (group + 1) * ci));
                let mut panel = Lines::zeros(oi.div_ceil(block) * k * block);
                for (o, filter) in w[group * oi * k..][..oi * k].chunks_exact(k).enumerate() {
                    for (i, x) in filter.iter().enumerate() {
                        panel[(o / block * k + i) * block + o % block] = *x;
                    }
                }
                Group { first: group * oi, outputs: oi, runs, k, block, panel }
            };
            Filters::Groups((0..g.groups).map(of).collect())
        };
        Dense { isa, grid, places: taps.places, o: g.o, filters }
    }

    /// How the input lies in its border.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Output pixels `pixels` of a padded image `x` into `y`, which is theirs alone, `[pixels, o]`.
    ///
    /// # Panics
    /// If `x` is smaller than the grid, or there are no such pixels, or `y` is not as long as they are.
    pub fn rows(&self, x: &[f32], y: &mut [f32], pixels: Range<usize>) {
        // The kernel reads windows without asking.
        assert!(x.len() >= self.grid.elements(), "an image without its border");
        assert!(pixels.end <= self.places.len() && y.len() == self.o * pixels.len(), "output of other pixels");
        match &self.filters {
            Filters::Groups(groups) => {
                for group in groups {
                    self.isa.arch().dispatch(Rows { dense: self, group, x, y, pixels: pixels.clone() });
                }
            }
            Filters::Depthwise { taps, weights } => self.isa.run(
                #[inline(always)]
                || depthwise(&self.places[pixels.clone()], (taps, weights), x, y, self.o),
            ),
        }
    }
}

/// Each channel by its own filter.
#[inline(always)]
fn depthwise(places: &[Place], (taps, weights): (&[usize], &[f32]), x: &[f32], y: &mut [f32], c: usize) {
    for (place, y) in places.iter().zip(y.chunks_exact_mut(c)) {
        y.fill(0.0);
        let window = &x[place.from * c..];
        for (tap, weights) in taps.iter().zip(weights.chunks_exact(c)) {
            for ((y, x), w) in y.iter_mut().zip(&window[*tap..][..c]).zip(weights) {
                *y += x * w;
            }
        }
    }
}

struct Rows<'a> {
    dense: &'a Dense,
    group: &'a Group,
    x: &'a [f32],
    y: &'a mut [f32],
    pixels: Range<usize>,
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match vectors(S::F32_LANES) {
            4 => self.blocks::<S, 4>(simd),
            _ => self.blocks::<S, 2>(simd),
        }
    }
}

impl Rows<'_> {
    #[inline(always)]
    fn blocks<S: Simd, const V: usize>(self, simd: S) {
        let Rows { dense, group, x, y, pixels } = self;
        assert_eq!(group.block, V * S::F32_LANES, "laid out for other vectors");
        for first in (0..group.outputs).step_by(group.block) {
            let panel = &group.panel[first * group.k..][..group.k * group.block];
            let width = group.block.min(group.outputs - first);
            let at = (group.first + first, width);
            let mut places = &dense.places[pixels.clone()];
            // The next block's weights come while this one's are multiplied, an equal part with each tile.
            let next = &group.panel[((first + group.block) * group.k).min(group.panel.len())..];
            let next = &next[..next.len().min(panel.len())];
            let tiles = (places.len() / Dense::TILE).max(1);
            let mut parts = next.chunks(next.len().div_ceil(tiles).max(1)).filter(|_| panel.len() >= FAR);
            while let Some((tile, rest)) = places.split_first_chunk::<{ Dense::TILE }>() {
                let to = (&mut *y, pixels.start);
                match parts.next() {
                    None => dense.tile::<S, { Dense::TILE }, V, false>(simd, group, x, (panel, &[]), tile, at, to),
                    Some(ahead) => {
                        dense.tile::<S, { Dense::TILE }, V, true>(simd, group, x, (panel, ahead), tile, at, to)
                    }
                }
                places = rest;
            }
            for place in places {
                let to = (&mut *y, pixels.start);
                dense.tile::<S, 1, V, false>(simd, group, x, (panel, &[]), &[*place], at, to);
            }
        }
    }
}

impl Dense {
    #[inline(always)]
    #[expect(clippy::too_many_arguments)]
    fn tile<S: Simd, const T: usize, const V: usize, const FETCHES: bool>(
        &self,
        simd: S,
        group: &Group,
        x: &[f32],
        (panel, ahead): (&[f32], &[f32]),
        places: &[Place; T],
        (first, width): (usize, usize),
        (y, start): (&mut [f32], usize),
    ) {
        let c = self.grid.size[2];
        let windows = places.map(|p| x[p.from * c..].as_ptr());
        let mut sums = [[simd.splat_f32s(0.0); V]; T];
        let mut row = panel.as_ptr();
        // Lines that are fetched with each number of a window, and how many numbers' turns a line takes.
        let (mut line, step) = (ahead.as_ptr(), LINE * ahead.len().div_ceil(LINE * group.k));
        let end = ahead.as_ptr_range().end;
        for run in &group.runs {
            for i in run.clone() {
                if FETCHES && line < end {
                    for at in (0..step).step_by(LINE) {
                        fetch(line.wrapping_add(at));
                    }
                    line = line.wrapping_add(step);
                }
                // SAFETY: the panel has a row of `block` numbers for each of the k numbers of a window, and `block` is
                // V vectors (`blocks`).
                let b: [S::f32s; V] =
                    std::array::from_fn(|v| unsafe { row.add(v * S::F32_LANES).cast::<S::f32s>().read_unaligned() });
                // SAFETY: to the next row, or the end of the panel.
                row = unsafe { row.add(group.block) };
                for (sum, window) in sums.iter_mut().zip(windows) {
                    // SAFETY: `rows` saw that the image is as large as the grid, which reaches as far as windows do, since
                    // `new` held the geometry against itself.
                    let a = simd.splat_f32s(unsafe { *window.add(i) });
                    for v in 0..V {
                        sum[v] = simd.mul_add_f32s(a, b[v], sum[v]);
                    }
                }
            }
        }
        for (sum, place) in sums.into_iter().zip(places) {
            let y = &mut y[(place.to - start) * self.o + first..][..width];
            if width == group.block {
                // Asked before the loop, which the compiler else asks in.
                let to = y.as_mut_ptr();
                for (v, sum) in sum.into_iter().enumerate() {
                    // SAFETY: `y` has `width` numbers here, which are V vectors.
                    unsafe { to.add(v * S::F32_LANES).cast::<S::f32s>().write_unaligned(sum) };
                }
                continue;
            }
            // A copy: sums whose address is known would live in memory, not in registers.
            let mut numbers = [0.0; 64];
            for (v, sum) in sum.into_iter().enumerate() {
                let to = numbers[v * S::F32_LANES..][..S::F32_LANES].as_mut_ptr();
                // SAFETY: there are as many numbers behind `to` as a vector has.
                unsafe { to.cast::<S::f32s>().write_unaligned(sum) };
            }
            y.copy_from_slice(&numbers[..width]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Windows;

    /// Whole numbers, whose sums are exact in any order.
    #[test]
    fn every_instruction_set_equals_the_textbook() {
        for (x, w, stride, padding, dilation, groups) in [
            ([1, 9, 8, 3], [7, 3, 3, 3], 1, 1, 1, 1),
            ([1, 12, 11, 3], [70, 7, 7, 3], 2, 3, 1, 1),
            ([1, 5, 4, 20], [130, 1, 1, 20], 1, 0, 1, 1),
            ([1, 1, 1, 33], [10, 1, 1, 33], 1, 0, 1, 1),
            ([1, 9, 8, 5], [40, 3, 3, 5], 2, 2, 2, 1),
            ([1, 7, 8, 12], [21, 3, 3, 4], 1, 1, 1, 3),
            ([1, 7, 8, 37], [37, 3, 3, 1], 2, 1, 1, 37),
            ([1, 9, 8, 6], [12, 3, 3, 1], 1, 2, 2, 6),
        ] {
            let windows = Windows { stride, padding, dilation, groups };
            let g = Conv2dGeometry::of("test", &x, &w, windows).expect("fixed");
            let (ci, oi) = (g.c / g.groups, g.o / g.groups);
            let number = |i: usize, m: usize| (i * i + 3 * i) as f32 % m as f32 - 2.0;
            let image: Vec<f32> = (0..g.h * g.w * g.c).map(|i| number(i, 7)).collect();
            let weights: Vec<f32> = (0..g.o * g.kh * g.kw * ci).map(|i| number(i, 5)).collect();
            let made = Isa::all().into_iter().map(|isa| {
                let dense = Dense::new(&g, &weights, isa);
                let mut padded = vec![0.0; dense.grid().elements()];
                dense.grid().fill(&image, &mut padded);
                let mut y = vec![f32::NAN; g.oh * g.ow * g.o];
                let half = g.oh * g.ow / 2;
                let (start, end) = y.split_at_mut(half * g.o);
                dense.rows(&padded, start, 0..half);
                dense.rows(&padded, end, half..g.oh * g.ow);
                (isa, y)
            });
            let made: Vec<(Isa, Vec<f32>)> = made.collect();
            for i in 0..g.oh * g.ow * g.o {
                let (o, ox, oy) = (i % g.o, i / g.o % g.ow, i / g.o / g.ow);
                let mut sum = 0.0;
                for tap in 0..g.kh * g.kw {
                    let at = g.tap(oy, tap / g.kw, g.h).zip(g.tap(ox, tap % g.kw, g.w));
                    let Some((iy, ix)) = at else { continue };
                    for c in 0..ci {
                        sum +=
                            image[(iy * g.w + ix) * g.c + o / oi * ci + c] * weights[(o * g.kh * g.kw + tap) * ci + c];
                    }
                }
                for (isa, y) in &made {
                    assert_eq!(y[i], sum, "{isa} {g:?} {i}");
                }
            }
        }
    }
}
