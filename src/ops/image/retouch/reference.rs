//! Retouches in f64 by their definitions, and how far a device may be off.

use super::super::color_reference::{luma, towards};
use super::super::columns;
use super::{LEVELS, Retouch, retouches};
use crate::graph::EPS;
use crate::tensor::Shape;

/// One image and what is to be done to it.
pub(super) struct Picture<'a> {
    image: &'a [f64],
    /// Height, width, channels.
    extents: [usize; 3],
    /// The slot's columns.
    slot: &'a [f64],
    how: &'a Retouch,
}

/// Byte that a number in 0..1 becomes, and whether a rounding could make it another one.
fn byte(v: f64) -> (usize, bool) {
    let scaled = v.clamp(0.0, 1.0) * LEVELS as f64;
    let level = scaled.floor();
    // Zero is a level's edge that no rounding crosses.
    let near = |edge: f64| edge > 0.0 && (scaled - edge).abs() < 4.0 * EPS * 256.0;
    (level as usize, near(level) || near(level + 1.0))
}

impl Retouch {
    /// An image of a batch of this shape, with its row of parameters.
    pub(super) fn picture<'a>(&'a self, image: &'a [f64], shape: &Shape, row: &'a [f64]) -> Picture<'a> {
        let slot = &row[columns::slot(self.slot)..][..columns::SLOT_COLUMNS];
        Picture { image, extents: [shape[1], shape[2], shape[3]], slot, how: self }
    }
}

