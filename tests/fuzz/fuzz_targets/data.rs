//! A file of any bytes as a data set: IDX, CIFAR's records, pictures, archives, each perhaps compressed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onebit::data::{Dataset, OpenOptions};
use std::fs;

/// Names by which readers are told apart where the content does not do it.
const NAMES: [&str; 6] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "data_batch_1.bin", "train.bin", "a/1.png", "set.tar"];

fuzz_target!(|bytes: &[u8]| {
    let Some((name, content)) = bytes.split_first() else { return };
    let folder = std::env::temp_dir().join(format!("onebit-fuzz-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("a")).expect("a folder");
    fs::write(folder.join(NAMES[*name as usize % NAMES.len()]), content).expect("a file");
    let _ = Dataset::open(&folder, &OpenOptions::default());
});
