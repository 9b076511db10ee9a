//! Host memory that the programs of one store share.

use crate::error::{Error, Result};
use std::mem::take;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// Tensors by number: parameters, state and inputs. Clones share them. A run takes out what it uses and puts it back, so
/// that programs of one store take turns and none ever sees what another is writing.
#[derive(Clone, Default)]
pub(crate) struct SharedTensors(Arc<Mutex<Vec<Buffer>>>);

impl SharedTensors {
    /// Makes a tensor of `words` zeros; its number.
    pub fn add(&self, words: usize) -> Result<usize> {
        let mut all = self.lock()?;
        all.push(Buffer::zeros(words)?);
        Ok(all.len() - 1)
    }

    /// Replaces the content from the start.
    pub fn write(&self, number: usize, words: &[u32]) -> Result<()> {
        write(&mut self.lock()?[number], words)
    }

    /// A copy of the first words.
    pub fn read(&self, number: usize, words: usize) -> Result<Vec<u32>> {
        read(&self.lock()?[number], words)
    }

    /// Takes tensors out, for as long as the result lives: tensor `numbers[i]` takes the place of `buffers[i]`.
    pub fn lend<'a>(&'a self, numbers: &'a [Option<usize>], buffers: &'a mut [Buffer]) -> Result<Lent<'a>> {
        let mut all = self.lock()?;
        for (number, buffer) in numbers.iter().zip(buffers.iter_mut()) {
            if let Some(n) = number {
                *buffer = take(&mut all[*n]);
            }
        }
        Ok(Lent { all, numbers, buffers })
    }

    /// Waits for its turn. A worker of a thread pool must not: while it waits inside of a run it takes up other tasks,
    /// and one that runs a program of the same store would wait for itself.
    fn lock(&self) -> Result<MutexGuard<'_, Vec<Buffer>>> {
        // A run that panicked left what a run that failed leaves: whole buffers, of which some are new ([`TakenOut`], [`Lent`]).
        if rayon::current_thread_index().is_none() {
            return Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner));
        }
        match self.0.try_lock() {
            Ok(all) => Ok(all),
            Err(TryLockError::Poisoned(all)) => Ok(all.into_inner()),
            Err(TryLockError::WouldBlock) => Err(Error::Config(
                "two programs that share tensors run at once, as tasks of a thread pool; run them one after the other, \
                 or give each a store"
                    .into(),
            )),
        }
    }
}

/// The buffers of a run. Puts back what was lent when it goes, also after a panic.
pub(crate) struct Lent<'a> {
    all: MutexGuard<'a, Vec<Buffer>>,
    numbers: &'a [Option<usize>],
    /// The program's own buffers and those that it was lent.
    pub buffers: &'a mut [Buffer],
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        for (number, buffer) in self.numbers.iter().zip(self.buffers.iter_mut()) {
            if let Some(n) = number {
                self.all[*n] = take(buffer);
            }
        }
    }
}

/// Buffers that were taken out of others, for an op to write them while it reads the rest. Puts them back when it goes, also
/// after a panic.
pub(super) struct TakenOut<'a> {
    from: &'a mut [Buffer],
    places: Vec<usize>,
    taken: Vec<Buffer>,
}

impl<'a> TakenOut<'a> {
    /// Takes out those at `places`.
    pub fn new(from: &'a mut [Buffer], places: Vec<usize>) -> Self {
        let taken = places.iter().map(|p| take(&mut from[*p])).collect();
        TakenOut { from, places, taken }
    }

    /// What is left, and what was taken, in the order of the places.
    pub fn parts(&mut self) -> (&[Buffer], &mut [Buffer]) {
        (self.from, &mut self.taken)
    }
}

impl Drop for TakenOut<'_> {
    fn drop(&mut self) {
        for (place, taken) in self.places.iter().zip(&mut self.taken) {
            self.from[*place] = take(taken);
        }
    }
}

/// Words of a tensor, that begin on a cache line: what is read a line at a time is then not read in halves of two.
#[derive(Default)]
pub(crate) struct Buffer {
    words: Box<[u32]>,
    /// Place of the first one.
    first: usize,
}

