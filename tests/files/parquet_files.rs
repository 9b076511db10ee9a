//! Parquet files as their own library writes them in every way: images are read from the disk page by page, and are what was
//! written.

use super::sets::{png, reds};
use bytes::Bytes;
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use onebit::data::{AugmentSpec, Batch, Dataset, Images, Loader, LoaderOptions, OnError, OpenOptions, Split};
use parquet::basic::{Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::column::page::Page;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::serialized_reader::ReadOptionsBuilder;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use rayon::prelude::*;
use std::fs;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How a file is written.
#[derive(Clone, Copy, Debug)]
struct Shape {
    compression: Compression,
    version: WriterVersion,
    encoding: Encoding,
    dictionary: bool,
    /// Whether it says how many rows lack an image.
    statistics: bool,
    group: usize,
    page: usize,
}

const PLAIN: Shape = Shape {
    compression: Compression::SNAPPY,
    version: WriterVersion::PARQUET_1_0,
    encoding: Encoding::PLAIN,
    dictionary: false,
    statistics: true,
    group: 8,
    page: 3,
};

const STRUCT: &str =
    "message m { optional group image { optional binary bytes; optional binary path (UTF8); } optional int64 label; }";
const BYTES: &str = "message m { required binary image; optional int64 label; }";

/// Images are a struct of bytes and path, or bytes alone.
fn written(images: &[Option<Vec<u8>>], schema: &str, shape: Shape) -> Vec<u8> {
    let statistics = if shape.statistics { EnabledStatistics::Page } else { EnabledStatistics::None };
    let properties = WriterProperties::builder()
        .set_compression(shape.compression)
        .set_writer_version(shape.version)
        .set_encoding(shape.encoding)
        .set_dictionary_enabled(shape.dictionary)
        .set_statistics_enabled(statistics)
        .set_write_batch_size(shape.page)
        .set_data_page_row_count_limit(shape.page);
    // Labels are numbers, which bytes' own encodings are not for.
    let properties = properties.set_column_encoding("label".into(), Encoding::PLAIN).build();
    let schema_type = Arc::new(parse_message_type(schema).unwrap());
    let mut out = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut out, schema_type, Arc::new(properties)).unwrap();
    for (first, rows) in (0..).step_by(shape.group).zip(images.chunks(shape.group)) {
        let mut group = writer.next_row_group().unwrap();
        let bytes: Vec<ByteArray> = rows.iter().flatten().map(|b| b.clone().into()).collect();
        // Of two rows without an image one has nothing at all, and one a path.
        let level = |(i, row): (usize, &Option<Vec<u8>>)| if row.is_some() { 2 } else { i as i16 % 2 };
        let levels: Vec<i16> = rows.iter().enumerate().map(level).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&bytes, (schema == STRUCT).then_some(&levels[..]), None).unwrap();
        column.close().unwrap();
        if schema == STRUCT {
            let paths: Vec<ByteArray> = levels.iter().filter(|l| **l > 0).map(|_| "a.png".into()).collect();
            let levels: Vec<i16> = levels.iter().map(|l| if *l > 0 { 2 } else { 0 }).collect();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&paths, Some(&levels), None).unwrap();
            column.close().unwrap();
        }
        let labels: Vec<i64> = (first..first + rows.len() as i64).map(|i| i % 2).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&labels, Some(&vec![1; rows.len()]), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
    out
}

/// Where a page of images lies.
fn place(file: &[u8], group: usize, page: usize) -> Range<usize> {
    let options = ReadOptionsBuilder::new().with_page_index().build();
    let reader = SerializedFileReader::new_with_options(Bytes::from(file.to_vec()), options).unwrap();
    let index = reader.metadata().page_index_for_row_group(group);
    let place = &index.page_locations(0).unwrap()[page];
    place.offset as usize..place.offset as usize + place.compressed_page_size as usize
}

fn options(memory: Option<u64>) -> OpenOptions {
    OpenOptions { memory, test_share: 0.0, ..OpenOptions::default() }
}

fn open(path: &Path, memory: Option<u64>) -> Split {
    Dataset::open(path, &options(memory)).unwrap_or_else(|e| panic!("{e}"))
}

