//! A Parquet file by the parquet crate: its columns, where its images are, and its labels.

use super::super::super::source::Entry;
use super::chunks::Chunks;
use super::features::{Features, Kind, Leaf, Picked};
use super::guard::{Stop, damaged, guarded};
use super::images::{Images, ROWS};
use crate::error::{Error, Result};
use crate::memory::{self, TooMuch};
use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::sync::Arc;

/// Bytes that are kept between two checks of the memory that is left.
const CHECK_EVERY: u64 = 64 << 20;

/// What is said of a file that cannot be read.
const FAULT: &str = "is no Parquet file, cut short or damaged";

/// What a row says of the class.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Label {
    None,
    Number(i64),
    Name(String),
}

/// A file whose footer is read.
pub(super) struct File {
    entry: Entry,
    reader: SerializedFileReader<Chunks>,
}

/// The rows of a file.
pub(super) struct Rows {
    pub images: Arc<Images>,
    /// Of each row, whether it has an image, and its label.
    pub all: Vec<(bool, Label)>,
}

impl File {
    /// Reads the footer.
    pub fn open(entry: &Entry) -> Result<File> {
        let entry = entry.unpacked()?;
        if entry.head(64)?.starts_with(b"version https://git-lfs") {
            return Err(Error::data(
                &entry.path,
                "is a pointer of Git LFS and not the images: fetch them with  git lfs pull",
            ));
        }
        let chunks = Chunks::of(&entry)?;
        let reader = guarded(&entry.path, FAULT, || Ok(SerializedFileReader::new(chunks)?))?;
        Ok(File { entry, reader })
    }

    /// Its columns.
    pub fn features(&self) -> Result<Features> {
        let meta = self.reader.metadata().file_metadata();
        let leaf = |column: &parquet::schema::types::ColumnDescPtr| Leaf {
            path: column.path().parts().to_vec(),
            kind: match column.physical_type() {
                Type::BYTE_ARRAY => Kind::Bytes,
                Type::INT32 | Type::INT64 => Kind::Whole,
                _ => Kind::Other,
            },
            repeated: column.max_rep_level() > 0,
        };
        let leaves = meta.schema_descr().columns().iter().map(leaf).collect();
        let notes = meta.key_value_metadata().and_then(|all| all.iter().find(|kv| kv.key == "huggingface"));
        Ok(Features::new(leaves, notes.and_then(|kv| kv.value.as_deref())))
    }

    fn place(&self, path: &[String]) -> Result<usize, Stop> {
        let columns = self.reader.metadata().file_metadata().schema_descr().columns();
        let place = columns.iter().position(|c| c.path().parts() == path);
        place.ok_or_else(|| damaged(format!("no column {}", path.join("."))))
    }

    /// How many rows the file says that it has. An image takes a byte at least, so that they are no more than its bytes.
    fn count(&self) -> Result<u64, Stop> {
        let said = self.reader.metadata().file_metadata().num_rows();
        let rows = u64::try_from(said).ok().filter(|rows| *rows <= self.entry.len().unwrap_or(0));
        rows.ok_or_else(|| damaged(format!("it says that it has {said} rows")))
    }

    /// Bytes that a column takes, by what the file says of it.
    fn bytes_of(&self, place: usize) -> u64 {
        let groups = self.reader.metadata().row_groups().iter();
        let bytes = groups.filter_map(|g| g.columns().get(place)).map(|c| c.uncompressed_size().max(0) as u64);
        bytes.fold(0, u64::saturating_add)
    }

    /// Where the images are, and the label of every row.
    pub fn rows(&self, picked: &Picked) -> Result<Rows> {
        let (images, there) = guarded(&self.entry.path, FAULT, || {
            Images::find(&self.entry, &self.reader, self.place(&picked.image)?, self.count()?)
        })?;
        let labels = match &picked.label {
            None => vec![Label::None; there.len()],
            Some(label) => self.labels(label)?,
        };
        if labels.len() != there.len() {
            return Err(Error::data(
                &self.entry.path,
                format!("has {} images and {} labels: it is damaged", there.len(), labels.len()),
            ));
        }
        Ok(Rows { images: Arc::new(images), all: there.into_iter().zip(labels).collect() })
    }

    /// All values of a column of labels, or of another one of that kind.
    pub fn labels(&self, column: &str) -> Result<Vec<Label>> {
        guarded(&self.entry.path, FAULT, || {
            let place = self.place(&[column.into()])?;
            let meta = self.reader.metadata().file_metadata();
            let highest = meta.schema_descr().column(place).max_def_level();
            memory::check(self.bytes_of(place)).map_err(too_much)?;
            let mut labels = Labels { all: Vec::new(), most: self.count()? as usize, unchecked: 0 };
            for group in 0..self.reader.num_row_groups() {
                match self.reader.get_row_group(group)?.get_column_reader(place)? {
                    ColumnReader::ByteArrayColumnReader(reader) => labels
                        .append(reader, highest, |v| String::from_utf8(v.data().to_vec()).map(Label::Name).ok())?,
                    ColumnReader::Int32ColumnReader(reader) => {
                        labels.append(reader, highest, |v| Some(Label::Number(*v as i64)))?;
                    }
                    ColumnReader::Int64ColumnReader(reader) => {
                        labels.append(reader, highest, |v| Some(Label::Number(*v)))?;
                    }
                    _ => return Err(damaged("a column of another type")),
                }
            }
            Ok(labels.all)
        })
    }
}

fn too_much(e: TooMuch) -> Stop {
    Stop::TooMuch("its labels", e)
}

/// The values of a column of labels.
struct Labels {
    all: Vec<Label>,
    /// As many as the file has rows.
    most: usize,
    /// Bytes that were kept since there was a look at the memory.
    unchecked: u64,
}

impl Labels {
    /// Adds those of one group of rows; `label` is of a value, if it is one.
    fn append<T: DataType>(
        &mut self,
        mut reader: ColumnReaderImpl<T>,
        highest: i16,
        label: impl Fn(&T::T) -> Option<Label>,
    ) -> Result<(), Stop> {
        // A value is there where its level is the column's highest; a column in which all are has no levels.
        loop {
            let (mut levels, mut values) = (Vec::new(), Vec::new());
            let (rows, _, read) = reader.read_records(ROWS, Some(&mut levels), None, &mut values)?;
            if rows == 0 && read == 0 {
                return Ok(());
            }
            if self.all.len() + levels.len().max(values.len()) > self.most {
                return Err(damaged("a column has more values than there are rows"));
            }
            let mut values = values.iter();
            if highest == 0 {
                levels = vec![0; values.len()];
            }
            for level in levels {
                let value = if level == highest { values.next() } else { None };
                let read = match value {
                    Some(value) => label(value),
                    None => Some(Label::None),
                };
                let row = self.all.len();
                let read = read.ok_or_else(|| damaged(format!("the class of row {row} is no text")))?;
                // Names of a dictionary are shared until here: a small file can have a long one many times.
                if let Label::Name(name) = &read {
                    self.unchecked = self.unchecked.saturating_add(name.len() as u64);
                }
                self.all.push(read);
            }
            if self.unchecked > CHECK_EVERY {
                memory::check(self.unchecked).map_err(too_much)?;
                self.unchecked = 0;
            }
        }
    }
}
