//! What is drawn of runs: charts by what they show, each with the lines of every group of runs.

use super::runs::{Drawn, Group};
use crate::data::Part;
use crate::train::layer_stats::LayerStats;
use crate::train::right::Right;
use crate::train::run::Metric;
use std::collections::BTreeMap;

/// What a line is of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Of {
    /// Images that are learned from.
    Training,
    /// Others, by their part.
    Held(String),
    /// Something that a method calls so.
    Named(String),
    /// A binary layer, by its number, the first is 1.
    Layer(usize),
}

/// A point of a line: mean, least and greatest of the runs of a group at a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The step.
    pub x: f64,
    /// The mean.
    pub y: f64,
    /// The least and the greatest.
    pub band: (f64, f64),
}

/// A line of a chart.
pub struct Line {
    /// Number of the group that it is of.
    pub group: usize,
    /// What it is of.
    pub of: Of,
    /// The fewest and the most images that a point of a run is of, where it is of images and their number is known.
    pub images: Option<(u64, u64)>,
    /// Whether it is of other images than those learned from, and each run tells it once: points that belong to no curve.
    pub once: bool,
    /// Its points, in order.
    pub points: Vec<Point>,
}

/// A chart.
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// What the y axis is, with its unit.
    pub y: String,
    /// The lines.
    pub lines: Vec<Line>,
}

/// A number that was logged: the chart's title, its y axis, what it is of, and the value.
type Logged = (String, String, Of, f64);

/// Of a chart, its y axis and a line: the values at each step, and the numbers of images.
type Values = (String, String, Of, BTreeMap<u64, Vec<f64>>, Vec<u64>);

/// The charts of some groups of runs; those of layers where there is one group only, because lines would be too many.
pub fn charts(groups: &[Group<'_>]) -> Vec<Chart> {
    let mut charts: Vec<Chart> = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        let mut lines: Vec<Values> = Vec::new();
        for run in &group.runs {
            for metric in &run.metrics {
                let at_step = step(run, metric);
                for (title, y, of, value) in logged(metric, run, groups.len() == 1) {
                    let images = images(run, metric, &of);
                    let at = lines.iter().position(|l| l.0 == title && l.2 == of).unwrap_or_else(|| {
                        lines.push((title, y, of, BTreeMap::new(), Vec::new()));
                        lines.len() - 1
                    });
                    lines[at].3.entry(at_step).or_default().push(value);
                    lines[at].4.extend(images);
                }
            }
        }
        for (title, y, of, values, images) in lines {
            let images = images.iter().min().zip(images.iter().max()).map(|(a, b)| (*a, *b));
            let told = values.values().map(Vec::len).sum::<usize>();
            // A test ends a run, also one that was lengthened and tested again; earlier versions tested after each epoch.
            let ends = of == Of::Held(Part::Test.to_string()) && group.runs.iter().all(|run| tests_at_the_end(run));
            let once = ends || (matches!(of, Of::Held(_)) && told <= group.runs.len());
            let line = Line { group: number, of, images, once, points: values.into_iter().map(point).collect() };
            match charts.iter_mut().find(|c| c.title == title) {
                Some(chart) => chart.lines.push(line),
                None => charts.push(Chart { title, y, lines: vec![line] }),
            }
        }
    }
    charts
}

fn tests_at_the_end(run: &Drawn) -> bool {
    run.metrics.iter().all(|m| !matches!(m, Metric::Test { of_steps: None, .. }))
}

fn point((step, values): (u64, Vec<f64>)) -> Point {
    let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
    Point { x: step as f64, y: values.iter().sum::<f64>() / values.len() as f64, band: (low, high) }
}

/// Where a line of metrics lies: a test at the checkpoint that is tested, which may be an early one.
fn step(run: &Drawn, metric: &Metric) -> u64 {
    if let Metric::Test { epoch, of_steps: None, .. } = metric {
        // An earlier version did not say the step, but the epoch.
        let ended = run.metrics.iter().find_map(|m| match m {
            Metric::Epoch { epoch: done, steps, .. } if done == epoch => Some(*steps),
            _ => None,
        });
        return ended.unwrap_or(metric.steps());
    }
    metric.of_steps()
}

