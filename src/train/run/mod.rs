//! A run's directory: what was asked for, what happened, and what came out.
//!
//! ```text
//! config.toml     the recipe with every setting, and where it ran: `onebit train config.toml` repeats it
//! data.csv        name, class, part, bytes and CRC-32 of every image; none of the embedded set
//! skipped.csv     images that could not be read and were skipped, each with the reason; only if there are such
//! metrics.jsonl   one line an interval of training, one an epoch and one a validation, one an epoch of what methods and binary
//!                 layers tell, and one of the test at the end
//! metrics.csv     the same as a table, without the layers; events.out.tfevents.*: the same for TensorBoard
//! summary.json    the result
//! time.json       how long it took so far (`super::time`)
//! protocols.json  what `onebit eval --protocol` found
//! checkpoints/    last.safetensors (to go on from) and best.safetensors (of the best validation; without validation images
//!                 of the last whole epoch)
//! .lock           locked by the process that trains the run (`super::lock`)
//! ```

mod checked;
mod metric;
mod metrics_file;
mod summary;

pub use checked::check_recipe;
pub(super) use checked::record;
pub use metric::{At, Metric};
pub use metrics_file::MetricsFile;
pub use summary::Summary;

use super::checkpoint::{Checkpoint, Position};
use super::origin::not_there;
use super::protocol::ProtocolResult;
use crate::data::Manifest;
use crate::error::{Error, Result};

