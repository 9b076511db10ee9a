//! One file of a source, wherever its bytes are kept.

use super::gzip::Gunzip;
use super::records::Records;
use super::shared::Shared;
use super::stamp::Stamp;
use crate::error::{Error, Result};
use crate::files::{open_file, read_file};
use crate::memory;
use flate2::read::DeflateDecoder;
use std::fs;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One file of a [`Source`](super::Source), or a part of one.
#[derive(Clone)]
pub(crate) struct Entry {
    /// Name below the source, parts joined by '/'. It is never a path to open.
    pub name: String,
    /// What errors call it: its path, or archive path and name within.
    pub path: PathBuf,
    store: Store,
    /// First byte and length, if it is a part of what the store holds.
    slice: Option<(u64, u64)>,
    packed: Option<Packed>,
}

/// Where bytes are kept.
#[derive(Clone)]
enum Store {
    /// In the file at the entry's own path.
    Own,
    /// In a file that holds others too.
    Within(Arc<Shared>),
    Memory(Arc<[u8]>),
    /// In a file that its reader must be asked for them, by this number.
    Records(Arc<dyn Records>, u64),
}

/// Where the bytes of a file lie.
pub(super) enum Place {
    /// In a file of their own.
    File,
    /// In an archive.
    Within { offset: u64, len: u64, packed: Option<Packed> },
}

/// How a zip keeps a file.
#[derive(Clone, Copy)]
pub(super) struct Packed {
    pub method: Method,
    /// Bytes when unpacked.
    pub size: u64,
    /// CRC-32 of these.
    pub crc: u32,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Method {
    Stored,
    Deflate,
    Zstd,
}

pub(super) trait Stream: Read + Seek + Send {}
impl<S: Read + Seek + Send> Stream for S {}

pub(super) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

impl Entry {
    /// The file at `path`.
    pub(super) fn on_disk(name: String, path: PathBuf) -> Entry {
        Entry { name, path, store: Store::Own, slice: None, packed: None }
    }

    /// Bytes that are at hand.
    pub fn in_memory(name: String, path: PathBuf, bytes: Vec<u8>) -> Entry {
        Entry { name, path, store: Store::Memory(bytes.into()), slice: None, packed: None }
    }

    /// Record `number` of a file, which its reader is asked for whenever it is read.
    pub(in crate::data) fn in_records(name: String, path: PathBuf, records: Arc<dyn Records>, number: u64) -> Entry {
        Entry { name, path, store: Store::Records(records, number), slice: None, packed: None }
    }

    /// What lies in this archive from `offset` on, `len` bytes, perhaps packed.
    pub(super) fn member(&self, name: String, offset: u64, len: u64, packed: Option<Packed>) -> Entry {
        Entry { path: self.path.join(&name), packed, ..self.part(name, offset, len) }
    }

    /// The same bytes by another name: what a link gives. `archive` is the path of the archive that holds both.
    pub(super) fn linked(&self, name: String, archive: &Path) -> Entry {
        Entry { path: archive.join(&name), name, ..self.clone() }
    }

    /// This file, opened once for all its parts.
    pub fn shared(&self) -> Entry {
        match &self.store {
            Store::Own => Entry { store: Store::Within(Shared::new(&self.path)), ..self.clone() },
            _ => self.clone(),
        }
    }

    /// A record of this file: `len` bytes from `offset` on. Errors go on naming the file. Of a file that is compressed take
    /// the parts of [`Entry::unpacked`]; of one with many parts those of [`Entry::shared`] or, again, of `unpacked`.
    pub fn part(&self, name: String, offset: u64, len: u64) -> Entry {
        let store = match &self.store {
            Store::Own => Store::Within(Shared::new(&self.path)),
            other => other.clone(),
        };
        let from = self.slice.map_or(0, |(from, _)| from);
        Entry { name, path: self.path.clone(), store, slice: Some((from + offset, len)), packed: None }
    }

    /// Where its bytes lie; `None` if they are in memory, or not as they are in a file.
    pub(super) fn place(&self) -> Option<Place> {
        match (&self.store, self.slice) {
            (Store::Memory(_) | Store::Records(..), _) => None,
            (_, None) => Some(Place::File),
            (_, Some((offset, len))) => Some(Place::Within { offset, len, packed: self.packed }),
        }
    }

