//! Records that lie in a file so that only the reader of their format can take them out of it.

use super::Entry;
use crate::error::Result;
use std::path::Path;

/// The records of a file, by their numbers. Any number of threads reads them at once.
pub(in crate::data) trait Records: Send + Sync {
    /// The file that holds them.
    fn file(&self) -> &Entry;

    /// The bytes of record `number`, which errors call `path`.
    ///
    /// # Errors
    /// If they cannot be read, or are not there any more.
    fn read(&self, number: u64, path: &Path) -> Result<Vec<u8>>;
}
