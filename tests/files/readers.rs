//! Every layout that is recognised, and every way in which a data set can be bad.

use flate2::Compression;
use flate2::write::GzEncoder;
use image::{GrayImage, RgbImage};
use libjpeg_turbo_rs::{PixelFormat, Subsampling};
use onebit::data::{Dataset, OpenOptions, Split};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

// ---- files to read -------------------------------------------------------------------------------------------------

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn put(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// A tar of everything in `dir`, below the folder `root`.
fn tar(dir: &Path, root: &str) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    out.append_dir_all(root, dir).unwrap();
    out.into_inner().unwrap()
}

/// IDX bytes; `extents` also say what the header claims.
fn idx(extents: &[u32], data: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 0, 8, extents.len() as u8];
    extents.iter().for_each(|e| out.extend(e.to_be_bytes()));
    out.extend(data);
    out
}

/// `n` images of 2 x 3 whose pixels are their index.
fn idx_images(n: u32) -> Vec<u8> {
    idx(&[n, 2, 3], &(0..n).flat_map(|i| [i as u8; 6]).collect::<Vec<u8>>())
}

/// Labels 0, 1, 2, 0, ...
fn idx_labels(n: u32) -> Vec<u8> {
    idx(&[n], &(0..n).map(|i| (i % 3) as u8).collect::<Vec<u8>>())
}

fn mnist_like(dir: &Path) {
    put(dir, "train-images-idx3-ubyte", &idx_images(9));
    put(dir, "train-labels-idx1-ubyte", &idx_labels(9));
    put(dir, "t10k-images-idx3-ubyte", &idx_images(3));
    put(dir, "t10k-labels-idx1-ubyte", &idx_labels(3));
}

/// CIFAR records: the given label bytes, then planes of red 10 + i, green 20 + i, blue 30 + i.
fn cifar(labels: &[&[u8]]) -> Vec<u8> {
    let record = |(i, l): (usize, &&[u8])| {
        let planes = [10u8, 20, 30].into_iter().flat_map(move |v| [v + i as u8; 1024]);
        l.iter().copied().chain(planes).collect::<Vec<u8>>()
    };
    labels.iter().enumerate().flat_map(record).collect()
}

fn png(dir: &Path, name: &str, h: u32, w: u32, value: u8) -> PathBuf {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(w, h, image::Rgb([value, value / 2, 0])).save(&path).unwrap();
    path
}

fn class_folders(dir: &Path, prefix: &str, per_class: usize) {
    for (class, name) in ["cat", "dog", "eel"].iter().enumerate() {
        for i in 0..per_class {
            png(dir, &format!("{prefix}{name}/{i}.png"), 4, 4, (100 * class + i) as u8);
        }
    }
}

// ---- how they are looked at ----------------------------------------------------------------------------------------

fn open(path: &Path) -> Split {
    Dataset::open(path, &OpenOptions::default()).unwrap()
}