impl Picture<'_> {
    fn kind(&self) -> usize {
        self.slot[0] as usize
    }

    /// A pixel's number; what lies outside is the fill.
    fn at(&self, row: f64, column: f64, channel: usize) -> f64 {
        let [h, w, c] = self.extents;
        if row < 0.0 || column < 0.0 || row > (h - 1) as f64 || column > (w - 1) as f64 {
            return self.how.fill as f64;
        }
        self.image[(row as usize * w + column as usize) * c + channel]
    }

    /// Where pixel `i` of the result comes from: row and column.
    fn source(&self, i: usize) -> [f64; 2] {
        let [h, w, _] = self.extents.map(|n| n as f64);
        let seen =
            [(i % self.extents[1]) as f64 - (w - 1.0) / 2.0, (i / self.extents[1]) as f64 - (h - 1.0) / 2.0, 1.0];
        let along = |line: &[f64]| line.iter().zip(seen).map(|(m, v)| m * v).sum::<f64>();
        [along(&self.slot[4..7]) + (h - 1.0) / 2.0, along(&self.slot[1..4]) + (w - 1.0) / 2.0]
    }

    /// Pixels of one channel.
    fn channel(&self, channel: usize) -> impl Iterator<Item = f64> + '_ {
        self.image.iter().skip(channel).step_by(self.extents[2]).copied()
    }

    pub fn retouched(&self) -> Vec<f64> {
        let (amount, [h, w, c]) = (self.slot[1], self.extents);
        let each = |f: &dyn Fn(f64) -> f64| self.image.iter().map(|v| f(*v)).collect::<Vec<f64>>();
        let element = |f: &dyn Fn(usize, usize) -> f64| (0..h * w * c).map(|i| f(i / c, i % c)).collect::<Vec<f64>>();
        match self.kind() {
            retouches::WARP => element(&|pixel, channel| {
                let [y, x] = self.source(pixel);
                if !self.how.bilinear {
                    return self.at(y.round_ties_even(), x.round_ties_even(), channel);
                }
                // The four corners, weighted by their triangles.
                let corners = [0.0, 1.0].into_iter().flat_map(|i| [0.0, 1.0].map(|j| (y.floor() + i, x.floor() + j)));
                corners.map(|(i, j)| (1.0 - (y - i).abs()) * (1.0 - (x - j).abs()) * self.at(i, j, channel)).sum()
            }),
            retouches::BRIGHTER => each(&|v| (v * amount).clamp(0.0, 1.0)),
            retouches::COLOURED => {
                let mut data = self.image.to_vec();
                data.chunks_exact_mut(c).for_each(|p| towards(p, luma(p), amount));
                data
            }
            retouches::CONTRASTED => {
                let mean = self.image.chunks_exact(c).map(luma).sum::<f64>() / (h * w) as f64;
                let mut data = self.image.to_vec();
                towards(&mut data, mean, amount);
                data
            }
            retouches::SHARPENED => element(&|pixel, channel| {
                let (row, column) = (pixel / w, pixel % w);
                let own = self.image[pixel * c + channel];
                let edge = row == 0 || column == 0 || row == h - 1 || column == w - 1;
                let neighbours =
                    (0..9).map(|k| (row as f64 + (k / 3) as f64 - 1.0, column as f64 + (k % 3) as f64 - 1.0));
                let weighted =
                    neighbours.enumerate().map(|(k, (i, j))| if k == 4 { 5.0 } else { 1.0 } * self.at(i, j, channel));
                let mut moved = [own];
                if !edge {
                    towards(&mut moved, weighted.sum::<f64>() / 13.0, amount);
                }
                moved[0].clamp(0.0, 1.0)
            }),
            retouches::POSTERIZED => each(&|v| (v * amount).floor().max(0.0).min(amount - 1.0) / amount),
            retouches::SOLARIZED => each(&|v| if v < amount { v } else { 1.0 - v }),
            retouches::STRETCHED => {
                let ends: Vec<[f64; 2]> = (0..c)
                    .map(|k| {
                        [
                            self.channel(k).fold(f64::INFINITY, f64::min),
                            self.channel(k).fold(f64::NEG_INFINITY, f64::max),
                        ]
                    })
                    .collect();
                element(&|pixel, channel| {
                    let ([low, high], v) = (ends[channel], self.image[pixel * c + channel]);
                    if high > low { (v - low) / (high - low) } else { v.clamp(0.0, 1.0) }
                })
            }
            retouches::EQUALIZED => {
                let tables: Vec<Vec<f64>> = (0..c).map(|k| self.evened(k)).collect();
                element(&|pixel, channel| tables[channel][byte(self.image[pixel * c + channel]).0])
            }
            _ => self.image.to_vec(),
        }
    }

    /// What each level of a channel becomes (Pillow's `ImageOps.equalize`): pixels of lower levels over a 255th of those
    /// that are not of the highest, rounded.
    fn evened(&self, channel: usize) -> Vec<f64> {
        let mut levels: Vec<usize> = self.channel(channel).map(|v| byte(v).0).collect();
        levels.sort_unstable();
        let highest = levels.last().copied().unwrap_or(0);
        let rest = levels.iter().filter(|l| **l != highest).count();
        let step = rest / 255;
        let lower = |level: usize| levels.partition_point(|l| *l < level);
        let made = |level: usize| match step {
            0 => level as f64,
            _ => (((lower(level) + step / 2) / step) as f64).min(255.0),
        };
        (0..256).map(|level| made(level) / 255.0).collect()
    }

    /// For each element. A warped pixel's place is off by the roundings of four products and sums of numbers as large as
    /// the place's parts; where the nearest pixel depends on them, it may be any of the picture's. A blend carries the error of
    /// what it leaves on by its factor, a mean that of its additions. What an even histogram depends on is whole levels: where
    /// one number of a channel lies on the edge of two, the channel may become anything.
    pub fn bound(&self) -> Vec<f64> {
        let (amount, [h, w, c]) = (self.slot[1].abs(), self.extents);
        let size = self.image.iter().fold(self.how.fill.abs() as f64, |m, v| m.max(v.abs()));
        let same = |bound: f64| vec![bound; self.image.len()];
        let blended = |parts: f64| same(EPS * ((1.0 + amount) * (8.0 + parts) + 8.0) * size.max(1.0));
        match self.kind() {
            retouches::WARP => {
                let of = |line: &[f64]| line[0].abs() * w as f64 + line[1].abs() * h as f64 + line[2].abs();
                let off =
                    [of(&self.slot[4..7]) + h as f64, of(&self.slot[1..4]) + w as f64].map(|parts| 6.0 * EPS * parts);
                let torn = |at: f64, off: f64| ((at - at.floor()) - 0.5).abs() <= off;
                let pixel = |i: usize| {
                    let [y, x] = self.source(i);
                    match self.how.bilinear {
                        true => 2.0 * size * (off[0] + off[1]) + 12.0 * EPS * size,
                        false if torn(y, off[0]) || torn(x, off[1]) => 2.0 * size,
                        false => 0.0,
                    }
                };
                (0..h * w).flat_map(|i| vec![pixel(i); c]).collect()
            }
            retouches::BRIGHTER => same(2.0 * EPS * (1.0 + amount) * size.max(1.0)),
            retouches::COLOURED => blended(0.0),
            // 64 sums of a 64th of the pixels, and their sum.
            retouches::CONTRASTED => blended(64.0 + ((h * w) / 64 + 1) as f64),
            retouches::SHARPENED => blended(16.0),
            retouches::POSTERIZED => same(6.0 * EPS),
            retouches::SOLARIZED => same(2.0 * EPS * (1.0 + size)),
            // Both differences round once, the quotient is off by 2.5 units in the last place.
            retouches::STRETCHED => same(8.0 * EPS),
            retouches::EQUALIZED => {
                let unclear: Vec<bool> = (0..c).map(|k| self.channel(k).any(|v| byte(v).1)).collect();
                (0..self.image.len()).map(|i| if unclear[i % c] { 1.0 } else { 6.0 * EPS }).collect()
            }
            _ => same(0.0),
        }
    }
}
