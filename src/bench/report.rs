//! What a run of `onebit bench` found, as a file that a later run is compared with.

use super::ceilings::Ceilings;
use super::measure::Measured;
use crate::cache::Identity;
use crate::error::{Error, Result};
use crate::files::read_text;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Ceilings and kernels of one device. It has no date, so that it can be kept under version control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Where it was measured.
    pub device: Identity,
    /// What the device can do at best.
    pub ceilings: Ceilings,
    /// What the kernels do.
    pub kernels: Vec<Measured>,
}

impl Report {
    /// Reads a report.
    ///
    /// # Errors
    /// If the file cannot be read, or holds something else.
    pub fn read(path: &Path) -> Result<Report> {
        let wrong = |e| Error::data(path, format!("this is not what `onebit bench --json` writes: {e}"));
        serde_json::from_str(&read_text(path)?).map_err(wrong)
    }

    /// The report as JSON.
    pub fn json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self);
        text.map(|t| t + "\n").map_err(|e| Error::Config(format!("the figures cannot be written as JSON: {e}")))
    }

    /// Rate of a kernel.
    pub fn rate(&self, name: &str) -> Option<f64> {
        self.kernels.iter().find(|k| k.name == name).map(|k| k.rate)
    }
}

impl Ceilings {
    /// Each with its name, unit and spread, where that is known; `None` for what the device does not have.
    pub fn list(&self) -> [(&'static str, Option<f64>, &'static str, Option<f64>); 8] {
        let spread = self.spread;
        [
            ("f32 multiply-adds", Some(self.f32_gops), "Gop/s", spread.f32),
            ("sums looked up", self.sums_gops, "Gop/s", None),
            ("bits, xor and popcount", Some(self.bit_gops), "Gop/s", spread.bits),
            ("f16 multiply-adds", self.f16_gops, "Gop/s", None),
            ("matrix units", self.matrix_gops, "Gop/s", None),
            ("copy, read and written", Some(self.copy_gbs), "GB/s", spread.copy),
            ("one more dispatch", self.dispatch_us, "us", None),
            ("one more submission", self.submit_us, "us", None),
        ]
    }
}