    /// The file with its bytes as they are when unpacked: in memory if they are gzipped or packed in a zip, else itself.
    pub fn unpacked(&self) -> Result<Entry> {
        if self.packed.is_none() && !self.starts_with(&GZIP_MAGIC)? {
            return Ok(self.shared());
        }
        let bytes = self.read_unpacked()?.into();
        Ok(Entry { store: Store::Memory(bytes), slice: None, packed: None, ..self.clone() })
    }

    /// How many bytes [`Entry::read`] gives.
    ///
    /// # Errors
    /// If the file is not there any more, or a record of it cannot be read.
    pub fn len(&self) -> Result<u64> {
        match (self.packed, self.slice, &self.store) {
            (Some(packed), ..) => Ok(packed.size),
            (_, Some((_, len)), _) => Ok(len),
            (_, _, Store::Memory(bytes)) => Ok(bytes.len() as u64),
            (_, _, Store::Records(..)) => Ok(self.stored()?.len() as u64),
            (_, _, _) => Ok(fs::metadata(self.file()).map_err(Error::io(&self.path, "read"))?.len()),
        }
    }

    /// If the bytes are in memory: what memory that is, which other entries may share, and how many bytes it has.
    pub fn held(&self) -> Option<(*const u8, u64)> {
        match &self.store {
            Store::Memory(bytes) => Some((bytes.as_ptr(), bytes.len() as u64)),
            Store::Records(records, _) => records.file().held(),
            _ => None,
        }
    }

    /// Size and time of the file that holds the bytes; `None` if they are in memory.
    pub(in crate::data) fn stamp(&self) -> Option<Stamp> {
        match &self.store {
            Store::Memory(_) => None,
            Store::Records(records, _) => records.file().stamp(),
            _ => Stamp::of(self.file()),
        }
    }

    /// The bytes as stored; unpacked if they are packed in a zip.
    ///
    /// # Errors
    /// If they cannot be read, are fewer than they should be, or are not those that were packed.
    pub fn read(&self) -> Result<Vec<u8>> {
        match self.packed {
            None => self.stored(),
            Some(packed) => self.unzipped(packed),
        }
    }

    fn stored(&self) -> Result<Vec<u8>> {
        let record = match &self.store {
            Store::Records(records, number) => records.read(*number, &self.path)?,
            _ => Vec::new(),
        };
        let read = || match (self.slice, &self.store) {
            (None, Store::Records(..)) => Ok(record),
            (Some(slice), Store::Records(..)) => cut(&record, slice),
            (None, Store::Own) => read_file(&self.path),
            (None, Store::Within(file)) => read_file(file.path()),
            (None, Store::Memory(bytes)) => Ok(bytes.to_vec()),
            (Some(slice), Store::Memory(bytes)) => cut(bytes, slice),
            (Some((offset, len)), Store::Within(file)) => file.read(offset, len),
            (Some((offset, len)), Store::Own) => Shared::new(&self.path).read(offset, len),
        };
        read().map_err(Error::io(&self.path, "read"))
    }

    fn file(&self) -> &Path {
        match &self.store {
            Store::Within(file) => file.path(),
            Store::Records(records, _) => records.file().file(),
            Store::Own | Store::Memory(_) => &self.path,
        }
    }

    fn unzipped(&self, packed: Packed) -> Result<Vec<u8>> {
        let damaged = |what: String| {
            Error::data(&self.path, format!("the zip archive is damaged here ({what}): copy or download it again"))
        };
        memory::check(packed.size).map_err(|e| Error::data(&self.path, format!("unpacked it takes {e}")))?;
        let stored = self.stored()?;
        let mut bytes = Vec::new();
        // One byte more than there should be, so that more are noticed.
        let most = packed.size.saturating_add(1);
        let unpacked = match packed.method {
            Method::Stored => {
                bytes = stored;
                Ok(0)
            }
            Method::Deflate => DeflateDecoder::new(&stored[..]).take(most).read_to_end(&mut bytes),
            Method::Zstd => {
                zstd::Decoder::new(&stored[..]).and_then(|packed| packed.take(most).read_to_end(&mut bytes))
            }
        };
        unpacked.map_err(|e| damaged(e.to_string()))?;
        if bytes.len() as u64 != packed.size {
            return Err(damaged(format!("it should be {} bytes, and is {}", packed.size, bytes.len())));
        }
        let crc = crc32fast::hash(&bytes);
        if crc != packed.crc {
            return Err(damaged(format!("its checksum should be {:08x}, and is {crc:08x}", packed.crc)));
        }
        Ok(bytes)
    }

