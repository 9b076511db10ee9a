//! Files that are there whole or not at all.

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path`: to a temporary name beside it, through to the disk, then renamed over it. Until the
/// rename an earlier file of that name stays as it was; a write that fails leaves nothing behind.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic_with(path, |file| file.write_all(bytes).map_err(Error::io(path, "write")))
}

/// [`write_atomic`] of what `write` writes, for files that are larger than memory.
pub fn write_atomic_with(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    let temporary = temporary(path);
    let written = write_through(&temporary, write);
    if let Err(e) = written.and_then(|()| fs::rename(&temporary, path).map_err(Error::io(path, "rename to"))) {
        // The first error is the one worth telling; the rest of the file is useless either way.
        let _ = fs::remove_file(&temporary);
        return Err(e);
    }
    sync_folder(path);
    Ok(())
}

/// Makes a new folder: `wanted`, or if that is taken `wanted-2`, `wanted-3`, ...: nothing is ever overwritten.
pub fn numbered_folder(wanted: &Path) -> Result<PathBuf> {
    if let Some(above) = wanted.parent().filter(|p| !p.as_os_str().is_empty()) {
        create_dir(above)?;
    }
    let mut path = wanted.to_path_buf();
    for n in 2.. {
        match fs::create_dir(&path) {
            Ok(()) => break,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => path = numbered(wanted, n),
            Err(e) => return Err(Error::io(&path, "create the folder")(e)),
        }
    }
    Ok(path)
}

/// `wanted-n`.
pub fn numbered(wanted: &Path, n: u32) -> PathBuf {
    let mut name = wanted.file_name().unwrap_or_default().to_os_string();
    name.push(format!("-{n}"));
    wanted.with_file_name(name)
}

/// Creates a folder and what is missing above it.
pub fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::io(path, "create the folder"))
}

/// Opens a file to read, and nothing else: a pipe that has taken its place would let the program wait for ever.
pub fn open_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is a folder, a pipe or a device, and no file")),
    }
}

/// All bytes of what [`open_file`] opens.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_file(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a text file.
pub fn read_text(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(Error::io(path, "read"))?;
    String::from_utf8(bytes).map_err(|_| Error::data(path, "this is not a text file (its bytes are not UTF-8)"))
}

/// Finds out whether [`write_atomic`] will be able to write `path`, before hours of work go into its content.
///
/// # Errors
/// As [`write_atomic`], and if `path` is a folder.
pub fn check_writable(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Err(Error::data(path, "this is a folder; a file is to be written there"));
    }
    let temporary = temporary(path);
    File::create(&temporary).map_err(Error::io(path, "create"))?;
    fs::remove_file(&temporary).map_err(Error::io(temporary, "remove"))
}

/// Says how another place is named, where what was to be written to a place that nobody asked for could not be.
///
/// # Errors
/// Those of `written`.
pub fn unasked<T>(written: Result<T>, asked: bool, flag: &str) -> Result<T> {
    match written {
        Err(e @ Error::Io { .. }) if !asked => Err(Error::Config(format!("{e}; name another place with {flag}"))),
        other => other,
    }
}

fn write_through(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    let mut file = BufWriter::new(File::create(path).map_err(Error::io(path, "create"))?);
    write(&mut file)?;
    let file = file.into_inner().map_err(|e| Error::io(path, "write")(e.into_error()))?;
    file.sync_all().map_err(Error::io(path, "write"))
}

/// Always the same name, so that what a killed program left is overwritten and not gathered.
fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    path.with_file_name(name)
}

/// Makes the rename itself last through a loss of power. Not every system can do that: then the file is still whole.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_fails_keeps_the_earlier_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        // The temporary name is taken by a folder: nothing can be written there.
        fs::create_dir(temporary(&path)).unwrap();
        let message = write_atomic(&path, b"three").unwrap_err().to_string();
        assert!(message.contains("a.txt.tmp"), "{message}");
        assert_eq!(fs::read(&path).unwrap(), b"two");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, b"one").unwrap();
        assert_eq!(read_file(&path).unwrap(), b"one");
        fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(read_file(&path).unwrap_err().to_string().contains("no file"));
        assert!(read_file(folder.path()).unwrap_err().to_string().contains("no file"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named_and_the_earlier_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomic(&path, b"one").unwrap();
        std::os::unix::fs::symlink("/dev/full", temporary(&path)).unwrap();
        let message = write_atomic(&path, b"two").unwrap_err().to_string();
        assert!(message.contains("cannot write") && message.contains("No space left"), "{message}");
        assert_eq!(fs::read(&path).unwrap(), b"one");
    }
}
