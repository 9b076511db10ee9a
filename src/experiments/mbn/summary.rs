//! The result of a fit, and how it stands beside other runs.

use super::{Agreement, not_one};
use crate::error::{Error, Result};
use crate::files::read_text;
use crate::mbn::{FitTo, MbnRecipe, Work};
use crate::report::{Compared, Score, Seconds, Set, Trained, images_of, settings_of_text, unfinished};
use crate::train::run::RunDir;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The result of a fit: `summary.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    pub recipe: String,
    pub data: String,
    pub device: String,
    pub seed: u64,
    /// Points, and numbers of each.
    pub points: [usize; 2],
    pub clusterings: usize,
    pub layers: Vec<Work>,
    /// Seconds of components and clusters.
    pub output_seconds: f64,
    pub seconds: f64,
    pub planned_bytes: usize,
    /// Against the labels of the training images, if it was fitted to them and they have some.
    pub train: Option<Agreement>,
    /// Against the labels of all images, if it was fitted to all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<Agreement>,
    pub version: String,
}

impl Summary {
    /// Of a run of that recipe.
    fn read(path: &Path, recipe: &MbnRecipe) -> Result<Summary> {
        let file = path.join("summary.json");
        if !file.is_file() {
            return Err(unfinished(path));
        }
        let summary: Summary = serde_json::from_str(&read_text(&file)?)
            .map_err(|e| Error::data(&file, format!("this is no summary of a multilayer bootstrap network: {e}")))?;
        let found = [summary.seed, summary.clusterings as u64];
        let asked = [recipe.seed, recipe.mbn.clusterings as u64];
        if found != asked {
            let what = format!(
                "the result is of seed {} and {} clusterings, and config.toml has {} and {}: put that back as it was",
                found[0], found[1], asked[0], asked[1]
            );
            return Err(Error::data(&file, what));
        }
        Ok(summary)
    }
}

/// A finished fit beside other runs: by how many images are in the cluster of their class.
pub(super) fn compared(path: &Path) -> Result<Compared> {
    let (recipe, info) = MbnRecipe::of_run(path)?.ok_or_else(|| not_one(path))?;
    let (run, summary) = (RunDir::at(path), Summary::read(path, &recipe)?);
    let (part, of, agreement, parts) = match recipe.fit_to {
        FitTo::Train => ("train", "clusters, training", summary.train, Some("train")),
        FitTo::All => ("all", "clusters, all", summary.all, None),
    };
    if let Some(share) = agreement.map(|a| a.accuracy).filter(|a| !(0.0..=1.0).contains(a)) {
        let what = format!("accuracy = {share} is no share of images, which are 0 to 1");
        return Err(Error::data(path.join("summary.json"), what));
    }
    let set = images_of(&run, &recipe.data, parts)?;
    let none = Set { id: None, images: Some(0) };
    Ok(Compared {
        path: path.to_path_buf(),
        recipe: info.recipe,
        settings: settings_of_text(&MbnRecipe { run: None, ..recipe.clone() }.to_toml()?)?,
        seed: recipe.seed,
        trained: Trained {
            train: Set { id: Some(set.clone()), images: Some(summary.points[0]) },
            val: none,
            lengthened: String::new(),
        },
        score: Score { of, part, images: agreement.map(|a| a.images), accuracy: agreement.map(|a| a.accuracy), set },
        best_val: None,
        steps: None,
        val_images: 0,
        seconds: Seconds::Whole(summary.seconds),
        planned_bytes: summary.planned_bytes,
        ships: None,
        more: agreement.map(|a| BTreeMap::from([("NMI".to_string(), a.nmi)])).unwrap_or_default(),
        data: summary.data,
        device: summary.device,
    })
}