    /// The bytes, unpacked if they are gzipped (seen from the content, not the name).
    pub fn read_unpacked(&self) -> Result<Vec<u8>> {
        let stored = self.read()?;
        if !stored.starts_with(&GZIP_MAGIC) {
            return Ok(stored);
        }
        let (mut bytes, mut decoder) = (Vec::new(), Gunzip::new(&stored[..]));
        // Gzip makes at most about a thousand bytes of one, so that small files need no look at the memory there is.
        let most = match stored.len() {
            0..0x10_0000 => u64::MAX,
            _ => memory::available().unwrap_or(u64::MAX),
        };
        let result = decoder.by_ref().take(most).read_to_end(&mut bytes);
        result.map_err(|e| damaged_gzip(&self.path, &e, stored.len(), bytes.len()))?;
        if bytes.len() as u64 == most {
            return Err(Error::data(&self.path, "unpacked it takes more memory than there is: unpack it first"));
        }
        Ok(bytes)
    }

    /// The first bytes as stored, at most `n`.
    pub fn head(&self, n: u64) -> Result<Vec<u8>> {
        if self.packed.is_some() {
            let mut bytes = self.read()?;
            bytes.truncate(n as usize);
            return Ok(bytes);
        }
        let mut head = Vec::new();
        let read = self.open().and_then(|stream| stream.take(n).read_to_end(&mut head));
        read.map_err(Error::io(&self.path, "read"))?;
        Ok(head)
    }

    fn starts_with(&self, magic: &[u8]) -> Result<bool> {
        Ok(self.head(magic.len() as u64)?.starts_with(magic))
    }

    /// The bytes as stored, to read from any place.
    pub(super) fn open(&self) -> io::Result<Box<dyn Stream>> {
        let stream: Box<dyn Stream> = match &self.store {
            Store::Memory(bytes) => Box::new(Cursor::new(bytes.clone())),
            Store::Records(records, number) => {
                Box::new(Cursor::new(records.read(*number, &self.path).map_err(io::Error::other)?))
            }
            _ => Box::new(BufReader::new(open_file(self.file())?)),
        };
        Ok(match self.slice {
            None => stream,
            Some((base, len)) => Box::new(Section::new(stream, base, len)?),
        })
    }

    /// Last part of the name, lower case, without ".gz".
    pub fn file_name(&self) -> String {
        let name = self.name.rsplit('/').next().unwrap_or_default().to_lowercase();
        name.strip_suffix(".gz").map(String::from).unwrap_or(name)
    }

    /// The name of a record whose path is that of the whole file, and says not which one it is.
    pub fn record_name(&self) -> Option<&str> {
        (self.name.contains('#') && !self.path.ends_with(&self.name)).then_some(&self.name)
    }

    /// The folder part of the name, without a '/' at its end.
    pub fn folder(&self) -> &str {
        self.name.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// A part of bytes that are in memory.
fn cut(bytes: &[u8], (offset, len): (u64, u64)) -> io::Result<Vec<u8>> {
    let end = offset.checked_add(len).filter(|end| *end <= bytes.len() as u64);
    let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(bytes[offset as usize..end as usize].to_vec())
}

fn damaged_gzip(path: &Path, e: &io::Error, stored: usize, unpacked: usize) -> Error {
    Error::data(
        path,
        format!(
            "the gzip stream is cut short or damaged ({e}): its {stored} bytes gave {unpacked}; copy or download the \
             file again"
        ),
    )
}

/// A part of a stream, as if it were all.
pub(super) struct Section<S> {
    pub stream: S,
    base: u64,
    len: u64,
    at: u64,
}

impl<S: Read + Seek> Section<S> {
    pub fn new(mut stream: S, base: u64, len: u64) -> io::Result<Section<S>> {
        stream.seek(SeekFrom::Start(base))?;
        Ok(Section { stream, base, len, at: 0 })
    }

    /// Bytes from its start to the next one that is read.
    pub fn position(&self) -> u64 {
        self.at
    }
}

impl<S: Read> Read for Section<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = self.len.saturating_sub(self.at).min(into.len() as u64) as usize;
        let n = self.stream.read(&mut into[..most])?;
        self.at += n as u64;
        Ok(n)
    }
}

impl<S: Seek> Seek for Section<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(n) => Some(n),
            SeekFrom::Current(n) => self.at.checked_add_signed(n),
            SeekFrom::End(n) => self.len.checked_add_signed(n),
        };
        let place = at.and_then(|at| Some((at, self.base.checked_add(at)?)));
        let (at, place) = place.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.stream.seek(SeekFrom::Start(place))?;
        self.at = at;
        Ok(at)
    }
}
