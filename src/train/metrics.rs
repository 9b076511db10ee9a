//! Reads what training steps keep count of on a device ([`crate::methods::tracking`]).

use crate::device::Store;
use crate::error::Result;
use crate::graph::Graph;
use crate::methods::tracking::{MEANS, SUMS};
use crate::tensor::{DType, HostTensor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The means that [`track_mean`](crate::methods::tracking::track_mean) logs, by name; starts them anew.
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

/// Sums over some steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// Of the mean losses of the batches.
    pub loss: f64,
    /// Right answers.
    pub correct: f64,
    /// Batches, without those after a halt.
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

    /// Adds later ones.
    pub fn add(&mut self, later: Sums) {
        self.loss += later.loss;
        self.correct += later.correct;
        self.steps += later.steps;
    }

    /// Mean loss, and share of right answers, of batches of so many images.
    pub fn means(&self, batch: usize) -> (f64, f64) {
        (self.loss / self.steps as f64, self.correct / (self.steps * batch as u64) as f64)
    }
}

/// What is summed up until it is logged. It is part of where a run stands, so that one that was stopped logs the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochSums {
    /// Of the epoch.
    pub epoch: Sums,
    /// Since the last line of training.
    pub line: Sums,
}

impl EpochSums {
    /// Adds later ones.
    pub fn add(&mut self, later: Sums) {
        self.epoch.add(later);
        self.line.add(later);
    }

    /// Whether nothing is summed up.
    pub fn is_empty(&self) -> bool {
        *self == EpochSums::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;
    use crate::graph::Meta;
    use crate::methods::tracking::{correct, track};

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
