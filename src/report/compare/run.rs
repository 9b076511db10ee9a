//! A run as it is compared.

use super::settings::{Settings, settings_of_run};
use super::trained::Trained;
use crate::error::{Error, Result};
use crate::hash::fnv1a;
use crate::recipe::{DataSpec, Recipe};
use crate::train::right::Right;
use crate::train::run::{Metric, MetricsFile, RunDir, Summary};
use crate::train::ships::Ships;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The accuracy of a run, and of what.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// What it is called.
    pub of: &'static str,
    /// The part.
    pub part: &'static str,
    /// Its images, where a run says how many.
    pub images: Option<usize>,
    /// The share of right answers; none without such images.
    pub accuracy: Option<f64>,
    /// Which images it is of: equal if they are the same.
    pub set: String,
}

/// A finished run.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// Its directory.
    pub path: PathBuf,
    /// Name of its recipe.
    pub recipe: String,
    /// What it was trained with.
    pub settings: Settings,
    /// Its seed.
    pub seed: u64,
    /// What its images are.
    pub data: String,
    /// Which of them it was trained on, and how long.
    pub trained: Trained,
    /// How good it is.
    pub score: Score,
    /// The best accuracy on validation images after any epoch.
    pub best_val: Option<f64>,
    /// Steps done; none of what is not trained in steps.
    pub steps: Option<u64>,
    /// Images that this is of; 0 if a run does not tell.
    pub val_images: usize,
    /// Seconds that it took, if they are known.
    pub seconds: Seconds,
    /// Bytes that it planned.
    pub planned_bytes: usize,
    /// What ships of it; none of runs of earlier versions.
    pub ships: Option<Ships>,
    /// Its device.
    pub device: String,
    /// What else is known, by the name of its column: shares of right answers in percent, or other numbers.
    pub more: BTreeMap<String, f64>,
}

/// How long a run took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seconds {
    /// All of it.
    Whole(f64),
    /// From when it was last resumed on, if it was: an earlier version trained it.
    SinceResumed(f64),
    /// That is not known: an earlier version began it.
    Unknown,
}

impl Seconds {
    /// As far as they are known.
    pub fn known(self) -> Option<f64> {
        match self {
            Seconds::Whole(s) | Seconds::SinceResumed(s) => Some(s),
            Seconds::Unknown => None,
        }
    }
}

impl Compared {
    /// Reads a run of a network.
    ///
    /// # Errors
    /// If it cannot be read, or is not finished.
    pub fn open(path: &Path) -> Result<Compared> {
        let (run, recipe, info) = RunDir::open(path)?;
        let summary = run.summary()?.ok_or_else(|| match run.has_begun() {
            true => unfinished(path),
            false => {
                let shown = path.display();
                Error::data(
                    path,
                    format!("nothing was trained there, so that it has no result to compare: onebit eval {shown}"),
                )
            }
        })?;
        check(&run, &recipe, &summary)?;
        Ok(Compared {
            path: path.to_path_buf(),
            recipe: info.recipe.clone(),
            settings: settings_of_run(&recipe, &info)?,
            seed: summary.seed,
            trained: Trained::of(&run, &recipe, &info)?,
            score: score(&run, &recipe, &summary)?,
            best_val: summary.best_val_accuracy,
            steps: Some(summary.steps),
            val_images: summary.val_images,
            seconds: match summary.seconds_since {
                Some(0) => Seconds::Whole(summary.seconds),
                Some(_) => Seconds::Unknown,
                None => Seconds::SinceResumed(summary.seconds),
            },
            planned_bytes: summary.planned_bytes,
            ships: summary.ships,
            more: more(&run, &summary)?,
            data: summary.data,
            device: summary.device,
        })
    }

    /// Whether it differs from another run by nothing but its seed.
    pub fn is_of_one_row_with(&self, other: &Compared) -> bool {
        self.recipe == other.recipe
            && self.settings == other.settings
            && (&self.data, &self.score.set, self.score.part) == (&other.data, &other.score.set, other.score.part)
            && self.trained == other.trained
    }
}

