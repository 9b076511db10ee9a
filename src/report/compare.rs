//! Runs side by side: those that differ only by their seed are one row.

use crate::error::{Error, Result};
use crate::nn::Count;
use crate::recipe::Recipe;
use crate::train::run::Summary;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

/// Runs of one recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Name of the recipe.
    pub name: String,
    /// Test accuracy after the last epoch of each run, by seed; `None` without test images.
    pub accuracies: Vec<(u64, Option<f64>)>,
    /// Steps of a run.
    pub steps: u64,
    /// Epochs of a run.
    pub epochs: u64,
    /// Seconds of a run, on average.
    pub seconds: f64,
    /// Bytes that a run planned.
    pub planned_bytes: usize,
    /// What one image costs.
    pub count: Count,
    /// Device of the runs.
    pub device: String,
    /// What else is known of the runs, by the name of its column: shares of right answers in percent, or other numbers.
    pub more: BTreeMap<String, Vec<f64>>,
}

/// The table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// In the order in which the runs were given.
    pub rows: Vec<Row>,
    keys: Vec<[String; 3]>,
}

/// Columns before those that not every table has, and behind them.
const FIRST: [&str; 4] = ["recipe", "seeds", "accuracy %", "std"];
const LAST: [&str; 8] = ["epochs", "steps", "time s", "memory MiB", "model kbit", "OPs M", "fewer OPs", "device"];

impl Row {
    fn known(&self) -> Vec<f64> {
        self.accuracies.iter().filter_map(|(_, a)| *a).collect()
    }

    /// Mean accuracy.
    pub fn mean(&self) -> Option<f64> {
        let known = self.known();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }

    /// Standard deviation of the accuracy over runs, divided by their number less one; `None` for fewer than two.
    pub fn std(&self) -> Option<f64> {
        let (known, mean) = (self.known(), self.mean()?);
        let squares: f64 = known.iter().map(|a| (a - mean).powi(2)).sum();
        (known.len() > 1).then(|| (squares / (known.len() - 1) as f64).sqrt())
    }

    /// What a table shows, in the order of its columns.
    fn cells(&self, more: &[String]) -> Vec<String> {
        let percent = |x: Option<f64>| x.map_or("-".to_string(), |x| format!("{:.2}", 100.0 * x));
        let first = [self.name.clone(), self.accuracies.len().to_string(), percent(self.mean()), percent(self.std())];
        let last = [
            self.epochs.to_string(),
            self.steps.to_string(),
            format!("{:.0}", self.seconds),
            format!("{:.1}", self.planned_bytes as f64 / (1 << 20) as f64),
            format!("{:.1}", self.count.bits() as f64 / 1e3),
            format!("{:.3}", self.count.operations(0) / 1e6),
            format!("{:.1}x", self.count.speed_ratio(0)),
            self.device.clone(),
        ];
        let of = |name: &String| self.more.get(name).map_or("-".to_string(), |v| with_spread(v));
        first.into_iter().chain(more.iter().map(of)).chain(last).collect()
    }
}

impl Comparison {
    /// Adds a finished run, with what else is known of it.
    ///
    /// # Errors
    /// If its recipe cannot be written as TOML, or a run with the same seed is there already.
    pub fn add(&mut self, recipe: &Recipe, s: &Summary, more: &BTreeMap<String, f64>) -> Result<()> {
        let hash = Recipe { seed: 0, ..recipe.clone() }.hash()?;
        let key = [hash.to_string(), s.data.clone(), origins(recipe)];
        let one = (s.seed, s.test_accuracy);
        if let Some(row) = self.keys.iter().position(|k| *k == key).map(|i| &mut self.rows[i]) {
            if row.accuracies.iter().any(|(seed, _)| *seed == s.seed) {
                return Err(Error::Config(format!(
                    "two runs of {} have seed {}: a run counts once; train another with --seed",
                    s.recipe, s.seed
                )));
            }
            let n = row.accuracies.len() as f64;
            row.seconds = (row.seconds * n + s.seconds) / (n + 1.0);
            row.accuracies.push(one);
            more.iter().for_each(|(name, v)| row.more.entry(name.clone()).or_default().push(*v));
            return Ok(());
        }
        self.keys.push(key);
        self.rows.push(Row {
            name: s.recipe.clone(),
            accuracies: vec![one],
            steps: s.steps,
            epochs: s.epochs,
            seconds: s.seconds,
            planned_bytes: s.planned_bytes,
            count: s.count,
            device: s.device.clone(),
            more: more.iter().map(|(name, v)| (name.clone(), vec![*v])).collect(),
        });
        Ok(())
    }