/// The number of images that a number is of.
fn images(run: &Drawn, metric: &Metric, of: &Of) -> Option<u64> {
    let known = match (of, metric) {
        // A point is of the steps since the one before.
        (Of::Training, Metric::Train { images, .. }) => *images,
        (Of::Training, _) => run.trained.train.images.unwrap_or(0) as u64,
        (_, Metric::Val { images, .. } | Metric::Test { images, .. } | Metric::BeforeRefresh { images, .. }) => {
            *images as u64
        }
        _ => 0,
    };
    (known > 0).then_some(known)
}

fn logged(metric: &Metric, run: &Drawn, alone: bool) -> Vec<Logged> {
    let percent = |title: &str, of: Of, v: f64| {
        let y = if title.starts_with("agreement") { "agreement, %" } else { "accuracy, %" };
        (title.to_string(), y.to_string(), of, 100.0 * v)
    };
    let nats = |title: &str, of: Of, v: f64| (title.to_string(), "cross-entropy, nats".to_string(), of, v);
    // What is guessed in training without labels is no class.
    let learned = |loss: f64, share: f64| match run.right {
        Right::Neighbours => vec![
            ("loss of the task without labels".to_string(), "loss".to_string(), Of::Training, loss),
            percent("agreement in the task without labels", Of::Training, share),
        ],
        Right::Classes => vec![percent("accuracy", Of::Training, share), nats("cross-entropy", Of::Training, loss)],
        Right::Model => vec![
            percent("agreement with the model", Of::Training, share),
            ("loss".to_string(), "loss".to_string(), Of::Training, loss),
        ],
    };
    let held = |part: &str, loss: f64, share: f64| {
        let of = Of::Held(part.to_string());
        match run.right {
            Right::Neighbours => vec![percent("accuracy of nearest neighbours", of, share)],
            Right::Classes => vec![percent("accuracy", of.clone(), share), nats("cross-entropy", of, loss)],
            Right::Model => vec![
                percent("agreement with the model", of.clone(), share),
                nats("cross-entropy of the model's clusters", of, loss),
            ],
        }
    };
    match metric {
        Metric::Train { loss, right, lr, .. } => {
            let mut all = learned(*loss, right.share());
            all.push(("learning rate".into(), "learning rate".into(), Of::Training, *lr));
            all
        }
        // The same as by steps, and coarser.
        Metric::Epoch { .. } => Vec::new(),
        Metric::Val { loss, accuracy, .. } => held("validation", *loss, *accuracy),
        Metric::Test { loss, accuracy, .. } => held("test", *loss, *accuracy),
        // Beside other runs it could not be told from what comes after the pass.
        Metric::BeforeRefresh { loss, accuracy, .. } if alone => {
            held("validation before the second pass", *loss, *accuracy)
        }
        Metric::BeforeRefresh { .. } => Vec::new(),
        Metric::Means { values, .. } => {
            let shown = values.iter().filter(|(name, _)| !is_shown_already(run, name));
            shown.map(|(name, v)| of_method(name, *v, alone)).collect()
        }
        Metric::Layers { layers, .. } if alone => {
            layers.iter().enumerate().flat_map(|(i, l)| of_layer(i + 1, l)).collect()
        }
        Metric::Layers { .. } => Vec::new(),
    }
}

/// Whether what a method logs is the loss, which has a chart of its own; or of a tensor, whose names are for programs.
fn is_shown_already(run: &Drawn, name: &str) -> bool {
    if name.starts_with("active.") {
        return true;
    }
    let mut same = false;
    for metric in &run.metrics {
        let Metric::Means { epoch, values, .. } = metric else { continue };
        let Some(value) = values.get(name) else { continue };
        let loss = run.metrics.iter().find_map(|m| match m {
            Metric::Epoch { epoch: done, loss, .. } if done == epoch => Some(*loss),
            _ => None,
        });
        // Both are sums of the same numbers, of which one was made in f32.
        same = loss.is_some_and(|loss| (loss - value).abs() <= 1e-3 * loss.abs());
        if !same {
            return false;
        }
    }
    same
}

