//! What images a source holds, before any of them is decoded.

mod endings;
mod item;
mod left_out;
mod manifest;
pub(crate) mod parts;
mod survey;

pub(crate) use endings::{Ending, ending_of, is_image_content, words_of_endings};
pub(crate) use item::{Coding, Found, Item};
pub use item::{Origin, Part};
pub use left_out::LeftOut;
pub use manifest::Manifest;
pub(crate) use manifest::trained_on;
pub(in crate::data) use survey::{Facts, Stamp, survey};
