//! Retouches as the CPU device does them.

use super::super::color::{blend, clamp, luma};
use super::{LEVELS, Retouch, retouches};

/// One image's retouch.
pub(super) struct Retoucher<'a> {
    pub op: &'a Retouch,
    /// Height, width, channels.
    pub extents: [usize; 3],
    /// The columns of the slot.
    pub slot: &'a [f32],
}

fn level(v: f32) -> usize {
    (clamp(v) * LEVELS) as usize
}

impl Retoucher<'_> {
    pub fn apply(&self, x: &[f32], y: &mut [f32]) {
        let (c, amount) = (self.extents[2], self.slot[1]);
        let kind = self.slot[0] as usize;
        if kind == retouches::WARP {
            return self.warp(x, y);
        }
        y.copy_from_slice(x);
        let all = |y: &mut [f32], f: &dyn Fn(f32) -> f32| y.iter_mut().for_each(|v| *v = f(*v));
        match kind {
            retouches::BRIGHTER => all(y, &|v| clamp(v * amount)),
            retouches::COLOURED => y.chunks_exact_mut(c).for_each(|p| {
                let l = luma(p);
                p.iter_mut().for_each(|v| *v = blend(*v, l, amount));
            }),
            retouches::CONTRASTED => {
                let mean = mean_luma(x, c);
                all(y, &|v| blend(v, mean, amount));
            }
            retouches::SHARPENED => self.sharpen(x, y),
            retouches::POSTERIZED => all(y, &|v| (v * amount).floor().clamp(0.0, amount - 1.0) / amount),
            retouches::SOLARIZED => all(y, &|v| if v >= amount { 1.0 - v } else { v }),
            retouches::STRETCHED => (0..c).for_each(|channel| stretch(channel, c, y)),
            retouches::EQUALIZED => (0..c).for_each(|channel| equalize(channel, c, y)),
            _ => {}
        }
    }

    fn warp(&self, x: &[f32], y: &mut [f32]) {
        let [h, w, c] = self.extents;
        let at = |row: i64, column: i64, channel: usize| {
            let inside = (0..h as i64).contains(&row) && (0..w as i64).contains(&column);
            if inside { x[(row as usize * w + column as usize) * c + channel] } else { self.op.fill }
        };
        let m = &self.slot[1..];
        let (middle_x, middle_y) = (0.5 * w as f32, 0.5 * h as f32);
        for (i, pixel) in y.chunks_exact_mut(c).enumerate() {
            let (dx, dy) = ((i % w) as f32 + 0.5 - middle_x, (i / w) as f32 + 0.5 - middle_y);
            let sx = m[0] * dx + m[1] * dy + m[2] + (middle_x - 0.5);
            let sy = m[3] * dx + m[4] * dy + m[5] + (middle_y - 0.5);
            let (left, top) = (sx.floor(), sy.floor());
            let (tx, ty) = (sx - left, sy - top);
            for (channel, out) in pixel.iter_mut().enumerate() {
                *out = if self.op.bilinear {
                    let line = |row: i64| {
                        let (a, b) = (at(row, left as i64, channel), at(row, left as i64 + 1, channel));
                        a + tx * (b - a)
                    };
                    let (upper, lower) = (line(top as i64), line(top as i64 + 1));
                    upper + ty * (lower - upper)
                } else {
                    at(sy.round_ties_even() as i64, sx.round_ties_even() as i64, channel)
                };
            }
        }
    }

    /// Away from the mean of each pixel and its neighbours; pixels at the edge stay.
    fn sharpen(&self, x: &[f32], y: &mut [f32]) {
        let [h, w, c] = self.extents;
        let by = 1.0 - self.slot[1];
        for (i, v) in y.iter_mut().enumerate() {
            let (row, column) = (i / c / w, i / c % w);
            if row > 0 && column > 0 && row + 1 < h && column + 1 < w {
                let mut sum = 4.0 * x[i];
                for line in [i - w * c, i, i + w * c] {
                    sum += x[line - c] + x[line] + x[line + c];
                }
                *v += by * (sum / 13.0 - *v);
            }
            *v = clamp(*v);
        }
    }
}

/// In the order of the device's sum: 64 parts, then their sum.
fn mean_luma(x: &[f32], c: usize) -> f32 {
    let mut parts = [0.0; 64];
    x.chunks_exact(c).enumerate().for_each(|(i, p)| parts[i % 64] += luma(p));
    parts.iter().sum::<f32>() / (x.len() / c) as f32
}

/// One channel over 0..1, if it has more than one value.
fn stretch(channel: usize, c: usize, y: &mut [f32]) {
    let of = y.iter().skip(channel).step_by(c).copied();
    let (low, high) = of.fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
    let range = high - low;
    let stretched = |v: f32| clamp(if range > 0.0 { (v - low) / range } else { v });
    y.iter_mut().skip(channel).step_by(c).for_each(|v| *v = stretched(*v));
}

/// One channel's histogram made even: each of 255 steps takes as many of the pixels below the greatest level.
fn equalize(channel: usize, c: usize, y: &mut [f32]) {
    let mut bins = [0usize; 256];
    y.iter().skip(channel).step_by(c).for_each(|v| bins[level(*v)] += 1);
    let greatest = bins.iter().rev().find(|n| **n > 0).copied().unwrap_or(0);
    let step = (y.len() / c - greatest) / 255;
    let mut table = [0.0; 256];
    let mut below = 0;
    for (at, (made, n)) in table.iter_mut().zip(bins).enumerate() {
        *made = (below + step / 2).checked_div(step).map_or(at, |level| level.min(255)) as f32 / 255.0;
        below += n;
    }
    y.iter_mut().skip(channel).step_by(c).for_each(|v| *v = table[level(*v)]);
}