/// Names of numbers that methods log: the title of their chart, and its y axis.
const KNOWN: [(&str, &str, &str); 22] = [
    ("swav_loss", "SwAV's loss", "cross-entropy, nats"),
    ("usage_entropy", "entropy of the prototypes' use in a batch", "entropy, nats"),
    ("sinkhorn_residual", "distance of codes from equal use (0 is balanced)", "largest deviation, share of equal use"),
    ("feature_spread", "spread of features over the sphere (0: all are equal)", "standard deviation"),
    ("task_loss", "loss of the task", "cross-entropy, nats"),
    ("feature_loss", "loss of the discriminators' features", "loss"),
    ("distillation_loss", "loss against the teacher's outputs", "divergence, nats"),
    ("kernel_loss", "loss of kernels against their binary form", "loss"),
    ("right_on_real", "right answers on the teacher's features", "share of images"),
    ("right_on_fake", "right answers on the network's features", "share of images"),
    ("feature_mse", "difference of features from the teacher's", "mean squared difference"),
    ("target_collapsed", "whether the target has collapsed", "0 or 1"),
    ("target_information", "mutual information of target and image", "information, nats"),
    ("target_entropy_of_mean", "entropy of the target's mean output", "entropy, nats"),
    ("target_mean_entropy", "mean entropy of the target's outputs", "entropy, nats"),
    ("target_cosine", "cosine of the target's outputs for two images", "mean cosine"),
    ("feature_similarity", "similarity of features to the target's", "similarity"),
    ("kl", "divergence from the target", "divergence, nats"),
    ("active_share", "active weights", "share of weights"),
    ("kl_gradient_at_features", "gradient of the divergence at the features", "length"),
    ("similarity_gradient_at_features", "gradient of the similarity at the features", "length"),
    ("target_gradient", "gradient of the target", "length"),
];

/// What a method logs, in words: "d0.right_on_real" is a line of the first discriminator.
fn of_method(name: &str, value: f64, alone: bool) -> Logged {
    let words = |text: &str| text.replace('_', " ");
    let (of, what) = match name.split_once('.') {
        Some((of, what)) => {
            let number = of.strip_prefix('d').and_then(|n| n.parse::<usize>().ok());
            (number.map_or_else(|| words(of), |n| format!("discriminator {}", n + 1)), what)
        }
        None => (String::new(), name),
    };
    let known = KNOWN.iter().find(|(name, ..)| *name == what);
    let shown = known.map_or_else(|| words(what), |(_, title, _)| title.to_string());
    let y = known.map_or("mean of the epoch", |(.., y)| y);
    // Colours are the groups' where there are several: what is of another part is a chart of its own.
    let title = if alone || of.is_empty() { shown } else { format!("{shown}, {of}") };
    (title, y.into(), Of::Named(of), value)
}

fn of_layer(number: usize, l: &LayerStats) -> Vec<Logged> {
    let all = [
        ("bits that are 1", "share of weights", Some(l.ones)),
        ("bits that flipped in the epoch", "share of weights", l.flip_rate),
        ("best share of ones, k*/n", "share of weights", Some(l.best_share)),
        ("kurtosis of latent weights", "kurtosis", Some(l.kurtosis)),
        ("bimodality of latent weights", "Sarle's coefficient", Some(l.bimodality)),
        ("mean magnitude of latent weights", "mean magnitude", Some(l.mean_magnitude)),
        ("mean of the scale matrix", "mean scale", l.matrix),
    ];
    let some = all.into_iter().filter_map(|(title, y, v)| Some((title, y, v?)));
    some.map(|(title, y, v)| (title.to_string(), y.to_string(), Of::Layer(number), v)).collect()
}
