//! Data sets: readers, splits, augmentation sampling, batches.
//!
//! [`Dataset::open`] recognises what is in a path (IDX, CIFAR binary, folders of images; plain, compressed or in an
//! archive) and gives a [`Split`] in memory, bytes in NHWC order. A [`Loader`] makes batches of it in a thread of its
//! own. Whatever is random here is a function of (seed, epoch, step), so any batch can be made again at any time.

pub mod augment;
mod batch;
mod dataset;
mod embedded;
mod folder;
mod images;
pub(crate) mod index;
mod load;
mod loader;
mod open;
mod pack;
mod pixels;
mod readers;
pub(crate) mod source;
mod split;
mod stats;

pub use augment::AugmentSpec;
pub use batch::{Batch, BatchPlan};
pub use dataset::{Dataset, STATS_IMAGES, Split};
pub use images::{Encoded, Images};
pub(crate) use index::trained_on;
pub use index::{LeftOut, Manifest, Origin, Part, is_picture_name};
pub use loader::{BATCHES_AT_ONCE, Batches, Loader, LoaderOptions};
pub use open::{OnError, OpenOptions};
pub use pack::{PackOptions, PackSummary, pack};
pub use pixels::{Background, PixelError, PixelRules, Pixels, Truncated, image_file};
pub use stats::Stats;
