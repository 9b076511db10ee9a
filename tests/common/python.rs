//! The Python that tests compare with.

use std::path::{Path, PathBuf};

/// The one that `ONEBIT_PYTHON` names, else the one below `target/`; it must have `package`.
pub fn python(package: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    let python = std::env::var_os("ONEBIT_PYTHON").map_or(own, PathBuf::from);
    assert!(
        python.is_file(),
        "{}: there is no such program. Run tests/run.sh, which installs Python's {package}, or name a Python that has it in \
         ONEBIT_PYTHON",
        python.display()
    );
    python
}