fn is_encoded(set: &Dataset) -> bool {
    matches!(set.images, Images::Encoded(_))
}

const NAME: &str = "train-00000-of-00001.parquet";

/// Images of which some are missing and some are there several times.
fn images(rows: usize) -> Vec<Option<Vec<u8>>> {
    (0..rows).map(|i| (i % 7 != 5 && i % 11 != 0).then(|| png((i % 9) as u8))).collect()
}

fn epoch(split: &Split) -> Result<Vec<Batch>, String> {
    let loader = Loader::new(split.train.clone(), LoaderOptions::train(4, 5, AugmentSpec::default())).unwrap();
    loader.epoch(0).collect::<Result<_, _>>().map_err(|e| e.to_string())
}

/// That a set has the images that were written, read in whatever order.
fn assert_is(split: &Split, images: &[Option<Vec<u8>>], what: &str) {
    let labels: Vec<u32> = (0..).zip(images).filter_map(|(row, bytes)| bytes.as_ref().map(|_| row % 2)).collect();
    assert_eq!(split.train.labels, Some(labels), "{what}");
    let there: Vec<(usize, &Vec<u8>)> = images.iter().enumerate().filter_map(|(i, b)| Some((i, b.as_ref()?))).collect();
    let origins = split.train.origins.as_ref().unwrap();
    assert_eq!((split.train.len(), origins.len()), (there.len(), there.len()), "{what}");
    for ((row, bytes), origin) in there.iter().zip(origins) {
        let of_file = (bytes.len() as u64, crc32fast::hash(bytes));
        assert_eq!((origin.bytes, origin.crc32), of_file, "{what} row {row}");
        assert!(origin.name.ends_with(&format!("#{row}")), "{what} row {row}: {}", origin.name);
    }
    let red = |(row, _): &(usize, &Vec<u8>)| (row % 9) as u8;
    assert_eq!(reds(&split.train), there.iter().map(red).collect::<Vec<_>>(), "{what}");
    let back: Vec<u8> = (0..there.len()).rev().map(|i| split.train.image(i).unwrap()[0]).collect();
    assert_eq!(back, there.iter().rev().map(red).collect::<Vec<_>>(), "{what}");
}

fn gzip() -> Compression {
    Compression::GZIP(GzipLevel::default())
}

fn zstd() -> Compression {
    Compression::ZSTD(ZstdLevel::default())
}

#[test]
fn every_way_to_write_images_gives_them_back() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join(NAME);
    let (some, all) = (images(29), (0..22).map(|i| Some(png(i % 9))).collect::<Vec<_>>());
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, gzip(), zstd()] {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for (encoding, dictionary) in [
                (Encoding::PLAIN, false),
                (Encoding::PLAIN, true),
                (Encoding::DELTA_LENGTH_BYTE_ARRAY, false),
                (Encoding::DELTA_BYTE_ARRAY, false),
            ] {
                for (statistics, schema, images) in
                    [(true, STRUCT, &some), (false, STRUCT, &some), (true, STRUCT, &all), (false, BYTES, &all)]
                {
                    let shape = Shape { compression, version, encoding, dictionary, statistics, ..PLAIN };
                    let what = format!("{shape:?} {schema}");
                    let file = written(images, schema, shape);
                    assert_has_pages(&file, shape, &what);
                    fs::write(&at, &file).unwrap();
                    let (disk, memory) = (open(dir.path(), Some(0)), open(dir.path(), None));
                    assert!(is_encoded(&disk.train) && !is_encoded(&memory.train), "{what}");
                    assert_is(&disk, images, &what);
                    assert_is(&memory, images, &what);
                    let missing = images.iter().filter(|i| i.is_none()).count();
                    assert_eq!((disk.left_out.count(), memory.left_out.count()), (missing, missing), "{what}");
                    assert_eq!(disk.manifest(), memory.manifest(), "{what}");
                }
            }
        }
    }
}

