//! The folder of a sweep: `sweep.json`, which says what each run in it is of, and a run directory for each.

use super::grid::{Asked, Job, same_setting};
use crate::error::{Error, Result};
use crate::files::{create_dir, read_text, write_atomic};
use crate::train::lock::is_of_lock;
use crate::train::run::RunDir;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is still to be begun.
    New,
    /// It was stopped or killed, and goes on from its checkpoint.
    Begun,
    /// It has its result.
    Finished,
}

/// The folder of a sweep.
pub struct Folder {
    path: PathBuf,
    record: Record,
}

/// What `sweep.json` holds.
#[derive(Default, Serialize, Deserialize)]
struct Record {
    runs: Vec<Job>,
}

impl Folder {
    /// The folder at that path, which may be one that a sweep has already.
    ///
    /// # Errors
    /// If something else is there.
    pub fn open(path: &Path) -> Result<Folder> {
        let file = path.join("sweep.json");
        let record = if file.is_file() {
            serde_json::from_str(&read_text(&file)?)
                .map_err(|e| Error::data(&file, format!("this is not the record of a sweep: {e}")))?
        } else if fs::read_dir(path).is_ok_and(|entries| entries.flatten().any(|e| !is_of_lock(&e.file_name()))) {
            return Err(Error::data(
                path,
                "is not empty, and no sweep's folder: it has no sweep.json; give another --out",
            ));
        } else {
            Record::default()
        };
        Ok(Folder { path: path.to_path_buf(), record })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of a run.
    pub fn run(&self, job: &Job) -> PathBuf {
        self.path.join(&job.name)
    }

    /// All runs that the folder was asked for until now.
    pub fn runs(&self) -> &[Job] {
        &self.record.runs
    }

    /// These runs as they are called here: one that was asked for before keeps its name, another one of the same name gets a
    /// number.
    pub fn named(&self, jobs: Vec<Job>) -> Vec<Job> {
        let mut all = self.record.runs.clone();
        jobs.into_iter().map(|job| place(&mut all, job)).collect()
    }

    /// Writes down that these runs are asked for.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn keep(&mut self, jobs: &[Job]) -> Result<()> {
        for job in jobs {
            if !self.record.runs.contains(job) {
                self.record.runs.push(job.clone());
            }
        }
        create_dir(&self.path)?;
        let path = self.path.join("sweep.json");
        let text = serde_json::to_string_pretty(&self.record)
            .map_err(|e| Error::data(&path, format!("the content cannot be written as JSON: {e}")))?;
        write_atomic(&path, format!("{text}\n").as_bytes())
    }

    /// How far a run is.
    pub fn state(&self, job: &Job) -> State {
        let run = RunDir::at(&self.run(job));
        if run.path().join("summary.json").is_file() {
            State::Finished
        } else if run.path().join("config.toml").is_file() && run.last().is_file() {
            State::Begun
        } else {
            State::New
        }
    }

    /// Makes way for a run that is to be begun: what is left of one that was ended before it saved anything.
    ///
    /// # Errors
    /// If that cannot be moved away.
    pub fn clear(&self, job: &Job) -> Result<()> {
        let run = self.run(job);
        if !run.exists() {
            return Ok(());
        }
        let aside = (1..).map(|n| self.path.join(format!("{}.unfinished-{n}", job.name))).find(|p| !p.exists());
        let aside = aside.expect("numbers go on");
        fs::rename(&run, &aside).map_err(Error::io(&run, "rename"))
    }
}

/// The run among `all`, which it is added to.
fn place(all: &mut Vec<Job>, job: Job) -> Job {
    // A value that is written in another way makes no other run.
    let same = |of: &Asked| {
        let alike = of.settings.len() == job.of.settings.len()
            && of.settings.iter().zip(&job.of.settings).all(|(a, b)| same_setting(a, b));
        alike && Asked { settings: Vec::new(), ..of.clone() } == Asked { settings: Vec::new(), ..job.of.clone() }
    };
    if let Some(there) = all.iter().find(|j| same(&j.of)) {
        return there.clone();
    }
    let numbered = (2..).map(|n| format!("{}-{n}", job.name));
    let free = std::iter::once(job.name.clone()).chain(numbered).find(|name| all.iter().all(|j| j.name != *name));
    let job = Job { name: free.expect("numbers go on"), of: job.of };
    all.push(job.clone());
    job
}

/// The runs that a path means: itself, those of a sweep, or those that lie in a folder.
///
/// # Errors
/// If it is the folder of a sweep whose record cannot be read, or a folder that cannot be listed.
pub fn runs_of(path: &Path) -> Result<Vec<PathBuf>> {
    if path.join("config.toml").is_file() || !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    if path.join("sweep.json").is_file() {
        let folder = Folder::open(path)?;
        return Ok(folder.runs().iter().map(|job| folder.run(job)).collect());
    }
    let entries = fs::read_dir(path).map_err(Error::io(path, "list"))?;
    let mut runs: Vec<PathBuf> =
        entries.filter_map(|e| Some(e.ok()?.path())).filter(|p| p.join("config.toml").is_file()).collect();
    runs.sort();
    Ok(if runs.is_empty() { vec![path.to_path_buf()] } else { runs })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str, settings: &[&str]) -> Job {
        let settings = settings.iter().map(|s| s.to_string()).collect();
        let (recipe, text, device) = ("r".into(), "0".into(), "cpu".into());
        Job { name: name.into(), of: Asked { recipe, text, settings, seed: Some(0), data: None, epochs: None, device } }
    }

    #[test]
    fn what_was_asked_for_keeps_its_name() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("s");
        let mut folder = Folder::open(&path).unwrap();
        let first = folder.named(vec![job("a", &["lr=1"]), job("b", &["lr=2"])]);
        folder.keep(&first).unwrap();
        let mut folder = Folder::open(&path).unwrap();
        // The same under another name, and another one under the same name.
        let again = folder.named(vec![job("z", &["lr=2.0"]), job("a", &["lr=3"]), job("a", &["lr=4"])]);
        assert_eq!(again.iter().map(|j| j.name.as_str()).collect::<Vec<_>>(), ["b", "a-2", "a-3"]);
        folder.keep(&again).unwrap();
        assert_eq!(Folder::open(&path).unwrap().runs().len(), 4);
        let other = place.path().join("other");
        fs::create_dir(&other).unwrap();
        Folder::open(&other).unwrap();
        fs::write(other.join("x"), "").unwrap();
        assert!(Folder::open(&other).err().unwrap().to_string().contains("no sweep.json"));
    }

    #[test]
    fn a_run_that_saved_nothing_is_begun_anew() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let (job, run) = (job("a", &[]), place.path().join("a"));
        assert_eq!(folder.state(&job), State::New);
        fs::create_dir_all(run.join("checkpoints")).unwrap();
        fs::write(run.join("config.toml"), "").unwrap();
        assert_eq!(folder.state(&job), State::New);
        folder.clear(&job).unwrap();
        assert!(!run.exists() && place.path().join("a.unfinished-1/config.toml").exists());
        fs::create_dir_all(run.join("checkpoints")).unwrap();
        fs::write(run.join("config.toml"), "").unwrap();
        fs::write(run.join("checkpoints/last.safetensors"), "").unwrap();
        assert_eq!(folder.state(&job), State::Begun);
        fs::write(run.join("summary.json"), "").unwrap();
        assert_eq!(folder.state(&job), State::Finished);
    }
}
