//! What a training step keeps count of on the device: sums of loss and right answers, means that a method logs, and the
//! switch that stops a run whose loss is not finite.

use super::task::TRANSIENT;
use crate::error::Result;
use crate::graph::{Graph, Init, Meta, Phase, Value};
use crate::ops::image::MixedLabels;
use crate::tensor::HostTensor;

/// `[loss, right answers, steps]`.
pub(crate) const SUMS: &str = "metrics.sums";
/// Prefix of what [`track_mean`] logs.
pub(crate) const MEANS: &str = "metrics.mean.";
const HALTED: &str = "metrics.halted";

/// Whether the run was halted before this step: `[1]`, 0 or 1. Updates that happen before the loss is known are gated
/// with it.
pub fn halted_before(g: &mut Graph) -> Result<Value> {
    assert!(HALTED.starts_with(TRANSIENT) && SUMS.starts_with(TRANSIENT));
    g.state(HALTED, Meta::f32([1]), Init::Zeros)
}

/// Adds the step's loss and the number of right answers to the sums, unless the loss is not finite: then the run is
/// halted. Returns whether it is, `[1]`, 0 or 1: the gate of all updates.
pub fn track(g: &mut Graph, loss: Value, correct: Value) -> Result<Value> {
    g.in_phase(Phase::Update, |g| {
        let before = halted_before(g)?;
        let loss = g.reshape(loss, [1])?;
        let correct = g.reshape(correct, [1])?;
        let bad = g.finite_flag(loss)?;
        let halted = g.maximum(before, bad)?;
        g.assign(before, halted)?;
        // [loss, right answers, steps]
        let sums = g.state(SUMS, Meta::f32([3]), Init::Zeros)?;
        let unit = |g: &mut Graph, i: usize| {
            let mut e = vec![0.0; 3];
            e[i] = 1.0;
            g.constant(HostTensor::from_f32([3], e))
        };
        let (e0, e1, e2) = (unit(g, 0), unit(g, 1), unit(g, 2));
        let a = g.mul(loss, e0)?;
        let b = g.mul(correct, e1)?;
        let step = g.add(a, b)?;
        let step = g.add(step, e2)?;
        let total = g.add(sums, step)?;
        let total = g.gate(halted, total, sums)?;
        g.assign(sums, total)?;
        Ok(halted)
    })
}

/// Logs the mean over an epoch of a value `[]` or `[1]` of the step, under a name. Steps whose loss is not finite do not
/// count, as [`track`] has it.
pub fn track_mean(g: &mut Graph, name: &str, value: Value, halted: Value) -> Result<()> {
    g.in_phase(Phase::Update, |g| {
        // [sum, steps]
        let sums = g.state(&format!("{MEANS}{name}"), Meta::f32([2]), Init::Zeros)?;
        let value = g.reshape(value, [1])?;
        let first = g.constant(HostTensor::from_f32([2], vec![1.0, 0.0]));
        let second = g.constant(HostTensor::from_f32([2], vec![0.0, 1.0]));
        let step = g.mul(value, first)?;
        let step = g.add(step, second)?;
        let total = g.add(sums, step)?;
        let total = g.gate(halted, total, sums)?;
        g.assign(sums, total)
    })
}

/// Number of rows of `logits` `[n, classes]` whose largest entry is at the label (`[n]`).
pub fn correct(g: &mut Graph, logits: Value, labels: Value) -> Result<Value> {
    g.in_phase(Phase::Update, |g| {
        let right = g.correct_top_k(logits, labels, 1)?;
        g.sum(right, &[0])
    })
}

/// As [`correct`], of mixed images: the answers that name the class of the larger share.
pub fn correct_of_mixed(g: &mut Graph, logits: Value, labels: MixedLabels) -> Result<Value> {
    g.in_phase(Phase::Update, |g| {
        let own = g.correct_top_k(logits, labels.own, 1)?;
        let other = g.correct_top_k(logits, labels.other, 1)?;
        let half = g.constant(HostTensor::from_f32([1], vec![0.5]));
        let larger = g.greater_equal(labels.share, half)?;
        let right = g.select(larger, own, other)?;
        g.sum(right, &[0])
    })
}
