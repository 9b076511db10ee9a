//! The columns of a Parquet file, by the parquet crate.

use super::super::super::source::Entry;
use super::features::{Features, Kind, Leaf, Picked};
use crate::error::{Error, Result};
use crate::memory::{self, TooMuch};
use bytes::Bytes;
use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use std::io::{self, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Rows that are read at a time.
const ROWS: usize = 256;

/// Bytes that are kept between two looks at the memory that is left.
const LOOK: u64 = 64 << 20;

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

/// The bytes of a file, for the crate.
struct Chunks {
    entry: Entry,
    len: u64,
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.len
    }
}

impl Chunks {
    fn read(&self, start: u64, length: u64) -> io::Result<Vec<u8>> {
        if start.checked_add(length).is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.entry.part(self.entry.name.clone(), start, length).read().map_err(io::Error::other)
    }
}

/// A reader that goes on from some place.
struct Onwards {
    chunks: Chunks,
    at: u64,
}

impl Read for Onwards {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.chunks.len.saturating_sub(self.at).min(into.len() as u64);
        into[..n as usize].copy_from_slice(&self.chunks.read(self.at, n)?);
        self.at += n;
        Ok(n as usize)
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<Onwards>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        let chunks = Chunks { entry: self.entry.clone(), len: self.len };
        Ok(BufReader::with_capacity(1 << 12, Onwards { chunks, at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        Ok(self.read(start, length as u64)?.into())
    }
}

/// Why reading stops.
enum Stop {
    Theirs(ParquetError),
    TooMuch(TooMuch),
}

impl From<ParquetError> for Stop {
    fn from(e: ParquetError) -> Stop {
        Stop::Theirs(e)
    }
}

impl From<TooMuch> for Stop {
    fn from(e: TooMuch) -> Stop {
        Stop::TooMuch(e)
    }
}

/// Runs what the crate does. It is others' code, and may fail where a file is made for it.
fn guarded<T>(entry: &Entry, run: impl FnOnce() -> Result<T, Stop>) -> Result<T> {
    let failed = || Stop::Theirs(ParquetError::General("its reader failed".into()));
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(failed())).map_err(|stop| {
        let what = match stop {
            Stop::TooMuch(e) => {
                format!("its images take {e}: save the set as a folder of images, which are read one by one")
            }
            Stop::Theirs(e) if matches!(e, ParquetError::NYI(_)) || e.to_string().contains("Disabled feature") => {
                format!("is packed in a way that is not read ({e}): write it with snappy, zstd or gzip")
            }
            Stop::Theirs(e) => format!("is no Parquet file, cut short or damaged ({e}): copy or download it again"),
        };
        Error::data(&entry.path, what)
    })
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
        let chunks = Chunks { entry: entry.clone(), len: entry.len()? };
        let reader = guarded(&entry, || Ok(SerializedFileReader::new(chunks)?))?;
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

    fn place(&self, path: &[String]) -> Option<usize> {
        let columns = self.reader.metadata().file_metadata().schema_descr().columns();
        columns.iter().position(|c| c.path().parts() == path)
    }

    /// Bytes that a column takes, by what the file says of it.
    fn bytes_of(&self, place: usize) -> u64 {
        let groups = self.reader.metadata().row_groups().iter();
        let bytes = groups.filter_map(|g| g.columns().get(place)).map(|c| c.uncompressed_size().max(0) as u64);
        bytes.fold(0, u64::saturating_add)
    }

    /// The bytes of the image, if there are some, and the label of every row.
    pub fn rows(&self, picked: &Picked) -> Result<Vec<(Option<Vec<u8>>, Label)>> {
        let images = self.column(&picked.image)?;
        let labels = match &picked.label {
            None => vec![Label::None; images.len()],
            Some(label) => {
                let cells = self.column(std::slice::from_ref(label))?;
                let label = |(i, cell): (usize, Cell)| match cell {
                    Cell::None => Ok(Label::None),
                    Cell::Number(n) => Ok(Label::Number(n)),
                    Cell::Bytes(bytes) => String::from_utf8(bytes).map(Label::Name).map_err(|_| {
                        Error::data(&self.entry.path, format!("the class of row {i} is no text: it is damaged"))
                    }),
                };
                cells.into_iter().enumerate().map(label).collect::<Result<Vec<_>>>()?
            }
        };
        if labels.len() != images.len() {
            return Err(Error::data(
                &self.entry.path,
                format!("has {} images and {} labels: it is damaged", images.len(), labels.len()),
            ));
        }
        let bytes = |cell| if let Cell::Bytes(bytes) = cell { Some(bytes) } else { None };
        Ok(images.into_iter().map(bytes).zip(labels).collect())
    }

    /// All values of a column.
    fn column(&self, path: &[String]) -> Result<Vec<Cell>> {
        guarded(&self.entry, || {
            let damaged = |what: String| Stop::Theirs(ParquetError::General(what));
            let place = self.place(path).ok_or_else(|| damaged(format!("no column {}", path.join("."))))?;
            let meta = self.reader.metadata().file_metadata();
            // An image takes a byte at least, so that a file does not have more of them than bytes.
            let rows = u64::try_from(meta.num_rows()).ok().filter(|rows| *rows <= self.entry.len().unwrap_or(0));
            let rows = rows.ok_or_else(|| damaged(format!("it says that it has {} rows", meta.num_rows())))?;
            let highest = meta.schema_descr().column(place).max_def_level();
            memory::check(self.bytes_of(place))?;
            let mut cells = Cells { all: Vec::new(), most: rows as usize, unchecked: 0 };
            for group in 0..self.reader.num_row_groups() {
                match self.reader.get_row_group(group)?.get_column_reader(place)? {
                    ColumnReader::ByteArrayColumnReader(reader) => {
                        cells.append(reader, highest, |v| v.len(), |v| Cell::Bytes(v.data().to_vec()))?;
                    }
                    ColumnReader::Int32ColumnReader(reader) => {
                        cells.append(reader, highest, |_| 0, |v| Cell::Number(*v as i64))?;
                    }
                    ColumnReader::Int64ColumnReader(reader) => {
                        cells.append(reader, highest, |_| 0, |v| Cell::Number(*v))?;
                    }
                    _ => return Err(damaged("a column of another type".into())),
                }
            }
            Ok(cells.all)
        })
    }
}

/// A value, if there is one.
enum Cell {
    None,
    Number(i64),
    Bytes(Vec<u8>),
}

/// The values of a column.
struct Cells {
    all: Vec<Cell>,
    /// As many as the file has rows.
    most: usize,
    /// Bytes that were kept since there was a look at the memory.
    unchecked: u64,
}

impl Cells {
    /// Adds those of one group of rows, of which `bytes` must be kept.
    fn append<T: DataType>(
        &mut self,
        mut reader: ColumnReaderImpl<T>,
        highest: i16,
        bytes: impl Fn(&T::T) -> usize,
        cell: impl Fn(&T::T) -> Cell,
    ) -> Result<(), Stop> {
        // A value is there where its level is the column's highest; a column in which all are has no levels.
        loop {
            let (mut levels, mut values) = (Vec::new(), Vec::new());
            let (rows, _, read) = reader.read_records(ROWS, Some(&mut levels), None, &mut values)?;
            if rows == 0 && read == 0 {
                return Ok(());
            }
            if self.all.len() + levels.len().max(values.len()) > self.most {
                return Err(ParquetError::General("a column has more values than there are rows".into()).into());
            }
            // Values of a dictionary are shared until here: a small file can have a large image many times.
            self.unchecked = values.iter().map(&bytes).fold(self.unchecked, |sum, n| sum.saturating_add(n as u64));
            if self.unchecked > LOOK {
                memory::check(self.unchecked)?;
                self.unchecked = 0;
            }
            let mut values = values.iter();
            if highest == 0 {
                self.all.extend(values.map(&cell));
                continue;
            }
            for level in &levels {
                let value = if *level == highest { values.next() } else { None };
                self.all.push(value.map_or(Cell::None, &cell));
            }
        }
    }
}
