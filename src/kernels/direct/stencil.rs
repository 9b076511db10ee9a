//! Forward pass and input gradient: every output is a sum over the same few runs of source floats.

use super::tile::windows_times_panel;
use crate::kernels::grid::Grid;
use crate::kernels::lines::Lines;
use crate::kernels::taps::{Place, Taps, input_taps, joined, output_taps};
use crate::tensor::Conv2dGeometry;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;

/// Outputs that share their taps, and the weights of those taps.
struct Phase {
    places: Vec<Place>,
    /// The floats of a window, from its begin on: runs that lie side by side.
    runs: Vec<Range<usize>>,
    /// Floats of a window.
    k: usize,
    /// Weights `[block of outputs][float of the window][output]`.
    panel: Lines<f32>,
}

/// Everything but the numbers of the images.
struct Stencil {
    grid: Grid,
    /// Floats of an image of outputs, and of one of its pixels.
    out: [usize; 2],
    phases: Vec<Phase>,
}

/// Widest block of outputs that share a panel: two vectors of 16 lanes or four of 8.
const BLOCK: usize = 32;

/// First output and width of each block.
fn blocks(o: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..o).step_by(BLOCK).map(move |first| (first, (o - first).min(BLOCK)))
}

impl Phase {
    /// `c` floats a source pixel, `o` an output pixel; `fill(tap, first output, width, rows)` writes the
    /// weights of a tap, `[c, width]`.
    fn new(
        Taps { places, taps }: Taps,
        [c, o]: [usize; 2],
        fill: impl Fn(usize, usize, usize, &mut [f32]) + Sync,
    ) -> Phase {
        let runs = joined(taps.iter().map(|t| t.0 * c..(t.0 + 1) * c));
        let k = taps.len() * c;
        let mut panel = Lines::zeros(k * o);
        panel.par_chunks_mut((k * BLOCK).max(1)).zip(blocks(o).collect::<Vec<_>>()).for_each(
            |(panel, (first, width))| {
                for (rows, &(_, tap)) in panel.chunks_mut(c * width).zip(&taps) {
                    fill(tap, first, width, rows);
                }
            },
        );
        Phase { places, runs, k, panel }
    }
}

/// Neighbouring images, padded, and their outputs.
struct Images<'a> {
    stencil: &'a Stencil,
    sources: &'a [f32],
    outs: &'a mut [f32],
}

/// `V` vectors of all outputs of a phase, as many outputs at once as there are registers for.
#[inline(always)]
fn outputs<S: Simd, const V: usize>(
    simd: S,
    from: (&[f32], usize),
    phase: &Phase,
    panel: (&[f32], usize),
    (to, o): (&mut [f32], usize),
) {
    let mut places = &phase.places[..];
    macro_rules! tiles {
        ($t:literal) => {
            while let Some((tile, rest)) = places.split_first_chunk::<$t>() {
                windows_times_panel::<S, $t, V>(simd, from, &phase.runs, panel, (to, o), tile);
                places = rest;
            }
        };
    }
    // AVX-512 has 32 registers; the 16 of AVX2 hold twelve sums, a row of the panel and a float of a window. Eight sums are too
    // few for two additions a cycle: outputs are cut into sixes and fives where that is possible.
    if S::F32_LANES == 16 {
        tiles!(8);
    } else {
        let fives = (6 - places.len() % 6) % 6 * 5;
        if let Some((some, rest)) = places.split_at_checked(fives) {
            places = some;
            tiles!(5);
            places = rest;
        }
        tiles!(6);
    }
    tiles!(4);
    tiles!(1);
}

impl WithSimd for Images<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Stencil { grid, out: [image, o], phases } = self.stencil;
        for phase in phases {
            for (first, width) in blocks(*o) {
                let panel = &phase.panel[first * phase.k..][..phase.k * width];
                for (source, out) in self.sources.chunks(grid.elements()).zip(self.outs.chunks_mut(*image)) {
                    if width == S::F32_LANES {
                        outputs::<S, 1>(simd, (source, grid.size[2]), phase, (panel, width), (&mut out[first..], *o));
                        continue;
                    }
                    for j in (0..width).step_by(2 * S::F32_LANES) {
                        let panel = (panel.get(j..).unwrap_or(&[]), width);
                        outputs::<S, 2>(simd, (source, grid.size[2]), phase, panel, (&mut out[first + j..], *o));
                    }
                }
            }
        }
    }
}

/// Floats of the images that a task pads at once: 384 KiB, which together with a panel stay in a second-level cache of
/// 512 KiB or more.
const SOURCES: usize = 96 * 1024;

impl Stencil {
    fn run(&self, arch: Arch, source: &[f32], out: &mut [f32]) {
        let from: usize = self.grid.size.iter().product();
        let fair = (source.len() / from).div_ceil(2 * rayon::current_num_threads());
        let images = (SOURCES / self.grid.elements()).min(fair).max(1);
        out.par_chunks_mut(images * self.out[0]).zip(source.par_chunks(images * from)).for_each_init(
            || Lines::zeros(images * self.grid.elements()),
            |padded, (outs, sources)| {
                for (padded, image) in padded.chunks_mut(self.grid.elements()).zip(sources.chunks(from)) {
                    self.grid.fill(image, padded);
                }
                arch.dispatch(Images { stencil: self, sources: padded, outs });
            },
        );
    }
}

/// `y = conv(x, w)`.
pub fn forward(arch: Arch, g: &Conv2dGeometry, x: &[f32], w: &[f32], y: &mut [f32]) {
    let (grid, taps) = output_taps(g, g.c);
    let k = g.kh * g.kw * g.c;
    let fill = |tap: usize, first: usize, width: usize, rows: &mut [f32]| {
        // Sixteen floats of every filter at a time: both sides stay in the first-level cache.
        for (i, rows) in rows.chunks_mut(16 * width).enumerate() {
            for j in 0..width {
                let filter = &w[(first + j) * k + tap * g.c + i * 16..];
                for (row, &w) in rows.chunks_mut(width).zip(filter) {
                    row[j] = w;
                }
            }
        }
    };
    let phase = Phase::new(taps, [g.c, g.o], fill);
    Stencil { grid, out: [g.oh * g.ow * g.o, g.o], phases: vec![phase] }.run(arch, x, y);
}

/// dx from dy and w.
pub fn input_grad(arch: Arch, g: &Conv2dGeometry, dy: &[f32], w: &[f32], dx: &mut [f32]) {
    let (grid, taps) = input_taps(g, g.o);
    let fill = |tap: usize, first: usize, width: usize, rows: &mut [f32]| {
        for (i, row) in rows.chunks_mut(width).enumerate() {
            row.copy_from_slice(&w[(i * g.kh * g.kw + tap) * g.c + first..][..width]);
        }
    };
    let phases = taps.into_iter().map(|taps| Phase::new(taps, [g.o, g.c], fill)).collect();
    Stencil { grid, out: [g.h * g.w * g.c, g.c], phases }.run(arch, dy, dx);
}
