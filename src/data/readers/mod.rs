//! The formats whose images are records, or whose labels lie in a file of their own: one file a format.
//!
//! All have one shape. `find` says which sets of the format a source holds, and which of its files they take up; a [`Set`]
//! reads itself then, without decoding an image. A new format is a file here and a line in [`READERS`].

mod array;
mod cifar;
mod cifar_python;
mod idx;
mod imagenet;
mod labels;
mod npy;
mod npz;
pub(super) mod packed;
mod parquet;
mod raw;
mod shards;
mod table;
mod words;

pub(in crate::data) use idx::FASHION_CLASSES;

use super::index::{Ending, Found, LeftOut, ending_of};
use super::open::OpenOptions;
use super::source::{Entry, Source};
use crate::error::{Error, Result};
use std::collections::HashSet;

/// Finds the sets of one format in a source.
type Find = for<'a> fn(&'a Source) -> Result<Vec<Set<'a>>>;

/// All formats.
const READERS: [Find; 9] = [
    packed::find,
    idx::find,
    cifar::find,
    cifar_python::find,
    npz::find,
    parquet::find,
    shards::find,
    imagenet::find,
    table::find,
];

/// Lists the images of a set.
type Read<'a> = Box<dyn FnOnce(&OpenOptions) -> Result<Found> + 'a>;

/// A set that one of the formats recognises.
pub(in crate::data) struct Set<'a> {
    /// What messages call its files: "IDX files".
    what: &'static str,
    /// The folder of the source in which it lies; empty for the source itself.
    folder: String,
    /// Names of the files of the source that it takes up, or whose leaving out it tells.
    files: HashSet<&'a str>,
    read: Read<'a>,
}

/// The set that a source holds in one of the formats.
///
/// # Errors
/// If there are several, or a file that belongs to one is damaged.
pub(in crate::data) fn find(source: &Source) -> Result<Option<Set<'_>>> {
    let mut sets = Vec::new();
    for find in READERS {
        sets.extend(find(source)?);
    }
    if sets.len() > 1 {
        let at = |set: &Set<'_>| match set.folder.as_str() {
            "" => format!("{} in the folder itself", set.what),
            folder => format!("{} in {folder:?}", set.what),
        };
        let all: Vec<String> = sets.iter().map(at).collect();
        return Err(Error::data(
            &source.path,
            format!(
                "holds several data sets ({}): give the path of one of them, and keep it in a folder of its own",
                all.join(", ")
            ),
        ));
    }
    Ok(sets.pop())
}

/// What may have kept a set from being recognised, if a format knows it; begins with a space.
pub(in crate::data) fn hint(source: &Source) -> Option<String> {
    npz::hint(source).or_else(|| parquet::hint(source)).or_else(|| of_others(source))
}

/// Files of other programs' sets, by their endings.
const OTHERS: [(&str, &str); 10] = [
    (".arrow", "Arrow: save it with dataset.to_parquet()"),
    (".feather", "Arrow: save it with dataset.to_parquet()"),
    (".tfrecord", "TensorFlow: save its images as files in a folder a class"),
    (".mdb", "LMDB: save its images as files in a folder a class"),
    (".h5", "HDF5: save its arrays with numpy.savez, as x_train and y_train"),
    (".hdf5", "HDF5: save its arrays with numpy.savez, as x_train and y_train"),
    (".mat", "MATLAB: save its arrays with numpy.savez, as x_train and y_train"),
    (".pt", "PyTorch: save its tensors with numpy.savez, as x_train and y_train"),
    (".pkl", "Python's pickle: save its arrays with numpy.savez, as x_train and y_train"),
    (".beton", "FFCV: give the images that it was made of"),
];

fn of_others(source: &Source) -> Option<String> {
    let named = |entry: &Entry| OTHERS.iter().find(|(end, _)| entry.file_name().ends_with(end)).map(|(_, what)| *what);
    let (entry, what) = source.files.iter().find_map(|e| Some((e, named(e)?)))?;
    Some(format!(" {} is a file of {what}.", entry.name))
}

impl<'a> Set<'a> {
    fn new(
        what: &'static str,
        folder: &str,
        files: impl IntoIterator<Item = &'a Entry>,
        read: impl FnOnce(&OpenOptions) -> Result<Found> + 'a,
    ) -> Set<'a> {
        let files = files.into_iter().map(|e| e.name.as_str()).collect();
        Set { what, folder: folder.into(), files, read: Box::new(read) }
    }

    /// Lists its images. What else the source holds is left out, and told.
    ///
    /// # Errors
    /// As `Dataset::open`.
    pub fn read(self, source: &Source, options: &OpenOptions) -> Result<Found> {
        let mut found = (self.read)(options)?;
        let mut others = LeftOut::default();
        for entry in source.files.iter().filter(|e| !self.files.contains(e.name.as_str())) {
            let ending = entry.file_name().rsplit_once('.').map_or("without ending".into(), |(_, e)| format!(".{e}"));
            others.add(format!("beside the {} ({ending})", self.what), &entry.name);
        }
        found.left_out.extend(others);
        found.drop_unlabelled();
        Ok(found)
    }
}

/// Whether a file is an image by its name.
fn is_image(entry: &Entry) -> bool {
    ending_of(&entry.file_name()).0 == Ending::Image
}
