//! Runs side by side: those that differ only by their seed are one row.

use crate::error::{Error, Result};
use crate::nn::Count;
use crate::train::recipe::Recipe;
use crate::train::run::Summary;
use std::fmt::Write;

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
}

/// The table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// In the order in which the runs were given.
    pub rows: Vec<Row>,
    keys: Vec<(u64, String)>,
}

const HEADER: [&str; 12] = [
    "recipe",
    "seeds",
    "accuracy %",
    "std",
    "epochs",
    "steps",
    "time s",
    "memory MiB",
    "model kbit",
    "OPs M",
    "fewer OPs",
    "device",
];

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
    fn cells(&self) -> [String; 12] {
        let percent = |x: Option<f64>| x.map_or("-".to_string(), |x| format!("{:.2}", 100.0 * x));
        [
            self.name.clone(),
            self.accuracies.len().to_string(),
            percent(self.mean()),
            percent(self.std()),
            self.epochs.to_string(),
            self.steps.to_string(),
            format!("{:.0}", self.seconds),
            format!("{:.1}", self.planned_bytes as f64 / (1 << 20) as f64),
            format!("{:.1}", self.count.bits() as f64 / 1e3),
            format!("{:.3}", self.count.operations(0) / 1e6),
            format!("{:.1}x", self.count.speed_ratio(0)),
            self.device.clone(),
        ]
    }
}

impl Comparison {
    /// Adds a finished run.
    ///
    /// # Errors
    /// If its recipe cannot be written as TOML, or a run with the same seed is there already.
    pub fn add(&mut self, recipe: &Recipe, s: &Summary) -> Result<()> {
        let key = (Recipe { seed: 0, ..recipe.clone() }.hash()?, s.data.clone());
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
        });
        Ok(())
    }

    fn lines(&self) -> Vec<[String; 12]> {
        std::iter::once(HEADER.map(String::from)).chain(self.rows.iter().map(Row::cells)).collect()
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let lines = self.lines();
        let width = |c: usize| lines.iter().map(|l| l[c].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..HEADER.len()).map(width).collect();
        let mut out = String::new();
        for line in &lines {
            let cells = line.iter().zip(&widths).enumerate().map(|(i, (cell, &w))| match i {
                0 => format!("{cell:w$}"),
                11 => cell.clone(),
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
                let rules = (0..HEADER.len()).map(|c| if c == 0 || c == 11 { "---" } else { "---:" });
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
        let header = HEADER.iter().copied().chain(["accuracy by seed"]);
        w.write_record(header).map_err(|e| fail(&e))?;
        for row in &self.rows {
            let one = |(seed, a): &(u64, Option<f64>)| format!("{seed}:{}", a.map_or("-".into(), |a| a.to_string()));
            let seeds = row.accuracies.iter().map(one).collect::<Vec<_>>().join(" ");
            w.write_record(row.cells().into_iter().chain([seeds])).map_err(|e| fail(&e))?;
        }
        let bytes = w.into_inner().map_err(|e| fail(&e))?;
        String::from_utf8(bytes).map_err(|e| fail(&e))
    }
}

/// What the columns mean.
const NOTE: &str = "Accuracy after the last epoch; std over seeds (n - 1). Steps include those of second passes. Model: 1 bit a \
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
            c.add(&r, &s).expect("seeds differ");
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
        assert!(c.add(&again, &summary).unwrap_err().to_string().contains("seed 2"));
    }
}
