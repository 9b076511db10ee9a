//! CIFAR's records of any bytes, perhaps compressed, perhaps filled up to whole records; and files of class names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onebit::data::{Dataset, OpenOptions};
use std::path::Path;

const RECORDS: [(&str, usize); 4] =
    [("data_batch_1.bin", 3073), ("test_batch.bin", 3073), ("train.bin", 3074), ("test.bin", 3074)];
const NAMES: [&str; 3] = ["batches.meta.txt", "fine_label_names.txt", "coarse_label_names.txt"];

fuzz_target!(|input: (u8, u8, &[u8], &[u8])| {
    let (how, named, names, records) = input;
    let (file, size) = RECORDS[how as usize % 4];
    let mut records = records.to_vec();
    if how & 4 == 4 {
        records.resize(records.len().next_multiple_of(size), 0);
    }
    let mut files = vec![(file.to_string(), records)];
    if let Some(name) = NAMES.get(named as usize % 4) {
        files.push((name.to_string(), names.to_vec()));
    }
    let options = OpenOptions { coarse_labels: how & 8 == 8, test_share: 0.5, ..OpenOptions::default() };
    if let Ok(split) = Dataset::open_files(Path::new("fuzzed"), files, &options) {
        split.train.check(Path::new("fuzzed")).expect("what is read fits together");
        split.test.check(Path::new("fuzzed")).expect("what is read fits together");
    }
});
