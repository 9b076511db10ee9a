//! What a run logs: the lines of `metrics.jsonl`.

use super::super::layer_stats::LayerStats;
use super::super::right::Guessed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Metric {
    /// Means over the steps since the last such line of the same epoch.
    Train {
        /// The epoch that they belong to.
        #[serde(flatten)]
        at: At,
        /// Steps done since the start.
        steps: u64,
        /// Mean loss.
        loss: f64,
        /// Share of right answers.
        #[serde(flatten)]
        right: Guessed,
        /// Training images that loss and share are of, as augmentation makes them.
        #[serde(default)]
        images: u64,
        /// Learning rate of the last step.
        lr: f64,
        /// Images per second.
        images_per_second: f64,
    },
    /// Means over the steps of an epoch.
    Epoch {
        /// Epochs done.
        epoch: u64,
        /// Steps done since the start.
        steps: u64,
        /// Mean loss.
        loss: f64,
        /// Share of right answers.
        #[serde(flatten)]
        right: Guessed,
        /// Training images that loss and share are of, as augmentation makes them.
        #[serde(default)]
        images: u64,
    },
    /// A test on the validation part.
    Val {
        /// Epochs done.
        epoch: u64,
        /// Steps done since the start.
        steps: u64,
        /// Validation images.
        images: usize,
        /// Mean cross-entropy.
        loss: f64,
        /// Share of images whose class was right.
        accuracy: f64,
        /// Share of images whose class was among the five most likely ones.
        top5: f64,
    },
    /// The test of the chosen checkpoint on the test part, at the end. (Of runs of earlier versions: one after every epoch, on
    /// the images that the best checkpoint was chosen by.)
    Test {
        /// Epochs done when the checkpoint that is tested was written.
        epoch: u64,
        /// Steps done since the start when it is tested.
        steps: u64,
        /// Steps done when that checkpoint was written; none in runs of earlier versions, which did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of_steps: Option<u64>,
        /// Test images; 0 in runs of earlier versions, which did not say.
        #[serde(default)]
        images: usize,
        /// Mean cross-entropy.
        loss: f64,
        /// Share of images whose class was right.
        accuracy: f64,
        /// Share of images whose class was among the five most likely ones.
        top5: f64,
    },
    /// A test on the validation part in the middle of an epoch that has a second pass, before that pass; left out if it was
    /// stopped.
    BeforeRefresh {
        /// The epoch in which it is.
        #[serde(flatten)]
        at: At,
        /// Steps done since the start.
        steps: u64,
        /// Validation images.
        #[serde(default)]
        images: usize,
        /// Mean cross-entropy.
        loss: f64,
        /// Share of images whose class was right.
        accuracy: f64,
    },
    /// Means over an epoch of what a method logs.
    Means {
        /// Epochs done.
        epoch: u64,
        /// Steps done since the start.
        steps: u64,
        /// By name.
        values: BTreeMap<String, f64>,
    },
    /// The latent weights of the binary layers after an epoch.
    Layers {
        /// Epochs done.
        epoch: u64,
        /// Steps done since the start.
        steps: u64,
        /// First to last.
        layers: Vec<LayerStats>,
    },
}

/// The epoch that goes on when a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// From 1.
    InEpoch(u64),
    /// From 0, as runs of earlier versions count it; where others say `epoch` they mean epochs done.
    Epoch(u64),
}

impl At {
    /// From 1.
    pub fn number(self) -> u64 {
        match self {
            At::InEpoch(n) => n,
            At::Epoch(n) => n + 1,
        }
    }
}

impl Metric {
    /// Steps done since the start of what its numbers are of: of a test those of the checkpoint that is tested.
    pub fn of_steps(&self) -> u64 {
        match self {
            Metric::Test { of_steps: Some(steps), .. } => *steps,
            other => other.steps(),
        }
    }

    /// Steps done since the start when it was written.
    pub fn steps(&self) -> u64 {
        match self {
            Metric::Train { steps, .. }
            | Metric::Epoch { steps, .. }
            | Metric::Val { steps, .. }
            | Metric::Test { steps, .. }
            | Metric::BeforeRefresh { steps, .. }
            | Metric::Means { steps, .. }
            | Metric::Layers { steps, .. } => *steps,
        }
    }

    /// Epochs done, of what belongs to the end of one.
    pub(super) fn epochs_done(&self) -> Option<u64> {
        match self {
            Metric::Train { .. } | Metric::BeforeRefresh { .. } => None,
            Metric::Epoch { epoch, .. }
            | Metric::Val { epoch, .. }
            | Metric::Test { epoch, .. }
            | Metric::Means { epoch, .. }
            | Metric::Layers { epoch, .. } => Some(*epoch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_earlier_versions_read_and_those_of_this_one_come_back() {
        let old = [
            r#"{"kind":"train","epoch":0,"steps":6,"loss":2.0,"accuracy":0.25,"lr":0.003,"images_per_second":9.5}"#,
            r#"{"kind":"epoch","epoch":1,"steps":6,"loss":2.0,"accuracy":0.25}"#,
            r#"{"kind":"before-refresh","epoch":0,"steps":6,"loss":2.0,"accuracy":0.25}"#,
            r#"{"kind":"test","epoch":1,"steps":6,"loss":2.0,"accuracy":0.25,"top5":0.5}"#,
        ];
        let read = old.map(|line| serde_json::from_str::<Metric>(line).unwrap());
        let Metric::Train { at, right, images: 0, .. } = &read[0] else { panic!("{:?}", read[0]) };
        assert_eq!((at.number(), *right), (1, Guessed::Accuracy(0.25)));
        assert!(matches!(&read[1], Metric::Epoch { right: Guessed::Accuracy(_), .. }), "{:?}", read[1]);
        assert!(matches!(&read[2], Metric::BeforeRefresh { at: At::Epoch(0), .. }), "{:?}", read[2]);
        assert_eq!(read[3].of_steps(), 6);
        let right = Guessed::Agreement(0.1);
        let new = Metric::Train {
            at: At::InEpoch(2),
            steps: 7,
            loss: 0.1,
            right,
            images: 9,
            lr: 0.1,
            images_per_second: 0.3,
        };
        let text = serde_json::to_string(&new).unwrap();
        assert!(text.contains("\"in_epoch\":2") && text.contains("\"agreement\":0.1"), "{text}");
        assert_eq!(serde_json::from_str::<Metric>(&text).unwrap(), new);
    }
}
