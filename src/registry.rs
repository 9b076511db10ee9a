//! What recipes can name: a list that comes with the crate, and what a program adds to it.

use std::sync::{PoisonError, RwLock};

/// Things of one kind, for as long as the program runs.
pub(crate) struct Registry<T: ?Sized + 'static> {
    built_in: &'static [&'static T],
    added: RwLock<Vec<&'static T>>,
}

impl<T: ?Sized> Registry<T> {
    pub(crate) const fn new(built_in: &'static [&'static T]) -> Registry<T> {
        Registry { built_in, added: RwLock::new(Vec::new()) }
    }

    /// All of them, in the order in which they were added.
    pub(crate) fn all(&self) -> Vec<&'static T> {
        let added = self.added.read().unwrap_or_else(PoisonError::into_inner);
        self.built_in.iter().chain(added.iter()).copied().collect()
    }

    /// Adds one, unless `taken` holds for one that is there; whether it did.
    pub(crate) fn add_unless(&self, taken: impl Fn(&'static T) -> bool, item: &'static T) -> bool {
        let mut added = self.added.write().unwrap_or_else(PoisonError::into_inner);
        let free = !self.built_in.iter().chain(added.iter()).any(|t| taken(t));
        if free {
            added.push(item);
        }
        free
    }
}
