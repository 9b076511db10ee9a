//! Waves of period 2: a sine, its slope, and the square wave of its signs, whose gradient is the sine's (BiPer).
//!
//! WGSL promises of sin an absolute error of 2^-11, and that only in [-π, π], so that near 0 devices would disagree about the sign. Here
//! the argument is counted in half periods, which brings it to [-1/2, 1/2] without an error, where an odd polynomial (Taylor's, to the
//! eleventh power; the next term is below 6e-8) gives the sine of all devices.

use crate::error::Result;
use crate::graph::{EPS, Graph, Value};

/// `π^k / k!` with alternating signs, for the powers 1 to 11.
const SINE: [f32; 6] = [std::f32::consts::PI, -5.167_713, 2.550_164, -0.599_264_5, 0.082_145_89, -0.007_370_431];

/// sin(π s) for s from -1/2 to 1/2.
#[inline(always)]
fn sine(s: f32) -> f32 {
    let z = s * s;
    s * (SINE[0] + z * (SINE[1] + z * (SINE[2] + z * (SINE[3] + z * (SINE[4] + z * SINE[5])))))
}

/// What is left of u when whole periods are taken away, from -1 to 1.
#[inline(always)]
fn within_period(u: f32) -> f32 {
    u - 2.0 * (u * 0.5).round_ties_even()
}

pointwise! {
    /// sin(π u).
    SineWave {} "sine_wave" (u) => {
        let r = within_period(u);
        sine(if r > 0.5 { 1.0 - r } else if r < -0.5 { -1.0 - r } else { r })
    };
    reference libm::sin(std::f64::consts::PI * u.rem_euclid(2.0));
    bound |_x, _y| 32.0 * EPS;
    grad |_me, g, x, y, dy| Ok(vec![Some(g.apply1(SineSlope {}, &[x[0], dy])?)])
}

pointwise! {
    /// `dy π cos(π u)`.
    SineSlope {} "sine_slope" (u, dy) => {
        let r = within_period(u);
        dy * std::f32::consts::PI * sine(0.5 - r.abs())
    };
    reference dy * std::f64::consts::PI * libm::cos(std::f64::consts::PI * u.rem_euclid(2.0));
    bound |x, _y| 128.0 * EPS * x[1].abs() + f32::MIN_POSITIVE as f64;
    grad |_me, g, x, y, d| {
        let ddy = g.apply1(SineSlope {}, &[x[0], d])?;
        let sine = g.sine_wave(x[0])?;
        let by = g.scale(sine, -(std::f32::consts::PI * std::f32::consts::PI))?;
        let by = g.mul(by, x[1])?;
        Ok(vec![Some(g.mul(by, d)?), Some(ddy)])
    }
}

pointwise! {
    /// +1 where sin(π u) is on its way up or down from 0 to 1, which is where the whole part of u is even, else -1.
    SquareWave {} "square_wave" (u) => {
        let whole = u.floor();
        if whole == 2.0 * (whole * 0.5).floor() { 1.0 } else { -1.0 }
    };
    reference if u.floor().rem_euclid(2.0) == 0.0 { 1.0 } else { -1.0 };
    bound |_x, _y| 0.0;
    gradient Definition;
    grad |_me, g, x, y, dy| Ok(vec![Some(g.apply1(SineSlope {}, &[x[0], dy])?)])
}

impl Graph {
    /// sin(π u).
    pub fn sine_wave(&mut self, u: Value) -> Result<Value> {
        self.apply1(SineWave {}, &[u])
    }

    /// The sign of sin(π u), +1 at its upward crossings of 0; its gradient is that of sin(π u).
    pub fn square_wave(&mut self, u: Value) -> Result<Value> {
        self.apply1(SquareWave {}, &[u])
    }
}
