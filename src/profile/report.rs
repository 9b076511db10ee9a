//! What a profile holds.

use crate::bench::Ceilings;
use crate::program::Operands;
use serde::{Deserialize, Serialize};

/// What the time of nodes was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// The device's timestamps, around every dispatch.
    Timestamps,
    /// The host's clock, running node by node and waiting for each.
    Waits,
}

/// A step of a program: one node of the graph, or a chain of pointwise ones in one kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Which of the programs of a training step.
    pub part: usize,
    /// Position in its program.
    pub index: usize,
    /// Its ops.
    pub ops: String,
    /// Its layer; empty for what belongs to none.
    pub layer: String,
    /// forward, backward or update.
    pub pass: String,
    /// Dispatches and copies that it is made of.
    pub commands: usize,
    /// Kernels that ran, by the names of their files.
    pub kernels: Vec<String>,
    /// Its time in the fastest of the steps that were timed node by node, in microseconds.
    pub us: f64,
    /// When it began in that step, in microseconds since the first.
    pub start_us: f64,
    /// Operations, a multiply-add being two; 0 for what memory bounds.
    pub operations: f64,
    /// What they are on.
    pub operands: Operands,
    /// Bytes that it must read and write.
    pub bytes: f64,
    /// The least time that the device's ceilings allow, as a share of the time taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<f64>,
}

/// What the host does in a plain step, in microseconds: medians.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Reading, augmenting and uploading the images.
    pub data_us: f64,
    /// Recording commands.
    pub encode_us: f64,
    /// Handing them to the driver.
    pub submit_us: f64,
    /// Waiting for the device.
    pub wait_us: f64,
}

/// Steps one after the other as training runs them, their images made ahead by other threads, in microseconds: means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InTraining {
    /// A step with everything.
    pub step_us: f64,
    /// Of it, waiting for images that are not ready. A device that works while the host waits idles for less than that.
    pub images_us: f64,
}

/// A profile of the training step of a recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Version of the program.
    pub version: String,
    /// The device with its driver.
    pub device: String,
    /// Name of the recipe.
    pub recipe: String,
    /// Images in a batch.
    pub batch: usize,
    /// Steps that were measured, of each kind.
    pub steps: usize,
    /// What timed the nodes.
    pub clock: Clock,
    /// Why not timestamps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What the device can do at best, which nodes are compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceilings: Option<Ceilings>,
    /// By program and position.
    pub nodes: Vec<Node>,
    /// The host in a plain step.
    pub host: Host,
    /// Steps as training runs them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<InTraining>,
    /// A whole plain step on the device's clock, from its first command to its last, in microseconds; the least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_us: Option<f64>,
    /// A whole plain step on the host's clock, without data, in microseconds; the least.
    pub plain_us: f64,
    /// A whole step with a timer around every node, likewise.
    pub profiled_us: f64,
}

impl Node {
    /// The least time that ceilings allow for its operations, and for its bytes, in microseconds.
    pub(super) fn least_us(&self, ceilings: &Ceilings) -> [f64; 2] {
        let gops = match self.operands {
            Operands::Bits => ceilings.bit_gops,
            Operands::FloatsAndBits => ceilings.sums_gops.unwrap_or(ceilings.f32_gops),
            Operands::Floats => ceilings.f32_gops,
        };
        [1e-3 * self.operations / gops, 1e-3 * self.bytes / ceilings.copy_gbs]
    }
}

impl Profile {
    /// Sum of the times of all nodes, in microseconds.
    pub fn nodes_us(&self) -> f64 {
        self.nodes.iter().map(|n| n.us).sum()
    }

    /// Says of each node how near it comes to what the device can do at best: the least time that the ceilings allow
    /// for its operations and its bytes, whichever is longer, as a share of the time that it took.
    pub fn against(&mut self, ceilings: &Ceilings) {
        for n in &mut self.nodes {
            let [computing, moving] = n.least_us(ceilings);
            let least_us = computing.max(moving);
            n.reached = (n.us > 0.0).then_some(least_us / n.us);
        }
        self.ceilings = Some(ceilings.clone());
    }
}