    fn lines(&self) -> Vec<Vec<String>> {
        let names: BTreeSet<&String> = self.rows.iter().flat_map(|r| r.more.keys()).collect();
        let more: Vec<String> = names.into_iter().cloned().collect();
        let first = FIRST.map(String::from).into_iter();
        let header = first.chain(more.iter().cloned()).chain(LAST.map(String::from)).collect();
        std::iter::once(header).chain(self.rows.iter().map(|r| r.cells(&more))).collect()
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let lines = self.lines();
        let width = |c: usize| lines.iter().map(|l| l[c].chars().count()).max().unwrap_or(0);
        let columns = lines[0].len();
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = String::new();
        for line in &lines {
            let cells = line.iter().zip(&widths).enumerate().map(|(i, (cell, &w))| match i {
                0 => format!("{cell:w$}"),
                _ if i + 1 == columns => cell.clone(),
                _ => format!("{cell:>w$}"),
            });
            writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end()).expect("a string takes all");
        }
        out + &format!("{NOTE}\n")
    }

    /// As a Markdown table.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        for (i, line) in self.lines().iter().enumerate() {
            let cells = line.iter().map(|c| c.replace('|', "\\|")).collect::<Vec<_>>();
            writeln!(out, "| {} |", cells.join(" | ")).expect("a string takes all");
            if i == 0 {
                let last = line.len() - 1;
                let rules = (0..line.len()).map(|c| if c == 0 || c == last { "---" } else { "---:" });
                writeln!(out, "| {} |", rules.collect::<Vec<_>>().join(" | ")).expect("a string takes all");
            }
        }
        out + &format!("\n{NOTE}\n")
    }

    /// As comma-separated values, with the accuracy of each seed.
    ///
    /// # Errors
    /// If the text cannot be made, which would be a fault of this program.
    pub fn csv(&self) -> Result<String> {
        let fail = |e: &dyn std::fmt::Display| Error::Config(format!("the table cannot be written as CSV: {e}"));
        let mut w = csv::Writer::from_writer(Vec::new());
        let lines = self.lines();
        w.write_record(lines[0].iter().map(String::as_str).chain(["accuracy by seed"])).map_err(|e| fail(&e))?;
        for (row, cells) in self.rows.iter().zip(&lines[1..]) {
            let one = |(seed, a): &(u64, Option<f64>)| format!("{seed}:{}", a.map_or("-".into(), |a| a.to_string()));
            let seeds = row.accuracies.iter().map(one).collect::<Vec<_>>().join(" ");
            w.write_record(cells.iter().chain([&seeds])).map_err(|e| fail(&e))?;
        }
        let bytes = w.into_inner().map_err(|e| fail(&e))?;
        String::from_utf8(bytes).map_err(|e| fail(&e))
    }
}

/// The runs that a recipe starts from or learns from, without the number that tells runs of a recipe apart: of which seed a
/// teacher was makes no other row.
fn origins(recipe: &Recipe) -> String {
    let teacher = recipe.teacher.as_ref().map_or("", |t| t.run.as_str());
    let name = |run: &str| {
        let name = Path::new(run).file_name().unwrap_or_default().to_string_lossy().into_owned();
        match name.rsplit_once('-') {
            Some((stem, number)) if number.bytes().all(|b| b.is_ascii_digit()) => stem.to_string(),
            _ => name,
        }
    };
    format!("{} {}", name(teacher), name(&recipe.start_from))
}

/// Mean, and where there are several numbers their standard deviation.
fn with_spread(values: &[f64]) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    match values.len() {
        1 => format!("{mean:.2}"),
        _ => {
            let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
            format!("{mean:.2} ± {:.2}", (squares / (n - 1.0)).sqrt())
        }
    }
}

/// What the columns mean.
const NOTE: &str = "Accuracy after the last epoch, by nearest neighbours where training has no labels; std over seeds (n - 1); \
                    target MI in nats. Steps include those of second passes. Model: 1 bit a \
                    binary weight, 32 a real parameter. OPs: real multiply-accumulates + binary ones / 64, a count and no \
                    measured time; fewer OPs: against all of them real.";

#[cfg(test)]
mod tests {
    use super::*;

    fn run(recipe: &Recipe, seed: u64, accuracy: f64) -> (Recipe, Summary) {
        let summary = Summary {
            recipe: "a".into(),
            data: "d".into(),
            device: "cpu".into(),
            seed,
            epochs: 2,
            steps: 10,
            test_accuracy: Some(accuracy),
            test_top5: None,
            test_loss: None,
            best_accuracy: None,
            best_epoch: None,
            images_per_second: 1.0,
            seconds: 10.0 * seed as f64,
            planned_bytes: 1 << 20,
            kept_bytes: 0,
            parameters: 1,
            binary_parameters: 1,
            count: Count { binary_macs: 640, real_macs: 10, binary_weights: 1000, ..Count::default() },
            version: "0".into(),
        };
        (Recipe { seed, ..recipe.clone() }, summary)
    }

    #[test]
    fn seeds_are_one_row_and_other_settings_another() {
        let recipe = Recipe::find("fashion-binary").expect("built in").1;
        let other = recipe.with(&["epochs=7".into()]).expect("a known setting");
        let mut c = Comparison::default();
        for (r, s) in [run(&recipe, 1, 0.8), run(&recipe, 2, 0.82), run(&other, 1, 0.5), run(&recipe, 3, 0.84)] {
            c.add(&r, &s, &BTreeMap::new()).expect("seeds differ");
        }
        assert_eq!(c.rows.len(), 2);
        let row = &c.rows[0];
        assert!((row.mean().unwrap() - 0.82).abs() < 1e-12 && (row.std().unwrap() - 0.02).abs() < 1e-12);
        assert_eq!((row.seconds, c.rows[1].std()), (20.0, None));
        let (text, markdown, csv) = (c.text(), c.markdown(), c.csv().unwrap());
        assert!(text.contains("82.00") && text.contains("32.5x"), "{text}");
        assert!(
            markdown.contains("| a | 3 | 82.00 | 2.00 | 2 | 10 | 20 | 1.0 | 1.0 | 0.000 | 32.5x | cpu |"),
            "{markdown}"
        );
        assert!(csv.lines().count() == 3 && csv.contains("1:0.8 2:0.82 3:0.84"), "{csv}");
        let (again, summary) = run(&recipe, 2, 0.9);
        assert!(c.add(&again, &summary, &BTreeMap::new()).unwrap_err().to_string().contains("seed 2"));
    }
}
