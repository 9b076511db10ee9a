//! The folder in which is kept what can be made again: in the user's cache folder, or where the user says.

use std::fmt::Display;
use std::io::Write;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Names the folder in place of the system's own.
pub const VARIABLE: &str = "ONEBIT_CACHE";

static CHOSEN: OnceLock<PathBuf> = OnceLock::new();

/// Names the folder for this process, in place of `ONEBIT_CACHE`. Only the first call counts.
pub fn use_folder(folder: impl Into<PathBuf>) {
    CHOSEN.get_or_init(|| folder.into());
}

/// The folder: that of [`use_folder`], else `ONEBIT_CACHE`, else `onebit` in the user's cache folder. `None` on a system
/// that has none.
pub fn folder() -> Option<PathBuf> {
    if let Some(folder) = CHOSEN.get() {
        return Some(folder.clone());
    }
    match std::env::var_os(VARIABLE) {
        Some(f) if !f.is_empty() => Some(f.into()),
        _ => dirs::cache_dir().map(|d| d.join("onebit")),
    }
}

/// A line in the log, which is standard error. A log that nobody reads is no fault.
pub fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "note: {text}");
}
