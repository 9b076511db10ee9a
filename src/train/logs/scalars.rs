//! The numbers in a line of `metrics.jsonl`, by their names.

use crate::train::layer_stats::LayerStats;
use crate::train::run::Metric;

/// Over what a number was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Some steps.
    Steps,
    /// An epoch, or its end.
    Epoch,
}

impl Every {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Every::Steps => "steps",
            Every::Epoch => "epoch",
        }
    }
}

/// What a line of metrics tells.
pub struct Line {
    /// The epoch that it belongs to, from 1.
    pub epoch: u64,
    /// Over what its numbers were taken.
    pub every: Every,
    /// Of which images: "train", "val", "test", ...
    pub part: &'static str,
    /// Of how many of them; none of what is no mean over images.
    pub images: Option<u64>,
    /// Numbers by name.
    pub values: Vec<(String, f64)>,
}

/// The numbers in a line of metrics; none of the statistics of layers.
pub fn line(metric: &Metric) -> Option<Line> {
    let named = |values: &[(&str, f64)]| values.iter().map(|(name, v)| (name.to_string(), *v)).collect();
    Some(match metric {
        Metric::Train { at, loss, right, images, lr, images_per_second, .. } => Line {
            epoch: at.number(),
            every: Every::Steps,
            part: "train",
            images: Some(*images),
            values: named(&[
                ("loss", *loss),
                (right.name(), right.share()),
                ("lr", *lr),
                ("images_per_second", *images_per_second),
            ]),
        },
        Metric::Epoch { epoch, loss, right, images, .. } => Line {
            epoch: *epoch,
            every: Every::Epoch,
            part: "train",
            images: Some(*images),
            values: named(&[("loss", *loss), (right.name(), right.share())]),
        },
        Metric::Val { epoch, loss, accuracy, top5, images, .. } => Line {
            epoch: *epoch,
            every: Every::Epoch,
            part: "val",
            images: Some(*images as u64),
            values: named(&[("loss", *loss), ("accuracy", *accuracy), ("top5", *top5)]),
        },
        Metric::Test { epoch, loss, accuracy, top5, images, .. } => Line {
            epoch: *epoch,
            every: Every::Epoch,
            part: "test",
            images: Some(*images as u64),
            values: named(&[("loss", *loss), ("accuracy", *accuracy), ("top5", *top5)]),
        },
        Metric::BeforeRefresh { at, loss, accuracy, images, .. } => Line {
            epoch: at.number(),
            every: Every::Epoch,
            part: "val before the second pass",
            images: Some(*images as u64),
            values: named(&[("loss", *loss), ("accuracy", *accuracy)]),
        },
        Metric::Means { epoch, values, .. } => Line {
            epoch: *epoch,
            every: Every::Epoch,
            part: "train",
            images: None,
            values: values.iter().map(|(name, v)| (name.clone(), *v)).collect(),
        },
        Metric::Layers { .. } => return None,
    })
}

/// The statistics of a layer that change from epoch to epoch.
pub fn layer(l: &LayerStats) -> Vec<(&'static str, f64)> {
    let all = [
        ("share of ones", Some(l.ones)),
        ("flip rate", l.flip_rate),
        ("entropy", Some(l.entropy)),
        ("kurtosis", Some(l.kurtosis)),
        ("bimodality", Some(l.bimodality)),
        ("best share", Some(l.best_share)),
        ("mean magnitude", Some(l.mean_magnitude)),
        ("scale matrix mean", l.matrix),
    ];
    all.into_iter().filter_map(|(name, v)| Some((name, v?))).collect()
}
