//! What images a source holds, before any of them is decoded.

mod class_names;
mod endings;
mod item;
mod left_out;
mod manifest;
pub(crate) mod parts;
mod survey;

pub(in crate::data) use class_names::{alike, nearly};
pub use endings::is_picture_name;
pub(crate) use endings::{Ending, ending_of, words_of_endings};
pub(crate) use item::{Coding, Found, Item};
pub use item::{Origin, Part};
pub use left_out::LeftOut;
pub use manifest::Manifest;
pub(crate) use manifest::trained_on;
pub(in crate::data) use survey::{Facts, Seen, survey};
