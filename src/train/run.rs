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

use super::checkpoint::{Checkpoint, Position};
use super::layer_stats::LayerStats;
use super::logs::Logs;
use super::protocol::ProtocolResult;
use super::right::Guessed;
use super::ships::Ships;
use crate::data::Manifest;
use crate::error::{Error, Result};
use crate::files::{create_dir, numbered, numbered_folder, read_text, write_atomic};
use crate::nn::Count;
use crate::recipe::{Recipe, RunInfo};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A run's directory.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
}

/// A line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Metric {
    /// Means over the steps since the last such line of the same epoch.
    Train {
        /// The epoch that they belong to.
        #[serde(flatten)]
        at: At,
        /// Steps done since the start.
        steps: u64,
        /// Mean loss.
        loss: f64,
        /// Share of right answers.
        #[serde(flatten)]
        right: Guessed,
        /// Training images that loss and share are of, as augmentation makes them.
        #[serde(default)]
        images: u64,
        /// Learning rate of the last step.
        lr: f64,
        /// Images per second.
        images_per_second: f64,
    },
    /// Means over the steps of an epoch.
    Epoch {
        /// Epochs done.
        epoch: u64,
        /// Steps done since the start.
        steps: u64,
        /// Mean loss.
        loss: f64,
        /// Share of right answers.
        #[serde(flatten)]
        right: Guessed,
        /// Training images that loss and share are of, as augmentation makes them.
        #[serde(default)]
        images: u64,
    },
    /// A test on the validation part.
    Val {
        /// Epochs done.
        epoch: u64,
        /// Steps done since the start.
        steps: u64,
        /// Validation images.
        images: usize,
        /// Mean cross-entropy.
        loss: f64,
        /// Share of images whose class was right.
        accuracy: f64,
        /// Share of images whose class was among the five most likely ones.
        top5: f64,
    },
    /// The test of the chosen checkpoint on the test part, at the end. (Of runs of earlier versions: one after every epoch, on
    /// the images that the best checkpoint was chosen by.)
    Test {
        /// Epochs done when the checkpoint that is tested was written.
        epoch: u64,
        /// Steps done since the start when it is tested.
        steps: u64,
        /// Steps done when that checkpoint was written; none in runs of earlier versions, which did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of_steps: Option<u64>,
        /// Test images; 0 in runs of earlier versions, which did not say.
        #[serde(default)]
        images: usize,
        /// Mean cross-entropy.
        loss: f64,
        /// Share of images whose class was right.
        accuracy: f64,
        /// Share of images whose class was among the five most likely ones.
        top5: f64,
    },
    /// A test on the validation part in the middle of an epoch that has a second pass, before that pass; left out if it was
    /// stopped.
    BeforeRefresh {
        /// The epoch in which it is.
        #[serde(flatten)]
        at: At,
        /// Steps done since the start.
        steps: u64,
        /// Validation images.
        #[serde(default)]
        images: usize,
        /// Mean cross-entropy.
        loss: f64,
        /// Share of images whose class was right.
        accuracy: f64,
    },
    /// Means over an epoch of what a method logs.
    Means {
        /// Epochs done.
        epoch: u64,
        /// Steps done since the start.
        steps: u64,
        /// By name.
        values: BTreeMap<String, f64>,
    },
    /// The latent weights of the binary layers after an epoch.
    Layers {
        /// Epochs done.
        epoch: u64,
        /// Steps done since the start.
        steps: u64,
        /// First to last.
        layers: Vec<LayerStats>,
    },
}

/// The epoch that goes on when a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// From 1.
    InEpoch(u64),
    /// From 0, as runs of earlier versions count it; where others say `epoch` they mean epochs done.
    Epoch(u64),
}

impl At {
    /// From 1.
    pub fn number(self) -> u64 {
        match self {
            At::InEpoch(n) => n,
            At::Epoch(n) => n + 1,
        }
    }
}

impl Metric {
    /// Steps done since the start of what its numbers are of: of a test those of the checkpoint that is tested.
    pub fn of_steps(&self) -> u64 {
        match self {
            Metric::Test { of_steps: Some(steps), .. } => *steps,
            other => other.steps(),
        }
    }

