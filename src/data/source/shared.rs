//! Files that many entries lie in: opened when they are read, and so few at once that the system allows it.

use crate::files::open_file;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Files that stay open: systems allow a program 256 and more.
const MOST_OPEN: usize = 100;

/// Those that are open, the oldest first.
static OPEN: Mutex<VecDeque<Weak<Shared>>> = Mutex::new(VecDeque::new());

/// A file that many entries lie in.
pub(super) struct Shared {
    path: PathBuf,
    file: Mutex<Option<Arc<File>>>,
}

/// What a thread that panicked left is whole: nothing is changed here in two steps.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The file at `path`, not yet opened.
    pub fn new(path: &Path) -> Arc<Shared> {
        Arc::new(Shared { path: path.into(), file: Mutex::new(None) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `len` bytes from `offset` on. Threads do not wait for one another.
    pub fn read(self: &Arc<Self>, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len as usize).map_err(|_| io::ErrorKind::OutOfMemory)?;
        bytes.resize(len as usize, 0);
        read_exact_at(&*self.file()?, &self.path, &mut bytes, offset)?;
        Ok(bytes)
    }

    fn file(self: &Arc<Self>) -> io::Result<Arc<File>> {
        let file = {
            let mut own = lock(&self.file);
            if let Some(file) = &*own {
                return Ok(file.clone());
            }
            own.insert(Arc::new(open_file(&self.path)?)).clone()
        };
        let mut open = lock(&OPEN);
        open.push_back(Arc::downgrade(self));
        while open.len() > MOST_OPEN {
            // Whoever reads it now keeps it until that is done.
            if let Some(oldest) = open.pop_front().and_then(|f| f.upgrade()) {
                *lock(&oldest.file) = None;
            }
        }
        Ok(file)
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, _: &Path, into: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, offset)
}

/// Elsewhere the place to read from belongs to the open file: one more is opened.
#[cfg(not(unix))]
fn read_exact_at(_: &File, path: &Path, into: &mut [u8], offset: u64) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = open_file(path)?;
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rayon::prelude::*;

    #[test]
    fn any_number_of_files_is_read_with_few_of_them_open() {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<Arc<Shared>> = (0..1000u32)
            .map(|i| {
                let path = folder.path().join(i.to_string());
                std::fs::write(&path, i.to_le_bytes()).unwrap();
                Shared::new(&path)
            })
            .collect();
        (0..3000u32).into_par_iter().for_each(|i| {
            let which = i.wrapping_mul(7919) % 1000;
            assert_eq!(files[which as usize].read(0, 4).unwrap(), which.to_le_bytes());
        });
        let open = files.iter().filter(|f| lock(&f.file).is_some()).count();
        assert!((1..=MOST_OPEN).contains(&open), "{open} are open");
    }
}
