//! The bytes of a file, for the parquet crate.

use super::super::super::source::Entry;
use crate::error::Result;
use bytes::Bytes;
use parquet::file::reader::{ChunkReader, Length};
use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes of a file.
#[derive(Clone)]
pub(super) struct Chunks {
    entry: Entry,
    len: u64,
    begun: Arc<AtomicU64>,
}

impl Chunks {
    pub fn of(entry: &Entry) -> Result<Chunks> {
        Ok(Chunks { entry: entry.clone(), len: entry.len()?, begun: Arc::default() })
    }

    /// Where the crate began to read last what may be of any length: at the header of a page, while it goes over these. It has
    /// no other way to say where they lie.
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    fn read(&self, start: u64, length: u64) -> io::Result<Vec<u8>> {
        if start.checked_add(length).is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.entry.part(self.entry.name.clone(), start, length).read().map_err(io::Error::other)
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.len
    }
}

/// A reader that goes on from some place.
pub(super) struct Onwards {
    chunks: Chunks,
    at: u64,
}

impl Read for Onwards {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.chunks.len.saturating_sub(self.at).min(into.len() as u64);
        into[..n as usize].copy_from_slice(&self.chunks.read(self.at, n)?);
        self.at += n;
        Ok(n as usize)
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<Onwards>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        self.begun.store(start, Ordering::Relaxed);
        Ok(BufReader::with_capacity(1 << 12, Onwards { chunks: self.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        Ok(self.read(start, length as u64)?.into())
    }
}
