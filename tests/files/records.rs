//! Sets whose images are records: against what their own libraries read, and every way in which they can be bad. The files in
//! `tests/data/readers` are made by these libraries; its README says how.

use super::sets::{data, files, names, open_files, png, reds, refused, whole};
use flate2::Compression;
use flate2::write::GzEncoder;
use onebit::data::{Dataset, OpenOptions, Split};
use serde_json::Value;
use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

// ---- against other libraries ---------------------------------------------------------------------------------------

fn assert_as_expected(split: &Split, name: &str, expected: &Value) {
    let texts = |v: &Value| v.as_array().unwrap().iter().map(|c| c.as_str().unwrap().to_string()).collect::<Vec<_>>();
    let numbers = |v: &Value| v.as_array().unwrap().iter().map(|c| c.as_u64().unwrap() as u32).collect::<Vec<_>>();
    assert_eq!(split.train.classes, texts(&expected["classes"]), "{name}");
    let parts = expected["parts"].as_object().unwrap();
    assert!(parts.contains_key("train"), "{name}");
    for (part, found) in [("train", &split.train), ("val", &split.val), ("test", &split.test)] {
        // What is tested on is val where there is no test.
        let is_val = part == "test" && !parts.contains_key("test") && parts.contains_key("val");
        let Some(of) = parts.get(if is_val { "val" } else { part }) else {
            assert!(found.is_empty(), "{name}: {part} has {} images", found.len());
            continue;
        };
        assert_eq!(found.labels, Some(numbers(&of["labels"])), "{name}: {part}");
        let pixels = numbers(&of["pixels"]);
        if !pixels.is_empty() {
            let crcs: Vec<u32> = (0..found.len()).map(|i| crc32fast::hash(&found.image(i).unwrap())).collect();
            assert_eq!(crcs, pixels, "{name}: {part}");
        }
    }
}

#[test]
fn every_set_is_read_as_its_own_library_reads_it() {
    let expected: Value = serde_json::from_slice(&fs::read(data("expected.json")).unwrap()).unwrap();
    let expected = expected.as_object().unwrap();
    assert!(expected.len() >= 14, "{}", expected.len());
    for (name, expected) in expected {
        let path = data(name);
        let split = Dataset::open(&path, &whole()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_as_expected(&split, name, expected);
        // The same in an archive, below a folder, and in a folder that holds nothing else.
        let mut archive = tar::Builder::new(Vec::new());
        let mut zipped = ZipWriter::new(Cursor::new(Vec::new()));
        for (file, bytes) in files(&path) {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, format!("some/{file}"), &bytes[..]).unwrap();
            zipped.start_file(format!("some/{file}"), SimpleFileOptions::default()).unwrap();
            zipped.write_all(&bytes).unwrap();
        }
        // Shards are archives themselves, which are not opened within another one.
        if !name.starts_with("webdataset") {
            let files = vec![("set.tar".to_string(), archive.into_inner().unwrap())];
            assert_as_expected(&Dataset::open_files(Path::new("x"), files, &whole()).unwrap(), name, expected);
            let files = vec![("set.zip".to_string(), zipped.finish().unwrap().into_inner())];
            assert_as_expected(&Dataset::open_files(Path::new("x"), files, &whole()).unwrap(), name, expected);
        }
    }
}

#[test]
fn coarse_classes_are_read_where_asked_for() {
    let coarse = OpenOptions { coarse_labels: true, ..whole() };
    let split = Dataset::open(data("cifar-100-python"), &coarse).unwrap();
    assert_eq!(names(&split.train), ["coarse 19", "coarse 0"]);
    assert_eq!((split.train.classes.len(), split.name()), (20, "CIFAR-100"));
    let split = Dataset::open(data("parquet-100"), &coarse).unwrap();
    assert_eq!(split.train.classes, ["coarse 0", "coarse 1"]);
    assert_eq!(split.test.labels, Some(vec![0, 1]));
}

#[test]
fn what_is_missing_of_a_set_is_said() {
    let split = Dataset::open(data("cifar-10-batches-py"), &whole()).unwrap();
    assert!(split.to_string().contains("without training batches 3, 4, 5 of 5"), "{split}");
    // One of two shards.
    let mut all = files(&data("parquet-shards"));
    all.retain(|(name, _)| !name.contains("00000-of-00002"));
    let split = Dataset::open_files(Path::new("x"), all, &whole()).unwrap();
    assert!(split.to_string().contains("without 1 of the 2 training shards"), "{split}");
    let mut all = files(&data("webdataset"));
    all.retain(|(name, _)| !name.contains("train-000001"));
    let split = Dataset::open_files(Path::new("x"), all, &whole()).unwrap();
    assert!(split.to_string().contains("without 1 of the shards set-train-0 to 2"), "{split}");
    // A row without a label, and one without an image.
    let split = Dataset::open(data("parquet-plain"), &whole()).unwrap();
    assert_eq!(split.left_out.count(), 2);
    let said = split.left_out.to_string();
    assert!(said.contains("train.parquet#2") && said.contains("train.parquet#4"), "{said}");
}

