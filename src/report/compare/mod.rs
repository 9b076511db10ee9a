//! Runs side by side: those that differ only by their seed are one row.

mod format;
mod run;
mod settings;
mod stats;
mod table;
mod trained;

pub use format::Format;
pub(super) use run::check;
pub use run::{Compared, Score, Seconds, images_of, unfinished};
pub use settings::{Settings, settings_of_text};
pub(super) use settings::{settings_of_run, telling};
pub use stats::{CONFIDENCE, Spread};
pub use trained::{Set, Trained};
pub(super) use trained::{letters, told};

use crate::error::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Runs of one recipe with the same settings and images, one a seed.
pub struct Row {
    /// In the order in which they were given; at least one.
    pub runs: Vec<Compared>,
}

impl Row {
    /// What all of them have in common is known of the first.
    fn first(&self) -> &Compared {
        &self.runs[0]
    }

    /// Accuracies by seed, of the runs that have one.
    fn accuracies(&self) -> BTreeMap<u64, f64> {
        self.runs.iter().filter_map(|r| Some((r.seed, r.score.accuracy?))).collect()
    }

    /// Mean and deviation of a number that runs have.
    fn spread(&self, of: impl Fn(&Compared) -> Option<f64>) -> Option<Spread> {
        Spread::of(&self.runs.iter().filter_map(of).collect::<Vec<_>>())
    }

    /// Differences of the accuracies from another row's, seed by seed.
    fn differences(&self, from: &Row) -> Vec<f64> {
        let base = from.accuracies();
        self.accuracies().into_iter().filter_map(|(seed, a)| Some(a - base.get(&seed)?)).collect()
    }
}

/// Reads a run, of whatever kind it is.
pub type Open = fn(&Path) -> Result<Compared>;

/// The runs, and what was left out.
pub struct Comparison {
    open: Open,
    rows: Vec<Row>,
    left_out: Vec<(PathBuf, String)>,
}

impl Comparison {
    /// Reads runs. What cannot be read, is not finished or is there twice is left out, with the reason.
    pub fn of(paths: &[PathBuf], open: Open) -> Comparison {
        let mut comparison = Comparison { open, rows: Vec::new(), left_out: Vec::new() };
        for path in paths {
            let added = open(path).and_then(|run| comparison.add(run));
            if let Err(e) = added {
                // The path stands before it anyway.
                let text = e.to_string();
                let why = text.strip_prefix(&format!("{}: ", path.display())).map_or(text.clone(), String::from);
                comparison.left_out.push((path.clone(), why));
            }
        }
        comparison
    }

    /// Adds a finished run.
    ///
    /// # Errors
    /// If one with the same settings, images and seed is there already.
    fn add(&mut self, run: Compared) -> Result<()> {
        let Some(row) = self.rows.iter_mut().find(|row| row.first().is_of_one_row_with(&run)) else {
            self.rows.push(Row { runs: vec![run] });
            return Ok(());
        };
        if let Some(there) = row.runs.iter().find(|r| r.seed == run.seed) {
            return Err(Error::Config(format!(
                "it has the settings, images and seed ({}) of {}, and a seed counts once",
                run.seed,
                there.path.display()
            )));
        }
        row.runs.push(run);
        Ok(())
    }

    /// Whether there is nothing to compare.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What was left out, and why.
    pub fn left_out(&self) -> &[(PathBuf, String)] {
        &self.left_out
    }

    /// Number of the row that a run is in, which is added if it is in none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn row_of(&mut self, path: &Path) -> Result<usize> {
        let run = (self.open)(path)?;
        if let Some(i) = self.rows.iter().position(|row| row.first().is_of_one_row_with(&run)) {
            return Ok(i);
        }
        self.rows.push(Row { runs: vec![run] });
        Ok(self.rows.len() - 1)
    }

    /// The table in that form, with differences from a row if one is named.
    ///
    /// # Errors
    /// If the text cannot be made, which would be a fault of this program.
    pub fn write(&self, format: Format, against: Option<usize>) -> Result<String> {
        match format {
            Format::Json => {
                let text = serde_json::to_string_pretty(&self.json(against))
                    .map_err(|e| Error::Config(format!("the table cannot be written as JSON: {e}")))?;
                Ok(text + "\n")
            }
            other => table::table(&self.rows, against).write(other),
        }
    }

    /// The table for a terminal.
    ///
    /// # Errors
    /// Likewise.
    pub fn text(&self, against: Option<usize>) -> Result<String> {
        self.write(Format::Text, against)
    }

    /// All that is known, for programs.
    pub fn json(&self, against: Option<usize>) -> Value {
        table::json(&self.rows, &self.left_out, against)
    }
}

