//! IDX files: images and labels of any bytes, perhaps compressed, perhaps with headers that fit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onebit::data::{Dataset, OpenOptions};
use std::path::Path;

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (how, cut, bytes) = input;
    let (images, labels) = bytes.split_at(bytes.len() * cut as usize / 255);
    let (mut images, mut labels) = (images.to_vec(), labels.to_vec());
    if how & 1 == 1 {
        // As many images of 2 x 3 as there are labels.
        images.resize(labels.len() * 6, 7);
        let header = |axes: &[usize]| -> Vec<u8> {
            let extents = axes.iter().flat_map(|&e| (e as u32).to_be_bytes());
            [0, 0, 8, axes.len() as u8].into_iter().chain(extents).collect()
        };
        images.splice(..0, header(&[labels.len(), 2, 3]));
        labels.splice(..0, header(&[labels.len()]));
    }
    let part = if how & 2 == 2 { "train" } else { "t10k" };
    let mut files = vec![(format!("{part}-images-idx3-ubyte"), images)];
    if how & 4 == 4 {
        files.push((format!("{part}-labels-idx1-ubyte"), labels));
    }
    if let Ok(split) = Dataset::open_files(Path::new("fuzzed"), files, &OpenOptions::default()) {
        split.train.check(Path::new("fuzzed")).expect("what is read fits together");
        split.test.check(Path::new("fuzzed")).expect("what is read fits together");
    }
});