    /// Steps done since the start when it was written.
    pub fn steps(&self) -> u64 {
        match self {
            Metric::Train { steps, .. }
            | Metric::Epoch { steps, .. }
            | Metric::Val { steps, .. }
            | Metric::Test { steps, .. }
            | Metric::BeforeRefresh { steps, .. }
            | Metric::Means { steps, .. }
            | Metric::Layers { steps, .. } => *steps,
        }
    }

    /// Epochs done, of what belongs to the end of one.
    fn epochs_done(&self) -> Option<u64> {
        match self {
            Metric::Train { .. } | Metric::BeforeRefresh { .. } => None,
            Metric::Epoch { epoch, .. }
            | Metric::Val { epoch, .. }
            | Metric::Test { epoch, .. }
            | Metric::Means { epoch, .. }
            | Metric::Layers { epoch, .. } => Some(*epoch),
        }
    }
}

/// The result of a run: `summary.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the recipe.
    pub recipe: String,
    /// What the images are.
    pub data: String,
    /// The device as people call it.
    pub device: String,
    /// Seed.
    pub seed: u64,
    /// Epochs done.
    pub epochs: u64,
    /// Steps done.
    pub steps: u64,
    /// Training images.
    #[serde(default)]
    pub train_images: usize,
    /// Validation images: those that the checkpoint was chosen by. 0 if there were none, or if the run is of an earlier
    /// version, which chose on test images.
    #[serde(default)]
    pub val_images: usize,
    /// Share of validation images whose class is right after the last epoch; `null` without validation images.
    #[serde(default)]
    pub val_accuracy: Option<f64>,
    /// The best one after any epoch.
    #[serde(default)]
    pub best_val_accuracy: Option<f64>,
    /// Epochs done then.
    #[serde(default)]
    pub best_val_epoch: Option<u64>,
    /// Test images; 0 in runs of earlier versions, which did not say.
    #[serde(default)]
    pub test_images: usize,
    /// Share of test images whose class is right, by the chosen checkpoint: the best one on validation images, without those
    /// the last one. `null` without test images.
    pub test_accuracy: Option<f64>,
    /// The same among the five most likely classes.
    pub test_top5: Option<f64>,
    /// Mean cross-entropy of the test images.
    pub test_loss: Option<f64>,
    /// Epochs done when the chosen checkpoint was written.
    #[serde(default)]
    pub chosen_epoch: Option<u64>,
    /// Whether training ended because validation did not get better any more (`patience`).
    #[serde(default)]
    pub stopped_early: bool,
    /// Images trained on per second of training, tests and saving left out.
    pub images_per_second: f64,
    /// Seconds, of all processes that trained the run together.
    pub seconds: f64,
    /// Steps that were done when these seconds began to count: 0 if they are those of the whole run. None in runs of earlier
    /// versions, which counted from when a run was last resumed.
    #[serde(default)]
    pub seconds_since: Option<u64>,
    /// Bytes of all buffers of all programs.
    pub planned_bytes: usize,
    /// Bytes kept from forward to backward.
    pub kept_bytes: usize,
    /// Trained numbers.
    pub parameters: usize,
    /// Those of them of which the network uses one bit.
    pub binary_parameters: usize,
    /// What one image costs by the field's counting convention.
    pub count: Count,
    /// What ships of it; none of runs of earlier versions, and of what cannot ship.
    #[serde(default)]
    pub ships: Option<Ships>,
    /// Version of the program.
    pub version: String,
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
        create_dir(&run.checkpoints())?;
        write_atomic(&run.config_path(), config.as_bytes())?;
        Ok(run)
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
        if !path.is_dir() {
            return Err(Error::data(path, "there is no such run directory"));
        }
        let config = run.config_path();
        if !config.is_file() {
            return Err(Error::data(path, "this is not a run directory: it has no config.toml"));
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

    /// Replaces `config.toml`, and keeps the result of an earlier end under another name.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn lengthen(&self, recipe: &Recipe, info: RunInfo, before: u64) -> Result<()> {
        let text = Recipe { run: Some(info), ..recipe.clone() }.to_toml()?;
        write_atomic(&self.config_path(), text.as_bytes())?;
        let (summary, kept) = (self.path.join("summary.json"), self.path.join(format!("summary-{before}.json")));
        match summary.exists() {
            true => std::fs::rename(&summary, &kept).map_err(Error::io(&kept, "rename to")),
            false => Ok(()),
        }
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

    /// Opens `metrics.jsonl`, and what is made of it, to append to, without the lines that a killed run wrote past `steps` steps
    /// or past the end of `epochs` epochs; and without the test at the end, if that is still to be done.
    pub fn metrics(&self, steps: u64, epochs: u64, to_be_tested: bool) -> Result<MetricsFile> {
        let path = self.path.join("metrics.jsonl");
        let (mut kept, mut lost) = (Vec::new(), None);
        if path.exists() {
            let text = read_text(&path)?;
            let (mut keep, mut unread) = (String::new(), 0);
            for line in text.split_inclusive('\n') {
                let Ok(metric) = serde_json::from_str::<Metric>(line) else {
                    // A killed run may have written part of its last line.
                    unread += line.ends_with('\n') as usize;
                    continue;
                };
                let again = to_be_tested && matches!(&metric, Metric::Test { steps: at, .. } if *at == steps);
                let past = metric.steps() > steps || metric.epochs_done().is_some_and(|done| done > epochs);
                if !again && !past {
                    keep += line;
                    kept.push(metric);
                }
            }
            if unread > 0 {
                let aside = self.aside("metrics.jsonl", steps)?;
                write_atomic(&aside, text.as_bytes())?;
                lost = Some(format!(
                    "{unread} lines of {} do not read and are left out; {} is the file as it was",
                    path.display(),
                    aside.display()
                ));
            }
            if keep != text {
                write_atomic(&path, keep.as_bytes())?;
            }
        } else if steps > 0 {
            let mut told = format!("{} is missing: what was logged until step {steps} is lost", path.display());
            let table = self.path.join("metrics.csv");
            if table.exists() {
                let aside = self.aside("metrics.csv", steps)?;
                std::fs::rename(&table, &aside).map_err(Error::io(&aside, "rename to"))?;
                told += &format!("; what metrics.csv had of it is kept as {}", aside.display());
            }
            lost = Some(told);
        }
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(Error::io(&path, "open"))?;
        let logs = Logs::open(&self.path, &kept, steps)?;
        Ok(MetricsFile { path, file, kept, lost, logs })
    }

    /// A free name for what is there of a log after `steps` steps.
    fn aside(&self, name: &str, steps: u64) -> Result<PathBuf> {
        let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
        let names = (1u32..).map(|n| match n {
            1 => format!("{stem}-until-{steps}.{ending}"),
            n => format!("{stem}-until-{steps}-{n}.{ending}"),
        });
        let free = names.map(|name| self.path.join(name)).find(|path| !path.exists());
        free.ok_or_else(|| Error::data(self.path.join(name), "there is no free name beside it"))
    }
}