#[cfg(test)]
mod tests {
    use super::run::{Score, Seconds};
    use super::trained::Set;
    use super::*;
    use crate::recipe::Recipe;
    use crate::train::ships::Ships;

    fn run(recipe: &str, changes: &[&str], seed: u64, accuracy: f64) -> Compared {
        let changes: Vec<String> = changes.iter().map(|c| c.to_string()).collect();
        let recipe_of = Recipe::find(recipe).unwrap().1.with(&changes).unwrap();
        Compared {
            path: format!("runs/{recipe}-{seed}").into(),
            recipe: recipe.into(),
            settings: settings::settings(&recipe_of).unwrap(),
            seed,
            data: "d".into(),
            trained: trained("t", 200),
            score: Score {
                of: "test accuracy",
                part: "test",
                images: Some(100),
                accuracy: Some(accuracy),
                set: "s".into(),
            },
            best_val: None,
            val_images: 0,
            steps: Some(10),
            seconds: Seconds::Whole(10.0 * seed as f64),
            planned_bytes: 1 << 20,
            ships: Some(Ships { bytes: 200, binary_weights: 1000, numbers: 10, binary_macs: 640, real_macs: 10 }),
            device: "cpu".into(),
            more: BTreeMap::new(),
        }
    }

    fn trained(id: &str, images: usize) -> Trained {
        let set = |id: &str, images| Set { id: Some(id.into()), images: Some(images) };
        Trained { train: set(id, images), val: set("none", 0), lengthened: String::new() }
    }

    fn comparison(runs: Vec<Compared>) -> Comparison {
        let mut c = Comparison::of(&[], Compared::open);
        runs.into_iter().for_each(|r| c.add(r).unwrap());
        c
    }

    #[test]
    fn seeds_are_one_row_and_other_settings_another() {
        let c = comparison(vec![
            run("small-sign", &[], 1, 0.8),
            run("small-sign", &[], 2, 0.82),
            run("small-sign", &["lr=0.01"], 1, 0.5),
            run("small-sign", &[], 3, 0.84),
        ]);
        let text = c.text(None).unwrap();
        let lines: Vec<Vec<&str>> =
            text.lines().take(3).map(|l| l.split("  ").map(str::trim).filter(|c| !c.is_empty()).collect()).collect();
        assert_eq!(
            lines[0],
            [
                "recipe",
                "lr",
                "seeds",
                "test accuracy %",
                "images",
                "steps",
                "time s",
                "memory MiB",
                "model kbit",
                "OPs M",
                "fewer OPs"
            ]
        );
        assert_eq!(
            lines[1],
            ["small-sign", "0.003", "3", "82.00 ± 2.00", "100", "10", "20", "1.0", "1.3", "0.000", "32.5x"]
        );
        assert_eq!(lines[2][..4], ["small-sign", "0.01", "1", "50.00"]);
        let mut c = c;
        let twice = c.add(run("small-sign", &[], 2, 0.9)).unwrap_err().to_string();
        assert!(twice.contains("runs/small-sign-2"), "{twice}");
    }

    #[test]
    fn differences_are_paired_by_seed() {
        let base = [0.70, 0.80, 0.75];
        let better = [0.72, 0.83, 0.76];
        let mut runs: Vec<Compared> = (0..3).map(|s| run("small-sign", &[], s, base[s as usize])).collect();
        runs.extend((0..3).rev().map(|s| run("small-xnor", &[], s, better[s as usize])));
        runs.push(run("small-bireal", &[], 9, 0.5));
        let c = comparison(runs);
        let json = c.json(Some(0));
        // Differences 2, 3 and 1 points: mean 2, deviation 1, t(0.975, 2) = 4.3027.
        let d = &json["rows"][1]["difference"];
        let close = |v: &Value, to: f64| (v.as_f64().unwrap() - to).abs() < 1e-4;
        let half = 4.302_652_7 / 3f64.sqrt();
        assert!(close(&d["mean"], 2.0) && close(&d["low"], 2.0 - half) && close(&d["high"], 2.0 + half), "{d}");
        assert_eq!((&d["pairs"], &json["rows"][2]["difference"]), (&3.into(), &Value::Null));
        let text = c.text(Some(0)).unwrap();
        assert!(text.contains("+2.00 (-0.48 to 4.48), 3 pairs") && text.contains("Student's t"), "{text}");
        assert!(text.contains("row 3 (small-bireal) has no seed in common with row 1 (small-sign)"), "{text}");
        let latex = c.write(Format::Latex, Some(0)).unwrap();
        assert!(latex.contains("$+2.00 (-0.48$ to $4.48)$, 3 pairs"), "{latex}");
    }

