//! Which source pixels an output pixel sums, for outputs of a convolution and for its input gradient,
//! both read from images with a border of zeros.

use super::grid::Grid;
use crate::tensor::Conv2dGeometry;
use std::ops::Range;

/// An output: where its window begins in the padded source, and where it lies, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where the window begins, in pixels of the padded source.
    pub from: usize,
    /// The output, in pixels.
    pub to: usize,
}

/// Outputs that share their taps.
#[derive(Clone, Debug)]
pub struct Taps {
    /// The outputs.
    pub places: Vec<Place>,
    /// Pixels from the begin of the window, ascending, and the tap's place `ky kw + kx` in the weights.
    pub taps: Vec<(usize, usize)>,
}

/// Ranges, those that continue each other joined.
pub fn joined(ranges: impl IntoIterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    let mut joined: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}

/// Taps of the forward pass; a source pixel has `elements` elements.
pub fn output_taps(g: &Conv2dGeometry, elements: usize) -> (Grid, Taps) {
    let grid = Grid::under_windows(g, elements);
    let width = grid.padded[1];
    let place = |p: usize| Place { from: (p / g.ow * width + p % g.ow) * g.stride, to: p };
    let taps = (0..g.kh * g.kw).map(|tap| ((tap / g.kw * width + tap % g.kw) * g.dilation, tap)).collect();
    (grid, Taps { places: (0..g.oh * g.ow).map(place).collect(), taps })
}

/// Taps of the input gradient. Input pixel `stride q + a` gets tap k of output `q + (a + padding - dilation
/// k) / stride`, for the taps that make this whole: the pixels of each a share theirs.
#[cfg(feature = "train")]
pub fn input_taps(g: &Conv2dGeometry, elements: usize) -> (Grid, Vec<Taps>) {
    let s = g.stride as isize;
    let shifts = |a: usize, kernel: usize| {
        let taps = (0..kernel).map(move |k| (k, (a + g.padding) as isize - (k * g.dilation) as isize));
        taps.filter(|(_, d)| d.rem_euclid(s) == 0).map(|(k, d)| (k, d.div_euclid(s))).collect::<Vec<_>>()
    };
    let count = |a: usize, size: usize| size.saturating_sub(a).div_ceil(g.stride);
    let (mut before, mut padded) = ([0; 2], [g.oh, g.ow]);
    for (axis, (kernel, size)) in [(g.kh, g.h), (g.kw, g.w)].into_iter().enumerate() {
        let all = || (0..g.stride).flat_map(|a| shifts(a, kernel).into_iter().map(move |(_, d)| (a, d)));
        before[axis] = all().map(|(_, d)| (-d).max(0) as usize).max().unwrap_or(0);
        let end = all().map(|(a, d)| (count(a, size) as isize + d).max(0) as usize).max().unwrap_or(0);
        // Pixels without taps have a place too.
        padded[axis] = before[axis] + padded[axis].max(end).max(count(0, size));
    }
    let mut all = Vec::new();
    for a in 0..g.stride {
        for b in 0..g.stride {
            let mut taps = Vec::new();
            for &(ky, dy) in &shifts(a, g.kh) {
                for &(kx, dx) in &shifts(b, g.kw) {
                    let (y, x) = (dy + before[0] as isize, dx + before[1] as isize);
                    taps.push((y as usize * padded[1] + x as usize, ky * g.kw + kx));
                }
            }
            taps.sort_unstable();
            let mut places = Vec::new();
            for y in 0..count(a, g.h) {
                for x in 0..count(b, g.w) {
                    let to = (y * g.stride + a) * g.w + x * g.stride + b;
                    places.push(Place { from: y * padded[1] + x, to });
                }
            }
            all.push(Taps { places, taps });
        }
    }
    (Grid { size: [g.oh, g.ow, elements], before, padded }, all)
}