/// Cut or changed anywhere, files are refused by their name or read; nothing panics, and no number is believed.
#[test]
fn damaged_sets_are_refused_or_read() {
    for set in [
        "cifar-10-batches-py",
        "cifar-100-python",
        "pathmnist.npz",
        "mnist.npz",
        "k49",
        "planes",
        "parquet-shards",
        "parquet-100",
        "parquet-plain",
        "webdataset",
        "webdataset-json",
    ] {
        let whole_set = files(&data(set));
        let mut opened = 0;
        for (i, (name, bytes)) in whole_set.iter().enumerate() {
            let mut try_with = |changed: Vec<u8>, what: String| {
                let mut all = whole_set.clone();
                all[i].1 = changed;
                match Dataset::open_files(Path::new("damaged"), all, &whole()) {
                    Ok(split) => {
                        split.train.check(Path::new(set)).unwrap();
                        opened += 1;
                    }
                    Err(e) => assert!(e.to_string().contains("damaged"), "{set}/{name} {what}: {e}"),
                }
            };
            let step = (bytes.len() / 25).max(1);
            for cut in (0..bytes.len()).step_by(step) {
                try_with(bytes[..cut].to_vec(), format!("cut at {cut}"));
            }
            // Headers and footers byte by byte, the rest here and there.
            for at in (0..bytes.len()).filter(|at| *at < 256 || at % step == 0 || *at + 600 > bytes.len()) {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << (at % 8);
                try_with(changed, format!("changed at {at}"));
                let mut changed = bytes.clone();
                changed[at] = 0xff;
                try_with(changed, format!("0xff at {at}"));
            }
        }
        assert!(opened > 0, "{set}");
    }
}