/// That a file is what it should test: pages of the version, several in a group, with a dictionary or not.
fn assert_has_pages(file: &[u8], shape: Shape, what: &str) {
    let reader = SerializedFileReader::new(Bytes::from(file.to_vec())).unwrap();
    assert!(reader.num_row_groups() >= 3, "{what}");
    let pages = reader.get_row_group(0).unwrap().get_column_page_reader(0).unwrap();
    let pages: Vec<Page> = pages.map(Result::unwrap).collect();
    assert_eq!(pages[0].is_dictionary_page(), shape.dictionary, "{what}");
    let data: Vec<&Page> = pages.iter().filter(|p| p.is_data_page()).collect();
    assert_eq!(data.len(), 3, "{what}");
    let second = shape.version == WriterVersion::PARQUET_2_0;
    for page in data {
        assert_eq!(matches!(page, Page::DataPageV2 { .. }), second, "{what}");
        let by_number = matches!(page.encoding(), Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
        assert_eq!(by_number, shape.dictionary, "{what}");
        assert!(by_number || page.encoding() == shape.encoding, "{what}: {}", page.encoding());
    }
}

/// A dictionary that grew too large, behind which images stand themselves.
#[test]
fn a_parquet_dictionary_that_is_given_up_is_read_with_what_follows() {
    let dir = tempfile::tempdir().unwrap();
    let images: Vec<Option<Vec<u8>>> = (0..90).map(|i| Some(png((i % 9) as u8))).collect();
    let shape = Shape { dictionary: true, group: 90, page: 1, ..PLAIN };
    let plain = written(&images, BYTES, shape);
    let properties = WriterProperties::builder().set_dictionary_page_size_limit(300).set_write_batch_size(1);
    let properties = Arc::new(properties.set_data_page_row_count_limit(1).build());
    let mut out = Vec::new();
    let schema = Arc::new(parse_message_type(BYTES).unwrap());
    let mut writer = SerializedFileWriter::new(&mut out, schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let bytes: Vec<ByteArray> = images.iter().flatten().map(|b| b.clone().into()).collect();
    column.typed::<ByteArrayType>().write_batch(&bytes, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let labels: Vec<i64> = (0..90).map(|i| i % 2).collect();
    column.typed::<Int64Type>().write_batch(&labels, Some(&[1; 90]), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    let reader = SerializedFileReader::new(Bytes::from(out.clone())).unwrap();
    let pages = reader.get_row_group(0).unwrap().get_column_page_reader(0).unwrap();
    let encodings: Vec<Encoding> = pages.map(|p| p.unwrap()).filter(Page::is_data_page).map(|p| p.encoding()).collect();
    assert!(encodings.contains(&Encoding::RLE_DICTIONARY) && encodings.contains(&Encoding::PLAIN), "{encodings:?}");
    for file in [plain, out] {
        fs::write(dir.path().join(NAME), file).unwrap();
        assert_is(&open(dir.path(), Some(0)), &images, "both");
    }
}

/// More pages than are kept, read by all threads in any order, of several files.
#[test]
fn parquet_rows_are_read_by_many_threads_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let rows: Vec<Option<Vec<u8>>> = (0..700).map(|i| Some(png((i % 9) as u8))).collect();
    for (file, shape) in [
        Shape { group: 100, page: 1, ..PLAIN },
        Shape { group: 100, page: 10, dictionary: true, compression: zstd(), ..PLAIN },
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(dir.path().join(format!("train-0000{file}-of-00002.parquet")), written(&rows, BYTES, shape)).unwrap();
    }
    let split = open(dir.path(), Some(0));
    assert_eq!(split.train.len(), 1400);
    let threads = rayon::ThreadPoolBuilder::new().num_threads(8).build().unwrap();
    threads.install(|| {
        (0..6000usize).into_par_iter().for_each(|i| {
            let which = i.wrapping_mul(7919) % 1400;
            assert_eq!(split.train.image(which).unwrap()[0], (which % 700 % 9) as u8, "{which}");
        });
    });
}

#[test]
fn a_parquet_page_that_is_damaged_is_told_by_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join(NAME);
    let images: Vec<Option<Vec<u8>>> = (0..24).map(|i| Some(png((i % 9) as u8))).collect();
    for compression in [Compression::SNAPPY, gzip(), zstd()] {
        let mut file = written(&images, BYTES, Shape { compression, ..PLAIN });
        // The last page of the second group: rows 14 and 15.
        let page = place(&file, 1, 2);
        file[page.start + 40..page.end].fill(0xff);
        fs::write(&at, &file).unwrap();
        for memory in [Some(0), None] {
            let told = Dataset::open(dir.path(), &options(memory)).map(|_| ()).unwrap_err().to_string();
            assert!(told.contains(&format!("{NAME}#14")) && told.contains("damaged"), "{told}");
            assert!(told.contains("data.on_error=skip") && !told.contains("is no Parquet file"), "{told}");
            let skip = OpenOptions { on_error: OnError::Skip, most_skipped: 0.2, ..options(memory) };
            let split = Dataset::open(dir.path(), &skip).unwrap();
            assert_eq!((split.train.len(), split.skipped.len()), (22, 2));
            let rows: Vec<&str> = split.skipped.iter().filter_map(|(path, _)| path.rsplit('#').next()).collect();
            assert_eq!(rows, ["14", "15"]);
        }
    }
    // A file that ends too early has no footer, and is named as a whole.
    fs::write(&at, &written(&images, BYTES, PLAIN)[..200]).unwrap();
    let told = Dataset::open(dir.path(), &options(None)).map(|_| ()).unwrap_err().to_string();
    assert!(told.contains(NAME) && told.contains("is no Parquet file"), "{told}");
}

/// A file with a time long ago, so that a change is one to the system's clock too.
fn write_old(at: &Path, file: &[u8]) {
    fs::write(at, file).unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    fs::File::options().write(true).open(at).unwrap().set_modified(long_ago).unwrap();
}

#[test]
fn a_parquet_file_that_changes_while_it_is_read_is_noticed() {
    const CHANGED: &str = "the set changed while it was read";
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join(NAME);
    let of = |first: u8| written(&(0..24).map(|i| Some(png(first + i))).collect::<Vec<_>>(), STRUCT, PLAIN);
    for other in [of(100), of(0)[..300].to_vec(), Vec::new(), vec![0xff; of(0).len()]] {
        write_old(&at, &of(0));
        let split = open(dir.path(), Some(0));
        let before = epoch(&split).unwrap();
        fs::write(&at, &other).unwrap();
        let told = epoch(&split).unwrap_err();
        assert!(told.contains(&format!("{NAME}#")) && told.contains(CHANGED), "{told}");
        assert_eq!(told.matches('#').count(), 1, "a row is named once: {told}");
        // The bytes count, and not their time.
        fs::write(&at, of(0)).unwrap();
        assert_eq!(epoch(&split).unwrap(), before);
    }
}

/// What was found of the images when a set was opened is kept: the next time no page but the first is read.
#[test]
fn a_parquet_set_that_is_known_is_opened_by_its_headers() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join(NAME);
    let images: Vec<Option<Vec<u8>>> = (0..24).map(|i| Some(png(i % 9))).collect();
    for schema in [STRUCT, BYTES] {
        let file = written(&images, schema, Shape { compression: zstd(), ..PLAIN });
        write_old(&at, &file);
        let time = fs::metadata(&at).unwrap().modified().unwrap();
        let first = open(dir.path(), Some(0)).manifest();
        // Pages that nobody could unpack, in a file with the same size and time.
        let mut bad = file.clone();
        for (group, pages) in [(0, 1..3), (1, 0..3), (2, 0..3)] {
            for page in pages.map(|page| place(&file, group, page)) {
                bad[page.start + 40..page.end].fill(0xff);
            }
        }
        fs::write(&at, &bad).unwrap();
        fs::File::options().write(true).open(&at).unwrap().set_modified(time).unwrap();
        let again = open(dir.path(), Some(0));
        assert_eq!(again.manifest(), first);
        let told = epoch(&again).unwrap_err();
        assert!(told.contains(&format!("{NAME}#")) && told.contains("damaged"), "{told}");
        fs::remove_file(&at).unwrap();
    }
}

/// Inside of an archive that is not compressed a file is read as if it lay beside it; compressed it is unpacked into memory.
#[test]
fn parquet_in_archives_is_read_where_it_lies() {
    let rows = images(29);
    let file = written(&rows, STRUCT, PLAIN);
    let mut gz = GzEncoder::new(Vec::new(), Level::fast());
    gz.write_all(&file).unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(file.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, NAME, &file[..]).unwrap();
    let zip = |method: zip::CompressionMethod| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file(NAME, zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(&file).unwrap();
        zip.finish().unwrap().into_inner()
    };
    for (name, bytes, in_memory) in [
        ("set.tar", tar.into_inner().unwrap(), false),
        // A zip has one checksum over each of its files.
        ("set.zip", zip(zip::CompressionMethod::Stored), true),
        ("set.zip", zip(zip::CompressionMethod::Deflated), true),
        (&*format!("{NAME}.gz"), gz.finish().unwrap(), true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join(name);
        fs::write(&at, &bytes).unwrap();
        let split = open(&at, Some(0));
        assert_is(&split, &rows, name);
        let told = split.notes.iter().any(|n| n.contains("are kept in memory"));
        assert_eq!(told, in_memory, "{name}: {:?}", split.notes);
    }
}

/// A file of images with labels, and a column of parts if there are any.
fn with_parts(labels: &[i64], parts: Option<&[&str]>) -> Vec<u8> {
    let split = if parts.is_some() { "required binary split (UTF8);" } else { "" };
    let schema = format!("message m {{ required binary image; required int64 label; {split} }}");
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let mut out = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut out, schema, Arc::new(WriterProperties::new())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let images: Vec<ByteArray> = (0..labels.len()).map(|i| png((i % 9) as u8).into()).collect();
    column.typed::<ByteArrayType>().write_batch(&images, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(labels, None, None).unwrap();
    column.close().unwrap();
    if let Some(parts) = parts {
        let parts: Vec<ByteArray> = parts.iter().map(|p| (*p).into()).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&parts, None, None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    out
}

#[test]
fn a_parquet_column_of_parts_is_followed_where_no_name_says_them() {
    let dir = tempfile::tempdir().unwrap();
    let (labels, parts) = ([0, 1, 0, 1, 0, 1], ["train", "train", "train", "Test", "test", "validation"]);
    let path = dir.path().join("all.parquet");
    fs::write(&path, with_parts(&labels, Some(&parts))).unwrap();
    let split = open(dir.path(), None);
    assert_eq!((split.train.len(), split.val.len(), split.test.len()), (3, 1, 2));
    assert_eq!(split.train.labels, Some(vec![0, 1, 0]));
    assert_eq!(split.test.labels, Some(vec![1, 0]));
    fs::write(&path, with_parts(&labels, Some(&["train", "train", "extra", "test", "test", "test"]))).unwrap();
    let m = Dataset::open(dir.path(), &options(None)).map(|_| ()).unwrap_err().to_string();
    assert!(m.contains("all.parquet#2") && m.contains("extra") && m.contains("train, val and test"), "{m}");
    // What contradicts the name of its file is refused; a column of something else is not.
    fs::remove_file(&path).unwrap();
    fs::write(dir.path().join(NAME), with_parts(&labels, Some(&parts))).unwrap();
    let m = Dataset::open(dir.path(), &options(None)).map(|_| ()).unwrap_err().to_string();
    assert!(m.contains("00001.parquet#3") && m.contains("Test") && m.contains("training by its name"), "{m}");
    fs::write(dir.path().join(NAME), with_parts(&labels, Some(&["a", "b", "c", "d", "train", "f"]))).unwrap();
    assert_eq!(open(dir.path(), None).train.len(), 6);
}

#[test]
fn minus_one_and_one_are_no_two_classes_of_parquet() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(NAME), with_parts(&[-1, 1, 1, -1], None)).unwrap();
    let m = Dataset::open(dir.path(), &options(None)).map(|_| ()).unwrap_err().to_string();
    assert!(m.contains("-1, which means that there is none, and 1") && m.contains("0 and 1"), "{m}");
    fs::write(dir.path().join(NAME), with_parts(&[-1, 0, 1, -1], None)).unwrap();
    assert_eq!(open(dir.path(), None).train.labels, Some(vec![0, 1]));
}
