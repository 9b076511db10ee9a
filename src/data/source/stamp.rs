//! Whether a file is as it was, and where what is known of a source is kept for the next time.

use super::names;
use crate::cache_folder;
use crate::hash::fnv1a;
use serde::{Deserialize, Serialize};
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What changed so shortly ago may change once more within the same tick of the system's clock.
const SETTLED: Duration = Duration::from_secs(2);

/// Size and time of a file or folder, by which it is seen whether it changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::data) struct Stamp {
    /// Its bytes on the disk.
    pub size: u64,
    /// When it was changed last, in nanoseconds since 1970.
    pub changed: u64,
}

impl Stamp {
    /// Of what lies at `path`; `None` if it is not there, or if the system keeps no times.
    pub fn of(path: &Path) -> Option<Stamp> {
        fs::metadata(path).ok().and_then(|meta| Stamp::in_metadata(&meta))
    }

    /// In what the system says of it.
    pub fn in_metadata(meta: &Metadata) -> Option<Stamp> {
        let changed = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Stamp { size: meta.len(), changed: changed.as_nanos().try_into().ok()? })
    }

    /// Whether a later change would give another stamp.
    pub fn is_settled(self) -> bool {
        let changed = UNIX_EPOCH.checked_add(Duration::from_nanos(self.changed));
        changed.and_then(|t| SystemTime::now().duration_since(t).ok()).is_some_and(|age| age > SETTLED)
    }
}

/// The file of the cache folder with `what` is known of the source at `path`; `None` if there is no such folder.
pub(in crate::data) fn kept_file(path: &Path, what: &str) -> Option<PathBuf> {
    let real = fs::canonicalize(path).ok()?;
    let name = fnv1a(names::of_system(real.as_os_str()).bytes());
    Some(cache_folder::folder()?.join(format!("images-{name:016x}-{what}")))
}
