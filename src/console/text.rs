//! Text for people.

use super::listener;
use crate::error::{Error, Result};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Where [`say`] writes to, in its errors.
pub const STDOUT: &str = "standard output";

/// Whether work goes on where standard output cannot be written, and whether that was told.
static GOES_ON: AtomicBool = AtomicBool::new(false);
static TOLD: AtomicBool = AtomicBool::new(false);

/// Writes a line to standard output, or to the [listener](super::listener) of this thread; an error instead of a panic if it cannot be written, unless work [goes on](go_on_unheard).
pub fn say(line: impl Display) -> Result<()> {
    if let Some(listener) = listener::here() {
        // Whoever stopped listening knows it.
        let _ = listener.said.send(line.to_string());
        return Ok(());
    }
    let Err(e) = writeln!(io::stdout().lock(), "{line}") else { return Ok(()) };
    if !GOES_ON.load(Ordering::Relaxed) {
        return Err(Error::io(STDOUT, "write")(e));
    }
    // Whoever stopped reading knows it.
    if e.kind() != io::ErrorKind::BrokenPipe && !TOLD.swap(true, Ordering::Relaxed) {
        let told =
            format!("note: {STDOUT} cannot be written ({e}): the run goes on, and what it finds is in its folder");
        // If that is lost too, nobody is there to be told.
        let _ = writeln!(io::stderr().lock(), "{told}");
    }
    Ok(())
}

/// From now on a standard output that cannot be written ends nothing: for what takes hours and keeps everything in files.
pub fn go_on_unheard() {
    GOES_ON.store(true, Ordering::Relaxed);
}

/// Something as indented JSON.
pub fn pretty_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(|e| Error::Config(format!("this is no JSON: {e}")))
}

/// Writes it.
pub fn say_json(value: &impl Serialize) -> Result<()> {
    say(pretty_json(value)?)
}

/// Whether an error is that of [`say`] when nobody reads.
pub fn is_broken_pipe(e: &Error) -> bool {
    matches!(e, Error::Io { path, cause, .. } if path.as_os_str() == STDOUT && cause.kind() == io::ErrorKind::BrokenPipe)
}

/// Bytes as MiB.
pub fn mib(bytes: usize) -> String {
    format!("{:.1} MiB", bytes as f64 / (1 << 20) as f64)
}

/// Bytes as KiB, or as MiB from one on.
pub fn size(bytes: usize) -> String {
    if bytes < 1 << 20 { format!("{:.1} KiB", bytes as f64 / 1024.0) } else { mib(bytes) }
}

/// A whole number with its thousands apart.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).unwrap_or("")).collect();
    groups.join(",")
}

/// A length of time: "45 s", "3:05 min", "2:10:00 h".
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "?".into();
    }
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{}:{:02} min", s / 60, s % 60),
        _ => format!("{}:{:02}:{:02} h", s / 3600, s / 60 % 60, s % 60),
    }
}

/// A share as percent.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!((grouped(7), grouped(1000), grouped(12_345_678)), ("7".into(), "1,000".into(), "12,345,678".into()));
        assert_eq!(
            (duration(44.6), duration(185.0), duration(7800.0)),
            ("45 s".into(), "3:05 min".into(), "2:10:00 h".into())
        );
        assert_eq!((size(1536), size(3 << 19)), ("1.5 KiB".into(), "1.5 MiB".into()));
        assert_eq!((mib(3 << 19), percent(0.8251)), ("1.5 MiB".into(), "82.51 %".into()));
    }
}
