//! One process at a time trains a run.
//!
//! The lock is one of the operating system on the file `.lock` in the run's directory: it ends with the process, however that
//! ends, so that none is ever left behind. Which process holds it stands in another file, because some systems let nobody
//! read a file that is locked.

use super::run::RunDir;
use crate::error::{Error, Result};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const LOCK: &str = ".lock";
const HOLDER: &str = ".lock-holder";

/// Whether a file of this name belongs to a lock.
pub fn is_of_lock(name: &OsStr) -> bool {
    name == LOCK || name == HOLDER
}

/// The right to write into a run's directory, as long as it lives.
#[derive(Debug)]
pub struct RunLock {
    /// Locked while it is open.
    _file: File,
    holder: PathBuf,
}

impl RunLock {
    /// Takes the lock of a run.
    ///
    /// # Errors
    /// If another process trains it, which is named; or if nothing can be written there.
    pub fn take(run: &RunDir) -> Result<RunLock> {
        Self::of(run.path(), "this run is being trained")
    }

    /// Takes the lock of a folder; `being` is what another process that holds it is at.
    ///
    /// # Errors
    /// As of [`RunLock::take`].
    pub fn of(folder: &Path, being: &str) -> Result<RunLock> {
        let (path, holder) = (folder.join(LOCK), folder.join(HOLDER));
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(Error::io(&path, "open"))?;
        match file.try_lock() {
            // A file system without locks, as some networks have: the run is trained all the same.
            Ok(()) => {}
            Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(e)) => return Err(Error::io(&path, "lock")(e)),
            Err(TryLockError::WouldBlock) => {
                let process = std::fs::read_to_string(&holder).unwrap_or_default();
                let process = match process.trim() {
                    "" => "another process".to_string(),
                    number => format!("process {number}"),
                };
                return Err(Error::data(folder, format!("{being} by {process}: wait until that ends, or end it")));
            }
        }
        std::fs::write(&holder, std::process::id().to_string()).map_err(Error::io(&holder, "write"))?;
        Ok(RunLock { _file: file, holder })
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The lock itself ends with the file; this is for whoever looks into the directory.
        let _ = std::fs::remove_file(&self.holder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_one_lock_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::at(folder.path());
        let first = RunLock::take(&run).unwrap();
        let message = RunLock::take(&run).unwrap_err().to_string();
        assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
        drop(first);
        let _second = RunLock::take(&run).unwrap();
    }
}
