//! The pages of a column: where they lie, and one of them unpacked. All of it is the parquet crate's work, which goes over the
//! headers of pages without reading more, and reads a page that it is given alone.

use super::super::super::source::Entry;
use super::chunks::Chunks;
use super::guard::{Stop, damaged};
use crate::memory;
use bytes::Bytes;
use parquet::basic::Compression;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::Length;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescPtr;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

/// Where a page lies in its file, with its header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub offset: u64,
    pub len: u64,
}

/// The pages of a column of one group of rows, by their headers.
pub(super) fn places(file: &Entry, column: &ColumnChunkMetaData) -> Result<Vec<(Place, PageMetadata)>, Stop> {
    let chunks = Chunks::of(file)?;
    let (start, len) = column.byte_range();
    let end = start.checked_add(len).filter(|end| *end <= chunks.len());
    let end = end.ok_or_else(|| damaged("a column ends behind the end of the file"))?;
    // How many rows there are it only asks where it is told the places of the pages.
    let mut reader = SerializedPageReader::new(Arc::new(chunks.clone()), column, 0, None)?;
    let mut found = Vec::new();
    while let Some(page) = reader.peek_next_page()? {
        found.push((chunks.begun(), page));
        reader.skip_next_page()?;
    }
    let ends: Vec<u64> = found.iter().skip(1).map(|(next, _)| *next).chain([end]).collect();
    let place = |((offset, page), end): ((u64, PageMetadata), u64)| (Place { offset, len: end - offset }, page);
    Ok(found.into_iter().zip(ends).map(place).collect())
}

/// The page at a place of `file`, unpacked. Its checksum is compared, if it has one. Errors of reading it call it `path`.
pub(super) fn unpacked(
    file: &Entry,
    place: Place,
    column: &ColumnDescPtr,
    compression: Compression,
    path: &Path,
) -> Result<Page, Stop> {
    let check = |bytes| memory::check(bytes).map_err(|e| Stop::TooMuch("the images of one page", e));
    check(place.len)?;
    let mut packed = file.part(file.name.clone(), place.offset, place.len);
    packed.path = path.into();
    let packed = Bytes::from(packed.read()?);
    // As if the page were all of its column.
    let all = ColumnChunkMetaData::builder(column.clone()).set_compression(compression);
    let all = all.set_total_compressed_size(packed.len() as i64).build()?;
    if compression != Compression::UNCOMPRESSED {
        check(unpacked_size(&packed).unwrap_or(0))?;
    }
    let page = SerializedPageReader::new(Arc::new(packed), &all, 0, None)?.get_next_page()?;
    page.ok_or_else(|| damaged("there is no page where one was"))
}

/// How many bytes the page is unpacked, by its header; `None` where the crate will find that it is none. It makes room for that
/// many before it unpacks, and tells nobody how many they are.
fn unpacked_size(header: &[u8]) -> Option<u64> {
    // A struct of thrift's compact protocol: field 1 says the kind of page, field 2 is this number. Before each stands how much
    // further its number is than the one of the field before, and what it is: a whole number of 32 bits.
    const NEXT_I32: u8 = 0x15;
    let (_, rest) = varint(header.strip_prefix(&[NEXT_I32])?)?;
    let (size, _) = varint(rest.strip_prefix(&[NEXT_I32])?)?;
    // Zigzag: the last bit is the sign.
    (size & 1 == 0).then_some(size >> 1)
}

/// A number of seven bits a byte, lowest first, and what stands behind it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().take(5).position(|b| b & 0x80 == 0)?;
    let (number, rest) = bytes.split_at(end + 1);
    Some((number.iter().rev().fold(0, |sum, b| sum << 7 | (b & 0x7f) as u64), rest))
}

/// Pages that are at hand, for the crate to take values out of them.
pub(super) struct AtHand(pub VecDeque<Page>);

impl Iterator for AtHand {
    type Item = parquet::errors::Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.pop_front().map(Ok)
    }
}

impl PageReader for AtHand {
    fn get_next_page(&mut self) -> parquet::errors::Result<Option<Page>> {
        Ok(self.0.pop_front())
    }

    fn peek_next_page(&mut self) -> parquet::errors::Result<Option<PageMetadata>> {
        let said = |page: &Page| PageMetadata {
            num_rows: None,
            num_levels: page.is_data_page().then_some(page.num_values() as usize),
            is_dict: page.is_dictionary_page(),
        };
        Ok(self.0.front().map(said))
    }

    fn skip_next_page(&mut self) -> parquet::errors::Result<()> {
        self.0.pop_front();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_page_is_read_from_its_header() {
        // A data page (0) of 300 bytes unpacked, 5 packed.
        assert_eq!(unpacked_size(&[0x15, 0x00, 0x15, 0xd8, 0x04, 0x15, 0x0a]), Some(300));
        assert_eq!(unpacked_size(&[0x15, 0x06, 0x15, 0x02, 0x15]), Some(1));
        // Below zero, cut short, another field, a number without an end.
        for header in
            [&[0x15, 0x00, 0x15, 0x01][..], &[0x15, 0x00, 0x15, 0xd8], &[0x15, 0x00, 0x16, 0x02], &[], &[0xff; 9]]
        {
            assert_eq!(unpacked_size(header), None, "{header:?}");
        }
    }
}