    #[test]
    fn other_training_images_and_other_lengths_are_other_rows() {
        let of = |seed, trained: Trained| Compared { trained, ..run("small-sign", &[], seed, 0.8) };
        let longer = Trained { lengthened: "from 6 epochs at step 36".into(), ..trained("t", 200) };
        let unknown = Set { id: None, images: None };
        let old = Trained { train: unknown.clone(), val: unknown, lengthened: String::new() };
        let c = comparison(vec![
            of(0, trained("t", 200)),
            of(1, trained("t", 200)),
            // Of the same seed, and no duplicates.
            of(0, trained("u", 199)),
            of(0, longer),
            of(0, old),
        ]);
        assert_eq!(c.rows.iter().map(|r| r.runs.len()).collect::<Vec<_>>(), [2, 1, 1, 1]);
        let text = c.text(Some(0)).unwrap();
        for part in
            ["training images", "A (200 images)", "B (199 images)", "lengthened", "from 6 epochs at step 36", "?"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains("row 4 (small-sign) keeps no list"), "{text}");
    }

    #[test]
    fn times_that_are_not_known_are_not_made_up() {
        let mut some = run("small-sign", &[], 1, 0.8);
        some.seconds = Seconds::Unknown;
        let mut old = run("small-xnor", &[], 1, 0.8);
        old.seconds = Seconds::SinceResumed(7.0);
        let c = comparison(vec![some, old]);
        let text = c.text(None).unwrap();
        assert!(text.contains("last resumed") && text.contains("began"), "{text}");
        assert_eq!(c.json(None)["rows"][0]["seconds"], Value::Null);
    }

    #[test]
    fn other_test_images_are_told_and_no_difference_is_taken() {
        let mut other = run("small-sign", &["data.train_images=50"], 1, 0.9);
        other.score.set = "t".into();
        let c = comparison(vec![run("small-sign", &[], 1, 0.8), other]);
        let text = c.text(Some(0)).unwrap();
        assert!(text.contains("test set") && text.contains("not the same images"), "{text}");
        assert_eq!(c.json(Some(0))["rows"][1]["difference"], Value::Null);
        // The same settings on other images are another row.
        let mut other = run("small-sign", &[], 2, 0.9);
        other.score.set = "t".into();
        assert_eq!(comparison(vec![run("small-sign", &[], 1, 0.8), other]).rows.len(), 2);
    }

    #[test]
    fn every_form_holds_the_numbers() {
        let odd = Compared { recipe: "small_x%".into(), ..run("small-xnor", &[], 1, 0.5) };
        let c = comparison(vec![run("small-sign", &[], 1, 0.8), run("small-sign", &[], 2, 0.82), odd]);
        let of = |format| c.write(format, Some(0)).unwrap();
        assert!(of(Format::Markdown).contains("| small-sign | 2 | 81.00 ± 1.41 | 100 |"), "{}", of(Format::Markdown));
        let latex = of(Format::Latex);
        assert!(
            latex.contains("small\\_x\\%") && latex.contains("$81.00 \\pm 1.41$") && latex.contains("\\toprule"),
            "{latex}"
        );
        let csv = of(Format::Csv);
        let mut read = csv::Reader::from_reader(csv.as_bytes());
        let header = read.headers().unwrap().clone();
        let rows: Vec<_> = read.records().map(Result::unwrap).collect();
        let cell = |row: usize, name: &str| rows[row][header.iter().position(|h| h == name).unwrap()].to_string();
        assert_eq!(
            (cell(0, "test accuracy %"), cell(0, "test accuracy % std")),
            ("81".into(), cell(0, "test accuracy % std"))
        );
        assert_eq!(cell(0, "accuracy by seed"), "1:0.8 2:0.82");
        assert_eq!(cell(1, "test accuracy % std"), "");
    }
}
