//! Sets that could be taken for others than they are: refused with what would make them clear, or read with a note.

use super::sets::{names, open_files, png, refused};
use onebit::data::{Dataset, OpenOptions, Split};
use std::io::{Cursor, Write};
use std::path::Path;

/// `n` pictures in each of these folders.
fn folders(folders: &[&str], n: u8) -> Vec<(String, Vec<u8>)> {
    let of = |(f, folder): (usize, &&str)| {
        let folder = folder.to_string();
        (0..n).map(move |i| (format!("{folder}/{i}.png"), png(20 * f as u8 + i)))
    };
    folders.iter().enumerate().flat_map(of).collect()
}

fn borrowed(files: &[(String, Vec<u8>)]) -> Vec<(&str, Vec<u8>)> {
    files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect()
}

fn open(files: &[(String, Vec<u8>)]) -> Split {
    open_files(&borrowed(files)).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_same_folders_in_each_folder_are_not_taken_for_no_classes() {
    for outer in [["fold_1", "fold_2"], ["learn", "score"], ["tr", "te"], ["训练", "测试"]] {
        let inner: Vec<String> = outer.iter().flat_map(|o| ["cat", "dog"].map(|i| format!("{o}/{i}"))).collect();
        let files = folders(&inner.iter().map(String::as_str).collect::<Vec<_>>(), 2);
        refused(&borrowed(&files), &["the same folders (cat, dog)", outer[0], outer[1], "train, val and test"]);
    }
    // Folders within class folders that are others, or only in some, tell nothing: that is said.
    for inner in [["cat/a", "cat/b", "dog/c"], ["cat/a", "cat/b", "dog"]] {
        let split = open(&folders(&inner, 2));
        assert_eq!(split.train.classes, ["cat", "dog"]);
        assert!(split.to_string().contains("class folders hold folders"), "{split}");
    }
}

#[test]
fn images_beside_their_masks_are_no_classes() {
    for names in [["images", "masks"], ["JPEGImages", "SegmentationClass"], ["train/img", "train/gt"]] {
        let last = |name: &str| name.rsplit('/').next().unwrap().to_string();
        let (images, other) = (format!("{:?}", last(names[0])), last(names[1]));
        refused(&borrowed(&folders(&names, 2)), &[&images, &other, "give the path"]);
    }
}

#[test]
fn names_of_classes_that_look_alike_are_told() {
    refused(&borrowed(&folders(&["caf\u{e9}", "cafe\u{301}"], 2)), &["both called caf\u{e9}", "Rename"]);
    let parts = ["train/caf\u{e9}", "train/dog", "test/cafe\u{301}", "test/dog"];
    refused(&borrowed(&folders(&parts, 2)), &["no images in the training part", "only by how its accents are written"]);
    let parts = ["train/Cat", "train/Dog", "test/cat", "test/dog"];
    refused(&borrowed(&folders(&parts, 2)), &["\"Cat\" differs from it only by case"]);
    let split = open(&folders(&["Cat", "cat", "dog"], 2));
    assert_eq!(split.train.classes, ["Cat", "cat", "dog"]);
    assert!(split.to_string().contains("\"Cat\" and \"cat\" are two classes"), "{split}");
}

#[test]
fn test_images_that_are_trained_on_are_counted() {
    let mut files = folders(&["train/cat", "train/dog", "test/cat", "test/dog"], 3);
    assert!(!open(&files).to_string().contains("training images too"));
    // Files of several lengths, two of them in both parts.
    files.push(("train/cat/9.png".into(), [png(200), b"behind the end".to_vec()].concat()));
    files.push(("test/dog/8.png".into(), png(0)));
    files.push(("test/dog/9.png".into(), [png(200), b"behind the end".to_vec()].concat()));
    let said = open(&files).to_string();
    assert!(
        said.contains("2 of the test images are training images too (test/dog/8.png is train/cat/0.png)"),
        "{said}"
    );
}

/// A table of six images, two classes and one more column.
fn table(header: &str, column: [&str; 6]) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = (0..6).map(|i| (format!("{i}.png"), png(i))).collect();
    let row = |(i, more): (usize, &&str)| format!("{i}.png,{},{more}\n", ["cat", "dog"][i % 2]);
    let rows: String = column.iter().enumerate().map(row).collect();
    files.push(("labels.csv".into(), format!("file,label,{header}\n{rows}").into_bytes()));
    files
}

#[test]
fn a_column_of_parts_is_followed_or_refused() {
    let split = open(&table("split", ["TRAIN", "train", "Validation", "valid", "test", "Testing"]));
    assert_eq!([&split.train, &split.val, &split.test].map(|p| p.len()), [2, 2, 2]);
    for (header, column, words) in [
        ("split", ["train", "train", "train", "train", "holdout", "holdout"], ["row 6", "\"holdout\""]),
        ("Subset", ["train", "train", "dev", "dev", "test", "test"], ["row 4", "\"dev\""]),
        ("is_test", ["0", "0", "0", "0", "1", "1"], ["\"is_test\"", "a column \"split\""]),
        ("is_valid", ["False", "False", "True", "True", "False", "True"], ["\"is_valid\"", "a column \"split\""]),
    ] {
        refused(&borrowed(&table(header, column)), &words);
    }
    let split = open(&table("fold", ["0", "1", "2", "0", "1", "2"]));
    assert!(split.train.len() == 6 && split.to_string().contains("the column \"fold\" of labels.csv"), "{split}");
    let mut other = table("x", ["1"; 6]);
    other[6].0 = "Evaluation_set.csv".into();
    refused(&borrowed(&other), &["Evaluation_set", "not known"]);
    // Nor is a file for a part that is not known trained on.
    let mut files = table("x", ["1"; 6]);
    files[6].0 = "holdout.csv".into();
    refused(&borrowed(&files), &["holdout.csv", "not known"]);
}