/// Pages that have a checksum are compared with it (`make.py` has them written).
#[test]
fn a_byte_of_a_checked_page_that_turned_is_refused() {
    let whole_set = Dataset::open(data("parquet-checked"), &whole()).unwrap().train;
    let pixels = whole_set.pixels().unwrap();
    let (name, bytes) = files(&data("parquet-checked")).remove(0);
    let footer = u32::from_le_bytes(*bytes[..bytes.len() - 4].last_chunk().unwrap()) as usize;
    let mut refused = 0;
    for at in 4..bytes.len() - 8 - footer {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        match Dataset::open_files(Path::new("x"), vec![(name.clone(), changed)], &whole()) {
            Ok(split) => {
                assert_eq!((&split.train.labels, split.train.pixels().unwrap()), (&whole_set.labels, pixels.clone()))
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 400, "{refused}");
}

#[test]
fn a_label_below_zero_is_called_what_it_is() {
    // {"data": an array of one image of zeros, "labels": [-1]}, as Python writes it with protocol 2.
    let (name, bytes) = files(&data("cifar-10-batches-py")).into_iter().find(|(n, _)| n == "data_batch_1").unwrap();
    let at = bytes.windows(6).position(|w| w == b"labels").unwrap();
    // The first small number behind it (K n) becomes -1 (J ff ff ff ff).
    let number = at + bytes[at..].iter().position(|b| *b == b'K').unwrap();
    let changed = [&bytes[..number], b"J\xff\xff\xff\xff", &bytes[number + 2..]].concat();
    let said = Dataset::open_files(Path::new("x"), vec![(name, changed)], &whole()).unwrap_err().to_string();
    assert!(said.contains("is -1, out of the range 0..=9"), "{said}");
}

// ---- IDX -----------------------------------------------------------------------------------------------------------

fn idx(kind: u8, extents: &[u32], elements: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 0, kind, extents.len() as u8];
    extents.iter().for_each(|e| out.extend(e.to_be_bytes()));
    out.extend(elements);
    out
}

#[test]
fn of_two_copies_of_an_idx_set_one_is_taken() {
    let images = |n: u8| idx(8, &[n as u32, 2, 2], &(0..4 * n).collect::<Vec<u8>>());
    let labels = |n: u8| idx(8, &[n as u32], &(0..n).map(|i| i % 3).collect::<Vec<u8>>());
    let kaggle = [
        ("train-images.idx3-ubyte", images(6)),
        ("train-images-idx3-ubyte/train-images-idx3-ubyte", images(6)),
        ("train-labels.idx1-ubyte", labels(6)),
        ("train-labels-idx1-ubyte/train-labels-idx1-ubyte", labels(6)),
        ("t10k-images-idx3-ubyte/t10k-images-idx3-ubyte", images(3)),
        ("t10k-labels-idx1-ubyte/t10k-labels-idx1-ubyte", labels(3)),
    ];
    let split = open_files(&kaggle).unwrap();
    assert_eq!((split.train.len(), split.test.len(), split.train.classes.len()), (6, 3, 3));
    assert_eq!(split.left_out.count(), 2);
    assert!(split.left_out.to_string().contains("a copy of"), "{}", split.left_out);
    // Of a copy that is cut short the whole one is taken, and said.
    let mut cut = kaggle.clone();
    cut[0].1.truncate(20);
    let split = open_files(&cut).unwrap();
    assert_eq!(split.train.len(), 6);
    assert!(split.to_string().contains("train-images.idx3-ubyte is damaged"), "{split}");
    // Two that differ are two sets.
    let mut other = kaggle.clone();
    other[1].1 = images(6).iter().rev().copied().collect();
    other[1].1[..16].copy_from_slice(&images(6)[..16]);
    refused(&other, &["2 IDX image files for the training part", "train-images.idx3-ubyte"]);
    // Copies in a folder of another name.
    let twice: Vec<(String, Vec<u8>)> = kaggle[..4]
        .iter()
        .filter(|(name, _)| !name.contains('/'))
        .flat_map(|(name, bytes)| [(format!("raw/{name}"), bytes.clone()), (format!("backup/{name}"), bytes.clone())])
        .collect();
    let twice: Vec<(&str, Vec<u8>)> = twice.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    let split = open_files(&twice).unwrap();
    assert_eq!((split.train.len(), split.left_out.count()), (6, 2));
}

#[test]
fn idx_labels_and_types_are_looked_at() {
    let images = |n: u32| idx(8, &[n, 2, 2], &vec![7; 4 * n as usize]);
    let with = |labels: Vec<u8>| {
        [
            ("latest-images-idx3-ubyte", images(labels.len() as u32)),
            ("latest-labels-idx1-ubyte", { idx(8, &[labels.len() as u32], &labels) }),
        ]
    };
    // "latest" is no test.
    let split = open_files(&with(vec![0, 1, 2])).unwrap();
    assert_eq!((split.train.len(), split.test.len()), (3, 0));
    refused(&with(vec![255, 0, 1]), &["1 images have the label 255", "-1"]);
    let split = open_files(&with(vec![0, 1, 7])).unwrap();
    assert!(split.to_string().contains("5 of the 8 classes have no training images (2 to 6)"), "{split}");
    for (kind, size, name) in [
        (9, 1, "signed bytes"),
        (11, 2, "16-bit"),
        (12, 4, "32-bit integers"),
        (13, 4, "32-bit floats"),
        (14, 8, "64-bit floats"),
    ] {
        let bytes = idx(kind, &[2, 2, 2], &vec![0; 8 * size]);
        refused(&[("train-images-idx3-ubyte", bytes)], &["train-images-idx3-ubyte", name, "uint8"]);
    }
    // One plane a channel.
    let planes = idx(8, &[1, 3, 2, 2], &(0..12).collect::<Vec<u8>>());
    let split = open_files(&[("train-images-idx4-ubyte", planes)]).unwrap();
    assert_eq!(split.train.image(0).unwrap()[..], [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
    assert!(split.to_string().contains("3 channels x 2 x 2"), "{split}");
    refused(&[("train-images-idx4-ubyte", idx(8, &[1, 3, 2, 3], &[0; 18]))], &["cannot be told"]);
}

/// Pixels that begin as a gzipped file does are pixels.
#[test]
fn raw_images_are_never_unpacked() {
    let pixels = [0x1f, 0x8b, 8, 0];
    let split = open_files(&[("train-images-idx3-ubyte", idx(8, &[1, 2, 2], &pixels))]).unwrap();
    assert_eq!(split.train.image(0).unwrap()[..], pixels);
}

// ---- shards --------------------------------------------------------------------------------------------------------

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        out.append_data(&mut header, name, *bytes).unwrap();
    }
    out.into_inner().unwrap()
}

#[test]
fn samples_of_webdataset_are_read_however_they_lie() {
    let (a, b) = (png(1), png(2));
    let samples: [(&str, &[u8]); 5] =
        [("0.png", &a), ("0.cls", b"3\n"), ("1.png", &b), ("1.cls", b"0"), ("README.md", b"words")];
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&tar(&samples)).unwrap();
    for files in [
        vec![("shard-000.tar", tar(&samples))],
        vec![("shard-000.tar.gz", packed.finish().unwrap())],
        samples.iter().map(|(n, b)| (*n, b.to_vec())).collect(),
    ] {
        let split = open_files(&files).unwrap();
        assert_eq!((split.train.labels.clone(), reds(&split.train)), (Some(vec![3, 0]), vec![1, 2]));
        assert!(split.to_string().contains("2 of the 4 classes have no images (1 to 2)"), "{split}");
        assert_eq!(split.left_out.count(), 1);
    }
    // Names as classes, parts by folders, two shards.
    let shard = |red: u8, class: &str| tar(&[("x.png", &png(red)), ("x.cls", class.as_bytes())]);
    let split = open_files(&[
        ("train/0.tar", shard(1, "dog")),
        ("train/1.tar", shard(2, "cat")),
        ("val/0.tar", shard(3, "dog")),
    ])
    .unwrap();
    assert_eq!((names(&split.train), names(&split.val)), (vec!["dog", "cat"], vec!["dog"]));
    // Captions are no classes: the set is read without.
    let captioned = |text: &str| tar(&[("0.png", &png(1)), ("0.txt", text.as_bytes())]);
    let split = open_files(&[("a-0.tar", captioned("a dog")), ("a-1.tar", captioned("a cat"))]).unwrap();
    assert!(split.train.labels.is_none() && split.to_string().contains("have no classes"), "{split}");

    let two = |first: &str, second: &str| vec![("a-0.tar", shard(1, first)), ("a-1.tar", shard(2, second))];
    refused(&two("dog", "1"), &["names (\"dog\") and numbers", "side by side"]);
    refused(&two("0", "-1"), &["is -1, below 0"]);
    refused(&two("0", ""), &["a-1.tar", "is empty"]);
    let double = tar(&[("0.png", &png(1)), ("0.jpg", &png(1)), ("0.cls", b"1")]);
    refused(&[("a-0.tar", double)], &["has 2 images", "one image a sample"]);
    let silent = vec![("a-train-0.tar", shard(1, "0")), ("a-more-0.tar", shard(2, "1"))];
    refused(&silent, &["a-more-0.tar says no part"]);
}

