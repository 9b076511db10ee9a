//! Sets as files in memory, and what is looked at in them.

use image::RgbImage;
use onebit::data::{Dataset, OpenOptions, Split};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/readers").join(name)
}

pub fn whole() -> OpenOptions {
    OpenOptions { test_share: 0.0, ..OpenOptions::default() }
}

/// The bytes of all files below a folder, by their names there.
pub fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![(String::new(), folder.to_path_buf())];
    while let Some((prefix, path)) = folders.pop() {
        if path.is_file() {
            all.push((path.file_name().unwrap().to_str().unwrap().into(), fs::read(&path).unwrap()));
            continue;
        }
        for entry in fs::read_dir(&path).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            match entry.file_type().unwrap().is_dir() {
                true => folders.push((format!("{name}/"), entry.path())),
                false => all.push((name, fs::read(entry.path()).unwrap())),
            }
        }
    }
    all.sort();
    all
}

pub fn open_files(files: &[(&str, Vec<u8>)]) -> onebit::error::Result<Split> {
    let files = files.iter().map(|(name, bytes)| (name.to_string(), bytes.clone())).collect();
    Dataset::open_files(Path::new("set"), files, &whole())
}

pub fn refused(files: &[(&str, Vec<u8>)], words: &[&str]) {
    let message = open_files(files).map(|split| split.to_string()).expect_err("an error").to_string();
    words.iter().for_each(|word| assert!(message.contains(word), "{word:?} is not in: {message}"));
}

pub fn png(value: u8) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_pixel(4, 4, image::Rgb([value, 0, 0])).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A red that grows with the place of an image.
pub fn reds(part: &Dataset) -> Vec<u8> {
    (0..part.len()).map(|i| part.image(i).unwrap()[0]).collect()
}

pub fn names(part: &Dataset) -> Vec<&str> {
    let labels = part.labels.as_ref().expect("labels");
    labels.iter().map(|l| part.classes[*l as usize].as_str()).collect()
}
