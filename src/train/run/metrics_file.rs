//! `metrics.jsonl`, read, begun and gone on with.

use super::super::logs::Logs;
use super::RunDir;
use super::metric::Metric;
use crate::error::{Error, Result};
use crate::files::{read_text, write_atomic};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

impl RunDir {
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
    use super::super::tests::{info, recipe};
    use super::*;
    use std::fs;

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
