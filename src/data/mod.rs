//! Data sets: readers, splits, augmentation sampling, batches.
//!
//! [`Dataset::open`] recognises what is in a path (IDX, CIFAR binary, folders of images; plain, gzipped or in a
//! tar) and gives a [`Split`] in memory, bytes in NHWC order. A [`Loader`] makes batches of it in a thread of its
//! own. Whatever is random here is a function of (seed, epoch, step), so any batch can be made again at any time.

pub mod augment;
mod batch;
mod cifar;
mod dataset;
mod embedded;
mod folder;
mod idx;
mod loader;
mod open;
mod pixels;
mod source;
mod split;
mod stats;

pub use augment::AugmentSpec;
pub use batch::{Batch, BatchPlan};
pub use dataset::{Dataset, Split};
pub use loader::{Batches, Loader, LoaderOptions};
pub use open::OpenOptions;
pub use pixels::image_file;
pub use stats::Stats;