impl Buffer {
    /// Words of a cache line.
    const LINE: usize = 16;

    /// Zeros, of pages that nothing has touched yet. One word at least, so that none is taken for a buffer that was lent.
    ///
    /// # Errors
    /// If the system does not give them.
    pub(super) fn zeros(words: usize) -> Result<Buffer> {
        let words = words.max(1);
        // An allocator that was asked for the alignment would write the zeros itself.
        let all = bytemuck::allocation::try_zeroed_slice_box::<u32>(words + Self::LINE - 1).map_err(|()| {
            Error::Limit(format!(
                "the system refused {} bytes of memory: take a smaller batch (--set batch=N) or smaller images (--set \
                 data.size=[H,W])",
                4 * words as u64
            ))
        })?;
        let first = (all.as_ptr() as usize / size_of::<u32>()).wrapping_neg() % Self::LINE;
        Ok(Buffer { words: all, first })
    }
}

impl Deref for Buffer {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        let end = self.words.len().saturating_sub(Self::LINE - 1 - self.first);
        &self.words[self.first..end]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u32] {
        let end = self.words.len().saturating_sub(Self::LINE - 1 - self.first);
        &mut self.words[self.first..end]
    }
}

pub(super) fn read(buffer: &[u32], words: usize) -> Result<Vec<u32>> {
    let held = buffer.len();
    let content = buffer.get(..words);
    content.map(<[u32]>::to_vec).ok_or_else(|| Error::Config(format!("{words} words were asked of a tensor of {held}")))
}

pub(super) fn write(buffer: &mut [u32], words: &[u32]) -> Result<()> {
    let held = buffer.len();
    let Some(place) = buffer.get_mut(..words.len()) else {
        return Err(Error::Config(format!("{} words were written to a tensor of {held}", words.len())));
    };
    place.copy_from_slice(words);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lent_comes_back_after_a_panic() {
        let shared = SharedTensors::default();
        let n = shared.add(2).unwrap();
        shared.write(n, &[3, 4]).unwrap();
        let mut own = [Buffer::default()];
        let numbers = [Some(n)];
        let run = std::panic::AssertUnwindSafe(|| {
            let lent = shared.lend(&numbers, &mut own).unwrap();
            lent.buffers[0][1] = 5;
            assert!(lent.buffers.is_empty(), "an op failed");
        });
        assert!(std::panic::catch_unwind(run).is_err());
        assert_eq!(shared.read(n, 2).unwrap(), [3, 5]);
        assert!(own[0].is_empty());
    }

    #[test]
    fn buffers_begin_on_a_line() {
        for words in [1, 15, 16, 17, 1000, 1 << 20] {
            let mut buffer = Buffer::zeros(words).unwrap();
            assert_eq!((buffer.len(), buffer.as_ptr() as usize % 64), (words, 0));
            buffer.fill(7);
            assert_eq!(*buffer.last().unwrap(), 7);
        }
        assert_eq!((Buffer::zeros(0).unwrap().len(), Buffer::default().len()), (1, 0));
    }

    #[test]
    fn lengths_are_checked() {
        let shared = SharedTensors::default();
        let n = shared.add(2).unwrap();
        assert!(shared.write(n, &[1, 2, 3]).unwrap_err().to_string().contains("3 words"));
        assert!(shared.read(n, 3).unwrap_err().to_string().contains("3 words"));
    }

    #[test]
    fn a_task_of_a_pool_does_not_wait_for_a_run() {
        let shared = SharedTensors::default();
        let n = shared.add(1).unwrap();
        let (numbers, mut own) = ([Some(n)], [Buffer::default()]);
        let lent = shared.lend(&numbers, &mut own).unwrap();
        let error = rayon::scope(|_| shared.read(n, 1)).unwrap_err();
        assert!(error.to_string().contains("run at once"), "{error}");
        drop(lent);
        assert_eq!(rayon::scope(|_| shared.read(n, 1)).unwrap(), [0]);
    }
}
