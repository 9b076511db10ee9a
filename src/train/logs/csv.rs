//! `metrics.csv`: the numbers of a run as a table, a line an interval of steps and lines for each epoch.
//!
//! Columns: the epoch (from 1), the steps done (of a test, those of the checkpoint that is tested), over what the numbers were taken (`steps`: since the line before, `epoch`), of
//! which part of the images and how many of them, and the numbers by their names; a number that a line does not have is empty. What a method logs
//! under names of its own gets columns as it comes. The statistics of layers stand in `metrics.jsonl` alone.

use super::scalars::line;
use crate::error::{Error, Result};
use crate::files::write_atomic;
use crate::train::run::Metric;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The columns of every run.
const FIRST: [&str; 10] =
    ["epoch", "steps", "every", "part", "images", "loss", "accuracy", "top5", "lr", "images_per_second"];
/// Of them, those before the numbers.
const KEYS: usize = 5;

/// The table, being written.
pub struct Table {
    path: PathBuf,
    file: File,
    columns: Vec<String>,
}

impl Table {
    /// Writes the table with these lines, in place of what was there.
    pub fn create(path: &Path, lines: &[Metric]) -> Result<Table> {
        let mut columns = FIRST.map(String::from).to_vec();
        lines.iter().for_each(|m| add_columns(&mut columns, m));
        let rows = lines.iter().filter_map(|m| row(&columns, m));
        write_atomic(path, &text(std::iter::once(columns.clone()).chain(rows), path)?)?;
        Ok(Table { path: path.to_path_buf(), file: append(path)?, columns })
    }

    /// Appends a line.
    pub fn push(&mut self, metric: &Metric) -> Result<()> {
        let before = self.columns.len();
        add_columns(&mut self.columns, metric);
        if self.columns.len() > before {
            self.widen()?;
        }
        let Some(row) = row(&self.columns, metric) else { return Ok(()) };
        self.file.write_all(&text([row], &self.path)?).map_err(Error::io(&self.path, "write"))
    }

    /// Writes the lines that are there anew, below more columns.
    fn widen(&mut self) -> Result<()> {
        let fail = |e: csv::Error| Error::data(&self.path, format!("the table does not read back: {e}"));
        let mut read = csv::Reader::from_path(&self.path).map_err(fail)?;
        let mut rows = vec![self.columns.clone()];
        for record in read.records() {
            let mut row: Vec<String> = record.map_err(fail)?.iter().map(String::from).collect();
            row.resize(self.columns.len(), String::new());
            rows.push(row);
        }
        write_atomic(&self.path, &text(rows, &self.path)?)?;
        self.file = append(&self.path)?;
        Ok(())
    }
}

fn append(path: &Path) -> Result<File> {
    OpenOptions::new().append(true).open(path).map_err(Error::io(path, "open"))
}

fn add_columns(columns: &mut Vec<String>, metric: &Metric) {
    for (name, _) in line(metric).into_iter().flat_map(|l| l.values) {
        if !columns[KEYS..].contains(&name) {
            columns.push(name);
        }
    }
}

fn row(columns: &[String], metric: &Metric) -> Option<Vec<String>> {
    let l = line(metric)?;
    let images = l.images.map_or(String::new(), |n| n.to_string());
    let keys = [l.epoch.to_string(), metric.of_steps().to_string(), l.every.name().into(), l.part.into(), images];
    let value = |name: &String| l.values.iter().find(|(n, _)| n == name).map_or(String::new(), |(_, v)| v.to_string());
    Some(keys.into_iter().chain(columns[KEYS..].iter().map(value)).collect())
}

fn text(rows: impl IntoIterator<Item = Vec<String>>, path: &Path) -> Result<Vec<u8>> {
    let fail = |e: csv::Error| Error::data(path, format!("cannot be written as a table: {e}"));
    let mut table = csv::Writer::from_writer(Vec::new());
    for row in rows {
        table.write_record(&row).map_err(fail)?;
    }
    table.into_inner().map_err(|e| fail(e.into_error().into()))
}