/// `metrics.jsonl`, being written, and the logs for other programs.
pub struct MetricsFile {
    path: PathBuf,
    file: File,
    kept: Vec<Metric>,
    lost: Option<String>,
    logs: Logs,
}

impl MetricsFile {
    /// All lines of a run.
    pub fn read(run: &RunDir) -> Result<Vec<Metric>> {
        let path = run.path.join("metrics.jsonl");
        let text = read_text(&path)?;
        let parse = |(i, line): (usize, &str)| {
            serde_json::from_str(line).map_err(|e| Error::data(&path, format!("line {} does not parse: {e}", i + 1)))
        };
        text.lines().enumerate().map(parse).collect()
    }

    /// The lines that were there when it was opened.
    pub fn kept(&self) -> &[Metric] {
        &self.kept
    }

    /// What is to be said of lines that should be there and are not.
    pub fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// Appends a line, here and to the other logs.
    pub fn push(&mut self, metric: &Metric) -> Result<()> {
        let line = serde_json::to_string(metric)
            .map_err(|e| Error::data(&self.path, format!("a line cannot be written as JSON: {e}")))?;
        self.file.write_all(format!("{line}\n").as_bytes()).map_err(Error::io(&self.path, "write"))?;
        self.logs.push(metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn info() -> RunInfo {
        RunInfo {
            recipe: "r".into(),
            device: "cpu".into(),
            select: "cpu".into(),
            version: "0".into(),
            mean: vec![0.3],
            std: vec![0.25],
            teacher: None,
            data: None,
            classes: vec!["cat".into(), "dog".into()],
            train_images: Some(5),
            val_images: Some(0),
            test_images: Some(1),
            lengthened: Vec::new(),
            lengthened_at: Vec::new(),
        }
    }

    fn recipe() -> Recipe {
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

    #[test]
    fn lines_past_the_checkpoint_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::create(&folder.path().join("a"), &recipe(), info()).unwrap();
        let test =
            |steps| Metric::Test { epoch: 1, steps, of_steps: None, images: 3, loss: 1.0, accuracy: 0.5, top5: 0.9 };
        let mut file = run.metrics(0, 0, false).unwrap();
        (1..=4).for_each(|s| file.push(&test(s)).unwrap());
        fs::OpenOptions::new()
            .append(true)
            .open(run.path().join("metrics.jsonl"))
            .unwrap()
            .write_all(b"{\"ki")
            .unwrap();
        run.metrics(2, 1, false).unwrap().push(&test(9)).unwrap();
        assert_eq!(MetricsFile::read(&run).unwrap(), [test(1), test(2), test(9)]);
        run.metrics(9, 1, true).unwrap();
        assert_eq!(MetricsFile::read(&run).unwrap(), [test(1), test(2)]);
        // A checkpoint made after the last step of the second epoch, and before its test.
        run.metrics(2, 0, false).unwrap();
        assert_eq!(MetricsFile::read(&run).unwrap(), []);
    }
    #[test]
    fn lines_of_earlier_versions_read_and_those_of_this_one_come_back() {
        let old = [
            r#"{"kind":"train","epoch":0,"steps":6,"loss":2.0,"accuracy":0.25,"lr":0.003,"images_per_second":9.5}"#,
            r#"{"kind":"epoch","epoch":1,"steps":6,"loss":2.0,"accuracy":0.25}"#,
            r#"{"kind":"before-refresh","epoch":0,"steps":6,"loss":2.0,"accuracy":0.25}"#,
            r#"{"kind":"test","epoch":1,"steps":6,"loss":2.0,"accuracy":0.25,"top5":0.5}"#,
        ];
        let read = old.map(|line| serde_json::from_str::<Metric>(line).unwrap());
        let Metric::Train { at, right, images: 0, .. } = &read[0] else { panic!("{:?}", read[0]) };
        assert_eq!((at.number(), *right), (1, Guessed::Accuracy(0.25)));
        assert!(matches!(&read[1], Metric::Epoch { right: Guessed::Accuracy(_), .. }), "{:?}", read[1]);
        assert!(matches!(&read[2], Metric::BeforeRefresh { at: At::Epoch(0), .. }), "{:?}", read[2]);
        assert_eq!(read[3].of_steps(), 6);
        let right = Guessed::Agreement(0.1);
        let new = Metric::Train {
            at: At::InEpoch(2),
            steps: 7,
            loss: 0.1,
            right,
            images: 9,
            lr: 0.1,
            images_per_second: 0.3,
        };
        let text = serde_json::to_string(&new).unwrap();
        assert!(text.contains("\"in_epoch\":2") && text.contains("\"agreement\":0.1"), "{text}");
        assert_eq!(serde_json::from_str::<Metric>(&text).unwrap(), new);
    }

    #[test]
    fn lines_that_are_lost_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::create(&folder.path().join("a"), &recipe(), info()).unwrap();
        assert_eq!(run.metrics(0, 0, false).unwrap().lost(), None);
        fs::remove_file(run.path().join("metrics.jsonl")).unwrap();
        let told = run.metrics(5, 1, false).unwrap().lost().unwrap().to_string();
        assert!(told.contains("until step 5") && run.path().join("metrics-until-5.csv").is_file(), "{told}");
        fs::write(run.path().join("metrics.jsonl"), "nonsense\n{\"ki").unwrap();
        let told = run.metrics(5, 1, false).unwrap().lost().unwrap().to_string();
        assert!(told.contains("1 lines") && run.path().join("metrics-until-5.jsonl").is_file(), "{told}");
    }
}
