//! SiMaN: sign-to-magnitude network binarization (Lin et al., arXiv 2102.07981; TPAMI 2023), as its authors' code
//! trains it.
//!
//! One stage from scratch, no teacher: cross-entropy, SGD, no decay on the weights of which one bit is used. What is
//! binary is a matter of the network (`net.binarization.weights = "magnitude"`, in `nn/weights/magnitude.rs`). Over the
//! epochs one thing changes: before each step the magnitudes of a layer are clamped to between its percentiles p and
//! 100 - p, with `p = 15 (1 - e/E)`, where the flag `magnitude.clamp` is set.

use super::{parts, supervised};
use crate::error::{Error, Result};
use crate::methods::{Graphs, Method, Progress, Task};
use crate::nn::WeightRule;
use crate::recipe::Recipe;

/// SiMaN.
#[derive(Clone, Copy, Debug)]
pub struct Siman;

impl Method for Siman {
    fn name(&self) -> &'static str {
        "siman"
    }

    fn validate(&self, recipe: &Recipe) -> Result<()> {
        // The float twin of a recipe has its method.
        if recipe.net.is_binary() && recipe.net.binarization.weights != WeightRule::Magnitude {
            return Err(Error::Config(
                "method = \"siman\" trains weights by their magnitude: it needs net.binarization.weights = \"magnitude\""
                    .into(),
            ));
        }
        Ok(())
    }

    fn clamps_magnitudes(&self) -> bool {
        true
    }

    fn classifies(&self, _recipe: &Recipe) -> bool {
        true
    }

    fn training(&self, task: &Task<'_>, batch: usize) -> Result<Graphs> {
        Ok(Graphs::step(supervised::train(task, batch)?))
    }

    fn scalar(&self, recipe: &Recipe, progress: Progress, name: &str) -> Option<f32> {
        match name.strip_prefix("clamp.") {
            Some(which) => clamp_scalar(clamp_percent(progress.epoch(), recipe.epochs), which),
            None => parts::scalar(recipe, progress, name),
        }
    }
}

/// `15 (1 - e/E)`: percent of the magnitudes of a layer that are clamped at either end in epoch e of E.
pub fn clamp_percent(epoch: u64, epochs: u64) -> f64 {
    15.0 * (1.0 - epoch as f64 / epochs as f64)
}

/// Where percentile `percent` of n ascending numbers lies, by linear interpolation: `r = (n - 1) percent / 100`; its
/// whole part and its fraction.
pub fn percentile_place(n: usize, percent: f64) -> (usize, f64) {
    let r = (n - 1) as f64 * percent / 100.0;
    (r.floor() as usize, r.fract())
}

/// `<n>.<low | high>` for the rank of a percentile of a layer of n weights, with `.fraction` behind for the rest.
fn clamp_scalar(percent: f64, which: &str) -> Option<f32> {
    let (n, end) = which.split_once('.')?;
    let (end, fraction) = match end.strip_suffix(".fraction") {
        Some(end) => (end, true),
        None => (end, false),
    };
    let percent = match end {
        "low" => percent,
        "high" => 100.0 - percent,
        _ => return None,
    };
    let (rank, rest) = percentile_place(n.parse().ok()?, percent);
    Some(if fraction { rest as f32 } else { rank as f32 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn siman_13_the_clamp_opens_and_interpolates() {
        assert_eq!((clamp_percent(0, 400), clamp_percent(200, 400)), (15.0, 7.5));
        assert!((clamp_percent(399, 400) - 0.0375).abs() < 1e-12);
        assert_eq!(percentile_place(11, 15.0), (1, 0.5));
        assert_eq!(clamp_scalar(15.0, "11.low"), Some(1.0));
        assert_eq!(clamp_scalar(15.0, "11.low.fraction"), Some(0.5));
        assert_eq!(clamp_scalar(15.0, "11.high"), Some(8.0));
        // p = 0: the smallest and the largest magnitude, which clamp nothing.
        assert_eq!((clamp_scalar(0.0, "11.low"), clamp_scalar(0.0, "11.high")), (Some(0.0), Some(10.0)));
        assert_eq!((clamp_scalar(0.0, "11.high.fraction"), clamp_scalar(0.0, "11.middle")), (Some(0.0), None));
    }
}
