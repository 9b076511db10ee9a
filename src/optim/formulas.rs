//! The pointwise formulas that optimiser steps are made of. They fuse: one parameter, one kernel, in
//! place.

use crate::error::Error;
use crate::graph::EPS;

/// Steps of optimisers end the graph: nobody differentiates them.
fn no_gradient(op: &str) -> Error {
    Error::Config(format!("{op} is a step of an optimiser and has no gradient"))
}

const TINY: f64 = 2.0 * f32::MIN_POSITIVE as f64;

pointwise! {
    /// `a + factor * b`.
    AddScaled { factor: f32 } "add_scaled" (a, b) => a + factor * b;
    reference factor * b + a;
    bound |x, y| 2.0 * EPS * (x[0].abs() + 2.0 * (y - x[0]).abs()) + TINY;
    grad |me, g, x, y, dy| Ok(vec![Some(dy), Some(g.scale(dy, me.factor)?)])
}

pointwise! {
    /// `sum + x`, or where nothing was added up yet (`adds` is 0) `x`.
    AddedUp {} "added_up" (sum, x, adds) => if adds > 0.0 { sum + x } else { x };
    reference match adds > 0.0 {
        true => x + sum,
        false => x,
    };
    bound |_x, y| EPS * y.abs() + TINY;
    grad |_me, g, x, y, dy| Err(no_gradient("added_up"))
}

pointwise! {
    /// `p - lr * direction`.
    SgdStep {} "sgd_step" (p, direction, lr) => p - lr * direction;
    reference p - lr * direction;
    bound |x, _y| 2.0 * EPS * (x[0].abs() + 2.0 * (x[1] * x[2]).abs()) + TINY;
    grad |_me, g, x, y, dy| Err(no_gradient("sgd_step"))
}

pointwise! {
    /// `p * (1 - lr * decay)`.
    DecayBy { decay: f32 } "decay_by" (p, lr) => p * (1.0 - lr * decay);
    reference p - p * lr * decay;
    bound |x, y| 2.0 * EPS * (y.abs() + x[0].abs()) + TINY;
    grad |_me, g, x, y, dy| Err(no_gradient("decay_by"))
}

pointwise! {
    /// `keep * m + take * x`.
    RunningMean { keep: f32, take: f32 } "running_mean" (m, x) => keep * m + take * x;
    reference keep * m + take * x;
    bound |x, _y| 3.0 * EPS * (x[0].abs() + x[1].abs()) + TINY;
    grad |me, g, x, y, dy| Ok(vec![Some(g.scale(dy, me.keep)?), Some(g.scale(dy, me.take)?)])
}

pointwise! {
    /// `m + gamma (x - m)`.
    MovedBy {} "moved_by" (m, x, gamma) => m + gamma * (x - m);
    reference gamma * x + (1.0 - gamma) * m;
    bound |x, _y| 4.0 * EPS * (x[0].abs() + x[1].abs()) * (1.0 + x[2].abs()) + TINY;
    grad |_me, g, x, y, dy| Err(no_gradient("moved_by"))
}

pointwise! {
    /// The sign of w (+1 of 0), the other one where `sign(w) m > threshold` (Bop).
    BopTurn { threshold: f32 } "bop_turn" (w, m) => {
        let sign = if w < 0.0 { -1.0 } else { 1.0 };
        if sign * m > threshold { -sign } else { sign }
    };
    reference match (w < 0.0, m) {
        (true, m) => if -m > threshold { 1.0 } else { -1.0 },
        (false, m) => if m > threshold { -1.0 } else { 1.0 },
    };
    bound |_x, _y| 0.0;
    gradient Definition;
    grad |_me, g, x, y, dy| Err(no_gradient("bop_turn"))
}

pointwise! {
    /// `keep * v + take * x²`.
    RunningSquare { keep: f32, take: f32 } "running_square" (v, x) => keep * v + take * x * x;
    reference keep * v + take * x.powi(2);
    bound |_x, y| 4.0 * EPS * y.abs() + TINY;
    grad |_me, g, x, y, dy| Err(no_gradient("running_square"))
}

pointwise! {
    /// `p - lr c1 m / (sqrt(v) c2 + eps)`, with the bias corrections c1 = 1 / (1 - beta1^t) and
    /// c2 = 1 / sqrt(1 - beta2^t).
    AdamStep { eps: f32 } "adam_step" (p, m, v, lr, c1, c2) => p - lr * c1 * m / (v.sqrt() * c2 + eps);
    reference p - lr * (c1 * m) / (c2 * libm::sqrt(v) + eps);
    // WGSL grants division 2.5 ULP and sqrt what 1 / inverseSqrt makes of 2 ULP.
    bound |x, y| EPS * (2.0 * x[0].abs() + 24.0 * (y - x[0]).abs()) + TINY;
    grad |_me, g, x, y, dy| Err(no_gradient("adam_step"))
}

pointwise! {
    /// From the squared norms of a parameter and its gradient: `trust |p| / (|g| + decay |p| + eps)`,
    /// with `clip` at most lr of it over lr; 0 ("leave the gradient as it is") if a norm is 0.
    TrustRatio { trust: f32, decay: f32, eps: f32, clip: f32 } "trust_ratio" (pp, gg, lr) => {
        let (p, g) = (pp.sqrt(), gg.sqrt());
        let ratio = trust * p / (g + decay * p + eps);
        if !(p > 0.0 && g > 0.0) {
            0.0
        } else if clip != 0.0 {
            (ratio / lr).min(1.0)
        } else {
            ratio
        }
    };
    reference match (libm::sqrt(pp), libm::sqrt(gg)) {
        (p, g) if p > 0.0 && g > 0.0 && clip != 0.0 => (trust * p / (lr * (g + decay * p + eps))).min(1.0),
        (p, g) if p > 0.0 && g > 0.0 => trust * p / (g + decay * p + eps),
        _ => 0.0,
    };
    bound |_x, y| 32.0 * EPS * y.abs() + TINY;
    grad |_me, g, x, y, dy| Err(no_gradient("trust_ratio"))
}

pointwise! {
    /// `(g + decay * p) * ratio`, or `g` where the ratio is 0.
    Trusted { decay: f32 } "trusted" (g, p, ratio) => if ratio > 0.0 { (g + decay * p) * ratio } else { g };
    reference match ratio > 0.0 { true => ratio * g + ratio * decay * p, false => g };
    bound |x, _y| 4.0 * EPS * (x[0].abs() + x[1].abs()) * x[2].abs().max(1.0) + TINY;
    grad |_me, g, x, y, dy| Err(no_gradient("trusted"))
}
