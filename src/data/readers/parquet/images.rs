//! The images of one file, which stay in it: what is kept of them is where their pages lie. One that is read costs its page.

use super::super::super::source::{Entry, Records};
use super::chunks::Chunks;
use super::guard::{Stop, damaged, guarded};
use super::pages::{self, AtHand, Place};
use super::recent;
use crate::error::Result;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::Page;
use parquet::column::reader::{ColumnReaderImpl, get_column_reader, get_typed_column_reader};
use parquet::data_type::ByteArrayType;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescPtr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Rows that are read at a time.
pub(super) const ROWS: usize = 256;

/// The images of a file, by the numbers of their rows.
pub(super) struct Images {
    file: Entry,
    /// By which its pages are told from those of other files.
    number: u64,
    column: ColumnDescPtr,
    groups: Vec<Group>,
    pages: Vec<DataPage>,
}

/// What pages of one group of rows have in common.
struct Group {
    compression: Compression,
    dictionary: Option<Place>,
}

struct DataPage {
    /// Its first row.
    first: u64,
    /// A place in [`Images::groups`].
    group: usize,
    place: Place,
}

/// No two files have one number.
static FILES: AtomicU64 = AtomicU64::new(0);

impl Images {
    /// Goes over the pages of a column. With it comes of each row whether it has an image. Pages are read for that alone, where
    /// the file does not say that all rows of a group have one.
    pub fn find(
        file: &Entry,
        reader: &SerializedFileReader<Chunks>,
        column: usize,
        all_rows: u64,
    ) -> Result<(Images, Vec<bool>), Stop> {
        let meta = reader.metadata();
        let descr = meta.file_metadata().schema_descr().column(column);
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let mut images = Images { file: file.clone(), number, column: descr, groups: Vec::new(), pages: Vec::new() };
        let mut there = Vec::new();
        for group in meta.row_groups() {
            let chunk = group.columns().get(column).ok_or_else(|| damaged("a group of rows lacks a column"))?;
            let (first, pages) = (there.len() as u64, images.pages.len());
            let rows = images.add(chunk, first)?;
            if i64::try_from(rows) != Ok(group.num_rows()) || first + rows > all_rows {
                return Err(damaged(format!("a group of {} rows has {rows} values", group.num_rows())));
            }
            if images.has_all(chunk) {
                there.resize((first + rows) as usize, true);
                continue;
            }
            for page in pages..images.pages.len() {
                images.look(page, &mut there)?;
                let next = images.pages.get(page + 1).map_or(first + rows, |next| next.first);
                if there.len() as u64 != next {
                    return Err(damaged("a page has fewer values than its header says"));
                }
            }
        }
        Ok((images, there))
    }

    /// Adds the pages of a group of rows, of which `first` is the first row; how many rows they have.
    fn add(&mut self, chunk: &ColumnChunkMetaData, first: u64) -> Result<u64, Stop> {
        let (mut dictionary, mut rows, group) = (None, 0u64, self.groups.len());
        for (place, page) in pages::places(&self.file, chunk)? {
            if page.is_dict {
                dictionary = Some(place);
                continue;
            }
            self.pages.push(DataPage { first: first + rows, group, place });
            // A value a row: the column has no lists.
            let values = page.num_levels.and_then(|n| u32::try_from(n).ok());
            rows += values.ok_or_else(|| damaged("a page does not say how many values it has"))? as u64;
        }
        self.groups.push(Group { compression: chunk.compression(), dictionary });
        Ok(rows)
    }

    /// Whether the file says that all rows of a group have an image. One that says so and lacks one is damaged, which is found
    /// when that one is read.
    fn has_all(&self, chunk: &ColumnChunkMetaData) -> bool {
        let without = chunk.statistics().and_then(|said| said.null_count_opt());
        self.column.max_def_level() == 0 || without == Some(0)
    }

    /// Looks at the rows of a page, whether they have an image.
    fn look(&self, page: usize, there: &mut Vec<bool>) -> Result<(), Stop> {
        let mut values = self.values(&self.pages[page], &self.file.path)?;
        loop {
            let (mut levels, mut some) = (Vec::new(), Vec::new());
            if values.read_records(ROWS, Some(&mut levels), None, &mut some)?.0 == 0 {
                return Ok(());
            }
            // A value is there where its level is the column's highest.
            there.extend(levels.iter().map(|level| *level == self.column.max_def_level()));
        }
    }

    /// The values of a page.
    fn values(&self, page: &DataPage, path: &Path) -> Result<ColumnReaderImpl<ByteArrayType>, Stop> {
        let group = &self.groups[page.group];
        let data = self.page(page.place, group, path)?;
        let by_number = matches!(data.encoding(), Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
        let dictionary =
            group.dictionary.filter(|_| by_number).map(|place| self.page(place, group, path)).transpose()?;
        let pages = AtHand(dictionary.into_iter().chain([data]).collect());
        Ok(get_typed_column_reader(get_column_reader(self.column.clone(), Box::new(pages))))
    }

    fn page(&self, place: Place, group: &Group, path: &Path) -> Result<Page, Stop> {
        let unpack = || pages::unpacked(&self.file, place, &self.column, group.compression, path);
        let key = recent::Key { file: self.number, stamp: self.file.stamp(), offset: place.offset };
        recent::page(key, unpack)
    }

    fn value(&self, row: u64, path: &Path) -> Result<Vec<u8>, Stop> {
        let missing = || damaged("it has no image where there was one");
        // Of pages with the same first row all but the last are empty.
        let page = self.pages.partition_point(|page| page.first <= row).checked_sub(1).map(|at| &self.pages[at]);
        let page = page.ok_or_else(missing)?;
        let (mut values, before) = (self.values(page, path)?, (row - page.first) as usize);
        if values.skip_records(before)? != before {
            return Err(missing());
        }
        let (mut levels, mut found) = (Vec::new(), Vec::new());
        values.read_records(1, Some(&mut levels), None, &mut found)?;
        Ok(found.first().ok_or_else(missing)?.data().to_vec())
    }
}

impl Records for Images {
    fn file(&self) -> &Entry {
        &self.file
    }

    fn read(&self, row: u64, path: &Path) -> Result<Vec<u8>> {
        guarded(path, "lies in a page that is cut short or damaged", || self.value(row, path))
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        recent::forget(self.number);
    }
}
