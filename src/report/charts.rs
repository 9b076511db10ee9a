//! What is drawn of runs: charts by what they show, each with the lines of every group of runs.

use super::runs::Group;
use crate::train::layer_stats::LayerStats;
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

/// Of a chart, its y axis and a line: the values at each step.
type Values = (String, String, Of, BTreeMap<u64, Vec<f64>>);

/// The charts of some groups of runs; those of layers where there is one group only, because lines would be too many.
pub fn charts(groups: &[Group<'_>]) -> Vec<Chart> {
    let mut charts: Vec<Chart> = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        let mut lines: Vec<Values> = Vec::new();
        for run in &group.runs {
            for metric in &run.metrics {
                for (title, y, of, value) in logged(metric, run.pretext, groups.len() == 1) {
                    let at = lines.iter().position(|l| l.0 == title && l.2 == of).unwrap_or_else(|| {
                        lines.push((title, y, of, BTreeMap::new()));
                        lines.len() - 1
                    });
                    lines[at].3.entry(metric.steps()).or_default().push(value);
                }
            }
        }
        for (title, y, of, values) in lines {
            let line = Line { group: number, of, points: values.into_iter().map(point).collect() };
            match charts.iter_mut().find(|c| c.title == title) {
                Some(chart) => chart.lines.push(line),
                None => charts.push(Chart { title, y, lines: vec![line] }),
            }
        }
    }
    charts
}

fn point((step, values): (u64, Vec<f64>)) -> Point {
    let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
    Point { x: step as f64, y: values.iter().sum::<f64>() / values.len() as f64, band: (low, high) }
}

fn logged(metric: &Metric, pretext: bool, alone: bool) -> Vec<Logged> {
    let percent = |title: &str, of: Of, v: f64| {
        let y = if title.starts_with("agreement") { "agreement, %" } else { "accuracy, %" };
        (title.to_string(), y.to_string(), of, 100.0 * v)
    };
    let nats = |title: &str, of: Of, v: f64| (title.to_string(), "cross-entropy, nats".to_string(), of, v);
    // What is guessed in training without labels is no class.
    let learned = |loss: f64, accuracy: f64| match pretext {
        true => vec![
            ("loss of the task without labels".to_string(), "loss".to_string(), Of::Training, loss),
            percent("agreement in the task without labels", Of::Training, accuracy),
        ],
        false => vec![percent("accuracy", Of::Training, accuracy), nats("cross-entropy", Of::Training, loss)],
    };
    let held = |part: &str, loss: f64, accuracy: f64| {
        let of = Of::Held(part.to_string());
        match pretext {
            true => vec![percent("accuracy of nearest neighbours", of, accuracy)],
            false => vec![percent("accuracy", of.clone(), accuracy), nats("cross-entropy", of, loss)],
        }
    };
    match metric {
        Metric::Train { loss, accuracy, lr, .. } => {
            let mut all = learned(*loss, *accuracy);
            all.push(("learning rate".into(), "learning rate".into(), Of::Training, *lr));
            all
        }
        // The same as by steps, and coarser.
        Metric::Epoch { .. } => Vec::new(),
        Metric::Val { loss, accuracy, .. } => held("validation", *loss, *accuracy),
        Metric::Test { loss, accuracy, .. } => held("test", *loss, *accuracy),
        Metric::BeforeRefresh { loss, accuracy, .. } => held("validation before the second pass", *loss, *accuracy),
        Metric::Means { values, .. } => values.iter().map(|(name, v)| of_method(name, *v, alone)).collect(),
        Metric::Layers { layers, .. } if alone => {
            layers.iter().enumerate().flat_map(|(i, l)| of_layer(i + 1, l)).collect()
        }
        Metric::Layers { .. } => Vec::new(),
    }
}

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
    // Colours are the groups' where there are several: what is of another part is a chart of its own.
    let title = if alone || of.is_empty() { words(what) } else { format!("{}, {of}", words(what)) };
    (title, "mean of the epoch".into(), Of::Named(of), value)
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
