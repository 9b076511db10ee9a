//! Data sets: readers, splits, batches.
