//! What a check found, by op and device: printed as a matrix, written as JSON.

use super::compare::Finding;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The findings of one run of `onebit verify`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of the program.
    pub version: String,
    /// Seed of the cases' random content.
    pub seed: u64,
    /// A column each.
    pub devices: Vec<DeviceReport>,
}

/// What one device did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// Name, backend and driver.
    pub device: String,
    /// By op.
    pub ops: BTreeMap<String, OpReport>,
}

/// What one device made of the cases of one op.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OpReport {
    /// Cases that ran.
    pub cases: usize,
    /// Outputs of steps that were compared.
    pub outputs: usize,
    /// Bits that were left out, because rounding of the number behind them may turn them.
    pub ties: usize,
    /// The output nearest to its bound, or the furthest past it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<Record>,
    /// Everything that was wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Record>,
    /// Cases that the device cannot run, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsupported: Vec<Unsupported>,
}

/// One comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The case.
    pub case: String,
    /// Which kernels it ran with: those that the device takes, or others.
    pub kernels: String,
    /// The ops of the step that was compared.
    pub step: String,
    /// Largest error as a fraction of its bound; infinite for a wrong bit or integer.
    #[serde(with = "number")]
    pub fraction: f64,
    /// The element where that was.
    pub at: usize,
    /// What the device made there.
    #[serde(with = "number")]
    pub got: f64,
    /// What the reference made there.
    #[serde(with = "number")]
    pub expected: f64,
    /// What went wrong besides a number: the device refused the kernel, or wrote where it must not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A case that a device cannot run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Unsupported {
    /// The case.
    pub case: String,
    /// The limit, what is needed, and what to do.
    pub why: String,
}

impl OpReport {
    /// Counts a comparison.
    pub fn push(&mut self, case: &str, kernels: &str, finding: &Finding) {
        let w = &finding.worst;
        let record = Record {
            case: case.to_string(),
            kernels: kernels.to_string(),
            step: finding.step.clone(),
            fraction: w.fraction,
            at: w.at,
            got: w.got,
            expected: w.expected,
            error: None,
        };
        self.outputs += 1;
        self.ties += w.ties;
        if finding.is_wrong() {
            self.failures.push(record.clone());
        }
        if self.worst.as_ref().is_none_or(|known| known.fraction < w.fraction) {
            self.worst = Some(record);
        }
    }

    /// Adds what another case of the op gave.
    pub fn add(&mut self, other: OpReport) {
        self.cases += other.cases;
        self.outputs += other.outputs;
        self.ties += other.ties;
        self.failures.extend(other.failures);
        self.unsupported.extend(other.unsupported);
        let of = |w: &Option<Record>| w.as_ref().map_or(-1.0, |r| r.fraction);
        if of(&other.worst) > of(&self.worst) {
            self.worst = other.worst;
        }
    }

    /// Counts a case that ended with an error.
    pub fn fail(&mut self, case: &str, kernels: &str, error: String) {
        let (case, kernels) = (case.to_string(), kernels.to_string());
        let (fraction, error) = (f64::INFINITY, Some(error));
        let record = Record { case, kernels, fraction, error, ..Record::default() };
        self.worst = Some(record.clone());
        self.failures.push(record);
    }
}

impl DeviceReport {
    /// Adds what the device did in another run.
    pub fn add(&mut self, other: DeviceReport) {
        for (op, row) in other.ops {
            self.ops.entry(op).or_default().add(row);
        }
    }
}

impl Report {
    /// Whether nothing was wrong on any device.
    pub fn passed(&self) -> bool {
        self.devices.iter().flat_map(|d| d.ops.values()).all(|op| op.failures.is_empty())
    }
}

/// JSON has no infinity and no NaN: they are written as strings.
pub(super) mod number {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(v: &f64, s: S) -> Result<S::Ok, S::Error> {
        if v.is_finite() { s.serialize_f64(*v) } else { s.serialize_str(&v.to_string()) }
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(f64),
        Text(String),
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
        match Either::deserialize(d)? {
            Either::Number(v) => Ok(v),
            Either::Text(t) => t.parse().map_err(|_| D::Error::custom(format!("`{t}` is no number"))),
        }
    }
}
