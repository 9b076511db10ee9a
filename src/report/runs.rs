//! Runs as their curves are drawn: what each logged, and which of them are one line.

use super::compare::{Settings, Trained, check, letters, settings_of_run, telling, told};
use crate::error::Result;
use crate::train::right::Right;
use crate::train::run::{Metric, MetricsFile, RunDir};
use std::path::{Path, PathBuf};

/// A run, finished or not.
pub struct Drawn {
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
    /// What its share of right answers is of.
    pub right: Right,
    /// What it logged.
    pub metrics: Vec<Metric>,
}

impl Drawn {
    /// Reads a run.
    ///
    /// # Errors
    /// If it is none, or its metrics cannot be read.
    pub fn open(path: &Path) -> Result<Drawn> {
        let (run, recipe, info) = RunDir::open(path)?;
        let data = match run.summary()? {
            Some(summary) => {
                check(&run, &recipe, &summary)?;
                summary.data
            }
            None => recipe.data.path.clone(),
        };
        Ok(Drawn {
            path: path.to_path_buf(),
            trained: Trained::of(&run, &recipe, &info)?,
            settings: settings_of_run(&recipe, &info)?,
            recipe: info.recipe,
            seed: recipe.seed,
            data,
            right: Right::of(&recipe),
            metrics: MetricsFile::read(&run)?,
        })
    }
}

impl Drawn {
    /// Whether it differs from another run by nothing but its seed.
    pub fn is_of_one_group_with(&self, other: &Drawn) -> bool {
        (&self.recipe, &self.settings, &self.data, &self.trained)
            == (&other.recipe, &other.settings, &other.data, &other.trained)
    }
}

/// Runs that differ by nothing but their seed.
pub struct Group<'a> {
    /// What they are called: the recipe, and what tells it from others.
    pub name: String,
    /// The runs.
    pub runs: Vec<&'a Drawn>,
}

/// Runs by what tells them apart, in the order in which they were given.
pub fn groups(runs: &[Drawn]) -> Vec<Group<'_>> {
    let mut groups: Vec<Vec<&Drawn>> = Vec::new();
    for run in runs {
        match groups.iter_mut().find(|g| g[0].is_of_one_group_with(run)) {
            Some(group) => group.push(run),
            None => groups.push(vec![run]),
        }
    }
    let keys = telling(&groups.iter().map(|g| (g[0].recipe.as_str(), &g[0].settings)).collect::<Vec<_>>());
    let one_set = groups.iter().all(|g| g[0].data == groups[0][0].data);
    let one_train = groups.iter().all(|g| g[0].trained.train == groups[0][0].trained.train);
    let one_val = groups.iter().all(|g| g[0].trained.val == groups[0][0].trained.val);
    let sets = letters(groups.iter().map(|g| g[0].trained.train.id.as_deref()));
    let val_sets = letters(groups.iter().map(|g| g[0].trained.val.id.as_deref()));
    let named = groups.into_iter().map(|runs| {
        let first = runs[0];
        let values = keys.iter().filter_map(|k| Some(format!("{k} = {}", first.settings.get(k)?)));
        let data = (!one_set).then(|| first.data.clone());
        let train = (!one_train).then(|| format!("training images {}", told(&first.trained.train, &sets)));
        let val = (!one_val).then(|| format!("validation images {}", told(&first.trained.val, &val_sets)));
        let longer = Some(&first.trained.lengthened).filter(|l| !l.is_empty()).map(|l| format!("lengthened {l}"));
        let more = [data, train, val, longer].into_iter().flatten();
        let name = std::iter::once(first.recipe.clone()).chain(values).chain(more).collect::<Vec<_>>().join(", ");
        Group { name, runs }
    });
    named.collect()
}

/// What a picture of these runs is called: recipe, images, seeds.
pub fn title(groups: &[Group<'_>]) -> String {
    let Some(first) = groups.first() else { return String::new() };
    let what = match groups {
        [one] => one.runs[0].recipe.clone(),
        _ => {
            let mut names: Vec<&str> = groups.iter().map(|g| g.runs[0].recipe.as_str()).collect();
            // Each once, in the order in which they come.
            let mut seen = std::collections::BTreeSet::new();
            names.retain(|name| seen.insert(*name));
            match names.len() {
                1..=4 => names.join(", "),
                n => format!("{n} recipes"),
            }
        }
    };
    let one_set = groups.iter().all(|g| g.runs[0].data == first.runs[0].data);
    let on = if one_set { format!(" on {}", first.runs[0].data) } else { String::new() };
    let seeds = groups.iter().map(|g| g.runs.len()).max().unwrap_or(1);
    let least = groups.iter().map(|g| g.runs.len()).min().unwrap_or(1);
    let seeds = match (groups, seeds) {
        ([one], 1) => format!(", seed {}", one.runs[0].seed),
        (_, 1) => String::new(),
        ([_], n) => format!(", {n} seeds"),
        (_, n) if n == least => format!(", {n} seeds each"),
        (_, n) => format!(", up to {n} seeds each"),
    };
    format!("{what}{on}{seeds}")
}