#[test]
fn tables_that_spreadsheets_save_are_read() {
    let mut files = table("x", ["1", "2", "3", "4", "5", "6"]);
    let text = String::from_utf8(files[6].1.clone()).unwrap().replace("cat", "caf\u{e9}");
    let units = || std::iter::once('\u{feff}').chain(text.chars()).map(|c| c as u16);
    for bytes in [units().flat_map(u16::to_le_bytes).collect(), units().flat_map(u16::to_be_bytes).collect()] {
        files[6].1 = bytes;
        assert_eq!(names(&open(&files).train)[..2], ["caf\u{e9}", "dog"]);
    }
}

#[test]
fn what_tells_no_classes_though_it_sounds_so_is_named() {
    for file in
        ["labels.json", "labels.txt", "annotations/instances_train.json", "labels/train/0.txt", "Annotations/0.xml"]
    {
        let mut files = folders(&["images/train"], 3);
        files.push((file.into(), b"{\"0.png\": 1}".to_vec()));
        let said = open(&files).to_string();
        assert!(
            said.contains(&format!("{file} is not read as a table of classes")) && said.contains("labels.csv"),
            "{said}"
        );
    }
}

#[test]
fn what_keeps_a_set_from_being_recognised_is_named() {
    let bare = |names: &[&str]| -> Vec<(String, Vec<u8>)> { names.iter().map(|n| (n.to_string(), png(1))).collect() };
    refused(&borrowed(&bare(&["cat/0", "cat/1", "dog/0"])), &["cat/0 is a picture by its content", "ending"]);
    let zip = |files: &[(&str, &[u8])]| {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    };
    let arrays = zip(&[("foo.npy", b"x"), ("bar.npy", b"y")]);
    refused(&[("set.npz", arrays)], &["set.npz", "(bar, foo)", "x_train and y_train"]);
    for (file, words) in [("a.arrow", "to_parquet"), ("train.tfrecord", "TensorFlow"), ("set.h5", "numpy.savez")] {
        refused(&[(file, b"anything".to_vec())], &[file, words]);
    }
    let inner = zip(&[("cat/0.png", &png(0)), ("dog/0.png", &png(1))]);
    refused(&[("outer.zip", zip(&[("inner.zip", &inner)]))], &["the archive inner.zip: unpack it"]);
    // Names of the code page that zips began with, as Python reads them.
    let named = zip(&[("caXX/0.png", &png(0)), ("dog/0.png", &png(1))]);
    let mut older = named.clone();
    let at: Vec<usize> = (0..older.len() - 1).filter(|i| older[*i..].starts_with(b"caXX")).collect();
    at.iter().for_each(|i| older[*i..][..4].copy_from_slice(b"caf\x82"));
    assert_eq!(open_files(&[("set.zip", older)]).unwrap().train.classes, ["caf\u{e9}", "dog"]);
}

#[test]
fn a_test_folder_without_classes_is_no_test_part() {
    let mut files = folders(&["train/cat", "train/dog"], 20);
    (0..3).for_each(|i| files.push((format!("test/{i}.png"), png(200 + i))));
    let split = Dataset::open_files(Path::new("x"), files, &OpenOptions::default()).unwrap();
    assert!(split.drawn && split.test.labels.is_some() && !split.test.is_empty());
    let said = split.to_string();
    assert!(said.contains("test has no labels and is left out: data.test draws a share"), "{said}");
    assert_eq!(split.left_out.count_of("a test image without a label"), 3);
    // A share that is asked for and cannot be drawn is told.
    let own = folders(&["train/cat", "train/dog", "test/cat", "test/dog"], 4);
    let options = OpenOptions { test_share: 0.4, val_share: 0.2, ..OpenOptions::default() };
    let split = Dataset::open_files(Path::new("x"), own.clone(), &options).unwrap();
    assert!(split.to_string().contains("data.test = 0.4 is not used: the set has a test part of its own"), "{split}");
    assert!(!open(&own).to_string().contains("is not used"));
}

#[test]
fn a_picture_without_an_ending_is_not_called_no_image() {
    let mut files = folders(&["cat", "dog"], 2);
    files.push(("cat/scan".into(), png(9)));
    files.push(("cat/notes".into(), b"some text".to_vec()));
    let said = open(&files).left_out.to_string();
    assert!(said.contains("1 an image by its content, and not by its name (without ending) (cat/scan)"), "{said}");
    assert!(said.contains("1 not an image (without ending) (cat/notes)"), "{said}");
}

#[test]
fn a_class_that_is_drawn_away_from_training_is_told() {
    let files: Vec<(String, Vec<u8>)> = (0..40).map(|i| (format!("class{i:02}/0.png"), png(i))).collect();
    let options = OpenOptions { test_share: 0.3, ..OpenOptions::default() };
    let split = Dataset::open_files(Path::new("set"), files, &options).unwrap();
    let never = split.test.len();
    assert!(never > 0, "{split}");
    let told = format!("{never} of 40 classes have no training image");
    assert!(split.notes.iter().any(|note| note.starts_with(&told)), "{:?}", split.notes);
}