/// Of a run that has no result yet.
pub fn unfinished(path: &Path) -> Error {
    Error::data(path, format!("it is not finished; go on with  onebit train --resume --out {}", path.display()))
}

/// Checks that a result is one, and of the recipe that stands beside it: both may have been edited.
pub(in crate::report) fn check(run: &RunDir, recipe: &Recipe, s: &Summary) -> Result<()> {
    s.check_recipe(run, recipe)?;
    let shares = [
        ("val_accuracy", s.val_accuracy),
        ("best_val_accuracy", s.best_val_accuracy),
        ("test_accuracy", s.test_accuracy),
        ("test_top5", s.test_top5),
    ];
    match shares.into_iter().find(|(_, share)| share.is_some_and(|x| !(0.0..=1.0).contains(&x))) {
        Some((key, Some(share))) => Err(Error::data(
            run.path().join("summary.json"),
            format!("{key} = {share} is no share of right answers, which are 0 to 1"),
        )),
        _ => Ok(()),
    }
}

fn score(run: &RunDir, recipe: &Recipe, s: &Summary) -> Result<Score> {
    let by = Right::of(recipe);
    // A run that has no test part, or leaves it alone, is told apart by its validation images.
    let (part, images, accuracy) = match (s.test_accuracy, s.best_val_accuracy) {
        (None, Some(best)) => ("val", s.val_images, Some(best)),
        (test, _) => ("test", s.test_images, test),
    };
    let of = match (by, part) {
        (Right::Classes, "val") => "val accuracy, best",
        (Right::Classes, _) => "test accuracy",
        (Right::Neighbours, "val") => "nearest neighbours, val, best",
        (Right::Neighbours, _) => "nearest neighbours, test",
        (Right::Model, "val") => "agreement with the model, val, best",
        (Right::Model, _) => "agreement with the model, test",
    };
    let images = (images > 0).then_some(images);
    Ok(Score { of, part, images, accuracy, set: images_of(run, &recipe.data, Some(part))? })
}

/// A number that differs if the images of a part, or of all, do: by the list that the run keeps, and what of it the recipe takes.
///
/// # Errors
/// If the list does not read.
pub fn images_of(run: &RunDir, d: &DataSpec, part: Option<&str>) -> Result<String> {
    let mut text = format!("{:?} {:?} {}", d.test_images, d.classes, d.coarse_labels);
    if d.hold_out > 0.0 {
        text += &format!(" {} {}", d.hold_out, d.split_seed);
    }
    let list = run.images();
    if list.is_file() {
        let fail = |e: csv::Error| Error::data(&list, format!("the list of images does not read: {e}"));
        for row in csv::Reader::from_path(&list).map_err(fail)?.records() {
            let row = row.map_err(fail)?;
            if part.is_none_or(|part| row.get(2) == Some(part)) || d.hold_out > 0.0 {
                text += &row.iter().collect::<Vec<_>>().join("\0");
                text.push('\n');
            }
        }
    } else {
        text += &d.path;
    }
    Ok(format!("{:016x}", fnv1a(text.bytes())))
}

/// What protocols found, in percent, and the mutual information of a target after the last epoch.
fn more(run: &RunDir, summary: &Summary) -> Result<BTreeMap<String, f64>> {
    let evaluated = run
        .protocol_results()?
        .into_iter()
        .map(|j| (format!("{}, % of {} images", j.column(&summary.data), j.test_images), 100.0 * j.accuracy));
    let mut more: BTreeMap<String, f64> = evaluated.collect();
    let means = MetricsFile::read(run)?.into_iter().rev().find_map(|m| match m {
        Metric::Means { values, .. } => Some(values),
        _ => None,
    });
    let information = means.and_then(|m| m.get("target_information").copied());
    more.extend(information.map(|v| ("target MI, nats".to_string(), v)));
    Ok(more)
}