use crate::files::{create_dir, numbered, numbered_folder, read_text, write_atomic};
use crate::foreign::lacks;
use crate::recipe::{Recipe, RunInfo};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A run's directory.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes a new directory. If `wanted` is taken, `wanted-2`, `wanted-3`, ...: nothing is ever overwritten.
    pub fn create(wanted: &Path, recipe: &Recipe, info: RunInfo) -> Result<RunDir> {
        Self::create_with(wanted, &Recipe { run: Some(info), ..recipe.clone() }.to_toml()?)
    }

    /// As [`RunDir::create`], with the text of `config.toml`.
    pub fn create_with(wanted: &Path, config: &str) -> Result<RunDir> {
        let path = numbered_folder(wanted)?;
        let run = RunDir { path };
        let made = create_dir(&run.checkpoints()).and_then(|()| write_atomic(&run.config_path(), config.as_bytes()));
        if made.is_err() {
            // The first error is the one worth telling.
            let _ = std::fs::remove_dir_all(&run.path);
        }
        made.map(|()| run)
    }

    /// Where the images are listed.
    pub fn images(&self) -> PathBuf {
        self.path.join("data.csv")
    }

    /// Writes down what images the run has, and path and reason of those that were skipped.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn list_images(&self, manifest: &Manifest, skipped: &[(String, String)]) -> Result<()> {
        if !manifest.is_empty() {
            write_atomic(&self.images(), &manifest.to_csv()?)?;
        }
        if skipped.is_empty() {
            return Ok(());
        }
        self.list_skipped(skipped)
    }

    /// Writes down path and reason of images that were skipped, when the set was opened and since.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn list_skipped(&self, skipped: &[(String, String)]) -> Result<()> {
        let path = self.path.join("skipped.csv");
        let fail = |e: csv::Error| Error::data(&path, format!("cannot be written as a table: {e}"));
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(["path", "reason"]).map_err(fail)?;
        for (image, reason) in skipped {
            table.write_record([image, reason]).map_err(fail)?;
        }
        let bytes = table.into_inner().map_err(|e| fail(e.into_error().into()))?;
        write_atomic(&path, &bytes)
    }

    /// A folder that is written to as a run's is.
    pub fn at(path: &Path) -> RunDir {
        RunDir { path: path.to_path_buf() }
    }

    /// Opens an existing run and reads its recipe.
    pub fn open(path: &Path) -> Result<(RunDir, Recipe, RunInfo)> {
        let run = RunDir { path: path.to_path_buf() };
        if path.is_file() {
            return Err(Error::data(path, not_there(path).trim_start_matches("which ")));
        }
        if !path.is_dir() {
            return Err(Error::data(path, "there is no such run directory"));
        }
        let config = run.config_path();
        if !config.is_file() {
            let what =
                format!("this is not a run directory: it has no config.toml. Nor has it weights: {}", lacks(path));
            return Err(Error::data(path, what));
        }
        let mut recipe = Recipe::parse(&read_text(&config)?, &config)?;
        let info = recipe.run.take().ok_or_else(|| {
            Error::data(&config, "the table [run] is missing: this is a recipe, not the record of a run")
        })?;
        info.check_normalization(None).map_err(|e| Error::data(&config, e.to_string()))?;
        Ok((run, recipe, info))
    }

    /// The newest of `wanted`, `wanted-2`, ... that exist.
    pub fn newest(wanted: &Path) -> Option<PathBuf> {
        let mut newest = None;
        let candidates = std::iter::once(wanted.to_path_buf()).chain((2..).map(|n| numbered(wanted, n)));
        for path in candidates.take_while(|p| p.is_dir()) {
            newest = Some(path);
        }
        newest
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The record of what was asked for.
    pub fn config_path(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// The checkpoint to go on from.
    pub fn last(&self) -> PathBuf {
        self.checkpoints().join("last.safetensors")
    }

    /// The checkpoint of the best validation.
    pub fn best(&self) -> PathBuf {
        self.checkpoints().join("best.safetensors")
    }

    /// The checkpoint that stands for the run: the best one where validation images chose it, else the last one.
    ///
    /// # Errors
    /// If one was chosen, and is not there any more: another one has other weights.
    pub fn chosen(&self, info: &RunInfo) -> Result<PathBuf> {
        if info.val_images.is_none_or(|n| n == 0) || !self.last().is_file() {
            // Whoever reads it says best that it is missing.
            return Ok(if self.best().is_file() && info.val_images.is_some_and(|n| n > 0) {
                self.best()
            } else {
                self.last()
            });
        }
        if self.best().is_file() {
            return Ok(self.best());
        }
        self.check_best(&Checkpoint::load(&self.last())?.position)?;
        Ok(self.last())
    }

    /// Checks that the checkpoint is there which validation has chosen, if it has.
    ///
    /// # Errors
    /// If it is missing.
    pub fn check_best(&self, last: &Position) -> Result<()> {
        let Some(best) = last.best_val.filter(|_| !self.best().is_file()) else { return Ok(()) };
        // What was made of a run's weights keeps their position, and no history.
        if !self.path.join("metrics.jsonl").exists() && !self.path.join("summary.json").exists() {
            return Ok(());
        }
        Err(Error::data(
            self.best(),
            format!(
                "there is no such checkpoint, and validation has chosen it (after epoch {}, with {:.2} % of {} images right): put a \
                 copy of it back; --checkpoint last takes the weights after epoch {}, which are others",
                best.epoch,
                100.0 * best.accuracy,
                best.images,
                last.epoch
            ),
        ))
    }

    /// Whether training ever began: from then on there is a checkpoint to go on from.
    pub fn has_begun(&self) -> bool {
        self.path.join("metrics.jsonl").exists() || self.best().exists()
    }

    /// Checks that there is a checkpoint to go on from, if training ever began.
    ///
    /// # Errors
    /// If it is missing; says what else is there.
    pub fn check_last(&self) -> Result<()> {
        if self.last().is_file() || !self.has_begun() {
            return Ok(());
        }
        let rest = match self.best().is_file() {
            true => format!(
                "best.safetensors is there: put a copy of last.safetensors back, or start a new run from its weights with  \
                 onebit train {} --from {}",
                self.config_path().display(),
                self.best().display()
            ),
            false => format!(
                "nor is there a best.safetensors: put a copy of it back, or start anew with  onebit train {} --out DIR",
                self.config_path().display()
            ),
        };
        Err(Error::data(self.last(), format!("there is no checkpoint to go on from, and the run has begun; {rest}")))
    }

    /// Replaces `config.toml`, and keeps the results of an earlier end under other names.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn lengthen(&self, recipe: &Recipe, info: RunInfo, before: u64) -> Result<()> {
        let text = Recipe { run: Some(info), ..recipe.clone() }.to_toml()?;
        write_atomic(&self.config_path(), text.as_bytes())?;
        // What was found of the shorter run is not of this one.
        for result in ["summary", "protocols"] {
            let (now, kept) = (format!("{result}.json"), format!("{result}-{before}.json"));
            let (now, kept) = (self.path.join(now), self.path.join(kept));
            if now.exists() {
                std::fs::rename(&now, &kept).map_err(Error::io(&kept, "rename to"))?;
            }
        }
        Ok(())
    }

    /// Result of the run, if it ended.
    pub fn summary(&self) -> Result<Option<Summary>> {
        let path = self.path.join("summary.json");
        if !path.exists() {
            return Ok(None);
        }
        let text = read_text(&path)?;
        serde_json::from_str(&text).map(Some).map_err(|e| Error::data(path, format!("this is not a summary: {e}")))
    }

    /// Writes the result.
    pub fn write_summary(&self, summary: &Summary) -> Result<()> {
        self.write_json("summary.json", summary)
    }

    /// What protocols found of its features so far.
    pub fn protocol_results(&self) -> Result<Vec<ProtocolResult>> {
        let path = self.path.join("protocols.json");
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = read_text(&path)?;
        serde_json::from_str(&text).map_err(|e| Error::data(path, format!("these are not results of protocols: {e}")))
    }

    /// Notes what a protocol found, in place of an earlier result of the same protocol, labels and images.
    pub fn note_protocol_result(&self, new: &ProtocolResult) -> Result<()> {
        let mut all = self.protocol_results()?;
        let same = |j: &ProtocolResult| {
            (j.protocol, &j.data, &j.part) == (new.protocol, &new.data, &new.part) && j.labels == new.labels
        };
        all.retain(|j| !same(j));
        all.push(new.clone());
        self.write_json("protocols.json", &all)
    }

    /// Writes something as indented JSON.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let path = self.path.join(name);
        let text = serde_json::to_string_pretty(value)
            .map_err(|e| Error::data(&path, format!("the content cannot be written as JSON: {e}")))?;
        write_atomic(&path, format!("{text}\n").as_bytes())
    }

    /// Writes a text file; its path.
    pub fn write_text(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        write_atomic(&path, text.as_bytes())?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    pub(super) fn info() -> RunInfo {
        RunInfo {
            recipe: "r".into(),
            device: "cpu".into(),
            select: "cpu".into(),
            version: "0".into(),
            mean: vec![0.3],
            std: vec![0.25],
            classes: vec!["cat".into(), "dog".into()],
            train_images: Some(5),
            val_images: Some(0),
            test_images: Some(1),
            ..RunInfo::default()
        }
    }

    pub(super) fn recipe() -> Recipe {
        Recipe::find(crate::recipe::DEFAULT).unwrap().1
    }

    #[test]
    fn a_taken_name_gets_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = folder.path().join("runs/a");
        assert_eq!(RunDir::newest(&wanted), None);
        for name in ["a", "a-2", "a-3"] {
            let run = RunDir::create(&wanted, &recipe(), info()).unwrap();
            assert_eq!(run.path(), folder.path().join("runs").join(name));
            assert_eq!(RunDir::newest(&wanted).unwrap(), run.path());
        }
        let (_, read, i) = RunDir::open(&wanted).unwrap();
        assert_eq!((read, i), (recipe(), info()));
        // The record of a run is a recipe that can be trained again.
        assert_eq!(Recipe::find(wanted.join("config.toml").to_str().unwrap()).unwrap().0, "r");
    }

    #[test]
    fn what_is_no_run_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(RunDir::open(&folder.path().join("x")).unwrap_err().to_string().contains("no such run"));
        assert!(RunDir::open(folder.path()).unwrap_err().to_string().contains("config.toml"));
        fs::write(folder.path().join("config.toml"), recipe().to_toml().unwrap()).unwrap();
        assert!(RunDir::open(folder.path()).unwrap_err().to_string().contains("[run]"));
    }
}
