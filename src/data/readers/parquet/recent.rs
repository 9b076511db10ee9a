//! Pages that were unpacked last. Images that are read one after the other lie in one page, and a dictionary is of many.

use super::super::super::source::Stamp;
use super::guard::Stop;
use crate::memory;
use parquet::column::page::Page;
use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// Bytes of pages that are kept, beside those that are in use: no more than a small part of the memory that there was.
static MOST_BYTES: LazyLock<u64> =
    LazyLock::new(|| memory::available().map_or(64 << 20, |left| (left / 16).min(256 << 20)));

/// How many are kept: of small ones too many to look through would fit.
const MOST_PAGES: usize = 512;

static RECENT: Mutex<Recent> = Mutex::new(Recent { pages: VecDeque::new(), bytes: 0 });

/// A page, as long as its file has the size and time that it had: else it is read again, so that a change is noticed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Key {
    /// The number of its file.
    pub file: u64,
    pub stamp: Option<Stamp>,
    pub offset: u64,
}

/// A page, once one thread has unpacked it. Others that need it wait for that, and none that needs another one.
type Slot = Arc<Mutex<Option<Page>>>;

struct Recent {
    /// The one that was asked for last stands last.
    pages: VecDeque<(Key, Slot, u64)>,
    /// Of all of them.
    bytes: u64,
}

/// What a thread that panicked left is whole: nothing that can panic stands between two steps of a change.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The page, which `unpack` makes if it is not kept.
pub(super) fn page(key: Key, unpack: impl FnOnce() -> Result<Page, Stop>) -> Result<Page, Stop> {
    let slot = lock(&RECENT).slot(key);
    let mut held = lock(&slot);
    if let Some(page) = &*held {
        return Ok(page.clone());
    }
    let page = unpack()?;
    *held = Some(page.clone());
    drop(held);
    lock(&RECENT).weigh(key, page.buffer().len() as u64, *MOST_BYTES);
    Ok(page)
}

/// Forgets the pages of a file that nobody reads any more.
pub(super) fn forget(file: u64) {
    lock(&RECENT).keep(|key| key.file != file);
}

impl Recent {
    /// The place of a page, which is now the one that was asked for last.
    fn slot(&mut self, key: Key) -> Slot {
        let known = self.pages.iter().rposition(|(k, ..)| *k == key).and_then(|at| self.pages.remove(at));
        let page = known.unwrap_or_else(|| (key, Slot::default(), 0));
        let slot = page.1.clone();
        self.pages.push_back(page);
        slot
    }

    /// Notes how large a page is, and lets the oldest go until no more are kept than may be. The last one stays however large
    /// it is.
    fn weigh(&mut self, key: Key, bytes: u64, most: u64) {
        if let Some(page) = self.pages.iter_mut().find(|(k, ..)| *k == key) {
            self.bytes = self.bytes - std::mem::replace(&mut page.2, bytes) + bytes;
        }
        while self.pages.len() > 1 && (self.bytes > most || self.pages.len() > MOST_PAGES) {
            self.bytes -= self.pages.pop_front().map_or(0, |page| page.2);
        }
    }

    fn keep(&mut self, wanted: impl Fn(Key) -> bool) {
        self.pages.retain(|(key, ..)| wanted(*key));
        self.bytes = self.pages.iter().map(|page| page.2).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(file: u64, offset: u64) -> Key {
        Key { file, stamp: None, offset }
    }

    #[test]
    fn the_pages_that_were_asked_for_last_stay() {
        let mut recent = Recent { pages: VecDeque::new(), bytes: 0 };
        let ask = |recent: &mut Recent, at: u64, bytes: u64| {
            recent.slot(key(0, at));
            recent.weigh(key(0, at), bytes, 100);
        };
        let kept = |recent: &Recent| recent.pages.iter().map(|(key, ..)| key.offset).collect::<Vec<_>>();
        (0..4).for_each(|at| ask(&mut recent, at, 30));
        assert_eq!((kept(&recent), recent.bytes), (vec![1, 2, 3], 90));
        ask(&mut recent, 1, 30);
        ask(&mut recent, 4, 40);
        assert_eq!((kept(&recent), recent.bytes), (vec![3, 1, 4], 100));
        ask(&mut recent, 5, 1000);
        assert_eq!((kept(&recent), recent.bytes), (vec![5], 1000));
        ask(&mut recent, 6, 1);
        assert_eq!((kept(&recent), recent.bytes), (vec![6], 1));
        // One that is gone before it is weighed weighs nothing.
        recent.weigh(key(0, 7), 50, 100);
        assert_eq!(recent.bytes, 1);
        recent.slot(key(1, 0));
        recent.keep(|key| key.file != 0);
        assert_eq!((kept(&recent), recent.bytes), (vec![0], 0));
        (0..600).for_each(|at| ask(&mut recent, at, 0));
        assert_eq!(recent.pages.len(), MOST_PAGES);
    }

    #[test]
    fn a_page_that_cannot_be_unpacked_is_tried_again() {
        let made = Page::DictionaryPage {
            buf: vec![1, 2].into(),
            num_values: 1,
            encoding: parquet::basic::Encoding::PLAIN,
            is_sorted: false,
        };
        let key = key(u64::MAX, 0);
        assert!(page(key, || Err(super::super::guard::damaged("no"))).is_err());
        assert!(page(key, || Ok(made)).is_ok_and(|p| p.buffer().len() == 2));
        assert!(page(key, || Err(super::super::guard::damaged("not asked"))).is_ok());
        forget(u64::MAX);
        assert!(page(key, || Err(super::super::guard::damaged("asked"))).is_err());
    }
}
