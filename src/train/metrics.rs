//! Loss and accuracy, summed on the device over many steps, and the switch that stops a run whose loss is not finite.

use super::checkpoint::TRANSIENT;
use crate::device::Store;
use crate::error::Result;
use crate::graph::{Graph, Init, Meta, Phase, Value};
use crate::tensor::{DType, HostTensor};
use std::collections::BTreeMap;

const SUMS: &str = "metrics.sums";
const HALTED: &str = "metrics.halted";
const MEANS: &str = "metrics.mean.";

/// Whether the run was halted before this step: `[1]`, 0 or 1. Updates that happen before the loss is known are gated
/// with it.
pub fn halted_before(g: &mut Graph) -> Result<Value> {
    debug_assert!(HALTED.starts_with(TRANSIENT) && SUMS.starts_with(TRANSIENT));
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

/// The means that [`track_mean`] logs, by name; starts them anew.
pub fn take_means(store: &mut Store, graphs: &[&Graph]) -> Result<BTreeMap<String, f64>> {
    let mut means = BTreeMap::new();
    for graph in graphs {
        for leaf in graph.states().into_iter().map(|v| graph.name(v)) {
            let Some(name) = leaf.strip_prefix(MEANS) else { continue };
            let read = store.read(leaf)?;
            let (sum, steps) = (read.f32s()[0] as f64, read.f32s()[1] as f64);
            if steps > 0.0 {
                means.insert(name.to_string(), sum / steps);
                store.write(leaf, &HostTensor::zeros([2], DType::F32))?;
            }
        }
    }
    Ok(means)
}

/// Number of rows of `logits` `[n, classes]` whose largest entry is at the label (`[n]`).
pub fn correct(g: &mut Graph, logits: Value, labels: Value) -> Result<Value> {
    g.in_phase(Phase::Update, |g| {
        let right = g.correct_top_k(logits, labels, 1)?;
        g.sum(right, &[0])
    })
}

/// Sums over some steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Of the mean losses of the batches.
    pub loss: f64,
    /// Right answers.
    pub correct: f64,
    /// Steps, without those after a halt.
    pub steps: u64,
}

impl Sums {
    /// Sets the sums on the device to zero.
    pub fn reset(store: &mut Store) -> Result<()> {
        store.write(SUMS, &HostTensor::zeros([3], DType::F32))
    }

    /// Reads the sums of the device and sets them to zero.
    pub fn take(store: &mut Store) -> Result<Sums> {
        let read = store.read(SUMS)?;
        Self::reset(store)?;
        let s = read.f32s();
        Ok(Sums { loss: s[0] as f64, correct: s[1] as f64, steps: s[2] as u64 })
    }

    /// Adds later steps.
    pub fn add(&mut self, later: Sums) {
        self.loss += later.loss;
        self.correct += later.correct;
        self.steps += later.steps;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;

    #[test]
    fn sums_grow_until_a_loss_is_not_finite_and_then_stay() {
        let mut g = Graph::new();
        let loss = g.input("loss", Meta::f32([])).unwrap();
        let logits = g.input("logits", Meta::f32([4, 3])).unwrap();
        let labels = g.input("labels", Meta::new([4], DType::U32)).unwrap();
        let right = correct(&mut g, logits, labels).unwrap();
        let halted = track(&mut g, loss, right).unwrap();
        g.output("halted", halted);
        let mut store = Store::new(Device::Cpu);
        let mut exe = store.load(g).unwrap();
        let rows = vec![3.0, 1.0, 2.0, 0.0, -1.0, -2.0, 0.0, 0.0, 5.0, 1.0, 9.0, 1.0];
        store.write("logits", &HostTensor::from_f32([4, 3], rows)).unwrap();
        store.write("labels", &HostTensor::from_u32([4], vec![0, 1, 2, 1])).unwrap();
        let mut halts = Vec::new();
        for loss in [0.5, 1.5, f32::NAN, 1.0] {
            store.write("loss", &HostTensor::from_f32([], vec![loss])).unwrap();
            exe.run(&[]).unwrap();
            halts.push(exe.read("halted").unwrap().f32s()[0]);
        }
        assert_eq!(halts, [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(Sums::take(&mut store).unwrap(), Sums { loss: 2.0, correct: 6.0, steps: 2 });
        assert_eq!(Sums::take(&mut store).unwrap(), Sums::default());
    }
}