/// The error of opening `path`, which must name `file` and contain `words`.
fn refused(path: &Path, file: &str, words: &[&str]) {
    let error = Dataset::open(path, &OpenOptions::default()).expect_err("an error");
    let message = error.to_string();
    assert!(message.contains(file), "{file:?} is not in: {message}");
    for word in words {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
}

fn assert_mnist_like(split: &Split) {
    assert_eq!((split.train.len(), split.test.len()), (9, 3));
    assert_eq!((split.train.h, split.train.w, split.train.c), (2, 3, 1));
    assert_eq!(split.train.image(7).unwrap()[..], [7; 6]);
    assert_eq!(split.test.labels, Some(vec![0, 1, 2]));
    assert_eq!(split.train.class_counts(), [3, 3, 3]);
}

// ---- IDX -----------------------------------------------------------------------------------------------------------

#[test]
fn idx_plain_gzipped_nested_and_in_archives() {
    let dir = folder();
    let plain = dir.path().join("plain");
    mnist_like(&plain);
    assert_mnist_like(&open(&plain));
    assert_eq!(open(&plain).to_string(), "plain: 9 train, 3 test, 2x3x1, 3 classes");

    let packed = dir.path().join("packed");
    for file in fs::read_dir(&plain).unwrap() {
        let file = file.unwrap();
        let name = format!("raw/{}.gz", file.file_name().to_str().unwrap());
        put(&packed, &name, &gzip(&fs::read(file.path()).unwrap()));
    }
    assert_mnist_like(&open(&packed));
    // A gzipped file beside its unpacked self is the same file, not a second set.
    let unpacked = fs::read(plain.join("t10k-labels-idx1-ubyte")).unwrap();
    put(&packed, "raw/t10k-labels-idx1-ubyte", &unpacked);
    assert_mnist_like(&open(&packed));

    for (name, bytes) in [
        ("a.tar", tar(&plain, "mnist")),
        ("a.tar.gz", gzip(&tar(&plain, "mnist"))),
        ("a.tgz", gzip(&tar(&packed, "./x/y"))),
        // Recognised by content.
        ("download", tar(&plain, "mnist")),
        ("download.gz", gzip(&tar(&packed, "mnist"))),
        // A wrong ending, and zeros after the end.
        ("b.tar", gzip(&tar(&plain, "mnist"))),
        ("c.zip", tar(&plain, "mnist")),
        ("d.tar.gz", [gzip(&tar(&plain, "mnist")), vec![0; 700]].concat()),
    ] {
        assert_mnist_like(&open(&put(dir.path(), name, &bytes)));
    }
    let only_archive = dir.path().join("only");
    put(&only_archive, "set.tar", &tar(&plain, "mnist"));
    put(&only_archive, "LICENSE.txt", b"free");
    assert_mnist_like(&open(&only_archive));
}

#[test]
fn idx_of_one_part_or_without_labels() {
    let dir = folder();
    let path = put(dir.path(), "train-images-idx3-ubyte", &idx_images(20));
    for path in [dir.path(), &path] {
        let split = open(path);
        assert_eq!(split.train.len() + split.test.len(), 20);
        assert!(split.train.labels.is_none() && split.to_string().contains("unlabelled"), "{split}");
    }
    let dir = folder();
    put(dir.path(), "t10k-images.idx3-ubyte", &idx_images(6));
    put(dir.path(), "t10k-labels.idx1-ubyte", &idx_labels(6));
    let split = open(dir.path());
    assert_eq!((split.train.len(), split.test.len()), (0, 6));
    assert!(split.to_string().contains("no training part"), "{split}");
    // Four axes: colour images.
    let dir = folder();
    put(dir.path(), "train-images-idx4-ubyte", &idx(&[10, 1, 2, 3], &[9; 60]));
    assert_eq!(open(dir.path()).train.c, 3);
}

#[test]
fn pixels_that_look_like_gzip_are_pixels() {
    let dir = folder();
    put(dir.path(), "train-images-idx3-ubyte", &idx(&[2, 1, 4], &[0x1f, 0x8b, 8, 0, 1, 2, 3, 4]));
    put(dir.path(), "t10k-images-idx3-ubyte", &idx(&[1, 1, 4], &[9; 4]));
    assert_eq!(open(dir.path()).train.pixels().unwrap()[..], [0x1f, 0x8b, 8, 0, 1, 2, 3, 4]);
}

#[test]
fn bad_idx_files_are_named() {
    let bad = |name: &str, bytes: &[u8], words: &[&str]| {
        let dir = folder();
        mnist_like(dir.path());
        put(dir.path(), name, bytes);
        refused(dir.path(), name, words);
    };
    let images = idx_images(9);
    let cut = &images[..images.len() - 4];
    bad("train-images-idx3-ubyte", cut, &["cut short", "expected 70 bytes", "found 66", "again"]);
    bad("train-images-idx3-ubyte", &images[..10], &["cut short", "16 bytes", "found 10"]);
    bad("train-images-idx3-ubyte", &images[..3], &["3 bytes", "too short"]);
    bad("train-images-idx3-ubyte", &[&images[..], &[0; 2]].concat(), &["past its end", "70", "found 72"]);
    bad("train-images-idx3-ubyte", &idx(&[u32::MAX, u32::MAX, u32::MAX], &[]), &["cut short", "found 16"]);
    bad("train-images-idx3-ubyte", &idx(&[0, 28, 28], &[]), &["0 images of 28x28x1"]);
    bad("train-images-idx3-ubyte", &idx_labels(9), &["0x00000801", "0x00000803"]);
    bad("train-images-idx3-ubyte", b"<!DOCTYPE html>", &["0x3c21444f", "not one"]);
    bad("t10k-labels-idx1-ubyte", &idx_images(3), &["0x00000803", "0x00000801"]);
    bad("train-labels-idx1-ubyte", &idx_labels(8), &["8 labels", "9 images", "train-images-idx3-ubyte"]);
    bad("t10k-labels-idx1-ubyte", &idx(&[3], &[0, 5, 1]), &["image 1 is 5", "0..=2", "3 classes"]);
    bad("more-train-images-idx3-ubyte", &images, &["2 IDX image files", "training", "train-images-idx3-ubyte"]);

    let dir = folder();
    mnist_like(dir.path());
    fs::remove_file(dir.path().join("train-images-idx3-ubyte")).unwrap();
    refused(dir.path(), "train-labels-idx1-ubyte", &["image file", "missing"]);
    let dir = folder();
    mnist_like(dir.path());
    fs::remove_file(dir.path().join("t10k-labels-idx1-ubyte")).unwrap();
    refused(dir.path(), "t10k-images-idx3-ubyte", &["label file", "missing"]);
    let dir = folder();
    mnist_like(dir.path());
    put(dir.path(), "t10k-images-idx3-ubyte", &idx(&[3, 2, 2], &[0; 12]));
    refused(dir.path(), "t10k-images", &["2x3", "2x2", "--set data.size=[2,3]"]);
    let same_size = OpenOptions { size: Some([2, 2]), ..Default::default() };
    assert_eq!(Dataset::open(dir.path(), &same_size).unwrap().train.image_bytes(), 4);
    // A size for which no memory can be had for all images at once is not the end of the program.
    put(dir.path(), "train-images-idx3-ubyte", &idx(&[40_000, 1, 1], &vec![0; 40_000]));
    fs::remove_file(dir.path().join("train-labels-idx1-ubyte")).unwrap();
    fs::remove_file(dir.path().join("t10k-labels-idx1-ubyte")).unwrap();
    let huge = OpenOptions { size: Some([16_384, 16_384]), ..Default::default() };
    let split = Dataset::open(dir.path(), &huge).unwrap();
    let message = split.train.pixels().unwrap_err().to_string();
    assert!(message.contains("16384x16384x1") && message.contains("smaller size"), "{message}");
}

#[test]
fn damaged_archives_are_named() {
    let dir = folder();
    mnist_like(&dir.path().join("in"));
    let packed = gzip(&idx_images(9));
    let bad = dir.path().join("bad");
    put(&bad, "train-images-idx3-ubyte.gz", &packed[..packed.len() - 12]);
    refused(&bad, "train-images-idx3-ubyte.gz", &["gzip", "cut short"]);

    let mut whole = tar(&dir.path().join("in"), "x");
    let path = put(dir.path(), "packed.tar.gz", &gzip(&whole)[..150]);
    refused(&path, "packed.tar.gz", &["cut short"]);
    // Ends within the last file, which takes the block before the two empty ones at the end.
    whole.truncate(whole.len() - 1024 - 508);
    let path = put(dir.path(), "plain.tar", &whole);
    refused(&path, "plain.tar", &["cut short"]);
}

// ---- CIFAR ---------------------------------------------------------------------------------------------------------

#[test]
fn cifar_10_with_some_of_its_batches() {
    let dir = folder();
    put(dir.path(), "c/data_batch_1.bin", &cifar(&[&[3], &[9]]));
    put(dir.path(), "c/data_batch_3.bin.gz", &gzip(&cifar(&[&[0]])));
    put(dir.path(), "c/test_batch.bin", &cifar(&[&[5]]));
    let names: Vec<String> = (0..10).map(|i| format!("class {i}\n")).collect();
    put(dir.path(), "c/batches.meta.txt", (names.concat() + "\n").as_bytes());
    let tar = put(dir.path(), "t/c.tar.gz", &gzip(&tar(&dir.path().join("c"), "cifar-10-batches-bin")));
    for path in [&dir.path().join("c"), &tar] {
        let split = open(path);
        assert_eq!(split.train.labels, Some(vec![3, 9, 0]));
        assert_eq!(split.train.image(1).unwrap()[..6], [11, 21, 31, 11, 21, 31]);
        assert_eq!(split.train.classes[9], "class 9");
        assert_eq!(split.test.labels, Some(vec![5]));
        assert_eq!(
            split.to_string(),
            "CIFAR-10: 3 train, 1 test, 32x32x3, 10 classes (without training batches 2, 4, 5 of 5; \
             1 of 10 classes have no training image, and images to be tested on: class 5 (1))"
        );
    }
    fs::remove_file(dir.path().join("c/batches.meta.txt")).unwrap();
    assert_eq!(open(&dir.path().join("c")).train.classes[9], "truck");
}

#[test]
fn cifar_100_fine_and_coarse() {
    let dir = folder();
    put(dir.path(), "train.bin", &cifar(&[&[19, 99], &[0, 7]]));
    put(dir.path(), "test.bin", &cifar(&[&[1, 50]]));
    let split = open(dir.path());
    let never = "1 of 100 classes have no training image, and images to be tested on: 50 (1)";
    assert_eq!(split.to_string(), format!("CIFAR-100: 2 train, 1 test, 32x32x3, 100 classes ({never})"));
    assert_eq!(split.train.labels, Some(vec![99, 7]));
    assert_eq!(split.train.image(0).unwrap()[..3], [10, 20, 30]);
    let coarse = OpenOptions { coarse_labels: true, ..Default::default() };
    let split = Dataset::open(dir.path(), &coarse).unwrap();
    assert_eq!(split.train.labels, Some(vec![19, 0]));
    assert_eq!(split.train.classes.len(), 20);
}

#[test]
fn bad_cifar_files_are_named() {
    let bad = |name: &str, bytes: &[u8], words: &[&str]| {
        let dir = folder();
        put(dir.path(), "data_batch_1.bin", &cifar(&[&[3]]));
        put(dir.path(), name, bytes);
        refused(dir.path(), name, words);
    };
    let two = cifar(&[&[3], &[4]]);
    bad("data_batch_2.bin", &two[..two.len() - 73], &["multiple of 3073", "found 6073", "1 records and 3000"]);
    bad("data_batch_2.bin", &[], &["multiple of 3073", "found 0"]);
    bad("test_batch.bin", &cifar(&[&[0], &[10]]), &["image 1 is 10", "0..=9"]);
    bad("batches.meta.txt", b"a\nb\n", &["2 class names", "10"]);
    bad("train.bin", &cifar(&[&[0, 1]]), &["CIFAR-100", "data_batch_1.bin"]);
    let dir = folder();
    put(dir.path(), "train.bin", &cifar(&[&[0, 1]])[..3073]);
    refused(dir.path(), "train.bin", &["multiple of 3074", "found 3073"]);
    put(dir.path(), "train.bin", &cifar(&[&[0, 100]]));
    refused(dir.path(), "train.bin", &["image 0 is 100", "0..=99"]);
}

// ---- folders of images ---------------------------------------------------------------------------------------------

#[test]
fn class_folders_with_and_without_parts() {
    let dir = folder();
    class_folders(dir.path(), "plain/", 10);
    let split = open(&dir.path().join("plain"));
    let both = split.train.class_counts().into_iter().zip(split.test.class_counts());
    assert_eq!(both.map(|(train, test)| train + test).collect::<Vec<_>>(), [10, 10, 10]);
    assert_eq!(split.train.classes, ["cat", "dog", "eel"]);
    let sizes = format!("{} train, {} test", split.train.len(), split.test.len());
    assert!(split.to_string().starts_with(&format!("plain: {sizes}, 4x4x3, 3 classes (no test part")), "{split}");
    let seeded = |seed| Dataset::open(dir.path().join("plain"), &OpenOptions { seed, ..Default::default() }).unwrap();
    assert_eq!(seeded(5), seeded(5));
    assert!((1..5).any(|seed| seeded(seed).test != split.test));

    class_folders(dir.path(), "parts/train/", 3);
    class_folders(dir.path(), "parts/val/", 2);
    put(dir.path(), "parts/.hidden.png", b"not looked at");
    put(dir.path(), "parts/train/cat/notes.txt", b"not an image");
    let parts = dir.path().join("parts");
    let archive = put(dir.path(), "parts.tar", &tar(&parts, "some/where"));
    let packed = put(dir.path(), "parts.tar.gz", &gzip(&tar(&parts, ".")));
    for path in [&parts, &archive, &packed] {
        let split = open(path);
        let told = split.to_string();
        assert!(told.starts_with("parts: 9 train, 6 test, 4x4x3, 3 classes (no test part: tested on val"), "{told}");
        assert!(told.contains("1 hidden (") && told.contains("1 not an image (.txt) ("), "{told}");
        // Files in order of their names, pixels red, green, blue.
        assert_eq!(split.train.labels, Some(vec![0, 0, 0, 1, 1, 1, 2, 2, 2]));
        assert_eq!(split.test.image(3).unwrap()[..3], [101, 50, 0]);
    }
    // Of val and test, test is taken.
    class_folders(dir.path(), "parts/test/", 1);
    let three = open(&parts).to_string();
    assert!(three.starts_with("parts: 9 train, 6 val, 3 test, 4x4x3, 3 classes"), "{three}");
    // One part given by itself is a set without parts.
    let one = open(&parts.join("train"));
    assert!(one.drawn && one.train.len() + one.test.len() == 9, "{one}");
}

#[test]
fn images_without_class_folders_are_unlabelled() {
    let dir = folder();
    for i in 0..10 {
        png(dir.path(), &format!("a/{i}.png"), 3, 5, i);
    }
    for path in [dir.path(), &dir.path().join("a")] {
        let split = open(path);
        assert_eq!(split.train.len() + split.test.len(), 10);
        assert!(split.train.labels.is_none() && split.train.classes.is_empty());
        assert_eq!((split.train.h, split.train.w), (3, 5));
    }
    // An unlabelled test part beside labelled training images; and the validation part that is taken in its stead.
    let dir = folder();
    class_folders(dir.path(), "train/", 2);
    png(dir.path(), "test/images/1.png", 4, 4, 1);
    let said = open(dir.path()).to_string();
    assert!(said.contains("test has no labels and is left out: data.test draws a share"), "{said}");
    class_folders(dir.path(), "val/", 1);
    let split = open(dir.path());
    assert_eq!(split.test.labels, Some(vec![0, 1, 2]));
    assert!(split.to_string().contains("tested on val"), "{split}");
    // A test part of one class still has its label.
    let dir = folder();
    class_folders(dir.path(), "train/", 2);
    png(dir.path(), "test/dog/1.png", 4, 4, 1);
    assert_eq!(open(dir.path()).test.labels, Some(vec![1]));
}

#[test]
fn sizes_and_channels_are_brought_together() {
    let dir = folder();
    png(dir.path(), "a/1.png", 8, 12, 200);
    png(dir.path(), "b/1.png", 20, 10, 100);
    GrayImage::from_pixel(9, 9, image::Luma([77])).save(dir.path().join("a/0.png")).unwrap();
    let b = dir.path().join("b");
    let jpeg =
        libjpeg_turbo_rs::compress(&[50, 60, 70].repeat(81), 9, 9, PixelFormat::Rgb, 90, Subsampling::S444).unwrap();
    fs::write(b.join("2.jpg"), jpeg).unwrap();
    RgbImage::from_pixel(9, 9, image::Rgb([5, 6, 7])).save(b.join("3.bmp")).unwrap();
    refused(dir.path(), "a/1.png", &["8x12", "a/0.png", "9x9", "--set data.size=[9,9]"]);

    let options = OpenOptions { size: Some([6, 6]), test_share: 0.0, ..Default::default() };
    let split = Dataset::open(dir.path(), &options).unwrap();
    assert_eq!((split.train.h, split.train.w, split.train.c, split.train.len()), (6, 6, 3, 5));
    assert!(split.test.is_empty());
    assert_eq!(split.train.image(0).unwrap()[..], [77; 108]);
    assert_eq!(split.train.image(1).unwrap()[..], [200, 100, 0].repeat(36));
    assert_eq!(split.train.image(4).unwrap()[..], [5, 6, 7].repeat(36));
    let grey = Dataset::open(dir.path(), &OpenOptions { channels: Some(1), ..options }).unwrap();
    assert_eq!(grey.train.c, 1);
    assert_eq!(grey.train.image(0).unwrap()[..], [77; 36]);
    // 0.299 * 5 + 0.587 * 6 + 0.114 * 7 = 5.8.
    assert_eq!(grey.train.image(4).unwrap()[..], [6; 36]);
}

#[test]
fn bad_image_folders_are_named() {
    let dir = folder();
    class_folders(dir.path(), "", 3);
    let broken = png(dir.path(), "dog/1.png", 4, 4, 0);
    let bytes = fs::read(&broken).unwrap();
    fs::write(&broken, &bytes[..bytes.len() / 2]).unwrap();
    put(dir.path(), "eel/0.png", b"text");
    // Of two broken files the first is named, every time.
    for _ in 0..5 {
        refused(dir.path(), "dog/1.png", &["is cut short", "data.truncated=keep"]);
    }
    let beside = folder();
    let archive = put(beside.path(), "set.tar", &tar(dir.path(), "set"));
    refused(&archive, "set.tar", &["set/dog/1.png", "is cut short"]);

    let dir = folder();
    class_folders(dir.path(), "", 2);
    png(dir.path(), "lost.png", 4, 4, 0);
    refused(dir.path(), "lost.png", &["beside", "cat/0.png"]);
    let dir = folder();
    class_folders(dir.path(), "train/", 2);
    png(dir.path(), "test/cat/0.png", 4, 4, 0);
    png(dir.path(), "test/fox/0.png", 4, 4, 0);
    refused(dir.path(), "test/fox/0.png", &["\"fox\"", "cat, dog, eel"]);
}

// ---- paths that hold no data set -----------------------------------------------------------------------------------

#[test]
fn paths_without_a_data_set_are_explained() {
    let dir = folder();
    refused(&dir.path().join("nowhere"), "nowhere", &["no such file or folder"]);
    refused(dir.path(), dir.path().to_str().unwrap(), &["is empty", "Recognised are"]);
    let file = put(dir.path(), "a.txt", b"words");
    put(dir.path(), "sub/b.txt", b"words");
    put(dir.path(), "c.json", b"{}");
    let all = ["2 .txt", "1 .json", "train-images-idx3-ubyte", "data_batch_1.bin", "class folders", ".tar.gz"];
    refused(dir.path(), dir.path().to_str().unwrap(), &all);
    refused(&file, "a.txt", &["no data set", "Recognised are"]);
    put(dir.path(), "set.zip", b"PK");
    refused(dir.path(), "set.zip", &["zip", "damaged"]);
    fs::remove_file(dir.path().join("set.zip")).unwrap();
    put(dir.path(), "data_batch_1", b"pickle");
    refused(dir.path(), "", &["Python version"]);

    let dir = folder();
    mnist_like(&dir.path().join("digits"));
    put(dir.path(), "cifar/test_batch.bin", &cifar(&[&[5]]));
    refused(dir.path(), "", &["several data sets", "IDX files in \"digits\"", "CIFAR files in \"cifar\""]);
    let dir = folder();
    put(dir.path(), "a.tar", b"");
    put(dir.path(), "b.tgz", b"");
    refused(dir.path(), "", &["several archives (a.tar, b.tgz)"]);
    let path = put(dir.path(), "only.tar", &tar(folder().path(), "x"));
    refused(&path, "only.tar", &["is empty"]);
}

#[test]
fn known_sets_by_their_files() {
    // Fashion-MNIST and MNIST have the same names and sizes; only content tells them apart. Made-up labels are neither.
    let dir = folder();
    mnist_like(dir.path());
    assert_eq!(open(dir.path()).name(), dir.path().file_name().unwrap().to_str().unwrap());
    let stats = open(dir.path()).normalization().unwrap();
    // Pixels are 0..=8: mean 4 / 255, deviation sqrt(60 / 9) / 255.
    assert!((stats.mean[0] - 4.0 / 255.0).abs() < 1e-7, "{stats:?}");
    assert!((stats.std[0] - (60.0f32 / 9.0).sqrt() / 255.0).abs() < 1e-7, "{stats:?}");
}

/// Files that fuzzing found: a decoder that overflows, and 72 bytes that claim 133 million pixels.
#[test]
fn pictures_that_are_made_to_harm_are_named() {
    let dir = folder();
    let class = dir.path().join("a");
    fs::create_dir_all(&class).unwrap();
    let jpeg = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/pictures/overflows.jpg");
    fs::copy(jpeg, class.join("1.jpg")).unwrap();
    refused(dir.path(), "1.jpg", &["is cut short"]);
    fs::remove_file(class.join("1.jpg")).unwrap();
    let gif = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/pictures/claims.gif")).unwrap();
    put(dir.path(), "a/1.gif", &gif);
    refused(dir.path(), "1.gif", &["13311x9984", "at most 256", "shrink it"]);
}