// ---- inputs from the field -----------------------------------------------------------------------------------------

fn field(name: &str) -> Split {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/field").join(name);
    Dataset::open(&path, &OpenOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn idx_folders_from_the_field() {
    let split = field("idx-folders/kaggle");
    assert_eq!((split.train.len(), split.test.len(), split.train.classes.len()), (30, 9, 3));
    assert_eq!(split.left_out.count(), 4);
    let split = field("idx-folders/latest");
    assert_eq!(split.train.len() + split.test.len(), 30);
    assert!(split.to_string().contains("no test part of its own"), "{split}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/field/idx-folders/label255");
    let m = Dataset::open(path, &OpenOptions::default()).unwrap_err().to_string();
    assert!(m.contains("train-labels-idx1-ubyte") && m.contains("10 images have the label 255"), "{m}");
}

#[test]
fn tiny_imagenet_from_the_field() {
    // One of four validation images is listed.
    let split = field("tiny-imagenet/tinyin");
    assert_eq!((split.train.len(), split.val.len()), (8, 1));
    assert_eq!(split.train.classes, ["n01", "n02"]);
    assert_eq!(names(&split.test), ["n01"]);
    assert!(split.left_out.to_string().contains("val_1.png"), "{}", split.left_out);
    // None is listed: a share of the training images is drawn, and why is said.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/field/tiny-imagenet/tinyin");
    let mut all = files(&path);
    all.retain(|(name, _)| !name.ends_with("val_annotations.txt"));
    let half = OpenOptions { test_share: 0.5, ..OpenOptions::default() };
    let split = Dataset::open_files(Path::new("x"), all, &half).unwrap();
    assert_eq!(split.train.len() + split.test.len(), 8);
    assert!(!split.test.is_empty() && split.test.labels.is_some());
    let said = split.to_string();
    assert!(said.contains("neither val nor test has labels") && said.contains("data.test"), "{said}");
}

#[test]
fn tables_and_samples_from_the_field() {
    // A table that lists one image of eight.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/field/unlabelled-says-0-classes/flatcsv");
    let m = Dataset::open(&path, &OpenOptions::default()).unwrap_err().to_string();
    assert!(m.contains("flatcsv") && m.contains("labels.csv gives a class to 1 of the 8 images"), "{m}");
    assert!(m.contains("\"cat\"") && m.contains("without labels"), "{m}");
    let split = field("unlabelled-says-0-classes/webdataset.tar");
    assert_eq!(split.train.len() + split.test.len(), 10);
    assert!(split.train.labels.is_some() && split.train.classes.len() > 1, "{split}");
}

// ---- several sets --------------------------------------------------------------------------------------------------

#[test]
fn several_sets_are_told_by_their_kind_and_folder() {
    let mut all = files(&data("planes"));
    all.iter_mut().for_each(|(name, _)| *name = format!("arrays/{name}"));
    all.extend(files(&data("parquet-plain")));
    let m = Dataset::open_files(Path::new("set"), all, &whole()).unwrap_err().to_string();
    assert!(m.contains("arrays of NumPy in \"arrays\"") && m.contains("Parquet files in the folder itself"), "{m}");
}
