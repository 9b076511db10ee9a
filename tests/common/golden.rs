//! What the scripts in `tests/golden` wrote.

use std::path::{Path, PathBuf};

/// Where a file of theirs lies.
pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}
