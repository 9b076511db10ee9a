//! How much of the image before it each image of a batch gets: one draw a batch, as the papers' code and torchvision's `MixUp`
//! and `CutMix` have it.

use super::{AugmentSpec, Mixing};
use crate::rng::{Draws, normals};
use crate::tensor::columns::*;

/// The columns of mixing, the same for all rows of a batch, of images of `h` x `w`.
pub(super) fn mix(spec: &AugmentSpec, draws: &mut Draws, [h, w]: [usize; 2], row: &mut [f32]) {
    let coin = draws.unit() < 0.5;
    let (mixing, boxes): (Mixing, bool) = match (spec.mixup, spec.cutmix) {
        (Some(mixup), Some(cutmix)) => {
            if coin {
                (mixup, false)
            } else {
                (cutmix, true)
            }
        }
        (Some(mixup), None) => (mixup, false),
        (None, Some(cutmix)) => (cutmix, true),
        (None, None) => return,
    };
    if draws.unit() >= mixing.p {
        return;
    }
    let share = beta(mixing.alpha as f64, draws);
    if !boxes {
        row[MIX_SHARE] = share as f32;
        return;
    }
    // A box around a random place, cut off at the edges; the share is what is left.
    let half = 0.5 * libm::sqrt(1.0 - share);
    let mut side = |extent: usize| {
        let (middle, half) = (draws.below(extent as u32) as i64, (half * extent as f64) as i64);
        let first = (middle - half).max(0);
        (first, (middle + half).min(extent as i64) - first)
    };
    let ((x, width), (y, height)) = (side(w), side(h));
    if width > 0 && height > 0 {
        for (column, value) in [(MIX_Y, y), (MIX_X, x), (MIX_HEIGHT, height), (MIX_WIDTH, width)] {
            row[column] = value as f32;
        }
        row[MIX_SHARE] = (1.0 - (width * height) as f64 / (w * h) as f64) as f32;
    }
}

/// A number distributed as Beta(a, a).
fn beta(a: f64, draws: &mut Draws) -> f64 {
    let (x, y) = (log_gamma_distributed(a, draws), log_gamma_distributed(a, draws));
    // Of the logarithms: those of small a lie far below what numbers reach.
    1.0 / (1.0 + libm::exp(y - x))
}

/// The logarithm of a number distributed as Gamma(a, 1) (G. Marsaglia and W. W. Tsang, "A simple method for generating gamma
/// variables", 2000); for a below 1 by `gamma(a) = gamma(a + 1) u^(1/a)`.
fn log_gamma_distributed(a: f64, draws: &mut Draws) -> f64 {
    let uniform = |draws: &mut Draws| 1.0 - draws.unit() as f64;
    if a < 1.0 {
        let log_u = libm::log(uniform(draws)) / a;
        return log_gamma_distributed(a + 1.0, draws) + log_u;
    }
    let d = a - 1.0 / 3.0;
    let c = 1.0 / libm::sqrt(9.0 * d);
    loop {
        let x = normals([draws.word(), draws.word(), 0, 0])[0] as f64;
        let v = 1.0 + c * x;
        if v <= 0.0 {
            continue;
        }
        let v = v * v * v;
        if libm::log(uniform(draws)) < 0.5 * x * x + d - d * v + d * libm::log(v) {
            return libm::log(d * v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Philox;

    /// Mean 1/2, variance 1 / (4 (2 a + 1)), and as much below a quarter as the distribution has.
    #[test]
    fn shares_are_distributed_as_beta() {
        let n = 20_000;
        // Of Beta(a, a), the share below 1/4: arcsine law, uniform, 3 x^2 - 2 x^3.
        for (a, below) in [(0.5, 1.0 / 3.0), (1.0, 0.25), (2.0, 0.15625)] {
            let x: Vec<f64> = (0..n).map(|i| beta(a, &mut Philox::new(4, 2).draws(0, 64 * i))).collect();
            let mean = x.iter().sum::<f64>() / n as f64;
            let variance = 1.0 / (4.0 * (2.0 * a + 1.0));
            assert!((mean - 0.5).abs() < 5.0 * libm::sqrt(variance / n as f64), "{a}: {mean}");
            let found = x.iter().map(|v| (v - 0.5) * (v - 0.5)).sum::<f64>() / n as f64;
            // The squared distance is at most 1/4.
            assert!((found - variance).abs() < 5.0 * 0.25 / libm::sqrt(n as f64), "{a}: {found}");
            let quarter = x.iter().filter(|v| **v < 0.25).count() as f64 / n as f64;
            assert!((quarter - below).abs() < 5.0 * libm::sqrt(below * (1.0 - below) / n as f64), "{a}: {quarter}");
        }
        // Where all shares lie at the ends, none is no number.
        assert!((0..1000).all(|i| (0.0..=1.0).contains(&beta(0.001, &mut Philox::new(4, 3).draws(0, 64 * i)))));
    }
}
