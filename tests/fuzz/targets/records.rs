//! Sets whose images are records in a file of any bytes: arrays of NumPy, CIFAR's pickles, Parquet, packed sets. What a format
//! checks itself by is made right, so that more than that is reached.

use onebit::data::{Dataset, OpenOptions};
use std::path::Path;

/// Whether that is a set; how it is made of the bytes, the numbers say.
pub fn run(how: u8, cut: u8, bytes: &[u8]) -> bool {
    let (one, two) = bytes.split_at(bytes.len() * cut as usize / 255);
    let file = |name: &str, bytes: &[u8]| (name.to_string(), bytes.to_vec());
    let files = match how % 8 {
        0 => vec![file("set.npz", bytes)],
        1 => vec![("set.npz".to_string(), stored_zip(&[("x_train.npy", one), ("y_train.npy", two)]))],
        2 => vec![file("x_train.npy", one), file("y_train.npy", two)],
        3 => vec![file("data_batch_1", one), file("batches.meta", two)],
        4 => vec![file("train", one), file("meta", two)],
        5 => vec![file("data/train-00000-of-00001.parquet", bytes)],
        6 => vec![file("set.1img", bytes)],
        _ => vec![("set.1img".to_string(), packed(one, two))],
    };
    let options = OpenOptions { coarse_labels: how & 8 == 8, test_share: 0.5, ..OpenOptions::default() };
    let Ok(split) = Dataset::open_files(Path::new("fuzzed"), files, &options) else { return false };
    [split.train, split.val, split.test].iter().for_each(|part| {
        part.check(Path::new("fuzzed")).expect("what is read fits together");
    });
    true
}

/// A packed set of these bytes of images and of its index.
fn packed(images: &[u8], index: &[u8]) -> Vec<u8> {
    let mut header = [0; 32];
    header[..4].copy_from_slice(b"1IMG");
    header[4..8].copy_from_slice(&1u32.to_le_bytes());
    header[8..16].copy_from_slice(&(32 + images.len() as u64).to_le_bytes());
    header[16..24].copy_from_slice(&(index.len() as u64).to_le_bytes());
    header[24..28].copy_from_slice(&crc32fast::hash(index).to_le_bytes());
    let crc = crc32fast::hash(&header[..28]);
    header[28..].copy_from_slice(&crc.to_le_bytes());
    [&header, images, index].concat()
}

/// A zip of files that are not compressed.
fn stored_zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut zip, mut list) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let at = zip.len() as u32;
        let size = (bytes.len() as u32).to_le_bytes();
        // Version, flags, method, time and date; checksum, packed and real size; lengths of name and of more.
        let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        common.extend(crc32fast::hash(bytes).to_le_bytes());
        common.extend([size, size].concat());
        common.extend([name.len() as u8, 0, 0, 0]);
        zip.extend([b"PK\x03\x04", &common[..], name.as_bytes(), bytes].concat());
        list.extend([b"PK\x01\x02\x14\0", &common[..], &[0; 10], &at.to_le_bytes(), name.as_bytes()].concat());
    }
    let [count, length, at] = [files.len(), list.len(), zip.len()].map(|n| (n as u32).to_le_bytes());
    let end = [b"PK\x05\x06\0\0\0\0", &count[..2], &count[..2], &length, &at, b"\0\0"].concat();
    [zip, list, end].concat()
}
