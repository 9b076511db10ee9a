//! Normalisation: statistics by channel and by row, and what is built from them.

mod batch_norm;
mod channel_stats;
mod channel_sums;
mod cpu;
mod layer_norm;

pub use batch_norm::{BatchNormApply, BatchNormLeaves, BatchNormMode};
pub use channel_stats::ChannelStats;
pub use channel_sums::{ChannelSums, Factor};
pub use layer_norm::{LayerNorm, LayerNormGrad};

/// Rows that one invocation sums in the first stage on a GPU.
const CHUNK: usize = 128;
/// Partial results that one invocation combines in each later stage.
const GROUP: usize = 64;

/// Additions that follow each other, at most, in f32 on any device: 128 rows and then groups of 64
/// partial results in up to four stages, or, on the CPU, the 512 steps of a chunk (which are then
/// combined in f64).
fn longest_sum(rows: usize) -> f64 {
    rows.min(CHUNK + 4 * GROUP).max(rows.min(512)) as f64
}

/// How many partial results each stage after the first leaves, until one is left.
fn stages(rows: usize) -> Vec<usize> {
    let mut left = vec![rows.div_ceil(CHUNK)];
    while left.last().is_some_and(|&n| n > GROUP) {
        left.push(left.last().expect("not empty").div_ceil(GROUP));
    }
    left
}
