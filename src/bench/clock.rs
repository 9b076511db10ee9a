//! Times of calls.

use crate::error::Result;
use std::time::Instant;

/// Least seconds of a call: after one to warm up, of at least three and of as many as fit into `seconds`.
pub fn least(seconds: f64, mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    call()?;
    let (start, mut least) = (Instant::now(), f64::INFINITY);
    for n in 0.. {
        if n >= 3 && start.elapsed().as_secs_f64() >= seconds {
            break;
        }
        least = least.min(once(&mut call)?);
    }
    Ok(least)
}

/// Seconds of one call.
pub(super) fn once(mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    let t = Instant::now();
    call()?;
    Ok(t.elapsed().as_secs_f64())
}

/// The number of rounds after which `call(rounds)` takes `worth` seconds, which is long enough to be measured.
pub(super) fn rounds(worth: f64, mut call: impl FnMut(u32) -> Result<()>) -> Result<u32> {
    let mut rounds = 1u32;
    // The first call compiles and touches memory.
    call(rounds)?;
    loop {
        let seconds = once(|| call(rounds))?;
        if seconds >= worth || rounds >= 1 << 28 {
            return Ok(rounds);
        }
        // Never far past the goal: graphics drivers kill what takes seconds.
        let factor = (1.2 * worth / seconds.max(1e-6)).clamp(1.5, 16.0);
        rounds = (rounds as f64 * factor).ceil() as u32;
    }
}
