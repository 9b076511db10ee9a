//! A report as a matrix for people: op by device.

use super::report::{DeviceReport, OpReport, Record, Report};
use std::collections::BTreeSet;
use std::fmt;

/// Failures that are printed in full.
const SHOWN: usize = 20;

/// A letter for a column: A, B, ... Z, AA.
fn letter(i: usize) -> String {
    let last = char::from(b'A' + (i % 26) as u8);
    if i < 26 { last.to_string() } else { format!("{}{last}", letter(i / 26 - 1)) }
}

/// What a device made of an op, in few letters.
fn cell(op: Option<&OpReport>) -> String {
    let Some(op) = op else { return String::new() };
    let mark = if op.unsupported.is_empty() { "" } else { "*" };
    match &op.worst {
        _ if !op.failures.is_empty() => "WRONG".to_string(),
        None if !op.unsupported.is_empty() => "-".to_string(),
        None => String::new(),
        Some(w) if w.fraction == 0.0 => format!("exact{mark}"),
        Some(w) => format!("{:.3}{mark}", w.fraction),
    }
}

fn describe(r: &Record) -> String {
    let place = format!("{} with kernels: {}", r.case, r.kernels);
    match &r.error {
        Some(e) => format!("{place}: {e}"),
        None => format!(
            "{place}: step {}, element {}: got {}, expected {}: {} of the bound",
            r.step,
            r.at,
            r.got,
            r.expected,
            if r.fraction.is_finite() { format!("{:.3}", r.fraction) } else { "infinitely much".into() }
        ),
    }
}

impl DeviceReport {
    /// The op and the comparison that came nearest to its bound, or furthest past it.
    pub fn worst(&self) -> Option<(&str, &Record)> {
        let all = self.ops.iter().filter_map(|(op, row)| Some((op.as_str(), row.worst.as_ref()?)));
        all.max_by(|a, b| a.1.fraction.total_cmp(&b.1.fraction))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ops: BTreeSet<&str> = self.devices.iter().flat_map(|d| d.ops.keys().map(String::as_str)).collect();
        let width = ops.iter().map(|o| o.len()).max().unwrap_or(2).max(2);
        for (i, d) in self.devices.iter().enumerate() {
            writeln!(f, "{:>2}  {}", letter(i), d.device)?;
        }
        writeln!(f, "\nLargest error as a fraction of its bound; bits and integers must be exact.\n")?;
        write!(f, "{:width$}  {:>8}", "op", "compared")?;
        (0..self.devices.len()).try_for_each(|i| write!(f, " {:>8}", letter(i)))?;
        writeln!(f)?;
        for op in ops {
            let outputs = self.devices.iter().filter_map(|d| d.ops.get(op)).map(|r| r.outputs).sum::<usize>();
            write!(f, "{op:width$}  {outputs:>8}")?;
            self.devices.iter().try_for_each(|d| write!(f, " {:>8}", cell(d.ops.get(op))))?;
            writeln!(f)?;
        }
        for (i, d) in self.devices.iter().enumerate() {
            if let Some((op, worst)) = d.worst().filter(|(_, w)| w.error.is_none()) {
                write!(f, "\nworst on {}: {op}: {}", letter(i), describe(worst))?;
            }
        }
        writeln!(f)?;
        self.unsupported(f)?;
        self.failures(f)?;
        let (ties, outputs) =
            self.devices.iter().flat_map(|d| d.ops.values()).fold((0, 0), |(t, o), r| (t + r.ties, o + r.outputs));
        let verdict = if self.passed() { "passed" } else { "FAILED" };
        write!(f, "\n{verdict}: {outputs} outputs compared, seed {}", self.seed)?;
        match ties {
            0 => Ok(()),
            n => write!(f, "; {n} bits left out, whose numbers lie within their rounding error of the threshold"),
        }
    }
}

impl Report {
    fn unsupported(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.devices.iter().enumerate().flat_map(|(i, d)| d.ops.iter().map(move |(op, r)| (i, op, r)));
        for (i, op, row) in rows {
            for u in &row.unsupported {
                writeln!(f, "\n* not supported by {}: {op} {}: {}", letter(i), u.case, u.why)?;
            }
        }
        Ok(())
    }

    fn failures(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, d) in self.devices.iter().enumerate() {
            let all: Vec<(&String, &Record)> =
                d.ops.iter().flat_map(|(op, row)| row.failures.iter().map(move |r| (op, r))).collect();
            for (op, record) in all.iter().take(SHOWN) {
                writeln!(f, "\nWRONG on {}: {op}: {}", letter(i), describe(record))?;
            }
            if all.len() > SHOWN {
                writeln!(f, "\n... and {} more on {}; --json FILE lists all", all.len() - SHOWN, letter(i))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_letters() {
        assert_eq!([letter(0), letter(25), letter(26), letter(51), letter(52)], ["A", "Z", "AA", "AZ", "BA"]);
    }

    #[test]
    fn wrong_and_unsupported_are_told_apart() {
        let mut wrong = OpReport::default();
        wrong.fail("3x5", "its own", "the kernel did not compile".into());
        let unsupported = crate::verify::Unsupported { case: "huge".into(), why: "too large".into() };
        let refused = OpReport { unsupported: vec![unsupported], ..Default::default() };
        let ops = [("add".to_string(), wrong), ("mul".to_string(), refused)].into();
        let device = DeviceReport { device: "some GPU".into(), ops };
        let report = Report { version: "0".into(), seed: 1, devices: vec![device] };
        assert!(!report.passed());
        let text = report.to_string();
        for part in ["A  some GPU", "WRONG on A: add: 3x5", "did not compile", "by A: mul huge: too large", "FAILED"] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report, "infinity survives JSON: {json}");
    }
}
