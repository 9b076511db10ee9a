//! What the parquet crate says or does wrong, as errors of this program.

use crate::error::{Error, Result};
use crate::memory::TooMuch;
use parquet::errors::ParquetError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Why reading stops.
pub(super) enum Stop {
    Theirs(ParquetError),
    Ours(Error),
    /// What does not fit into the memory, and by how much.
    TooMuch(&'static str, TooMuch),
}

impl From<ParquetError> for Stop {
    fn from(e: ParquetError) -> Stop {
        Stop::Theirs(e)
    }
}

impl From<Error> for Stop {
    fn from(e: Error) -> Stop {
        Stop::Ours(e)
    }
}

/// That a file is damaged in a way that the crate does not look at.
pub(super) fn damaged(what: impl Into<String>) -> Stop {
    Stop::Theirs(ParquetError::General(what.into()))
}

/// How the crate calls a codec that it was built without.
const CODEC: &str = "Disabled feature";

/// Runs what the crate does with what is at `path`: it is others' code, and may fail where a file is made for it. `fault` is what
/// is said of a file that is damaged.
pub(super) fn guarded<T>(path: &Path, fault: &str, run: impl FnOnce() -> Result<T, Stop>) -> Result<T> {
    let ran = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(damaged("its reader failed")));
    ran.map_err(|stop| {
        let what = match stop {
            Stop::Ours(e) => return e,
            Stop::TooMuch(what, e) => format!(
                "{what} take {e}: the file is damaged, or must be written with smaller pages (data_page_size, row_group_size)"
            ),
            Stop::Theirs(e) if matches!(e, ParquetError::NYI(_)) || e.to_string().contains(CODEC) => {
                // What the crate calls a feature is a way of packing to others.
                let packing = e.to_string().rsplit(": ").next().unwrap_or_default().to_lowercase();
                format!("is packed in a way that is not read ({packing}): write it with snappy, zstd or gzip")
            }
            Stop::Theirs(e) => format!("{fault} ({e}): copy or download it again"),
        };
        Error::data(path, what)
    })
}
